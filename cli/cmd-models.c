/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "cli.h"
#include "error.h"
#include "json.h"
#include "model-view.h"
#include "model-xml.h"
#include "output.h"
#include "program-models.h"
#include "table.h"
#include "text-view.h"

static VfModels *
load(const char *const *extra)
{
    g_auto(GStrv) directories = vf_models_default_directories();

    return vf_models_load_with(extra, (const char *const *)directories);
}

static VfModels *
load_all(void)
{
    static const char *const none[] = {NULL};

    return load(none);
}

static VfExit
print_json(JsonObject *object, VfExit status)
{
    g_autoptr(GError) error = NULL;

    if (!vf_json_print(json_node_init_object(json_node_alloc(), object), &error))
        status = vf_exit_report(error, NULL, NULL);
    json_object_unref(object);
    return status;
}

/* --- list --- */

static void
print_problems(const VfModels *models)
{
    for (guint i = 0; i < models->problems->len; i++) {
        const VfModelsProblem *problem = models->problems->pdata[i];
        g_autofree char *message = vf_text_printable(problem->message);

        g_printerr("vferryctl: %s\n", message);
    }
}

static void
print_list(const VfModels *models, gboolean colour)
{
    const char *titles[] = {_("MODEL"), _("PARAMETERS"), _("MIGRATES"), _("FILE"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *text = NULL;

    for (guint i = 0; i < models->models->len; i++) {
        const VfModel *model = models->models->pdata[i];
        g_autoptr(GString) names = g_string_new(NULL);

        for (guint j = 0; j < model->parameters->len; j++) {
            const VfParameter *parameter = model->parameters->pdata[j];
            g_string_append_printf(names, "%s%s", j > 0 ? ", " : "", parameter->name);
        }
        vf_table_add(table, model->id);
        vf_table_add(table, names->str);
        vf_table_add_styled(table, model->not_migratable ? _("never") : NULL, VF_STYLE_WARN);
        vf_table_add(table, model->file);
    }
    text = vf_table_format(table, colour);
    g_print("%s", text);
}

static VfExit
list(const VfCli *cli)
{
    g_autoptr(VfModels) models = load_all();
    JsonObject *object;
    JsonArray *all, *problems;

    if (!cli->json) {
        print_list(models, cli->colour);
        print_problems(models);
        return VF_EXIT_DONE;
    }
    object = json_object_new();
    all = json_array_new();
    problems = json_array_new();
    for (guint i = 0; i < models->models->len; i++)
        json_array_add_element(all, vf_model_view_json(models->models->pdata[i]));
    for (guint i = 0; i < models->problems->len; i++)
        json_array_add_element(problems, vf_model_view_problem_json(models->problems->pdata[i]));
    json_object_set_array_member(object, "models", all);
    json_object_set_array_member(object, "problems", problems);
    return print_json(object, VF_EXIT_DONE);
}

/* --- show --- */

static VfExit
show(const VfCli *cli, const char *id, gboolean xml)
{
    g_autoptr(VfModels) models = load_all();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    const VfModel *model = vf_models_find(models, id);

    if (!model) {
        print_problems(models);
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("no descriptor here describes a model “%s”"), id);
        return vf_exit_report(error, NULL, NULL);
    }
    if (xml) {
        text = vf_model_format(model);
        (void)vf_output_print(text, &error);
    } else if (cli->json) {
        (void)vf_json_print(vf_model_view_json(model), &error);
    } else {
        vf_model_view_print(model, cli->colour);
    }
    return error ? vf_exit_report(error, NULL, NULL) : VF_EXIT_DONE;
}

/* All that a program knows, or the one of them that is called @id. */
static VfExit
show_program(const VfCli *cli, const char *program, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) models = vf_program_read_models(program, &error);
    g_autoptr(JsonArray) all = json_array_new();
    guint shown = 0;
    JsonObject *object;

    for (guint i = 0; models && i < models->len; i++) {
        const VfModel *model = models->pdata[i];

        if (id && !vf_model_is(model, id))
            continue;
        if (!cli->json && shown > 0)
            g_print("\n");
        if (cli->json)
            json_array_add_element(all, vf_model_view_json(model));
        else
            vf_model_view_print(model, cli->colour);
        shown++;
    }
    if (models && shown == 0)
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("“%s” has no model “%s”"),
                    program, id ? id : "*");
    if (error)
        return vf_exit_report(error, NULL, NULL);
    if (!cli->json)
        return VF_EXIT_DONE;
    object = json_object_new();
    json_object_set_array_member(object, "models", g_steal_pointer(&all));
    return print_json(object, VF_EXIT_DONE);
}

