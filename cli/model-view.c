/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-view.h"

#include <glib/gi18n-lib.h>

#include "table.h"
#include "text-view.h"

const char *
vf_model_view_rule(VfCompareRule rule)
{
    switch (rule) {
    case VF_COMPARE_EQUAL:
        return _("must be the same at the destination");
    case VF_COMPARE_SUPERSET:
        return _("the destination must have all of it, and may have more");
    case VF_COMPARE_AT_LEAST:
        return _("the destination must not have less");
    case VF_COMPARE_AT_MOST:
        return _("the destination must not have more");
    case VF_COMPARE_SAME_MAJOR:
        return _("must be the same at the destination up to the first dot");
    case VF_COMPARE_FIRMWARE:
        return _("only the device itself can say whether it fits");
    case VF_COMPARE_IGNORE:
    default:
        return _("does not count");
    }
}

const char *
vf_model_view_evidence(const char *evidence)
{
    static const struct {
        const char *evidence, *text;
    } known[] = {
        {VF_EVIDENCE_MDEV_TYPE, N_("from the device's type")},
        {VF_EVIDENCE_ATTRIBUTE, N_("read from sysfs")},
        {VF_EVIDENCE_PCI_CONFIG, N_("read from the PCI configuration space")},
        {VF_EVIDENCE_UDEV, N_("from udev")},
        {VF_EVIDENCE_VERSION, N_("what the version says")},
        {VF_EVIDENCE_OFF, N_("not there, so as if switched off")},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_strcmp0(known[i].evidence, evidence) == 0)
            return _(known[i].text);
    return evidence ? evidence : _("nobody says how");
}

static void
set_text(JsonObject *object, const char *name, const char *text)
{
    if (text)
        json_object_set_string_member(object, name, text);
}

static JsonArray *
json_from_strv(char *const *texts)
{
    JsonArray *array = json_array_new();

    for (char *const *text = texts; text && *text; text++)
        json_array_add_string_element(array, *text);
    return array;
}

static JsonArray *
json_from_ranges(GArray *ranges)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < ranges->len; i++) {
        const VfRange *range = &g_array_index(ranges, VfRange, i);
        JsonObject *object = json_object_new();

        json_object_set_int_member(object, "min", range->min);
        json_object_set_int_member(object, "max", range->max);
        json_object_set_int_member(object, "step", (gint64)MIN(range->step, G_MAXINT64));
        json_array_add_object_element(array, object);
    }
    return array;
}

static JsonObject *
json_from_parameter(const VfParameter *parameter)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", parameter->name);
    json_object_set_string_member(object, "type", vf_parameter_type_to_string(parameter->type));
    json_object_set_string_member(object, "compare",
                                  vf_parameter_compare_to_string(parameter->compare));
    json_object_set_boolean_member(object, "enforced", parameter->enforced);
    set_text(object, "unit", parameter->unit);
    set_text(object, "description", parameter->description);
    set_text(object, "init", parameter->init);
    set_text(object, "off", parameter->off);
    if (parameter->allowed)
        json_object_set_array_member(object, "allowed", json_from_strv(parameter->allowed));
    if (parameter->ranges)
        json_object_set_array_member(object, "ranges", json_from_ranges(parameter->ranges));
    if (parameter->type == VF_PARAMETER_BITMASK && parameter->mask != G_MAXUINT64) {
        g_autofree char *mask = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", parameter->mask);
        json_object_set_string_member(object, "mask", mask);
    }
    json_object_set_boolean_member(object, "readable", parameter->reader.kind != VF_READER_NONE);
    json_object_set_boolean_member(object, "settable", parameter->applier != VF_APPLIER_NONE);
    return object;
}

