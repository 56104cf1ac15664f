/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a job does (org.vferry1.Job: Operation). */
typedef enum {
    VF_JOB_MIGRATE,
    VF_JOB_REHEARSE, /* all but the end: the source runs on, the destination never does */
    VF_JOB_SAVE,     /* a source without a peer */
    VF_JOB_RESTORE,  /* a destination without one */
} VfJobOperation;

/* In VfDriverClass.operations. */
#define VF_JOB_OPERATION_BIT(operation) (1u << (operation))

const char *vf_job_operation_to_string(VfJobOperation operation);
gboolean vf_job_operation_from_string(const char *name, VfJobOperation *operation);

/* Whether there is another host. */
gboolean vf_job_operation_has_peer(VfJobOperation operation);

G_END_DECLS
