/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "json-strict.h"
#include "driver-info-model.h"
#include "text.h"

/* {"models": {ID: {"params": {NAME: {...}}}}} or {"models": {ID: {"versions": [NAME, ...]}}}.
 * Members that are not known are ignored: a newer driver may say more. */

#define ALLOWED_MAX 256 /* what a document has room for, too */
#define RANGES_MAX 64
#define DESCRIPTION_MAX 4096

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
fail(GError **error, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, message);
    return FALSE;
}

static JsonNode *
need_member(JsonObject *object, const char *name, GError **error)
{
    JsonNode *node = json_object_get_member(object, name);

    if (!node)
        fail(error, _("there is no “%s”"), name);
    return node;
}

/* Shows the value as its document has it. */
static gboolean
fail_kind(JsonNode *node, const char *name, const char *kind, GError **error)
{
    g_autofree char *text = json_to_string(node, FALSE);
    g_autofree char *clean = vf_text_clean(text);
    g_autofree char *shown = g_utf8_substring(clean, 0, MIN(g_utf8_strlen(clean, -1), 60));

    return fail(error, _("“%s” is %s, but must be %s"), name, shown, kind);
}

static JsonObject *
as_object(JsonNode *node, const char *name, GError **error)
{
    if (node && JSON_NODE_HOLDS_OBJECT(node))
        return json_node_get_object(node);
    if (node)
        fail_kind(node, name, _("an object"), error);
    return NULL;
}

static JsonArray *
as_array(JsonNode *node, const char *name, GError **error)
{
    if (node && JSON_NODE_HOLDS_ARRAY(node))
        return json_node_get_array(node);
    if (node)
        fail_kind(node, name, _("an array"), error);
    return NULL;
}

static gboolean
holds(JsonNode *node, GType type)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

static const char *
as_text(JsonNode *node, const char *name, GError **error)
{
    if (node && holds(node, G_TYPE_STRING))
        return json_node_get_string(node);
    if (node)
        fail_kind(node, name, _("a text"), error);
    return NULL;
}

/* --- a parameter --- */

static gboolean
parse_type(JsonObject *object, VfParameter *self, GError **error)
{
    static const struct {
        const char *name;
        VfParameterType type;
    } types[] = {
        {"bool", VF_PARAMETER_BOOL}, {"int", VF_PARAMETER_INT}, {"str", VF_PARAMETER_STRING}};
    JsonNode *node = need_member(object, "type", error);
    const char *text = as_text(node, "type", error);

    for (guint i = 0; text != NULL && i < G_N_ELEMENTS(types); i++)
        if (g_str_equal(text, types[i].name)) {
            self->type = types[i].type;
            return TRUE;
        }
    return text && fail_kind(node, "type", "bool, int, str", error);
}

/* A value in the parameter's one spelling; NULL when it is not of its type. */
static char *
read_value(const VfParameter *self, JsonNode *node, const char *name, GError **error)
{
    char *value = NULL;

    switch (self->type) {
    case VF_PARAMETER_BOOL:
        if (holds(node, G_TYPE_BOOLEAN))
            return g_strdup(json_node_get_boolean(node) ? "yes" : "no");
        fail_kind(node, name, "true, false", error);
        return NULL;
    case VF_PARAMETER_INT:
        if (holds(node, G_TYPE_INT64))
            return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
        fail_kind(node, name, _("a whole number"), error);
        return NULL;
    case VF_PARAMETER_STRING:
    case VF_PARAMETER_ENUM:
    case VF_PARAMETER_SIZE:
    case VF_PARAMETER_SET:
    case VF_PARAMETER_BITMASK:
    default:
        if (!as_text(node, name, error))
            return NULL;
        value = vf_parameter_canonicalize(self, json_node_get_string(node), error);
        if (!value)
            g_prefix_error(error, "“%s”: ", name);
        return value;
    }
}

/* "<min>-<max>" */
static gboolean
read_range(const char *text, VfRange *range)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", -1);

    if (g_strv_length(ends) != 2)
        return FALSE;
    for (guint i = 0; i < 2; i++) {
        gsize digits = strspn(ends[i], "0123456789");
        if (digits < 1 || digits > 18 || ends[i][digits] != '\0')
            return FALSE;
    }
    range->min = g_ascii_strtoll(ends[0], NULL, 10);
    range->max = g_ascii_strtoll(ends[1], NULL, 10);
    range->step = 1;
    return range->min <= range->max;
}