JsonNode *
vf_model_view_json(const VfModel *model)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *parameters = json_array_new();
    JsonArray *versions = json_array_new();

    json_object_set_string_member(object, "id", model->id);
    json_object_set_string_member(object, "digest", model->digest);
    json_object_set_string_member(object, "source", model->source);
    set_text(object, "file", model->file);
    set_text(object, "description", model->description);
    set_text(object, "not_migratable", model->not_migratable);
    json_object_set_array_member(object, "aliases", json_from_strv(model->aliases));
    for (guint i = 0; i < model->versions->len; i++) {
        const VfVersion *version = model->versions->pdata[i];
        json_array_add_string_element(versions, version->name);
    }
    json_object_set_array_member(object, "versions", versions);
    for (guint i = 0; i < model->parameters->len; i++)
        json_array_add_object_element(parameters, json_from_parameter(model->parameters->pdata[i]));
    json_object_set_array_member(object, "parameters", parameters);
    return json_node_init_object(json_node_alloc(), object);
}

JsonNode *
vf_model_view_values_json(GPtrArray *values)
{
    g_autoptr(JsonArray) array = json_array_new();

    for (guint i = 0; i < values->len; i++) {
        const VfValue *value = values->pdata[i];
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "name", value->name);
        if (value->value)
            json_object_set_string_member(object, "value", value->value);
        else
            json_object_set_null_member(object, "value");
        set_text(object, "evidence", value->evidence);
        json_array_add_object_element(array, object);
    }
    return json_node_init_array(json_node_alloc(), array);
}

JsonNode *
vf_model_view_problem_json(const VfModelsProblem *problem)
{
    g_autoptr(JsonObject) object = json_object_new();

    json_object_set_string_member(object, "file", problem->file);
    if (problem->line > 0)
        json_object_set_int_member(object, "line", problem->line);
    json_object_set_string_member(object, "message", problem->message);
    return json_node_init_object(json_node_alloc(), object);
}

static void
print_field(const char *label, const char *text, gboolean colour)
{
    g_autofree char *clean = text && *text ? vf_text_printable(text) : NULL;
    guint width = vf_text_width(label);

    if (clean)
        g_print("%s%s%s%*s%s\n", vf_terminal_begin(VF_STYLE_BOLD, colour), label,
                vf_terminal_end(VF_STYLE_BOLD, colour), width < 16 ? (int)(18 - width) : 2, "",
                clean);
}

static void
print_parameters(const VfModel *model, gboolean colour)
{
    const char *titles[] = {_("PARAMETER"), _("TYPE"), _("ALLOWED"), _("UNIT"),
                            _("RULE"),      _("OFF"),  _("READ"),    NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *text = NULL;

    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];
        g_autofree char *allowed = vf_parameter_describe_allowed(parameter);
        g_autofree char *rule = g_strconcat(vf_parameter_compare_to_string(parameter->compare),
                                            parameter->enforced ? "" : _(" (not enforced)"), NULL);
        gboolean readable = parameter->reader.kind != VF_READER_NONE;

        vf_table_add(table, parameter->name);
        vf_table_add(table, vf_parameter_type_to_string(parameter->type));
        vf_table_add(table, allowed);
        vf_table_add(table, parameter->unit);
        vf_table_add(table, rule);
        vf_table_add(table, parameter->off);
        vf_table_add_styled(table, readable ? _("yes") : _("no"),
                            readable ? VF_STYLE_PLAIN : VF_STYLE_WARN);
    }
    text = vf_table_format(table, colour);
    if (model->parameters->len > 0)
        g_print("\n%s", text);
}

void
vf_model_view_print(const VfModel *model, gboolean colour)
{
    g_autofree char *aliases = model->aliases ? g_strjoinv(", ", model->aliases) : NULL;
    g_autoptr(GString) versions = g_string_new(NULL);

    for (guint i = 0; i < model->versions->len; i++) {
        const VfVersion *version = model->versions->pdata[i];
        g_string_append_printf(versions, "%s%s", i > 0 ? ", " : "", version->name);
    }

    print_field(_("model"), model->id, colour);
    print_field(_("description"), model->description, colour);
    print_field(_("not migratable"), model->not_migratable, colour);
    print_field(_("also called"), aliases, colour);
    print_field(_("versions"), versions->str, colour);
    print_field(_("known from"), model->file ? model->file : model->source, colour);
    print_field(_("digest"), model->digest, colour);
    print_parameters(model, colour);
}
