/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "uses.h"

#include <glib/gi18n-lib.h>

#include "error.h"

struct _VfUses {
    GObject parent_instance;
    GPtrArray *users; /* of User */
};

G_DEFINE_FINAL_TYPE(VfUses, vf_uses, G_TYPE_OBJECT)

typedef struct {
    VfUsesCheck check;
    gpointer user; /* NULL when it has gone */
} User;

static void
user_free(gpointer data)
{
    User *user = data;

    g_clear_weak_pointer(&user->user);
    g_free(user);
}

static void
vf_uses_finalize(GObject *object)
{
    VfUses *self = VF_USES(object);

    g_ptr_array_unref(self->users);
    G_OBJECT_CLASS(vf_uses_parent_class)->finalize(object);
}

static void
vf_uses_class_init(VfUsesClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_uses_finalize;
}

static void
vf_uses_init(VfUses *self)
{
    self->users = g_ptr_array_new_with_free_func(user_free);
}

VfUses *
vf_uses_new(void)
{
    return g_object_new(VF_TYPE_USES, NULL);
}

void
vf_uses_add(VfUses *self, VfUsesCheck check, gpointer user)
{
    User *entry = g_new0(User, 1);

    entry->check = check;
    g_set_weak_pointer(&entry->user, user);
    g_ptr_array_add(self->users, entry);
}

gboolean
vf_uses_check(VfUses *self, const VfTouch *touch, GError **error)
{
    for (guint i = 0; i < self->users->len; i++) {
        const User *entry = self->users->pdata[i];

        if (entry->user && !entry->check(entry->user, touch, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
vf_uses_check_device(VfUses *self, VfDevice *device, GError **error)
{
    const VfTouch touch = {.id = vf_device_get_id(device), .inode = vf_device_get_inode(device)};

    return vf_uses_check(self, &touch, error);
}

gboolean
vf_touch_is_of(const VfTouch *touch, const char *id, guint64 inode)
{
    return g_strcmp0(touch->id, id) == 0 &&
           (touch->inode == inode || touch->inode == 0 || inode == 0);
}

gboolean
vf_touch_refuse_job(const VfTouch *touch, const char *job_uuid, gboolean in_doubt, GError **error)
{
    if (in_doubt)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT,
                    _("device %s is in job %s, which is in doubt: resolve it first"), touch->id,
                    job_uuid);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is in job %s"), touch->id,
                    job_uuid);
    return FALSE;
}
