/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "memory.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xxhash.h>

#include "error.h"

#define HEAD_SIZE 16
#define TRAILER_OFFSET G_MAXUINT64
#define HOLD_MS 20000
#define CLEAN 0
#define INITIAL 1
#define DIRTY 2

/* A piece of the stream: where it goes, how long it is, and its bytes. */
typedef struct {
    guint8 head[HEAD_SIZE];
    gsize head_done;
    guint64 offset;
    guint64 left;
    gboolean initial;
} Piece;

struct VfMemory {
    VfMemoryOptions options;
    gint state; /* atomic, VfMigrationState */
    gint live;  /* atomic: has somebody's state */
    gint both_ran;
    gint n_resets;
    guint64 asked; /* since it is in its state */
    guint stream;  /* which one is open: a reset ends it */
    VfMemory *other;
    int fd;
    guint8 *data;
    guint64 n_pages;
    guint8 *pages; /* CLEAN, INITIAL or DIRTY */
    guint64 n_initial;
    guint64 n_dirty;
    guint64 dirtied;
    guint64 random;
    gboolean wants_reinit;
    guint reinits;
    guint seen_empty; /* since the last */
    Piece piece;
    guint64 stream_bytes;
    gboolean trailer_done;
    gboolean trailer_right;
};

typedef struct {
    VfBackend parent;
    VfMemory *device;
    guint stream; /* that came to it */
} Handle;

/* linux/vfio.h, "combination transitions": where to go first. 0 is never. */
static const guint8 first_hop[VF_N_STATES][VF_N_STATES] = {
    [VF_STATE_STOP] = {0, 1, 5, 3, 4, 5, 5, 5},
    [VF_STATE_RUNNING] = {0, 5, 2, 5, 5, 5, 6, 5},
    [VF_STATE_STOP_COPY] = {0, 1, 1, 3, 1, 1, 0, 0},
    [VF_STATE_RESUMING] = {0, 1, 1, 1, 4, 1, 1, 1},
    [VF_STATE_RUNNING_P2P] = {0, 1, 2, 1, 1, 5, 2, 7},
    [VF_STATE_PRE_COPY] = {0, 2, 2, 7, 2, 2, 6, 7},
    [VF_STATE_PRE_COPY_P2P] = {0, 5, 5, 3, 5, 5, 6, 7},
};

static gpointer
map_shared(gsize size, int fd)
{
    gpointer data =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

    g_assert_true(data != MAP_FAILED);
    return data;
}

static guint64
next_random(VfMemory *self)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return self->random >> 16;
}

VfMemory *
vf_memory_new(const VfMemoryOptions *options)
{
    VfMemory *self = map_shared(sizeof *self, -1);

    self->options = *options;
    self->n_pages = MAX(1, (options->size + VF_MEMORY_PAGE - 1) / VF_MEMORY_PAGE);
    self->fd = memfd_create("vferry-test-device", MFD_CLOEXEC);
    g_assert_cmpint(self->fd, >=, 0);
    g_assert_no_errno(ftruncate(self->fd, (off_t)(self->n_pages * VF_MEMORY_PAGE)));
    self->data = map_shared(self->n_pages * VF_MEMORY_PAGE, self->fd);
    self->pages = map_shared(self->n_pages, -1);
    self->random = options->seed;
    for (guint64 i = 0; options->seed && i < self->n_pages * VF_MEMORY_PAGE; i += 8) {
        guint64 word = next_random(self);
        memcpy(self->data + i, &word, 8);
    }
    self->state = VF_STATE_RUNNING;
    self->live = TRUE;
    return self;
}

void
vf_memory_free(VfMemory *self)
{
    munmap(self->data, self->n_pages * VF_MEMORY_PAGE);
    munmap(self->pages, self->n_pages);
    close(self->fd);
    munmap(self, sizeof *self);
}

void
vf_memory_clear(VfMemory *self)
{
    memset(self->data, 0xee, self->n_pages * VF_MEMORY_PAGE);
    g_atomic_int_set(&self->live, FALSE);
}

void
vf_memory_reset(VfMemory *self)
{
    vf_memory_clear(self);
    self->stream++;
    self->piece = (Piece){0};
    g_atomic_int_inc(&self->n_resets);
    g_atomic_int_set(&self->state, VF_STATE_RUNNING);
}

gboolean
vf_memory_was_reset(VfMemory *self)
{
    return g_atomic_int_get(&self->n_resets) > 0;
}

