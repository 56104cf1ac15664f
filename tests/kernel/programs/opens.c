/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <glib.h>

/* Prints a line for each time that anybody opens a node of VFIO or of iommufd. The kernel tells of
 * inodes, so that it does not matter who opens them in which mount namespace. */

#define EVENTS (IN_OPEN | IN_CREATE | IN_MOVED_TO)

typedef struct {
    int fd;
    GHashTable *directories; /* watch descriptor -> path */
} Trace;

static gboolean
watch(Trace *trace, const char *path)
{
    int descriptor = inotify_add_watch(trace->fd, path, EVENTS | IN_ONLYDIR);

    if (descriptor >= 0)
        g_hash_table_insert(trace->directories, GINT_TO_POINTER(descriptor), g_strdup(path));
    return descriptor >= 0;
}

/* A directory, /dev/vfio/devices, is watched from when it comes. Of /dev itself only iommu counts.
 */
static void
report(Trace *trace, const struct inotify_event *event)
{
    const char *directory = g_hash_table_lookup(trace->directories, GINT_TO_POINTER(event->wd));
    g_autofree char *path = NULL;

    if (!directory || event->len == 0)
        return;
    path = g_build_filename(directory, event->name, NULL);
    if (g_str_equal(directory, "/dev") && !g_str_equal(event->name, "iommu"))
        return;
    if (event->mask & IN_ISDIR)
        watch(trace, path);
    else if (event->mask & IN_OPEN)
        printf("open %s\n", path);
}

static gboolean
read_events(Trace *trace)
{
    char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t length = read(trace->fd, buffer, sizeof buffer);
    const char *next = buffer;

    while (length > 0 && next < buffer + length) {
        const struct inotify_event *event = (const struct inotify_event *)next;

        report(trace, event);
        next += sizeof *event + event->len;
    }
    return length > 0 && fflush(stdout) == 0;
}

int
main(void)
{
    Trace trace = {inotify_init1(IN_CLOEXEC), g_hash_table_new_full(NULL, NULL, NULL, g_free)};

    if (!watch(&trace, "/dev") || !watch(&trace, "/dev/vfio")) {
        fprintf(stderr, "opens: %s\n", strerror(errno));
        return 1;
    }
    watch(&trace, "/dev/vfio/devices"); /* or later */
    printf("watching\n");
    fflush(stdout);
    while (read_events(&trace))
        continue;
    return 1;
}
