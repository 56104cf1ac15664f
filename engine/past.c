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
vf_past_watch(VfSession *session)
{
    vf_devices_set_witness(session->devices, write_touch, session);
}

gboolean
vf_past_touch_subject(VfSession *session, GError **error)
{
    session->touched = write_touch(VF_DEVICE_TOUCHED, 0, session, error);
    return session->touched;
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

/* A device that came back to RUNNING in the session is touched anew then. Of a mover of 0.1.0,
 * which has started a destination's without a word, nothing is known. */
static gboolean
is_away(GPtrArray *entries, guint index)
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
    return moved && !vf_record_find(entries, "starting") && !vf_record_find(entries, "returning");
}

/* What a damaged one said nobody can tell: then what somebody has decided to run is run without it
 * (daemon/work/jobs.c), and nothing is returned that only it could name. */
static GPtrArray *
read_past(VfSession *session, gboolean touched_only, GError **error)
{
    g_autoptr(GError) local = NULL;
    GPtrArray *entries = vf_record_read(session->record, &local);

    if (entries) {
        session->committed = vf_record_find(entries, "commit") != NULL;
        return entries;
    }
    if (touched_only) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    g_warning("%s", local->message);
    session->committed = TRUE;
    return g_ptr_array_new();
}

gboolean
vf_past_recall(VfSession *session, gboolean touched_only, GError **error)
{
    g_autoptr(GPtrArray) entries = read_past(session, touched_only, error);

    if (!entries)
        return FALSE;
    session->touched = session->subject && (!touched_only || is_said_of(entries, "touched", 0));
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
    vf_devices_set_witness(session->devices, write_reset, session);
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
