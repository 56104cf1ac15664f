/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "report.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"
#include "error.h"
#include "names.h"
#include "text.h"
#include "writer.h"

#define NS VF_NS("report")
#define LINES_MAX 1024
#define OVERRIDE_MAX 1024

static const char *const verdict_names[] = {
    [VF_VERDICT_INCOMPATIBLE] = "incompatible",
    [VF_VERDICT_IDENTICAL] = "identical",
    [VF_VERDICT_SUPERSET] = "superset",
    [VF_VERDICT_UNKNOWN] = "unknown",
};

static const char *const subject_names[] = {
    [VF_REPORT_MODEL] = "model",           [VF_REPORT_SCHEMA] = "schema",
    [VF_REPORT_VERSION] = "version",       [VF_REPORT_PARAMETER] = "parameter",
    [VF_REPORT_CONSTRAINT] = "constraint", [VF_REPORT_CONSUMER] = "consumer",
};

static const struct {
    const char *code;
    VfVerdict verdict;
} codes[] = {
    {VF_REPORT_CODE_MATCHES, VF_VERDICT_IDENTICAL},
    {VF_REPORT_CODE_OFF, VF_VERDICT_IDENTICAL},
    {VF_REPORT_CODE_IGNORED, VF_VERDICT_IDENTICAL},
    {VF_REPORT_CODE_CAN_BE_SET, VF_VERDICT_IDENTICAL},
    {VF_REPORT_CODE_DIGEST_DIFFERS, VF_VERDICT_IDENTICAL},
    {VF_REPORT_CODE_FITS, VF_VERDICT_SUPERSET},
    {VF_REPORT_CODE_VALUE_DIFFERS, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_VALUE_INVALID, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_VALUE_NOT_ALLOWED, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_PARAMETER_UNKNOWN, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_MODEL_DIFFERS, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_MODEL_UNKNOWN, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_NOT_MIGRATABLE, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_VERSION_UNKNOWN, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_CONSTRAINT_VIOLATED, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_CONSUMER_CANNOT_USE, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_CONSUMER_TOO_OLD, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_NO_ROOM, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_IN_USE, VF_VERDICT_INCOMPATIBLE},
    {VF_REPORT_CODE_VALUE_UNREAD, VF_VERDICT_UNKNOWN},
    {VF_REPORT_CODE_FIRMWARE_DECIDES, VF_VERDICT_UNKNOWN},
    {VF_REPORT_CODE_CONSTRAINT_UNDECIDED, VF_VERDICT_UNKNOWN},
    {VF_REPORT_CODE_RULE_UNDECIDED, VF_VERDICT_UNKNOWN},
    {VF_REPORT_CODE_PARAMETER_MISSING, VF_VERDICT_UNKNOWN},
};

VfReport *
vf_report_new(void)
{
    VfReport *self = g_new0(VfReport, 1);

    self->verdict = VF_VERDICT_IDENTICAL;
    self->lines = g_ptr_array_new_with_free_func((GDestroyNotify)vf_report_line_free);
    return self;
}

void
vf_report_free(VfReport *self)
{
    g_ptr_array_unref(self->lines);
    g_free(self->override);
    g_free(self);
}

guint
vf_report_rank(const VfReport *self)
{
    return vf_report_verdict_rank(self->verdict);
}

VfReportLine *
vf_report_line_new(VfReportSubject subject, const char *code, char *sentence)
{
    VfReportLine *line = g_new0(VfReportLine, 1);

    line->subject = subject;
    line->code = g_strdup(code);
    line->verdict = vf_report_code_verdict(code);
    line->sentence = sentence;
    return line;
}

static gsize
size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Moves on behind the copy. */
static char *
copy_to(char **place, const char *text, gsize size)
{
    char *copy = text ? memcpy(*place, text, size) : NULL;

    *place += size;
    return copy;
}

