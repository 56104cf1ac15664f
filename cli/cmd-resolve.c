/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "decide.h"
#include "json.h"
#include "names.h"

/* The kernel is asked device by device, and may be slow to answer for each (the deadlines in
 * daemon/driver/driver.c). */
#define RESOLVE_MS 240000

typedef struct {
    char *run_at;
    char *this_side;
    gboolean checked;
} Options;

/* One host's part in the migration. */
typedef struct {
    VfBus *bus;     /* not owned */
    VferryJob *job; /* owned */
    VfSide side;
} Part;

typedef struct {
    VfCli *cli;
    Part source;
    Part destination;
} Resolution;

static void
clear_resolution(Resolution *self)
{
    g_clear_object(&self->source.job);
    g_clear_object(&self->destination.job);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Resolution, clear_resolution)

static void
clear_options(Options *options)
{
    g_free(options->run_at);
    g_free(options->this_side);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

static VfSide
side_of(VferryJob *job)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) states = NULL;
    GVariant *devices = vferry_job_get_devices(job);
    gsize n = devices ? g_variant_n_children(devices) : 0;

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) device = g_variant_get_child_value(devices, i);
        const char *state = "unknown";

        (void)g_variant_lookup(device, "state", "&s", &state);
        g_strv_builder_add(builder, state);
    }
    states = g_strv_builder_end(builder);
    return vf_decide_side(vferry_job_get_role(job), vferry_job_get_result(job),
                          (const char *const *)states);
}

static gboolean
fill(Part *part, VfBus *bus, const char *id, const char *role, GError **error)
{
    part->bus = bus;
    part->job = vf_bus_find_job(bus, id, role, error);
    if (part->job)
        part->side = side_of(part->job);
    return part->job != NULL;
}

static const char *
other_role(const char *role)
{
    return g_strcmp0(role, "source") == 0 ? "destination" : "source";
}

static Part *
part_of(Resolution *self, const char *role)
{
    return g_strcmp0(role, "source") == 0 ? &self->source : &self->destination;
}

/* Each host says which role it had; typed at either end the command is the same. */
static gboolean
read_both(Resolution *self, VfBus *here, VfBus *there, const char *id, VfBus **failed,
          GError **error)
{
    g_autoptr(VferryJob) ours = vf_bus_find_job(here, id, NULL, error);
    const char *role = ours ? vferry_job_get_role(ours) : NULL;

    *failed = here;
    if (!ours || !fill(part_of(self, role), here, id, role, error))
        return FALSE;
    *failed = there;
    return fill(part_of(self, other_role(role)), there, vferry_job_get_uuid(ours), other_role(role),
                error);
}

static void
print_part(const Part *part, const char *role)
{
    GVariant *error = vferry_job_get_error(part->job);
    const char *result = vferry_job_get_result(part->job);
    const char *message = "";

    g_printerr("%s %s: %s (%s)\n", role, vf_bus_get_label(part->bus),
               vf_decide_describe(part->side), result && result[0] ? result : _("running"));
    if (error)
        g_variant_get(error, "(&s&s)", NULL, &message);
    if (message[0])
        g_printerr("  %s\n", message);
}

static VfExit
resolve_side(const Part *part, const char *decision)
{
    g_autoptr(GError) error = NULL;

    if (!decision)
        return VF_EXIT_DONE;
    if (!vferry_job_call_resolve_sync(part->job, decision, g_variant_new("a{sv}", NULL),
                                      vf_bus_get_call_flags(part->bus),
                                      RESOLVE_MS + vf_bus_get_timeout(part->bus), NULL, &error))
        return vf_bus_report(part->bus, error, VF_ACTION_OVERRIDE);
    g_printerr(_("%s: %s done\n"), vf_bus_get_label(part->bus), decision);
    return VF_EXIT_DONE;
}

