/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd-store.h"
#include "io.h"

/* systemd's end. */
typedef struct {
    char *directory;
    char *path;
    int socket;
    VfFdStore *store;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fixture->directory = g_dir_make_tmp("vferry-test-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->directory, "notify", NULL);
    g_strlcpy(address.sun_path, fixture->path, sizeof address.sun_path);
    fixture->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_no_errno(bind(fixture->socket, (struct sockaddr *)&address, sizeof address));
    g_setenv("NOTIFY_SOCKET", fixture->path, TRUE);
    fixture->store = vf_fd_store_new();
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_object_unref(fixture->store);
    g_unsetenv("NOTIFY_SOCKET");
    close(fixture->socket);
    g_unlink(fixture->path);
    g_rmdir(fixture->directory);
    g_free(fixture->path);
    g_free(fixture->directory);
}

/* The next message as one line, and how many descriptors it has; NULL: there is none. */
static char *
receive(Fixture *fixture, guint *n_fds)
{
    char text[1024];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fixture->socket, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

    *n_fds = 0;
    if (n < 0)
        return NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) {
        int fd;

        memcpy(&fd, CMSG_DATA(header), sizeof fd);
        close(fd);
        *n_fds = 1;
    }
    return g_strdelimit(g_strndup(text, (gsize)n), "\n", ' ');
}

static void
assert_next(Fixture *fixture, const char *expected, guint expected_fds)
{
    guint n_fds;
    g_autofree char *text = receive(fixture, &n_fds);

    g_assert_cmpstr(text, ==, expected);
    g_assert_cmpuint(n_fds, ==, expected_fds);
}

static void
test_messages(Fixture *fixture, gconstpointer data)
{
    vf_fd_store_put(fixture->store, "loan.a.device", fixture->socket);
    vf_fd_store_remove(fixture->store, "loan.a.device");
    assert_next(fixture, "FDSTORE=1 FDNAME=loan.a.device FDPOLL=0", 1);
    assert_next(fixture, "FDSTOREREMOVE=1 FDNAME=loan.a.device", 0);
    assert_next(fixture, NULL, 0);
}

/* What is to outlive this process must arrive when strangers have used up all that it may open. */
static void
test_out_of_descriptors(Fixture *fixture, gconstpointer data)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int free_one = dup(null);
    struct rlimit limit, none;

    close(free_one);
    g_assert_no_errno(getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    none.rlim_cur = (rlim_t)free_one;
    g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &none));
    g_assert_cmpint(dup(null), ==, -1);
    vf_fd_store_put(fixture->store, "lease.a.device", null);
    vf_fd_store_remove(fixture->store, "lease.b.device");
    g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &limit));
    close(null);
    assert_next(fixture, "FDSTORE=1 FDNAME=lease.a.device FDPOLL=0", 1);
    assert_next(fixture, "FDSTOREREMOVE=1 FDNAME=lease.b.device", 0);
}

/* Of two with one name the next daemon uses neither. */
static void
test_put_after_lost_removal(Fixture *fixture, gconstpointer data)
{
    g_autofree char *away = g_strconcat(fixture->path, ".away", NULL);

    vf_fd_store_put(fixture->store, "loan.a.state", fixture->socket);
    assert_next(fixture, "FDSTORE=1 FDNAME=loan.a.state FDPOLL=0", 1);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR); /* it says so */
    g_rename(fixture->path, away);
    vf_fd_store_remove(fixture->store, "loan.a.state");
    g_rename(away, fixture->path);
    vf_fd_store_put(fixture->store, "loan.a.state", fixture->socket);
    assert_next(fixture, "FDSTOREREMOVE=1 FDNAME=loan.a.state", 0);
    assert_next(fixture, "FDSTORE=1 FDNAME=loan.a.state FDPOLL=0", 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/fd-store/messages", Fixture, NULL, set_up, test_messages, tear_down);
    g_test_add("/fd-store/out-of-descriptors", Fixture, NULL, set_up, test_out_of_descriptors,
               tear_down);
    g_test_add("/fd-store/put-after-lost-removal", Fixture, NULL, set_up,
               test_put_after_lost_removal, tear_down);
    return g_test_run();
}
