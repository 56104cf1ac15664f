/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "endpoint.h"

/* What Prepare at the destination tells Perform at the source. Namespace
 * https://vferry.org/ns/answer/1, at most 1 MiB. The secret travels beside it, never in it. */

typedef struct {
    char *ref; /* the device's Id at the source, from the cookie */
    char *as;  /* its Id at the destination; the same grammar */
} VfAnswerDevice;

typedef struct {
    char *job;         /* UUID, lower-case */
    char *destination; /* HostId of the destination: UUID, lower-case */
    gint64 expires; /* microseconds since the epoch (CLOCK_REALTIME), > 0: the lease's deadline */
    GPtrArray *endpoints;   /* of VfEndpoint, the one to try first first; at least one */
    guint32 stream_version; /* >= 1, chosen from the cookie's range */
    char **features;        /* chosen from the cookie's; sorted, each once; empty, never NULL */
    GPtrArray *devices; /* of VfAnswerDevice in the cookie's order, at least one, each ref once */
} VfAnswer;

/* @job and @destination are UUIDs in lower case. Stream version 1; the rest is the caller's to
 * fill. */
VfAnswer *vf_answer_new(const char *job, const char *destination);
void vf_answer_free(VfAnswer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfAnswer, vf_answer_free)

void vf_answer_add_device(VfAnswer *self, const char *ref, const char *as);

/* @size -1: NUL-terminated. @where names the document in errors; NULL: "answer". INVALID_XML,
 * LIMIT_EXCEEDED. */
VfAnswer *vf_answer_parse(const char *text, gssize size, const char *where, GError **error);

/* Free with g_free(). */
char *vf_answer_format(const VfAnswer *self);
