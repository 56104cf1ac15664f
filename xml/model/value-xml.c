/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "value-xml.h"

#include <glib/gi18n-lib.h>

#include "document-attribute.h"
#include "document-element.h"
#include "names-xml.h"

gboolean
vf_value_xml_parse(const xmlNode *node, gpointer data, GError **error)
{
    GPtrArray *list = data;
    g_autofree char *name = NULL;
    g_autofree char *value = NULL;
    g_autofree char *evidence = NULL;

    if (!vf_document_need_name(node, "name", &name, error) ||
        !vf_document_get_text(node, "value", VF_VALUE_TEXT_MAX, &value, error) ||
        !vf_document_get_text(node, "evidence", VF_VALUE_EVIDENCE_MAX, &evidence, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    if (vf_value_list_find(list, name))
        return vf_document_fail(node, error, _("the parameter “%s” is there twice"), name);
    vf_value_list_set(list, name, value, evidence);
    return TRUE;
}

void
vf_value_xml_write(VfWriter *writer, GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        const VfValue *value = list->pdata[i];
        vf_writer_start(writer, "parameter", NULL);
        vf_writer_attribute(writer, "name", value->name);
        vf_writer_attribute(writer, "value", value->value);
        vf_writer_attribute(writer, "evidence", value->evidence);
        vf_writer_end(writer);
    }
}
