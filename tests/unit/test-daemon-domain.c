/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "driver-host.h"
#include "error.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define JOB "22222222-2222-4333-8444-555555555555"

typedef struct {
    VfDomain *domain;
    guint changes;
} Fixture;

static void
count(VfDomain *domain, Fixture *fixture)
{
    fixture->changes++;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->domain = vf_domain_new("test", 7, ":1.9");
    g_signal_connect(fixture->domain, "changed", G_CALLBACK(count), fixture);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_clear_object(&fixture->domain);
}

/* A guest chooses what it is called: that is text, and not too much of it. */
static void
test_text(Fixture *fixture, gconstpointer data)
{
    g_autofree char *lengthy = g_strnfill(1000, 'x');

    vf_domain_set_name(fixture->domain, "a\nb\xff");
    g_assert_true(g_utf8_validate(vf_domain_get_name(fixture->domain), -1, NULL));
    g_assert_null(strchr(vf_domain_get_name(fixture->domain), '\n'));
    vf_domain_set_name(fixture->domain, lengthy);
    g_assert_cmpuint(strlen(vf_domain_get_name(fixture->domain)), ==, VF_DOMAIN_TEXT_MAX);
    vf_domain_set_uuid(fixture->domain, "not a uuid");
    g_assert_cmpstr(vf_domain_get_uuid(fixture->domain), ==, "");
    vf_domain_set_uuid(fixture->domain, UUID);
    g_assert_cmpstr(vf_domain_get_uuid(fixture->domain), ==, UUID);
}

static void
test_label(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpstr(vf_domain_get_label(fixture->domain), ==, "?");
    vf_domain_set_uuid(fixture->domain, UUID);
    g_assert_cmpstr(vf_domain_get_label(fixture->domain), ==, UUID);
    vf_domain_set_name(fixture->domain, "cat");
    g_assert_cmpstr(vf_domain_get_label(fixture->domain), ==, "cat");
}

/* What is as it was is no change. */
static void
test_changes(Fixture *fixture, gconstpointer data)
{
    vf_domain_set_state(fixture->domain, VF_DOMAIN_RUNNING);
    vf_domain_set_state(fixture->domain, VF_DOMAIN_RUNNING);
    g_assert_cmpuint(fixture->changes, ==, 1);
    vf_domain_set_name(fixture->domain, "cat");
    vf_domain_set_name(fixture->domain, "cat");
    g_assert_cmpuint(fixture->changes, ==, 2);
}

static void
test_devices(Fixture *fixture, gconstpointer data)
{
    static const char *const reasons[] = {"no\tmigration", NULL};
    GPtrArray *devices = vf_domain_devices_new();

    vf_domain_devices_add(devices, "0000:00:02.0", UUID, TRUE, NULL);
    vf_domain_devices_add(devices, "0000:00:03.0", "0000:01:00.0", FALSE, reasons);
    vf_domain_take_devices(fixture->domain, devices);
    g_assert_cmpuint(fixture->changes, ==, 1);
    g_assert_cmpuint(vf_domain_get_n_devices(fixture->domain), ==, 2);
    g_assert_null(vf_domain_get_device(fixture->domain, 0)->reasons[0]);
    g_assert_null(strchr(vf_domain_get_device(fixture->domain, 1)->reasons[0], '\t'));
    vf_domain_set_device(fixture->domain, 0, NULL);
    g_assert_cmpuint(fixture->changes, ==, 1);
}

/* The job's path is there for as long as the job is. */
static void
test_use(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_domain_use(fixture->domain, JOB, NULL));
    vf_domain_set_job_path(fixture->domain, "/job");
    g_assert_false(vf_domain_use(fixture->domain, UUID, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, JOB));
    vf_domain_unuse(fixture->domain, UUID); /* another's */
    g_assert_cmpstr(vf_domain_get_user(fixture->domain), ==, JOB);
    g_assert_cmpstr(vf_domain_get_job_path(fixture->domain), ==, "/job");
    vf_domain_unuse(fixture->domain, JOB);
    g_assert_null(vf_domain_get_user(fixture->domain));
    g_assert_cmpstr(vf_domain_get_job_path(fixture->domain), ==, "/");
}

static gboolean
is_open(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    return g_file_test(path, G_FILE_TEST_IS_SYMLINK);
}

static void
wait_until_closed(int fd)
{
    for (guint i = 0; i < 1000 && is_open(fd); i++)
        g_usleep(10000);
    g_assert_false(is_open(fd));
}

/* Each is taken once; what nobody took does not stay open. */
static void
test_descriptors(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfClosers) closers = vf_closers_new();
    g_autoptr(GError) error = NULL;
    int fds[] = {dup(0), dup(0)};
    const int before[] = {fds[0], fds[1]};
    int taken;

    vf_domain_give_fds(fixture->domain, closers, fds, 2);
    g_assert_cmpint(fds[0], ==, -1);
    taken = vf_domain_take_fd(fixture->domain, 1, NULL);
    g_assert_cmpint(taken, ==, before[1]);
    for (gint32 handle = -1; handle <= VF_DOMAIN_FDS_MAX; handle++) {
        if (handle == 0)
            continue;
        g_assert_cmpint(vf_domain_take_fd(fixture->domain, handle, &error), ==, -1);
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
        g_clear_error(&error);
    }
    vf_domain_close_rest(fixture->domain);
    wait_until_closed(before[0]);
    g_assert_true(is_open(taken));
    vf_domain_close_fd(fixture->domain, &taken);
    wait_until_closed(before[1]);
}

static void
note(VfDriverHost *host, VfDomain *domain, gpointer data)
{
    *(VfDomain **)data = domain;
}

static void
test_host(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfDriverHost) host = vf_driver_host_new(NULL);
    VfDomain *added = NULL, *removed = NULL;

    g_signal_connect(host, "domain-added", G_CALLBACK(note), &added);
    g_signal_connect(host, "domain-removed", G_CALLBACK(note), &removed);
    vf_driver_host_add_domain(host, fixture->domain);
    g_assert_true(added == fixture->domain && !removed);
    vf_driver_host_remove_domain(host, fixture->domain);
    g_assert_true(removed == fixture->domain);
}

#define ADD(name) g_test_add("/domain/" #name, Fixture, NULL, set_up, test_##name, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(text);
    ADD(label);
    ADD(changes);
    ADD(devices);
    ADD(use);
    ADD(descriptors);
    ADD(host);
    return g_test_run();
}
