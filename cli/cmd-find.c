/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

#include "capabilities-file.h"
#include "documents.h"
#include "error.h"
#include "find.h"
#include "hosts.h"
#include "json.h"
#include "model-view.h"
#include "number.h"
#include "report-view.h"
#include "table.h"
#include "text-view.h"

#define LIMIT_MAX 1000000

/* --- looking --- */

/* What is wrong with a document or a host is among the refusals. */
static gboolean
look_at_path(VfFinder *finder, const char *path, GError **error)
{
    g_autoptr(GPtrArray) files = NULL;
    g_autofree char *text = NULL;
    gsize size;

    if (g_str_equal(path, "-")) {
        text = vf_documents_read(path, &size, error);
        if (text)
            (void)vf_finder_add_text(finder, text, (gssize)size, _("standard input"), NULL);
        return text != NULL;
    }
    files = vf_capabilities_list_files(path, error);
    for (guint i = 0; files && i < files->len; i++)
        (void)vf_finder_add_file(finder, files->pdata[i], NULL);
    return files != NULL;
}

static void
look_at_hosts(const VfCli *cli, VfFinder *finder)
{
    g_autoptr(GPtrArray) answers = vf_hosts_ask(cli, cli->hosts);

    for (guint i = 0; i < answers->len; i++) {
        const VfHostAnswer *answer = answers->pdata[i];
        const char *label = answer->label ? answer->label : _("this host");
        g_autofree char *message = answer->error ? vf_exit_message(answer->error) : NULL;

        if (answer->capabilities)
            (void)vf_finder_add_text(finder, answer->capabilities, -1, label, NULL);
        else
            vf_finder_add_unreachable(finder, label, message);
    }
}

static VfOffers *
look(const VfCli *cli, const VfFindQuery *query, char *const *paths, GError **error)
{
    g_autoptr(VfFinder) finder = vf_finder_new(query);

    for (char *const *path = paths; *path; path++)
        if (!look_at_path(finder, *path, error))
            return NULL;
    if (cli->hosts || !paths[0])
        look_at_hosts(cli, finder);
    return vf_finder_finish(finder);
}

/* --- for programs --- */

static JsonObject *
json_from_offer(const VfOffer *offer)
{
    JsonObject *object = json_object_new();

    vf_json_set_text(object, "host", offer->host);
    vf_json_set_text(object, "host_name", offer->name);
    json_object_set_string_member(object, "kind", offer->kind);
    json_object_set_string_member(object, "id", offer->id);
    json_object_set_string_member(object, "how", offer->how);
    vf_json_set_text(object, "type", offer->type);
    json_object_set_int_member(object, "left", (gint64)MIN(offer->left, G_MAXINT64));
    json_object_set_string_member(object, "verdict", vf_report_verdict_to_string(offer->verdict));
    vf_json_set_text(object, "code", offer->code);
    vf_json_set_text(object, "reason", offer->reason);
    json_object_set_member(object, "parameters", vf_model_view_values_json(offer->values));
    return object;
}

static JsonObject *
json_from_refusal(const VfRefusal *refusal)
{
    JsonObject *object = json_object_new();

    vf_json_set_text(object, "host", refusal->host);
    vf_json_set_text(object, "host_name", refusal->name);
    vf_json_set_text(object, "where", refusal->where);
    vf_json_set_text(object, "id", refusal->id);
    json_object_set_string_member(object, "code", refusal->code);
    json_object_set_string_member(object, "verdict", vf_report_verdict_to_string(refusal->verdict));
    json_object_set_string_member(object, "reason", refusal->reason);
    return object;
}

