/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "choose.h"
#include "provider-rig.h"

/* What is made, recorded, undone and found again is so through the table of functions alone. */

static VfRequirement *
require(const char *ports)
{
    const VfModel *model = find_model();
    VfRequirement *requirement = vf_requirement_new(model->id, model->digest);

    vf_value_list_set(requirement->values, "ports", ports, "driver");
    return requirement;
}

static GVariant *
prepare(GError **error)
{
    g_autoptr(VfMigration) cookie = vf_migration_new(JOB, UUID);
    g_autoptr(VfRequirement) requirement = require("2");
    g_autofree char *text = NULL;
    GVariantBuilder options;

    vf_migration_add_device(cookie, UUID, requirement);
    text = vf_migration_format(cookie);
    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "address", g_variant_new_string("10.77.0.2"));
    return call(VF_OBJECT_ROOT, "org.vferry1.Manager", "Prepare",
                g_variant_new("(sa{sv})", text, &options), error);
}

static char *
get_state(const char *lease)
{
    g_autoptr(GVariant) value = NULL;
    g_autoptr(GVariant) reply = call(lease, "org.freedesktop.DBus.Properties", "Get",
                                     g_variant_new("(ss)", "org.vferry1.Lease", "State"), NULL);

    if (!reply)
        return g_strdup("gone");
    g_variant_get(reply, "(v)", &value);
    return g_variant_dup_string(value, NULL);
}

static void
wait_for_state(const char *lease, const char *expected)
{
    gint64 end = g_get_monotonic_time() + DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
    g_autofree char *state = get_state(lease);

    while (!g_str_equal(state, expected) && g_get_monotonic_time() < end) {
        g_free(state);
        state = get_state(lease);
    }
    g_assert_cmpstr(state, ==, expected);
}

static gboolean
has_lease(void)
{
    g_autoptr(GVariant) reply =
        call(VF_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, NULL);
    g_autofree char *text = g_variant_print(reply, FALSE);

    return strstr(text, VF_PATH_LEASE) != NULL;
}

/* What the job's record, or a creation's, says. NULL: there is none. */
static char *
read_record(const char *suffix)
{
    g_autofree char *path = g_build_filename(rig->state, "jobs", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    char *text = NULL;

    while (dir && !text && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        if (g_str_has_suffix(name, suffix))
            g_file_get_contents(file, &text, NULL, NULL);
    }
    return text;
}

static void
test_prepare_and_release(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) prepared = prepare(&error);
    g_autoptr(GVariant) released = NULL;
    g_autofree char *record = read_record(".destination");
    g_autofree char *after = NULL;
    const char *lease, *answer;

    g_assert_no_error(error);
    g_variant_get(prepared, "(&o&s@ay)", &lease, &answer, NULL);
    g_assert_nonnull(strstr(answer, "as=\"" VF_ID "\""));
    g_assert_nonnull(strstr(record, "'provider': <'pci'>"));
    g_assert_true(is_here());
    wait_for_state(lease, "ready");
    released = call(lease, "org.vferry1.Lease", "Release", g_variant_new("(a{sv})", NULL), &error);
    g_assert_no_error(error);
    wait_until(rig->removed == 1);
    g_assert_false(is_here());
    wait_for_state(lease, "gone");
    after = read_record(".destination");
    g_assert_nonnull(strstr(after, "undone"));
    g_assert_cmpuint(((VfParentType *)rig->types->pdata[0])->reserved, ==, 0);
}

/* What has come to be before it failed is removed before the caller hears of it. */
static void
test_create_fails(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;

    rig->fail = TRUE;
    g_assert_null(prepare(&error));
    g_assert_nonnull(strstr(error->message, "the pool is muddy"));
    g_assert_cmpuint(rig->made, ==, 1);
    g_assert_cmpuint(rig->removed, ==, 1);
    g_assert_false(is_here());
}

static void
test_no_room(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;

    ((VfParentType *)rig->types->pdata[0])->reserved = 1;
    g_assert_null(prepare(&error));
    g_assert_nonnull(strstr(error->message, "the pool is full"));
    g_assert_cmpuint(rig->made, ==, 0);
}

/* Shown, and tried again until it is done. */
static void
test_stuck(Rig *self, gconstpointer bus)
{
    g_autoptr(GVariant) prepared = prepare(NULL);
    g_autoptr(GVariant) released = NULL;
    const char *lease;

    g_variant_get(prepared, "(&o&s@ay)", &lease, NULL, NULL);
    rig->stuck = 1;
    released = call(lease, "org.vferry1.Lease", "Release", g_variant_new("(a{sv})", NULL), NULL);
    wait_until(rig->stuck == 0);
    wait_for_state(lease, "stuck");
    g_assert_true(is_here());
    wait_until(rig->removed == 1);
    wait_for_state(lease, "gone");
}

