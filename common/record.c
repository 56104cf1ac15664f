/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <glib/gi18n-lib.h>
#include <xxhash.h>

#include "error.h"
#include "io.h"

#define RECORD_SIZE_MAX (4 * 1024 * 1024)
#define HASH_DIGITS 16

struct VfRecord {
    int fd;
};

VfRecord *
vf_record_new_from_fd(int fd)
{
    VfRecord *self = g_new0(VfRecord, 1);

    self->fd = fd;
    return self;
}

void
vf_record_free(VfRecord *self)
{
    vf_io_clear_fd(&self->fd);
    g_free(self);
}

int
vf_record_get_fd(VfRecord *self)
{
    return self->fd;
}

VfRecord *
vf_record_create(int dir_fd, const char *name, GError **error)
{
    vf_autofd int fd =
        openat(dir_fd, name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    int saved;

    if (fd >= 0 && fsync(dir_fd) == 0)
        return vf_record_new_from_fd(vf_io_steal_fd(&fd));
    saved = errno;
    if (fd >= 0) /* it would be in the way of the next one of that name */
        unlinkat(dir_fd, name, 0);
    vf_error_errno(error, VFERRY_ERROR_FAILED, saved, _("cannot create the record “%s”"), name);
    return NULL;
}

/* @whole FALSE: of one that is too large, the beginning. */
static char *
read_text(int fd, gboolean whole, gsize *size, GError **error)
{
    struct stat st;
    g_autofree char *text = NULL;
    ssize_t n;

    if (fstat(fd, &st) < 0) {
        vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("cannot read a record"));
        return NULL;
    }
    if (whole && st.st_size > RECORD_SIZE_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("a record is larger than %d bytes"), RECORD_SIZE_MAX);
        return NULL;
    }
    st.st_size = MIN(st.st_size, RECORD_SIZE_MAX);
    text = g_malloc0((gsize)st.st_size + 1);
    n = pread(fd, text, (gsize)st.st_size, 0);
    if (n != st.st_size) {
        vf_error_errno(error, VFERRY_ERROR_FAILED, n < 0 ? errno : EIO, _("cannot read a record"));
        return NULL;
    }
    *size = (gsize)n;
    return g_steal_pointer(&text);
}

/* A line is announced only after fsync, so what stands behind the last newline was never acted on;
 * it may be anything, also the zeros of a block that was allocated and not written. */
static gboolean
drop_torn_line(int fd, GError **error)
{
    gsize size = 0;
    g_autofree char *text = read_text(fd, TRUE, &size, error);
    const char *end = text ? memrchr(text, '\n', size) : NULL;
    gsize whole = end ? (gsize)(end + 1 - text) : 0;

    if (!text)
        return FALSE;
    if (whole == size)
        return TRUE;
    if (ftruncate(fd, (off_t)whole) < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("cannot mend a record"));
    return TRUE;
}

VfRecord *
vf_record_open(int dir_fd, const char *name, GError **error)
{
    vf_autofd int fd = openat(dir_fd, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        vf_error_errno(error, errno == ENOENT ? VFERRY_ERROR_NOT_FOUND : VFERRY_ERROR_FAILED, errno,
                       _("cannot open the record “%s”"), name);
        return NULL;
    }
    return vf_record_new_from_fd(vf_io_steal_fd(&fd));
}

gboolean
vf_record_get_size(VfRecord *self, gsize *size, GError **error)
{
    struct stat st;

    if (fstat(self->fd, &st) < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("cannot read a record"));
    *size = (gsize)st.st_size;
    return TRUE;
}

/* What could not be written is not said: no line that was refused may be found there later, and no
 * half of one in front of the next. */
static gboolean
take_back(int fd, off_t end)
{
    int saved = errno;
    gboolean ok = end >= 0 && ftruncate(fd, end) == 0 && fsync(fd) == 0;

    errno = saved;
    return ok;
}

