/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "begin.h"

G_BEGIN_DECLS

/* Manager.Perform. */
#define VF_TYPE_PERFORM (vf_perform_get_type())
G_DECLARE_FINAL_TYPE(VfPerform, vf_perform, VF, PERFORM, GObject)

VfPerform *vf_perform_new(const VfContext *context, VfJobs *jobs, VfBegin *begin,
                          VfSourceDevices *devices);

G_END_DECLS
