/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "config-file.h"
#include "error.h"
#include "host-id.h"
#include "io.h"
#include "ledger.h"
#include "record-reader.h"
#include "providers.h"
#include "recovery.h"
#include "verdict.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define INODE G_GUINT64_CONSTANT(0x1000000004711)

typedef struct {
    char *dir;
    VfLedger *ledger;
    GMainLoop *loop;
    GAsyncResult *result;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    GError *error = NULL;

    fixture->dir = g_dir_make_tmp("vferry-ledger-XXXXXX", &error);
    fixture->ledger = vf_ledger_new(fixture->dir, &error);
    g_assert_no_error(error);
    fixture->loop = g_main_loop_new(NULL, FALSE);
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_object_unref(fixture->ledger);
    g_main_loop_unref(fixture->loop);
    remove_tree(fixture->dir);
    g_free(fixture->dir);
}

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *fixture = data;

    fixture->result = g_object_ref(result);
    g_main_loop_quit(fixture->loop);
}

static GAsyncResult *
wait(Fixture *fixture)
{
    g_main_loop_run(fixture->loop);
    return g_steal_pointer(&fixture->result);
}

static VfRecord *
create(Fixture *fixture, VfJobRole role, GError **error)
{
    g_autoptr(GAsyncResult) result = NULL;

    vf_ledger_create_async(fixture->ledger, UUID, role, g_variant_new_parsed("{'uid': <uint32 7>}"),
                           on_done, fixture);
    result = wait(fixture);
    return vf_ledger_create_finish(fixture->ledger, result, error);
}

static void
append(Fixture *fixture, VfRecord *record, const char *event)
{
    g_autoptr(GAsyncResult) result = NULL;
    g_autoptr(GError) error = NULL;

    vf_ledger_append_async(fixture->ledger, record, event, NULL, on_done, fixture);
    result = wait(fixture);
    g_assert_true(vf_ledger_append_finish(fixture->ledger, result, &error));
    g_assert_no_error(error);
}

static GPtrArray *
scan(Fixture *fixture, GHashTable *except)
{
    g_autoptr(GAsyncResult) result = NULL;
    g_autoptr(GError) error = NULL;
    GPtrArray *found;

    vf_ledger_scan_async(fixture->ledger, except, on_done, fixture);
    result = wait(fixture);
    found = vf_ledger_scan_finish(fixture->ledger, result, &error);
    g_assert_no_error(error);
    return found;
}

static void
test_create_and_append(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRecord) record = create(fixture, VF_JOB_SOURCE, &error);
    g_autoptr(GAsyncResult) result = NULL;
    g_autoptr(GPtrArray) entries = NULL;

    g_assert_no_error(error);
    append(fixture, record, "commit");
    vf_record_reader_async(record, on_done, fixture);
    result = wait(fixture);
    entries = vf_record_reader_finish(result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(entries->len, ==, 2);
    g_assert_nonnull(vf_record_find(entries, "begin"));
    g_assert_nonnull(vf_record_find(entries, "commit"));
}

static void
test_twice(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRecord) first = create(fixture, VF_JOB_SOURCE, NULL);
    g_autoptr(VfRecord) other = create(fixture, VF_JOB_DESTINATION, NULL);
    g_autoptr(VfRecord) second = create(fixture, VF_JOB_SOURCE, &error);

    g_assert_nonnull(first);
    g_assert_nonnull(other);
    g_assert_null(second);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
}

/* The owner may let go of the record while a line is being written. */
static void
test_append_outlives_the_owner(Fixture *fixture, gconstpointer data)
{
    VfRecord *record = create(fixture, VF_JOB_SOURCE, NULL);
    g_autoptr(GAsyncResult) result = NULL;
    g_autoptr(GPtrArray) found = NULL;
    const VfLedgerFound *only;

    vf_ledger_append_async(fixture->ledger, record, "done", NULL, on_done, fixture);
    vf_record_free(record);
    result = wait(fixture);
    g_assert_true(vf_ledger_append_finish(fixture->ledger, result, NULL));
    found = scan(fixture, NULL);
    g_assert_cmpuint(found->len, ==, 1);
    only = found->pdata[0];
    g_assert_no_error(only->error);
    g_assert_nonnull(vf_record_find(only->entries, "done"));
}

