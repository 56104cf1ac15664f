/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "operation.h"

static const char *const operation_names[] = {
    [VF_JOB_MIGRATE] = "migrate",
    [VF_JOB_REHEARSE] = "rehearse",
    [VF_JOB_SAVE] = "save",
    [VF_JOB_RESTORE] = "restore",
};

const char *
vf_job_operation_to_string(VfJobOperation operation)
{
    g_return_val_if_fail((gsize)operation < G_N_ELEMENTS(operation_names), "");
    return operation_names[operation];
}

gboolean
vf_job_operation_from_string(const char *name, VfJobOperation *operation)
{
    for (gsize i = 0; i < G_N_ELEMENTS(operation_names); i++)
        if (g_str_equal(name, operation_names[i])) {
            *operation = (VfJobOperation)i;
            return TRUE;
        }
    return FALSE;
}

gboolean
vf_job_operation_has_peer(VfJobOperation operation)
{
    return operation == VF_JOB_MIGRATE || operation == VF_JOB_REHEARSE;
}
