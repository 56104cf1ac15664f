/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gunixfdlist.h>
#include <glib.h>

#include "driver.h"
#include "error.h"

#define UUID "11111111-2222-4333-8444-555555555555"

/* A driver whose begin does what the test says, and which has nothing else. */
typedef struct {
    VfDriver parent_instance;
    GPtrArray *asked; /* devices, and NULL for a domain; NULL: it claims nothing */
    VfDevice *foreign;
    GTask *held;
    gboolean shrug;
    gboolean fail;
    gboolean hold;
    guint cancels;
    guint stops;
    guint begins;
    guint drops;
} TestDriver;
typedef VfDriverClass TestDriverClass;

GType test_driver_get_type(void);
G_DEFINE_TYPE(TestDriver, test_driver, VF_TYPE_DRIVER)

static gboolean
start(VfDriver *driver, VfDriverHost *host, GError **error)
{
    TestDriver *self = (TestDriver *)driver;

    if (self->fail)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "it has no fuel");
    return !self->fail && !self->shrug;
}

static void
stop(VfDriver *driver)
{
    ((TestDriver *)driver)->stops++;
}

static gboolean
claims(VfDriver *driver, const VfSubject *subject)
{
    TestDriver *self = (TestDriver *)driver;

    g_assert_cmpuint(subject->n_devices, ==, subject->domain ? 0 : 1);
    g_ptr_array_add(self->asked, subject->domain ? NULL : subject->devices[0]);
    return subject->domain || subject->devices[0] != self->foreign;
}

static void
on_cancelled(GCancellable *cancellable, TestDriver *self)
{
    self->cancels++;
}

static void
begin(VfDriver *driver, VfJob *job, GTask *task)
{
    TestDriver *self = (TestDriver *)driver;

    self->begins++;
    if (self->hold) {
        self->held = task;
        g_signal_connect(g_task_get_cancellable(task), "cancelled", G_CALLBACK(on_cancelled), self);
        return;
    }
    if (self->fail)
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM, "it is full");
    else
        g_task_return_boolean(task, !self->shrug);
    g_object_unref(task);
}

static gboolean
adopt(VfDriver *driver, VfJob *job, GUnixFDList *fds, GError **error)
{
    return FALSE;
}

static void
drop(VfDriver *driver, VfJob *job)
{
    ((TestDriver *)driver)->drops++;
}

static void
test_driver_class_init(TestDriverClass *class)
{
    class->name = "test";
    class->start = start;
    class->stop = stop;
    class->claims = claims;
    class->begin = begin;
    class->adopt = adopt;
    class->drop = drop;
}

static void
test_driver_init(TestDriver *self)
{
}

typedef struct {
    TestDriver *driver;
    VfJob *job;
    guint calls;
    gboolean done;
    GError *error;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->driver = g_object_new(test_driver_get_type(), NULL);
    fixture->job = vf_job_new(VF_JOB_SOURCE, UUID, 0, ":1.7");
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_object_unref(fixture->job);
    g_assert_finalize_object(fixture->driver); /* no call keeps it */
    g_clear_error(&fixture->error);
}

static void
on_called(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *fixture = data;

    g_clear_error(&fixture->error);
    fixture->done = vf_driver_call_finish(VF_DRIVER(source), result, &fixture->error);
    fixture->calls++;
}

