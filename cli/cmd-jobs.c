/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "bus.h"
#include "json.h"
#include "table.h"
#include "text-view.h"

static const char *
override_of(VferryJob *job)
{
    const char *reason = vferry_job_get_override(job);

    return reason ? reason : ""; /* of a daemon that knows none */
}

static gboolean
has_override(GPtrArray *jobs)
{
    for (guint i = 0; i < jobs->len; i++)
        if (override_of(g_ptr_array_index(jobs, i))[0] != '\0')
            return TRUE;
    return FALSE;
}

static char *
format_jobs(GPtrArray *jobs, gboolean colour)
{
    gboolean overridden = has_override(jobs);
    const char *titles[] = {
        _("JOB"),   _("OPERATION"), _("ROLE"),    _("PHASE"),
        _("MOVED"), _("RATE"),      _("STARTED"), overridden ? _("OVERRIDDEN BECAUSE") : NULL,
        NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);

    for (guint i = 0; i < jobs->len; i++) {
        VferryJob *job = g_ptr_array_index(jobs, i);
        const char *result = vferry_job_get_result(job);
        gboolean runs = !result || result[0] == '\0';
        g_autofree char *done = vf_text_bytes(vferry_job_get_bytes_done(job));
        g_autofree char *total = vf_text_bytes(vferry_job_get_bytes_total(job));
        g_autofree char *moved = g_strdup_printf(_("%s of %s"), done, total);
        g_autofree char *rate = runs ? vf_text_rate(vferry_job_get_rate(job)) : NULL;
        g_autofree char *started = vf_text_time(vferry_job_get_start_time(job));

        vf_table_add(table, vferry_job_get_uuid(job));
        vf_table_add(table, vferry_job_get_operation(job));
        vf_table_add(table, vferry_job_get_role(job));
        vf_table_add_styled(table, runs ? vferry_job_get_phase(job) : result,
                            runs ? VF_STYLE_PLAIN : vf_terminal_style_of(result));
        vf_table_add(table, moved);
        vf_table_add(table, rate);
        vf_table_add(table, started);
        if (overridden)
            vf_table_add_styled(table, override_of(job), VF_STYLE_WARN);
    }
    return vf_table_format(table, colour);
}

VfExit
vf_cmd_jobs_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(GPtrArray) jobs = NULL;
    g_autofree char *text = NULL;

    if (!vf_cli_parse(cli, "jobs", NULL, &argc, &argv, 0, 0))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    jobs = vf_bus_list(bus, "org.vferry1.Job", "StartTime", &error);
    if (!jobs)
        return vf_bus_report(bus, error, NULL);
    if (cli->json) {
        if (!vf_json_print(vf_json_from_list("jobs", jobs), &error))
            return vf_exit_report(error, NULL, NULL);
        return VF_EXIT_DONE;
    }
    text = format_jobs(jobs, cli->colour);
    if (jobs->len > 0)
        g_print("%s", text);
    else if (vf_terminal_is_smart())
        g_print("%s\n", _("There are no jobs."));
    return VF_EXIT_DONE;
}