/* When its moment has come; it comes once. */
static gboolean
reset_if(VfMemory *self, VfMemoryResetMoment moment, guint64 count)
{
    const VfMemoryReset *reset = &self->options.reset;
    VfMigrationState now = vf_memory_get_state(self);

    if (reset->moment != moment || reset->state != now || count < reset->count ||
        vf_memory_was_reset(self) || (now == VF_STATE_STOP && !g_atomic_int_get(&self->live)))
        return FALSE;
    vf_memory_reset(self);
    return TRUE;
}

void
vf_memory_link(VfMemory *a, VfMemory *b)
{
    a->other = b;
    b->other = a;
}

gboolean
vf_memory_both_ran(VfMemory *self)
{
    return g_atomic_int_get(&self->both_ran);
}

VfMigrationState
vf_memory_get_state(VfMemory *self)
{
    return (VfMigrationState)g_atomic_int_get(&self->state);
}

guint64
vf_memory_get_dirtied(VfMemory *self)
{
    return self->dirtied;
}

int
vf_memory_get_fd(VfMemory *self)
{
    return self->fd;
}

gboolean
vf_memory_equal(VfMemory *a, VfMemory *b)
{
    return a->n_pages == b->n_pages && memcmp(a->data, b->data, a->n_pages * VF_MEMORY_PAGE) == 0;
}

static gboolean
state_runs(VfMigrationState state)
{
    return state == VF_STATE_RUNNING || state == VF_STATE_RUNNING_P2P ||
           state == VF_STATE_PRE_COPY || state == VF_STATE_PRE_COPY_P2P;
}

gboolean
vf_memory_is_live(VfMemory *self)
{
    return g_atomic_int_get(&self->live) && state_runs(vf_memory_get_state(self));
}

static gboolean
state_saves(VfMigrationState state)
{
    return state == VF_STATE_STOP_COPY || state == VF_STATE_PRE_COPY ||
           state == VF_STATE_PRE_COPY_P2P;
}

static void
begin_stream(VfMemory *self, gboolean saving)
{
    self->stream++;
    self->piece = (Piece){.head_done = saving ? HEAD_SIZE : 0};
    self->stream_bytes = 0;
    self->trailer_done = self->trailer_right = FALSE;
    memset(self->pages, saving ? INITIAL : CLEAN, self->n_pages);
    self->n_initial = saving ? self->n_pages : 0;
    self->n_dirty = 0;
}

static gboolean
final_check(VfMemory *self)
{
    gboolean whole =
        self->piece.left == 0 && (self->piece.head_done == HEAD_SIZE || self->piece.head_done == 0);

    if (self->options.slow_final_us)
        g_usleep(self->options.slow_final_us);
    return !self->options.fail_final && whole && self->stream_bytes > 0 &&
           (self->options.no_trailer || self->trailer_right);
}

static int
refuse(VfMemory *self, int errnum)
{
    if (self->options.error_on_fault)
        g_atomic_int_set(&self->state, VF_STATE_ERROR);
    return errnum;
}

static void
die_if(guint mask, VfMigrationState state)
{
    if (mask & (1u << state))
        kill(getpid(), SIGKILL);
}

/* One arc; 0 or errno. */
static int
enter(VfMemory *self, VfMigrationState state)
{
    VfMigrationState old = vf_memory_get_state(self);

    die_if(self->options.die_entering, state);
    if (self->options.refuse & (1u << state)) {
        if (self->options.refuse_times == 1)
            self->options.refuse = 0;
        else if (self->options.refuse_times > 1)
            self->options.refuse_times--;
        return refuse(self, EIO);
    }
    if (old == VF_STATE_RESUMING) {
        if (!final_check(self))
            return refuse(self, EINVAL);
        g_atomic_int_set(&self->live, TRUE);
    }
    if ((state_saves(state) && !state_saves(old)) || state == VF_STATE_RESUMING)
        begin_stream(self, state != VF_STATE_RESUMING);
    g_atomic_int_set(&self->state, (gint)state);
    self->asked = 0;
    if (self->other && vf_memory_is_live(self) && vf_memory_is_live(self->other)) {
        g_atomic_int_set(&self->both_ran, TRUE);
        g_atomic_int_set(&self->other->both_ran, TRUE);
    }
    die_if(self->options.die_entered, state);
    return 0;
}

static guint
flags_of(VfMigrationState state)
{
    switch (state) {
    case VF_STATE_RUNNING_P2P:
        return VF_BACKEND_P2P;
    case VF_STATE_PRE_COPY:
        return VF_BACKEND_PRE_COPY;
    case VF_STATE_PRE_COPY_P2P:
        return VF_BACKEND_PRE_COPY | VF_BACKEND_P2P;
    case VF_STATE_ERROR:
    case VF_STATE_STOP:
    case VF_STATE_RUNNING:
    case VF_STATE_STOP_COPY:
    case VF_STATE_RESUMING:
    default:
        return 0;
    }
}

