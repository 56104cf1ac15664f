/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* A connection to the monitor of one QEMU: the client's side of QMP (docs/interop/qmp-spec.rst in
 * QEMU's source). A QEMU may have been taken over by its guest: everything it says is bounded and
 * checked, and the first thing that breaks the protocol ends the conversation; each later call
 * says again what it was.
 *
 * For one thread, which may block: no call does for longer than it was told to. QEMU answers in its
 * main loop, which a device may hold for seconds, so that who has other things to do in between
 * sends, and takes the answer later. */
typedef struct VfQmp VfQmp;

/* Of one message. What answers query-qmp-schema has some 300 KiB. */
#define VF_QMP_SIZE_MAX (4 * 1024 * 1024)
#define VF_QMP_DEPTH_MAX 32
/* Questions whose answers nobody has taken. */
#define VF_QMP_WAITING_MAX 64

typedef struct {
    guint major;
    guint minor;
    guint micro;
} VfQmpVersion;

/* @data: what the event says, or NULL. It may call nothing of the connection's. */
typedef void (*VfQmpEventFunc)(const char *name, JsonObject *data, gpointer user_data);

/* Takes @fd: a connected stream socket of AF_UNIX, whose file flags are left as they are (it may be
 * shared with whoever connected it). INVALID_ARGUMENT for anything else. */
VfQmp *vf_qmp_new(int fd, VfQmpEventFunc event, gpointer user_data, GError **error);
void vf_qmp_free(VfQmp *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfQmp, vf_qmp_free)

/* Hears who is there, and asks for commands out of band where they are offered. PEER: it is no QMP,
 * or one to which somebody has spoken before. */
gboolean vf_qmp_greet(VfQmp *self, guint ms, GError **error);
/* The same for a connection over which another process of ours has spoken, which greets no more:
 * whatever that one has left behind, half a word on either side and answers that nobody took, is
 * done with. @oob: as that one has heard. PEER: nothing sensible comes back. */
gboolean vf_qmp_resume(VfQmp *self, gboolean oob, guint ms, GError **error);
const VfQmpVersion *vf_qmp_get_version(const VfQmp *self); /* after one of them */
gboolean vf_qmp_has_oob(const VfQmp *self);

typedef enum {
    VF_QMP_IN_TURN,
    VF_QMP_OUT_OF_BAND, /* also while a command hangs; few may be */
} VfQmpTurn;

/* Consumes @arguments (nullable). @fd: goes with it, for add-fd and getfd; stays the caller's; -1:
 * none. Returns the question's number, 0 on error: PEER when it does not read or has gone,
 * NOT_SUPPORTED when it takes nothing out of band. */
guint64 vf_qmp_send(VfQmp *self, const char *command, JsonObject *arguments, VfQmpTurn turn, int fd,
                    GError **error);

/* TRUE and NULL in @answer: none so far. Its words where it refuses: NOT_SUPPORTED when it does not
 * know the command, else FAILED. Free with json_node_unref(). */
gboolean vf_qmp_take(VfQmp *self, guint64 question, guint ms, JsonNode **answer, GError **error);

/* Both. PEER when there is no answer in time: whether it was done nobody knows then. Free with
 * json_node_unref(). */
JsonNode *vf_qmp_call(VfQmp *self, const char *command, JsonObject *arguments, guint ms,
                      GError **error);

/* Hears events: those that are there, or the first that comes within so long. */
gboolean vf_qmp_listen(VfQmp *self, guint ms, GError **error);

G_END_DECLS
