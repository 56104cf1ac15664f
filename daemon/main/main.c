/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>
#include <stdlib.h>

#include <glib-unix.h>
#include <glib/gi18n.h>

#include "daemon.h"
#include "drivers.h"

typedef struct {
    GMainLoop *loop;
    int status;
} Run;

static gboolean
on_signal(gpointer data)
{
    Run *run = data;

    g_main_loop_quit(run->loop);
    return G_SOURCE_CONTINUE;
}

static void
on_finished(VfDaemon *daemon, gboolean success, Run *run)
{
    if (!success)
        run->status = EXIT_FAILURE;
    g_main_loop_quit(run->loop);
}

static int
run_daemon(gboolean fake)
{
    g_autoptr(GPtrArray) drivers = vf_drivers_new(fake);
    g_autoptr(VfDaemon) daemon = vf_daemon_new(drivers);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    Run run = {loop, EXIT_SUCCESS};

    g_unix_signal_add(SIGTERM, on_signal, &run);
    g_unix_signal_add(SIGINT, on_signal, &run);
    g_signal_connect(daemon, "finished", G_CALLBACK(on_finished), &run);
    if (!vf_daemon_start(daemon, &error)) {
        g_warning("cannot start: %s", error->message);
        return EXIT_FAILURE;
    }
    g_main_loop_run(loop);
    vf_daemon_stop(daemon);
    return run.status;
}

int
main(int argc, char **argv)
{
    gboolean version = FALSE, verbose = FALSE, fake = FALSE;
    const GOptionEntry options[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, N_("Print the version and exit"), NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, N_("Log what is going on"), NULL},
        {"driver-fake", 0, 0, G_OPTION_ARG_NONE, &fake,
         N_("Tests only: also offer the driver that only pretends"), NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    g_option_context_set_summary(context, _("Finds VFIO devices and moves them between hosts."));
    g_option_context_add_main_entries(context, options, GETTEXT_PACKAGE);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        g_printerr("vferryd: %s\n", error ? error->message : _("it takes no arguments"));
        return 3;
    }
    if (version) {
        g_print("vferryd %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    g_log_writer_default_set_use_stderr(TRUE);
    g_log_set_debug_enabled(verbose);
    return run_daemon(fake);
}
