/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "parameter-xml.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

#include "model-id.h"
#include "number.h"
#include "text.h"
#include "value.h"

#define GLOB_MAX 128
#define UNIT_MAX 32

static void
type_value_free(VfTypeValue *self)
{
    g_free(self->glob);
    g_free(self->value);
    g_free(self);
}

static gboolean
parse_type(const xmlNode *node, VfParameter *self, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_need_text(node, "type", 32, &text, error))
        return FALSE;
    if (!vf_parameter_type_from_string(text, &self->type))
        return vf_document_fail(
            node, error, _("type is “%s”, but must be one of bool, int, string, enum, size"), text);
    self->min = self->type == VF_PARAMETER_INT ? G_MININT64 : 0;
    self->max = G_MAXINT64;
    self->step = 1;
    return TRUE;
}

static gboolean
parse_compare(const xmlNode *node, VfParameter *self, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_need_text(node, "compare", 32, &text, error))
        return FALSE;
    if (vf_parameter_compare_from_string(text, &self->compare))
        return TRUE;
    return vf_document_fail(
        node, error,
        _("compare is “%s”, but must be one of equal, superset, at-least, at-most, "
          "same-major, firmware, ignore"),
        text);
}

static gboolean
parse_attributes(const xmlNode *node, VfParameter *self, GError **error)
{
    GError *cause = NULL;

    if (!vf_document_need_text(node, "name", VF_MODEL_ID_SEGMENT_MAX, &self->name, error))
        return FALSE;
    if (!vf_model_id_check_segment(self->name, "name", &cause))
        return vf_document_fail_because(node, cause, error);
    return parse_type(node, self, error) && parse_compare(node, self, error) &&
           vf_document_get_text(node, "unit", UNIT_MAX, &self->unit, error);
}

static gboolean
handle_description(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    g_autofree char *text = vf_document_content(node, error);

    if (text == NULL)
        return FALSE;
    self->description = vf_text_collapse(text);
    return TRUE;
}

typedef struct {
    VfParameter *parameter;
    GPtrArray *values;
} Allowed;

static gboolean
handle_allowed_value(const xmlNode *node, gpointer data, GError **error)
{
    Allowed *allowed = data;
    g_autofree char *text = vf_document_content(node, error);
    g_autofree char *canonical = NULL;
    GError *cause = NULL;

    if (text == NULL)
        return FALSE;
    canonical = vf_parameter_canonicalize(allowed->parameter, text, &cause);
    if (canonical == NULL)
        return vf_document_fail_because(node, cause, error);
    if (g_ptr_array_find_with_equal_func(allowed->values, canonical, g_str_equal, NULL))
        return vf_document_fail(node, error, _("the allowed value “%s” is there twice"), canonical);
    g_ptr_array_add(allowed->values, g_steal_pointer(&canonical));
    return TRUE;
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    gint64 left = g_ascii_strtoll(*(char *const *)a, NULL, 10);
    gint64 right = g_ascii_strtoll(*(char *const *)b, NULL, 10);
    return (left > right) - (left < right);
}

static gboolean
is_number(const VfParameter *self)
{
    return self->type == VF_PARAMETER_INT || self->type == VF_PARAMETER_SIZE;
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
    if (text == NULL || vf_number_parse_i64(text, name, min, G_MAXINT64, bound, &cause))
        return TRUE;
    return vf_document_fail_because(node, cause, error);
}

static gboolean
parse_range(const xmlNode *node, VfParameter *self, GError **error)
{
    if (!is_number(self))
        return vf_document_fail(node, error,
                                _("min, max and step are for the types int and size only"));
    if (!parse_bound(node, self, "min", &self->min, error) ||
        !parse_bound(node, self, "max", &self->max, error) ||
        !vf_document_get_u64(node, "step", 1, G_MAXINT64, &self->step, error))
        return FALSE;
    if (self->min <= self->max)
        return TRUE;
    return vf_document_fail(node, error, _("min is %" PRId64 ", more than max, %" PRId64),
                            self->min, self->max);
}

