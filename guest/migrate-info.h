/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* What query-migrate and query-status say, as far as it can be relied on. */

/* MigrationStatus of qapi/migration.json, as what it means for whoever waits. A word that is not
 * known is VF_MIGRATE_UNDER_WAY: QEMU 11.1 has a new one, `failing`, on the way to `failed`. */
typedef enum {
    VF_MIGRATE_NONE,      /* nothing has been asked */
    VF_MIGRATE_UNDER_WAY, /* setup, active, device, …: not over, whatever it is */
    VF_MIGRATE_WAITING,   /* pre-switchover: the guest stands still, migrate-continue goes on */
    VF_MIGRATE_COMPLETED, /* at this side; the other one may think otherwise */
    VF_MIGRATE_FAILED,    /* a guest that had stopped may not run again yet (QEMU 10.0) */
    VF_MIGRATE_CANCELLED, /* the same */
} VfMigrateState;

typedef struct {
    VfMigrateState state;
    char status[32]; /* its word; "" when there is none */
    char *error;     /* error-desc, printable, or NULL */
    guint64
        done; /* bytes of memory and devices that have gone; zeros, too, which need no sending */
    guint64 total; /* at least done */
    guint64 rate;  /* bytes a second */
    guint64 dirty; /* bytes changed and not yet moved */
    guint rounds;
    gboolean has_device_bytes;
    guint64 device_bytes; /* of VFIO devices (`vfio`) */
    /* QEMU's own guess in microseconds: until memory has been looked at twice, and while nothing
     * becomes dirty, it is but a copy of the limit that was set, and not here. */
    gboolean has_expected_downtime;
    guint64 expected_downtime;
    gboolean has_downtime;
    guint64 downtime; /* microseconds; of a migration that is over */
} VfMigrateInfo;

void vf_migrate_info_clear(VfMigrateInfo *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfMigrateInfo, vf_migrate_info_clear)

/* PEER when @answer (to query-migrate) is no such thing. */
gboolean vf_migrate_info_parse(JsonNode *answer, VfMigrateInfo *self, GError **error);

/* RunState of qapi/run-state.json, as what it means for a guest that must not run twice. */
typedef enum {
    VF_RUN_RUNNING,  /* it runs */
    VF_RUN_INCOMING, /* inmigrate: whatever `cont` is told now happens by itself later */
    VF_RUN_MOVED,    /* postmigrate: it stands still since all of it has gone */
    VF_RUN_MOVING,   /* finish-migrate: it stands still for that */
    VF_RUN_STOPPED, /* paused, prelaunch, suspended, a word that is not known, …: it stands still */
} VfRunState;

/* Of query-status. PEER when `running` and `status` say different things, or nothing. */
gboolean vf_run_state_parse(JsonNode *answer, VfRunState *state, GError **error);

G_END_DECLS
