/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "documents.h"
#include "error.h"
#include "explain.h"
#include "json.h"
#include "model-folders.h"

static VfExit
print(const VfCli *cli, const VfExplanation *explanation, const char *kind, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *sentences = NULL;

    if (!cli->json) {
        for (guint i = 0; i < explanation->sentences->len; i++)
            g_print("%s\n", (const char *)explanation->sentences->pdata[i]);
        return VF_EXIT_DONE;
    }
    sentences = json_array_new();
    for (guint i = 0; i < explanation->sentences->len; i++) {
        g_autofree char *sentence = g_strdup(explanation->sentences->pdata[i]);
        json_array_add_string_element(sentences, g_strstrip(sentence));
    }
    json_object_set_string_member(object, "kind", kind);
    json_object_set_string_member(object, "id", id);
    json_object_set_array_member(object, "parameters", json_array_ref(explanation->parameters));
    json_object_set_array_member(object, "sentences", sentences);
    if (!vf_json_print(json_node_init_object(json_node_alloc(), object), &error))
        return vf_exit_report(error, NULL, NULL);
    return VF_EXIT_DONE;
}

static VferryModel *
find_model(VfBus *bus, const char *id)
{
    g_autoptr(GPtrArray) models = vf_bus_list(bus, "org.vferry1.Model", "Id", NULL);

    for (guint i = 0; models && i < models->len; i++)
        if (g_strcmp0(vferry_model_get_id(models->pdata[i]), id) == 0)
            return g_object_ref(models->pdata[i]);
    return NULL;
}

static VfExit
explain_device(const VfCli *cli, VfBus *bus, VferryDevice *proxy)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfExplanation) explanation = vf_explanation_new();
    g_autoptr(VfCapabilities) host = vf_documents_ask_capabilities(cli, cli->host, &error);
    const VfCapabilitiesDevice *device =
        host ? vf_documents_find_device(host, vferry_device_get_id(proxy), &error) : NULL;
    g_autoptr(VferryModel) model = NULL;

    if (!device)
        return vf_exit_report(error, NULL, NULL);
    model = device->model ? find_model(bus, device->model) : NULL;
    vf_explain_device(explanation, host, device, model);
    return print(cli, explanation, "device", device->id);
}

static VfExit
explain_on_bus(const VfCli *cli, const char *what)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = vf_bus_new(cli, cli->host, &error);
    g_autoptr(GDBusProxy) proxy = NULL;
    g_autoptr(VfExplanation) explanation = vf_explanation_new();

    if (!bus) {
        /* a path in sysfs has a “/”, too, but begins with it */
        if (!cli->host && *what != '/' && strchr(what, '/'))
            g_prefix_error(&error,
                           _("no descriptor here describes a model “%s”, and no daemon tells: "),
                           what);
        return vf_exit_report(error, NULL, NULL);
    }
    proxy = vf_bus_find(bus, what, VF_KIND_ANY, &error);
    if (!proxy)
        return vf_bus_report(bus, error, NULL);
    if (VFERRY_IS_DEVICE(proxy))
        return explain_device(cli, bus, VFERRY_DEVICE(proxy));
    if (!VFERRY_IS_MODEL(proxy)) {
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("“%s” is neither a device nor a model"), what);
        return vf_bus_report(bus, error, NULL);
    }
    vf_explain_remote_model(explanation, VFERRY_MODEL(proxy));
    return print(cli, explanation, "model", vferry_model_get_id(VFERRY_MODEL(proxy)));
}

VfExit
vf_cmd_explain_run(VfCli *cli, int argc, char **argv)
{
    g_auto(GStrv) directories = vf_models_default_directories();
    g_autoptr(VfModels) models = NULL;
    g_autoptr(VfExplanation) explanation = vf_explanation_new();
    const VfModel *model = NULL;

    if (!vf_cli_parse(cli, "explain", NULL, &argc, &argv, 1, 1))
        return VF_EXIT_INPUT;
    if (!cli->host) {
        models = vf_models_load((const char *const *)directories);
        model = vf_models_find(models, argv[1]);
    }
    if (!model)
        return explain_on_bus(cli, argv[1]);
    /* the descriptors here say more than a daemon does, and need none */
    vf_explain_model(explanation, model);
    return print(cli, explanation, "model", model->id);
}