static void
test_scan(Fixture *fixture, gconstpointer data)
{
    int *complaints = (int *)data;
    G_GNUC_UNUSED g_autoptr(VfRecord) held = create(fixture, VF_JOB_SOURCE, NULL);
    G_GNUC_UNUSED g_autoptr(VfRecord) left = create(fixture, VF_JOB_DESTINATION, NULL);
    g_autoptr(GHashTable) except = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *foreign = g_build_filename(fixture->dir, "jobs", "X.source", NULL);
    g_autoptr(GPtrArray) found = NULL;

    g_clear_pointer(&left, vf_record_free);
    g_assert_true(g_file_set_contents(foreign, "hello", -1, NULL));
    g_atomic_int_set(complaints, 0);
    found = scan(fixture, NULL);
    g_assert_cmpint(g_atomic_int_get(complaints), ==, 1);
    g_assert_cmpuint(found->len, ==, 2);
    for (guint i = 0; i < found->len; i++) {
        const VfLedgerFound *one = found->pdata[i];

        g_assert_cmpstr(one->uuid, ==, UUID);
        if (one->role == VF_JOB_SOURCE) {
            g_assert_error(one->error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
            g_assert_null(one->record);
        } else {
            g_assert_no_error(one->error);
            g_assert_nonnull(one->record);
        }
    }
    g_hash_table_add(except, (gpointer)(UUID ".source"));
    g_hash_table_add(except, (gpointer)(UUID ".destination"));
    g_hash_table_add(except, (gpointer) "X.source");
    g_clear_pointer(&found, g_ptr_array_unref);
    found = scan(fixture, except);
    g_assert_cmpuint(found->len, ==, 0);
}

static void
assert_note(Fixture *fixture, gboolean there)
{
    g_autofree char *path = g_build_filename(fixture->dir, "created", UUID, NULL);
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    /* every thread has a reference, and lets go of it without an event */
    while (g_atomic_int_get(&G_OBJECT(fixture->ledger)->ref_count) > 1 &&
           g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, there);
}

/* What vferry created is known to the next daemon, too. */
static void
test_created(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfLedger) next = NULL;
    g_autofree char *path = g_build_filename(fixture->dir, "created", UUID, NULL);
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    g_assert_null(vf_ledger_find_created(fixture->ledger, UUID, INODE));
    vf_ledger_note_created(fixture->ledger, UUID, "mtty-2", INODE);
    g_assert_cmpstr(vf_ledger_find_created(fixture->ledger, UUID, INODE), ==, "mtty-2");
    assert_note(fixture, TRUE);
    next = vf_ledger_new(fixture->dir, NULL);
    g_assert_cmpstr(vf_ledger_find_created(next, UUID, INODE), ==, "mtty-2");
    g_assert_cmpuint(vf_ledger_get_created_inode(next, UUID), ==, INODE);
    /* another one of that UUID is not what was created, and its end no reason to forget */
    g_assert_null(vf_ledger_find_created(next, UUID, INODE + 1));
    vf_ledger_forget_created(next, UUID, INODE + 1);
    g_assert_cmpstr(vf_ledger_find_created(next, UUID, INODE), ==, "mtty-2");
    vf_ledger_forget_created(next, UUID, INODE);
    g_assert_null(vf_ledger_find_created(next, UUID, INODE));
    g_assert_cmpuint(vf_ledger_get_created_inode(next, UUID), ==, 0);
    while (g_file_test(path, G_FILE_TEST_EXISTS) && g_get_monotonic_time() < end)
        g_usleep(1000);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* The UUID may have been used again since; a note without a boot or an inode may be of another one.
 */
static void
test_created_before_a_reboot(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->dir, "created", UUID, NULL);
    g_autofree char *of_0_1_0 = g_strconcat("mtty-2\n", vf_host_get_boot(), NULL);
    g_autofree char *unnumbered = g_strconcat(of_0_1_0, "\n", NULL);
    g_autofree char *none = g_strconcat(of_0_1_0, "\n0", NULL);
    g_autofree char *this_one = g_strconcat(of_0_1_0, "\n4711", NULL);
    const char *const others[] = {"mtty-2\n0123456789abcdef0123456789abcdef\n4711",
                                  "mtty-2\n\n4711",
                                  "mtty-2\n",
                                  "mtty-2",
                                  "",
                                  of_0_1_0,
                                  unnumbered,
                                  none};
    g_autoptr(VfLedger) same = NULL;

    g_assert_cmpuint(strlen(vf_host_get_boot()), ==, 32);
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(VfLedger) next = NULL;

        g_assert_true(g_file_set_contents(path, others[i], -1, NULL));
        next = vf_ledger_new(fixture->dir, NULL);
        g_assert_cmpuint(vf_ledger_get_created_inode(next, UUID), ==, 0);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    }
    g_assert_true(g_file_set_contents(path, this_one, -1, NULL));
    same = vf_ledger_new(fixture->dir, NULL);
    g_assert_cmpstr(vf_ledger_find_created(same, UUID, 4711), ==, "mtty-2");
}

