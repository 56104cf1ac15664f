/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-xml.h"
#include "xml/baseline/baseline.h"
#include "xml/model/model-make.h"

/* Hosts for the tests of baselines, said in a few words. */

#define MODEL_ID "example.org/nic"
#define MODEL_OF(id, content)                                                                      \
    "<model xmlns='https://vferry.org/ns/model/1' id='" id "'><match/>" content "</model>"
#define MODEL(content) MODEL_OF(MODEL_ID, content)

typedef struct {
    VfSupply *supply;
    GPtrArray *kept;    /* of GPtrArray: lists of values */
    GPtrArray *strvs;   /* of char ** */
    GPtrArray *models;  /* of VfModel */
    GHashTable *parsed; /* text -> VfModel */
} Hosts;

static inline Hosts *
hosts_new(void)
{
    Hosts *self = g_new0(Hosts, 1);

    self->supply = vf_supply_new();
    self->kept = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    self->strvs = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    self->models = g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);
    self->parsed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return self;
}

static inline void
hosts_free(Hosts *self)
{
    vf_supply_free(self->supply);
    g_ptr_array_unref(self->kept);
    g_ptr_array_unref(self->strvs);
    g_ptr_array_unref(self->models);
    g_hash_table_unref(self->parsed);
    g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hosts, hosts_free)

static inline VfModel *
hosts_model(Hosts *self, const char *text)
{
    g_autoptr(GError) error = NULL;
    VfModel *model = g_hash_table_lookup(self->parsed, text);

    if (model != NULL)
        return model;
    model = vf_model_parse(text, -1, "test", &error);
    g_assert_no_error(error);
    g_ptr_array_add(self->models, model);
    g_hash_table_insert(self->parsed, g_strdup(text), model);
    return model;
}

/* "banks=2;caps=a b" */
static inline GPtrArray *
hosts_values(Hosts *self, const char *text)
{
    GPtrArray *list = vf_value_list_new();
    g_auto(GStrv) parts = g_strsplit(text, ";", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        char *equals = strchr(parts[i], '=');
        if (equals == NULL)
            continue;
        *equals = '\0';
        vf_value_list_set(list, parts[i], equals + 1, NULL);
    }
    g_ptr_array_add(self->kept, list);
    return list;
}

/* @id is static. */
static inline void
host(Hosts *self, const char *id)
{
    vf_supply_add_host(self->supply, id, NULL);
}

/* @settable: names with spaces between them. */
static inline void
offer(Hosts *self, const char *model, const char *values, const char *settable)
{
    char **names = g_strsplit(settable, " ", -1);
    guint32 class_id;

    g_ptr_array_add(self->strvs, names);
    class_id = vf_supply_add_class(self->supply, hosts_model(self, model),
                                   hosts_values(self, values), names);
    vf_supply_add_offer(self->supply, class_id);
}

static inline VfBaseline *
baseline(Hosts *self)
{
    g_autoptr(GError) error = NULL;
    VfBaseline *result = vf_baseline_of_supply(self->supply, NULL, &error);

    g_assert_no_error(error);
    return result;
}

/* "name=value;…" with "?" for an unread value, and ";version=" of the requirement first. */
static inline char *
describe(const VfRequirement *requirement)
{
    GString *text = g_string_new(NULL);

    if (requirement == NULL)
        return g_string_free(g_string_append(text, "none"), FALSE);
    if (requirement->version != NULL)
        g_string_append_printf(text, "[%s]", requirement->version);
    for (guint i = 0; i < requirement->values->len; i++) {
        const VfValue *value = requirement->values->pdata[i];
        g_string_append_printf(text, "%s%s=%s", i > 0 ? ";" : "", value->name,
                               value->value != NULL ? value->value : "?");
    }
    return g_string_free(text, FALSE);
}

/* "host code" of each line, with ", " between them. */
static inline char *
describe_lines(GPtrArray *lines)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < lines->len; i++) {
        const VfBaselineLine *line = lines->pdata[i];
        g_string_append_printf(text, "%s%s %s", i > 0 ? ", " : "", line->host, line->code);
    }
    return g_string_free(text, FALSE);
}

static inline void
assert_baseline(Hosts *hosts, VfBaselineVerdict verdict, const char *requirement, const char *lines)
{
    g_autoptr(VfBaseline) result = baseline(hosts);
    g_autofree char *described = describe(result->requirement);
    g_autofree char *told = describe_lines(
        result->verdict == VF_BASELINE_UNKNOWN ? result->undecided : result->conflicts);

    g_assert_cmpstr(described, ==, requirement);
    g_assert_cmpstr(vf_baseline_verdict_to_string(result->verdict), ==,
                    vf_baseline_verdict_to_string(verdict));
    g_assert_cmpstr(told, ==, lines);
    g_assert_true(result->exact);
}