/* Nothing but the record knows of it. */
static void
test_recovery(Rig *self, gconstpointer bus)
{
    g_autoptr(GVariant) prepared = prepare(NULL);

    g_assert_nonnull(prepared);
    g_assert_true(has_lease());
    stop_daemon();
    g_assert_cmpuint(rig->removed, ==, 0);
    start_daemon();
    while (has_lease())
        ;
    g_assert_cmpuint(rig->removed, ==, 1);
    g_assert_false(is_here());
}

/* It runs here: it stays, and is removed when it leaves again. */
static void
test_completed(Rig *self, gconstpointer bus)
{
    g_autoptr(GVariant) prepared = prepare(NULL);
    g_autofree char *note = g_build_filename(rig->state, "created", VF_ID, NULL);

    g_assert_nonnull(prepared);
    vf_job_complete(rig->listening, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    while (!g_file_test(note, G_FILE_TEST_EXISTS))
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(rig->removed, ==, 0);
}

/* What comes before Prepare is answered is not lost. */
static void
test_at_once(Rig *self, gconstpointer bus)
{
    static const char *const states[] = {"attached", "loaded"};

    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) prepared = NULL;
        const char *lease;

        rig->at_once = TRUE;
        rig->ends = i > 0;
        prepared = prepare(&error);
        g_assert_no_error(error);
        g_variant_get(prepared, "(&o&s@ay)", &lease, NULL, NULL);
        wait_for_state(lease, states[i]);
        if (i > 0)
            break;
        vf_job_complete(rig->listening, vf_outcome_new(VF_RESULT_CANCELLED, NULL));
        wait_for_state(lease, "gone");
        stop_daemon(); /* the job is known to this one */
        empty_folder(rig->state);
        start_daemon();
    }
}

static void
add_events(const char *const *events)
{
    g_autofree char *path = g_build_filename(rig->state, "jobs", NULL);
    vf_autofd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(VfRecord) record = vf_record_open(dir, JOB ".destination", NULL);

    g_assert_nonnull(record);
    for (; *events; events++)
        g_assert_true(vf_record_append(record, *events, NULL, NULL));
}

