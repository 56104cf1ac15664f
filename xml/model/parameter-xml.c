/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "parameter-xml.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"
#include "error.h"
#include "names-xml.h"
#include "number.h"
#include "parameter-access-xml.h"
#include "rule.h"
#include "text.h"
#include "value.h"

#define UNIT_MAX 32
#define RANGES_MAX 64

static gboolean
parse_attributes(const xmlNode *node, VfParameter *self, GError **error)
{
    g_autofree char *type = NULL;
    g_autofree char *compare = NULL;

    if (!vf_document_need_name(node, "name", &self->name, error) ||
        !vf_document_need_text(node, "type", 32, &type, error))
        return FALSE;
    if (!vf_parameter_type_from_string(type, &self->type))
        return vf_document_fail(
            node, error,
            _("type is “%s”, but must be one of bool, int, string, enum, size, set, bitmask"),
            type);

    if (!vf_document_need_text(node, "compare", 32, &compare, error))
        return FALSE;
    if (!vf_parameter_compare_from_string(compare, &self->compare))
        return vf_document_fail(
            node, error,
            _("compare is “%s”, but must be one of equal, superset, at-least, at-most, "
              "same-major, firmware, ignore"),
            compare);
    if (!vf_rule_suits(self->compare, self->type))
        return vf_document_fail(node, error, _("the rule %s cannot compare values of the type %s"),
                                compare, vf_parameter_type_to_string(self->type));

    return vf_document_get_text(node, "unit", UNIT_MAX, &self->unit, error) &&
           vf_document_get_yes_no(node, "enforced", &self->enforced, error);
}

static gboolean
handle_description(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    g_autofree char *text = vf_document_content(node, error);

    if (!text)
        return FALSE;
    self->description = vf_text_collapse(text);
    return TRUE;
}

typedef struct {
    VfParameter *parameter;
    GPtrArray *values;
    GArray *ranges;
} Allowed;

/* One word of a set, which may hold several, or one value of another type. */
static char *
canonicalize_allowed(const VfParameter *self, const char *text, GError **error)
{
    g_autofree char *canonical = vf_parameter_canonicalize(self, text, error);

    if (!canonical || self->type != VF_PARAMETER_SET ||
        (canonical[0] != '\0' && !strchr(canonical, ' ')))
        return g_steal_pointer(&canonical);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("an allowed value of a set is one word, not “%.60s”"), canonical);
    return NULL;
}

static gboolean
handle_allowed_value(const xmlNode *node, gpointer data, GError **error)
{
    Allowed *allowed = data;
    g_autofree char *text = vf_document_content(node, error);
    g_autofree char *canonical = NULL;
    GError *cause = NULL;

    if (!text)
        return FALSE;
    if (allowed->parameter->type == VF_PARAMETER_BITMASK)
        return vf_document_fail(node, error, _("a bitmask has a mask, and no list of values"));
    canonical = canonicalize_allowed(allowed->parameter, text, &cause);
    if (!canonical)
        return vf_document_fail_because(node, cause, error);
    if (g_ptr_array_find_with_equal_func(allowed->values, canonical, g_str_equal, NULL))
        return vf_document_fail(node, error, _("the allowed value “%s” is there twice"), canonical);
    g_ptr_array_add(allowed->values, g_steal_pointer(&canonical));
    return TRUE;
}

static gboolean
parse_bound(const xmlNode *node, const VfParameter *self, const char *name, gint64 *bound,
            GError **error)
{
    g_autofree char *text = NULL;
    GError *cause = NULL;
    gint64 min = self->type == VF_PARAMETER_SIZE ? 0 : G_MININT64;

    if (!vf_document_get_text(node, name, 32, &text, error))
        return FALSE;
    if (!text || vf_number_parse_i64(text, name, min, G_MAXINT64, bound, &cause))
        return TRUE;
    return vf_document_fail_because(node, cause, error);
}

