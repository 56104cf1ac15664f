/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "channel.h"

G_BEGIN_DECLS

/* What a session hands over whose data somebody else moves: a guest, which its hypervisor does. The
 * session has no devices then and sends no DATA; hello, LOADED, COMMIT and STARTED, the record and
 * who may run at every point are those of bare devices (docs/migration-stream.md). Functions are
 * called in the session's thread; those that are to wait return within a second, undone, so that
 * the other side is heard meanwhile. FALSE with @error fails the session, as a device does. */
typedef struct {
    /* Either side: what the other one has to know of it before anything is touched, an a{sv} of at
     * most VF_MESSAGE_SUBJECT_MAX bytes; what the other one has said. The destination meets before
     * it introduces itself, the source the other way round; a refusal ends the session and is what
     * the other side hears. Within a few seconds each: the peer waits, for VF_STREAM_PATIENCE_MS.
     * NULL, both or none: there is nothing to say. */
    GVariant *(*introduce)(gpointer data, GError **error);
    gboolean (*meet)(gpointer data, GVariant *other, GError **error);
    /* Either side, after that: its data go over this lane (lane.h). Takes @channel. NULL: they have
     * a way of their own; both sides have to agree. */
    void (*take_lane)(gpointer data, VfChannel *channel);
    /* Source, after that: what has to be before it is asked to move. It is as it was then, and
     * nothing of it is given back. Called again until @done; NULL: nothing. */
    gboolean (*prepare)(gpointer data, gboolean *done, GError **error);
    /* Source: everything is at the other side, as far as this one can say, and it stands still here
     * until further notice. Called again until @done. */
    gboolean (*move)(gpointer data, gboolean *done, GError **error);
    /* Source, right before the decision: it still stands still, and can be given back. */
    gboolean (*check_still)(gpointer data, GError **error);
    /* Source: nothing was decided. It runs here again, wherever `move` has come to, in this worker
     * or in one that died, which may have given it back already. After the decision never, unless
     * somebody who knows both records has made another one. */
    gboolean (*give_back)(gpointer data, GError **error);
    /* Destination: everything has been loaded, nothing is to come, and it stands still. Called
     * again until @done. */
    gboolean (*load)(gpointer data, gboolean *done, GError **error);
    /* Destination, right before it promises that to the source, which may decide at once: it still
     * has everything and stands still. NULL: nobody knows more than `load` has said. */
    gboolean (*check_loaded)(gpointer data, GError **error);
    /* Destination, after the decision: it runs here. A worker that died may have started it. */
    gboolean (*run)(gpointer data, GError **error);
    /* Either side, at the end: one of vf_devices_describe()'s words, or `unknown`; the daemon kills
     * who says another one. Static. */
    const char *(*describe)(gpointer data);
    gpointer data;
} VfSessionSubject;

G_END_DECLS