/* What is noted has an Id of any kind; what is no note is nobody's here to remove. */
static void
test_created_of_any_id(Fixture *fixture, gconstpointer data)
{
    g_autofree char *this_boot = g_strconcat("pool\n", vf_host_get_boot(), "\n4711", NULL);
    const struct {
        const char *name, *text;
        guint64 inode;
        gboolean stays;
    } cases[] = {
        {"0000:01:10.0", this_boot, 4711, TRUE},
        {"0000:01:10.0", "pool\n0123456789abcdef0123456789abcdef\n4711", 0, FALSE},
        {"README", "Here are the notes of what vferry made.\n", 0, TRUE},
        {"README", "", 0, TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_build_filename(fixture->dir, "created", cases[i].name, NULL);
        g_autoptr(VfLedger) next = NULL;

        g_assert_true(g_file_set_contents(path, cases[i].text, -1, NULL));
        next = vf_ledger_new(fixture->dir, NULL);
        g_test_message("%zu", i);
        g_assert_cmpuint(vf_ledger_get_created_inode(next, cases[i].name), ==, cases[i].inode);
        g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, cases[i].stays);
    }
}

/* However the threads overtake each other, the file says what was said last. */
static void
test_created_in_order(Fixture *fixture, gconstpointer data)
{
    for (guint i = 0; i < 100; i++) {
        vf_ledger_note_created(fixture->ledger, UUID, "mtty-2", INODE + i);
        vf_ledger_forget_created(fixture->ledger, UUID, INODE + i);
    }
    assert_note(fixture, FALSE);
    for (guint i = 0; i < 100; i++) {
        vf_ledger_forget_created(fixture->ledger, UUID, INODE + i);
        vf_ledger_note_created(fixture->ledger, UUID, "mtty-2", INODE + i + 1);
    }
    assert_note(fixture, TRUE);
}

static void
test_list_created(Fixture *fixture, gconstpointer data)
{
    g_auto(GStrv) none = vf_ledger_list_created(fixture->ledger);
    g_auto(GStrv) one = NULL;

    g_assert_cmpuint(g_strv_length(none), ==, 0);
    vf_ledger_note_created(fixture->ledger, UUID, "mtty-2", INODE);
    one = vf_ledger_list_created(fixture->ledger);
    g_assert_cmpuint(g_strv_length(one), ==, 1);
    g_assert_cmpstr(one[0], ==, UUID);
    assert_note(fixture, TRUE);
}

/* --- what a record means: the table of docs/migration-stream.md --- */