static gboolean
parse_range(const xmlNode *node, const VfParameter *self, GArray *ranges, GError **error)
{
    VfRange range = {self->type == VF_PARAMETER_INT ? G_MININT64 : 0, G_MAXINT64, 1};

    if (!vf_parameter_is_number(self))
        return vf_document_fail(node, error,
                                _("min, max and step are for the types int and size only"));
    if (!parse_bound(node, self, "min", &range.min, error) ||
        !parse_bound(node, self, "max", &range.max, error) ||
        !vf_document_get_u64(node, "step", 1, G_MAXINT64, &range.step, error))
        return FALSE;
    if (range.min > range.max)
        return vf_document_fail(node, error, _("min is %" PRId64 ", more than max, %" PRId64),
                                range.min, range.max);
    g_array_append_val(ranges, range);
    return TRUE;
}

static gboolean
handle_range(const xmlNode *node, gpointer data, GError **error)
{
    Allowed *allowed = data;

    return vf_document_children(node, NULL, 0, NULL, error) &&
           parse_range(node, allowed->parameter, allowed->ranges, error);
}

static gboolean
parse_mask(const xmlNode *node, VfParameter *self, GError **error)
{
    g_autofree char *text = NULL;
    g_autofree char *canonical = NULL;
    GError *cause = NULL;

    if (self->type != VF_PARAMETER_BITMASK)
        return vf_document_fail(node, error, _("a mask is for the type bitmask only"));
    if (!vf_document_need_text(node, "mask", 32, &text, error))
        return FALSE;
    canonical = vf_parameter_canonicalize(self, text, &cause);
    if (!canonical)
        return vf_document_fail_because(node, cause, error);
    self->mask = g_ascii_strtoull(canonical + 2, NULL, 16);
    return TRUE;
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    gint64 left = g_ascii_strtoll(*(char *const *)a, NULL, 10);
    gint64 right = g_ascii_strtoll(*(char *const *)b, NULL, 10);
    return (left > right) - (left < right);
}

static int
compare_ranges(gconstpointer a, gconstpointer b)
{
    const VfRange *left = a;
    const VfRange *right = b;

    if (left->min != right->min)
        return left->min < right->min ? -1 : 1;
    if (left->max != right->max)
        return left->max < right->max ? -1 : 1;
    return (left->step > right->step) - (left->step < right->step);
}

static gboolean
handle_allowed(const xmlNode *node, gpointer data, GError **error)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VfRange));
    VfParameter *self = data;
    Allowed allowed = {self, values, ranges};
    const VfDocumentChild children[] = {{"value", handle_allowed_value, 0, 256},
                                        {"range", handle_range, 0, RANGES_MAX}};
    gboolean range = vf_document_has(node, "min") || vf_document_has(node, "max") ||
                     vf_document_has(node, "step");
    gboolean mask = vf_document_has(node, "mask");

    if (!vf_document_children(node, children, G_N_ELEMENTS(children), &allowed, error))
        return FALSE;
    if (range + mask + (values->len + ranges->len > 0) != 1)
        return vf_document_fail(
            node, error,
            _("there must be values and ranges, or some of min, max and step, or a mask"));
    if (mask)
        return parse_mask(node, self, error);
    if (range && !parse_range(node, self, ranges, error))
        return FALSE;
    if (vf_parameter_is_number(self))
        g_ptr_array_sort(values, compare_numbers);
    if (self->type == VF_PARAMETER_SET)
        g_ptr_array_sort(values, vf_text_compare);
    if (values->len > 0) {
        g_ptr_array_add(values, NULL);
        self->allowed = (char **)g_ptr_array_steal(values, NULL);
    }
    g_array_sort(ranges, compare_ranges);
    if (ranges->len > 0)
        self->ranges = g_array_ref(ranges);
    return TRUE;
}

static gboolean
skip(const xmlNode *node, gpointer data, GError **error)
{
    return TRUE;
}

static gboolean
parse_value(const xmlNode *node, const VfParameter *self, const char *name, char **value,
            GError **error)
{
    g_autofree char *text = NULL;
    GError *cause = NULL;

    if (!vf_document_get_text(node, name, VF_VALUE_TEXT_MAX, &text, error))
        return FALSE;
    if (!text)
        return TRUE;
    *value = vf_parameter_check_value(self, text, &cause);
    if (*value)
        return TRUE;
    g_prefix_error(&cause, "%s: ", name);
    return vf_document_fail_because(node, cause, error);
}

