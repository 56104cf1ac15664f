/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "migrate-info.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "json-get.h"
#include "printable.h"

#define WORDS_MAX 400
#define MICROSECONDS_PER_MS 1000
/* With what JSON has for a number it fits into 64 bits. */
#define ZEROS_MAX ((guint64)G_MAXINT64 / 2)
/* One would be two thousand years; more is no answer. */
#define DOWNTIME_MS_MAX ((guint64)G_MAXINT64 / MICROSECONDS_PER_MS)

void
vf_migrate_info_clear(VfMigrateInfo *self)
{
    g_clear_pointer(&self->error, g_free);
}

static VfMigrateState
find_state(const char *status)
{
    static const struct {
        const char *word;
        VfMigrateState state;
    } known[] = {
        {"none", VF_MIGRATE_NONE},           {"pre-switchover", VF_MIGRATE_WAITING},
        {"completed", VF_MIGRATE_COMPLETED}, {"failed", VF_MIGRATE_FAILED},
        {"cancelled", VF_MIGRATE_CANCELLED},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_str_equal(known[i].word, status))
            return known[i].state;
    return VF_MIGRATE_UNDER_WAY;
}

/* Pages of nothing but zeros (`duplicate`) are moved in no time and count by their size, as they do
 * in `remaining`: most of a guest's memory may be such, and whoever watches would see nothing move,
 * and a time to wait that is a hundred times too long. */
static guint64
count_zeros(JsonObject *ram)
{
    guint64 pages = 0, size = 0;

    vf_json_get_u64(ram, "duplicate", &pages);
    vf_json_get_u64(ram, "page-size", &size);
    return size > 0 && pages <= ZEROS_MAX / size ? pages * size : 0;
}

/* qapi/migration.json, MigrationRAMStats. `mbps` are megabits of the last second. */
static void
read_ram(VfMigrateInfo *self, JsonObject *ram)
{
    guint64 transferred = 0, remaining = 0, syncs = 0, dirty_rate = 0;
    double mbps = 0;

    vf_json_get_u64(ram, "transferred", &transferred);
    vf_json_get_u64(ram, "remaining", &remaining);
    vf_json_get_u64(ram, "dirty-sync-count", &syncs);
    vf_json_get_u64(ram, "dirty-pages-rate", &dirty_rate);
    self->done = transferred + count_zeros(ram);
    self->total = self->done + MIN(remaining, G_MAXUINT64 - self->done);
    self->rounds = (guint)MIN(syncs, G_MAXUINT);
    self->dirty = syncs > 1 ? remaining : 0;
    if (vf_json_get_double(ram, "mbps", &mbps) && mbps >= 0 && mbps < 1e12)
        self->rate = (guint64)(mbps * 1000000 / 8);
    self->has_expected_downtime = syncs > 1 && dirty_rate > 0;
}

gboolean
vf_migrate_info_parse(JsonNode *answer, VfMigrateInfo *self, GError **error)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(answer) ? json_node_get_object(answer) : NULL;
    const char *status = object ? vf_json_get_string(object, "status") : NULL;
    const char *words = object ? vf_json_get_string(object, "error-desc") : NULL;
    JsonObject *ram = object ? vf_json_get_object(object, "ram") : NULL;
    JsonObject *vfio = object ? vf_json_get_object(object, "vfio") : NULL;
    guint64 ms;

    *self = (VfMigrateInfo){.state = VF_MIGRATE_NONE};
    if (!object || (json_object_has_member(object, "status") && !status)) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                            _("what QEMU answers to query-migrate has no status that is a word"));
        return FALSE;
    }
    if (status) {
        g_strlcpy(self->status, status, sizeof self->status);
        self->state = find_state(status);
    }
    self->error = words ? vf_printable(words, WORDS_MAX) : NULL;
    if (ram)
        read_ram(self, ram);
    self->has_device_bytes = vfio && vf_json_get_u64(vfio, "transferred", &self->device_bytes);
    self->has_expected_downtime = self->has_expected_downtime &&
                                  vf_json_get_u64(object, "expected-downtime", &ms) &&
                                  ms <= DOWNTIME_MS_MAX;
    if (self->has_expected_downtime)
        self->expected_downtime = ms * MICROSECONDS_PER_MS;
    self->has_downtime = self->state == VF_MIGRATE_COMPLETED &&
                         vf_json_get_u64(object, "downtime", &ms) && ms <= DOWNTIME_MS_MAX;
    if (self->has_downtime)
        self->downtime = ms * MICROSECONDS_PER_MS;
    self->total = MAX(self->total, self->done);
    return TRUE;
}

gboolean
vf_run_state_parse(JsonNode *answer, VfRunState *state, GError **error)
{
    static const struct {
        const char *word;
        VfRunState state;
    } known[] = {
        {"running", VF_RUN_RUNNING},
        {"inmigrate", VF_RUN_INCOMING},
        {"postmigrate", VF_RUN_MOVED},
        {"finish-migrate", VF_RUN_MOVING},
    };
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(answer) ? json_node_get_object(answer) : NULL;
    const char *status = object ? vf_json_get_string(object, "status") : NULL;
    gboolean running = FALSE;

    if (!status || !vf_json_get_boolean(object, "running", &running) ||
        running != g_str_equal(status, "running")) {
        g_autofree char *shown = vf_printable(status ? status : "", WORDS_MAX);

        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("what QEMU answers to query-status does not say whether the guest runs: "
                      "status “%s”, running %s"),
                    shown, running ? "true" : "false");
        return FALSE;
    }
    *state = VF_RUN_STOPPED;
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_str_equal(known[i].word, status))
            *state = known[i].state;
    return TRUE;
}