static const struct {
    VfJobRole role;
    const char *events;
    VfRecordVerdict verdict;
} judgements[] = {
    {VF_JOB_SOURCE, "", VF_RECORD_EMPTY},
    {VF_JOB_SOURCE, "begin", VF_RECORD_UNCOMMITTED},
    {VF_JOB_SOURCE, "begin returned", VF_RECORD_RETURNED},
    {VF_JOB_SOURCE, "begin commit", VF_RECORD_IN_DOUBT},
    {VF_JOB_SOURCE, "begin commit done", VF_RECORD_COMPLETED},
    {VF_JOB_SOURCE, "begin commit resolved:discard", VF_RECORD_COMPLETED},
    {VF_JOB_SOURCE, "begin commit resolved:run", VF_RECORD_RETURNED},
    {VF_JOB_SOURCE, "begin commit returned", VF_RECORD_RETURNED},
    {VF_JOB_SOURCE, "begin commit returned resolved:run", VF_RECORD_RETURNED},
    {VF_JOB_SOURCE, "begin commit returned resolved:discard", VF_RECORD_COMPLETED},
    {VF_JOB_SOURCE, "begin commit resolved:discard returned", VF_RECORD_RETURNED},
    {VF_JOB_SOURCE, "begin commit resolved:discard resolved:run", VF_RECORD_RETURNED},
    {VF_JOB_SOURCE, "begin commit done returned", VF_RECORD_COMPLETED},
    {VF_JOB_SOURCE, "commit done", VF_RECORD_EMPTY},
    {VF_JOB_DESTINATION, "", VF_RECORD_EMPTY},
    {VF_JOB_DESTINATION, "begin", VF_RECORD_UNCOMMITTED},
    {VF_JOB_DESTINATION, "begin create", VF_RECORD_UNCOMMITTED},
    {VF_JOB_DESTINATION, "begin create created", VF_RECORD_UNCOMMITTED},
    {VF_JOB_DESTINATION, "begin create created loaded", VF_RECORD_UNCOMMITTED},
    {VF_JOB_DESTINATION, "begin create created undone", VF_RECORD_RETURNED},
    {VF_JOB_DESTINATION, "begin create created loaded commit", VF_RECORD_IN_DOUBT},
    {VF_JOB_DESTINATION, "begin create created loaded commit started", VF_RECORD_COMPLETED},
    {VF_JOB_DESTINATION, "begin create created loaded commit resolved:discard",
     VF_RECORD_DISCARDED},
    {VF_JOB_DESTINATION, "begin create created loaded commit resolved:discard undone",
     VF_RECORD_RETURNED},
    {VF_JOB_DESTINATION, "begin create created loaded commit resolved:run", VF_RECORD_COMPLETED},
    {VF_JOB_DESTINATION, "begin create created loaded commit started resolved:run",
     VF_RECORD_COMPLETED},
    {VF_JOB_DESTINATION, "begin create created loaded started resolved:run", VF_RECORD_COMPLETED},
    {VF_JOB_DESTINATION, "begin create created loaded commit started resolved:discard",
     VF_RECORD_DISCARDED},
    {VF_JOB_DESTINATION, "begin create created loaded commit started resolved:discard undone",
     VF_RECORD_RETURNED},
    {VF_JOB_DESTINATION, "begin create created loaded commit resolved:discard started",
     VF_RECORD_COMPLETED},
    /* whatever a worker writes: nobody leaves, and nobody arrives */
    {VF_JOB_SOURCE, "begin:save commit done", VF_RECORD_COMPLETED},
    {VF_JOB_SOURCE, "begin:rehearse commit", VF_RECORD_UNCOMMITTED},
    {VF_JOB_SOURCE, "begin:rehearse commit done", VF_RECORD_UNCOMMITTED},
    {VF_JOB_SOURCE, "begin:rehearse commit resolved:discard", VF_RECORD_UNCOMMITTED},
    {VF_JOB_SOURCE, "begin:rehearse returned", VF_RECORD_RETURNED},
    {VF_JOB_DESTINATION, "begin:restore create created started", VF_RECORD_COMPLETED},
    {VF_JOB_DESTINATION, "begin:rehearse create created loaded commit", VF_RECORD_UNCOMMITTED},
    {VF_JOB_DESTINATION, "begin:rehearse create created loaded commit started",
     VF_RECORD_UNCOMMITTED},
    {VF_JOB_DESTINATION, "begin:rehearse create created loaded started undone", VF_RECORD_RETURNED},
};

static void
entry_free(gpointer data)
{
    VfRecordEntry *entry = data;

    g_free(entry->event);
    g_variant_unref(entry->details);
    g_free(entry);
}

static void
test_judge(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(judgements); i++) {
        g_auto(GStrv) events = g_strsplit(judgements[i].events, " ", -1);
        g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);

        for (char **event = events; *event; event++) {
            g_auto(GStrv) words = g_strsplit(*event, ":", 2); /* and a decision, or an operation */
            g_auto(GVariantDict) details = G_VARIANT_DICT_INIT(NULL);
            VfRecordEntry *entry = g_new0(VfRecordEntry, 1);

            if (words[0] && words[1])
                g_variant_dict_insert(&details,
                                      g_str_equal(words[0], "begin") ? "operation" : "decision",
                                      "s", words[1]);
            entry->event = g_strdup(words[0] ? words[0] : "");
            entry->details = g_variant_ref_sink(g_variant_dict_end(&details));
            g_ptr_array_add(entries, entry);
        }
        g_test_message("%s", judgements[i].events);
        g_assert_cmpint(vf_verdict(judgements[i].role, entries), ==, judgements[i].verdict);
    }
}

