/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model.h"

/* The writes that make a new device of @model one with @values (a list, value.h), in order: which
 * model it is, where its driver has several; with @from_off every parameter that can be switched
 * off is; then the values. A driver that refuses a combination may refuse it on the way, too, so
 * that all begin at the one that surely exists. INVALID_ARGUMENT. An array of VfSetting; free with
 * g_ptr_array_unref(). */
GPtrArray *vf_settings_plan(const VfModel *model, GPtrArray *values, gboolean from_off,
                            GError **error);
