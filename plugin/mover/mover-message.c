/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mover-message.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "job.h"
#include "printable.h"

#define WORD_MAX 64
#define FLAGS_MAX 16
/* A result is kept for the next daemon, twice in a job that has ended, and a job that does not fit
 * into its memo is not kept at all. The mover has eight. */
#define STATISTICS_MAX 32

static gboolean
fail(VfControlMessage *message, const char *what, GError **error)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("the mover's “%s” message has no valid “%s”"), message->verb, what);
    return FALSE;
}

static gboolean
need(VfControlMessage *message, const char *key, const char *format, gpointer value, GError **error)
{
    return g_variant_dict_lookup(message->args, key, format, value) || fail(message, key, error);
}

gboolean
vf_mover_message_parse_progress(VfControlMessage *message, VfProgress *progress,
                                GVariant **device_bytes, GError **error)
{
    g_autoptr(GVariant) devices = NULL;
    const char *missing;

    memset(progress, 0, sizeof *progress);
    missing = vf_progress_parse(progress, VF_PROGRESS_SAID, message->args, &devices);
    if (!missing && progress->n_devices > VF_JOB_DEVICES_MAX)
        missing = "devices";
    if (missing)
        return fail(message, missing, error);
    *device_bytes = g_steal_pointer(&devices);
    return TRUE;
}

gboolean
vf_mover_message_parse_listening(VfControlMessage *message, char **address, guint16 *port,
                                 GError **error)
{
    g_autofree char *text = vf_mover_message_parse_text(message, "address", error);

    if (!text || !need(message, "port", "q", port, error))
        return FALSE;
    if (*port == 0)
        return fail(message, "port", error);
    *address = g_steal_pointer(&text);
    return TRUE;
}

char *
vf_mover_message_parse_text(VfControlMessage *message, const char *key, GError **error)
{
    g_autofree char *text = NULL;

    if (!need(message, key, "s", &text, error))
        return NULL;
    /* a phase or an address: no prose */
    if (!vf_printable_is_word(text, WORD_MAX)) {
        fail(message, key, error);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* The mover's own words for what went wrong, in our domain. */
static GError *
parse_error(VfControlMessage *message)
{
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    g_autofree char *clean = NULL;
    VferryError code = VFERRY_ERROR_FAILED;

    if (!g_variant_dict_lookup(message->args, "message", "s", &text))
        return NULL;
    if (g_variant_dict_lookup(message->args, "error", "s", &name))
        vf_error_from_name(name, &code);
    clean = vf_printable(text, VF_CONTROL_TEXT_MAX);
    return g_error_new_literal(VFERRY_ERROR, code, clean);
}

static gboolean
parse_devices(VfControlMessage *message, VfOutcome *outcome, GError **error)
{
    g_autoptr(GVariant) list =
        g_variant_dict_lookup_value(message->args, "device-states", G_VARIANT_TYPE_STRING_ARRAY);
    GVariantIter iter;
    const char *name;

    if (!list)
        return TRUE;
    if (g_variant_n_children(list) > VF_JOB_DEVICES_MAX)
        return fail(message, "device-states", error);
    g_variant_iter_init(&iter, list);
    while (g_variant_iter_next(&iter, "&s", &name)) {
        VfDeviceOutcome state;

        if (!vf_device_outcome_from_string(name, &state))
            return fail(message, "device-states", error);
        g_array_append_val(outcome->devices, state);
    }
    return TRUE;
}

/* They go on to the bus as they are, and a bus hangs up on who sends it something too deep, or a
 * descriptor that is none: numbers only. */
static gboolean
parse_statistics(VfControlMessage *message, VfOutcome *outcome, GError **error)
{
    g_autoptr(GVariant) statistics =
        g_variant_dict_lookup_value(message->args, "statistics", G_VARIANT_TYPE_VARDICT);
    GVariantIter iter;
    const char *key;
    GVariant *value;

    if (!statistics)
        return TRUE;
    if (g_variant_n_children(statistics) > STATISTICS_MAX)
        return fail(message, "statistics", error);
    g_variant_iter_init(&iter, statistics);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) number = value;

        if (!vf_printable_is_word(key, WORD_MAX))
            return fail(message, "statistics", error);
        if (!g_variant_is_of_type(number, G_VARIANT_TYPE_UINT64) &&
            !g_variant_is_of_type(number, G_VARIANT_TYPE_UINT32) &&
            !g_variant_is_of_type(number, G_VARIANT_TYPE_DOUBLE))
            return fail(message, "statistics", error);
    }
    g_variant_unref(outcome->statistics);
    outcome->statistics = g_steal_pointer(&statistics);
    return TRUE;
}

static VfOutcome *
parse_outcome(VfControlMessage *message, GError **error)
{
    g_autoptr(VfOutcome) outcome = NULL;
    g_autofree char *name = NULL;
    VfResult result;

    if (!need(message, "outcome", "s", &name, error))
        return NULL;
    if (!vf_result_from_string(name, &result) || result == VF_RESULT_NONE) {
        fail(message, "outcome", error);
        return NULL;
    }
    outcome = vf_outcome_new(result, result == VF_RESULT_COMPLETED ? NULL : parse_error(message));
    g_variant_dict_lookup(message->args, "untouched", "b", &outcome->untouched);
    if (!parse_devices(message, outcome, error) || !parse_statistics(message, outcome, error))
        return NULL;
    return g_steal_pointer(&outcome);
}

static gboolean
parse_info(VfControlMessage *message, VfMoverReply *reply, GError **error)
{
    if (!g_variant_dict_lookup(message->args, "flags", "^as", &reply->flags))
        reply->flags = g_new0(char *, 1);
    if (g_strv_length(reply->flags) > FLAGS_MAX)
        return fail(message, "flags", error);
    for (guint i = 0; reply->flags[i]; i++)
        if (!vf_printable_is_word(reply->flags[i], WORD_MAX))
            return fail(message, "flags", error);
    reply->has_data_size =
        g_variant_dict_lookup(message->args, "data-size", "t", &reply->data_size);
    if (!g_variant_dict_lookup(message->args, "state", "s", &reply->state))
        reply->state = g_strdup("");
    else if (!vf_printable_is_word(reply->state, WORD_MAX))
        return fail(message, "state", error);
    return TRUE;
}

VfMoverReply *
vf_mover_message_parse_result(VfControlMessage *message, GError **error)
{
    g_autoptr(VfMoverReply) reply = g_new0(VfMoverReply, 1);

    reply->fd = -1;
    reply->outcome = parse_outcome(message, error);
    if (!reply->outcome || !parse_info(message, reply, error))
        return NULL;
    reply->fd = vf_control_message_steal_fd(message, 0);
    reply->args = g_variant_ref_sink(g_variant_dict_end(message->args));
    return g_steal_pointer(&reply);
}