VfReportLine *
vf_report_line_pack(const VfReportLine *line)
{
    gsize name = size_of(line->name);
    gsize source = size_of(line->source);
    gsize destination = size_of(line->destination);
    gsize compare = size_of(line->compare);
    gsize code = size_of(line->code);
    VfReportLine *self = g_malloc(sizeof *self + name + source + destination + compare + code);
    char *place = (char *)(self + 1);

    *self = *line;
    self->name = copy_to(&place, line->name, name);
    self->source = copy_to(&place, line->source, source);
    self->destination = copy_to(&place, line->destination, destination);
    self->compare = copy_to(&place, line->compare, compare);
    self->code = copy_to(&place, line->code, code);
    self->packed = TRUE;
    return self;
}

void
vf_report_line_free(VfReportLine *self)
{
    if (!self->packed) {
        g_free(self->name);
        g_free(self->source);
        g_free(self->destination);
        g_free(self->compare);
        g_free(self->code);
    }
    g_free(self->sentence);
    g_free(self);
}

VfVerdict
vf_report_code_verdict(const char *code)
{
    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
        if (g_str_equal(codes[i].code, code))
            return codes[i].verdict;
    return VF_VERDICT_UNKNOWN;
}

guint
vf_report_verdict_rank(VfVerdict verdict)
{
    static const guint ranks[] = {
        [VF_VERDICT_IDENTICAL] = 0,
        [VF_VERDICT_SUPERSET] = 1,
        [VF_VERDICT_UNKNOWN] = 2,
        [VF_VERDICT_INCOMPATIBLE] = 3,
    };
    return ranks[verdict];
}

VfVerdict
vf_report_worse_verdict(VfVerdict a, VfVerdict b)
{
    return vf_report_verdict_rank(b) > vf_report_verdict_rank(a) ? b : a;
}

void
vf_report_take_line(VfReport *self, VfReportLine *line)
{
    self->verdict = vf_report_worse_verdict(self->verdict, line->verdict);
    g_ptr_array_add(self->lines, line);
}

static gboolean
fits(VfVerdict verdict)
{
    return vf_report_verdict_rank(verdict) <= vf_report_verdict_rank(VF_VERDICT_SUPERSET);
}

gboolean
vf_report_can_override(const VfReport *self)
{
    gboolean any = FALSE;

    for (guint i = 0; i < self->lines->len; i++) {
        const VfReportLine *line = self->lines->pdata[i];
        if (!fits(line->verdict) && !line->overridable)
            return FALSE;
        any = any || !fits(line->verdict);
    }
    return any;
}

static gboolean
speaks_against(const VfReport *self, const VfReportLine *what)
{
    for (guint i = 0; i < self->lines->len; i++) {
        const VfReportLine *line = self->lines->pdata[i];
        if (!fits(line->verdict) && line->subject == what->subject &&
            g_strcmp0(line->name, what->name) == 0)
            return TRUE;
    }
    return FALSE;
}

gboolean
vf_report_covers(const VfReport *self, const VfReport *now)
{
    for (guint i = 0; i < now->lines->len; i++) {
        const VfReportLine *line = now->lines->pdata[i];
        if (!fits(line->verdict) && !speaks_against(self, line))
            return FALSE;
    }
    return TRUE;
}

gboolean
vf_report_check(const VfReport *self, GError **error)
{
    g_autoptr(GString) message = g_string_new(NULL);

    if (fits(self->verdict))
        return TRUE;
    for (guint i = 0; i < self->lines->len; i++) {
        const VfReportLine *line = self->lines->pdata[i];
        if (line->verdict == self->verdict)
            g_string_append_printf(message, "%s%s", message->len > 0 ? " " : "", line->sentence);
    }
    if (message->len == 0)
        g_string_append(message, self->verdict == VF_VERDICT_UNKNOWN
                                     ? _("Whether the destination fits is unknown.")
                                     : _("The destination does not fit."));
    g_set_error_literal(error, VFERRY_ERROR,
                        self->verdict == VF_VERDICT_UNKNOWN ? VFERRY_ERROR_UNKNOWN
                                                            : VFERRY_ERROR_INCOMPATIBLE,
                        message->str);
    return FALSE;
}

