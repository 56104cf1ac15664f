/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "capabilities.h"

#include <string.h>

#include "model-xml.h"
#include "names.h"
#include "value-xml.h"
#include "writer.h"

#define NS VF_NS("capabilities")

static int
compare_models(gconstpointer a, gconstpointer b)
{
    const VfModel *const *left = a;
    const VfModel *const *right = b;
    return strcmp((*left)->id, (*right)->id);
}

static int
compare_parents(gconstpointer a, gconstpointer b)
{
    const VfCapabilitiesParent *const *left = a;
    const VfCapabilitiesParent *const *right = b;
    return strcmp((*left)->id, (*right)->id);
}

static int
compare_offers(gconstpointer a, gconstpointer b)
{
    const VfCapabilitiesOffer *const *left = a;
    const VfCapabilitiesOffer *const *right = b;
    return strcmp((*left)->id, (*right)->id);
}

static int
compare_devices(gconstpointer a, gconstpointer b)
{
    const VfCapabilitiesDevice *const *left = a;
    const VfCapabilitiesDevice *const *right = b;
    return strcmp((*left)->id, (*right)->id);
}

/* The same elements, which stay the original's, in order. */
static GPtrArray *
sorted(GPtrArray *array, GCompareFunc compare)
{
    GPtrArray *copy = g_ptr_array_sized_new(array->len);

    for (guint i = 0; i < array->len; i++)
        g_ptr_array_add(copy, array->pdata[i]);
    g_ptr_array_sort(copy, compare);
    return copy;
}

static void
write_parent(VfWriter *writer, const VfCapabilitiesParent *parent)
{
    g_autoptr(GPtrArray) offers = sorted(parent->offers, compare_offers);

    vf_writer_start(writer, "parent", NULL);
    vf_writer_attribute(writer, "id", parent->id);
    vf_writer_attribute(writer, "kind", parent->kind);
    vf_writer_attribute(writer, "path", parent->path);
    vf_writer_attribute(writer, "driver", parent->driver);
    for (guint i = 0; i < offers->len; i++) {
        const VfCapabilitiesOffer *offer = offers->pdata[i];

        vf_writer_start(writer, "offer", NULL);
        vf_writer_attribute(writer, "id", offer->id);
        vf_writer_attribute(writer, "model", offer->model);
        vf_writer_attribute(writer, "how", offer->how);
        vf_writer_attribute(writer, "type", offer->type);
        vf_writer_attribute_u64(writer, "left", offer->left);
        vf_writer_attribute_words(writer, "usable-by", offer->usable_by);
        vf_writer_attribute_words(writer, "settable", offer->settable);
        vf_value_xml_write(writer, offer->values);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);
}

/* NULL when it is not known: of a device that migrates, debugfs may not list everything (kernels
 * before 6.18). */
static const char *
yes_no(const VfCapabilitiesDevice *device, VfCapabilitiesMigration flag)
{
    if (device->migration & flag)
        return "yes";
    if (g_str_equal(device->migration_source, "debugfs") && device->migration)
        return NULL;
    return "no";
}

/* The content of a <device> that the caller has started. */
static void
write_device_content(VfWriter *writer, const VfCapabilitiesDevice *device)
{
    vf_writer_attribute(writer, "id", device->id);
    vf_writer_attribute(writer, "kind", device->kind);
    vf_writer_attribute(writer, "path", device->path);
    vf_writer_attribute(writer, "parent", device->parent);
    vf_writer_attribute(writer, "model", device->model);
    vf_writer_attribute(writer, "state", device->state);
    if (device->being_removed)
        vf_writer_attribute(writer, "being-removed", "yes");
    vf_value_xml_write(writer, device->values);
    vf_writer_start(writer, "migration", NULL);
    vf_writer_attribute(writer, "source", device->migration_source);
    if (!g_str_equal(device->migration_source, "unknown")) {
        vf_writer_attribute(writer, "stop-copy", yes_no(device, VF_CAPABILITIES_STOP_COPY));
        vf_writer_attribute(writer, "p2p", yes_no(device, VF_CAPABILITIES_P2P));
        vf_writer_attribute(writer, "pre-copy", yes_no(device, VF_CAPABILITIES_PRE_COPY));
    }
    vf_writer_end(writer);
}

char *
vf_capabilities_format(const VfCapabilities *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("capabilities", NS, TRUE);
    g_autoptr(GPtrArray) models = sorted(self->models, compare_models);
    g_autoptr(GPtrArray) parents = sorted(self->parents, compare_parents);
    g_autoptr(GPtrArray) devices = sorted(self->devices, compare_devices);

    vf_writer_start(writer, "host", NULL);
    vf_writer_attribute(writer, "id", self->host_id);
    vf_writer_attribute(writer, "name", self->host_name);
    vf_writer_attribute(writer, "arch", self->arch);
    vf_writer_attribute(writer, "kernel", self->kernel);
    vf_writer_end(writer);

    vf_writer_start(writer, "models", NULL);
    for (guint i = 0; i < models->len; i++) {
        vf_writer_start(writer, "model", NULL);
        vf_model_xml_write_schema(writer, models->pdata[i]);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);

    vf_writer_start(writer, "parents", NULL);
    for (guint i = 0; i < parents->len; i++)
        write_parent(writer, parents->pdata[i]);
    vf_writer_end(writer);

    vf_writer_start(writer, "devices", NULL);
    for (guint i = 0; i < devices->len; i++) {
        vf_writer_start(writer, "device", NULL);
        write_device_content(writer, devices->pdata[i]);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);

    return vf_writer_finish(writer);
}

char *
vf_capabilities_device_format(const VfCapabilitiesDevice *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("device", NS, TRUE);

    write_device_content(writer, self);
    return vf_writer_finish(writer);
}

char *
vf_capabilities_model_format(const VfModel *model)
{
    g_autoptr(VfWriter) writer = vf_writer_new("model", NS, TRUE);

    vf_model_xml_write_schema(writer, model);
    return vf_writer_finish(writer);
}