/* Discards first. When one fails nothing runs anywhere, and the same command can be given again. */
static VfExit
carry_out(Resolution *self, VfDecision decision)
{
    const char *at_source, *at_destination;
    VfExit status = VF_EXIT_DONE;

    vf_decide_calls(decision, self->source.side, self->destination.side, &at_source,
                    &at_destination);
    for (guint run = 0; run <= 1 && status == VF_EXIT_DONE; run++) {
        if (at_source && (g_strcmp0(at_source, "run") == 0) == (run == 1))
            status = resolve_side(&self->source, at_source);
        if (status == VF_EXIT_DONE && at_destination &&
            (g_strcmp0(at_destination, "run") == 0) == (run == 1))
            status = resolve_side(&self->destination, at_destination);
    }
    return status;
}

static const char *
decision_name(VfDecision decision)
{
    switch (decision) {
    case VF_DECISION_RUN_AT_SOURCE:
        return "source";
    case VF_DECISION_RUN_AT_DESTINATION:
        return "destination";
    case VF_DECISION_DISCARD:
    default:
        return "nowhere";
    }
}

static VfDecision
parse_decision(const char *text)
{
    if (g_strcmp0(text, "source") == 0)
        return VF_DECISION_RUN_AT_SOURCE;
    if (g_strcmp0(text, "destination") == 0)
        return VF_DECISION_RUN_AT_DESTINATION;
    return g_strcmp0(text, "nowhere") == 0 ? VF_DECISION_DISCARD : 0;
}

static VfDecision
ask(const Resolution *self, VfDecision choices)
{
    static const VfDecision all[] = {VF_DECISION_RUN_AT_SOURCE, VF_DECISION_RUN_AT_DESTINATION,
                                     VF_DECISION_DISCARD};
    const char *here = vf_bus_get_label(self->source.bus);
    const char *there = vf_bus_get_label(self->destination.bus);
    const char *at_source, *at_destination;
    char line[64] = "";

    g_printerr(_("What is safe:\n"));
    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        if (!(choices & all[i]))
            continue;
        vf_decide_calls(all[i], self->source.side, self->destination.side, &at_source,
                        &at_destination);
        g_printerr("  %-12s ", decision_name(all[i]));
        if (all[i] == VF_DECISION_RUN_AT_SOURCE)
            g_printerr(_("run the device at %s\n"), here);
        else if (all[i] == VF_DECISION_RUN_AT_DESTINATION)
            g_printerr(_("run the device at %s\n"), there);
        else
            g_printerr(_("discard what is in doubt (%s%s%s); nothing is started\n"),
                       at_source ? here : "", at_source && at_destination ? ", " : "",
                       at_destination ? there : "");
    }
    if (!self->cli->interactive) {
        g_printerr(_("Choose with --run-at.\n"));
        return 0;
    }
    g_printerr(_("Where shall it run? (Enter: leave it as it is) "));
    if (!fgets(line, sizeof(line), stdin))
        return 0;
    return parse_decision(g_strstrip(line));
}

static VfExit
print_result(const Resolution *self, VfDecision decision, VfExit status)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = NULL;

    if (!self->cli->json)
        return status;
    object = json_object_new();
    json_object_set_string_member(object, "job", vferry_job_get_uuid(self->source.job));
    json_object_set_string_member(object, "source", vf_bus_get_label(self->source.bus));
    json_object_set_string_member(object, "source_result", vferry_job_get_result(self->source.job));
    json_object_set_string_member(object, "destination", vf_bus_get_label(self->destination.bus));
    json_object_set_string_member(object, "destination_result",
                                  vferry_job_get_result(self->destination.job));
    json_object_set_boolean_member(object, "resolved", status == VF_EXIT_DONE && decision != 0);
    if (decision)
        json_object_set_string_member(object, "run_at", decision_name(decision));
    if (!vf_json_print(json_node_init_object(json_node_alloc(), object), &error))
        return vf_exit_report(error, NULL, NULL);
    return status;
}

