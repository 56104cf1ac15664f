/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "outcome-view.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "text-view.h"

gboolean
vf_outcome_is_over(const char *outcome)
{
    return g_strcmp0(outcome, "failed") == 0 || g_strcmp0(outcome, "cancelled") == 0;
}

static gboolean
is(const char *outcome, const char *word)
{
    return g_strcmp0(outcome, word) == 0;
}

/* docs/migration-stream.md, "Who may run": the source completes only when the destination has said
 * that the devices run, so its word is enough; one that has failed runs them again; everything else
 * must be looked at. */
const char *
vf_outcome_combine(const char *source, const char *destination)
{
    if (is(source, "in-doubt") || is(destination, "in-doubt"))
        return "in-doubt";
    if (is(source, "completed"))
        return vf_outcome_is_over(destination) ? "in-doubt" : "completed";
    if (!vf_outcome_is_over(source))
        return "unknown";
    if (is(destination, "completed"))
        return "in-doubt";
    return is(source, "failed") ? "failed" : "cancelled";
}

static VfExit
exit_of(const char *result)
{
    if (is(result, "completed"))
        return VF_EXIT_DONE;
    return is(result, "in-doubt") || is(result, "unknown") ? VF_EXIT_UNKNOWN : VF_EXIT_FAILED;
}

/* "downtime 41 ms (stop 2, last bytes 21, load 12, start 6)", parts in milliseconds. NULL when
 * nobody measured it. */
static char *
format_downtime(GVariant *statistics)
{
    static const struct {
        const char *key, *label;
    } parts[] = {
        {"downtime-stop", N_("stop")},
        {"downtime-last-bytes", N_("last bytes")},
        {"downtime-load", N_("load")},
        {"downtime-start", N_("start")},
    };
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *total = NULL;
    guint64 downtime;
    guint64 part;

    if (!statistics || !g_variant_lookup(statistics, "downtime", "t", &downtime))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (!g_variant_lookup(statistics, parts[i].key, "t", &part))
            continue;
        g_string_append_printf(text, "%s%s ", text->len > 0 ? ", " : "", _(parts[i].label));
        if (part < 1000)
            g_string_append_printf(text, "%.1f", (double)part / 1000);
        else
            g_string_append_printf(text, "%" G_GUINT64_FORMAT, (part + 500) / 1000);
    }
    total = downtime < 10 * G_USEC_PER_SEC
                ? g_strdup_printf(_("%" PRIu64 " ms"), (downtime + 500) / 1000)
                : vf_text_duration(downtime);
    if (text->len == 0)
        return g_strdup_printf(_("downtime %s"), total);
    return g_strdup_printf(_("downtime %s (%s)"), total, text->str);
}

static void
say_completed(VfCrossing *self, const VfJobEnd *end)
{
    g_autofree char *downtime = format_downtime(end->statistics);
    guint64 unloaded;

    vf_view_end_bar(self->view, FALSE);
    vf_view_line(self->view, _("switchover"), _("loaded; committed; running at %s"),
                 vf_bus_get_label(self->there));
    if (downtime)
        vf_view_line(self->view, "", "%s", downtime);
    /* all of them were, unless somebody asked for less */
    if (end->statistics &&
        g_variant_lookup(end->statistics, "initial-bytes-unloaded", "t", &unloaded)) {
        g_autofree char *bytes = vf_text_bytes(unloaded);
        vf_view_line(self->view, "", _("stopped before %s of initial bytes were loaded there"),
                     bytes);
    }
}

/* To be pasted into a shell. Free with g_free(). */
static char *
resolve_command(VfCrossing *self)
{
    g_autofree char *host = self->cli->host ? g_shell_quote(self->cli->host) : NULL;

    return g_strdup_printf("vferryctl %s%s%sresolve %s %s", host ? "--host " : "", host ? host : "",
                           host ? " " : "", self->job_uuid, self->destination_quoted);
}

/* After a failure the source must run again; where it cannot, that is the news. Free with g_free().
 */
static char *
describe_source(VfCrossing *self)
{
    const char *here = vf_bus_get_label(self->here);

    if (self->source_state)
        return g_strdup_printf(_("the device at %s is now in the state %s"), here,
                               self->source_state);
    if (self->undone)
        return g_strdup_printf(self->guest ? _("the guest stays at %s; nothing is left at %s")
                                           : _("the device stays at %s; nothing is left at %s"),
                               here, vf_bus_get_label(self->there));
    return g_strdup_printf(self->guest ? _("the guest stays at %s") : _("the device stays at %s"),
                           here);
}

