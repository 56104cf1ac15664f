/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "read-values.h"

#include <libudev.h>

#include "error.h"
#include "names.h"
#include "sysfs.h"

typedef struct udev udev;
typedef struct udev_device udev_device;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(udev, udev_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(udev_device, udev_device_unref)

static gboolean
set_missing(GError **error, const char *what)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, "the device has no %s", what);
    return FALSE;
}

static int
directory_of(const VfReading *self, VfReaderOf of)
{
    const int fds[] = {
        [VF_READER_OF_DEVICE] = self->device_fd,
        [VF_READER_OF_PARENT] = self->parent_fd,
        [VF_READER_OF_PHYSFN] = self->physfn_fd,
        [VF_READER_OF_TYPE] = self->type_fd,
    };

    return fds[of];
}

static char *
read_attribute(const VfReading *self, const VfReader *reader, GError **error)
{
    int dir_fd = directory_of(self, reader->of);
    g_autofree char *text = NULL;
    char *picked;

    if (dir_fd < 0) {
        set_missing(error, vf_reader_of_to_string(reader->of));
        return NULL;
    }
    text = vf_sysfs_read(dir_fd, reader->attribute, error);
    picked = text ? vf_reader_pick(reader, text) : NULL;
    if (text && !picked)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "“%s” does not say “%s”",
                    reader->attribute, reader->key);
    return picked;
}

static char *
read_property(const VfReading *self, const VfReader *reader, GError **error)
{
    g_autoptr(udev) context = self->sysfs_path ? udev_new() : NULL;
    g_autoptr(udev_device) device =
        context ? udev_device_new_from_syspath(context, self->sysfs_path) : NULL;
    const char *text = device ? udev_device_get_property_value(device, reader->property) : NULL;

    if (!text || !g_utf8_validate(text, -1, NULL)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, "udev has no property “%s” of it",
                    reader->property);
        return NULL;
    }
    return g_strdup(text);
}

static char *
read_text(const VfReading *self, const VfReader *reader, const char **evidence, GError **error)
{
    switch (reader->kind) {
    case VF_READER_ATTRIBUTE:
        *evidence = VF_EVIDENCE_ATTRIBUTE;
        return read_attribute(self, reader, error);
    case VF_READER_PCI_CONFIG:
        *evidence = VF_EVIDENCE_PCI_CONFIG;
        set_missing(error, "configuration space that was read already");
        return NULL;
    case VF_READER_UDEV_PROPERTY:
        *evidence = VF_EVIDENCE_UDEV;
        return read_property(self, reader, error);
    case VF_READER_NONE:
    case VF_READER_TYPE_NAME: /* no value for this type */
    default:
        set_missing(error, "reader for it");
        return NULL;
    }
}

static char *
read_value(const VfReading *self, const VfParameter *parameter, const char **evidence)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = read_text(self, &parameter->reader, evidence, &error);
    char *value = text ? vf_parameter_decode_attribute(parameter, text, &error) : NULL;

    if (!value)
        g_debug("parameter “%s” is unread: %s", parameter->name, error->message);
    return value;
}

/* A value that was not read keeps the evidence that would have been: where to look for the reason.
 */
static void
add_value(const VfReading *self, const VfParameter *parameter, GPtrArray *values)
{
    const char *evidence = NULL;
    g_autofree char *value = read_value(self, parameter, &evidence);

    vf_value_list_set(values, parameter->name, value, evidence);
}

/* The same, and a value that was not read is left out: the device may show it. */
static void
add_value_if_read(const VfReading *self, const VfParameter *parameter, GPtrArray *values)
{
    const char *evidence = NULL;
    g_autofree char *value = read_value(self, parameter, &evidence);

    if (value)
        vf_value_list_set(values, parameter->name, value, evidence);
}

GPtrArray *
vf_reading_of_device(const VfReading *self, const VfModel *model)
{
    g_autoptr(GPtrArray) values = vf_model_values_from_type(model, self->type);

    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];

        if (!vf_value_list_find(values, parameter->name))
            add_value(self, parameter, values);
    }
    return g_steal_pointer(&values);
}

static gboolean
is_known_before(const VfReader *reader)
{
    return reader->kind == VF_READER_ATTRIBUTE &&
           (reader->of == VF_READER_OF_TYPE || reader->of == VF_READER_OF_PARENT);
}

GPtrArray *
vf_reading_of_type(const VfReading *self, const VfModel *model)
{
    g_autoptr(GPtrArray) values = vf_model_values_from_type(model, self->type);

    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];

        if (is_known_before(&parameter->reader))
            add_value_if_read(self, parameter, values);
    }
    return g_steal_pointer(&values);
}
