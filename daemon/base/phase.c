/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "phase.h"

static const char *const phase_names[] = {
    [VF_JOB_PREPARING] = "preparing",   [VF_JOB_PRE_COPY] = "pre-copy",
    [VF_JOB_SWITCHOVER] = "switchover", [VF_JOB_LOADING] = "loading",
    [VF_JOB_ACCEPTING] = "accepting",   [VF_JOB_COMMITTING] = "committing",
    [VF_JOB_FINISHED] = "finished",
};

const char *
vf_job_phase_to_string(VfJobPhase phase)
{
    g_return_val_if_fail((gsize)phase < G_N_ELEMENTS(phase_names), "");
    return phase_names[phase];
}

gboolean
vf_job_phase_from_string(const char *name, VfJobPhase *phase)
{
    for (gsize i = 0; i < G_N_ELEMENTS(phase_names); i++)
        if (g_str_equal(name, phase_names[i])) {
            *phase = (VfJobPhase)i;
            return TRUE;
        }
    return FALSE;
}