static gboolean
parse_line(const xmlNode *node, VfReport *self, VfReportSubject subject, GError **error)
{
    VfReportLine *line = g_new0(VfReportLine, 1);
    g_autofree char *text = NULL;

    line->subject = subject;
    line->sentence = g_strdup("");
    g_ptr_array_add(self->lines, line);
    if (subject == VF_REPORT_PARAMETER &&
        (!vf_document_need_text(node, "name", 128, &line->name, error) ||
         !vf_document_get_text(node, "compare", 32, &line->compare, error)))
        return FALSE;
    if (!vf_document_get_text(node, "source", 1024, &line->source, error) ||
        !vf_document_get_text(node, "destination", 1024, &line->destination, error) ||
        !vf_document_need_id(node, "code", &line->code, error) ||
        !vf_document_get_yes_no(node, "overridable", &line->overridable, error))
        return FALSE;
    line->verdict = vf_report_code_verdict(line->code);
    text = vf_document_content(node, error);
    if (!text)
        return FALSE;
    g_free(line->sentence);
    line->sentence = vf_text_collapse(text);
    return TRUE;
}

static gboolean
handle_model(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, data, VF_REPORT_MODEL, error);
}

static gboolean
handle_schema(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, data, VF_REPORT_SCHEMA, error);
}

static gboolean
handle_version(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, data, VF_REPORT_VERSION, error);
}

static gboolean
handle_constraint(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, data, VF_REPORT_CONSTRAINT, error);
}

static gboolean
handle_consumer(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, data, VF_REPORT_CONSUMER, error);
}

static gboolean
handle_parameter(const xmlNode *node, gpointer data, GError **error)
{
    return parse_line(node, data, VF_REPORT_PARAMETER, error);
}

static gboolean
parse_verdict(const xmlNode *node, VfVerdict *verdict, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_need_text(node, "verdict", 32, &text, error))
        return FALSE;
    if (vf_report_verdict_from_string(text, verdict))
        return TRUE;
    return vf_document_fail(
        node, error,
        _("verdict is “%s”, but must be one of incompatible, identical, superset, unknown"), text);
}

VfReport *
vf_report_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "report", "report", NS, VF_DOCUMENT_SIZE_MAX};
    const VfDocumentChild children[] = {{"model", handle_model, 0, 1},
                                        {"schema", handle_schema, 0, 1},
                                        {"version", handle_version, 0, 1},
                                        {"parameter", handle_parameter, 0, LINES_MAX},
                                        {"constraint", handle_constraint, 0, LINES_MAX},
                                        {"consumer", handle_consumer, 0, 1}};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfReport) self = vf_report_new();
    const xmlNode *root;

    if (!document)
        return NULL;
    root = vf_document_root(document);
    if (!parse_verdict(root, &self->verdict, error) ||
        !vf_document_get_text(root, "override", OVERRIDE_MAX, &self->override, error) ||
        !vf_document_children(root, children, G_N_ELEMENTS(children), self, error))
        return NULL;
    return g_steal_pointer(&self);
}

char *
vf_report_format(const VfReport *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("report", NS, TRUE);

    vf_writer_attribute(writer, "verdict", vf_report_verdict_to_string(self->verdict));
    vf_writer_attribute(writer, "override", self->override);
    for (guint i = 0; i < self->lines->len; i++) {
        const VfReportLine *line = self->lines->pdata[i];
        g_autofree char *sentence = vf_text_collapse(line->sentence);
        vf_writer_start(writer, subject_names[line->subject], NULL);
        vf_writer_attribute(writer, "name", line->name);
        vf_writer_attribute(writer, "source", line->source);
        vf_writer_attribute(writer, "destination", line->destination);
        vf_writer_attribute(writer, "compare", line->compare);
        vf_writer_attribute(writer, "code", line->code);
        vf_writer_attribute(writer, "overridable", line->overridable ? "yes" : NULL);
        vf_writer_text(writer, sentence);
        vf_writer_end(writer);
    }
    return vf_writer_finish(writer);
}

const char *
vf_report_verdict_to_string(VfVerdict verdict)
{
    return verdict_names[verdict];
}

gboolean
vf_report_verdict_from_string(const char *text, VfVerdict *verdict)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verdict_names); i++)
        if (g_str_equal(verdict_names[i], text)) {
            *verdict = (VfVerdict)i;
            return TRUE;
        }
    return FALSE;
}
