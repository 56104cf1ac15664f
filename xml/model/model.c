/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "model-check.h"
#include "model-xml.h"

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

VfModel *
vf_model_parse(const char *text, gssize size, const char *file, GError **error)
{
    return vf_model_xml_parse_file(text, size, file, NULL, NULL, NULL, error);
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
           (self->aliases != NULL && g_strv_contains((const char *const *)self->aliases, id));
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

static guint
precision_of_mdev(const VfMatch *match, const char *driver, const char *type)
{
    return match->kind == VF_MATCH_MDEV && g_str_equal(match->driver, driver)
               ? precision_of_glob(match->type, type)
               : 0;
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
        (match->driver != NULL && g_strcmp0(match->driver, driver) != 0))
        return 0;
    return 1 + (match->driver != NULL ? 1 : 0) + (match->pci.device >= 0 ? 2 : 0) +
           (match->pci.subsystem_vendor >= 0 ? 4 : 0) + (match->pci.subsystem_device >= 0 ? 4 : 0);
}

guint
vf_model_matches_mdev(const VfModel *self, const char *driver, const char *type)
{
    guint best = 0;

    for (guint i = 0; i < self->matches->len; i++)
        best = MAX(best, precision_of_mdev(self->matches->pdata[i], driver, type));
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
           (version != NULL && version->loads != NULL &&
            g_strv_contains((const char *const *)version->loads, source));
}

static const char *
lookup_value(const VfParameter *parameter, gpointer data)
{
    const VfValue *value = vf_value_list_find(data, parameter->name);

    return value != NULL ? value->value : parameter->off;
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

static gboolean
is_text_of(gconstpointer parameter, gconstpointer name)
{
    return g_str_equal(((const VfParameter *)parameter)->name, name);
}

/* Puts copies of @from's parameters into @self, in the place of those of the same name. */
static void
take_parameters(VfModel *self, const VfModel *from)
{
    guint at;

    for (guint i = 0; i < from->parameters->len; i++) {
        const VfParameter *parameter = from->parameters->pdata[i];

        if (g_ptr_array_find_with_equal_func(self->parameters, parameter->name, is_text_of, &at))
            g_ptr_array_remove_index(self->parameters, at);
        vf_model_add_parameter(self, vf_parameter_copy(parameter));
    }
}

static gboolean
is_version_of(gconstpointer version, gconstpointer name)
{
    return g_str_equal(((const VfVersion *)version)->name, name);
}

/* A version that has the name of an older one takes its place; others follow. */
static void
take_versions(VfModel *self, const VfModel *from)
{
    guint at;

    for (guint i = 0; i < from->versions->len; i++) {
        const VfVersion *version = from->versions->pdata[i];

        if (!g_ptr_array_find_with_equal_func(self->versions, version->name, is_version_of, &at)) {
            g_ptr_array_add(self->versions, vf_version_copy(version));
            continue;
        }
        vf_version_free(self->versions->pdata[at]);
        self->versions->pdata[at] = vf_version_copy(version);
    }
    if (from->version_parameter != NULL) {
        g_free(self->version_parameter);
        self->version_parameter = g_strdup(from->version_parameter);
    }
}

static void
take_constraints(VfModel *self, const VfModel *from)
{
    for (guint i = 0; i < from->constraints->len; i++)
        g_ptr_array_add(self->constraints, vf_constraint_copy(from->constraints->pdata[i]));
}

static void
take_schema(VfModel *self, const VfModel *from)
{
    take_parameters(self, from);
    take_constraints(self, from);
    take_versions(self, from);
}

gboolean
vf_model_complete(VfModel *self, GError **error)
{
    if (!vf_model_finish(self, error) || !vf_model_check_constraints(self, error))
        return FALSE;
    g_free(self->digest);
    self->digest = vf_model_xml_digest(self);
    return TRUE;
}

static VfMatch *
match_copy(const VfMatch *match)
{
    VfMatch *copy = g_memdup2(match, sizeof *match);

    copy->driver = g_strdup(match->driver);
    copy->type = g_strdup(match->type);
    copy->program = g_strdup(match->program);
    return copy;
}

VfModel *
vf_model_extend(const VfModel *self, const VfModel *base, GError **error)
{
    g_autoptr(VfModel) whole = vf_model_new(self->source);

    whole->id = g_strdup(self->id);
    whole->file = g_strdup(self->file);
    whole->description = g_strdup(self->description ?: base->description);
    whole->aliases = g_strdupv(self->aliases);
    whole->not_migratable = g_strdup(self->not_migratable ?: base->not_migratable);
    for (guint i = 0; i < self->matches->len; i++)
        g_ptr_array_add(whole->matches, match_copy(self->matches->pdata[i]));
    take_schema(whole, base);
    take_schema(whole, self);
    return vf_model_complete(whole, error) ? g_steal_pointer(&whole) : NULL;
}

GPtrArray *
vf_model_values_from_type(const VfModel *self, const char *type)
{
    GPtrArray *values = vf_value_list_new();

    for (guint i = 0; i < self->parameters->len; i++) {
        const VfParameter *parameter = self->parameters->pdata[i];
        const char *value = vf_reader_value_from_type(&parameter->reader, type);
        if (value != NULL)
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

void
vf_setting_free(VfSetting *self)
{
    g_free(self->parameter);
    g_free(self->attribute);
    g_free(self->text);
    g_free(self);
}

static gboolean
add_setting(const VfModel *self, const VfValue *value, GPtrArray *settings, GError **error)
{
    const VfParameter *parameter = vf_model_find_parameter(self, value->name);
    g_autofree char *canonical = NULL;
    VfSetting *setting;

    if (parameter == NULL) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the model %s has no parameter “%s”"), self->id, value->name);
        return FALSE;
    }
    if (value->value == NULL)
        return TRUE;
    canonical = vf_parameter_check_value(parameter, value->value, error);
    if (canonical == NULL)
        return FALSE;
    if (parameter->applier == VF_APPLIER_NONE)
        return TRUE;
    setting = g_new0(VfSetting, 1);
    setting->parameter = g_strdup(parameter->name);
    setting->attribute = g_strdup(parameter->applier_attribute);
    setting->text = vf_parameter_encode_attribute(parameter, canonical);
    g_ptr_array_add(settings, setting);
    return TRUE;
}

GPtrArray *
vf_model_settings(const VfModel *self, GPtrArray *values, GError **error)
{
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func((GDestroyNotify)vf_setting_free);

    for (guint i = 0; i < values->len; i++)
        if (!add_setting(self, values->pdata[i], settings, error))
            return NULL;
    return g_steal_pointer(&settings);
}
