/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where a destination can be reached: what its driver listens at, in <answer>. */
typedef enum {
    VF_ENDPOINT_TCP,
    VF_ENDPOINT_UNIX, /* a socket of the destination's host, for whoever has a way to it */
    VF_ENDPOINT_FILE, /* a file that both sides have */
} VfEndpointKind;

typedef struct {
    VfEndpointKind kind;
    char
        *address; /* of TCP: IPv4 or IPv6 as text, an IPv6 one may end in %<interface>; else NULL */
    guint16 port; /* of TCP: 1 to 65535; else 0 */
    char *path;   /* of the others: absolute; else NULL */
} VfEndpoint;

VfEndpoint *vf_endpoint_new_tcp(const char *address, guint16 port);
/* @kind: any but TCP. */
VfEndpoint *vf_endpoint_new_path(VfEndpointKind kind, const char *path);
void vf_endpoint_free(VfEndpoint *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfEndpoint, vf_endpoint_free)

/* An array of VfEndpoint, empty. Free with g_ptr_array_unref(). */
GPtrArray *vf_endpoint_list_new(void);
/* The first of that kind, or NULL. */
const VfEndpoint *vf_endpoint_find(GPtrArray *list, VfEndpointKind kind);