/* 0 or errno: the way that the kernel composes. */
static int
walk(VfMemory *self, VfMigrationState to)
{
    int errnum = (flags_of(to) & ~self->options.flags) ? EINVAL : 0;

    while (errnum == 0 && vf_memory_get_state(self) != to) {
        VfMigrationState hop = first_hop[vf_memory_get_state(self)][to];
        while (hop != VF_STATE_ERROR && (flags_of(hop) & ~self->options.flags))
            hop = first_hop[hop][to];
        errnum = hop == VF_STATE_ERROR ? EINVAL : enter(self, hop);
    }
    return errnum;
}

static gboolean
memory_set_state(VfBackend *backend, VfMigrationState from, VfMigrationState to, GError **error)
{
    Handle *handle = (Handle *)backend;
    VfMemory *self = handle->device;
    guint stream = handle->stream;
    int errnum;

    reset_if(self, VF_MEMORY_RESET_LEAVING, G_MAXUINT64);
    errnum = walk(self, to);
    handle->stream = self->stream;
    if (errnum == 0)
        reset_if(self, VF_MEMORY_RESET_ENTERED, G_MAXUINT64);
    if (errnum == 0 && state_saves(from) && state_saves(to) && handle->stream != stream) {
        backend->began_anew = TRUE; /* as in engine/vfio.c */
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                            "a second stream: the device was reset meanwhile");
        return FALSE;
    }
    return errnum == 0 ||
           vf_error_errno(error, VFERRY_ERROR_DEVICE, errnum, "change of state from %s to %s",
                          vf_backend_state_name(from), vf_backend_state_name(to));
}

static gboolean
memory_get_state(VfBackend *backend, VfMigrationState *state, GError **error)
{
    VfMemory *self = ((Handle *)backend)->device;

    *state = vf_memory_get_state(self);
    reset_if(self, VF_MEMORY_RESET_ASKED, ++self->asked);
    return TRUE;
}

static gboolean
memory_get_info(VfBackend *backend, VfBackendInfo *info, GError **error)
{
    VfMemory *self = ((Handle *)backend)->device;

    if (self->options.mute)
        return vf_error_errno(error, VFERRY_ERROR_DEVICE, EIO, "reading what it can");
    info->flags = self->options.flags;
    info->has_data_size = TRUE;
    info->data_size = self->n_pages * VF_MEMORY_PAGE;
    return TRUE;
}

static guint64
pages_for_precopy(VfMemory *self)
{
    return self->n_pages - MIN(self->n_pages, self->options.stop_only / VF_MEMORY_PAGE);
}

/* The device works on. */
static void
change_pages(VfMemory *self)
{
    guint64 n = self->options.dirty_per_read / VF_MEMORY_PAGE;

    for (guint64 i = 0; i < n; i++) {
        guint64 page = next_random(self) % self->n_pages;
        guint64 word = next_random(self);
        if (self->options.dirty_max && self->dirtied >= self->options.dirty_max)
            return;
        memcpy(self->data + page * VF_MEMORY_PAGE, &word, sizeof word);
        self->dirtied += VF_MEMORY_PAGE;
        if (self->pages[page] == CLEAN) {
            self->pages[page] = DIRTY;
            self->n_dirty++;
        }
    }
}

static void
set_piece(VfMemory *self, guint64 offset, guint64 length)
{
    self->piece = (Piece){.offset = offset, .left = length};
    memcpy(self->piece.head, &offset, 8);
    memcpy(self->piece.head + 8, &length, 8);
}

/* The next run of pages of one kind; FALSE when there is none. */
static gboolean
choose_piece(VfMemory *self, guint64 end)
{
    guint8 kind = self->n_initial > self->n_pages - end ? INITIAL : DIRTY;
    guint64 first = 0;
    guint64 last;

    while (first < end && self->pages[first] != kind)
        first++;
    if (first == end)
        return FALSE;
    for (last = first; last < end && self->pages[last] == kind; last++)
        self->pages[last] = CLEAN;
    *(kind == INITIAL ? &self->n_initial : &self->n_dirty) -= last - first;
    set_piece(self, first * VF_MEMORY_PAGE, (last - first) * VF_MEMORY_PAGE);
    self->piece.initial = kind == INITIAL;
    return TRUE;
}

