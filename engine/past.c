/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "past.h"

#include <glib/gi18n-lib.h>

static gboolean
write_touch(VfDevicePast what, guint index, gpointer data, GError **error)
{
    static const char *const events[] = {
        [VF_DEVICE_TOUCHED] = "touched",
        [VF_DEVICE_AWAY] = "moved",
        [VF_DEVICE_RESET] = "reset",
    };
    VfSession *session = data;
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GError) local = NULL;

    g_variant_dict_insert(&dict, "device", "u", index);
    if (vf_record_mark(session->record, events[what], g_variant_dict_end(&dict), &local))
        return TRUE;
    if (what == VF_DEVICE_TOUCHED) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g_warning("device %u: it has happened, but: %s", index, local->message);
    return TRUE;
}

static gboolean
write_reset(VfDevicePast what, guint index, gpointer data, GError **error)
{
    return what != VF_DEVICE_RESET || write_touch(what, index, data, error);
}

void
vf_past_watch(VfSession *session, gboolean touches)
{
    vf_devices_set_witness(session->devices, touches ? write_touch : write_reset, session);
}

static gboolean
is_said_of(GPtrArray *entries, const char *event, guint index)
{
    for (guint i = 0; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        guint32 device;
        if (g_str_equal(entry->event, event) &&
            g_variant_lookup(entry->details, "device", "u", &device) && device == index)
            return TRUE;
    }
    return FALSE;
}

/* A device that came back to RUNNING in the session is touched anew then. */
static gboolean
is_moved(GPtrArray *entries, guint index)
{
    gboolean moved = FALSE;

    for (guint i = 0; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        guint32 device;
        if (!g_variant_lookup(entry->details, "device", "u", &device) || device != index)
            continue;
        if (g_str_equal(entry->event, "moved"))
            moved = TRUE;
        else if (g_str_equal(entry->event, "touched"))
            moved = FALSE;
    }
    return moved;
}

/* Before LOADED a destination is never started again, and after it all of its devices stand, until
 * `starting` is there; a source's have moved one after the other. */
static gboolean
is_away(GPtrArray *entries, guint index)
{
    return vf_record_find(entries, "loaded")
               ? !vf_record_find(entries, "starting")
               : is_moved(entries, index) && !vf_record_find(entries, "returning");
}

gboolean
vf_past_recall(VfSession *session, gboolean touched_only, GError **error)
{
    g_autoptr(GPtrArray) entries = vf_record_read(session->record, error);

    if (!entries)
        return FALSE;
    for (guint i = 0; i < vf_devices_get_count(session->devices); i++) {
        VfDevicePast past = 0;
        if (!touched_only || is_said_of(entries, "touched", i))
            past |= VF_DEVICE_TOUCHED;
        if (is_away(entries, i))
            past |= VF_DEVICE_AWAY;
        if (is_said_of(entries, "reset", i))
            past |= VF_DEVICE_RESET;
        vf_devices_set_past(session->devices, i, past);
    }
    session->committed = vf_record_find(entries, "commit") != NULL;
    vf_past_watch(session, FALSE);
    return TRUE;
}

void
vf_past_explain(VfSession *session, GError *error)
{
    if (vf_devices_look_for_resets(session->devices))
        g_prefix_error(&error, _("a device was reset meanwhile: "));
}

gboolean
vf_past_mark(VfSession *session, const char *event, GError **error)
{
    return vf_record_mark(session->record, event, NULL, error);
}

void
vf_past_mark_returning(VfSession *session)
{
    g_autoptr(GError) error = NULL;

    if (!vf_past_mark(session, "returning", &error))
        g_warning("%s", error->message);
}