static gboolean
write_line(VfRecord *self, const char *event, GVariant *details, gboolean sync, GError **error)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(details ? details : g_variant_new("a{sv}", NULL));
    g_autofree char *printed = g_variant_print(sunk, TRUE);
    g_autofree char *body = g_strdup_printf("%s %s", event, printed);
    g_autofree char *line = g_strdup_printf("%s %016" G_GINT64_MODIFIER "x\n", body,
                                            (guint64)XXH3_64bits(body, strlen(body)));
    gsize size = strlen(line);
    off_t end = lseek(self->fd, 0, SEEK_END);
    ssize_t n;
    int saved;

    g_return_val_if_fail(!strpbrk(event, " \n") && !strchr(printed, '\n'), FALSE);
    n = write(self->fd, line, size);
    if (n == (ssize_t)size && (!sync || fsync(self->fd) == 0))
        return TRUE;
    saved = n < 0 || n == (ssize_t)size ? errno : EIO;
    return vf_error_errno(error, VFERRY_ERROR_FAILED, saved,
                          n < 0 || take_back(self->fd, end)
                              ? _("cannot write “%s” to the record")
                              : _("cannot write “%s” to the record, nor take it back"),
                          event);
}

gboolean
vf_record_append(VfRecord *self, const char *event, GVariant *details, GError **error)
{
    return write_line(self, event, details, TRUE, error);
}

gboolean
vf_record_mark(VfRecord *self, const char *event, GVariant *details, GError **error)
{
    return write_line(self, event, details, FALSE, error);
}

static void
entry_free(gpointer data)
{
    VfRecordEntry *entry = data;

    g_free(entry->event);
    g_clear_pointer(&entry->details, g_variant_unref);
    g_free(entry);
}

static VfRecordEntry *
parse_line(char *line, GError **error)
{
    VfRecordEntry *entry;
    g_autoptr(GVariant) details = NULL;
    gsize size = strlen(line);
    char *hash = size > HASH_DIGITS + 1 ? line + size - HASH_DIGITS : NULL;
    char *space = strchr(line, ' ');
    g_autofree char *expected = NULL;

    if (!hash || hash[-1] != ' ' || !space || space >= hash - 1)
        return NULL;
    hash[-1] = '\0';
    expected =
        g_strdup_printf("%016" G_GINT64_MODIFIER "x", (guint64)XXH3_64bits(line, strlen(line)));
    if (!g_str_equal(hash, expected))
        return NULL;
    details = g_variant_parse(G_VARIANT_TYPE_VARDICT, space + 1, NULL, NULL, NULL);
    if (!details)
        return NULL;
    entry = g_new0(VfRecordEntry, 1);
    entry->event = g_strndup(line, (gsize)(space - line));
    entry->details = g_steal_pointer(&details);
    return entry;
}

/* Into @entries, up to the first damaged line. */
static gboolean
parse_lines(char *text, gsize size, GPtrArray *entries, GError **error)
{
    char *next;

    for (char *line = text; line < text + size; line = next) {
        char *end = memchr(line, '\n', (gsize)(text + size - line));
        VfRecordEntry *entry;

        if (!end)
            break; /* a line that is being written now, or torn: not announced yet */
        *end = '\0';
        next = end + 1;
        entry = parse_line(line, error);
        if (!entry) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT,
                        _("line %u of a record is damaged; what it said cannot be guessed"),
                        entries->len + 1);
            return FALSE;
        }
        g_ptr_array_add(entries, entry);
    }
    return TRUE;
}

GPtrArray *
vf_record_read(VfRecord *self, GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
    gsize size = 0;
    g_autofree char *text = read_text(self->fd, TRUE, &size, error);

    return text && parse_lines(text, size, entries, error) ? g_steal_pointer(&entries) : NULL;
}

GPtrArray *
vf_record_read_until_damage(VfRecord *self)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
    gsize size = 0;
    g_autofree char *text = read_text(self->fd, FALSE, &size, NULL);

    if (!text)
        return NULL;
    parse_lines(text, size, entries, NULL);
    return g_steal_pointer(&entries);
}

const VfRecordEntry *
vf_record_find(GPtrArray *entries, const char *event)
{
    for (guint i = entries->len; i > 0; i--) {
        const VfRecordEntry *entry = entries->pdata[i - 1];
        if (g_str_equal(entry->event, event))
            return entry;
    }
    return NULL;
}

gboolean
vf_record_lock(VfRecord *self, GError **error)
{
    if (flock(self->fd, LOCK_EX | LOCK_NB) == 0)
        return drop_torn_line(self->fd, error);
    return vf_error_errno(error, errno == EWOULDBLOCK ? VFERRY_ERROR_BUSY : VFERRY_ERROR_FAILED,
                          errno, _("cannot lock the record"));
}
