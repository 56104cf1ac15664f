/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "baseline.h"
#include "document-attribute.h"
#include "document-element.h"
#include "model-id.h"
#include "names.h"
#include "requirement-xml.h"
#include "text.h"

#define NS VF_NS("baseline")
#define NAME_MAX_BYTES 255

/* --- parsing */

static gboolean
parse_line(const xmlNode *node, GPtrArray *lines, GError **error)
{
    g_autoptr(VfBaselineLine) line = g_new0(VfBaselineLine, 1);
    g_autofree char *text = NULL;

    line->hosts = 1;
    if (!vf_document_need_id(node, "host", &line->host, error) ||
        !vf_document_get_text(node, "name", NAME_MAX_BYTES, &line->name, error) ||
        !vf_document_get_u64(node, "hosts", 1, G_MAXINT64, &line->hosts, error) ||
        !vf_document_get_text(node, "parameter", VF_MODEL_ID_SEGMENT_MAX, &line->parameter,
                              error) ||
        !vf_document_get_text(node, "source", VF_VALUE_TEXT_MAX, &line->source, error) ||
        !vf_document_get_text(node, "destination", VF_VALUE_TEXT_MAX, &line->destination, error) ||
        !vf_document_need_id(node, "code", &line->code, error))
        return FALSE;
    text = vf_document_content(node, error);
    if (!text)
        return FALSE;
    line->sentence = vf_text_collapse(text);
    g_ptr_array_add(lines, g_steal_pointer(&line));
    return TRUE;
}

static gboolean
handle_undecided(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, ((VfBaseline *)data)->undecided, error);
}

static gboolean
handle_conflict(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, ((VfBaseline *)data)->conflicts, error);
}

static gboolean
handle_requirement(const xmlNode *node, gpointer data, GError **error)
{
    VfBaseline *self = data;

    self->requirement = vf_requirement_xml_parse(node, error);
    return self->requirement != NULL;
}

static gboolean
parse_verdict(const xmlNode *node, VfBaselineVerdict *verdict, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_need_text(node, "verdict", 32, &text, error))
        return FALSE;
    for (VfBaselineVerdict i = VF_BASELINE_FOUND; i <= VF_BASELINE_CONFLICT; i++)
        if (g_str_equal(vf_baseline_verdict_to_string(i), text)) {
            *verdict = i;
            return TRUE;
        }
    return vf_document_fail(
        node, error, _("verdict is “%s”, but must be one of conflict, found, unknown"), text);
}

VfBaseline *
vf_baseline_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "baseline", "baseline", NS, VF_DOCUMENT_LARGE_SIZE_MAX};
    const VfDocumentChild children[] = {
        {"requirement", handle_requirement, 0, 1, VF_NS("requirement")},
        {"undecided", handle_undecided, 0, 0},
        {"conflict", handle_conflict, 0, 0}};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfBaseline) self = vf_baseline_new();
    const xmlNode *root;

    if (!document)
        return NULL;
    root = vf_document_root(document);
    if (!parse_verdict(root, &self->verdict, error) ||
        !vf_document_need_u64(root, "hosts", 0, G_MAXINT64, &self->hosts, error) ||
        !vf_document_need_u64(root, "fitting", 0, self->hosts, &self->fitting, error) ||
        !vf_document_get_yes_no(root, "exact", &self->exact, error) ||
        !vf_document_children(root, children, G_N_ELEMENTS(children), self, error))
        return NULL;
    if (self->verdict != VF_BASELINE_CONFLICT && !self->requirement) {
        vf_document_fail(root, error, _("the requirement is missing"));
        return NULL;
    }
    return g_steal_pointer(&self);
}

/* --- formatting */

static void
write_lines(VfWriter *writer, const char *element, GPtrArray *lines)
{
    for (guint i = 0; i < lines->len; i++) {
        const VfBaselineLine *line = lines->pdata[i];
        g_autofree char *sentence = vf_text_collapse(line->sentence);
        vf_writer_start(writer, element, NULL);
        vf_writer_attribute(writer, "host", line->host);
        vf_writer_attribute(writer, "name", line->name);
        if (line->hosts != 1)
            vf_writer_attribute_u64(writer, "hosts", line->hosts);
        vf_writer_attribute(writer, "parameter", line->parameter);
        vf_writer_attribute(writer, "source", line->source);
        vf_writer_attribute(writer, "destination", line->destination);
        vf_writer_attribute(writer, "code", line->code);
        vf_writer_text(writer, sentence);
        vf_writer_end(writer);
    }
}

char *
vf_baseline_format(const VfBaseline *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("baseline", NS, TRUE);

    vf_writer_attribute(writer, "verdict", vf_baseline_verdict_to_string(self->verdict));
    vf_writer_attribute_u64(writer, "hosts", self->hosts);
    vf_writer_attribute_u64(writer, "fitting", self->fitting);
    vf_writer_attribute(writer, "exact", self->exact ? NULL : "no");
    if (self->requirement) {
        vf_writer_start(writer, "requirement", VF_NS("requirement"));
        vf_requirement_xml_write(writer, self->requirement);
        vf_writer_end(writer);
    }
    write_lines(writer, "undecided", self->undecided);
    write_lines(writer, "conflict", self->conflicts);
    return vf_writer_finish(writer);
}
