/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A name for a set of values, or, in a model with a version parameter, one of its values. */
typedef struct {
    char *name;
    GPtrArray *values; /* list (value.h); empty when it is a value of the version parameter */
    char **loads;      /* nullable; sorted: names of versions whose state it can load, besides its
                          own; only with a version parameter */
} VfVersion;

/* Without values. */
VfVersion *vf_version_new(void);
VfVersion *vf_version_copy(const VfVersion *self);
void vf_version_free(VfVersion *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfVersion, vf_version_free)
