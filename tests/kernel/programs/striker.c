/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits, in the guest, for a moment of a migration, and strikes within microseconds: at a line of a
 * job's record or at a state that the test device enters. From outside the guest both would be over
 * before anybody could act. With a real-time priority on a guest's one processor it runs before
 * the process that it woke up for.
 *
 * The arguments are steps:
 *   line SUFFIX EVENT   until a record made from now on, …SUFFIX, has the line EVENT
 *   state STATE         until a test device enters STATE, after the state waited for before
 *   loaded-runs         until a test device runs that was loaded from now on
 *   sleep MS
 *   kill, int, hup, stop, cont NAME,…   signals to all processes of these names
 *   catch NAME          stops the next process of this name as soon as it is there
 *   before SUFFIX EVENT says “late” if such a record has the line EVENT already
 *   write GLOB VALUE    into the attributes that match, of which there must be one
 *   say WORD            on standard output
 *   hear                until a line comes on standard input
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <glob.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOBS "/var/lib/vferry/jobs"
#define HISTORY "/sys/devices/virtual/vferry_testdev/vferry_testdev/history"
#define ROOM 65536
#define CATCH_US 500

typedef struct {
    int inotify;
    int history;
    GHashTable *old; /* names of records that were there before */
    guint64 since;   /* CLOCK_MONOTONIC, nanoseconds */
} Striker;

/* For a test's own program a failure is an end. */
static void G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN fail(const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("striker: %s\n", message);
    exit(2);
}

static void
list_records(GHashTable *names)
{
    g_autoptr(GDir) dir = g_dir_open(JOBS, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        g_hash_table_add(names, g_strdup(name));
}

static void
start(Striker *self)
{
    struct sched_param param = {.sched_priority = 50};

    self->since = (guint64)g_get_monotonic_time() * 1000;
    self->inotify = inotify_init1(IN_CLOEXEC);
    /* the daemon would make it with the same mode */
    (void)g_mkdir_with_parents(JOBS, 0700);
    if (inotify_add_watch(self->inotify, JOBS, IN_CREATE | IN_MODIFY) < 0)
        fail("%s: %s", JOBS, g_strerror(errno));
    self->history = open(HISTORY, O_RDONLY | O_CLOEXEC);
    if (self->history < 0)
        fail("%s: %s", HISTORY, g_strerror(errno));
    self->old = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    list_records(self->old);
    if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
        fail("SCHED_FIFO: %s", g_strerror(errno));
}

/* A record's lines begin with their event. */
static gboolean
has_line(const char *name, const char *event)
{
    g_autofree char *path = g_build_filename(JOBS, name, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return FALSE;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, event) && (*line)[strlen(event)] == ' ')
            return TRUE;
    return FALSE;
}

static gboolean
some_record_has(const Striker *self, const char *suffix, const char *event)
{
    g_autoptr(GHashTable) now = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer name;

    list_records(now);
    g_hash_table_iter_init(&iter, now);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(self->old, name) && g_str_has_suffix(name, suffix) &&
            has_line(name, event))
            return TRUE;
    return FALSE;
}

static void
wait_line(Striker *self, const char *suffix, const char *event)
{
    char events[4096];

    while (!some_record_has(self, suffix, event))
        if (read(self->inotify, events, sizeof events) <= 0)
            fail("inotify: %s", g_strerror(errno));
}

/* The strike that has just been made was not at its moment, whoever judges it should know. */
static void
say_if_late(const Striker *self, const char *suffix, const char *event)
{
    if (some_record_has(self, suffix, event))
        puts("late");
}

static char *
read_history(Striker *self)
{
    char *text = g_malloc0(ROOM);

    if (pread(self->history, text, ROOM - 1, 0) < 0)
        fail("%s: %s", HISTORY, g_strerror(errno));
    return text;
}

/* The time of the first line since the last one that was waited for: @state, and, if wanted, of a
 * device that was loading before; 0 when there is none yet. */
static guint64
find_state(const Striker *self, const char *text, const char *state, gboolean loaded)
{
    g_autoptr(GHashTable) loading = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 3);
        guint64 time = words[0] ? g_ascii_strtoull(words[0], NULL, 10) : 0;

        if (time <= self->since || g_strv_length(words) != 3)
            continue;
        if (g_str_equal(words[2], "resuming"))
            g_hash_table_add(loading, g_strdup(words[1]));
        if (g_str_equal(words[2], state) && (!loaded || g_hash_table_contains(loading, words[1])))
            return time;
    }
    return 0;
}

