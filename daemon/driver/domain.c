/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domain.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "text.h"
#include "uuid.h"

struct _VfDomain {
    GObject parent_instance;
    char *driver_name;
    guint32 uid;
    char *owner;
    char *name;
    char *uuid;
    gboolean gone;
    VfDomainState state;
    GPtrArray *devices; /* of VfDomainDevice */
    char *user;
    char *job_path;
    gpointer driver_data;
    GDestroyNotify driver_data_destroy;
    GVariant *options;
    VfClosers *closers; /* NULL: nobody sent anything */
    int fds[VF_DOMAIN_FDS_MAX];
};

G_DEFINE_FINAL_TYPE(VfDomain, vf_domain, G_TYPE_OBJECT)

static void
vf_domain_finalize(GObject *object)
{
    VfDomain *self = VF_DOMAIN(object);

    vf_domain_set_driver_data(self, NULL, NULL);
    vf_domain_close_rest(self);
    g_clear_pointer(&self->closers, vf_closers_unref);
    g_variant_unref(self->options);
    g_ptr_array_unref(self->devices);
    g_free(self->driver_name);
    g_free(self->owner);
    g_free(self->name);
    g_free(self->uuid);
    g_free(self->user);
    g_free(self->job_path);
    G_OBJECT_CLASS(vf_domain_parent_class)->finalize(object);
}

static void
vf_domain_class_init(VfDomainClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_domain_finalize;
    g_signal_new("changed", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, 0);
}

static void
vf_domain_init(VfDomain *self)
{
    self->name = g_strdup("");
    self->uuid = g_strdup("");
    self->devices = vf_domain_devices_new();
    self->job_path = g_strdup("/");
    self->options = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    for (guint i = 0; i < VF_DOMAIN_FDS_MAX; i++)
        self->fds[i] = -1;
}

VfDomain *
vf_domain_new(const char *driver, guint32 uid, const char *owner)
{
    VfDomain *self = g_object_new(VF_TYPE_DOMAIN, NULL);

    self->driver_name = g_strdup(driver);
    self->uid = uid;
    self->owner = g_strdup(owner);
    return self;
}

const char *
vf_domain_get_driver_name(VfDomain *self)
{
    return self->driver_name;
}

guint32
vf_domain_get_uid(VfDomain *self)
{
    return self->uid;
}

const char *
vf_domain_get_owner(VfDomain *self)
{
    return self->owner;
}

/* Takes @value. */
static void
set_text(VfDomain *self, char **field, char *value)
{
    gboolean differs = !g_str_equal(*field, value);

    g_free(*field);
    *field = value;
    if (differs)
        g_signal_emit_by_name(self, "changed");
}

const char *
vf_domain_get_name(VfDomain *self)
{
    return self->name;
}

void
vf_domain_set_name(VfDomain *self, const char *name)
{
    set_text(self, &self->name, vf_text_excerpt(name, VF_DOMAIN_TEXT_MAX));
}

const char *
vf_domain_get_uuid(VfDomain *self)
{
    return self->uuid;
}

void
vf_domain_set_uuid(VfDomain *self, const char *text)
{
    char *uuid = vf_uuid_normalize(text, "uuid", NULL);

    if (uuid)
        set_text(self, &self->uuid, uuid);
}

const char *
vf_domain_get_label(VfDomain *self)
{
    if (*self->name)
        return self->name;
    return *self->uuid ? self->uuid : "?";
}

VfDomainState
vf_domain_get_state(VfDomain *self)
{
    return self->state;
}

void
vf_domain_set_state(VfDomain *self, VfDomainState state)
{
    if (state == self->state)
        return;
    self->state = state;
    g_signal_emit_by_name(self, "changed");
}

const char *
vf_domain_state_to_string(VfDomainState state)
{
    static const char *const names[] = {
        [VF_DOMAIN_UNKNOWN] = "unknown",   [VF_DOMAIN_RUNNING] = "running",
        [VF_DOMAIN_PAUSED] = "paused",     [VF_DOMAIN_INCOMING] = "incoming",
        [VF_DOMAIN_SHUT_OFF] = "shut-off",
    };

    g_return_val_if_fail((gsize)state < G_N_ELEMENTS(names), "unknown");
    return names[state];
}

static void
domain_device_free(gpointer data)
{
    VfDomainDevice *device = data;

    g_clear_object(&device->device);
    g_free(device->guest_address);
    g_free(device->host_address);
    g_strfreev(device->reasons);
    g_free(device);
}

GPtrArray *
vf_domain_devices_new(void)
{
    return g_ptr_array_new_with_free_func(domain_device_free);
}

/* As the kernel and the registry write UUIDs and addresses, whatever a hypervisor was told. */
static char *
clean_host_address(const char *text)
{
    char *clean = vf_text_excerpt(text, VF_DOMAIN_TEXT_MAX);

    if (clean[strspn(clean, "0123456789abcdefABCDEF:.-")] == '\0')
        for (char *each = clean; *each; each++)
            *each = g_ascii_tolower(*each);
    return clean;
}

