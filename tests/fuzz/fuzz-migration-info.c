/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "fuzz-xml.h"
#include "xml/driver-info/driver-info.h"

/* What a driver or a program says of its models, in all three layouts: the models are as good as
 * those of descriptors. */

typedef GPtrArray *(*Parse)(const char *text, gssize size, const char *where, GError **error);

static const struct {
    Parse parse;
    const char *source;
} layouts[] = {
    {vf_migration_info_parse_type, VF_MODEL_SOURCE_KERNEL},
    {vf_migration_info_parse_versions, VF_MODEL_SOURCE_KERNEL},
    {vf_migration_info_parse_program, VF_MODEL_SOURCE_PROGRAM},
};

/* Each parameter as its author says that it is at first. */
static void
compare_initial(const VfModel *model)
{
    g_autoptr(GPtrArray) values = vf_value_list_new();
    g_autoptr(VfRequirement) requirement = NULL;
    g_auto(GStrv) settable = vf_model_settable_names(model);

    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];
        const char *value = parameter->init ?: parameter->allowed[0];

        FUZZ_RULE(vf_parameter_allows(parameter, value));
        vf_value_list_set(values, parameter->name, value, NULL);
    }
    requirement = vf_requirement_new_for_device(model, values);
    FUZZ_RULE(fuzz_compare(requirement, model, values, NULL) == VF_VERDICT_IDENTICAL);
    fuzz_compare(requirement, model, values, settable);
}

static void
check(const VfModel *model, const char *source)
{
    FUZZ_RULE(g_str_equal(model->source, source));
    FUZZ_RULE((model->select_attribute != NULL) ==
              (model->version_parameter != NULL && g_str_equal(source, VF_MODEL_SOURCE_KERNEL)));
    fuzz_check_model(model);
    compare_initial(model);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    fuzz_be_quiet();
    for (guint i = 0; i < G_N_ELEMENTS(layouts); i++) {
        GError *error = NULL;
        g_autoptr(GPtrArray) models =
            layouts[i].parse((const char *)data, (gssize)size, FUZZ_WHERE, &error);

        if (models == NULL) {
            fuzz_take_error(error, VFERRY_ERROR_INVALID_ARGUMENT);
            continue;
        }
        FUZZ_RULE(models->len > 0);
        for (guint j = 0; j < models->len; j++) {
            const VfModel *model = models->pdata[j];
            FUZZ_RULE(j == 0 || strcmp(((const VfModel *)models->pdata[j - 1])->id, model->id) < 0);
            check(model, layouts[i].source);
        }
    }
    return 0;
}
