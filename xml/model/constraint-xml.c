/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "constraint-xml.h"

#include <glib/gi18n-lib.h>

#include "document-attribute.h"
#include "document-element.h"
#include "names-xml.h"
#include "text.h"
#include "value.h"

#define CONDITIONS_MAX 16

static const VfConditionTest tests[] = {VF_CONDITION_IS, VF_CONDITION_IS_NOT, VF_CONDITION_AT_LEAST,
                                        VF_CONDITION_AT_MOST, VF_CONDITION_HAS};

static gboolean
handle_description(const xmlNode *node, gpointer data, GError **error)
{
    VfConstraint *self = data;
    g_autofree char *text = vf_document_content(node, error);

    if (!text)
        return FALSE;
    self->description = vf_text_collapse(text);
    return TRUE;
}

static gboolean
parse_condition(const xmlNode *node, GPtrArray *conditions, GError **error)
{
    VfCondition *condition = g_new0(VfCondition, 1);
    guint found = 0;

    g_ptr_array_add(conditions, condition);
    if (!vf_document_need_name(node, "parameter", &condition->parameter, error))
        return FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
        const char *name = vf_condition_test_to_string(tests[i]);

        if (!vf_document_has(node, name))
            continue;
        found++;
        condition->test = tests[i];
        if (!vf_document_get_text(node, name, VF_VALUE_TEXT_MAX, &condition->value, error))
            return FALSE;
    }
    if (found != 1)
        return vf_document_fail(
            node, error,
            _("there must be one of the attributes is, is-not, at-least, at-most, has"));
    return vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
handle_when(const xmlNode *node, gpointer data, GError **error)
{
    VfConstraint *self = data;
    return parse_condition(node, self->when, error);
}

static gboolean
handle_then(const xmlNode *node, gpointer data, GError **error)
{
    VfConstraint *self = data;
    return parse_condition(node, self->then, error);
}

VfConstraint *
vf_constraint_xml_parse(const xmlNode *node, GError **error)
{
    g_autoptr(VfConstraint) self = vf_constraint_new();
    const VfDocumentChild children[] = {{"description", handle_description, 0, 1},
                                        {"when", handle_when, 0, CONDITIONS_MAX},
                                        {"then", handle_then, 1, CONDITIONS_MAX}};

    if (!vf_document_children(node, children, G_N_ELEMENTS(children), self, error))
        return NULL;
    return g_steal_pointer(&self);
}

static void
write_conditions(VfWriter *writer, const char *element, GPtrArray *conditions)
{
    for (guint i = 0; i < conditions->len; i++) {
        const VfCondition *condition = conditions->pdata[i];

        vf_writer_start(writer, element, NULL);
        vf_writer_attribute(writer, "parameter", condition->parameter);
        vf_writer_attribute(writer, vf_condition_test_to_string(condition->test), condition->value);
        vf_writer_end(writer);
    }
}

void
vf_constraint_xml_write(VfWriter *writer, const VfConstraint *self)
{
    vf_writer_start(writer, "constraint", NULL);
    vf_writer_prose(writer, "description", self->description);
    write_conditions(writer, "when", self->when);
    write_conditions(writer, "then", self->then);
    vf_writer_end(writer);
}
