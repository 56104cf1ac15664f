/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "context.h"

#include <glib/gi18n-lib.h>

#include "error.h"

VfDriver *
vf_context_find_driver(const VfContext *self, const char *name)
{
    for (guint i = 0; i < self->drivers->len; i++)
        if (g_str_equal(vf_driver_get_name(self->drivers->pdata[i]), name))
            return self->drivers->pdata[i];
    return NULL;
}

/* The first of @devices that @driver does not claim, or NULL. */
static VfDevice *
find_unclaimed(VfDriver *driver, GPtrArray *devices)
{
    for (guint i = 0; devices && i < devices->len; i++)
        if (!vf_driver_claims(driver, devices->pdata[i]))
            return devices->pdata[i];
    return NULL;
}

VfDriver *
vf_context_choose_driver(const VfContext *self, const char *name, GPtrArray *devices,
                         GError **error)
{
    VfDriver *named = name ? vf_context_find_driver(self, name) : NULL;
    VfDevice *unclaimed = NULL;
    g_autoptr(GError) failure = NULL;

    if (name && !named)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("this daemon has no driver “%s”"), name);
    if (name)
        return named && vf_driver_check_started(named, error) ? named : NULL;
    for (guint i = 0; i < self->drivers->len; i++) {
        VfDriver *driver = self->drivers->pdata[i];
        gboolean started = vf_driver_check_started(driver, failure ? NULL : &failure);
        VfDevice *first = started ? find_unclaimed(driver, devices) : NULL;

        if (started && !first)
            return driver;
        unclaimed = unclaimed ? unclaimed : first; /* by the one that is asked first */
    }
    if (unclaimed && !vf_device_check_stays(unclaimed, error))
        return NULL;
    if (failure) /* the one that would have said yes, perhaps */
        g_propagate_error(error, g_steal_pointer(&failure));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("no driver of this daemon can migrate device %s"),
                    unclaimed ? vf_device_get_id(unclaimed) : "?");
    return NULL;
}

VfDriver *
vf_context_choose_driver_for(const VfContext *self, const char *name, VfDevice *device,
                             GError **error)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();

    g_ptr_array_add(devices, device);
    return vf_context_choose_driver(self, name, devices, error);
}

const char *
vf_context_get_host_id(const VfContext *self)
{
    return vferry_manager_get_host_id(vf_objects_get_manager(self->objects));
}

GVariant *
vf_context_leave_options(GVariant *dict, const char *const *common)
{
    GVariantDict rest;

    g_variant_dict_init(&rest, dict);
    for (const char *const *key = common; *key; key++)
        g_variant_dict_remove(&rest, *key);
    return g_variant_dict_end(&rest);
}

gboolean
vf_context_take_driver_options(VfJob *job, VfDriver *driver, GVariant *dict,
                               const char *const *common, GError **error)
{
    vf_job_set_options(job, vf_context_leave_options(dict, common));
    return vf_driver_check_options(driver, vf_job_get_options(job), error);
}