static void
say_failed(VfCrossing *self, const VfJobEnd *end, const char *result)
{
    g_autofree char *source = describe_source(self);

    vf_view_end_bar(self->view, TRUE);
    if (is(result, "cancelled")) {
        vf_view_line(self->view, result, "%s", source);
        return;
    }
    vf_view_line(self->view, result, "%s", end->message ? end->message : _("no reason given"));
    g_printerr(_("vferryctl: The migration has failed; %s.\n"), source);
}

static void
say_unclear(VfCrossing *self, const VfJobEnd *end, const char *result)
{
    g_autofree char *command = resolve_command(self);

    vf_view_end_bar(self->view, TRUE);
    if (end->message)
        vf_view_line(self->view, result, "%s", end->message);
    if (self->abandoned) {
        g_printerr(_("vferryctl: The job goes on without us. “vferryctl show %s” tells how it is, "
                     "“vferryctl cancel %s” ends it.\n"),
                   self->job_uuid, self->job_uuid);
        return;
    }
    g_printerr(self->guest ? _("vferryctl: %s says %s, %s says %s. Look at both and decide who "
                               "runs the guest:\n  %s\n")
                           : _("vferryctl: %s says %s, %s says %s. Look at both and decide who "
                               "runs the device:\n  %s\n"),
               vf_bus_get_label(self->here),
               self->source_outcome ? self->source_outcome : _("nothing"),
               vf_bus_get_label(self->there),
               self->destination_outcome ? self->destination_outcome : _("nothing"), command);
}

static void
set_error(JsonObject *object, const char *name, const char *message, const char *where)
{
    g_autoptr(JsonObject) error = NULL;

    if (!name) {
        json_object_set_null_member(object, "error");
        return;
    }
    error = json_object_new();
    json_object_set_string_member(error, "name", name);
    json_object_set_string_member(error, "message", message ? message : "");
    json_object_set_string_member(error, "where", where);
    json_object_set_object_member(object, "error", g_steal_pointer(&error));
}

static JsonObject *
describe(VfCrossing *self, const char *result)
{
    JsonObject *object = json_object_new();
    JsonArray *created = json_array_new();

    for (guint i = 0; self->created && i < self->created->len; i++)
        json_array_add_string_element(created, g_ptr_array_index(self->created, i));
    if (self->guest)
        json_object_set_string_member(object, "domain", self->guest->label);
    vf_json_set_text(object, "job", self->job_uuid);
    json_object_set_string_member(object, "result", result);
    json_object_set_string_member(object, "source", vf_bus_get_label(self->here));
    json_object_set_string_member(object, "destination", vf_bus_get_label(self->there));
    vf_json_set_text(object, "source_result", self->source_outcome);
    vf_json_set_text(object, "destination_result", self->destination_outcome);
    vf_json_set_text(object, "source_state", self->source_state);
    json_object_set_array_member(object, "created", created);
    return object;
}

static VfExit
print_document(JsonObject *object, VfExit status)
{
    g_autoptr(GError) error = NULL;
    gboolean printed = vf_json_print(json_node_init_object(json_node_alloc(), object), &error);

    json_object_unref(object);
    return printed ? status : vf_exit_report(error, NULL, NULL);
}

static VfExit
print_json(VfCrossing *self, const VfJobEnd *end, const char *result)
{
    JsonObject *object = describe(self, result);
    g_autofree char *command = resolve_command(self);

    set_error(object, end->error, end->message, vf_bus_get_label(self->here));
    if (end->statistics)
        json_object_set_member(object, "statistics", vf_json_from_variant(end->statistics, TRUE));
    if (exit_of(result) == VF_EXIT_UNKNOWN)
        json_object_set_string_member(object, "resolve", command);
    return print_document(object, exit_of(result));
}

VfExit
vf_outcome_report(VfCrossing *self, const VfJobEnd *end)
{
    const char *result = vf_outcome_combine(self->source_outcome, self->destination_outcome);

    if (is(result, "completed"))
        say_completed(self, end);
    else if (vf_outcome_is_over(result))
        say_failed(self, end, result);
    else
        say_unclear(self, end, result);
    return self->cli->json ? print_json(self, end, result) : exit_of(result);
}

VfExit
vf_outcome_report_error(VfCrossing *self, VfBus *bus, const GError *error)
{
    gboolean overriding = strstr(error->message, VF_ACTION_OVERRIDE) != NULL;
    VfExit status = vf_bus_report(bus, error, overriding ? VF_ACTION_OVERRIDE : VF_ACTION_MIGRATE);
    g_autofree char *name = vf_exit_error_name(error);
    g_autofree char *message = vf_exit_message(error);
    gboolean cancelled = g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED);
    JsonObject *object;

    if (!self->cli->json)
        return status;
    object = describe(self, cancelled ? "cancelled" : "failed");
    set_error(object, name, message, vf_bus_get_label(bus));
    return print_document(object, status);
}
