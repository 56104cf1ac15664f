/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct VfOptions *vf_job_get_options(void);

typedef enum {
    VF_END_NONE,
} VfEnd;