/* The daemon ended before it noted what runs here: the next one knows it from the record. */
static void
test_completed_by_the_record(Rig *self, gconstpointer bus)
{
    g_autoptr(GVariant) prepared = prepare(NULL);
    g_autofree char *note = g_build_filename(rig->state, "created", VF_ID, NULL);
    gint64 end = g_get_monotonic_time() + DEADLINE_MS * G_TIME_SPAN_MILLISECOND;

    g_assert_nonnull(prepared);
    stop_daemon();
    add_events((const char *const[]){"loaded", "commit", "started", NULL});
    start_daemon();
    while (!g_file_test(note, G_FILE_TEST_EXISTS) && g_get_monotonic_time() < end)
        g_usleep(1000);
    g_assert_true(g_file_test(note, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(rig->removed, ==, 0);
}

static void
test_create_and_remove(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *device = create_device(&error);
    g_autoptr(GVariant) removed = NULL;

    g_assert_no_error(error);
    g_assert_true(is_here());
    removed = call(device, "org.vferry1.Device", "Remove", g_variant_new("(a{sv})", NULL), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rig->removed, ==, 1);
}

static void
test_create_device_fails(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;

    rig->fail = TRUE;
    g_assert_null(create_device(&error));
    g_assert_cmpuint(rig->made, ==, 1);
    g_assert_cmpuint(rig->removed, ==, 1);
}

/* Whose removal did not end: the record stays, and the next daemon goes on with it. */
static void
test_creation_left_behind(Rig *self, gconstpointer bus)
{
    g_autofree char *record = NULL;

    rig->fail = TRUE;
    rig->stuck = 1;
    g_assert_null(create_device(NULL));
    record = read_record(".creation");
    g_assert_nonnull(strstr(record, "'provider': <'pci'>"));
    stop_daemon();
    start_daemon();
    wait_until(rig->removed == 1);
}

/* The best of all parents, whoever makes it. */
static void
test_choose(Rig *self, gconstpointer bus)
{
    g_autoptr(GPtrArray) providers = g_ptr_array_new();
    g_autofree char *link = g_strconcat(rig->root, "/sys/class/mdev_bus/mtty", NULL);
    g_autofree char *folder = g_path_get_dirname(link);
    const struct {
        const char *ports;  /* that the pool has */
        guint64 available;  /* in the pool; there are 12 dual and 24 single port cards */
        const char *wanted; /* ports */
        const char *kind;   /* that is chosen */
    } cases[] = {
        {"2", 13, "2", "pci"},  {"2", 11, "2", "mdev"}, {"2", 0, "2", "mdev"},
        {"1", 13, "2", "mdev"}, {"1", 25, "1", "pci"},
    };
    VfUdevEvent event = {"add", "mdev_bus", "mtty", "/sys/devices/virtual/mtty/mtty", "registered"};

    g_ptr_array_add(providers, (gpointer)&vf_mdev_provider);
    g_ptr_array_add(providers, (gpointer)&pool);
    add("P: /devices/virtual/mtty/mtty\nE: SUBSYSTEM=mtty\n"
        "A: mdev_supported_types/mtty-1/available_instances=24\\n\n"
        "A: mdev_supported_types/mtty-1/device_api=vfio-pci\\n\n"
        "A: mdev_supported_types/mtty-2/available_instances=12\\n\n"
        "A: mdev_supported_types/mtty-2/device_api=vfio-pci\\n\n");
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_cmpint(symlink("../../devices/virtual/mtty/mtty", link), ==, 0);
    vf_registry_handle(rig->registry, &event);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfRequirement) requirement = require(cases[i].wanted);
        const VfWish wish = {0};
        g_autoptr(GError) error = NULL;
        g_autoptr(VfMaking) making = NULL;

        g_test_message("%zu", i);
        g_ptr_array_set_size(rig->types, 0);
        g_ptr_array_add(rig->types, pool_type(find_model(), cases[i].ports));
        ((VfParentType *)rig->types->pdata[0])->available = cases[i].available;
        making = vf_choose(providers, rig->registry, requirement, &wish, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(vf_making_get_kind(making), ==, cases[i].kind);
    }
}

static void
on_refused(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(VfDevice) device = vf_making_create_finish(VF_MAKING(source), result, data);

    g_assert_null(device);
}

/* What the disk does not take is not made, and its room goes back. */
static void
test_not_recorded(Rig *self, gconstpointer bus)
{
    g_auto(Parts) parts = {0};
    g_autoptr(GPtrArray) providers = g_ptr_array_new();
    g_autoptr(VfRequirement) requirement = require("2");
    vf_autofd int dir = open(rig->state, O_DIRECTORY | O_CLOEXEC);
    g_autoptr(VfRecord) record = vf_record_create(dir, "full", NULL);
    g_autoptr(VfMaking) making = NULL;
    g_autoptr(GError) error = NULL;
    struct rlimit limit, none;

    g_ptr_array_add(providers, (gpointer)&pool);
    parts_init(&parts);
    making = vf_choose(providers, rig->registry, requirement, &(VfWish){0}, &error);
    g_assert_no_error(error);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
    vf_making_create_async(making, parts.ledger, record, NULL, on_refused, &error);
    wait_until(error);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_test_message("%s", error->message);
    g_assert_cmpuint(rig->made, ==, 0);
    g_clear_object(&making);
    g_assert_cmpuint(((VfParentType *)rig->types->pdata[0])->reserved, ==, 0);
}

/* The guest has moved on: what vferry made for it is removed, and nothing else. */
static void
test_leaves(Rig *self, gconstpointer bus)
{
    g_auto(Parts) parts = {0};
    g_autofree char *path = create_device(NULL);
    VfDevice *device = vf_registry_find_device(rig->registry, VF_ID);
    guint64 inode = vf_device_get_inode(device);
    g_autoptr(VfJobs) jobs = NULL;
    g_autoptr(VfLoans) loans = NULL;
    g_autoptr(VfLeases) leases = NULL;
    g_autoptr(VfDomains) domains = NULL;
    g_autoptr(VfSourceDevices) devices = NULL;
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_SOURCE, JOB, getuid(), ":1.7");

    g_assert_nonnull(path);
    parts_init(&parts);
    jobs = vf_jobs_new(&parts.context, DEADLINE_MS);
    loans = vf_loans_new(&parts.context);
    leases = vf_leases_new(&parts.context, DEADLINE_MS);
    domains = vf_domains_new(&parts.context, jobs, leases);
    devices = vf_source_devices_new(&parts.context, jobs, loans, domains);
    vf_job_add_device(job, VF_ID, device);
    g_assert_cmpstr(vf_ledger_find_created(parts.ledger, VF_ID, inode), ==, "pool");
    vf_ledger_forget_created(parts.ledger, VF_ID, inode);
    vf_source_devices_clean_up(devices, job);
    settle();
    g_assert_cmpuint(rig->removed, ==, 0);
    vf_ledger_note_created(parts.ledger, VF_ID, "pool", inode);
    vf_source_devices_clean_up(devices, job);
    wait_until(rig->removed == 1);
    settle();
}

int
main(int argc, char **argv)
{
    static const RigTest tests[] = {
        {"/provider/choose", test_choose},
        {"/provider/prepare-and-release", test_prepare_and_release},
        {"/provider/create-fails", test_create_fails},
        {"/provider/no-room", test_no_room},
        {"/provider/stuck", test_stuck},
        {"/provider/recovery", test_recovery},
        {"/provider/completed", test_completed},
        {"/provider/at-once", test_at_once},
        {"/provider/completed-by-the-record", test_completed_by_the_record},
        {"/provider/create-and-remove", test_create_and_remove},
        {"/provider/create-device-fails", test_create_device_fails},
        {"/provider/creation-left-behind", test_creation_left_behind},
        {"/provider/leaves", test_leaves},
        {"/provider/not-recorded", test_not_recorded},
    };

    return run_rig_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
