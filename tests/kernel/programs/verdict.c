/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vferry says of devices, from the capabilities of their hosts alone:
 *
 *     verdict CAPABILITIES UUID [CAPABILITIES UUID]…
 *
 * prints a line for each ordered pair of them: the UUIDs of source and destination, the verdict,
 * and the codes of what speaks against it. */
#include "config.h"

#include <stdio.h>

#include "xml/host/capabilities.h"
#include "xml/compare/compare.h"

static VfCapabilities *
read_capabilities(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    VfCapabilities *capabilities = NULL;

    if (g_file_get_contents(path, &text, NULL, &error))
        capabilities = vf_capabilities_parse(text, -1, path, &error);
    if (!capabilities)
        g_error("%s", error->message);
    return capabilities;
}

/* One device and the schema of its host. */
typedef struct {
    const VfCapabilitiesDevice *device;
    VfModel *model;
} Side;

static Side
find_side(const VfCapabilities *host, const char *id)
{
    Side side = {NULL, NULL};

    for (guint i = 0; i < host->devices->len; i++) {
        const VfCapabilitiesDevice *device = host->devices->pdata[i];
        if (g_str_equal(device->id, id))
            side.device = device;
    }
    if (side.device && side.device->model)
        side.model = vf_capabilities_find_model(host, side.device->model);
    if (!side.model)
        g_error("there is no device %s with a model", id);
    return side;
}

static void
compare(const Side *source, const Side *destination)
{
    g_autoptr(VfRequirement) requirement =
        vf_requirement_new_for_device(source->model, source->device->values);
    GPtrArray *known = destination->device->values;
    g_autoptr(VfReport) report =
        vf_compare_requirement(requirement, destination->model, known, NULL);

    if (report->verdict != vf_compare_verdict(requirement, destination->model, known, NULL))
        g_error("the report and the short way differ");
    printf("%s %s %s", source->device->id, destination->device->id,
           vf_report_verdict_to_string(report->verdict));
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        if (line->verdict == report->verdict && line->verdict != VF_VERDICT_IDENTICAL)
            printf(" %s%s%s", line->code, line->name ? ":" : "", line->name ? line->name : "");
    }
    printf("\n");
}

int
main(int argc, char **argv)
{
    g_autoptr(GHashTable) hosts =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)vf_capabilities_free);
    g_autoptr(GArray) sides = g_array_new(FALSE, FALSE, sizeof(Side));

    if (argc < 3 || argc % 2 == 0) {
        fprintf(stderr, "usage: verdict CAPABILITIES UUID [CAPABILITIES UUID]…\n");
        return 3;
    }
    for (int i = 1; i < argc; i += 2) {
        if (!g_hash_table_contains(hosts, argv[i]))
            g_hash_table_insert(hosts, argv[i], read_capabilities(argv[i]));
        Side side = find_side(g_hash_table_lookup(hosts, argv[i]), argv[i + 1]);
        g_array_append_val(sides, side);
    }
    for (guint i = 0; i < sides->len; i++)
        for (guint j = 0; j < sides->len; j++)
            compare(&g_array_index(sides, Side, i), &g_array_index(sides, Side, j));
    return 0;
}
