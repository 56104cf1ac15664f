/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's side of the protocol is played here: what comes of the data descriptors. */
#include "config.h"

#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "uapi.h"

/* Of the fake kernel; a test is one thread. */
static const char *gives; /* what is in the next data fd; NULL: there is none */
static int given = -1;    /* the last one's number, while it is open */

int
ioctl(int fd, unsigned long request, ...)
{
    struct vfio_device_feature *feature;
    struct vfio_device_feature_mig_state state = {.data_fd = -1};
    va_list list;

    va_start(list, request);
    feature = va_arg(list, void *);
    va_end(list);
    if (request != VFIO_DEVICE_FEATURE || !(feature->flags & VFIO_DEVICE_FEATURE_SET)) {
        errno = ENOTTY;
        return -1;
    }
    if (gives) {
        state.data_fd = memfd_create("vferry-test-data", MFD_CLOEXEC);
        g_assert_cmpint(write(state.data_fd, gives, strlen(gives)), ==, (gssize)strlen(gives));
        g_assert_cmpint(lseek(state.data_fd, 0, SEEK_SET), ==, 0);
        given = state.data_fd;
    }
    memcpy(feature->data, &state, sizeof state);
    return 0;
}

static gboolean
go(VfBackend *backend, VfMigrationState from, VfMigrationState to, const char *data, GError **error)
{
    gives = data;
    return vf_backend_set_state(backend, from, to, error);
}

static void
assert_reads(VfBackend *backend, const char *data)
{
    char buffer[64];
    gsize n = 0;

    g_assert_cmpint(vf_backend_read(backend, buffer, sizeof buffer, &n, NULL), ==, VF_READ_DATA);
    g_assert_cmpmem(buffer, n, data, strlen(data));
}

static VfBackend *
open_device(void)
{
    return vf_vfio_new(open("/dev/null", O_RDWR | O_CLOEXEC));
}

/* PRE_COPY, PRE_COPY_P2P and STOP_COPY share one. */
static void
test_one_session(void)
{
    g_autoptr(VfBackend) backend = open_device();

    g_assert_true(go(backend, VF_STATE_RUNNING, VF_STATE_PRE_COPY, "one", NULL));
    g_assert_true(go(backend, VF_STATE_PRE_COPY, VF_STATE_PRE_COPY_P2P, NULL, NULL));
    g_assert_true(go(backend, VF_STATE_PRE_COPY_P2P, VF_STATE_STOP_COPY, NULL, NULL));
    assert_reads(backend, "one");
    g_assert_true(go(backend, VF_STATE_STOP_COPY, VF_STATE_STOP, NULL, NULL));
    g_assert_cmpint(fcntl(given, F_GETFD), ==, -1);
    g_assert_true(go(backend, VF_STATE_STOP, VF_STATE_RESUMING, "two", NULL));
    g_assert_true(go(backend, VF_STATE_RESUMING, VF_STATE_STOP, NULL, NULL));
    g_assert_true(go(backend, VF_STATE_STOP, VF_STATE_STOP_COPY, "three", NULL));
    assert_reads(backend, "three");
    g_assert_false(backend->began_anew);
}

/* It was reset, and the way to STOP_COPY began in RUNNING: what comes now is a whole state of its
 * own, behind half of another. */
static void
test_second_session(void)
{
    static const VfMigrationState from[] = {VF_STATE_PRE_COPY, VF_STATE_PRE_COPY_P2P};

    for (gsize i = 0; i < G_N_ELEMENTS(from); i++) {
        g_autoptr(VfBackend) backend = open_device();
        g_autoptr(GError) error = NULL;

        g_assert_true(go(backend, VF_STATE_RUNNING, from[i], "one", NULL));
        g_assert_false(go(backend, from[i], VF_STATE_STOP_COPY, "two", &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
        g_assert_nonnull(strstr(error->message, "to STOP_COPY: the kernel gave a second data fd"));
        g_assert_true(backend->began_anew);
    }
}

static void
test_no_data(void)
{
    g_autoptr(VfBackend) backend = open_device();
    g_autoptr(GError) error = NULL;

    g_assert_false(go(backend, VF_STATE_RUNNING, VF_STATE_STOP_COPY, NULL, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
    g_assert_nonnull(strstr(error->message, "the kernel gave no data fd"));
    g_assert_false(backend->began_anew);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/vfio/one-session", test_one_session);
    g_test_add_func("/engine/vfio/second-session", test_second_session);
    g_test_add_func("/engine/vfio/no-data", test_no_data);
    return g_test_run();
}
