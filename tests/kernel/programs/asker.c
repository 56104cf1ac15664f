/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has the kernel asked, through vferry-accept, about a device that another process has open:
 *
 *     asker [OPTION…] PID UUID
 *
 * Ends with 1 without an answer. */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "io.h"
#include "names.h"
#include "number.h"

typedef struct {
    AskWay way;
    int deadline_ms;
    int uid;
    char *socket;
    gboolean forbidden;
    gboolean other_inode;
} Options;

static gboolean
parse(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options->socket, "Ask who listens there", "PATH"},
        {"deadline", 0, 0, G_OPTION_ARG_INT, &options->deadline_ms, "(default: 20000)", "MS"},
        {"uid", 0, 0, G_OPTION_ARG_INT, &options->uid, "of who attached it (default: 0)", "UID"},
        {"powerless", 0, 0, G_OPTION_ARG_NONE, &options->way.powerless, "Without CAP_SYS_PTRACE",
         NULL},
        {"forbidden", 0, 0, G_OPTION_ARG_NONE, &options->forbidden, "The administrator says no",
         NULL},
        {"other-inode", 0, 0, G_OPTION_ARG_NONE, &options->other_inode,
         "The lease's device had this name before", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("PID UUID");

    options->deadline_ms = 20000;
    g_option_context_add_main_entries(context, entries, NULL);
    return g_option_context_parse(context, argc, argv, error);
}

static int
fail(const char *message)
{
    fprintf(stderr, "asker: %s\n", message);
    return 1;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_auto(GVariantDict) args = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *path = NULL;
    Options options = {0};
    struct stat info;
    guint64 pid;
    vf_autofd int pidfd = -1;

    if (!parse(&options, &argc, &argv, &error))
        return fail(error->message);
    if (argc != 3 || !vf_number_parse_u64(argv[1], "PID", 1, G_MAXINT32, &pid, &error))
        return fail(error ? error->message : "which process and device?");
    path = g_build_filename(VF_SYSFS_MDEV_BUS_DEVICES, argv[2], NULL);
    pidfd = pidfd_open((pid_t)pid, 0);
    if (pidfd < 0 || stat(path, &info) < 0)
        return fail(g_strerror(errno));
    options.way.socket = options.socket;
    options.way.deadline_ms = (guint)options.deadline_ms;
    g_variant_dict_insert(&args, "path", "s", path);
    g_variant_dict_insert(&args, "inode", "t",
                          (guint64)info.st_ino + (options.other_inode ? 1 : 0));
    g_variant_dict_insert(&args, "uid", "u", (guint32)options.uid);
    g_variant_dict_insert(&args, "allowed", "b", !options.forbidden);
    if (ask(&options.way, "accept-from-process", g_variant_dict_end(&args), pidfd, &error))
        return 0;
    return error ? fail(error->message) : 1;
}
