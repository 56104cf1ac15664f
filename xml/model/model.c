/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <string.h>

static void
match_free(VfMatch *self)
{
    g_free(self->driver);
    g_free(self->type);
    g_free(self->program);
    g_free(self);
}

VfModel *
vf_model_new(const char *source)
{
    VfModel *self = g_atomic_rc_box_new0(VfModel);

    self->source = g_strdup(source);
    self->matches = g_ptr_array_new_with_free_func((GDestroyNotify)match_free);
    self->parameters = g_ptr_array_new_with_free_func((GDestroyNotify)vf_parameter_free);
    self->constraints = g_ptr_array_new_with_free_func((GDestroyNotify)vf_constraint_free);
    self->versions = g_ptr_array_new_with_free_func((GDestroyNotify)vf_version_free);
    return self;
}

static void
clear(gpointer data)
{
    VfModel *self = data;

    g_free(self->id);
    g_free(self->digest);
    g_free(self->source);
    g_free(self->file);
    g_free(self->extends);
    g_free(self->description);
    g_strfreev(self->aliases);
    g_free(self->not_migratable);
    g_ptr_array_unref(self->matches);
    g_ptr_array_unref(self->parameters);
    g_ptr_array_unref(self->constraints);
    g_ptr_array_unref(self->versions);
    g_free(self->version_parameter);
    g_free(self->select_attribute);
}

VfModel *
vf_model_ref(VfModel *self)
{
    return g_atomic_rc_box_acquire(self);
}

void
vf_model_unref(VfModel *self)
{
    g_atomic_rc_box_release_full(self, clear);
}

const VfParameter *
vf_model_find_parameter(const VfModel *self, const char *name)
{
    for (guint i = 0; i < self->parameters->len; i++) {
        const VfParameter *parameter = self->parameters->pdata[i];
        if (g_str_equal(parameter->name, name))
            return parameter;
    }
    return NULL;
}

gboolean
vf_model_is(const VfModel *self, const char *id)
{
    return g_str_equal(self->id, id) ||
           (self->aliases && g_strv_contains((const char *const *)self->aliases, id));
}

/* The more of the text a glob spells out, the more precise it is. */
static guint
precision_of_glob(const char *glob, const char *text)
{
    guint literal = 1;

    if (!g_pattern_match_simple(glob, text))
        return 0;
    for (const char *p = glob; *p != '\0'; p++)
        literal += *p != '*' && *p != '?' ? 1 : 0;
    return literal;
}

static gboolean
pci_number_fits(int wanted, int number)
{
    return wanted < 0 || wanted == number;
}

/* What says more about the hardware counts more than the driver that happens to be bound. */
static guint
precision_of_pci(const VfMatch *match, const VfPciId *id, const char *driver)
{
    if (match->kind != VF_MATCH_PCI || !pci_number_fits(match->pci.vendor, id->vendor) ||
        !pci_number_fits(match->pci.device, id->device) ||
        !pci_number_fits(match->pci.subsystem_vendor, id->subsystem_vendor) ||
        !pci_number_fits(match->pci.subsystem_device, id->subsystem_device) ||
        (match->driver && g_strcmp0(match->driver, driver) != 0))
        return 0;
    return 1 + (match->driver ? 1 : 0) + (match->pci.device >= 0 ? 2 : 0) +
           (match->pci.subsystem_vendor >= 0 ? 4 : 0) + (match->pci.subsystem_device >= 0 ? 4 : 0);
}

guint
vf_model_matches_mdev(const VfModel *self, const char *driver, const char *type)
{
    guint best = 0;

    for (guint i = 0; i < self->matches->len; i++) {
        const VfMatch *match = self->matches->pdata[i];
        if (match->kind == VF_MATCH_MDEV && g_str_equal(match->driver, driver))
            best = MAX(best, precision_of_glob(match->type, type));
    }
    return best;
}

guint
vf_model_matches_pci(const VfModel *self, const VfPciId *id, const char *driver)
{
    guint best = 0;

    for (guint i = 0; i < self->matches->len; i++)
        best = MAX(best, precision_of_pci(self->matches->pdata[i], id, driver));
    return best;
}

guint
vf_model_matches_program(const VfModel *self, const char *program)
{
    g_autofree char *name = g_path_get_basename(program);
    guint best = 0;

    for (guint i = 0; i < self->matches->len; i++) {
        const VfMatch *match = self->matches->pdata[i];
        if (match->kind == VF_MATCH_VFIO_USER)
            best = MAX(best, precision_of_glob(match->program, name));
    }
    return best;
}

const VfVersion *
vf_model_find_version(const VfModel *self, const char *name)
{
    for (guint i = 0; i < self->versions->len; i++) {
        const VfVersion *version = self->versions->pdata[i];
        if (g_str_equal(version->name, name))
            return version;
    }
    return NULL;
}

gboolean
vf_model_version_loads(const VfModel *self, const char *destination, const char *source)
{
    const VfVersion *version = vf_model_find_version(self, destination);

    return g_str_equal(destination, source) ||
           (version && version->loads &&
            g_strv_contains((const char *const *)version->loads, source));
}

static const char *
lookup_value(const VfParameter *parameter, gpointer data)
{
    const VfValue *value = vf_value_list_find(data, parameter->name);

    return value ? value->value : parameter->off;
}

VfTruth
vf_model_check_constraint(const VfModel *self, const VfConstraint *constraint, GPtrArray *values)
{
    return vf_constraint_check(constraint, self->parameters, lookup_value, values);
}

void
vf_model_add_parameter(VfModel *self, VfParameter *parameter)
{
    guint i = 0;

    while (i < self->parameters->len &&
           strcmp(((const VfParameter *)self->parameters->pdata[i])->name, parameter->name) < 0)
        i++;
    g_ptr_array_insert(self->parameters, (int)i, parameter);
}

GPtrArray *
vf_model_values_from_type(const VfModel *self, const char *type)
{
    GPtrArray *values = vf_value_list_new();

    for (guint i = 0; i < self->parameters->len; i++) {
        const VfParameter *parameter = self->parameters->pdata[i];
        const char *value = vf_reader_value_from_type(&parameter->reader, type);
        if (value)
            vf_value_list_set(values, parameter->name, value, VF_EVIDENCE_MDEV_TYPE);
    }
    return values;
}

char **
vf_model_settable_names(const VfModel *self)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (guint i = 0; i < self->parameters->len; i++) {
        const VfParameter *parameter = self->parameters->pdata[i];
        if (parameter->applier != VF_APPLIER_NONE)
            g_strv_builder_add(names, parameter->name);
    }
    return g_strv_builder_end(names);
}
