/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "address.h"

/* Commands of a shell at the host of a daemon: through the user's ssh, or here where it is here. */

typedef struct {
    const char *command; /* for sh -c; its output goes to our standard error */
    guint seconds;       /* then it is ended, with all that it has started in its session */
} VfRemoteStep;

typedef enum {
    VF_REMOTE_DONE,      /* every step ended with 0 */
    VF_REMOTE_FAILED,    /* @step did not */
    VF_REMOTE_TIMED_OUT, /* @step was ended */
    VF_REMOTE_STOPPED,   /* @stop said so, and @step was ended */
    VF_REMOTE_LOST,      /* ssh ended before @step did */
} VfRemoteWhat;

typedef struct {
    VfRemoteWhat what;
    gsize step;
    int status; /* of @step, or of ssh when it was lost */
} VfRemoteEnd;

/* Runs @steps one after the other until one fails, all in one login, with @environment
 * ("NAME=VALUE", NULL-terminated). @batch as for vf_address_get_command(). The main context runs
 * meanwhile; @stop is asked after everything that happens in it. What a step has left behind in the
 * background stays. FALSE when nothing could be started. */
gboolean vf_remote_run(const VfAddress *where, gboolean batch, const char *const *environment,
                       const VfRemoteStep *steps, gsize n_steps, gboolean (*stop)(gpointer),
                       gpointer data, VfRemoteEnd *end, GError **error);

/* A GSpawnChildSetupFunc. Ctrl-C is for us: ssh must carry what we make of it. It keeps an ignored
 * SIGINT (clientloop.c, client_loop). */
void vf_remote_ignore_interrupt(gpointer data);
