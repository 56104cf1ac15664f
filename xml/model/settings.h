/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model.h"

/* One write that gives a new device one of its values. */
typedef struct {
    char *parameter;
    char *attribute; /* relative to the device's sysfs directory */
    char *text;      /* exactly what is written, no newline */
} VfSetting;

void vf_setting_free(VfSetting *self);

/* The writes that give a new device those of @values (a list, value.h) whose parameter has an
 * applier, sorted by parameter; values that the type gives are left out, and so are unread ones.
 * INVALID_ARGUMENT for a value that is not allowed or a parameter that the model does not have. An
 * array of VfSetting; free with g_ptr_array_unref(). */
GPtrArray *vf_model_settings(const VfModel *self, GPtrArray *values, GError **error);

/* The writes that make a new device of @model one with @values (a list, value.h), in order: which
 * model it is, where its driver has several; with @from_off every parameter that can be switched
 * off is; then the values. A driver that refuses a combination may refuse it on the way, too, so
 * that all begin at the one that surely exists. INVALID_ARGUMENT. An array of VfSetting; free with
 * g_ptr_array_unref(). */
GPtrArray *vf_settings_plan(const VfModel *model, GPtrArray *values, gboolean from_off,
                            GError **error);