static gboolean
next_piece(VfMemory *self)
{
    if (vf_memory_get_state(self) != VF_STATE_STOP_COPY)
        return choose_piece(self, pages_for_precopy(self));
    /* the part that pre-copy may not move is INITIAL still, behind what has become DIRTY */
    for (guint64 i = 0; i < self->n_pages && self->n_dirty > 0; i++)
        if (self->pages[i] == DIRTY) {
            self->pages[i] = INITIAL;
            self->n_dirty--;
            self->n_initial++;
        }
    if (choose_piece(self, self->n_pages))
        return TRUE;
    if (self->trailer_done || self->options.no_trailer)
        return FALSE;
    self->trailer_done = TRUE;
    set_piece(self, TRAILER_OFFSET, 8);
    return TRUE;
}

/* pread() and pwrite() are not for a mover (engine/confine.c). */
static void
seek(VfMemory *self, guint64 offset)
{
    g_assert_cmpint(lseek(self->fd, (off_t)offset, SEEK_SET), ==, (off_t)offset);
}

static gsize
read_piece(VfMemory *self, guint8 *buffer, gsize size)
{
    Piece *piece = &self->piece;
    guint64 hash;
    gsize n;

    if (piece->head_done < HEAD_SIZE) {
        n = MIN(size, HEAD_SIZE - piece->head_done);
        memcpy(buffer, piece->head + piece->head_done, n);
        piece->head_done += n;
        return n;
    }
    n = MIN(size, piece->left);
    if (piece->offset == TRAILER_OFFSET) {
        g_assert_cmpuint(size, >=, sizeof hash);
        hash = XXH3_64bits(self->data, self->n_pages * VF_MEMORY_PAGE);
        memcpy(buffer, &hash, sizeof hash);
    } else {
        seek(self, piece->offset);
        g_assert_cmpint(read(self->fd, buffer, n), ==, (gssize)n);
        piece->offset += n;
    }
    piece->left -= n;
    return n;
}

static VfReadResult
memory_read(VfBackend *backend, void *buffer, gsize size, gsize *n, GError **error)
{
    Handle *handle = (Handle *)backend;
    VfMemory *self = handle->device;

    if (self->options.slow_us)
        g_usleep(self->options.slow_us);
    reset_if(self, VF_MEMORY_RESET_MOVED, self->stream_bytes);
    if (handle->stream != self->stream) {
        if (self->options.reset.unsaid)
            return VF_READ_END;
        vf_error_errno(error, VFERRY_ERROR_DEVICE, ENODEV, "read of device state");
        return VF_READ_ERROR;
    }
    if (state_runs(vf_memory_get_state(self)))
        change_pages(self);
    if (self->options.fail_read_at && self->stream_bytes >= self->options.fail_read_at) {
        vf_error_errno(error, VFERRY_ERROR_DEVICE, EIO,
                       "read of device state at byte %" G_GUINT64_FORMAT, self->stream_bytes);
        return VF_READ_ERROR;
    }
    if (self->piece.head_done == HEAD_SIZE && self->piece.left == 0 && !next_piece(self)) {
        if (vf_memory_get_state(self) != VF_STATE_STOP_COPY)
            return VF_READ_DRY;
        reset_if(self, VF_MEMORY_RESET_READ, G_MAXUINT64);
        return VF_READ_END;
    }
    if (self->options.fail_read_at)
        size = MIN(size, self->options.fail_read_at - self->stream_bytes);
    if (self->options.read_max)
        size = MIN(size, self->options.read_max);
    *n = read_piece(self, buffer, size);
    self->stream_bytes += *n;
    return VF_READ_DATA;
}

/* 0 or errno. */
static int
write_piece(VfMemory *self, const guint8 *buffer, gsize size, gsize *n)
{
    Piece *piece = &self->piece;
    guint64 hash;

    if (piece->head_done == HEAD_SIZE && piece->left == 0)
        piece->head_done = 0;
    if (piece->head_done < HEAD_SIZE) {
        *n = MIN(size, HEAD_SIZE - piece->head_done);
        memcpy(piece->head + piece->head_done, buffer, *n);
        piece->head_done += *n;
        memcpy(&piece->offset, piece->head, 8);
        memcpy(&piece->left, piece->head + 8, 8);
        return 0;
    }
    *n = MIN(size, piece->left);
    if (piece->offset == TRAILER_OFFSET) {
        if (piece->left != sizeof hash || *n != sizeof hash)
            return EINVAL;
        memcpy(&hash, buffer, sizeof hash);
        self->trailer_right = hash == XXH3_64bits(self->data, self->n_pages * VF_MEMORY_PAGE);
    } else {
        if (piece->offset > self->n_pages * VF_MEMORY_PAGE ||
            piece->left > self->n_pages * VF_MEMORY_PAGE - piece->offset)
            return EINVAL;
        seek(self, piece->offset);
        g_assert_cmpint(write(self->fd, buffer, *n), ==, (gssize)*n);
        piece->offset += *n;
    }
    piece->left -= *n;
    return 0;
}