static gboolean
print_json(const VfOffers *offers, GError **error)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *found = json_array_new();
    JsonArray *refused = json_array_new();

    for (guint i = 0; i < offers->offers->len; i++)
        json_array_add_object_element(found, json_from_offer(offers->offers->pdata[i]));
    for (guint i = 0; i < offers->refusals->len; i++)
        json_array_add_object_element(refused, json_from_refusal(offers->refusals->pdata[i]));
    vf_json_set_text(object, "consumer", offers->consumer);
    json_object_set_object_member(object, "requirement",
                                  vf_report_view_requirement_json(offers->requirement));
    json_object_set_int_member(object, "hosts", (gint64)offers->hosts);
    json_object_set_int_member(object, "fitting", (gint64)offers->fitting);
    json_object_set_int_member(object, "fitting_hosts", (gint64)offers->fitting_hosts);
    json_object_set_array_member(object, "offers", found);
    json_object_set_array_member(object, "refusals", refused);
    return vf_json_print(json_node_init_object(json_node_alloc(), object), error);
}

/* --- for people --- */

static char *
format_values(GPtrArray *values)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < values->len; i++) {
        const VfValue *value = values->pdata[i];
        g_string_append_printf(text, "%s%s=%s", i > 0 ? "," : "", value->name,
                               value->value ? value->value : "?");
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
print_offers(const VfOffers *offers, gboolean colour)
{
    const char *titles[] = {_("HOST"),       _("OFFER"),   _("HOW"), _("LEFT"),
                            _("PARAMETERS"), _("VERDICT"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *text = NULL;

    for (guint i = 0; i < offers->offers->len; i++) {
        const VfOffer *offer = offers->offers->pdata[i];
        g_autofree char *values = format_values(offer->values);
        g_autofree char *left = g_strdup_printf("%" PRIu64, offer->left);

        vf_table_add(table, offer->name ? offer->name : offer->host);
        vf_table_add(table, offer->id);
        vf_table_add(table, offer->how);
        vf_table_add(table, left);
        vf_table_add(table, values);
        vf_table_add_styled(table, vf_report_verdict_to_string(offer->verdict),
                            vf_report_view_style(offer->verdict));
    }
    text = vf_table_format(table, colour);
    if (offers->offers->len > 0)
        g_print("%s", text);
    for (guint i = 0; i < offers->offers->len; i++) {
        const VfOffer *offer = offers->offers->pdata[i];
        g_autofree char *reason = offer->reason ? vf_text_printable(offer->reason) : NULL;

        if (reason)
            g_print("%s: %s: %s\n", offer->name ? offer->name : offer->host, offer->id, reason);
    }
}

/* The file or peer, where nobody could read the host's own name. */
static const char *
place_of(const VfRefusal *refusal)
{
    if (refusal->name)
        return refusal->name;
    if (refusal->where)
        return refusal->where;
    return refusal->host ? refusal->host : "?";
}

static void
print_refusals(const VfOffers *offers, gboolean colour)
{
    const char *titles[] = {_("REFUSED"), _("OFFER"), _("CODE"), _("WHY"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *text = NULL;

    for (guint i = 0; i < offers->refusals->len; i++) {
        const VfRefusal *refusal = offers->refusals->pdata[i];

        vf_table_add(table, place_of(refusal));
        vf_table_add(table, refusal->id);
        vf_table_add_styled(table, refusal->code, VF_STYLE_WARN);
        vf_table_add(table, refusal->reason);
    }
    text = vf_table_format(table, colour);
    if (offers->refusals->len > 0)
        g_print("%s%s", offers->offers->len > 0 ? "\n" : "", text);
}

/* Nobody knows what such hosts would have had. */
static guint64
count_unseen(const VfOffers *offers)
{
    guint64 n = 0;

    for (guint i = 0; i < offers->refusals->len; i++) {
        const char *code = ((const VfRefusal *)offers->refusals->pdata[i])->code;
        if (g_str_equal(code, VF_OFFERS_CODE_UNREADABLE) ||
            g_str_equal(code, VF_OFFERS_CODE_UNREACHABLE))
            n++;
    }
    return n;
}

static void
print_summary_of_none(const VfOffers *offers, const char *what)
{
    guint64 unseen = count_unseen(offers);

    if (unseen == 0 && offers->hosts == 1)
        g_print(_("The host cannot take %s."), what);
    else if (unseen == 0)
        g_print(_("None of %" PRIu64 " hosts can take %s."), offers->hosts, what);
    else if (unseen < offers->hosts)
        g_print(_("No host that could be looked at can take %s; %" PRIu64 " of %" PRIu64
                  " could not be."),
                what, unseen, offers->hosts);
    else
        g_print(_("No host could be looked at, so nobody knows whether one can take %s."), what);
}

static void
print_summary(const VfOffers *offers)
{
    g_autofree char *what = vf_report_view_requirement(offers->requirement);
    const VfOffer *best = offers->offers->len > 0 ? offers->offers->pdata[0] : NULL;

    if (offers->fitting == 0)
        print_summary_of_none(offers, what);
    else if (best && best->verdict == VF_VERDICT_UNKNOWN)
        g_print(_("%" PRIu64 " of %" PRIu64 " hosts may be able to take %s; only trying tells."),
                offers->fitting_hosts, offers->hosts, what);
    else
        g_print(_("%" PRIu64 " of %" PRIu64 " hosts can take %s."), offers->fitting_hosts,
                offers->hosts, what);
    g_print("\n");
    if (offers->fitting > offers->offers->len)
        g_print(_("%u of %" PRIu64 " offers are shown; --limit shows more.\n"), offers->offers->len,
                offers->fitting);
}

/* --- the verb --- */

VfExit
vf_cmd_find_run(VfCli *cli, int argc, char **argv)
{
    g_autofree char *device = NULL;
    g_autofree char *consumer_text = NULL;
    g_autofree char *limit_text = NULL;
    gboolean refused = FALSE;
    const GOptionEntry entries[] = {
        {"for", 'f', 0, G_OPTION_ARG_STRING, &consumer_text,
         N_("Who is to use the device: vfio, qemu[=VERSION] or libvirt[=VERSION]"), N_("CONSUMER")},
        {"refused", 'r', 0, G_OPTION_ARG_NONE, &refused,
         N_("Show every refusal, not only the closest of each host without an offer"), NULL},
        {"limit", 'n', 0, G_OPTION_ARG_STRING, &limit_text,
         N_("Show so many offers, the best ones (default: 100)"), N_("N")},
        {"device", 'd', 0, G_OPTION_ARG_STRING, &device,
         N_("Which device of a cookie or capabilities document is meant"), N_("ID")},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(VfConsumer) consumer = NULL;
    g_autoptr(VfRequirement) requirement = NULL;
    g_autoptr(VfOffers) offers = NULL;
    VfFindQuery query = {0};
    guint64 limit = VF_FIND_LIMIT_DEFAULT;

    if (!vf_cli_parse_hosts(cli, "find", entries, &argc, &argv, 1, G_MAXINT - 1))
        return VF_EXIT_INPUT;
    if (consumer_text && !(consumer = vf_consumer_parse(consumer_text, &error)))
        return vf_exit_report_unanswered(error);
    if (limit_text && !vf_number_parse_u64(limit_text, "--limit", 1, LIMIT_MAX, &limit, &error))
        return vf_exit_report_unanswered(error);
    requirement = vf_documents_load_requirement(cli, argv[1], device, &query.devices, &error);
    if (!requirement)
        return vf_exit_report_unanswered(error);

    query.consumer = consumer;
    query.limit = (guint)limit;
    query.all_refusals = refused;
    query.requirement = requirement;
    offers = look(cli, &query, argv + 2, &error);
    if (!offers)
        return vf_exit_report_unanswered(error);

    if (!cli->json) {
        print_offers(offers, cli->colour);
        print_refusals(offers, cli->colour);
        if (vf_terminal_is_smart() || offers->fitting == 0)
            print_summary(offers);
    } else if (!print_json(offers, &error)) {
        return vf_exit_report_unanswered(error);
    }
    if (offers->offers->len > 0)
        return vf_report_view_exit(((const VfOffer *)offers->offers->pdata[0])->verdict);
    return count_unseen(offers) > 0 ? VF_EXIT_INPUT : VF_EXIT_FAILED;
}