typedef struct {
    VfParameter *parameter;
    GPtrArray *values;
    GArray *ranges;
} Allowed;

static gboolean
add_allowed(Allowed *self, JsonNode *node, GError **error)
{
    g_autofree char *value = NULL;
    VfRange range;

    if (self->parameter->type == VF_PARAMETER_INT && holds(node, G_TYPE_STRING)) {
        if (!read_range(json_node_get_string(node), &range))
            return fail_kind(node, "allowed_values", _("a range “<min>-<max>” of whole numbers"),
                             error);
        if (self->ranges->len == RANGES_MAX)
            return fail(error, _("“allowed_values” has more than %d ranges"), RANGES_MAX);
        g_array_append_val(self->ranges, range);
        return TRUE;
    }
    value = read_value(self->parameter, node, "allowed_values", error);
    if (!value)
        return FALSE;
    if (g_ptr_array_find_with_equal_func(self->values, value, g_str_equal, NULL))
        return fail(error, _("“allowed_values” has “%s” twice"), value);
    g_ptr_array_add(self->values, g_steal_pointer(&value));
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
    return (left->max > right->max) - (left->max < right->max);
}

static gboolean
parse_allowed(JsonObject *object, VfParameter *parameter, GError **error)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VfRange));
    Allowed self = {parameter, values, ranges};
    JsonNode *node = json_object_get_member(object, "allowed_values");
    JsonArray *array;
    guint n;

    if (!node)
        return TRUE;
    array = as_array(node, "allowed_values", error);
    if (!array)
        return FALSE;
    n = json_array_get_length(array);
    if (n < 1 || n > ALLOWED_MAX)
        return fail(error, _("“allowed_values” has %u values, but must have 1 to %d"), n,
                    ALLOWED_MAX);
    for (guint i = 0; i < n; i++)
        if (!add_allowed(&self, json_array_get_element(array, i), error))
            return FALSE;
    if (parameter->type == VF_PARAMETER_INT)
        g_ptr_array_sort(values, compare_numbers);
    g_array_sort(ranges, compare_ranges);
    if (values->len > 0) {
        g_ptr_array_add(values, NULL);
        parameter->allowed = (char **)g_ptr_array_steal(values, NULL);
    }
    if (ranges->len > 0)
        parameter->ranges = g_array_ref(ranges);
    return TRUE;
}

static gboolean
parse_description(JsonObject *object, VfParameter *self, GError **error)
{
    JsonNode *node = json_object_get_member(object, "description");
    const char *text = as_text(node, "description", error);

    if (!text)
        return !node;
    self->description = vf_text_collapse(text);
    return vf_text_check(self->description, "description", DESCRIPTION_MAX, error);
}

/* A value that the device can be given. */
static gboolean
parse_value(JsonObject *object, const char *name, const VfParameter *self, char **value,
            GError **error)
{
    JsonNode *node = json_object_get_member(object, name);
    g_autofree char *text = node ? read_value(self, node, name, error) : NULL;

    if (!text)
        return !node;
    *value = vf_parameter_check_value(self, text, error);
    if (!*value)
        g_prefix_error(error, "“%s”: ", name);
    return *value != NULL;
}

static VfParameter *
parse_parameter(const char *name, JsonNode *node, const char *source, GError **error)
{
    g_autoptr(VfParameter) self = vf_migration_info_parameter_new(name, source, error);
    JsonObject *object = self ? as_object(node, name, error) : NULL;

    if (!object || !parse_type(object, self, error) || !parse_description(object, self, error) ||
        !parse_allowed(object, self, error) || !need_member(object, "init_value", error) ||
        !parse_value(object, "init_value", self, &self->init, error) ||
        !parse_value(object, "off_value", self, &self->off, error))
        return NULL;
    return g_steal_pointer(&self);
}

/* --- a model --- */

