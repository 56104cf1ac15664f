/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

/* A fuzz target without a fuzzer: replay FOLDER runs it over every file there. */

static void
replay(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, &error)) {
        printf("Bail out! %s\n", error->message);
        exit(1);
    }
    printf("# %s\n", path); /* the last one is what did it */
    fflush(stdout);
    LLVMFuzzerTestOneInput((const guint8 *)data, size);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = argc == 2 ? g_dir_open(argv[1], 0, &error) : NULL;
    const char *name;
    guint n = 0;

    if (!dir) {
        printf("Bail out! %s\n", error ? error->message : "usage: replay FOLDER");
        return 1;
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        replay(path);
        n++;
    }
    printf("1..1\n%sok 1 - %u inputs of the corpus\n", n > 0 ? "" : "not ", n);
    return 0;
}
