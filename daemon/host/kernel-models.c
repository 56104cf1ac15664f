/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "kernel-models.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "driver-info.h"
#include "sysfs.h"

static const char *const attributes[] = {
    [VF_KERNEL_LAYOUT_PARAMETERS] = VF_MIGRATION_INFO_ATTRIBUTE,
    [VF_KERNEL_LAYOUT_VERSIONS] = VF_MIGRATION_MODELS_ATTRIBUTE,
};

VfKernelLayout
vf_kernel_models_read(int type_fd, char **text)
{
    *text = NULL;
    for (guint i = VF_KERNEL_LAYOUT_PARAMETERS; i < G_N_ELEMENTS(attributes); i++)
        if (vf_sysfs_exists(type_fd, attributes[i])) {
            *text = vf_sysfs_read(type_fd, attributes[i], NULL);
            return (VfKernelLayout)i;
        }
    return VF_KERNEL_LAYOUT_NONE;
}

GPtrArray *
vf_kernel_models_parse(VfKernelLayout layout, const char *text, const char *where, GError **error)
{
    g_autofree char *name = NULL;

    g_return_val_if_fail(layout != VF_KERNEL_LAYOUT_NONE, NULL);
    name = g_strdup_printf("%s, %s", where, attributes[layout]);
    if (!text) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, _("%s: it cannot be read"), name);
        return NULL;
    }
    return layout == VF_KERNEL_LAYOUT_PARAMETERS
               ? vf_migration_info_parse_type(text, -1, name, error)
               : vf_migration_info_parse_versions(text, -1, name, error);
}

/* Which of the type's models the device is of. */
static VfModel *
choose(GPtrArray *models, int device_fd, GError **error)
{
    const VfModel *first = models->pdata[0];
    g_autofree char *id = NULL;

    if (!first->select_attribute)
        return vf_model_ref(models->pdata[0]);
    id = vf_sysfs_read(device_fd, first->select_attribute, error);
    for (guint i = 0; id && i < models->len; i++)
        if (vf_model_is(models->pdata[i], id))
            return vf_model_ref(models->pdata[i]);
    if (id)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("it is a “%.60s”, which is no model of its type"), id);
    return NULL;
}

gboolean
vf_kernel_models_find(int device_fd, int type_fd, VfModel **model)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) models = NULL;
    VfKernelLayout layout =
        type_fd < 0 ? VF_KERNEL_LAYOUT_NONE : vf_kernel_models_read(type_fd, &text);

    *model = NULL;
    if (layout == VF_KERNEL_LAYOUT_NONE)
        return FALSE;
    models = vf_kernel_models_parse(layout, text, "mdev", &error);
    if (models)
        *model = choose(models, device_fd, &error);
    if (!*model)
        g_debug("a driver describes its device, but: %s", error->message);
    return TRUE;
}
