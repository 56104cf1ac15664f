/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tape.h"

#include <string.h>
#include <sys/eventfd.h>

#include "error.h"
#include "io.h"

/* Looks without a word in between, before a side is held to have nothing more to say. */
#define WAITS_MAX 256

typedef struct {
    GByteArray *bytes;
    guint type;
    guint count;
} Piece;

struct VfTape {
    GArray *pieces; /* of Piece */
    guint at;
    gsize offset;
    guint64 sequence; /* of the next frame that is added */
    GMutex lock;      /* for all below: a heartbeat is said by another thread */
    guint waits;
    GByteArray *said;
    gsize parsed;
    guint counts[VF_TAPE_TYPES];
};

typedef struct {
    VfChannel parent;
    VfTape *tape;
} Player;

static void
piece_clear(gpointer data)
{
    g_byte_array_unref(((Piece *)data)->bytes);
}

VfTape *
vf_tape_new(void)
{
    VfTape *self = g_new0(VfTape, 1);

    self->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    g_array_set_clear_func(self->pieces, piece_clear);
    self->said = g_byte_array_new();
    g_mutex_init(&self->lock);
    return self;
}

void
vf_tape_free(VfTape *self)
{
    g_array_unref(self->pieces);
    g_byte_array_unref(self->said);
    g_mutex_clear(&self->lock);
    g_free(self);
}

void
vf_tape_add(VfTape *self, const void *data, gsize size, guint type, guint count)
{
    Piece piece = {.bytes = g_byte_array_sized_new((guint)size), .type = type, .count = count};

    if (size == 0) {
        g_byte_array_unref(piece.bytes);
        return;
    }
    g_byte_array_append(piece.bytes, data, (guint)size);
    g_array_append_val(self->pieces, piece);
}

void
vf_tape_add_frame(VfTape *self, guint16 frame_type, guint16 device, const void *payload,
                  guint32 length, guint type, guint count)
{
    VfFrameHeader header = {
        .type = frame_type, .device = device, .length = length, .sequence = self->sequence++};
    g_autofree guint8 *frame = g_malloc(VF_FRAME_HEADER_SIZE + length);

    vf_frame_pack(&header, payload, frame);
    if (length > 0)
        memcpy(frame + VF_FRAME_HEADER_SIZE, payload, length);
    vf_tape_add(self, frame, VF_FRAME_HEADER_SIZE + length, type, count);
}

const GByteArray *
vf_tape_get_said(VfTape *self)
{
    return self->said;
}

guint
vf_tape_count(VfTape *self, guint type)
{
    return type < VF_TAPE_TYPES ? self->counts[type] : 0;
}

/* With the lock held. What a side says itself is well-formed. */
static void
count_said(VfTape *self)
{
    while (self->said->len - self->parsed >= VF_FRAME_HEADER_SIZE) {
        const guint8 *header = self->said->data + self->parsed;
        guint16 type;
        guint32 length;

        memcpy(&type, header + 4, sizeof type);
        memcpy(&length, header + 8, sizeof length);
        if (self->said->len - self->parsed - VF_FRAME_HEADER_SIZE < GUINT32_FROM_LE(length))
            return;
        self->parsed += VF_FRAME_HEADER_SIZE + GUINT32_FROM_LE(length);
        type = GUINT16_FROM_LE(type);
        if (type < VF_TAPE_TYPES)
            self->counts[type]++;
    }
}

static VfChannelResult
play_read(VfChannel *channel, void *data, gsize size, gsize *n, GError **error)
{
    VfTape *self = ((Player *)channel)->tape;
    Piece *piece;
    gboolean early;

    *n = 0;
    if (self->at == self->pieces->len)
        return VF_CHANNEL_END;
    piece = &g_array_index(self->pieces, Piece, self->at);
    g_mutex_lock(&self->lock);
    early = piece->count > vf_tape_count(self, piece->type);
    self->waits = early ? self->waits + 1 : 0;
    g_mutex_unlock(&self->lock);
    if (early)
        return self->waits < WAITS_MAX ? VF_CHANNEL_WAIT : VF_CHANNEL_END;
    *n = MIN(size, piece->bytes->len - self->offset);
    memcpy(data, piece->bytes->data + self->offset, *n);
    self->offset += *n;
    if (self->offset == piece->bytes->len) {
        self->at++;
        self->offset = 0;
    }
    return VF_CHANNEL_DONE;
}

static VfChannelResult
play_write(VfChannel *channel, const void *data, gsize size, gsize *n, GError **error)
{
    VfTape *self = ((Player *)channel)->tape;

    g_mutex_lock(&self->lock);
    g_byte_array_append(self->said, data, (guint)size);
    count_said(self);
    self->waits = 0;
    g_mutex_unlock(&self->lock);
    *n = size;
    return VF_CHANNEL_DONE;
}

static VfChannelResult
play_flush(VfChannel *channel, GError **error)
{
    return VF_CHANNEL_DONE;
}

static void
play_nothing(VfChannel *channel)
{
}

static gsize
play_none(VfChannel *channel)
{
    return 0;
}

static void
play_free(VfChannel *channel)
{
    vf_io_clear_fd(&channel->fd);
    g_free(channel);
}

VfChannel *
vf_tape_play(VfTape *self)
{
    static const VfChannelClass class = {
        .read = play_read,
        .write = play_write,
        .flush = play_flush,
        .end = play_nothing,
        .give_up = play_nothing,
        .get_unread = play_none,
        .get_unsent = play_none,
        .free = play_free,
    };
    Player *player = g_new0(Player, 1);

    player->parent.class = &class;
    player->parent.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* always ready */
    g_assert_cmpint(player->parent.fd, >=, 0);
    player->tape = self;
    return &player->parent;
}
