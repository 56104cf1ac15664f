/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-xml.h"

#include <glib/gi18n-lib.h>
#include <libxml/c14n.h>
#include <stdlib.h>

#include "constraint-xml.h"
#include "document-attribute.h"
#include "document-element.h"
#include "match-xml.h"
#include "model-check.h"
#include "names-xml.h"
#include "names.h"
#include "parameter-xml.h"
#include "text.h"
#include "value-xml.h"
#include "version-xml.h"

#define NS VF_NS("model")
#define ALIASES_MAX 64

static gboolean
add_parameter(const xmlNode *node, VfModel *self, VfParameterXmlForm form, GError **error)
{
    g_autoptr(VfParameter) parameter = vf_parameter_xml_parse(node, form, error);

    if (!parameter)
        return FALSE;
    if (vf_model_find_parameter(self, parameter->name))
        return vf_document_fail(node, error, _("the parameter “%s” is there twice"),
                                parameter->name);
    vf_model_add_parameter(self, g_steal_pointer(&parameter));
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

    if (!text)
        return FALSE;
    self->description = vf_text_collapse(text);
    return TRUE;
}

static gboolean
handle_alias(const xmlNode *node, gpointer data, GError **error)
{
    VfModel *self = data;
    guint n = self->aliases ? g_strv_length(self->aliases) : 0;
    g_autofree char *id = NULL;

    if (!vf_document_need_model_id(node, "id", &id, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    self->aliases = g_renew(char *, self->aliases, n + 2);
    self->aliases[n] = g_steal_pointer(&id);
    self->aliases[n + 1] = NULL;
    return TRUE;
}

static gboolean
handle_not_migratable(const xmlNode *node, gpointer data, GError **error)
{
    VfModel *self = data;
    g_autofree char *text = vf_document_content(node, error);

    if (!text)
        return FALSE;
    self->not_migratable = vf_text_collapse(text);
    return self->not_migratable[0] != '\0' ||
           vf_document_fail(node, error, _("the reason is missing"));
}

static gboolean
handle_constraint(const xmlNode *node, gpointer data, GError **error)
{
    VfModel *self = data;
    VfConstraint *constraint = vf_constraint_xml_parse(node, error);

    if (constraint)
        g_ptr_array_add(self->constraints, constraint);
    return constraint != NULL;
}

static gboolean
sort_aliases(const xmlNode *node, VfModel *self, GError **error)
{
    if (!self->aliases)
        return TRUE;
    qsort(self->aliases, g_strv_length(self->aliases), sizeof *self->aliases, vf_text_compare);
    for (guint i = 0; self->aliases[i] != NULL; i++)
        if (g_str_equal(self->aliases[i], self->id) ||
            (i > 0 && g_str_equal(self->aliases[i], self->aliases[i - 1])))
            return vf_document_fail(node, error, _("the id “%s” is there twice"), self->aliases[i]);
    return TRUE;
}

static gboolean
parse_model(const xmlNode *node, VfModel *self, VfParameterXmlForm form, GError **error)
{
    gboolean whole = form == VF_PARAMETER_XML_DESCRIPTOR;
    const VfDocumentChild children[] = {
        {"description", handle_description, 0, 1},
        {"alias", handle_alias, 0, ALIASES_MAX},
        {"not-migratable", handle_not_migratable, 0, 1},
        {"parameter", whole ? handle_descriptor_parameter : handle_schema_parameter, 0,
         VF_MODEL_PARAMETERS_MAX},
        {"constraint", handle_constraint, 0, VF_MODEL_CONSTRAINTS_MAX},
        {"versions", vf_versions_xml_parse, 0, 1},
        {"match", vf_match_xml_parse, 1, 1}};
    GError *cause = NULL;

    if (!vf_document_need_model_id(node, "id", &self->id, error) ||
        !vf_document_children(node, children, G_N_ELEMENTS(children) - (whole ? 0 : 1), self,
                              error) ||
        !sort_aliases(node, self, error))
        return FALSE;
    /* what a model adds to another one is whole only together with it */
    if (self->extends ||
        (vf_model_finish(self, &cause) && (!whole || vf_model_check_constraints(self, &cause))))
        return TRUE;
    return vf_document_fail_because(node, cause, error);
}

VfModel *
vf_model_xml_parse_file(const char *text, gssize size, const char *file, guint *line,
                        VfDocumentIgnored ignored, gpointer data, GError **error)
{
    const VfDocumentKind kind = {file ?: "descriptor", "model", NS, VF_DOCUMENT_SIZE_MAX, line};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfModel) self = NULL;

    if (!document)
        return NULL;
    self = vf_model_new(VF_MODEL_SOURCE_DESCRIPTOR);
    self->file = g_strdup(file);
    if (!vf_document_get_model_id(vf_document_root(document), "extends", &self->extends, error) ||
        !parse_model(vf_document_root(document), self, VF_PARAMETER_XML_DESCRIPTOR, error))
        return NULL;
    if (ignored)
        vf_document_each_ignored(document, ignored, data);
    self->digest = vf_model_xml_digest(self);
    return g_steal_pointer(&self);
}

VfModel *
vf_model_xml_parse_schema(const xmlNode *node, GError **error)
{
    g_autoptr(VfModel) self = vf_model_new(NULL);

    if (!vf_document_get_digest(node, "digest", &self->digest, error) ||
        !vf_document_get_id(node, "source", &self->source, error) ||
        !parse_model(node, self, VF_PARAMETER_XML_SCHEMA, error))
        return NULL;
    /* a document without them is of a version that this one may read, but never writes */
    if (!self->digest)
        self->digest = vf_model_xml_digest(self);
    if (!self->source)
        self->source = g_strdup(VF_MODEL_SOURCE_DESCRIPTOR);
    return g_steal_pointer(&self);
}

/* The children of <model>, without <match> in a schema. */
static void
write_content(VfWriter *writer, const VfModel *self, VfParameterXmlForm form)
{
    vf_writer_prose(writer, "description", self->description);
    for (guint i = 0; self->aliases != NULL && self->aliases[i] != NULL; i++) {
        vf_writer_start(writer, "alias", NULL);
        vf_writer_attribute(writer, "id", self->aliases[i]);
        vf_writer_end(writer);
    }
    vf_writer_prose(writer, "not-migratable", self->not_migratable);
    if (form == VF_PARAMETER_XML_DESCRIPTOR)
        vf_match_xml_write(writer, self);
    for (guint i = 0; i < self->parameters->len; i++)
        vf_parameter_xml_write(writer, self->parameters->pdata[i], form);
    for (guint i = 0; i < self->constraints->len; i++)
        vf_constraint_xml_write(writer, self->constraints->pdata[i]);
    vf_versions_xml_write(writer, self);
}

void
vf_model_xml_write_schema(VfWriter *writer, const VfModel *self)
{
    vf_writer_attribute(writer, "id", self->id);
    vf_writer_attribute(writer, "digest", self->digest);
    vf_writer_attribute(writer, "source", self->source);
    write_content(writer, self, VF_PARAMETER_XML_SCHEMA);
}

char *
vf_model_xml_digest(const VfModel *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("model", NS, FALSE);
    const VfDocumentKind kind = {"schema", "model", NS, G_MAXINT, NULL};
    g_autoptr(VfDocument) document = NULL;
    g_autofree char *text = NULL;
    g_autofree char *sum = NULL;
    xmlChar *canonical = NULL;

    vf_writer_attribute(writer, "id", self->id);
    write_content(writer, self, VF_PARAMETER_XML_SCHEMA);
    text = vf_writer_finish(writer);

    /* how libxml2's writer escapes has changed between its versions; Canonical XML has not */
    document = vf_document_parse(text, -1, &kind, NULL);
    if (!document || xmlC14NDocDumpMemory(vf_document_root(document)->doc, NULL, XML_C14N_1_0, NULL,
                                          FALSE, &canonical) < 0)
        g_error("libxml2 could not canonicalise what it wrote");
    sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, (const char *)canonical, -1);
    xmlFree(canonical);
    return g_strconcat("sha256:", sum, NULL);
}

char *
vf_model_format(const VfModel *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("model", NS, TRUE);

    vf_writer_attribute(writer, "id", self->id);
    vf_writer_attribute(writer, "extends", self->extends);
    write_content(writer, self, VF_PARAMETER_XML_DESCRIPTOR);
    return vf_writer_finish(writer);
}
