/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "frame.h"

/* Stands between two movers, knows frames, and does one thing to one of them. */
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
} VfProxyAction;

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
VfProxy *vf_proxy_new(const VfProxyPlan *plan, guint16 *port);
void vf_proxy_start(VfProxy *self, guint16 destination_port);
void vf_proxy_free(VfProxy *self);

/* The plan's frame has come by, and what was to be done with it is done. */
gboolean vf_proxy_has_acted(VfProxy *self);

/* Frames of @type that were passed on from @from. */
guint vf_proxy_count(VfProxy *self, VfRole from, guint type);
