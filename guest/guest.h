/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "migrate-info.h"
#include "qmp.h"

G_BEGIN_DECLS

/* One QEMU with its guest, as far as a migration goes: what it is asked and told over QMP. Which
 * answers can be relied on, and which come too early, is known from real ones (docs/guests.md).
 * Errors: PEER when it does not speak QMP, or not any more; FAILED with its words. */
typedef struct VfGuest VfGuest;

/* A question that does not hold up QEMU's main loop is answered at once; the loop itself may be
 * held up by a device for as long as its driver likes. */
#define VF_GUEST_ANSWER_MS 1000

typedef struct {
    gboolean resume; /* somebody else of ours has spoken over this connection before */
    gboolean oob;    /* and has heard that it takes commands out of band */
} VfGuestPast;

/* How long is waited for what a QEMU in order comes to, be it held up by its devices; the daemon
 * waits longer. Tests have less of it. */
typedef struct {
    guint greet_ms;
    guint answer_ms;  /* to a question of vf_guest_ask() */
    guint turn_ms;    /* until the guest runs, here or here again */
    guint verdict_ms; /* until somebody says whether the kernel takes the devices' state */
} VfGuestPatience;

extern const VfGuestPatience vf_guest_patience;

/* Takes @fd, see vf_qmp_new(). It has @greet_ms to say who it is. */
VfGuest *vf_guest_new(int fd, const VfGuestPast *past, guint greet_ms, GError **error);
void vf_guest_free(VfGuest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfGuest, vf_guest_free)

VfQmp *vf_guest_get_qmp(VfGuest *self);

/* Events of MIGRATION, STOP and RESUME so far: one that comes says that it is worth asking. */
guint vf_guest_get_n_events(VfGuest *self);
/* What the last of STOP and RESUME says; FALSE before there was one. */
gboolean vf_guest_has_stopped(VfGuest *self);
/* Waits for one, for so long at most. */
gboolean vf_guest_listen(VfGuest *self, guint ms, GError **error);

/* A command whose answer may take its time: FALSE without @error: not yet, and it is to be called
 * again. PEER after @ms without one. @arguments is consumed. @answer: nullable; free with
 * json_node_unref(). */
gboolean vf_guest_ask(VfGuest *self, const char *command, JsonObject *arguments, int fd, guint ms,
                      JsonNode **answer, GError **error);

/* It waits for the answer to one: nothing else may be asked so meanwhile. */
gboolean vf_guest_is_asked(VfGuest *self);

/* Within @ms. */
gboolean vf_guest_get_run_state(VfGuest *self, guint ms, VfRunState *state, GError **error);
gboolean vf_guest_get_migration(VfGuest *self, guint ms, VfMigrateInfo *info, GError **error);
/* The same as vf_guest_ask(), where a device may hold QEMU up: without *@known they are to be
 * called again. */
gboolean vf_guest_ask_run_state(VfGuest *self, guint ms, gboolean *known, VfRunState *state,
                                GError **error);
gboolean vf_guest_ask_migration(VfGuest *self, guint ms, gboolean *known, VfMigrateInfo *info,
                                GError **error);

/* The migration capabilities that this QEMU knows, and in *@on those that are on. Free with
 * g_strfreev(), both. */
char **vf_guest_list_capabilities(VfGuest *self, char ***on, GError **error);
/* For migrate-set-capabilities: those of @on are on, and each that would send the data another way
 * or later is off; what this QEMU does not know is left out. */
JsonObject *vf_guest_make_capabilities(const char *const *known, const char *const *on);

/* It runs: now, or after `cont`, within @ms. Never before what it was told to load is there: QEMU
 * takes a `cont` meanwhile, and lets the guest run at once when it is, whoever else runs by then.
 */
gboolean vf_guest_run(VfGuest *self, guint ms, GError **error);

/* What was begun by `migrate` is over, whatever came of it, and the guest runs here, within @ms. */
gboolean vf_guest_take_back(VfGuest *self, guint ms, GError **error);

/* Its process ends: nobody will want what it has. */
gboolean vf_guest_quit(VfGuest *self, GError **error);

G_END_DECLS