/* Not for ever: who was to end it did not. */
static void
wait_held(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int n;

    while ((n = poll(&polled, 1, HOLD_MS)) < 0)
        g_assert_cmpint(errno, ==, EINTR);
    g_assert_cmpint(n, ==, 1);
}

static gboolean
memory_write(VfBackend *backend, const void *buffer, gsize size, GError **error)
{
    Handle *handle = (Handle *)backend;
    VfMemory *self = handle->device;
    const guint8 *at = buffer;
    int errnum = 0;

    if (self->options.slow_us)
        g_usleep(self->options.slow_us);
    if (self->options.hold_fd > 0)
        wait_held(self->options.hold_fd);
    reset_if(self, VF_MEMORY_RESET_MOVED, self->stream_bytes);
    if (handle->stream != self->stream)
        return self->options.reset.unsaid ||
               vf_error_errno(error, VFERRY_ERROR_DEVICE, ENODEV, "write of device state");
    g_assert_cmpint(vf_memory_get_state(self), ==, VF_STATE_RESUMING);
    while (size > 0 && errnum == 0) {
        gsize want = size;
        gsize n = 0;
        if (self->options.fail_write_at)
            want = MIN(want, self->options.fail_write_at -
                                 MIN(self->stream_bytes, self->options.fail_write_at));
        errnum = want == 0 ? EIO : write_piece(self, at, want, &n);
        at += n;
        size -= n;
        self->stream_bytes += n;
    }
    return errnum == 0 ||
           vf_error_errno(error, VFERRY_ERROR_DEVICE, errnum,
                          "write of device state at byte %" G_GUINT64_FORMAT, self->stream_bytes);
}

static void
memory_want_reinit(VfBackend *backend)
{
    ((Handle *)backend)->device->wants_reinit = TRUE;
}

static guint64
initial_left(VfMemory *self)
{
    guint64 pages = self->n_initial - (self->n_pages - pages_for_precopy(self));

    return pages * VF_MEMORY_PAGE + (self->piece.initial ? self->piece.left : 0);
}

static gboolean
reinit(VfMemory *self)
{
    if (!self->wants_reinit || self->reinits == self->options.reinit_times ||
        initial_left(self) > 0 || self->seen_empty++ < self->options.reinit_after ||
        (self->options.reinit_quiet && vf_memory_get_state(self) != VF_STATE_PRE_COPY_P2P))
        return FALSE;
    self->reinits++;
    self->seen_empty = 0;
    memset(self->pages, INITIAL, self->n_pages);
    self->n_initial = self->n_pages;
    self->n_dirty = 0;
    self->piece.initial = TRUE;
    return TRUE;
}

static gboolean
memory_get_precopy_info(VfBackend *backend, VfPrecopyInfo *info, GError **error)
{
    VfMemory *self = ((Handle *)backend)->device;
    VfMigrationState state = vf_memory_get_state(self);

    if (self->options.reset.unsaid && ((Handle *)backend)->stream != self->stream)
        return TRUE;
    if (state != VF_STATE_PRE_COPY && state != VF_STATE_PRE_COPY_P2P)
        return vf_error_errno(error, VFERRY_ERROR_DEVICE, EINVAL,
                              "asking how much of the state is left");
    info->reinit = reinit(self);
    info->initial_bytes = initial_left(self);
    info->dirty_bytes =
        self->n_dirty * VF_MEMORY_PAGE + (self->piece.initial ? 0 : self->piece.left);
    return TRUE;
}

static int
memory_get_poll_fd(VfBackend *backend)
{
    return ((Handle *)backend)->device->fd; /* like a driver without poll: always readable */
}

static void
memory_free(VfBackend *backend)
{
    g_free(backend);
}

VfBackend *
vf_memory_open(VfMemory *self)
{
    static const VfBackendClass class = {
        .get_info = memory_get_info,
        .get_state = memory_get_state,
        .set_state = memory_set_state,
        .read = memory_read,
        .write = memory_write,
        .want_reinit = memory_want_reinit,
        .get_precopy_info = memory_get_precopy_info,
        .get_poll_fd = memory_get_poll_fd,
        .free = memory_free,
    };
    Handle *handle = g_new0(Handle, 1);

    handle->parent.class = &class;
    handle->device = self;
    return &handle->parent;
}
