/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "memo.h"

#include <errno.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <xxhash.h>

#include "error.h"
#include "io.h"

typedef struct {
    guint64 number; /* counts the values; 0: none */
    guint64 size;
    guint64 checksum; /* of the fields above and the value */
} Head;

typedef struct {
    Head head;
    guint8 value[VF_MEMO_SIZE_MAX - sizeof(Head)];
} Place;

int
vf_memo_new(const char *name, GError **error)
{
    int fd = vf_io_memfd(name);

    if (fd < 0)
        vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("cannot make a memory file"));
    return fd;
}

static guint64
checksum(const Place *place)
{
    XXH3_state_t *state = XXH3_createState();
    guint64 sum;

    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, &place->head, G_STRUCT_OFFSET(Head, checksum));
    XXH3_64bits_update(state, place->value, place->head.size);
    sum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return sum;
}

static gboolean
read_place(int fd, guint index, Place *place)
{
    ssize_t n = pread(fd, place, sizeof *place, (off_t)index * VF_MEMO_SIZE_MAX);

    return n >= (ssize_t)sizeof place->head && place->head.number > 0 &&
           place->head.size <= (guint64)n - sizeof place->head &&
           checksum(place) == place->head.checksum;
}

/* The newest of both. */
static gboolean
read_newest(int fd, Place *place)
{
    g_autofree Place *other = g_new(Place, 1);
    gboolean first = read_place(fd, 0, place);

    if (!read_place(fd, 1, other) || (first && place->head.number > other->head.number))
        return first;
    *place = *other;
    return TRUE;
}

gboolean
vf_memo_write(int fd, GVariant *value, GError **error)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(value);
    g_autofree Place *place = g_new(Place, 1);
    guint64 number = read_newest(fd, place) ? place->head.number + 1 : 1;
    gsize size = g_variant_get_size(sunk);
    ssize_t n;

    if (size > sizeof place->value) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("%zu bytes are more than the %zu that fit"), size, sizeof place->value);
        return FALSE;
    }
    place->head = (Head){.number = number, .size = size};
    g_variant_store(sunk, place->value);
    place->head.checksum = checksum(place);
    size += sizeof place->head;
    n = pwrite(fd, place, size, (off_t)(number % 2) * VF_MEMO_SIZE_MAX);
    if (n == (ssize_t)size)
        return TRUE;
    return vf_error_errno(error, VFERRY_ERROR_FAILED, n < 0 ? errno : ENOSPC,
                          _("cannot write to a memory file"));
}

GVariant *
vf_memo_read(int fd, GError **error)
{
    g_autofree Place *place = g_new(Place, 1);
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GVariant) value = NULL;

    if (read_newest(fd, place)) {
        bytes = g_bytes_new(place->value, place->head.size);
        value = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, bytes, FALSE));
        if (g_variant_is_normal_form(value))
            return g_steal_pointer(&value);
    }
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_FAILED,
                        _("there is nothing whole in a memory file"));
    return NULL;
}