static VfExit
decide(Resolution *self, const Options *options)
{
    VfDecision choices = vf_decide_choices(self->source.side, self->destination.side);
    VfDecision decision = parse_decision(options->run_at);

    print_part(&self->source, _("source"));
    print_part(&self->destination, _("destination"));
    if (self->source.side == VF_SIDE_BUSY || self->destination.side == VF_SIDE_BUSY) {
        g_printerr(_("vferryctl: Wait until both sides have ended.\n"));
        return print_result(self, 0, VF_EXIT_FAILED);
    }
    if (choices == 0) {
        g_printerr(_("Nothing is in doubt.\n"));
        return print_result(self, 0, VF_EXIT_DONE);
    }
    if (!decision && !options->run_at)
        decision = ask(self, choices);
    if (!decision)
        return print_result(self, 0, VF_EXIT_UNKNOWN);
    if (!(choices & decision)) {
        g_printerr(_("vferryctl: It is not safe to let it run at “%s”: see above.\n"),
                   decision_name(decision));
        return print_result(self, 0, VF_EXIT_FAILED);
    }
    return print_result(self, decision, carry_out(self, decision));
}

static VfExit
resolve_both(VfCli *cli, VfBus *here, const Options *options, const char *id,
             const char *destination)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) there = NULL;
    g_auto(Resolution) self = {.cli = cli};
    VfBus *failed;

    /* without another place, this host may have been both sides */
    if (destination) {
        there = vf_bus_new(cli, destination, &error);
        if (!there) {
            (void)vf_exit_report(error, NULL, NULL);
            g_printerr(_("When you have made sure there what it did: vferryctl resolve %s "
                         "--this-side run|discard --i-have-checked-the-other-side\n"),
                       id);
            return VF_EXIT_INPUT;
        }
    }
    if (read_both(&self, here, there ? there : here, id, &failed, &error))
        return decide(&self, options);
    (void)vf_bus_report(failed, error, NULL);
    if (!destination)
        g_printerr(_("Name the other host: vferryctl resolve %s ssh://HOST\n"), id);
    return vf_exit_from_error(error);
}

static VfExit
check_options(const VfCli *cli, const Options *options, const char *destination)
{
    if (options->run_at && !parse_decision(options->run_at))
        return vf_cli_usage("resolve",
                            _("--run-at is “%s”, but must be source, destination or nowhere"),
                            options->run_at);
    if (!options->this_side && options->checked)
        return vf_cli_usage("resolve", _("--i-have-checked-the-other-side belongs to --this-side"));
    if (!options->this_side)
        return VF_EXIT_DONE;
    if (strcmp(options->this_side, "run") != 0 && strcmp(options->this_side, "discard") != 0)
        return vf_cli_usage("resolve", _("--this-side is “%s”, but must be run or discard"),
                            options->this_side);
    if (options->run_at || destination || cli->json)
        return vf_cli_usage("resolve",
                            _("--this-side asks nobody else: no DESTINATION, --run-at or --json"));
    if (!options->checked)
        return vf_cli_usage("resolve",
                            _("If both sides run, the guest's data is lost. Make sure what the "
                              "other side did, then add --i-have-checked-the-other-side"));
    return VF_EXIT_DONE;
}

VfExit
vf_cmd_resolve_run(VfCli *cli, int argc, char **argv)
{
    g_auto(Options) options = {0};
    const GOptionEntry entries[] = {
        {"run-at", 0, 0, G_OPTION_ARG_STRING, &options.run_at,
         N_("Decide without asking, if it is safe: source, destination or nowhere"), N_("SIDE")},
        {"this-side", 0, 0, G_OPTION_ARG_STRING, &options.this_side,
         N_("The other host cannot be asked: run or discard here"), N_("DECISION")},
        {"i-have-checked-the-other-side", 0, 0, G_OPTION_ARG_NONE, &options.checked,
         N_("and you know what it did"), NULL},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) here = NULL;
    g_autoptr(VferryJob) job = NULL;
    VfExit status;

    if (!vf_cli_parse(cli, "resolve", entries, &argc, &argv, 1, 2))
        return VF_EXIT_INPUT;
    status = check_options(cli, &options, argv[2]);
    if (status != VF_EXIT_DONE)
        return status;
    here = vf_bus_new(cli, cli->host, &error);
    if (!here)
        return vf_exit_report(error, NULL, NULL);
    /* the other host cannot be asked; its administrator was */
    if (options.this_side) {
        job = vf_bus_find_job(here, argv[1], NULL, &error);
        if (!job)
            return vf_bus_report(here, error, NULL);
        return resolve_side(&(const Part){.bus = here, .job = job}, options.this_side);
    }
    return resolve_both(cli, here, &options, argv[1], argv[2]);
}
