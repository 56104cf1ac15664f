/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vferry-parameter.h"

struct _VferryParameter {
    char *name;
    char *type;
    char *compare;
    char *unit;
    char *description;
    char *init;
    char *off;
    char **allowed;
    gboolean has_range;
    gint64 min, max;
    guint64 step;
    GVariant *ranges; /* never NULL */
    guint64 mask;
    gboolean enforced;
    gboolean readable;
    gboolean settable;
};

G_DEFINE_BOXED_TYPE(VferryParameter, vferry_parameter, vferry_parameter_ref, vferry_parameter_unref)

static void
clear(gpointer data)
{
    VferryParameter *self = data;

    g_free(self->name);
    g_free(self->type);
    g_free(self->compare);
    g_free(self->unit);
    g_free(self->description);
    g_free(self->init);
    g_free(self->off);
    g_strfreev(self->allowed);
    g_variant_unref(self->ranges);
}

/**
 * vferry_parameter_ref:
 * @self: a parameter
 *
 * Returns: (transfer full): @self
 */
VferryParameter *
vferry_parameter_ref(VferryParameter *self)
{
    return g_atomic_rc_box_acquire(self);
}

/**
 * vferry_parameter_unref:
 * @self: (transfer full): a parameter
 */
void
vferry_parameter_unref(VferryParameter *self)
{
    g_atomic_rc_box_release_full(self, clear);
}

/**
 * vferry_parameter_get_name:
 * @self: a parameter
 *
 * Returns: its name, unique in its model
 */
const char *
vferry_parameter_get_name(VferryParameter *self)
{
    return self->name;
}

/**
 * vferry_parameter_get_value_type:
 * @self: a parameter
 *
 * Values are text on the bus and in documents, each in one spelling: `yes` or `no`, a decimal
 * number, bytes as a decimal number, sorted words with one space between them, `0x` and hexadecimal
 * digits.
 *
 * Returns: `bool`, `int`, `string`, `enum`, `size`, `set` or `bitmask`
 */
const char *
vferry_parameter_get_value_type(VferryParameter *self)
{
    return self->type;
}

/**
 * vferry_parameter_get_compare:
 * @self: a parameter
 *
 * Returns: how the source's value and the destination's must relate: `equal`, `superset`,
 *     `at-least`, `at-most`, `same-major`, `firmware` (only the device can say) or `ignore`
 */
const char *
vferry_parameter_get_compare(VferryParameter *self)
{
    return self->compare;
}

/**
 * vferry_parameter_get_unit:
 * @self: a parameter
 *
 * Returns: (nullable): the unit of its values, for people
 */
const char *
vferry_parameter_get_unit(VferryParameter *self)
{
    return self->unit;
}

/**
 * vferry_parameter_get_description:
 * @self: a parameter
 *
 * Returns: (nullable): one sentence in English
 */
const char *
vferry_parameter_get_description(VferryParameter *self)
{
    return self->description;
}

/**
 * vferry_parameter_get_allowed:
 * @self: a parameter
 *
 * Of a set the words that it may have; of a number those values that are in none of
 * vferry_parameter_get_ranges().
 *
 * Returns: (nullable) (transfer none) (array zero-terminated=1): the values that it may have; %NULL
 *     when any of its type will do, as far as it is in the range
 */
const char *const *
vferry_parameter_get_allowed(VferryParameter *self)
{
    return (const char *const *)self->allowed;
}

/**
 * vferry_parameter_get_range:
 * @self: a parameter
 * @min: (out) (optional): the smallest value
 * @max: (out) (optional): the largest value
 * @step: (out) (optional): a value less @min is a multiple of it; at least 1
 *
 * Returns: %TRUE when it is a number of any value in one range; the range may be that of 64 bits
 */
gboolean
vferry_parameter_get_range(VferryParameter *self, gint64 *min, gint64 *max, guint64 *step)
{
    if (min)
        *min = self->min;
    if (max)
        *max = self->max;
    if (step)
        *step = self->step;
    return self->has_range;
}

/**
 * vferry_parameter_get_ranges:
 * @self: a parameter
 *
 * Of a number: the ranges, each with its smallest value, its largest one, and a step of which a
 * value less the smallest is a multiple. One range is what vferry_parameter_get_range() says.
 *
 * Returns: (transfer none): an array a(xxt), in ascending order; empty when there are none
 */
GVariant *
vferry_parameter_get_ranges(VferryParameter *self)
{
    return self->ranges;
}

/**
 * vferry_parameter_get_mask:
 * @self: a parameter
 *
 * Returns: the bits that a bitmask may have; all 64 when it may have any
 */
