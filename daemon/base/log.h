/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Messages with journal fields, so that `journalctl VFERRY_DEVICE=83b8f4f2-…` tells one device's
 * story (vferryd(8)). The libraries below the daemon return errors and never log. */

#define VF_LOG_DEVICE "VFERRY_DEVICE"
#define VF_LOG_PARENT "VFERRY_PARENT"
#define VF_LOG_LEASE "VFERRY_LEASE"
#define VF_LOG_JOB "VFERRY_JOB"
#define VF_LOG_PEER "VFERRY_PEER"
#define VF_LOG_PHASE "VFERRY_PHASE"
#define VF_LOG_SENDER "VFERRY_SENDER"
#define VF_LOG_ACTION "VFERRY_ACTION"

/* What a message is about. A field that is NULL or "" is left out of the message. */
typedef struct {
    const char *device;
    const char *const *devices; /* or several; the field is there once for each */
    const char *parent;
    const char *lease;
    const char *job;
    const char *peer;
    const char *phase;
    const char *sender;
    const char *action;
} VfLogAbout;

/* What an operator has to see. Each has a MESSAGE_ID, by which monitoring finds it and
 * dbus/vferry.catalog explains it. */
typedef enum {
    VF_EVENT_JOB_STARTED,
    VF_EVENT_JOB_COMPLETED,
    VF_EVENT_JOB_CANCELLED,
    VF_EVENT_JOB_FAILED,
    VF_EVENT_JOB_IN_DOUBT,
    VF_EVENT_JOB_RESOLVED,
    VF_EVENT_JOB_RECOVERED,
    VF_EVENT_DEVICE_NEEDS_RESET,
    VF_EVENT_LEASE_STUCK,
    VF_EVENT_RECORD_DAMAGED,
    VF_EVENT_MOVER_CRASHED,
    VF_EVENT_MOVER_BROKE_PROTOCOL,
    VF_EVENT_AUTHORITY_UNAVAILABLE,
    VF_EVENT_OVERRIDDEN,
    VF_N_EVENTS,
} VfEvent;

#define VF_ABOUT(...) (&(const VfLogAbout){__VA_ARGS__})

/* (GLogLevelFlags level, const VfLogAbout *about, const char *format, ...) */
#define vf_log(level, about, ...) vf_log_write((level), (about), VF_LOG_HERE, __VA_ARGS__)
/* (VfEvent event, const VfLogAbout *about, const char *format, ...) */
#define vf_log_event(event, about, ...)                                                            \
    vf_log_write_event((event), (about), VF_LOG_HERE, __VA_ARGS__)

/* (GLogLevelFlags level, const char *id, const char *format, ...) */
#define vf_log_device(level, id, ...) vf_log((level), VF_ABOUT(.device = (id)), __VA_ARGS__)
#define vf_log_parent(level, id, ...) vf_log((level), VF_ABOUT(.parent = (id)), __VA_ARGS__)
#define vf_log_lease(level, id, ...) vf_log((level), VF_ABOUT(.lease = (id)), __VA_ARGS__)
#define vf_log_job(level, id, ...) vf_log((level), VF_ABOUT(.job = (id)), __VA_ARGS__)

/* --- for the macros --- */

typedef struct {
    const char *file;
    const char *function;
} VfLogPlace;
#define VF_LOG_HERE (&(const VfLogPlace){__FILE__, G_STRFUNC})

void vf_log_write(GLogLevelFlags level, const VfLogAbout *about, const VfLogPlace *place,
                  const char *format, ...) G_GNUC_PRINTF(4, 5);
void vf_log_write_event(VfEvent event, const VfLogAbout *about, const VfLogPlace *place,
                        const char *format, ...) G_GNUC_PRINTF(4, 5);

G_END_DECLS
