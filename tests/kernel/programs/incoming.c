/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for a hypervisor at the destination that has loaded everything and waits for its guest
 * to be started:
 *
 *     incoming [--node] UUID FILE      (of `state-file save`)
 *
 * Prints "loaded" and its pid and reads commands: `ask MS` has the kernel asked through its own
 * descriptor, `run` starts the device, `state` says where it is, `forget` closes it; the end of its
 * input ends it. Without a FILE it opens the device and loads nothing, without both it opens none.
 * Nobody may look into it who is not allowed to look into anybody. */
#include "vmm.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ask.h"
#include "number.h"
#include "testdev-device.h"

#define CHUNK (64 * 1024)
#define LINE_MAX_BYTES 80

static void
say(const char *word, int errnum)
{
    printf("%s %s\n", word, errnum ? strerrorname_np(errnum) : "ok");
    fflush(stdout);
}

/* What testdev-device.h does with an open device. */
static struct device
as_device(const Vmm *vmm)
{
    return (struct device){.container = -1, .group = -1, .fd = vmm->fd};
}

static int
load(const Vmm *vmm, const char *path)
{
    const struct device device = as_device(vmm);
    g_autofree char *bytes = NULL;
    gsize size;
    struct stream stream;
    int data_fd, error;

    if (!g_file_get_contents(path, &bytes, &size, NULL))
        return ENOENT;
    stream = (struct stream){.bytes = (uint8_t *)bytes, .size = size};
    error = device_set_state(&device, STATE_RESUMING, &data_fd);
    if (error)
        return error;
    error = stream_write(&stream, data_fd, 0, size, CHUNK);
    close(data_fd);
    return error;
}

static void
answer(Vmm *vmm, const char *line)
{
    const struct device device = as_device(vmm);
    unsigned state;
    int nothing;
    guint64 ms;

    if (g_str_equal(line, "run")) {
        say("run", device_set_state(&device, STATE_RUNNING, &nothing));
    } else if (g_str_equal(line, "state")) {
        nothing = device_state(&device, &state);
        printf("state %s %s\n", mig_state_name(state), nothing ? strerrorname_np(nothing) : "ok");
    } else if (g_str_equal(line, "forget")) {
        vmm_take_fd(vmm, -1);
        puts("forgotten");
    } else if (g_str_has_prefix(line, "ask ") &&
               vf_number_parse_u64(line + 4, "ask", 1, 60000, &ms, NULL)) {
        const AskWay way = {.deadline_ms = (guint)ms};
        g_autoptr(GError) error = NULL;

        if (!ask(&way, "accept", NULL, vmm->fd, &error) && error)
            printf("no answer: %s\n", error->message);
    } else {
        puts("what?");
    }
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    gboolean node = argc > 1 && g_str_equal(argv[1], "--node");
    char **rest = argv + (node ? 2 : 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(Vmm) vmm = vmm_new(rest[0] ? rest[0] : "nothing", 0);
    char line[LINE_MAX_BYTES];

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (rest[0] && !(node ? vmm_open_node : vmm_open)(vmm, &error))
        return vmm_fail(error);
    if (rest[0] && rest[1]) {
        int errnum = load(vmm, rest[1]);

        if (errnum) {
            say("load", errnum);
            return 1;
        }
    }
    printf("loaded %d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        answer(vmm, line);
    }
    return 0;
}