guint64
vferry_parameter_get_mask(VferryParameter *self)
{
    return self->mask;
}

/**
 * vferry_parameter_get_init:
 * @self: a parameter
 *
 * Returns: (nullable): what a new device has
 */
const char *
vferry_parameter_get_init(VferryParameter *self)
{
    return self->init;
}

/**
 * vferry_parameter_get_off:
 * @self: a parameter
 *
 * Returns: (nullable): the value with which a device is as if it did not have the parameter; %NULL
 *     when it cannot be switched off
 */
const char *
vferry_parameter_get_off(VferryParameter *self)
{
    return self->off;
}

/**
 * vferry_parameter_is_enforced:
 * @self: a parameter
 *
 * Returns: %TRUE when the device itself refuses a state that breaks the rule; otherwise nobody
 *     checks, and the comparison can be overridden
 */
gboolean
vferry_parameter_is_enforced(VferryParameter *self)
{
    return self->enforced;
}

/**
 * vferry_parameter_is_readable:
 * @self: a parameter
 *
 * Returns: %TRUE when the daemon can read its value from a device or its type; otherwise no device
 *     ever says it
 */
gboolean
vferry_parameter_is_readable(VferryParameter *self)
{
    return self->readable;
}

/**
 * vferry_parameter_is_settable:
 * @self: a parameter
 *
 * Returns: %TRUE when a new device can be given a value; otherwise type or hardware decide it
 */
gboolean
vferry_parameter_is_settable(VferryParameter *self)
{
    return self->settable;
}

static char *
lookup_text(GVariant *dict, const char *key)
{
    char *text = NULL;

    (void)g_variant_lookup(dict, key, "s", &text);
    return text;
}

/* One range is said in three keys, several in one. */
static void
take_ranges(VferryParameter *self, GVariant *dict)
{
    GVariant *range = NULL;

    self->has_range = g_variant_lookup(dict, "min", "x", &self->min) &&
                      g_variant_lookup(dict, "max", "x", &self->max) &&
                      g_variant_lookup(dict, "step", "t", &self->step);
    self->ranges = g_variant_lookup_value(dict, "ranges", G_VARIANT_TYPE("a(xxt)"));
    if (self->ranges)
        return;
    if (self->has_range)
        range = g_variant_new("(xxt)", self->min, self->max, self->step);
    self->ranges = g_variant_new_array(G_VARIANT_TYPE("(xxt)"), &range, range ? 1 : 0);
    g_variant_ref_sink(self->ranges);
}

/* The daemon may be of another version: what is absent or of another type counts as not said. */
static VferryParameter *
parameter_new(GVariant *dict)
{
    VferryParameter *self = g_atomic_rc_box_new0(VferryParameter);

    self->name = lookup_text(dict, "name");
    self->type = lookup_text(dict, "type");
    self->compare = lookup_text(dict, "compare");
    self->unit = lookup_text(dict, "unit");
    self->description = lookup_text(dict, "description");
    self->init = lookup_text(dict, "init");
    self->off = lookup_text(dict, "off");
    (void)g_variant_lookup(dict, "allowed", "^as", &self->allowed);
    take_ranges(self, dict);
    self->mask = G_MAXUINT64;
    (void)g_variant_lookup(dict, "mask", "t", &self->mask);
    self->enforced = TRUE; /* a daemon that does not say knows of no others */
    (void)g_variant_lookup(dict, "enforced", "b", &self->enforced);
    (void)g_variant_lookup(dict, "readable", "b", &self->readable);
    (void)g_variant_lookup(dict, "settable", "b", &self->settable);
    return self;
}

/**
 * vferry_model_list_parameters:
 * @model: a proxy of a model
 *
 * The property Parameters as it is cached now. Everybody may read it.
 *
 * Returns: (transfer container) (element-type VferryParameter): the parameters of @model by name;
 * empty when nothing is known
 */
GPtrArray *
vferry_model_list_parameters(VferryModel *model)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)vferry_parameter_unref);
    g_autoptr(GVariant) parameters = NULL;

    g_return_val_if_fail(VFERRY_IS_MODEL(model), list);
    parameters = vferry_model_dup_parameters(model);
    for (gsize i = 0; parameters && i < g_variant_n_children(parameters); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(parameters, i);
        g_autoptr(VferryParameter) parameter = parameter_new(dict);

        if (parameter->name && parameter->type && parameter->compare)
            g_ptr_array_add(list, g_steal_pointer(&parameter));
    }
    return list;
}
