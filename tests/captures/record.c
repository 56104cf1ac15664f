/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <sys/socket.h>

#include "captures.h"

/* record FOLDER: makes the captures anew, from both sides of today's engine, each on one end of a
 * socket pair without TLS. Only for a new version of the format: see README.md. */

typedef struct {
    VfChannel parent;
    VfChannel *inner;
    GByteArray *said;
} Tee;

typedef struct {
    const Capture *capture;
    VfRole role;
    int fd;
    GByteArray *said;
    VfSolo *solo;
} Side;

static VfChannelResult
tee_read(VfChannel *self, void *data, gsize size, gsize *n, GError **error)
{
    return vf_channel_read(((Tee *)self)->inner, data, size, n, error);
}

static VfChannelResult
tee_write(VfChannel *self, const void *data, gsize size, gsize *n, GError **error)
{
    Tee *tee = (Tee *)self;
    VfChannelResult result = vf_channel_write(tee->inner, data, size, n, error);

    if (result == VF_CHANNEL_DONE)
        g_byte_array_append(tee->said, data, (guint)*n);
    return result;
}

static VfChannelResult
tee_flush(VfChannel *self, GError **error)
{
    return vf_channel_flush(((Tee *)self)->inner, error);
}

static void
tee_end(VfChannel *self)
{
    vf_channel_end(((Tee *)self)->inner);
}

static void
tee_give_up(VfChannel *self)
{
    vf_channel_give_up(((Tee *)self)->inner);
}

static gsize
tee_get_unread(VfChannel *self)
{
    return vf_channel_get_unread(((Tee *)self)->inner);
}

static gsize
tee_get_unsent(VfChannel *self)
{
    return vf_channel_get_unsent(((Tee *)self)->inner);
}

static void
tee_free(VfChannel *self)
{
    vf_channel_free(((Tee *)self)->inner);
    g_free(self);
}

static VfChannel *
tee_new(int fd, GByteArray *said)
{
    static const VfChannelClass class = {
        .read = tee_read,
        .write = tee_write,
        .flush = tee_flush,
        .end = tee_end,
        .give_up = tee_give_up,
        .get_unread = tee_get_unread,
        .get_unsent = tee_get_unsent,
        .free = tee_free,
    };
    Tee *self = g_new0(Tee, 1);

    self->parent.class = &class;
    self->parent.fd = fd;
    self->inner = vf_channel_new_plain(fd);
    self->said = said;
    return &self->parent;
}

static gpointer
run(gpointer data)
{
    Side *side = data;
    VfSoloSetup setup = capture_setup(side->capture, side->role);

    side->solo = vf_solo_run(&setup, tee_new(side->fd, side->said));
    return NULL;
}

static gboolean
record(const Capture *capture, const char *folder)
{
    Side sides[2];
    GThread *threads[2];
    int fds[2];
    gboolean ok = TRUE;

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
    for (guint i = 0; i < 2; i++) {
        sides[i] = (Side){capture, (VfRole)i, fds[i], g_byte_array_new(), NULL};
        threads[i] = g_thread_new("side", run, &sides[i]);
    }
    for (guint i = 0; i < 2; i++) {
        g_autofree char *path = capture_path(folder, capture, (VfRole)i);
        g_thread_join(threads[i]);
        ok = ok && sides[i].solo->end.kind == capture->outcomes[i] &&
             g_str_equal(sides[i].solo->events, capture->events[i]) &&
             g_file_set_contents(path, (const char *)sides[i].said->data, sides[i].said->len, NULL);
        printf("%s: %s, %u bytes\n", path, vf_session_end_name(sides[i].solo->end.kind),
               sides[i].said->len);
        g_byte_array_unref(sides[i].said);
        vf_solo_free(sides[i].solo);
    }
    return ok;
}

int
main(int argc, char **argv)
{
    gboolean ok = argc == 2;

    for (gsize i = 0; ok && i < G_N_ELEMENTS(captures); i++)
        ok = record(&captures[i], argv[1]);
    if (!ok)
        fprintf(stderr, "usage: record FOLDER; or a capture ended in another way than it should\n");
    return ok ? 0 : 1;
}