/* Three times, since what is checked against <allowed> may stand before it. */
static gboolean
parse_children(const xmlNode *node, VfParameter *self, VfParameterXmlForm form, GError **error)
{
    const VfDocumentChild schema[] = {{"description", handle_description, 0, 1},
                                      {"allowed", handle_allowed, 0, 1},
                                      {"read", skip, 0, 1},
                                      {"apply", skip, 0, 1}};
    const VfDocumentChild access[] = {{"description", skip, 0, 1},
                                      {"allowed", skip, 0, 1},
                                      {"read", vf_parameter_read_xml_parse, 0, 1},
                                      {"apply", vf_parameter_apply_xml_parse, 0, 1}};
    gsize n = form == VF_PARAMETER_XML_SCHEMA ? 2 : G_N_ELEMENTS(schema);

    return vf_document_children(node, schema, n, self, error) &&
           parse_value(node, self, "init", &self->init, error) &&
           parse_value(node, self, "off", &self->off, error) &&
           (form == VF_PARAMETER_XML_SCHEMA ||
            vf_document_children(node, access, G_N_ELEMENTS(access), self, error));
}

static gboolean
check_whole(const xmlNode *node, const VfParameter *self, GError **error)
{
    if (self->type == VF_PARAMETER_ENUM && !self->allowed)
        return vf_document_fail(node, error, _("the enum %s needs a list of allowed values"),
                                self->name);
    /* a value that was written and cannot be read back would have to be believed */
    if (self->applier != VF_APPLIER_NONE &&
        (self->reader.kind != VF_READER_ATTRIBUTE || self->reader.of != VF_READER_OF_DEVICE))
        return vf_document_fail(node, error,
                                _("%s is applied by writing an attribute of the device, so it must "
                                  "be read from one"),
                                self->name);
    return TRUE;
}

VfParameter *
vf_parameter_xml_parse(const xmlNode *node, VfParameterXmlForm form, GError **error)
{
    g_autoptr(VfParameter) self = g_new0(VfParameter, 1);

    self->enforced = TRUE;
    self->mask = G_MAXUINT64;
    if (!parse_attributes(node, self, error) || !parse_children(node, self, form, error) ||
        !check_whole(node, self, error))
        return NULL;
    return g_steal_pointer(&self);
}

static void
write_range(VfWriter *writer, const VfRange *range)
{
    vf_writer_attribute_i64(writer, "min", range->min);
    vf_writer_attribute_i64(writer, "max", range->max);
    vf_writer_attribute_u64(writer, "step", range->step);
}

static void
write_allowed(VfWriter *writer, const VfParameter *self)
{
    g_autofree char *mask = NULL;

    if (!self->allowed && !self->ranges && self->mask == G_MAXUINT64)
        return;
    vf_writer_start(writer, "allowed", NULL);
    if (self->mask != G_MAXUINT64)
        mask = g_strdup_printf("0x%" PRIx64, self->mask);
    vf_writer_attribute(writer, "mask", mask);
    if (self->ranges && self->ranges->len == 1 && !self->allowed) {
        write_range(writer, &g_array_index(self->ranges, VfRange, 0));
    } else {
        for (guint i = 0; self->ranges != NULL && i < self->ranges->len; i++) {
            vf_writer_start(writer, "range", NULL);
            write_range(writer, &g_array_index(self->ranges, VfRange, i));
            vf_writer_end(writer);
        }
    }
    for (guint i = 0; self->allowed != NULL && self->allowed[i] != NULL; i++) {
        vf_writer_start(writer, "value", NULL);
        vf_writer_text(writer, self->allowed[i]);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);
}

void
vf_parameter_xml_write(VfWriter *writer, const VfParameter *self, VfParameterXmlForm form)
{
    vf_writer_start(writer, "parameter", NULL);
    vf_writer_attribute(writer, "name", self->name);
    vf_writer_attribute(writer, "type", vf_parameter_type_to_string(self->type));
    vf_writer_attribute(writer, "compare", vf_parameter_compare_to_string(self->compare));
    vf_writer_attribute(writer, "unit", self->unit);
    vf_writer_attribute(writer, "init", self->init);
    vf_writer_attribute(writer, "off", self->off);
    vf_writer_attribute(writer, "enforced", self->enforced ? NULL : "no");
    vf_writer_prose(writer, "description", self->description);
    write_allowed(writer, self);
    if (form == VF_PARAMETER_XML_DESCRIPTOR)
        vf_parameter_access_xml_write(writer, self);
    vf_writer_end(writer);
}