static void
add_line(VfRecord *record, const char *event, const char *details)
{
    g_autoptr(GError) error = NULL;

    vf_record_append(record, event, g_variant_new_parsed(details), &error);
    g_assert_no_error(error);
}

/* Another boot's are gone with it, and what is there now was made by somebody else; as may be what
 * the record does not say which device it is. */
static void
test_mdevs(Fixture *fixture, gconstpointer data)
{
    static const char created[] = "{'uuid': <'" UUID "'>, 'inode': <uint64 4711>}";
    g_autofree char *here = g_strdup_printf("{'boot': <'%s'>}", vf_host_get_boot());
    g_autofree char *device = g_build_filename(fixture->dir, UUID, NULL);
    GStatBuf info;
    int dir = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    g_assert_cmpint(g_mkdir(device, 0700), ==, 0);
    g_assert_cmpint(g_stat(device, &info), ==, 0);
    {
        const struct {
            const char *begin;
            const char *wished; /* NULL: as 0.1.0 wrote it */
            const char *created;
            guint64 inode; /* 0: nothing is removed */
        } cases[] = {
            {here, "true", created, 4711},
            {here, "false", created, 4711},
            {here, NULL, created, 4711},
            {"{'boot': <'0123456789abcdef0123456789abcdef'>}", "false", created, 0},
            {"{'uid': <uint32 7>}", "false", created, 0},
            {here, "true", NULL, 0}, /* or somebody else chose that UUID, too, and was first */
            {here, "false", NULL, info.st_ino},
            {here, NULL, NULL, 0},
            {here, NULL, "{'uuid': <'" UUID "'>}", 0},
            {here, "true>, 'provider': <'mdev'", created, 4711},
            {here, "true>, 'provider': <'raft'", created, 0}, /* of another build */
        };

        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_autofree char *name = g_strdup_printf("%zu", i);
            g_autoptr(VfRecord) record = vf_record_create(dir, name, NULL);
            g_autofree char *wished = cases[i].wished
                                          ? g_strconcat(", 'wished': <", cases[i].wished, ">", NULL)
                                          : g_strdup("");
            g_autofree char *create =
                g_strdup_printf("{'parent': <'%s'>, 'type': <'mtty-2'>, 'uuid': <'" UUID "'>%s}",
                                fixture->dir, wished);
            g_autoptr(GPtrArray) entries = NULL;
            g_autoptr(GPtrArray) providers = vf_providers_new();
            g_autoptr(GPtrArray) made = NULL;

            add_line(record, "begin", cases[i].begin);
            add_line(record, "create", create);
            if (cases[i].created)
                add_line(record, "created", cases[i].created);
            entries = vf_record_read(record, NULL);
            made = vf_recovery_list_made(providers, entries);
            g_test_message("%zu", i);
            g_assert_cmpuint(made->len, ==, cases[i].inode ? 1 : 0);
            if (cases[i].inode)
                g_assert_cmpuint(vf_making_get_inode(made->pdata[0]), ==, cases[i].inode);
        }
    }
    g_assert_cmpint(g_rmdir(device), ==, 0);
    vf_io_clear_fd(&dir);
}

/* Two of one UUID at once: each has a record of its own, and the end of one is not that of the
 * other. */
