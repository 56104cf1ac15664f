/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "requirement-xml.h"

#include "document-attribute.h"
#include "document-element.h"
#include "names-xml.h"
#include "names.h"
#include "value-xml.h"

#define NS VF_NS("requirement")
#define VERSION_MAX 128

static gboolean
handle_model(const xmlNode *node, gpointer data, GError **error)
{
    VfRequirement *self = data;

    return vf_document_need_model_id(node, "id", &self->model, error) &&
           vf_document_get_digest(node, "digest", &self->digest, error) &&
           vf_document_get_text(node, "version", VERSION_MAX, &self->version, error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
handle_parameter(const xmlNode *node, gpointer data, GError **error)
{
    VfRequirement *self = data;
    return vf_value_xml_parse(node, self->values, error);
}

VfRequirement *
vf_requirement_xml_parse(const xmlNode *node, GError **error)
{
    g_autoptr(VfRequirement) self = vf_requirement_new(NULL, NULL);
    const VfDocumentChild children[] = {{"model", handle_model, 1, 1},
                                        {"parameter", handle_parameter, 0, VF_VALUE_XML_MAX}};

    if (!vf_document_children(node, children, G_N_ELEMENTS(children), self, error))
        return NULL;
    return g_steal_pointer(&self);
}

VfRequirement *
vf_requirement_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "requirement", "requirement", NS, VF_DOCUMENT_SIZE_MAX};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);

    return document ? vf_requirement_xml_parse(vf_document_root(document), error) : NULL;
}

void
vf_requirement_xml_write(VfWriter *writer, const VfRequirement *self)
{
    vf_writer_start(writer, "model", NULL);
    vf_writer_attribute(writer, "id", self->model);
    vf_writer_attribute(writer, "digest", self->digest);
    vf_writer_attribute(writer, "version", self->version);
    vf_writer_end(writer);
    vf_value_xml_write(writer, self->values);
}

char *
vf_requirement_format(const VfRequirement *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("requirement", NS, TRUE);

    vf_requirement_xml_write(writer, self);
    return vf_writer_finish(writer);
}
