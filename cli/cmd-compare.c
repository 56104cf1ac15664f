/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "capabilities-file.h"
#include "choice.h"
#include "documents.h"
#include "hosts.h"
#include "json.h"
#include "report-view.h"
#include "text-view.h"

typedef struct {
    VfCli *cli;
    char *device;
    char *object;
    char *consumer_text;
    VfConsumer *consumer;
    VfRequirement *requirement;
    JsonArray *results; /* NULL: for people */
    guint n;            /* destinations so far */
    VfExit status;      /* the worst so far */
} Comparison;

static void
clear_comparison(Comparison *self)
{
    g_free(self->device);
    g_free(self->object);
    g_free(self->consumer_text);
    g_clear_pointer(&self->consumer, vf_consumer_free);
    g_clear_pointer(&self->requirement, vf_requirement_unref);
    g_clear_pointer(&self->results, json_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Comparison, clear_comparison)

/* A destination that cannot be looked at is worse than one that does not fit, that one worse than
 * one of which nobody knows. */
static void
note_status(Comparison *self, VfExit status)
{
    static const guint badness[] = {[VF_EXIT_DONE] = 0,
                                    [VF_EXIT_UNKNOWN] = 1,
                                    [VF_EXIT_FAILED] = 2,
                                    [VF_EXIT_INPUT] = 3,
                                    [VF_EXIT_UNAUTHORIZED] = 4};

    if (badness[status] > badness[self->status])
        self->status = status;
}

static void
report_failure(Comparison *self, const char *where, const GError *error)
{
    g_autofree char *message = vf_exit_message(error);
    JsonObject *object;

    note_status(self, vf_exit_from_error(error) == VF_EXIT_UNAUTHORIZED ? VF_EXIT_UNAUTHORIZED
                                                                        : VF_EXIT_INPUT);
    g_printerr("vferryctl: %s\n", message);
    if (!self->results)
        return;
    object = json_object_new();
    json_object_set_string_member(object, "where", where);
    json_object_set_string_member(object, "error", message);
    json_array_add_object_element(self->results, object);
}

static void
add_result(Comparison *self, const VfCapabilities *host, const char *where, const VfChoice *choice)
{
    JsonObject *object = vf_report_view_json(choice->report);

    json_object_set_string_member(object, "where", where);
    json_object_set_string_member(object, "host", host->host_id);
    json_object_set_string_member(object, "host_name", host->host_name ? host->host_name : "");
    if (choice->object) {
        json_object_set_string_member(object, "object", choice->object);
        json_object_set_string_member(object, "how", choice->how);
    }
    json_array_add_object_element(self->results, object);
}

static void
print_result(Comparison *self, const VfCapabilities *host, const char *where,
             const VfChoice *choice)
{
    VfVerdict verdict = choice->report->verdict;
    VfStyle style = vf_report_view_style(verdict);
    g_autofree char *name = vf_text_printable(host->host_name ? host->host_name : where);
    g_autofree char *object = vf_text_printable(choice->object ? choice->object : "");

    g_print("%s%s: %s%s%s", self->n > 1 ? "\n" : "", name,
            vf_terminal_begin(style, self->cli->colour), vf_report_verdict_to_string(verdict),
            vf_terminal_end(style, self->cli->colour));
    if (choice->object && g_str_equal(choice->how, "create"))
        g_print(_(" (to create: %s)"), object);
    else if (choice->object)
        g_print(_(" (device %s)"), object);
    g_print("\n");
    vf_report_view_print(choice->report, self->cli->colour);
}

static void
compare_text(Comparison *self, const char *text, gsize size, const char *where)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfCapabilities) host = vf_capabilities_parse(text, (gssize)size, where, &error);
    g_auto(VfChoice) choice = {0};

    self->n++;
    if (host && !self->object)
        choice = vf_choice_of_host(self->requirement, host, self->consumer);
    else if (host && !vf_choice_of_object(self->requirement, host, self->object, VF_CHOICE_OF_ANY,
                                          self->consumer, &choice, &error))
        g_prefix_error(&error, "%s: ", where);
    if (error) {
        report_failure(self, where, error);
        return;
    }
    note_status(self, vf_report_view_exit(choice.report->verdict));
    if (self->results)
        add_result(self, host, where, &choice);
    else
        print_result(self, host, where, &choice);
}

static void
compare_file(Comparison *self, const char *file)
{
    g_autoptr(GError) error = NULL;
    gsize size;
    g_autofree char *text = vf_documents_read(file, &size, &error);

    if (text)
        compare_text(self, text, size, file);
    else
        report_failure(self, file, error);
}

static void
compare_path(Comparison *self, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = NULL;

    if (g_str_equal(path, "-")) {
        compare_file(self, path);
        return;
    }
    files = vf_capabilities_list_files(path, &error);
    if (!files)
        report_failure(self, path, error);
    for (guint i = 0; files && i < files->len; i++)
        compare_file(self, files->pdata[i]);
}

static void
compare_hosts(Comparison *self)
{
    g_autoptr(GPtrArray) answers = vf_hosts_ask(self->cli, self->cli->hosts);

    for (guint i = 0; i < answers->len; i++) {
        VfHostAnswer *answer = answers->pdata[i];

        if (answer->capabilities) {
            compare_text(self, answer->capabilities, strlen(answer->capabilities), answer->label);
        } else {
            vf_hosts_name_error(answer);
            report_failure(self, answer->label ? answer->label : _("this host"), answer->error);
        }
    }
}

VfExit
vf_cmd_compare_run(VfCli *cli, int argc, char **argv)
{
    g_auto(Comparison) self = {.cli = cli};
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = NULL;
    guint together;
    const GOptionEntry entries[] = {
        {"device", 'd', 0, G_OPTION_ARG_STRING, &self.device,
         N_("Which device of a cookie or capabilities document is meant"), N_("ID")},
        {"object", 'o', 0, G_OPTION_ARG_STRING, &self.object,
         N_("Compare with this device, parent or offer of the destination"), N_("ID")},
        {"for", 'f', 0, G_OPTION_ARG_STRING, &self.consumer_text,
         N_("Who is to use the device: vfio, qemu[=VERSION] or libvirt[=VERSION]"), N_("CONSUMER")},
        {NULL},
    };

    if (!vf_cli_parse_hosts(cli, "compare", entries, &argc, &argv, 1, G_MAXINT - 1))
        return VF_EXIT_INPUT;
    if (self.consumer_text && !(self.consumer = vf_consumer_parse(self.consumer_text, &error)))
        return vf_exit_report_unanswered(error);
    self.requirement = vf_documents_load_requirement(cli, argv[1], self.device, &together, &error);
    if (!self.requirement)
        return vf_exit_report_unanswered(error);

    if (cli->json)
        self.results = json_array_new();
    for (char **path = argv + 2; *path; path++)
        compare_path(&self, *path);
    if (cli->hosts || argc < 3)
        compare_hosts(&self);

    if (!self.results)
        return self.status;
    object = json_object_new();
    json_object_set_object_member(object, "requirement",
                                  vf_report_view_requirement_json(self.requirement));
    json_object_set_array_member(object, "destinations", g_steal_pointer(&self.results));
    if (!vf_json_print(json_node_init_object(json_node_alloc(), object), &error))
        return vf_exit_report_unanswered(error);
    return self.status;
}
