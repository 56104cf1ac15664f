/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Messages with journal fields, so that `journalctl VFERRY_DEVICE=83b8f4f2-…` tells one device's
 * story. The libraries below the daemon return errors and never log. */

#define VF_LOG_DEVICE "VFERRY_DEVICE"
#define VF_LOG_PARENT "VFERRY_PARENT"
#define VF_LOG_LEASE "VFERRY_LEASE"
#define VF_LOG_JOB "VFERRY_JOB"
#define VF_LOG_SENDER "VFERRY_SENDER"
#define VF_LOG_ACTION "VFERRY_ACTION"

#define vf_log_field(level, field, value, ...)                                                     \
    g_log_structured(G_LOG_DOMAIN, (level), (field), (value), "CODE_FILE", __FILE__, "CODE_FUNC",  \
                     G_STRFUNC, "MESSAGE", __VA_ARGS__)

/* (GLogLevelFlags level, const char *sender, const char *action, const char *format, ...) */
#define vf_log_call(level, sender, action, ...)                                                    \
    g_log_structured(G_LOG_DOMAIN, (level), VF_LOG_SENDER, (sender), VF_LOG_ACTION, (action),      \
                     "CODE_FILE", __FILE__, "CODE_FUNC", G_STRFUNC, "MESSAGE", __VA_ARGS__)

/* (GLogLevelFlags level, const char *id, const char *format, ...) */
#define vf_log_device(level, id, ...) vf_log_field(level, VF_LOG_DEVICE, id, __VA_ARGS__)
#define vf_log_parent(level, id, ...) vf_log_field(level, VF_LOG_PARENT, id, __VA_ARGS__)
#define vf_log_lease(level, id, ...) vf_log_field(level, VF_LOG_LEASE, id, __VA_ARGS__)
#define vf_log_job(level, id, ...) vf_log_field(level, VF_LOG_JOB, id, __VA_ARGS__)
