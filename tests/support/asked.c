/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "asked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "accept.h"
#include "number.h"
#include "uapi.h"

#define POLL_US 2000

static VfAskedDevice behind_node = {.state = VF_STATE_RESUMING};

static int
fail(int errnum)
{
    errno = errnum;
    return -1;
}

/* Not fstat(), which some C libraries make of a call that the sandbox bars. */
static gboolean
look_at(int fd, struct stat *info)
{
    return syscall(SYS_fstat, fd, info) == 0;
}

static gboolean
is_same(int fd, const char *path)
{
    struct stat info;
    dev_t dev = g_str_equal(path, VF_ASKED_NODE)    ? makedev(1, 3)
                : g_str_equal(path, VF_ASKED_SPARE) ? makedev(1, 5)
                                                    : makedev(1, 7); /* admin-guide/devices.txt */

    return look_at(fd, &info) && S_ISCHR(info.st_mode) && info.st_rdev == dev;
}

static gboolean
is_file(int fd)
{
    struct stat info;

    return look_at(fd, &info) && S_ISREG(info.st_mode);
}

/* No pread(): the sandbox has none. */
static void
pass(int fd, VfAskedDevice *device, gboolean write_it)
{
    gssize n;

    if (!is_file(fd)) {
        *(write_it ? &behind_node : device) = *(write_it ? device : &behind_node);
        return;
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        abort();
    n = write_it ? write(fd, device, sizeof *device) : read(fd, device, sizeof *device);
    if (n != sizeof *device)
        abort();
}

static int
set_state(int fd, guint32 state)
{
    VfAskedDevice device;

    pass(fd, &device, FALSE);
    if (device.blocks) {
        device.blocks = 2;
        pass(fd, &device, TRUE);
    }
    for (; device.blocks; pass(fd, &device, FALSE))
        g_usleep(POLL_US);
    if (device.errnum)
        return fail(device.errnum);
    device.state = device.leads ? device.leads : (guint8)state;
    pass(fd, &device, TRUE);
    return 0;
}

static int
use_feature(int fd, struct vfio_device_feature *feature)
{
    struct vfio_device_feature_mig_state state = {.data_fd = -1};
    VfAskedDevice device;

    if ((feature->flags & VFIO_DEVICE_FEATURE_MASK) != VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE)
        return fail(ENOTTY);
    if (is_same(fd, VF_ASKED_SPARE))
        return fail(EINVAL);
    if (!is_file(fd) && !is_same(fd, VF_ASKED_NODE))
        return fail(ENOTTY);
    memcpy(&state, feature->data, sizeof state);
    if (feature->flags & VFIO_DEVICE_FEATURE_SET)
        return set_state(fd, state.device_state);
    pass(fd, &device, FALSE);
    state.device_state = device.state;
    memcpy(feature->data, &state, sizeof state);
    return 0;
}

static int
get_device(int fd, const char *name)
{
    if (!is_same(fd, VF_ASKED_GROUP))
        return fail(ENOTTY);
    if (g_strcmp0(name, getenv(VF_ASKED_ENV_NAME)) != 0)
        return fail(ENODEV);
    return open(getenv(VF_ASKED_ENV_DEVICE), O_RDWR | O_CLOEXEC);
}

int
ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    gpointer argument;

    va_start(list, request);
    argument = va_arg(list, gpointer);
    va_end(list);
    if (request == VFIO_DEVICE_FEATURE)
        return use_feature(fd, argument);
    return request == VFIO_GROUP_GET_DEVICE_FD ? get_device(fd, argument) : fail(ENOTTY);
}

int
pidfd_getfd(int pidfd, int place, unsigned int flags)
{
    const char *text = getenv(VF_ASKED_ENV_ERRNO);
    guint64 errnum = 0;

    if (!text)
        return (int)syscall(SYS_pidfd_getfd, pidfd, place, flags);
    return vf_number_parse_u64(text, "errno", 1, 4095, &errnum, NULL) ? fail((int)errnum) : 0;
}

int
main(int argc, char **argv)
{
    const VfAcceptPlaces places = {.groups = g_getenv(VF_ASKED_ENV_GROUPS),
                                   .yama = g_getenv(VF_ASKED_ENV_YAMA)};
    VfWorker worker;

    vf_accept_worker_init(&worker, &places);
    return vf_worker_main(argc, argv, &worker);
}