static void
iterate_until(const guint *calls, guint n)
{
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (*calls < n && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(*calls, ==, n);
}

static void
call(Fixture *fixture, VfDriverVerb operation, GCancellable *cancellable)
{
    vf_driver_call_async(VF_DRIVER(fixture->driver), operation, fixture->job, cancellable,
                         on_called, fixture);
}

/* One that did not start has nothing to stop, and says why nobody may use it. */
static void
test_start(Fixture *fixture, gconstpointer data)
{
    VfDriver *driver = VF_DRIVER(fixture->driver);
    g_autoptr(GError) error = NULL;

    fixture->driver->fail = TRUE;
    g_assert_false(vf_driver_start(driver, NULL, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
    g_clear_error(&error);
    g_assert_false(vf_driver_check_started(driver, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
    g_assert_cmpstr(error->message, ==, "driver “test” did not start: it has no fuel");
    vf_driver_stop(driver);
    g_assert_cmpuint(fixture->driver->stops, ==, 0);
}

static void
test_start_shrugs(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->driver->shrug = TRUE;
    g_assert_false(vf_driver_start(VF_DRIVER(fixture->driver), NULL, &error));
    g_assert_nonnull(strstr(error->message, "bug in the driver"));
}

static void
test_stop(Fixture *fixture, gconstpointer data)
{
    VfDriver *driver = VF_DRIVER(fixture->driver);

    g_assert_true(vf_driver_start(driver, NULL, NULL));
    g_assert_true(vf_driver_check_started(driver, NULL));
    vf_driver_stop(driver);
    vf_driver_stop(driver);
    g_assert_cmpuint(fixture->driver->stops, ==, 1);
}

static void
test_success(Fixture *fixture, gconstpointer data)
{
    call(fixture, VF_DRIVER_BEGIN, NULL);
    iterate_until(&fixture->calls, 1);
    g_assert_no_error(fixture->error);
    g_assert_true(fixture->done);
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    call(fixture, VF_DRIVER_LISTEN, NULL);
    iterate_until(&fixture->calls, 1);
    g_assert_error(fixture->error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
    g_assert_cmpstr(fixture->error->message, ==, "driver “test” has no “listen”");
    g_assert_false(vf_driver_cancel(VF_DRIVER(fixture->driver), fixture->job, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
}

/* Also not for what an earlier daemon has left of it: a record, a lease that is to be undone. */
static void
test_not_started(Fixture *fixture, gconstpointer data)
{
    VfDriver *driver = VF_DRIVER(fixture->driver);
    g_autoptr(GPtrArray) asked = g_ptr_array_new();
    g_autoptr(VfDevice) device = vf_device_new(UUID, "mdev", "/sys/devices/a", "a");
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_autoptr(GError) error = NULL;
    VfDevice *unclaimed = NULL;

    fixture->driver->asked = asked;
    fixture->driver->fail = TRUE;
    g_assert_false(vf_driver_start(driver, NULL, NULL));
    fixture->driver->fail = FALSE;
    call(fixture, VF_DRIVER_BEGIN, NULL);
    iterate_until(&fixture->calls, 1);
    g_assert_error(fixture->error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
    g_assert_cmpstr(fixture->error->message, ==, "driver “test” did not start: it has no fuel");
    g_assert_cmpuint(fixture->driver->begins, ==, 0);
    g_assert_false(
        vf_driver_claims(driver, &(VfSubject){.devices = &device, .n_devices = 1}, &unclaimed));
    g_assert_true(unclaimed == device);
    g_assert_cmpuint(asked->len, ==, 0);
    g_assert_false(vf_driver_check_options(driver, none, NULL));
    g_assert_false(vf_driver_cancel(driver, fixture->job, NULL));
    g_assert_null(vf_driver_adopt(driver, fixture->job, &error));
    g_assert_cmpstr(error->message, ==, "driver “test” did not start: it has no fuel");
    vf_driver_drop(driver, fixture->job);
    g_assert_cmpuint(fixture->driver->drops, ==, 0);
}

/* Each bare device is asked for by itself, until one is none of the driver's; a domain once. */
static void
test_claims(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) asked = g_ptr_array_new();
    g_autoptr(VfDomain) domain = vf_domain_new("test", 0, ":1.7");
    g_autoptr(VfDevice) first = vf_device_new(UUID, "mdev", "/sys/devices/a", "a");
    g_autoptr(VfDevice) second = vf_device_new("b", "pci", "/sys/devices/b", "");
    VfDevice *const both[] = {first, second};
    const VfSubject bare = {.devices = both, .n_devices = 2}, guest = {.domain = domain};
    VfDevice *unclaimed = NULL;

    fixture->driver->asked = asked;
    g_assert_true(vf_driver_claims(VF_DRIVER(fixture->driver), &bare, &unclaimed));
    g_assert_cmpuint(asked->len, ==, 2);
    g_assert_true(asked->pdata[1] == second);
    g_assert_true(vf_driver_claims(VF_DRIVER(fixture->driver), &guest, &unclaimed));
    g_assert_cmpuint(asked->len, ==, 3);
    fixture->driver->foreign = second;
    g_assert_false(vf_driver_claims(VF_DRIVER(fixture->driver), &bare, &unclaimed));
    g_assert_true(unclaimed == second);
}

/* Who says nothing migrates, and nothing else. */
static void
test_operations(Fixture *fixture, gconstpointer data)
{
    VfDriver *driver = VF_DRIVER(fixture->driver);
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_driver_check_operation(driver, VF_JOB_MIGRATE, NULL));
    g_assert_false(vf_driver_check_operation(driver, VF_JOB_SAVE, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
    g_assert_cmpstr(error->message, ==, "driver “test” does not know the operation “save”");
}

/* One that takes no domains says so. */
static void
test_no_attach(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfDomain) domain = vf_domain_new("test", 0, ":1.7");

    g_assert_false(vf_driver_can_attach(VF_DRIVER(fixture->driver)));
    vf_driver_attach_async(VF_DRIVER(fixture->driver), domain, NULL, NULL, on_called, fixture);
    iterate_until(&fixture->calls, 1);
    g_assert_error(fixture->error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
    g_assert_cmpstr(fixture->error->message, ==, "driver “test” has no “attach”");
}

/* A driver that takes domains, and does not come back. */
typedef TestDriver AttachingDriver;
typedef TestDriverClass AttachingDriverClass;

GType attaching_driver_get_type(void);
G_DEFINE_TYPE(AttachingDriver, attaching_driver, test_driver_get_type())

static void
hold_attach(VfDriver *driver, VfDomain *domain, VfJob *incoming, GTask *task)
{
    TestDriver *self = (TestDriver *)driver;

    self->held = task;
    g_signal_connect(g_task_get_cancellable(task), "cancelled", G_CALLBACK(on_cancelled), self);
}

static void
attaching_driver_class_init(AttachingDriverClass *class)
{
    class->attach = hold_attach;
}

static void
attaching_driver_init(AttachingDriver *self)
{
}

static void
test_attach_deadline(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfDomain) domain = vf_domain_new("test", 0, ":1.7");
    TestDriver *driver = g_object_new(attaching_driver_get_type(), NULL);

    g_assert_true(vf_driver_can_attach(VF_DRIVER(driver)));
    vf_driver_set_deadline(VF_DRIVER(driver), 30);
    vf_driver_attach_async(VF_DRIVER(driver), domain, NULL, NULL, on_called, fixture);
    iterate_until(&fixture->calls, 1);
    g_assert_nonnull(strstr(fixture->error->message, "longer than 30 ms"));
    g_assert_cmpuint(driver->cancels, ==, 1);
    /* late, and heard by nobody */
    g_task_return_boolean(driver->held, TRUE);
    g_clear_object(&driver->held);
    g_object_unref(driver);
    g_assert_cmpuint(fixture->calls, ==, 1);
}

static void
test_prefix(Fixture *fixture, gconstpointer data)
{
    fixture->driver->fail = TRUE;
    call(fixture, VF_DRIVER_BEGIN, NULL);
    iterate_until(&fixture->calls, 1);
    g_assert_error(fixture->error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM);
    g_assert_cmpstr(fixture->error->message, ==, "driver “test”: it is full");
}

/* A failure without a reason is the driver's bug, and is reported as one. */
static void
test_shrug(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->driver->shrug = TRUE;
    call(fixture, VF_DRIVER_BEGIN, NULL);
    iterate_until(&fixture->calls, 1);
    g_assert_error(fixture->error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_nonnull(strstr(fixture->error->message, "bug in the driver"));
    g_assert_null(vf_driver_adopt(VF_DRIVER(fixture->driver), fixture->job, &error));
    g_assert_nonnull(strstr(error->message, "bug in the driver"));
}

/* Nobody hears what it says. */
static void
let_go(Fixture *fixture)
{
    g_task_return_boolean(fixture->driver->held, TRUE);
    g_clear_object(&fixture->driver->held);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

/* Devices are opened one after the other. */
static void
test_growing_deadline(Fixture *fixture, gconstpointer data)
{
    fixture->driver->hold = TRUE;
    vf_driver_set_deadline(VF_DRIVER(fixture->driver), 30);
    for (guint n = 1; n <= 2; n++) {
        g_autofree char *much = g_strdup_printf("longer than %u ms", 30 * (n + 1));

        vf_job_add_device(fixture->job, n == 1 ? "a" : "b", NULL);
        call(fixture, VF_DRIVER_BEGIN, NULL);
        iterate_until(&fixture->calls, n);
        g_assert_nonnull(strstr(fixture->error->message, much));
        let_go(fixture);
    }
}

static void
test_nothing_to_place(Fixture *fixture, gconstpointer data)
{
    call(fixture, VF_DRIVER_PLACE, NULL);
    iterate_until(&fixture->calls, 1);
    g_assert_no_error(fixture->error);
}

/* The deadline answers; what comes later is heard by nobody and leaks nothing. */
static void
test_deadline(Fixture *fixture, gconstpointer data)
{
    fixture->driver->hold = TRUE;
    vf_driver_set_deadline(VF_DRIVER(fixture->driver), 30);
    call(fixture, VF_DRIVER_BEGIN, NULL);
    iterate_until(&fixture->calls, 1);
    g_assert_error(fixture->error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_nonnull(strstr(fixture->error->message, "longer than 30 ms"));
    g_assert_cmpuint(fixture->driver->cancels, ==, 1);
    let_go(fixture);
    g_assert_cmpuint(fixture->calls, ==, 1);
}

/* A caller that gives up reaches the driver, whose answer is still the answer. */
static void
test_cancel(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    fixture->driver->hold = TRUE;
    call(fixture, VF_DRIVER_BEGIN, cancellable);
    g_cancellable_cancel(cancellable);
    g_assert_cmpuint(fixture->driver->cancels, ==, 1);
    g_assert_cmpuint(fixture->calls, ==, 0);
    g_task_return_boolean(fixture->driver->held, TRUE);
    g_clear_object(&fixture->driver->held);
    iterate_until(&fixture->calls, 1);
    g_assert_true(fixture->done);
}

static void
test_options(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_autoptr(GVariant) some = g_variant_ref_sink(g_variant_new_parsed("{'colour': <'red'>}"));
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_driver_check_options(VF_DRIVER(fixture->driver), none, NULL));
    g_assert_false(vf_driver_check_options(VF_DRIVER(fixture->driver), some, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN_OPTION);
}

#define ADD(name) g_test_add("/driver/" #name, Fixture, NULL, set_up, test_##name, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(start);
    ADD(start_shrugs);
    ADD(stop);
    ADD(success);
    ADD(missing);
    ADD(not_started);
    ADD(claims);
    ADD(operations);
    ADD(no_attach);
    ADD(attach_deadline);
    ADD(prefix);
    ADD(shrug);
    ADD(nothing_to_place);
    ADD(deadline);
    ADD(growing_deadline);
    ADD(cancel);
    ADD(options);
    return g_test_run();
}
