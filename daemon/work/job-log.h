/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "log.h"

G_BEGIN_DECLS

/* What the journal says of a job. Each message has its UUID, its devices, its peer and its phase.
 */

/* (VfJob *job, GLogLevelFlags level, const char *format, ...) */
#define vf_job_log(job, level, ...) vf_job_log_write((job), (level), VF_LOG_HERE, __VA_ARGS__)
/* (VfJob *job, VfEvent event, const char *format, ...) */
#define vf_job_log_event(job, event, ...)                                                          \
    vf_job_log_write_event((job), (event), VF_LOG_HERE, __VA_ARGS__)

/* Says that it has started or that it was there before, and from now on how it fares and ends. */
void vf_job_log_follow(VfJob *job);

/* --- for the macros --- */

void vf_job_log_write(VfJob *job, GLogLevelFlags level, const VfLogPlace *place, const char *format,
                      ...) G_GNUC_PRINTF(4, 5);
void vf_job_log_write_event(VfJob *job, VfEvent event, const VfLogPlace *place, const char *format,
                            ...) G_GNUC_PRINTF(4, 5);

G_END_DECLS
