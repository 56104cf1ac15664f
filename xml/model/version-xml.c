/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "version-xml.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"
#include "model-check.h"
#include "model-id.h"
#include "names-xml.h"
#include "text.h"
#include "value-xml.h"
#include "version.h"

#define NAME_MAX_BYTES 128

typedef struct {
    VfVersion *version;
    GPtrArray *loads;
} Parsed;

static gboolean
parse_name(const xmlNode *node, const char *attribute, char **name, GError **error)
{
    if (!vf_document_need_text(node, attribute, NAME_MAX_BYTES, name, error))
        return FALSE;
    if ((*name)[0] != '\0' && !strchr(*name, ' '))
        return TRUE;
    return vf_document_fail(node, error,
                            _("%s is “%s”, but a version is a text without spaces, not empty"),
                            attribute, *name);
}

static gboolean
handle_value(const xmlNode *node, gpointer data, GError **error)
{
    Parsed *parsed = data;
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;

    if (!vf_document_need_name(node, "parameter", &name, error))
        return FALSE;
    if (vf_value_list_find(parsed->version->values, name))
        return vf_document_fail(node, error, _("the parameter “%s” is there twice"), name);
    text = vf_document_content(node, error);
    if (!text)
        return FALSE;
    vf_value_list_set(parsed->version->values, name, text, VF_EVIDENCE_VERSION);
    return TRUE;
}

static gboolean
handle_loads(const xmlNode *node, gpointer data, GError **error)
{
    Parsed *parsed = data;
    char *name = NULL;

    if (!parse_name(node, "version", &name, error)) {
        g_free(name);
        return FALSE;
    }
    g_ptr_array_add(parsed->loads, name);
    return vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
handle_version(const xmlNode *node, gpointer data, GError **error)
{
    VfModel *self = data;
    g_autoptr(VfVersion) version = vf_version_new();
    g_autoptr(GPtrArray) loads = g_ptr_array_new_with_free_func(g_free);
    Parsed parsed = {version, loads};
    const VfDocumentChild children[] = {{"value", handle_value, 0, VF_VALUE_XML_MAX},
                                        {"loads", handle_loads, 0, VF_MODEL_VERSIONS_MAX}};

    if (!parse_name(node, "name", &version->name, error) ||
        !vf_document_children(node, children, G_N_ELEMENTS(children), &parsed, error))
        return FALSE;
    if (vf_model_find_version(self, version->name))
        return vf_document_fail(node, error, _("the version “%s” is there twice"), version->name);
    if (self->version_parameter ? version->values->len > 0 : loads->len > 0)
        return vf_document_fail(
            node, error,
            _("a version has values, or, in a model with a version parameter, what it loads"));
    if (loads->len > 0) {
        g_ptr_array_sort(loads, vf_text_compare);
        g_ptr_array_add(loads, NULL);
        version->loads = (char **)g_ptr_array_steal(loads, NULL);
    }
    g_ptr_array_add(self->versions, g_steal_pointer(&version));
    return TRUE;
}

gboolean
vf_versions_xml_parse(const xmlNode *node, gpointer data, GError **error)
{
    VfModel *self = data;
    const VfDocumentChild children[] = {{"version", handle_version, 1, VF_MODEL_VERSIONS_MAX}};

    return vf_document_get_text(node, "parameter", VF_MODEL_ID_SEGMENT_MAX,
                                &self->version_parameter, error) &&
           vf_document_children(node, children, G_N_ELEMENTS(children), self, error);
}

void
vf_versions_xml_write(VfWriter *writer, const VfModel *model)
{
    if (model->versions->len == 0)
        return;
    vf_writer_start(writer, "versions", NULL);
    vf_writer_attribute(writer, "parameter", model->version_parameter);
    for (guint i = 0; i < model->versions->len; i++) {
        const VfVersion *version = model->versions->pdata[i];

        vf_writer_start(writer, "version", NULL);
        vf_writer_attribute(writer, "name", version->name);
        for (guint j = 0; j < version->values->len; j++) {
            const VfValue *value = version->values->pdata[j];
            vf_writer_start(writer, "value", NULL);
            vf_writer_attribute(writer, "parameter", value->name);
            vf_writer_text(writer, value->value);
            vf_writer_end(writer);
        }
        for (guint j = 0; version->loads != NULL && version->loads[j] != NULL; j++) {
            vf_writer_start(writer, "loads", NULL);
            vf_writer_attribute(writer, "version", version->loads[j]);
            vf_writer_end(writer);
        }
        vf_writer_end(writer);
    }
    vf_writer_end(writer);
}
