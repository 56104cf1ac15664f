/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>
#include <polkit/polkit.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "gate.h"
#include "names.h"
#include "test-bus.h"
#include "vferry-dbus.h"

/* The gate with a real bus and a polkit of ours in another thread of control: what the black-box
 * tests cannot set, short deadlines, owners, and a method without an annotation. */

#define PATH "/org/vferry1/test"
#define POLKIT_MS 300

/* What all tests share. */
typedef struct {
    GTestDBus *bus;
    int silences; /* messages that polkit does not answer */
} Session;

typedef struct {
    Session *session;
    GTestDBus *bus;
    GDBusConnection *service, *polkit, *caller;
    guint polkit_object;
    VfGate *gate;
    VferryLease *lease;
    guint handled;
    guint questions, cancelled;
    gboolean allowed, silent;
    char *owner;
    guint32 owner_uid;
} Rig;

static void
on_polkit_call(GDBusConnection *connection, const char *sender, const char *path,
               const char *interface, const char *method, GVariant *parameters,
               GDBusMethodInvocation *invocation, gpointer data)
{
    Rig *rig = data;
    GVariantBuilder details;

    if (!g_str_equal(method, "CheckAuthorization")) {
        rig->cancelled++;
        g_dbus_method_invocation_return_value(invocation, NULL);
        return;
    }
    rig->questions++;
    if (rig->silent) {
        g_object_unref(invocation);
        return;
    }
    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    g_dbus_method_invocation_return_value(
        invocation, g_variant_new("((bba{ss}))", rig->allowed, FALSE, &details));
}

static gboolean
is_owner(const char *sender, guint32 uid, gpointer data)
{
    Rig *rig = data;

    rig->owner_uid = uid;
    return g_strcmp0(sender, rig->owner) == 0;
}

static gboolean
on_release(VferryLease *lease, GDBusMethodInvocation *invocation, GVariant *options, Rig *rig)
{
    rig->handled++;
    vferry_lease_complete_release(lease, invocation);
    return TRUE;
}

static void
setup(Rig *rig, gconstpointer data)
{
    g_autoptr(VfAuthority) authority = vf_authority_new(POLKIT_MS, POLKIT_MS);
    g_autoptr(GError) error = NULL;

    rig->session = (Session *)data;
    rig->bus = rig->session->bus;
    rig->session->silences = 0;
    rig->service = connect_to_bus(rig->bus);
    rig->polkit = connect_to_bus(rig->bus);
    rig->caller = connect_to_bus(rig->bus);
    rig->gate = vf_gate_new(rig->service, authority);
    rig->lease = vferry_lease_skeleton_new();
    g_signal_connect(rig->lease, "handle-release", G_CALLBACK(on_release), rig);
    vf_gate_guard(rig->gate, G_DBUS_INTERFACE_SKELETON(rig->lease), is_owner, rig);
    g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(rig->lease), rig->service, PATH,
                                     &error);
    g_assert_no_error(error);
    rig->polkit_object = be_polkit(rig->polkit, on_polkit_call, rig);
}

static void
teardown(Rig *rig, gconstpointer data)
{
    if (g_dbus_interface_skeleton_get_connection(G_DBUS_INTERFACE_SKELETON(rig->lease)))
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(rig->lease));
    g_assert_finalize_object(rig->lease);
    g_assert_finalize_object(rig->gate);
    g_dbus_connection_unregister_object(rig->polkit, rig->polkit_object);
    g_clear_object(&rig->caller);
    g_clear_object(&rig->polkit);
    g_clear_object(&rig->service);
    g_free(rig->owner);
}

typedef struct {
    gboolean done;
    GVariant *reply;
    GError *error;
    char *name;
} Answer;

static void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;

    answer->reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &answer->error);
    answer->name = answer->error ? g_dbus_error_get_remote_error(answer->error) : NULL;
    answer->done = TRUE;
}

