/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fd-store.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <glib/gi18n-lib.h>
#include <systemd/sd-daemon.h>

#include "error.h"
#include "io.h"

#define NAME_MAX_LENGTH 255
#define SETTLE_SECONDS 30

struct _VfFdStore {
    GObject parent_instance;
    gboolean there;
    int socket;
    struct sockaddr_un address; /* systemd's */
    socklen_t address_size;
    guint size;        /* places in it */
    guint used;        /* of these, taken or promised */
    GHashTable *found; /* name -> fd, what was handed over and is not taken */
    GHashTable *lost;  /* names whose removal could not be sent: systemd has them still */
};

G_DEFINE_FINAL_TYPE(VfFdStore, vf_fd_store, G_TYPE_OBJECT)

static void
close_found(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);

    vf_io_clear_fd(&fd);
}

static void
vf_fd_store_finalize(GObject *object)
{
    VfFdStore *self = VF_FD_STORE(object);

    g_hash_table_unref(self->found);
    g_hash_table_unref(self->lost);
    vf_io_clear_fd(&self->socket);
    G_OBJECT_CLASS(vf_fd_store_parent_class)->finalize(object);
}

static void
vf_fd_store_class_init(VfFdStoreClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_fd_store_finalize;
}

static void
vf_fd_store_init(VfFdStore *self)
{
    self->socket = -1;
    self->found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_found);
    self->lost = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* Names are ours, and each is used once. */
static void
take_one(VfFdStore *self, const char *name, int fd)
{
    if (g_hash_table_contains(self->found, name)) {
        g_warning("systemd's store has two descriptors “%s”: neither is used", name);
        vf_io_clear_fd(&fd);
        g_hash_table_remove(self->found, name);
        vf_fd_store_remove(self, name);
        return;
    }
    g_hash_table_insert(self->found, g_strdup(name), GINT_TO_POINTER(fd));
}

/* systemd says it since 254; before, it is what the unit says. */
static guint
find_size(void)
{
    const char *text = g_getenv("FDSTORE");
    guint64 size;

    if (text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &size, NULL))
        return (guint)size;
    return VF_FD_STORE_MAX;
}

/* sd_pid_notify_with_fds(3) opens one for each message: who sends us more descriptors than we can
 * close would have what guests need lost with this process. */
static void
open_socket(VfFdStore *self, const char *path)
{
    gsize size = strlen(path);

    self->there = size > 0;
    if (!self->there)
        return;
    self->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size = MIN(size, sizeof self->address.sun_path - 1);
    self->address.sun_family = AF_UNIX;
    memcpy(self->address.sun_path, path, size);
    self->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (path[0] == '@')
        self->address.sun_path[0] = '\0';
    else
        self->address_size++; /* its end */
}

VfFdStore *
vf_fd_store_new(void)
{
    VfFdStore *self = g_object_new(VF_TYPE_FD_STORE, NULL);
    const char *path = g_getenv("NOTIFY_SOCKET");
    char **names = NULL;
    int n;

    open_socket(self, path ? path : "");
    self->size = find_size();
    if (!self->there)
        g_debug("there is no descriptor store: what is open here ends with this process");
    n = sd_listen_fds_with_names(TRUE, &names);
    if (n < 0)
        g_warning("cannot take over systemd's descriptors: %s", g_strerror(-n));
    for (int i = 0; i < n; i++) {
        take_one(self, names[i], SD_LISTEN_FDS_START + i);
        free(names[i]); /* libsystemd's, of malloc(3) */
    }
    free(names);
    return self;
}