static gboolean
parse_parameters(VfModel *model, JsonNode *node, GError **error)
{
    JsonObject *object = as_object(node, "params", error);
    g_autoptr(GList) names = object ? json_object_get_members(object) : NULL;

    if (!object)
        return FALSE;
    if (json_object_get_size(object) > VF_MIGRATION_INFO_PARAMETERS_MAX)
        return fail(error, _("it has more than %d parameters"), VF_MIGRATION_INFO_PARAMETERS_MAX);
    for (GList *item = names; item != NULL; item = item->next) {
        const char *name = item->data;
        VfParameter *parameter =
            parse_parameter(name, json_object_get_member(object, name), model->source, error);

        if (!parameter) {
            g_autofree char *shown = vf_text_excerpt(name, 60);
            g_prefix_error(error, _("parameter “%.60s”: "), shown);
            return FALSE;
        }
        vf_model_add_parameter(model, parameter);
    }
    return TRUE;
}

static gboolean
parse_versions(VfModel *model, JsonNode *node, GError **error)
{
    JsonArray *array = as_array(node, "versions", error);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (!array)
        return FALSE;
    for (guint i = 0; i < json_array_get_length(array); i++) {
        const char *name = as_text(json_array_get_element(array, i), "versions", error);
        if (!name)
            return FALSE;
        g_ptr_array_add(names, (gpointer)name);
    }
    return vf_migration_info_take_versions(model, names, error);
}

static gboolean
parse_schema(VfModel *model, JsonNode *node, GError **error)
{
    JsonObject *object = as_object(node, "models", error);
    JsonNode *parameters = object ? json_object_get_member(object, "params") : NULL;
    JsonNode *versions = object ? json_object_get_member(object, "versions") : NULL;

    if (!object)
        return FALSE;
    if (!parameters == !versions)
        return fail(error, _("there must be either “params” or “versions”"));
    if (parameters)
        return parse_parameters(model, parameters, error);
    if (g_str_equal(model->source, VF_MODEL_SOURCE_KERNEL))
        return fail(error, _("an mdev type has its versions in %s, not here"),
                    VF_MIGRATION_MODELS_ATTRIBUTE);
    return parse_versions(model, versions, error);
}

static gboolean
parse_model(GPtrArray *list, const char *id, JsonNode *node, const char *source, GError **error)
{
    g_autoptr(VfModel) model = vf_migration_info_model_new(id, source, error);

    if (!model)
        return FALSE;
    if (!parse_schema(model, node, error)) {
        g_prefix_error(error, _("model “%s”: "), id);
        return FALSE;
    }
    return vf_migration_info_list_take(list, g_steal_pointer(&model), error);
}

static gboolean
parse_models(GPtrArray *list, JsonNode *root, const char *source, GError **error)
{
    JsonObject *models =
        as_object(need_member(json_node_get_object(root), "models", error), "models", error);
    g_autoptr(GList) ids = models ? json_object_get_members(models) : NULL;

    if (!models)
        return FALSE;
    for (GList *item = ids; item != NULL; item = item->next)
        if (!parse_model(list, item->data, json_object_get_member(models, item->data), source,
                         error))
            return FALSE;
    return list->len > 0 || fail(error, _("it has no model"));
}

static GPtrArray *
parse(const char *text, gssize size, const char *source, const char *where, GError **error)
{
    g_autoptr(JsonNode) root = vf_json_strict_parse(text, size, where, error);
    g_autoptr(GPtrArray) list = vf_migration_info_list_new();

    if (!root)
        return NULL;
    if (parse_models(list, root, source, error))
        return g_steal_pointer(&list);
    g_prefix_error(error, "%s: ", where);
    return NULL;
}

GPtrArray *
vf_migration_info_parse_type(const char *text, gssize size, const char *where, GError **error)
{
    g_autoptr(GPtrArray) list = parse(text, size, VF_MODEL_SOURCE_KERNEL, where, error);

    if (!list || list->len == 1)
        return g_steal_pointer(&list);
    fail(error, _("%s: it has %u models, but an mdev type has one"), where, list->len);
    return NULL;
}

GPtrArray *
vf_migration_info_parse_program(const char *text, gssize size, const char *where, GError **error)
{
    return parse(text, size, VF_MODEL_SOURCE_PROGRAM, where, error);
}