static void
take_allowed(VfParameter *self, GPtrArray *values)
{
    if (is_number(self))
        g_ptr_array_sort(values, compare_numbers);
    g_ptr_array_add(values, NULL);
    self->allowed = (char **)g_ptr_array_steal(values, NULL);
}

static gboolean
handle_allowed(const xmlNode *node, gpointer data, GError **error)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    VfParameter *self = data;
    Allowed allowed = {self, values};
    const VfDocumentChild children[] = {{"value", handle_allowed_value, 0, 256}};
    gboolean range = vf_document_has(node, "min") || vf_document_has(node, "max") ||
                     vf_document_has(node, "step");

    if (!vf_document_children(node, children, G_N_ELEMENTS(children), &allowed, error))
        return FALSE;
    if (range == (values->len > 0))
        return vf_document_fail(node, error,
                                _("there must be values, or some of min, max and step"));
    if (range)
        return parse_range(node, self, error);
    take_allowed(self, values);
    return TRUE;
}

static gboolean
handle_map(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    g_autofree char *glob = NULL;
    g_autofree char *text = NULL;
    g_autofree char *value = NULL;
    GError *cause = NULL;
    VfTypeValue *entry;

    if (!vf_document_need_text(node, "type", GLOB_MAX, &glob, error) ||
        !vf_document_need_text(node, "value", VF_VALUE_TEXT_MAX, &text, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    value = vf_parameter_check_value(self, text, &cause);
    if (value == NULL)
        return vf_document_fail_because(node, cause, error);
    entry = g_new0(VfTypeValue, 1);
    entry->glob = g_steal_pointer(&glob);
    entry->value = g_steal_pointer(&value);
    g_ptr_array_add(self->type_values, entry);
    return TRUE;
}

static gboolean
set_reader(const xmlNode *node, VfParameter *self, VfReaderKind kind, GError **error)
{
    if (self->reader != VF_READER_NONE)
        return vf_document_fail(node, error, _("a value is read in one way only"));
    self->reader = kind;
    return TRUE;
}

static gboolean
handle_type_name(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    const VfDocumentChild children[] = {{"map", handle_map, 1, 256}};

    if (!set_reader(node, self, VF_READER_TYPE_NAME, error))
        return FALSE;
    self->type_values = g_ptr_array_new_with_free_func((GDestroyNotify)type_value_free);
    return vf_document_children(node, children, G_N_ELEMENTS(children), self, error);
}

static gboolean
parse_path(const xmlNode *node, char **path, GError **error)
{
    GError *cause = NULL;

    if (!vf_document_need_text(node, "path", 255, path, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    if (!vf_text_check_attribute(*path, "path", &cause))
        return vf_document_fail_because(node, cause, error);
    return TRUE;
}

static gboolean
handle_read_attribute(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;

    return set_reader(node, self, VF_READER_ATTRIBUTE, error) &&
           parse_path(node, &self->reader_attribute, error);
}

static gboolean
handle_apply_attribute(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;

    self->applier = VF_APPLIER_ATTRIBUTE;
    return parse_path(node, &self->applier_attribute, error);
}

static gboolean
handle_read(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"type-name", handle_type_name, 0, 1},
                                        {"attribute", handle_read_attribute, 0, 1}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static gboolean
handle_apply(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"attribute", handle_apply_attribute, 0, 1}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static gboolean
skip(const xmlNode *node, gpointer data, GError **error)
{
    return TRUE;
}

/* Twice, since the values in <read> are checked against <allowed>, which may come behind it. */
static gboolean
parse_children(const xmlNode *node, VfParameter *self, VfParameterXmlForm form, GError **error)
{
    const VfDocumentChild schema[] = {{"description", handle_description, 0, 1},
                                      {"allowed", handle_allowed, 0, 1},
                                      {"read", skip, 0, 1},
                                      {"apply", skip, 0, 1}};
    const VfDocumentChild access[] = {{"description", skip, 0, 1},
                                      {"allowed", skip, 0, 1},
                                      {"read", handle_read, 0, 1},
                                      {"apply", handle_apply, 0, 1}};

    if (form == VF_PARAMETER_XML_SCHEMA)
        return vf_document_children(node, schema, 2, self, error);
    return vf_document_children(node, schema, G_N_ELEMENTS(schema), self, error) &&
           vf_document_children(node, access, G_N_ELEMENTS(access), self, error);
}

static gboolean
check_whole(const xmlNode *node, const VfParameter *self, GError **error)
{
    if (self->type == VF_PARAMETER_ENUM && self->allowed == NULL)
        return vf_document_fail(node, error, _("the enum %s needs a list of allowed values"),
                                self->name);
    /* a value that was written and cannot be read back would have to be believed */
    if (self->applier != VF_APPLIER_NONE && self->reader != VF_READER_ATTRIBUTE)
        return vf_document_fail(
            node, error, _("%s is applied by writing an attribute, so it must be read from one"),
            self->name);
    return TRUE;
}

VfParameter *
vf_parameter_xml_parse(const xmlNode *node, VfParameterXmlForm form, GError **error)
{
    g_autoptr(VfParameter) self = g_new0(VfParameter, 1);

    if (!parse_attributes(node, self, error) || !parse_children(node, self, form, error) ||
        !check_whole(node, self, error))
        return NULL;
    return g_steal_pointer(&self);
}

static gboolean
is_whole_range(const VfParameter *self)
{
    gint64 min = self->type == VF_PARAMETER_INT ? G_MININT64 : 0;
    return self->min == min && self->max == G_MAXINT64 && self->step == 1;
}

static void
write_allowed(VfWriter *writer, const VfParameter *self)
{
    if (self->allowed == NULL && is_whole_range(self))
        return;
    vf_writer_start(writer, "allowed", NULL);
    if (self->allowed == NULL) {
        vf_writer_attribute_i64(writer, "min", self->min);
        vf_writer_attribute_i64(writer, "max", self->max);
        vf_writer_attribute_u64(writer, "step", self->step);
    }
    for (guint i = 0; self->allowed != NULL && self->allowed[i] != NULL; i++) {
        vf_writer_start(writer, "value", NULL);
        vf_writer_text(writer, self->allowed[i]);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);
}

static void
write_path(VfWriter *writer, const char *path)
{
    vf_writer_start(writer, "attribute", NULL);
    vf_writer_attribute(writer, "path", path);
    vf_writer_end(writer);
}

static void
write_type_values(VfWriter *writer, GPtrArray *values)
{
    vf_writer_start(writer, "type-name", NULL);
    for (guint i = 0; i < values->len; i++) {
        const VfTypeValue *entry = values->pdata[i];
        vf_writer_start(writer, "map", NULL);
        vf_writer_attribute(writer, "type", entry->glob);
        vf_writer_attribute(writer, "value", entry->value);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);
}

static void
write_access(VfWriter *writer, const VfParameter *self)
{
    if (self->reader != VF_READER_NONE) {
        vf_writer_start(writer, "read", NULL);
        if (self->reader == VF_READER_TYPE_NAME)
            write_type_values(writer, self->type_values);
        else
            write_path(writer, self->reader_attribute);
        vf_writer_end(writer);
    }
    if (self->applier != VF_APPLIER_NONE) {
        vf_writer_start(writer, "apply", NULL);
        write_path(writer, self->applier_attribute);
        vf_writer_end(writer);
    }
}

void
vf_parameter_xml_write(VfWriter *writer, const VfParameter *self, VfParameterXmlForm form)
{
    vf_writer_start(writer, "parameter", NULL);
    vf_writer_attribute(writer, "name", self->name);
    vf_writer_attribute(writer, "type", vf_parameter_type_to_string(self->type));
    vf_writer_attribute(writer, "compare", vf_parameter_compare_to_string(self->compare));
    vf_writer_attribute(writer, "unit", self->unit);
    vf_writer_prose(writer, "description", self->description);
    write_allowed(writer, self);
    if (form == VF_PARAMETER_XML_DESCRIPTOR)
        write_access(writer, self);
    vf_writer_end(writer);
}
