/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-xml.h"

#include <glib/gi18n-lib.h>
#include <libxml/c14n.h>
#include <string.h>

#include "names.h"
#include "parameter-xml.h"
#include "text.h"
#include "value-xml.h"

#define NS VF_NS("model")

static void
match_free(VfMatch *self)
{
    g_free(self->driver);
    g_free(self->type);
    g_free(self);
}

static VfModel *
model_new(const char *source)
{
    VfModel *self = g_atomic_rc_box_new0(VfModel);

    self->source = g_strdup(source);
    self->matches = g_ptr_array_new_with_free_func((GDestroyNotify)match_free);
    self->parameters = g_ptr_array_new_with_free_func((GDestroyNotify)vf_parameter_free);
    return self;
}

static int
compare_parameters(gconstpointer a, gconstpointer b)
{
    const VfParameter *const *left = a;
    const VfParameter *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static gboolean
add_parameter(const xmlNode *node, VfModel *self, VfParameterXmlForm form, GError **error)
{
    g_autoptr(VfParameter) parameter = vf_parameter_xml_parse(node, form, error);

    if (parameter == NULL)
        return FALSE;
    if (vf_model_find_parameter(self, parameter->name) != NULL)
        return vf_document_fail(node, error, _("the parameter “%s” is there twice"),
                                parameter->name);
    g_ptr_array_add(self->parameters, g_steal_pointer(&parameter));
    g_ptr_array_sort(self->parameters, compare_parameters);
    return TRUE;
}

static gboolean
handle_descriptor_parameter(const xmlNode *node, gpointer data, GError **error)
{
    return add_parameter(node, data, VF_PARAMETER_XML_DESCRIPTOR, error);
}

static gboolean
handle_schema_parameter(const xmlNode *node, gpointer data, GError **error)
{
    return add_parameter(node, data, VF_PARAMETER_XML_SCHEMA, error);
}

static gboolean
handle_description(const xmlNode *node, gpointer data, GError **error)
{
    VfModel *self = data;
    g_autofree char *text = vf_document_content(node, error);

    if (text == NULL)
        return FALSE;
    self->description = vf_text_collapse(text);
    return TRUE;
}

static gboolean
handle_mdev(const xmlNode *node, gpointer data, GError **error)
{
    VfModel *self = data;
    VfMatch *match = g_new0(VfMatch, 1);

    match->kind = VF_MATCH_MDEV;
    g_ptr_array_add(self->matches, match);
    return vf_document_need_text(node, "driver", 64, &match->driver, error) &&
           vf_document_need_text(node, "type", 128, &match->type, error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
handle_match(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"mdev", handle_mdev, 0, 256}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static gboolean
parse_descriptor(const xmlNode *node, VfModel *self, GError **error)
{
    const VfDocumentChild children[] = {
        {"description", handle_description, 0, 1},
        {"match", handle_match, 1, 1},
        {"parameter", handle_descriptor_parameter, 0, VF_VALUE_XML_MAX}};

    return vf_document_need_model_id(node, "id", &self->id, error) &&
           vf_document_children(node, children, G_N_ELEMENTS(children), self, error);
}

VfModel *
vf_model_xml_parse_file(const char *text, gssize size, const char *file, guint *line,
                        GError **error)
{
    const VfDocumentKind kind = {file ?: "descriptor", "model", NS, VF_DOCUMENT_SIZE_MAX, line};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfModel) self = NULL;

    if (document == NULL)
        return NULL;
    self = model_new("descriptor");
    self->file = g_strdup(file);
    if (!parse_descriptor(vf_document_root(document), self, error))
        return NULL;
    self->digest = vf_model_xml_digest(self);
    return g_steal_pointer(&self);
}

VfModel *
vf_model_xml_parse_schema(const xmlNode *node, GError **error)
{
    g_autoptr(VfModel) self = model_new(NULL);
    const VfDocumentChild children[] = {
        {"description", handle_description, 0, 1},
        {"parameter", handle_schema_parameter, 0, VF_VALUE_XML_MAX}};

    if (!vf_document_need_model_id(node, "id", &self->id, error) ||
        !vf_document_get_digest(node, "digest", &self->digest, error) ||
        !vf_document_get_id(node, "source", &self->source, error) ||
        !vf_document_children(node, children, G_N_ELEMENTS(children), self, error))
        return NULL;
    /* a document without them is of a version that this one may read, but never writes */
    if (self->digest == NULL)
        self->digest = vf_model_xml_digest(self);
    if (self->source == NULL)
        self->source = g_strdup("descriptor");
    return g_steal_pointer(&self);
}

static void
write_parameters(VfWriter *writer, const VfModel *self, VfParameterXmlForm form)
{
    for (guint i = 0; i < self->parameters->len; i++)
        vf_parameter_xml_write(writer, self->parameters->pdata[i], form);
}

void
vf_model_xml_write_schema(VfWriter *writer, const VfModel *self)
{
    vf_writer_attribute(writer, "id", self->id);
    vf_writer_attribute(writer, "digest", self->digest);
    vf_writer_attribute(writer, "source", self->source);
    vf_writer_prose(writer, "description", self->description);
    write_parameters(writer, self, VF_PARAMETER_XML_SCHEMA);
}

/* How libxml2's writer escapes has changed between its versions; Canonical XML has not. */
static char *
canonical_schema(const VfModel *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("model", NS, FALSE);
    const VfDocumentKind kind = {"schema", "model", NS, G_MAXINT, NULL};
    g_autoptr(VfDocument) document = NULL;
    g_autofree char *text = NULL;
    xmlChar *canonical = NULL;
    char *copy;

    vf_writer_attribute(writer, "id", self->id);
    vf_writer_prose(writer, "description", self->description);
    write_parameters(writer, self, VF_PARAMETER_XML_SCHEMA);
    text = vf_writer_finish(writer);
    document = vf_document_parse(text, -1, &kind, NULL);
    if (document == NULL || xmlC14NDocDumpMemory(vf_document_root(document)->doc, NULL,
                                                 XML_C14N_1_0, NULL, FALSE, &canonical) < 0)
        g_error("libxml2 could not canonicalise what it wrote");
    copy = g_strdup((const char *)canonical);
    xmlFree(canonical);
    return copy;
}

char *
vf_model_xml_digest(const VfModel *self)
{
    g_autofree char *text = canonical_schema(self);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

    return g_strconcat("sha256:", sum, NULL);
}

static void
write_matches(VfWriter *writer, const VfModel *self)
{
    vf_writer_start(writer, "match", NULL);
    for (guint i = 0; i < self->matches->len; i++) {
        const VfMatch *match = self->matches->pdata[i];
        vf_writer_start(writer, "mdev", NULL);
        vf_writer_attribute(writer, "driver", match->driver);
        vf_writer_attribute(writer, "type", match->type);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);
}

char *
vf_model_format(const VfModel *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("model", NS, TRUE);

    vf_writer_attribute(writer, "id", self->id);
    vf_writer_prose(writer, "description", self->description);
    write_matches(writer, self);
    write_parameters(writer, self, VF_PARAMETER_XML_DESCRIPTOR);
    return vf_writer_finish(writer);
}