/* With a copy of @fd, unless that is negative. */
static gboolean
notify(VfFdStore *self, const char *text, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control = {0};
    struct iovec part = {(char *)text, strlen(text)};
    struct msghdr message = {.msg_name = &self->address,
                             .msg_namelen = self->address_size,
                             .msg_iov = &part,
                             .msg_iovlen = 1};

    if (!self->there)
        return TRUE;
    if (fd >= 0) {
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    if (sendmsg(self->socket, &message, MSG_NOSIGNAL) >= 0)
        return TRUE;
    g_warning("systemd's descriptor store cannot be reached: %s", g_strerror(errno));
    return FALSE;
}

gboolean
vf_fd_store_remove(VfFdStore *self, const char *name)
{
    g_autofree char *message = g_strdup_printf("FDSTOREREMOVE=1\nFDNAME=%s", name);
    gboolean sent = notify(self, message, -1);

    if (sent)
        g_hash_table_remove(self->lost, name);
    else
        g_hash_table_add(self->lost, g_strdup(name));
    return sent;
}

void
vf_fd_store_put(VfFdStore *self, const char *name, int fd)
{
    /* FDPOLL: the end of a mover's socket must be kept when the mover has gone, with its last words
     * in it */
    g_autofree char *message = g_strdup_printf("FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);

    g_return_if_fail(strlen(name) <= NAME_MAX_LENGTH && !strpbrk(name, ":\n"));
    /* of two with one name the next daemon uses neither */
    if (!g_hash_table_contains(self->lost, name) || vf_fd_store_remove(self, name))
        notify(self, message, fd);
}

static void
remove_lost(VfFdStore *self)
{
    g_autofree char **keys = (char **)g_hash_table_get_keys_as_array(self->lost, NULL);
    g_auto(GStrv) names = g_strdupv(keys);

    for (char **name = names; *name; name++)
        vf_fd_store_remove(self, *name);
}

static GError *
unsettled_error(const char *reason)
{
    return g_error_new(VFERRY_ERROR, VFERRY_ERROR_BUSY,
                       _("systemd does not confirm that it has closed what it kept: %s"), reason);
}

static void
settle(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    int r = sd_notify_barrier(FALSE, SETTLE_SECONDS * G_USEC_PER_SEC);

    if (r > 0)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, unsettled_error(g_strerror(r < 0 ? -r : ENODATA)));
}

void
vf_fd_store_settle_async(VfFdStore *self, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(self, NULL, callback, data);

    g_task_set_source_tag(task, vf_fd_store_settle_async);
    remove_lost(self);
    if (!self->there)
        g_task_return_boolean(task, TRUE);
    else if (g_hash_table_size(self->lost) == 0)
        g_task_run_in_thread(task, settle);
    else
        g_task_return_error(task, unsettled_error(_("it cannot be reached")));
}

gboolean
vf_fd_store_settle_finish(VfFdStore *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
vf_fd_store_count(VfFdStore *self, gint change)
{
    self->used = (guint)((gint)self->used + change);
}

gboolean
vf_fd_store_check_room(VfFdStore *self, guint n, GError **error)
{
    if (!self->there || self->used + n <= self->size)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                _("%u descriptors are kept for a restart of the daemon or promised a place, and %u "
                  "more are needed: there is room for %u (FileDescriptorStoreMax= of its unit)"),
                self->used, n, self->size);
    return FALSE;
}

char **
vf_fd_store_list(VfFdStore *self)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, self->found);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_strv_builder_add(builder, name);
    return g_strv_builder_end(builder);
}

int
vf_fd_store_take(VfFdStore *self, const char *name)
{
    gpointer key = NULL;
    gpointer fd = NULL;

    if (!g_hash_table_steal_extended(self->found, name, &key, &fd))
        return -1;
    g_free(key);
    return GPOINTER_TO_INT(fd);
}

void
vf_fd_store_remove_rest(VfFdStore *self)
{
    g_auto(GStrv) names = vf_fd_store_list(self);

    g_hash_table_remove_all(self->found); /* before systemd's: the last close is not ours then */
    for (char **name = names; *name; name++) {
        g_warning("systemd's store has a descriptor “%s” that belongs to nothing here: it is "
                  "closed",
                  *name);
        vf_fd_store_remove(self, *name);
    }
}