static void
wait_state(Striker *self, const char *state, gboolean loaded)
{
    struct pollfd watch = {.fd = self->history, .events = POLLPRI};
    guint64 found = 0;

    while (found == 0) {
        g_autofree char *text = read_history(self);

        found = find_state(self, text, state, loaded);
        if (found == 0 && poll(&watch, 1, -1) < 0)
            fail("poll: %s", g_strerror(errno));
    }
    self->since = found;
}

static gboolean
is_named(const char *pid, char **names)
{
    g_autofree char *path = g_build_filename("/proc", pid, "comm", NULL);
    g_autofree char *comm = NULL;

    if (!g_ascii_isdigit(pid[0]) || !g_file_get_contents(path, &comm, NULL, NULL))
        return FALSE;
    return g_strv_contains((const char *const *)names, g_strchomp(comm));
}

static guint
count_signalled(const char *list, int number)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *pid;
    guint n = 0;

    while (dir && (pid = g_dir_read_name(dir)))
        if (is_named(pid, names))
            n += kill((pid_t)g_ascii_strtoll(pid, NULL, 10), number) == 0;
    return n;
}

static void
signal_all(const char *list, int number)
{
    printf("signal %d to %u of %s\n", number, count_signalled(list, number), list);
}

/* One that has just been started has more to do before its first word than passes between two
 * looks. */
static void
catch_one(const char *name)
{
    while (count_signalled(name, SIGSTOP) == 0)
        g_usleep(CATCH_US);
    printf("caught %s\n", name);
}

static void
write_attribute(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        fail("%s: %s", path, g_strerror(errno));
    close(fd);
    printf("wrote %s to %s\n", value, path);
}

static void
write_attributes(const char *pattern, const char *value)
{
    glob_t found;

    if (glob(pattern, 0, NULL, &found) != 0)
        fail("nothing is called %s", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        write_attribute(found.gl_pathv[i], value);
    globfree(&found);
}

static void
hear(void)
{
    char byte = 0;

    while (byte != '\n')
        if (read(STDIN_FILENO, &byte, 1) <= 0)
            fail("nobody says when");
}

/* How many words the step took. */
static int
take_step(Striker *self, char **words)
{
    const char *verb = words[0], *first = words[1], *second = first ? words[2] : NULL;

    if (g_str_equal(verb, "hear"))
        return hear(), 1;
    if (g_str_equal(verb, "loaded-runs"))
        return wait_state(self, "running", TRUE), 1;
    if (!first)
        fail("step %s lacks a word", verb);
    if (g_str_equal(verb, "state"))
        return wait_state(self, first, FALSE), 2;
    if (g_str_equal(verb, "sleep"))
        return g_usleep((gulong)g_ascii_strtoull(first, NULL, 10) * 1000), 2;
    if (g_str_equal(verb, "kill"))
        return signal_all(first, SIGKILL), 2;
    if (g_str_equal(verb, "int"))
        return signal_all(first, SIGINT), 2;
    if (g_str_equal(verb, "hup"))
        return signal_all(first, SIGHUP), 2;
    if (g_str_equal(verb, "catch"))
        return catch_one(first), 2;
    if (g_str_equal(verb, "stop"))
        return signal_all(first, SIGSTOP), 2;
    if (g_str_equal(verb, "cont"))
        return signal_all(first, SIGCONT), 2;
    if (g_str_equal(verb, "say"))
        return puts(first), 2;
    if (!second)
        fail("step %s lacks a word", verb);
    if (g_str_equal(verb, "line"))
        return wait_line(self, first, second), 3;
    if (g_str_equal(verb, "write"))
        return write_attributes(first, second), 3;
    if (g_str_equal(verb, "before"))
        return say_if_late(self, first, second), 3;
    fail("there is no step %s", verb);
}

int
main(int argc, char **argv)
{
    Striker self = {0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    start(&self);
    puts("ready");
    for (int i = 1; i < argc;)
        i += take_step(&self, argv + i);
    puts("struck");
    return 0;
}
