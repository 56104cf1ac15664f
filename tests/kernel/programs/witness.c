/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells all that an outsider can know about one host, in one go: what the daemon says of jobs and
 * leases, what the records say, what the kernel says of devices, and which processes have what
 * open. It starts nothing and changes nothing. One fact in each line, its kind first:
 *
 *   clock NS                       CLOCK_MONOTONIC, the clock of the histories
 *   daemon PID FDS DEVICE-FDS      not there while nobody has the bus name
 *   mover PID                      of any worker that a job is handed to
 *   qemu PID                       of a nested guest
 *   job UUID ROLE RESULT PHASE STATES   “-” for none; states of its devices, with commas
 *   why UUID ROLE MESSAGE
 *   lease JOB STATE
 *   domain NAME STATE
 *   mdev UUID STATE                as the test device shows it
 *   record NAME EVENT              for each line, in order
 *   history NS UUID STATE
 */
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS "/var/lib/vferry/jobs"
#define MDEVS "/sys/bus/mdev/devices"
#define HISTORY "/sys/devices/virtual/vferry_testdev/vferry_testdev/history"
#define BUS_NAME "org.vferry1"
#define CALL_MS 3000

static const char *
lookup_string(GVariant *properties, const char *name)
{
    const char *text = NULL;

    (void)g_variant_lookup(properties, name, "&s", &text);
    return text && text[0] ? text : "-";
}

static void
print_processes(void)
{
    static const char *const workers[] = {"vferry-mover", "vferry-guest", NULL};
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *pid;

    while (dir && (pid = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename("/proc", pid, "comm", NULL);
        g_autofree char *comm = NULL;

        if (!g_ascii_isdigit(pid[0]) || !g_file_get_contents(path, &comm, NULL, NULL))
            continue;
        if (g_strv_contains(workers, g_strchomp(comm)))
            printf("mover %s\n", pid);
        else if (g_str_equal(comm, "nested-qemu"))
            printf("qemu %s\n", pid);
    }
}

static void
print_daemon(guint32 pid)
{
    g_autofree char *folder = g_strdup_printf("/proc/%u/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    guint n = 0, devices = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        n++;
        devices += target && (strstr(target, "vfio-device") || strstr(target, "/dev/vfio/"));
    }
    printf("daemon %u %u %u\n", pid, n, devices);
}

static void
print_job(GVariant *properties)
{
    g_autoptr(GVariant) devices =
        g_variant_lookup_value(properties, "Devices", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GString) states = g_string_new(NULL);
    const char *uuid = lookup_string(properties, "Uuid");
    const char *role = lookup_string(properties, "Role");
    const char *message = "";
    gsize n = devices ? g_variant_n_children(devices) : 0;

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) device = g_variant_get_child_value(devices, i);

        g_string_append_printf(states, "%s%s", i ? "," : "", lookup_string(device, "state"));
    }
    printf("job %s %s %s %s %s\n", uuid, role, lookup_string(properties, "Result"),
           lookup_string(properties, "Phase"), states->len ? states->str : "-");
    if (g_variant_lookup(properties, "Error", "(&s&s)", NULL, &message) && message[0])
        printf("why %s %s %s\n", uuid, role, message);
}

static void
print_lease(GVariant *properties)
{
    printf("lease %s %s\n", lookup_string(properties, "JobUuid"),
           lookup_string(properties, "State"));
}

static void
print_objects(GVariant *reply)
{
    g_autoptr(GVariantIter) objects = NULL;
    GVariant *interfaces;

    g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
    while (g_variant_iter_next(objects, "{&o@a{sa{sv}}}", NULL, &interfaces)) {
        g_autoptr(GVariant) owned = interfaces;
        g_autoptr(GVariant) job =
            g_variant_lookup_value(owned, BUS_NAME ".Job", G_VARIANT_TYPE_VARDICT);
        g_autoptr(GVariant) lease =
            g_variant_lookup_value(owned, BUS_NAME ".Lease", G_VARIANT_TYPE_VARDICT);

        g_autoptr(GVariant) domain =
            g_variant_lookup_value(owned, BUS_NAME ".Domain", G_VARIANT_TYPE_VARDICT);

        if (domain)
            printf("domain %s %s\n", lookup_string(domain, "Name"), lookup_string(domain, "State"));
        if (job)
            print_job(job);
        if (lease)
            print_lease(lease);
    }
}

static GVariant *
call(GDBusConnection *bus, const char *name, const char *path, const char *interface,
     const char *method, GVariant *args)
{
    return g_dbus_connection_call_sync(bus, name, path, interface, method, args, NULL,
                                       G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_MS, NULL, NULL);
}

static void
print_bus(void)
{
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, NULL);
    g_autoptr(GVariant) pid = NULL;
    g_autoptr(GVariant) objects = NULL;
    guint32 number;

    if (!bus)
        return;
    pid = call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
               "GetConnectionUnixProcessID", g_variant_new("(s)", BUS_NAME));
    objects = call(bus, BUS_NAME, "/org/vferry1", "org.freedesktop.DBus.ObjectManager",
                   "GetManagedObjects", NULL);
    if (!pid || !objects)
        return;
    g_variant_get(pid, "(u)", &number);
    print_daemon(number);
    print_objects(objects);
}

static void
print_lines(const char *kind, const char *path, gboolean first_word_only)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (first_word_only)
            (*line)[strcspn(*line, " ")] = '\0';
        if ((*line)[0] != '\0')
            printf("%s %s\n", kind, *line);
    }
}

static void
print_records(void)
{
    g_autoptr(GDir) dir = g_dir_open(JOBS, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(JOBS, name, NULL);
        g_autofree char *kind = g_strdup_printf("record %s", name);

        print_lines(kind, path, TRUE);
    }
}

static void
print_mdevs(void)
{
    g_autoptr(GDir) dir = g_dir_open(MDEVS, 0, NULL);
    const char *uuid;

    while (dir && (uuid = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(MDEVS, uuid, "testdev", "migration_state", NULL);
        g_autofree char *state = NULL;

        (void)g_file_get_contents(path, &state, NULL, NULL);
        printf("mdev %s %s\n", uuid, state ? g_strchomp(state) : "-");
    }
}

int
main(void)
{
    print_bus();
    print_processes();
    print_records();
    print_mdevs();
    print_lines("history", HISTORY, FALSE);
    printf("clock %" G_GINT64_FORMAT "000\n", g_get_monotonic_time());
    return 0;
}
