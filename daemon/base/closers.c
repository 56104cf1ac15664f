/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "closers.h"

#include <sys/socket.h>

#include "io.h"

/* A quarter of what the unit lets us have open (LimitNOFILE=). */
#define WAITING_MAX 1024
#define WARN_SECONDS 60

typedef struct {
    guint threads;
    guint waiting;
} User;

struct VfClosers {
    GMutex lock;
    GHashTable *users; /* uid -> User, of those that have something here */
    GQueue waiting;    /* of Item */
    guint threads;
    gint64 warned; /* monotonic; 0: never */
};

typedef struct {
    VfClosers *closers;
    guint32 uid;
    int fd;
} Item;

VfClosers *
vf_closers_new(void)
{
    VfClosers *self = g_atomic_rc_box_new0(VfClosers);

    g_mutex_init(&self->lock);
    self->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_queue_init(&self->waiting);
    return self;
}

VfClosers *
vf_closers_ref(VfClosers *self)
{
    return g_atomic_rc_box_acquire(self);
}

/* Each item has a reference: there are none. */
static void
clear(gpointer data)
{
    VfClosers *self = data;

    g_mutex_clear(&self->lock);
    g_hash_table_unref(self->users);
}

void
vf_closers_unref(VfClosers *self)
{
    g_atomic_rc_box_release_full(self, clear);
}

static User *
find_user(VfClosers *self, guint32 uid)
{
    return g_hash_table_lookup(self->users, GUINT_TO_POINTER(uid));
}

static User *
need_user(VfClosers *self, guint32 uid)
{
    User *user = find_user(self, uid);

    if (!user) {
        user = g_new0(User, 1);
        g_hash_table_insert(self->users, GUINT_TO_POINTER(uid), user);
    }
    return user;
}

/* The first whose user has a thread left. */
static Item *
pop_next(VfClosers *self)
{
    for (GList *link = self->waiting.head; link; link = link->next) {
        Item *item = link->data;
        User *user = find_user(self, item->uid);

        if (user->threads >= VF_CLOSERS_OF_USER)
            continue;
        g_queue_delete_link(&self->waiting, link);
        user->waiting--;
        user->threads++;
        return item;
    }
    return NULL;
}

/* The thread's next one, or NULL: then it ends. */
static Item *
finish(Item *item)
{
    g_autoptr(VfClosers) self = item->closers;
    User *user;
    Item *next;

    g_mutex_lock(&self->lock);
    user = find_user(self, item->uid);
    user->threads--;
    next = pop_next(self);
    if (!next)
        self->threads--;
    if (user->threads == 0 && user->waiting == 0)
        g_hash_table_remove(self->users, GUINT_TO_POINTER(item->uid));
    g_mutex_unlock(&self->lock);
    g_free(item);
    return next;
}

static gpointer
close_items(gpointer data)
{
    Item *item = data;

    do
        vf_io_clear_fd(&item->fd);
    while ((item = finish(item)));
    return NULL;
}

static gboolean
start_thread(Item *item)
{
    GThread *thread = g_thread_try_new("close", close_items, item, NULL);

    if (thread)
        g_thread_unref(thread);
    return thread != NULL;
}

/* With so many waiting, a connection does not linger: what its sender had left to say is lost. The
 * close resets it and waits for nothing (tcp_close(), net/ipv4/tcp.c). Of other sockets, which may
 * have descriptors within them, nobody knows that. */
static gboolean
close_now(int *fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int domain = 0, type = 0;
    socklen_t size = sizeof domain;

    if (getsockopt(*fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
        getsockopt(*fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        (domain != AF_INET && domain != AF_INET6) || type != SOCK_STREAM ||
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        return FALSE;
    vf_io_clear_fd(fd);
    return TRUE;
}

/* Whose they are: that is whom the administrator asks. */
static void
warn(VfClosers *self, guint32 uid)
{
    gint64 now = g_get_monotonic_time();
    g_autofree char *who =
        uid == VF_CLOSERS_UNKNOWN ? g_strdup("callers") : g_strdup_printf("uid %u", uid);

    if (self->warned && now - self->warned < WARN_SECONDS * G_USEC_PER_SEC)
        return;
    self->warned = now;
    g_warning("descriptors that %s sent take long to close: %u are being closed, %u wait", who,
              self->threads, self->waiting.length);
}

static void
wait(VfClosers *self, User *user, Item *item)
{
    user->waiting++;
    g_queue_push_tail(&self->waiting, item);
    warn(self, item->uid);
}

void
vf_closers_add(VfClosers *self, guint32 uid, int *fd)
{
    Item *item;
    User *user;

    if (*fd < 0)
        return;
    g_mutex_lock(&self->lock);
    if (self->waiting.length < WAITING_MAX || !close_now(fd)) {
        item = g_new0(Item, 1);
        item->closers = vf_closers_ref(self);
        item->uid = uid;
        item->fd = vf_io_steal_fd(fd);
        user = need_user(self, uid);
        if (user->threads < VF_CLOSERS_OF_USER && self->threads < VF_CLOSERS_MAX &&
            start_thread(item)) {
            user->threads++;
            self->threads++;
        } else { /* no room for a thread, too: one that ends takes it, or the next one to come */
            wait(self, user, item);
        }
    }
    g_mutex_unlock(&self->lock);
}

guint
vf_closers_count(VfClosers *self, guint32 uid)
{
    const User *user;
    guint n;

    g_mutex_lock(&self->lock);
    user = find_user(self, uid);
    n = user ? user->threads + user->waiting : 0;
    g_mutex_unlock(&self->lock);
    return n;
}
