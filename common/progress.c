/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "progress.h"

typedef struct {
    VfProgressField field;
    const char *key;
    const char *type;
    gsize offset;
} Number;

static const Number numbers[] = {
    {VF_PROGRESS_DONE, "done", "t", G_STRUCT_OFFSET(VfProgress, done)},
    {VF_PROGRESS_TOTAL, "total", "t", G_STRUCT_OFFSET(VfProgress, total)},
    {VF_PROGRESS_RATE, "rate", "t", G_STRUCT_OFFSET(VfProgress, rate)},
    {VF_PROGRESS_ROUND, "round", "u", G_STRUCT_OFFSET(VfProgress, round)},
    {VF_PROGRESS_DIRTY, "dirty", "t", G_STRUCT_OFFSET(VfProgress, dirty)},
    {VF_PROGRESS_INITIAL_LEFT, "initial-left", "t", G_STRUCT_OFFSET(VfProgress, initial_left)},
};

#define EXPECTED_DOWNTIME "expected-downtime"
#define DEVICES "devices"

void
vf_progress_fill(const VfProgress *self, guint fields, GVariantDict *dict)
{
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        gconstpointer value = G_STRUCT_MEMBER_P(self, numbers[i].offset);

        if (!(fields & numbers[i].field))
            continue;
        if (numbers[i].type[0] == 'u')
            g_variant_dict_insert(dict, numbers[i].key, "u", *(const guint32 *)value);
        else
            g_variant_dict_insert(dict, numbers[i].key, "t", *(const guint64 *)value);
    }
    if (fields & VF_PROGRESS_EXPECTED_DOWNTIME && self->has_expected_downtime)
        g_variant_dict_insert(dict, EXPECTED_DOWNTIME, "t", self->expected_downtime);
    if (fields & VF_PROGRESS_DEVICES)
        g_variant_dict_insert_value(dict, DEVICES,
                                    g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64,
                                                              self->device_bytes, self->n_devices,
                                                              sizeof *self->device_bytes));
}

const char *
vf_progress_parse(VfProgress *self, guint fields, GVariantDict *dict, GVariant **devices)
{
    const char *missing = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (fields & numbers[i].field &&
            !g_variant_dict_lookup(dict, numbers[i].key, numbers[i].type,
                                   G_STRUCT_MEMBER_P(self, numbers[i].offset)) &&
            !missing)
            missing = numbers[i].key;
    if (fields & VF_PROGRESS_EXPECTED_DOWNTIME)
        self->has_expected_downtime =
            g_variant_dict_lookup(dict, EXPECTED_DOWNTIME, "t", &self->expected_downtime);
    if (fields & VF_PROGRESS_DEVICES) {
        *devices = g_variant_dict_lookup_value(dict, DEVICES, G_VARIANT_TYPE("at"));
        if (*devices)
            self->device_bytes =
                g_variant_get_fixed_array(*devices, &self->n_devices, sizeof(guint64));
        else if (!missing)
            missing = DEVICES;
    }
    return missing;
}
