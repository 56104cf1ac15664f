/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

#include "vferry-dbus.h"

G_BEGIN_DECLS

#define VFERRY_TYPE_PARAMETER (vferry_parameter_get_type())

/**
 * VferryParameter:
 *
 * What a device of a model has to say about itself, and which values that may have: an element of
 * the property Parameters of org.vferry1.Model. Immutable and reference-counted.
 */
typedef struct _VferryParameter VferryParameter;

GType vferry_parameter_get_type(void);
VferryParameter *vferry_parameter_ref(VferryParameter *self);
void vferry_parameter_unref(VferryParameter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VferryParameter, vferry_parameter_unref)

const char *vferry_parameter_get_name(VferryParameter *self);
const char *vferry_parameter_get_value_type(VferryParameter *self);
const char *vferry_parameter_get_compare(VferryParameter *self);
const char *vferry_parameter_get_unit(VferryParameter *self);
const char *vferry_parameter_get_description(VferryParameter *self);
const char *const *vferry_parameter_get_allowed(VferryParameter *self);
gboolean vferry_parameter_get_range(VferryParameter *self, gint64 *min, gint64 *max, guint64 *step);
GVariant *vferry_parameter_get_ranges(VferryParameter *self);
guint64 vferry_parameter_get_mask(VferryParameter *self);
const char *vferry_parameter_get_init(VferryParameter *self);
const char *vferry_parameter_get_off(VferryParameter *self);
gboolean vferry_parameter_is_enforced(VferryParameter *self);
gboolean vferry_parameter_is_readable(VferryParameter *self);
gboolean vferry_parameter_is_settable(VferryParameter *self);

GPtrArray *vferry_model_list_parameters(VferryModel *model);

G_END_DECLS
