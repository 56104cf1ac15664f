/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/* What a request came to, as the arguments of docs/mover-control.md, "result". */
typedef struct {
    VfSessionEnd end;
    gboolean has_info;
    VfBackendInfo info;
    VfMigrationState state;
    int device_fd; /* open; -1 otherwise */
} VfRequestResult;

VfRequestResult *vf_request_result_new(void);
void vf_request_result_free(VfRequestResult *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfRequestResult, vf_request_result_free)

/* Does what @request asks for; blocks as long as that takes. */
void vf_request_result_obtain(VfRequestResult *self, VfRequest *request);

/* Takes ownership of @error. */
void vf_request_result_fail(VfRequestResult *self, GError *error);

GVariant *vf_request_result_to_variant(const VfRequestResult *self);
