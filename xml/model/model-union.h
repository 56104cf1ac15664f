/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"

/* One schema for what two sources on a host say of one model: a kernel describes each mdev type by
 * itself, and of several types of one model each says only what it can have itself. */

/* All parameters of both, each with all values that either allows, and all versions. NULL and
 * INVALID_ARGUMENT when the two mean different things by a parameter: another type, rule or off
 * value; or by a version. Reads and applies as @a does. */
VfModel *vf_model_union(const VfModel *a, const VfModel *b, GError **error);

/* What @part, a parameter of one of them, leaves open of @whole, the same parameter of the union:
 * its one value, when it has just one; NULL with *narrower FALSE when it allows as much as @whole,
 * and with TRUE when it allows less, but more than one value. Stays @part's. */
const char *vf_model_union_only_value(const VfParameter *part, const VfParameter *whole,
                                      gboolean *narrower);
