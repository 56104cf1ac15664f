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

/* Its own driver, and no other. */
static VfDriver *
choose_for_domain(const VfContext *self, const char *name, const VfSubject *subject, GError **error)
{
    const char *own = vf_domain_get_driver_name(subject->domain);
    VfDriver *driver = vf_context_find_driver(self, own);

    if (name && !g_str_equal(name, own)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("domain %s is driver “%s”'s, not “%s”'s"),
                    vf_domain_get_label(subject->domain), own, name);
        return NULL;
    }
    if (driver && vf_driver_claims(driver, subject, NULL))
        return driver;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("driver “%s” has domain %s, but cannot migrate it"), own,
                vf_domain_get_label(subject->domain));
    return NULL;
}

VfDriver *
vf_context_choose_driver(const VfContext *self, const char *name, const VfSubject *subject,
                         GError **error)
{
    VfDriver *named = name ? vf_context_find_driver(self, name) : NULL;
    VfDevice *unclaimed = NULL;
    g_autoptr(GError) failure = NULL;

    if (subject && subject->domain)
        return choose_for_domain(self, name, subject, error);
    if (name && !named)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("this daemon has no driver “%s”"), name);
    if (name)
        return named && vf_driver_check_started(named, error) ? named : NULL;
    for (guint i = 0; i < self->drivers->len; i++) {
        VfDriver *driver = self->drivers->pdata[i];
        VfDevice *first = NULL;

        if (!vf_driver_check_started(driver, failure ? NULL : &failure))
            continue;
        if (!subject || vf_driver_claims(driver, subject, &first))
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
    const VfSubject subject = {.devices = &device, .n_devices = 1};

    return vf_context_choose_driver(self, name, &subject, error);
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