void
vf_domain_devices_add(GPtrArray *devices, const char *guest_address, const char *host_address,
                      gboolean migrates, const char *const *reasons)
{
    VfDomainDevice *device = g_new0(VfDomainDevice, 1);
    g_autoptr(GStrvBuilder) clean = g_strv_builder_new();

    for (; reasons && *reasons; reasons++) {
        g_autofree char *reason = vf_text_excerpt(*reasons, VF_DOMAIN_TEXT_MAX);

        g_strv_builder_add(clean, reason);
    }
    device->guest_address = vf_text_excerpt(guest_address, VF_DOMAIN_TEXT_MAX);
    device->host_address = clean_host_address(host_address);
    device->migrates = migrates;
    device->reasons = g_strv_builder_end(clean);
    g_ptr_array_add(devices, device);
}

void
vf_domain_take_devices(VfDomain *self, GPtrArray *devices)
{
    g_ptr_array_unref(self->devices);
    self->devices = devices;
    g_signal_emit_by_name(self, "changed");
}

guint
vf_domain_get_n_devices(VfDomain *self)
{
    return self->devices->len;
}

const VfDomainDevice *
vf_domain_get_device(VfDomain *self, guint index)
{
    g_return_val_if_fail(index < self->devices->len, NULL);
    return self->devices->pdata[index];
}

void
vf_domain_set_device(VfDomain *self, guint index, VfDevice *device)
{
    VfDomainDevice *entry = self->devices->pdata[index];

    if (device)
        entry->inode = vf_device_get_inode(device);
    if (g_set_object(&entry->device, device))
        g_signal_emit_by_name(self, "changed");
}

gboolean
vf_domain_check_stays(VfDomain *self, GError **error)
{
    if (!self->gone)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("domain %s has gone"),
                vf_domain_get_label(self));
    return FALSE;
}

void
vf_domain_set_gone(VfDomain *self)
{
    self->gone = TRUE;
}

gboolean
vf_domain_use(VfDomain *self, const char *job_uuid, GError **error)
{
    if (!self->user) {
        self->user = g_strdup(job_uuid);
        return TRUE;
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("domain %s is in job %s"),
                vf_domain_get_label(self), self->user);
    return FALSE;
}

void
vf_domain_unuse(VfDomain *self, const char *job_uuid)
{
    if (g_strcmp0(self->user, job_uuid) != 0)
        return;
    g_clear_pointer(&self->user, g_free);
    vf_domain_set_job_path(self, "/");
}

const char *
vf_domain_get_user(VfDomain *self)
{
    return self->user;
}

const char *
vf_domain_get_job_path(VfDomain *self)
{
    return self->job_path;
}

void
vf_domain_set_job_path(VfDomain *self, const char *path)
{
    set_text(self, &self->job_path, g_strdup(path));
}

void
vf_domain_set_driver_data(VfDomain *self, gpointer data, GDestroyNotify destroy)
{
    gpointer old = g_steal_pointer(&self->driver_data);

    if (old && self->driver_data_destroy)
        self->driver_data_destroy(old);
    self->driver_data = data;
    self->driver_data_destroy = destroy;
}

gpointer
vf_domain_get_driver_data(VfDomain *self)
{
    return self->driver_data;
}

GVariant *
vf_domain_get_options(VfDomain *self)
{
    return self->options;
}

void
vf_domain_set_options(VfDomain *self, GVariant *options)
{
    g_variant_ref_sink(options);
    g_variant_unref(self->options);
    self->options = options;
}

void
vf_domain_give_fds(VfDomain *self, VfClosers *closers, int *fds, guint n)
{
    g_return_if_fail(n <= VF_DOMAIN_FDS_MAX && !self->closers);
    self->closers = vf_closers_ref(closers);
    for (guint i = 0; i < n; i++)
        self->fds[i] = vf_io_steal_fd(&fds[i]);
}

int
vf_domain_take_fd(VfDomain *self, gint32 handle, GError **error)
{
    if (handle >= 0 && handle < VF_DOMAIN_FDS_MAX && self->fds[handle] >= 0)
        return vf_io_steal_fd(&self->fds[handle]);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("there is no descriptor %d: the call must carry it, once for each option, and at "
                  "most %d"),
                handle, VF_DOMAIN_FDS_MAX);
    return -1;
}

void
vf_domain_close_rest(VfDomain *self)
{
    for (guint i = 0; i < VF_DOMAIN_FDS_MAX; i++)
        vf_domain_close_fd(self, &self->fds[i]);
}

void
vf_domain_close_fd(VfDomain *self, int *fd)
{
    if (self->closers)
        vf_closers_add(self->closers, self->uid, fd);
    else
        vf_io_close_in_thread(fd, NULL, NULL);
}
