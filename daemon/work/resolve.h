/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"

G_BEGIN_DECLS

/* Job.Resolve: somebody decides where the devices of a job in doubt run. */
#define VF_TYPE_RESOLVER (vf_resolver_get_type())
G_DECLARE_FINAL_TYPE(VfResolver, vf_resolver, VF, RESOLVER, GObject)

VfResolver *vf_resolver_new(const VfContext *context);

/* Answers @skeleton's Resolve from now on. */
void vf_resolver_add(VfResolver *self, VfJob *job, VferryJob *skeleton);

/* Once @job is on the bus: goes through with it, where an earlier daemon was told that the devices
 * run here. */
void vf_resolver_resume(VfResolver *self, VfJob *job, VferryJob *skeleton);

G_END_DECLS
