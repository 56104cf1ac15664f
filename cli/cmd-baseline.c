/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "baseline.h"
#include "capabilities-file.h"
#include "documents.h"
#include "hosts.h"
#include "json.h"
#include "output.h"
#include "report-view.h"
#include "table.h"
#include "text-view.h"

/* --- reading --- */

/* Every document counts: an answer that leaves one out would be wrong. */
static gboolean
add_path(VfFleet *fleet, const char *path, GError **error)
{
    g_autoptr(GPtrArray) files = NULL;
    g_autofree char *text = NULL;
    gboolean good = TRUE;
    gsize size;

    if (g_str_equal(path, "-")) {
        text = vf_documents_read(path, &size, error);
        return text && vf_fleet_add_text(fleet, text, (gssize)size, _("standard input"), error);
    }
    files = vf_capabilities_list_files(path, error);
    for (guint i = 0; good && files && i < files->len; i++)
        good = vf_fleet_add_file(fleet, files->pdata[i], error);
    return files && good;
}

static gboolean
add_hosts(const VfCli *cli, VfFleet *fleet, GError **error)
{
    g_autoptr(GPtrArray) answers = vf_hosts_ask(cli, cli->hosts);

    for (guint i = 0; i < answers->len; i++) {
        VfHostAnswer *answer = answers->pdata[i];

        if (!answer->capabilities) {
            vf_hosts_name_error(answer);
            g_propagate_error(error, g_steal_pointer(&answer->error));
            return FALSE;
        }
        if (!vf_fleet_add_text(fleet, answer->capabilities, -1, answer->label, error))
            return FALSE;
    }
    return TRUE;
}

static VfFleet *
load(const VfCli *cli, char *const *paths, GError **error)
{
    g_autoptr(VfFleet) fleet = vf_fleet_new();

    for (char *const *path = paths; *path; path++)
        if (!add_path(fleet, *path, error))
            return NULL;
    if (cli->hosts && !add_hosts(cli, fleet, error))
        return NULL;
    return g_steal_pointer(&fleet);
}

/* --- for programs --- */

static JsonArray *
json_from_lines(GPtrArray *lines)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < lines->len; i++) {
        const VfBaselineLine *line = lines->pdata[i];
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "host", line->host);
        vf_json_set_text(object, "host_name", line->name);
        json_object_set_int_member(object, "hosts", (gint64)line->hosts);
        vf_json_set_text(object, "parameter", line->parameter);
        vf_json_set_text(object, "source", line->source);
        vf_json_set_text(object, "destination", line->destination);
        json_object_set_string_member(object, "code", line->code);
        json_object_set_string_member(object, "sentence", line->sentence);
        json_array_add_object_element(array, object);
    }
    return array;
}

static gboolean
print_json(const VfBaseline *baseline, GError **error)
{
    g_autoptr(JsonObject) object = json_object_new();

    json_object_set_string_member(object, "verdict",
                                  vf_baseline_verdict_to_string(baseline->verdict));
    json_object_set_int_member(object, "hosts", (gint64)baseline->hosts);
    json_object_set_int_member(object, "fitting", (gint64)baseline->fitting);
    json_object_set_boolean_member(object, "exact", baseline->exact);
    if (baseline->requirement)
        json_object_set_object_member(object, "requirement",
                                      vf_report_view_requirement_json(baseline->requirement));
    else
        json_object_set_null_member(object, "requirement");
    json_object_set_array_member(object, "undecided", json_from_lines(baseline->undecided));
    json_object_set_array_member(object, "conflicts", json_from_lines(baseline->conflicts));
    return vf_json_print(json_node_init_object(json_node_alloc(), object), error);
}

/* --- for people --- */

static char *
format_lines(GPtrArray *lines, gboolean colour)
{
    const char *titles[] = {_("HOST"), _("PARAMETER"), _("WANTED"), _("THE HOST"), _("CODE"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);

    for (guint i = 0; i < lines->len; i++) {
        const VfBaselineLine *line = lines->pdata[i];
        const char *name = line->name ? line->name : line->host;
        g_autofree char *hosts =
            line->hosts > 1 ? g_strdup_printf(_("%s and %" PRIu64 " more"), name, line->hosts - 1)
                            : g_strdup(name);

        vf_table_add(table, hosts);
        vf_table_add(table, line->parameter);
        vf_table_add(table, line->source);
        vf_table_add(table, line->destination);
        vf_table_add_styled(table, line->code, VF_STYLE_WARN);
    }
    return vf_table_format(table, colour);
}

static void
print_conflicts(const VfBaseline *baseline, gboolean colour)
{
    g_autofree char *table = format_lines(baseline->conflicts, colour);
    g_autofree char *rest =
        baseline->requirement ? vf_report_view_requirement(baseline->requirement) : NULL;

    g_print("%s", table);
    for (guint i = 0; i < baseline->conflicts->len; i++) {
        const VfBaselineLine *line = baseline->conflicts->pdata[i];
        g_autofree char *sentence = vf_text_printable(line->sentence);
        g_print("%s\n", sentence);
    }
    if (rest)
        g_print(_("No requirement fits all %" PRIu64
                  " hosts. Without those above the other %" PRIu64 " can take %s.\n"),
                baseline->hosts, baseline->fitting, rest);
    else
        g_print(_("No requirement fits all %" PRIu64 " hosts.\n"), baseline->hosts);
    if (!baseline->exact)
        g_print(_("Not everything was tried: it may be enough to leave out fewer.\n"));
}

static gboolean
print_text(const VfBaseline *baseline, gboolean colour, GError **error)
{
    g_autofree char *undecided = NULL;
    g_autofree char *xml = NULL;

    if (baseline->verdict == VF_BASELINE_CONFLICT) {
        print_conflicts(baseline, colour);
        return TRUE;
    }
    /* not on standard output, which has a requirement and nothing else */
    undecided = format_lines(baseline->undecided, FALSE);
    if (baseline->undecided->len > 0)
        g_printerr(_("Only trying tells whether it fits everywhere:\n%s"), undecided);
    if (!baseline->exact)
        g_printerr(_("Not everything was tried: there may be something better.\n"));
    xml = vf_requirement_format(baseline->requirement);
    return vf_output_print(xml, error);
}

/* --- the verb --- */

VfExit
vf_cmd_baseline_run(VfCli *cli, int argc, char **argv)
{
    g_autofree char *model = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfFleet) fleet = NULL;
    g_autoptr(VfBaseline) baseline = NULL;
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_STRING, &model,
         N_("Of this model (default: the one that all hosts have)"), N_("ID")},
        {NULL},
    };

    if (!vf_cli_parse_hosts(cli, "baseline", entries, &argc, &argv, 0, G_MAXINT - 1))
        return VF_EXIT_INPUT;
    if (argc < 2 && !cli->hosts)
        return vf_cli_usage("baseline", _("Of which hosts? Name capabilities documents, "
                                          "directories of them, or --host"));
    fleet = load(cli, argv + 1, &error);
    baseline = fleet ? vf_baseline_of_fleet(fleet, model, &error) : NULL;
    if (!baseline)
        return vf_exit_report_unanswered(error);
    if (!(cli->json ? print_json(baseline, &error) : print_text(baseline, cli->colour, &error)))
        return vf_exit_report_unanswered(error);
    if (baseline->verdict == VF_BASELINE_FOUND)
        return VF_EXIT_DONE;
    return baseline->verdict == VF_BASELINE_UNKNOWN ? VF_EXIT_UNKNOWN : VF_EXIT_FAILED;
}
