/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "frame.h"
#include "tls.h"

/* Stands between two movers. It knows the job's key, so that it is the destination to the source
 * and the source to the destination, sees frames and does one thing to one of them; or it knows
 * nothing, passes bytes on and writes them down. */
typedef struct VfProxy VfProxy;

typedef enum {
    VF_PROXY_PASS,
    VF_PROXY_CUT_BEFORE, /* the connection ends, and the frame is lost */
    VF_PROXY_CUT_MIDDLE, /* half of it arrives */
    VF_PROXY_CUT_AFTER,  /* it arrives, and nothing after it, in either direction */
    VF_PROXY_SILENCE,    /* the connections stay, but it and nothing after it arrives, in either
                            direction */
    VF_PROXY_CALL,       /* something happens, then it arrives */
    VF_PROXY_CHANGE,     /* it arrives changed */
    VF_PROXY_RELAY,      /* without the key: bytes */
} VfProxyAction;

#define VF_PROXY_RECORD_MAX (16u << 20) /* bytes of each direction that are written down */

typedef struct {
    VfProxyAction action;
    VfRole from;
    guint type;
    guint nth; /* 0 and 1: the first of its type */
    /* CALL and CHANGE; @frame has room for VF_PROXY_ROOM more bytes */
    void (*call)(guint8 *frame, gsize *size, gpointer data);
    gpointer data;
} VfProxyPlan;

#define VF_PROXY_ROOM 4096

/* Listens at once at 127.0.0.1, before any thread of its own exists, so that a fork may come
 * between this and vf_proxy_start(). */
VfProxy *vf_proxy_new(const VfProxyPlan *plan, const char *job, const guint8 key[VF_TLS_KEY_SIZE],
                      guint16 *port);
void vf_proxy_start(VfProxy *self, guint16 destination_port);
void vf_proxy_end(VfProxy *self); /* waits until both sides have ended */
void vf_proxy_free(VfProxy *self);

/* The plan's frame has come by, and what was to be done with it is done. */
gboolean vf_proxy_has_acted(VfProxy *self);

/* RELAY, when both sides have ended: what came from @from. */
const GByteArray *vf_proxy_get_record(VfProxy *self, VfRole from);

/* Frames of @type that were passed on from @from. */
guint vf_proxy_count(VfProxy *self, VfRole from, guint type);
