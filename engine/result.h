/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/* What a request came to, as the arguments of docs/mover-control.md, "result". */
typedef struct {
    VfOutcome outcome;
    gboolean has_info;
    VfBackendInfo info;
    VfDeviceState state;
    int device_fd; /* open; -1 otherwise */
} VfResult;

VfResult *vf_result_new(void);
void vf_result_free(VfResult *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfResult, vf_result_free)

/* Does what @request asks for; blocks as long as that takes. */
void vf_result_obtain(VfResult *self, VfRequest *request);

/* Takes ownership of @error. */
void vf_result_fail(VfResult *self, GError *error);

GVariant *vf_result_to_variant(const VfResult *self);