static void
answer_clear(Answer *answer)
{
    g_clear_pointer(&answer->reply, g_variant_unref);
    g_clear_error(&answer->error);
    g_free(answer->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_clear)

static void
call(Rig *rig, const char *path, const char *interface, const char *method, Answer *answer)
{
    g_dbus_connection_call(rig->caller, g_dbus_connection_get_unique_name(rig->service), path,
                           interface, method, g_variant_new("(a{sv})", NULL), NULL,
                           G_DBUS_CALL_FLAGS_NONE, DEADLINE_MS, NULL, on_answer, answer);
}

static void
call_release(Rig *rig, Answer *answer)
{
    call(rig, PATH, "org.vferry1.Lease", "Release", answer);
}

#define assert_refused(answer, code)                                                               \
    g_assert_cmpstr((answer)->name, ==, VF_ERROR_PREFIX code);                                     \
    g_assert_cmpuint(rig->handled, ==, 0)

static void
test_allowed(Rig *rig, gconstpointer data)
{
    g_auto(Answer) answer = {0};

    rig->allowed = TRUE;
    call_release(rig, &answer);
    wait_until(answer.done);
    g_assert_no_error(answer.error);
    g_assert_cmpuint(rig->handled, ==, 1);
    g_assert_cmpuint(rig->questions, ==, 1);
}

static void
test_refused(Rig *rig, gconstpointer data)
{
    g_auto(Answer) answer = {0};

    call_release(rig, &answer);
    wait_until(answer.done);
    assert_refused(&answer, "NotAuthorized");
    g_assert_nonnull(strstr(answer.error->message, VF_ACTION_MANAGE));
}

/* The owner needs no action, and the handler finds his uid. */
static void
test_owner(Rig *rig, gconstpointer data)
{
    const char *name = g_dbus_connection_get_unique_name(rig->caller);
    g_auto(Answer) answer = {0};

    rig->owner = g_strdup(name);
    call_release(rig, &answer);
    wait_until(answer.done);
    g_assert_no_error(answer.error);
    g_assert_cmpuint(rig->handled, ==, 1);
    g_assert_cmpuint(rig->questions, ==, 0);
    g_assert_cmpuint(rig->owner_uid, ==, getuid());
    g_assert_cmpuint(vf_gate_get_sender_uid(rig->gate, name), ==, getuid());
    g_dbus_connection_close_sync(rig->caller, NULL, NULL);
    wait_until(vf_gate_get_sender_uid(rig->gate, name) == (guint32)-1);
}

/* No within the deadline, the question taken back, and the next one asked as if nothing had been.
 * The journal hears of it once for each time that polkit falls silent. */
static void
test_silence(Rig *rig, gconstpointer data)
{
    g_auto(Answer) answer = {0}, again = {0}, next = {0}, last = {0};

    rig->silent = rig->allowed = TRUE;
    call_release(rig, &answer);
    wait_until(answer.done);
    assert_refused(&answer, "NotAuthorized");
    g_assert_cmpuint(rig->questions, ==, 1);
    wait_until(rig->cancelled == 1);
    call_release(rig, &again);
    wait_until(again.done);
    assert_refused(&again, "NotAuthorized");
    g_assert_cmpint(rig->session->silences, ==, 1);
    rig->silent = FALSE;
    call_release(rig, &next);
    wait_until(next.done);
    g_assert_no_error(next.error);
    rig->silent = TRUE;
    call_release(rig, &last);
    wait_until(last.done);
    g_assert_cmpint(rig->session->silences, ==, 2);
    wait_until(rig->cancelled == 3);
}

static gboolean
unexport(gpointer data)
{
    g_dbus_interface_skeleton_unexport(data);
    return G_SOURCE_REMOVE;
}

/* The object leaves the bus after the call has arrived: the handler never sees it. */
static void
test_gone(Rig *rig, gconstpointer data)
{
    g_auto(Answer) answer = {0};

    rig->allowed = TRUE;
    call_release(rig, &answer);
    wait_until(rig->questions == 1);
    unexport(rig->lease);
    wait_until(answer.done);
    assert_refused(&answer, "NotFound");
}

/* An interface of somebody who forgot the annotation. */
typedef VferryLeaseSkeleton BareLease;
typedef VferryLeaseSkeletonClass BareLeaseClass;
GType bare_lease_get_type(void);
G_DEFINE_TYPE(BareLease, bare_lease, VFERRY_TYPE_LEASE_SKELETON)

static GDBusInterfaceInfo *
get_bare_info(GDBusInterfaceSkeleton *skeleton)
{
    static GDBusArgInfo options = {-1, (char *)"options", (char *)"a{sv}", NULL};
    static GDBusArgInfo *in_args[] = {&options, NULL};
    static GDBusMethodInfo release = {-1, (char *)"Release", in_args, NULL, NULL};
    static GDBusMethodInfo *methods[] = {&release, NULL};
    static GDBusInterfaceInfo info = {-1, (char *)"org.vferry1.Lease", methods, NULL, NULL, NULL};

    return &info;
}

static void
bare_lease_class_init(BareLeaseClass *class)
{
    G_DBUS_INTERFACE_SKELETON_CLASS(class)->get_info = get_bare_info;
}

static void
bare_lease_init(BareLease *self)
{
}

static void
test_without_annotation(Rig *rig, gconstpointer data)
{
    g_autoptr(GDBusInterfaceSkeleton) bare = g_object_new(bare_lease_get_type(), NULL);
    g_autoptr(GError) error = NULL;
    g_auto(Answer) answer = {0};

    g_signal_connect(bare, "handle-release", G_CALLBACK(on_release), rig);
    rig->allowed = TRUE;
    rig->owner = g_strdup(g_dbus_connection_get_unique_name(rig->caller));
    g_assert_true(vf_gate_export(rig->gate, rig->service, bare, PATH "/bare", &error));
    call(rig, PATH "/bare", "org.vferry1.Lease", "Release", &answer);
    wait_until(answer.done);
    assert_refused(&answer, "NotAuthorized");
    g_assert_cmpuint(rig->questions, ==, 0);
    g_dbus_interface_skeleton_unexport(bare);
}

static void
assert_annotated(GDBusInterfaceInfo *info)
{
    for (GDBusMethodInfo **method = info->methods; method && *method; method++) {
        const char *action =
            g_dbus_annotation_info_lookup((*method)->annotations, VF_ANNOTATION_ACTION);

        if (!action)
            g_error("%s.%s has no %s", info->name, (*method)->name, VF_ANNOTATION_ACTION);
        g_assert_true(
            g_str_equal(action, VF_ACTION_PUBLIC) || g_str_equal(action, VF_ACTION_MANAGE) ||
            g_str_equal(action, VF_ACTION_MIGRATE) || g_str_equal(action, VF_ACTION_OVERRIDE));
    }
}

/* The compiled-in descriptions are what the gate reads. */
static void
test_every_method_is_annotated(void)
{
    assert_annotated(vferry_manager_interface_info());
    assert_annotated(vferry_device_interface_info());
    assert_annotated(vferry_parent_interface_info());
    assert_annotated(vferry_lease_interface_info());
    assert_annotated(vferry_job_interface_info());
}

static void
add_test(Session *session, const char *name, void (*test)(Rig *, gconstpointer))
{
    g_autofree char *path = g_strconcat("/gate/", name, NULL);

    g_test_add(path, Rig, session, setup, test, teardown);
}

static GLogWriterOutput
count_silences(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    Session *session = data;

    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE") &&
            g_str_has_prefix(fields[i].value, "polkit does not answer"))
            g_atomic_int_inc(&session->silences);
    return g_log_writer_default(level, fields, n_fields, NULL);
}

int
main(int argc, char **argv)
{
    g_autoptr(GTestDBus) bus = NULL;
    Session session = {0};
    g_autoptr(PolkitAuthority) polkit = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_log_set_writer_func(count_silences, &session, NULL);
    bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    session.bus = bus;
    g_test_dbus_up(bus);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(bus), TRUE);
    /* libpolkit's only instance does not survive going away while it waits for an answer */
    polkit = polkit_authority_get_sync(NULL, NULL);
    g_assert_nonnull(polkit);
    add_test(&session, "allowed", test_allowed);
    add_test(&session, "refused", test_refused);
    add_test(&session, "owner", test_owner);
    add_test(&session, "silence", test_silence);
    add_test(&session, "gone", test_gone);
    add_test(&session, "without-annotation", test_without_annotation);
    g_test_add_func("/gate/every-method-is-annotated", test_every_method_is_annotated);
    status = g_test_run();
    g_test_dbus_stop(bus);
    return status;
}
