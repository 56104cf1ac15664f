/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "confine.h"
#include "control.h"
#include "options.h"
#include "session.h"

/* What a worker is asked for: a verb of its table, checked and taken apart. docs/mover-control.md
 * has the verbs of vferry-mover, and what those of other workers have in common. */

typedef struct VfRequest VfRequest;

/* What came of it, as the arguments of `result`. */
typedef struct {
    VfSessionEnd end;
    GVariant *more; /* a{sv}: arguments that only this verb's has; nullable */
    int fd;         /* goes with it; -1: none */
} VfRequestResult;

typedef enum {
    VF_REQUEST_NO_FDS,
    VF_REQUEST_ONE_FD,
    VF_REQUEST_RECORD_LAST, /* behind one at least */
    VF_REQUEST_RECORD_FIRST,
    VF_REQUEST_RECORD_ALONE, /* what it works on comes later (hear) */
} VfRequestFds;

typedef struct {
    const char *name;
    VfRequestFds fds;
    guint needs;    /* VfConfineNeed */
    gboolean moves; /* it has progress to show */
    /* Nullable: it has no arguments. What it reads of files it reads here: the sandbox comes after
     * it. */
    gboolean (*take)(VfRequest *self, VfOptions *options, GError **error);
    /* In a thread of its own, as long as it takes. @error makes it `failed`, or `cancelled`. */
    void (*perform)(VfRequest *self, VfRequestResult *result, GError **error);
    /* Nullable: it is told things while it works. In the thread of the messages, which it may not
     * hold up; descriptors that it wants it steals. FALSE: it is nothing that can be said to it
     * now. */
    gboolean (*hear)(VfRequest *self, VfControlMessage *message);
} VfVerb;

/* Makes a session of what a request came with: @fds, which it takes those of that it keeps, and
 * @record, which is taken and NULL for a verb without one. */
typedef VfSession *(*VfRequestAdopt)(VfRequest *self, int *fds, guint n_fds, VfRecord *record,
                                     gpointer data, GError **error);

struct VfRequest {
    const VfVerb *verb;
    VfSession *session; /* NULL for one without descriptors */
    gpointer own;       /* the worker's, freed after the session */
    GDestroyNotify free_own;
};

void vf_request_free(VfRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfRequest, vf_request_free)

/* Takes the fds out of @message. INVALID_ARGUMENT or UNKNOWN_OPTION. */
VfRequest *vf_request_parse(const VfVerb *verbs, gsize n_verbs, VfControlMessage *message,
                            VfRequestAdopt adopt, gpointer data, GError **error);

/* VfVerb.take and .perform of what every worker with a session has: the two sides of a migration,
 * and what was decided without a peer (decided.h). */
gboolean vf_request_take_send(VfRequest *self, VfOptions *options, GError **error);
gboolean vf_request_take_receive(VfRequest *self, VfOptions *options, GError **error);
gboolean vf_request_take_return(VfRequest *self, VfOptions *options, GError **error);
gboolean vf_request_take_past(VfRequest *self, VfOptions *options, GError **error);
void vf_request_send(VfRequest *self, VfRequestResult *result, GError **error);
void vf_request_receive(VfRequest *self, VfRequestResult *result, GError **error);
void vf_request_return(VfRequest *self, VfRequestResult *result, GError **error);
void vf_request_start(VfRequest *self, VfRequestResult *result, GError **error);

/* For a take of one's own: an argument that must be there. INVALID_ARGUMENT. */
gboolean vf_request_take(VfOptions *options, const char *key, const GVariantType *type,
                         GVariant **value, GError **error);
gboolean vf_request_take_string(VfOptions *options, const char *key, char **text, GError **error);

VfRequestResult *vf_request_result_new(void);
void vf_request_result_free(VfRequestResult *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfRequestResult, vf_request_result_free)

/* Does what @request asks for; blocks as long as that takes. */
void vf_request_result_obtain(VfRequestResult *self, VfRequest *request);

/* Takes ownership of @error. */
void vf_request_result_fail(VfRequestResult *self, GError *error);

/* Floating. */
GVariant *vf_request_result_to_variant(const VfRequestResult *self);
