/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "loan.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

struct _VfLoan {
    GObject parent_instance;
    char *id;
    VfDevice *device;
    int fd;
    VfClosers *closers;
    guint32 uid;
    char *owner;
    gboolean keep;
    char *user;
    gboolean orphaned;
    gboolean reclaiming;
};

G_DEFINE_FINAL_TYPE(VfLoan, vf_loan, G_TYPE_OBJECT)

static void
vf_loan_finalize(GObject *object)
{
    VfLoan *self = VF_LOAN(object);

    vf_loan_close(self);
    g_clear_pointer(&self->closers, vf_closers_unref);
    g_clear_object(&self->device);
    g_free(self->id);
    g_free(self->owner);
    g_free(self->user);
    G_OBJECT_CLASS(vf_loan_parent_class)->finalize(object);
}

static void
vf_loan_class_init(VfLoanClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_loan_finalize;
}

static void
vf_loan_init(VfLoan *self)
{
    self->fd = -1;
    self->id = g_uuid_string_random();
}

VfLoan *
vf_loan_new(VfDevice *device, int fd, guint32 uid, const char *owner, gboolean keep)
{
    VfLoan *self = g_object_new(VF_TYPE_LOAN, NULL);

    self->device = g_object_ref(device);
    self->fd = fd;
    self->uid = uid;
    self->owner = g_strdup(owner);
    self->keep = keep;
    return self;
}

const char *
vf_loan_get_id(VfLoan *self)
{
    return self->id;
}

void
vf_loan_set_id(VfLoan *self, const char *id)
{
    g_free(self->id);
    self->id = g_strdup(id);
}

VfDevice *
vf_loan_get_device(VfLoan *self)
{
    return self->device;
}

int
vf_loan_get_fd(VfLoan *self)
{
    return self->fd;
}

guint32
vf_loan_get_uid(VfLoan *self)
{
    return self->uid;
}

const char *
vf_loan_get_owner(VfLoan *self)
{
    return self->owner;
}

gboolean
vf_loan_get_keep(VfLoan *self)
{
    return self->keep;
}

gboolean
vf_loan_use(VfLoan *self, const char *job_uuid, GError **error)
{
    if (self->user) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is in job %s"),
                    vf_device_get_id(self->device), self->user);
        return FALSE;
    }
    if (self->reclaiming) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is being reclaimed"),
                    vf_device_get_id(self->device));
        return FALSE;
    }
    self->user = g_strdup(job_uuid);
    return TRUE;
}

void
vf_loan_unuse(VfLoan *self, const char *job_uuid)
{
    if (g_strcmp0(self->user, job_uuid) == 0)
        g_clear_pointer(&self->user, g_free);
}

const char *
vf_loan_get_user(VfLoan *self)
{
    return self->user;
}

gboolean
vf_loan_is_orphaned(VfLoan *self)
{
    return self->orphaned;
}

void
vf_loan_set_orphaned(VfLoan *self)
{
    self->orphaned = TRUE;
}

gboolean
vf_loan_is_reclaiming(VfLoan *self)
{
    return self->reclaiming;
}

void
vf_loan_set_reclaiming(VfLoan *self, gboolean reclaiming)
{
    self->reclaiming = reclaiming;
}

void
vf_loan_set_closers(VfLoan *self, VfClosers *closers)
{
    g_clear_pointer(&self->closers, vf_closers_unref);
    self->closers = closers ? vf_closers_ref(closers) : NULL;
}

void
vf_loan_close(VfLoan *self)
{
    if (self->closers)
        vf_closers_add(self->closers, self->uid, &self->fd);
    vf_io_close_in_thread(&self->fd, NULL, NULL);
}
