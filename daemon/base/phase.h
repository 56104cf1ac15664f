/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Which side of a migration, and how far it has come (org.vferry1.Job: Role, Phase). */

typedef enum { VF_JOB_SOURCE, VF_JOB_DESTINATION } VfJobRole;

typedef enum {
    VF_JOB_PREPARING,
    VF_JOB_PRE_COPY,
    VF_JOB_SWITCHOVER,
    VF_JOB_LOADING,
    VF_JOB_ACCEPTING, /* a guest: the kernel is asked whether it takes the devices' state */
    VF_JOB_COMMITTING,
    VF_JOB_FINISHED,
} VfJobPhase;

const char *vf_job_phase_to_string(VfJobPhase phase);
gboolean vf_job_phase_from_string(const char *name, VfJobPhase *phase);

G_END_DECLS