static void
test_creations(Fixture *fixture, gconstpointer data)
{
    static const char *const ids[] = {"11111111-0000-4000-8000-000000000001",
                                      "11111111-0000-4000-8000-000000000002"};
    g_autofree char *kept = g_strconcat(fixture->dir, "/jobs/", ids[1], ".creation", NULL);
    g_autoptr(GPtrArray) found = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(VfRecord) record = NULL;

        vf_ledger_begin_creation_async(fixture->ledger, ids[i], on_done, fixture);
        result = wait(fixture);
        record = vf_ledger_begin_creation_finish(fixture->ledger, result, NULL);
        g_assert_nonnull(record);
    }
    found = scan(fixture, NULL);
    g_assert_cmpuint(found->len, ==, 2);
    g_assert_true(((VfLedgerFound *)found->pdata[0])->creation);
    g_assert_cmpstr(((VfLedgerFound *)found->pdata[0])->uuid, ==, ids[0]);
    {
        g_autoptr(GAsyncResult) result = NULL;

        vf_ledger_end_creation_async(fixture->ledger, ids[0], UUID, "mtty-2", INODE, on_done,
                                     fixture);
        result = wait(fixture);
        vf_ledger_end_creation_finish(fixture->ledger, result);
    }
    assert_note(fixture, TRUE);
    g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
    vf_ledger_drop_creation(fixture->ledger, ids[1]);
    assert_note(fixture, TRUE);
    g_assert_false(g_file_test(kept, G_FILE_TEST_EXISTS));
    g_clear_pointer(&found, g_ptr_array_unref);
    found = scan(fixture, NULL);
    g_assert_cmpuint(found->len, ==, 0);
}

/* --- the configuration --- */

static const struct {
    const char *text;
    const char *complaint; /* NULL: good */
} files[] = {
    {"", NULL},
    {"[migration]\naddress=10.77.0.2\nport-min=50000\nport-max=50001\nsize-max=1\n", NULL},
    {"[migration]\naddress=fe80::1%eth0\n", NULL},
    {"[migration]\naddress=0.0.0.0\n", "0.0.0.0"},
    {"[migration]\naddress=harbour-a\n", "harbour-a"},
    {"[migration]\naddress=10.0.0.1%eth0\n", "10.0.0.1%eth0"},
    {"[migration]\nport-min=0\n", "port-min"},
    {"[migration]\nport-max=65536\n", "port-max"},
    {"[migration]\nport-min=50000\n", "larger than"},
    {"[migration]\nsize-max=much\n", "size-max"},
    {"[migration]\ncolour=red\n", "colour"},
    {"[migration]\naccept-from-process=yes\n", NULL},
    {"[migration]\naccept-from-process=no\n", NULL},
    {"[migration]\naccept-from-process=true\n", "accept-from-process is “true”"},
    {"[migration]\naccept-from-process=\n", "must be yes or no"},
    {"[gpu]\naddress=10.0.0.1\n", "gpu"},
    {"address=10.0.0.1\n", ""},
};

static void
test_config(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->dir, "vferry.conf", NULL);
    g_autoptr(VfConfigFile) none = vf_config_file_load(path, NULL);

    g_assert_nonnull(none);
    g_assert_null(none->address);
    g_assert_cmpuint(none->port_min, ==, 49300);
    g_assert_cmpuint(none->port_max, ==, 49399);
    g_assert_false(none->accept_from_process);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VfConfigFile) config = NULL;

        g_assert_true(g_file_set_contents(path, files[i].text, -1, NULL));
        config = vf_config_file_load(path, &error);
        g_test_message("%s", files[i].text);
        if (!files[i].complaint) {
            g_assert_no_error(error);
            g_assert_true(config->accept_from_process ==
                          (strstr(files[i].text, "process=yes") != NULL));
            continue;
        }
        g_assert_null(config);
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, files[i].complaint));
        g_assert_nonnull(strstr(error->message, path));
    }
}

#define ADD(name) g_test_add("/ledger/" #name, Fixture, &complaints, set_up, test_##name, tear_down)

/* Structured messages pass g_test_expect_message() by. */
static GLogWriterOutput
count_complaints(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    if (level & G_LOG_LEVEL_WARNING)
        g_atomic_int_inc((int *)data);
    return g_log_writer_default(level, fields, n_fields, NULL);
}

int
main(int argc, char **argv)
{
    int complaints = 0;

    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_log_set_writer_func(count_complaints, &complaints, NULL);
    ADD(create_and_append);
    ADD(twice);
    ADD(append_outlives_the_owner);
    ADD(scan);
    ADD(created);
    ADD(created_before_a_reboot);
    ADD(created_of_any_id);
    ADD(created_in_order);
    ADD(list_created);
    ADD(creations);
    ADD(mdevs);
    ADD(config);
    g_test_add_func("/recovery/judge", test_judge);
    return g_test_run();
}
