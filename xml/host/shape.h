/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "capabilities.h"

/* What many offers, or many devices, have in common: all of an offer but its id and how many are
 * left, all of a device but its id, its path and its parent. Immutable and reference-counted. */
typedef struct {
    gboolean is_device; /* else an offer */
    char *model;        /* nullable */
    GPtrArray *values;  /* list (value.h) */
    /* an offer */
    char *how;        /* "create" */
    char *type;       /* nullable */
    char **usable_by; /* nullable */
    char **settable;  /* nullable */
    /* a device */
    char *kind;
    char *state;
    char *migration_source;
    VfCapabilitiesMigration migration;
} VfShape;

VfShape *vf_shape_new_for_offer(const VfCapabilitiesOffer *offer);
VfShape *vf_shape_new_for_device(const VfCapabilitiesDevice *device);
VfShape *vf_shape_ref(VfShape *self);
void vf_shape_unref(VfShape *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfShape, vf_shape_unref)
