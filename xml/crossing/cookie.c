/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cookie.h"

#include <glib/gi18n-lib.h>

#include "document-attribute.h"
#include "document-element.h"
#include "names.h"
#include "requirement-xml.h"
#include "writer.h"

#define NS VF_NS("migration")

static void
device_free(VfMigrationDevice *self)
{
    g_free(self->ref);
    g_clear_pointer(&self->requirement, vf_requirement_unref);
    g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfMigrationDevice, device_free)

VfMigration *
vf_migration_new(const char *job, const char *source)
{
    VfMigration *self = g_new0(VfMigration, 1);

    self->job = g_strdup(job);
    self->source = g_strdup(source);
    self->stream_min = self->stream_max = 1;
    self->features = g_new0(char *, 1);
    self->devices = g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
    return self;
}

void
vf_migration_free(VfMigration *self)
{
    g_free(self->job);
    g_free(self->source);
    g_free(self->operation);
    g_strfreev(self->features);
    g_ptr_array_unref(self->devices);
    g_free(self);
}

VfMigrationDevice *
vf_migration_add_device(VfMigration *self, const char *ref, VfRequirement *requirement)
{
    VfMigrationDevice *device = g_new0(VfMigrationDevice, 1);

    device->ref = g_strdup(ref);
    device->requirement = vf_requirement_ref(requirement);
    g_ptr_array_add(self->devices, device);
    return device;
}

static gboolean
handle_stream(const xmlNode *node, gpointer data, GError **error)
{
    VfMigration *self = data;
    guint64 min;
    guint64 max;

    if (!vf_document_need_u64(node, "min", 1, G_MAXUINT32, &min, error) ||
        !vf_document_need_u64(node, "max", min, G_MAXUINT32, &max, error) ||
        !vf_document_get_words(node, "features", &self->features, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    self->stream_min = (guint32)min;
    self->stream_max = (guint32)max;
    return TRUE;
}

/* There only when it is not to migrate, and required: who does not know it would migrate. */
static gboolean
handle_operation(const xmlNode *node, gpointer data, GError **error)
{
    static const char *const known[] = {"rehearse", "save", NULL};
    VfMigration *self = data;

    if (!vf_document_need_id(node, "kind", &self->operation, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    if (g_strv_contains(known, self->operation))
        return TRUE;
    return vf_document_fail(node, error, _("kind is “%s”, but must be rehearse or save"),
                            self->operation);
}

static gboolean
handle_requirement(const xmlNode *node, gpointer data, GError **error)
{
    VfMigrationDevice *device = data;

    device->requirement = vf_requirement_xml_parse(node, error);
    return device->requirement != NULL;
}

static gboolean
handle_estimate(const xmlNode *node, gpointer data, GError **error)
{
    VfMigrationDevice *device = data;

    device->has_estimate = vf_document_has(node, "stop-copy-bytes");
    return vf_document_get_u64(node, "stop-copy-bytes", 0, G_MAXUINT64, &device->stop_copy_bytes,
                               error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
has_ref(gconstpointer device, gconstpointer ref)
{
    return g_str_equal(((const VfMigrationDevice *)device)->ref, ref);
}

static gboolean
handle_device(const xmlNode *node, gpointer data, GError **error)
{
    VfMigration *self = data;
    g_autoptr(VfMigrationDevice) device = g_new0(VfMigrationDevice, 1);
    const VfDocumentChild children[] = {
        {"requirement", handle_requirement, 1, 1, VF_NS("requirement")},
        {"estimate", handle_estimate, 0, 1}};

    if (!vf_document_need_id(node, "ref", &device->ref, error) ||
        !vf_document_children(node, children, G_N_ELEMENTS(children), device, error))
        return FALSE;
    if (g_ptr_array_find_with_equal_func(self->devices, device->ref, has_ref, NULL))
        return vf_document_fail(node, error, _("the device “%s” is there twice"), device->ref);
    g_ptr_array_add(self->devices, g_steal_pointer(&device));
    return TRUE;
}

VfMigration *
vf_migration_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "migration", "migration", NS, VF_DOCUMENT_SIZE_MAX};
    const VfDocumentChild children[] = {{"stream", handle_stream, 1, 1},
                                        {"operation", handle_operation, 0, 1},
                                        {"device", handle_device, 1, VF_MIGRATION_DEVICES_MAX}};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfMigration) self = vf_migration_new(NULL, NULL);
    const xmlNode *root;

    if (!document)
        return NULL;
    root = vf_document_root(document);
    if (!vf_document_need_uuid(root, "job", &self->job, error) ||
        !vf_document_need_uuid(root, "source", &self->source, error) ||
        !vf_document_children(root, children, G_N_ELEMENTS(children), self, error))
        return NULL;
    return g_steal_pointer(&self);
}

char *
vf_migration_format(const VfMigration *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("migration", NS, TRUE);

    vf_writer_attribute(writer, "job", self->job);
    vf_writer_attribute(writer, "source", self->source);
    vf_writer_start(writer, "stream", NULL);
    vf_writer_attribute_u64(writer, "min", self->stream_min);
    vf_writer_attribute_u64(writer, "max", self->stream_max);
    vf_writer_attribute_words(writer, "features", self->features);
    vf_writer_end(writer);
    if (self->operation) {
        vf_writer_start(writer, "operation", NULL);
        vf_writer_attribute(writer, "kind", self->operation);
        vf_writer_attribute(writer, "required", "yes");
        vf_writer_end(writer);
    }
    for (guint i = 0; i < self->devices->len; i++) {
        const VfMigrationDevice *device = self->devices->pdata[i];

        vf_writer_start(writer, "device", NULL);
        vf_writer_attribute(writer, "ref", device->ref);
        vf_writer_start(writer, "requirement", VF_NS("requirement"));
        vf_requirement_xml_write(writer, device->requirement);
        vf_writer_end(writer);
        if (device->has_estimate) {
            vf_writer_start(writer, "estimate", NULL);
            vf_writer_attribute_u64(writer, "stop-copy-bytes", device->stop_copy_bytes);
            vf_writer_end(writer);
        }
        vf_writer_end(writer);
    }
    return vf_writer_finish(writer);
}