/* --- check --- */

/* What is said of a file, as vf_model_view_problem_json(). */
static JsonArray *
of_file(GPtrArray *list, const char *file)
{
    JsonArray *problems = json_array_new();

    for (guint i = 0; i < list->len; i++) {
        const VfModelsProblem *problem = list->pdata[i];

        if (g_str_equal(problem->file, file))
            json_array_add_element(problems, vf_model_view_problem_json(problem));
    }
    return problems;
}

static void
print_file(JsonArray *problems)
{
    for (guint i = 0; i < json_array_get_length(problems); i++) {
        JsonObject *problem = json_array_get_object_element(problems, i);
        g_autofree char *message =
            vf_text_printable(json_object_get_string_member(problem, "message"));

        g_printerr("%s\n", message);
    }
}

/* Takes @problems and @ignored. */
static JsonObject *
describe_file(const char *file, JsonArray *problems, JsonArray *ignored)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "file", file);
    json_object_set_boolean_member(object, "good", json_array_get_length(problems) == 0);
    json_object_set_array_member(object, "problems", problems);
    json_object_set_array_member(object, "ignored", ignored);
    return object;
}

static VfExit
check(const VfCli *cli, char **files)
{
    g_autoptr(VfModels) models = load((const char *const *)files);
    JsonObject *object = json_object_new();
    JsonArray *results = json_array_new();
    gboolean good = TRUE;

    for (char **file = files; *file; file++) {
        JsonArray *problems = of_file(models->problems, *file);
        JsonArray *ignored = of_file(models->ignored, *file);

        good = good && json_array_get_length(problems) == 0;
        if (!cli->json) {
            print_file(problems);
            print_file(ignored);
        }
        json_array_add_object_element(results, describe_file(*file, problems, ignored));
    }
    for (guint i = 0; i < models->problems->len; i++) {
        const VfModelsProblem *problem = models->problems->pdata[i];

        if (!problem->directory)
            continue;
        good = FALSE; /* what is in it may clash */
        if (!cli->json)
            g_printerr("%s\n", problem->message);
        json_array_add_object_element(
            results, describe_file(problem->file, of_file(models->problems, problem->file),
                                   json_array_new()));
    }
    json_object_set_boolean_member(object, "good", good);
    json_object_set_array_member(object, "files", results);
    if (cli->json)
        return print_json(object, good ? VF_EXIT_DONE : VF_EXIT_FAILED);
    json_object_unref(object);
    return good ? VF_EXIT_DONE : VF_EXIT_FAILED;
}

VfExit
vf_cmd_models_run(VfCli *cli, int argc, char **argv)
{
    gboolean xml = FALSE;
    g_autofree char *program = NULL;
    const GOptionEntry entries[] = {
        {"xml", 'x', 0, G_OPTION_ARG_NONE, &xml, N_("Print the whole descriptor of a model"), NULL},
        {"program", 'p', 0, G_OPTION_ARG_STRING, &program,
         N_("Ask a vfio-user program what it knows, with --print-migration-info-json"),
         N_("PROGRAM")},
        {NULL},
    };
    const char *what;

    if (!vf_cli_parse(cli, "models", entries, &argc, &argv, 1, G_MAXINT - 1))
        return VF_EXIT_INPUT;
    what = argv[1];

    if (cli->host)
        return vf_cli_usage("models", _("“models” looks at the files of this host; “vferryctl "
                                        "--host ADDRESS show MODEL” asks the daemon there"));

    if (g_str_equal(what, "show")) {
        if (xml && (cli->json || program))
            return vf_cli_usage("models", _("--xml is not together with --json or --program"));
        if (program && argc <= 3)
            return show_program(cli, program, argv[2]);
        if (argc != 3)
            return vf_cli_usage("models", _("“models show” wants one model's id"));
        return show(cli, argv[2], xml);
    }

    if (xml || program)
        return vf_cli_usage("models", _("--xml and --program are for “models show”"));
    if (g_str_equal(what, "list") && argc == 2)
        return list(cli);
    if (g_str_equal(what, "check") && argc >= 3)
        return check(cli, argv + 2);
    return vf_cli_usage("models",
                        _("It is “models list”, “models show ID” or “models check FILE…”"));
}
