/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <glib/gi18n-lib.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "error.h"
#include "io.h"

/* Both sides were built together, so there is nothing to negotiate but what the processor is good
 * at. Nothing of the host's default priorities is in it; its policy can only forbid. SHA-256 is
 * what the binder of an external key uses (RFC 8446, 4.2.11), so the ciphers are those of that
 * hash. The compatibility mode would make it look like TLS 1.2 for the sake of middle boxes.
 * Nobody signs anything; the library takes no list without a signature algorithm. */
static const char priorities[] = "NONE:+VERS-TLS1.3:+AES-128-GCM:+CHACHA20-POLY1305:+AEAD:"
                                 "+ECDHE-PSK:+GROUP-X25519:+GROUP-SECP256R1:+SIGN-EDDSA-ED25519:"
                                 "%DISABLE_TLS13_COMPAT_MODE";
static const char label[] = "vferry1 channel";

#define FLAGS (GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_KEY_SHARE_TOP)
#define HANDSHAKE_MAX 4096 /* bytes of one message; a client's first has about 300 */
#define STRANGER_MAX 8192  /* bytes in all that somebody unknown may make this side read */
#define RECORD_MAX 16384   /* RFC 8446, 5.1 */
#define RECORD_ROOM (RECORD_MAX + 1024) /* sealed, and a change of keys before it */
#define BATCH (8 * RECORD_MAX)
#define SEALED_ROOM (BATCH + 2 * RECORD_ROOM)
#define RECEIVED_ROOM (16 * RECORD_MAX)
/* Of records without data, one after the other: one of ours changes its keys once in 2^24. */
#define IDLE_RECORDS_MAX 64

struct VfTls {
    VfRole role;
    char *job;
    guint8 key[VF_TLS_KEY_SIZE]; /* derived */
    gnutls_priority_t priority;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
};

/* Bytes from begin to end wait. */
typedef struct {
    guint8 *data;
    gsize room;
    gsize begin;
    gsize end;
} Buffer;

/* GnuTLS reads from and writes to buffers, never the socket: it cannot be left half-way in a record
 * that does not fit, and many records go with one system call. */
typedef struct {
    VfChannel parent;
    VfTls *tls;  /* borrowed, until the handshake is over */
    GMutex lock; /* see “The stream's side” */
    gnutls_session_t session;
    Buffer received;
    Buffer sealed;
    gsize heard;   /* bytes, before it is open */
    gboolean open; /* the handshake is over */
    gboolean given_up;
    gboolean hung_up; /* the other side's socket is closed */
    gboolean dry;     /* nothing more could be read */
    guint idle_records;
    int errnum; /* why the socket does not work any more */
} Tls;

static gboolean
fail(GError **error, VferryError code, const char *what, int status)
{
    g_set_error(error, VFERRY_ERROR, (gint)code, "%s: %s", what, gnutls_strerror(status));
    return FALSE;
}

/* The key */

/* The secret is made for one lease and handed out for one job; what TLS gets is bound to the job's
 * name besides, so that it opens nothing else, wherever it may turn up. */
static int
derive_key(const char *job, const guint8 secret[VF_TLS_KEY_SIZE], guint8 key[VF_TLS_KEY_SIZE])
{
    g_autofree char *context = g_strconcat(label, " ", job, NULL);
    guint8 extracted[VF_TLS_KEY_SIZE];
    gnutls_datum_t input = {(guint8 *)secret, VF_TLS_KEY_SIZE};
    gnutls_datum_t salt = {NULL, 0};
    gnutls_datum_t prk = {extracted, sizeof extracted};
    gnutls_datum_t info = {(guint8 *)context, (guint)strlen(context)};
    int status = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &input, &salt, extracted);

    if (status >= 0)
        status = gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &prk, &info, key, VF_TLS_KEY_SIZE);
    explicit_bzero(extracted, sizeof extracted);
    return status;
}

/* For the library, which wipes and frees it. */
static int
copy_datum(gnutls_datum_t *datum, const void *data, gsize size)
{
    datum->data = gnutls_malloc(size);
    datum->size = (guint)size;
    if (!datum->data)
        return -1;
    memcpy(datum->data, data, size);
    return 0;
}

static int
get_client_key(gnutls_session_t session, gnutls_datum_t *identity, gnutls_datum_t *key)
{
    Tls *self = gnutls_session_get_ptr(session);

    if (copy_datum(identity, self->tls->job, strlen(self->tls->job)) < 0)
        return -1;
    return copy_datum(key, self->tls->key, VF_TLS_KEY_SIZE);
}

/* A wrong name gets a key that nobody has: it fails where and as a wrong key does. */
static int
get_server_key(gnutls_session_t session, const gnutls_datum_t *identity, gnutls_datum_t *key)
{
    Tls *self = gnutls_session_get_ptr(session);
    gsize size = strlen(self->tls->job);
    guint8 nobodys[VF_TLS_KEY_SIZE];
    gboolean right =
        identity->size == size && gnutls_memcmp(identity->data, self->tls->job, size) == 0;
    int status = gnutls_rnd(GNUTLS_RND_KEY, nobodys, sizeof nobodys);

    if (status >= 0)
        status = copy_datum(key, right ? self->tls->key : nobodys, VF_TLS_KEY_SIZE);
    explicit_bzero(nobodys, sizeof nobodys);
    return status;
}

static int
prepare(VfTls *self, const guint8 secret[VF_TLS_KEY_SIZE])
{
    int status = derive_key(self->job, secret, self->key);

    if (status >= 0)
        status = gnutls_priority_init(&self->priority, priorities, NULL);
    if (status < 0)
        return status;
    if (self->role == VF_ROLE_SOURCE) {
        status = gnutls_psk_allocate_client_credentials(&self->client);
        if (status >= 0)
            gnutls_psk_set_client_credentials_function2(self->client, get_client_key);
    } else {
        status = gnutls_psk_allocate_server_credentials(&self->server);
        if (status >= 0)
            gnutls_psk_set_server_credentials_function2(self->server, get_server_key);
    }
    return status;
}

VfTls *
vf_tls_new(VfRole role, const char *job, const guint8 key[VF_TLS_KEY_SIZE], GError **error)
{
    g_autoptr(VfTls) self = g_new0(VfTls, 1);
    int status;

    self->role = role;
    self->job = g_strdup(job);
    status = prepare(self, key);
    if (status >= 0)
        return g_steal_pointer(&self);
    fail(error, VFERRY_ERROR_FAILED, _("TLS 1.3 with a pre-shared key does not work here"), status);
    return NULL;
}

void
vf_tls_free(VfTls *self)
{
    explicit_bzero(self->key, sizeof self->key);
    g_clear_pointer(&self->priority, gnutls_priority_deinit);
    g_clear_pointer(&self->client, gnutls_psk_free_client_credentials);
    g_clear_pointer(&self->server, gnutls_psk_free_server_credentials);
    g_free(self->job);
    g_free(self);
}

/* The socket's side */

static gsize
waiting(const Buffer *buffer)
{
    return buffer->end - buffer->begin;
}

static void
take_out(Buffer *buffer, gsize n)
{
    buffer->begin += n;
    if (buffer->begin == buffer->end)
        buffer->begin = buffer->end = 0;
}

/* Keeps what waits; wipes nothing, because only sealed bytes are here. */
static void
resize(Buffer *buffer, gsize room)
{
    guint8 *data = g_malloc(room);

    memcpy(data, buffer->data ? buffer->data + buffer->begin : data, waiting(buffer));
    g_free(buffer->data);
    *buffer = (Buffer){.data = data, .room = room, .end = waiting(buffer)};
}

/* One recv(2) into the empty buffer: bytes, 0 at the end, -1 with errno. */
static ssize_t
refill(Tls *self)
{
    Buffer *buffer = &self->received;
    gsize room = self->open ? buffer->room : STRANGER_MAX - self->heard;
    ssize_t n;

    if (room == 0) {
        errno = EMSGSIZE;
        return -1;
    }
    do
        n = recv(self->parent.fd, buffer->data, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        buffer->end = (gsize)n;
        self->heard += self->open ? 0 : (gsize)n;
    }
    return n;
}

static ssize_t
pull(gnutls_transport_ptr_t data, void *to, size_t size)
{
    Tls *self = data;
    Buffer *buffer = &self->received;
    ssize_t n = waiting(buffer) > 0 ? 1 : refill(self);

    if (n == 0) {
        self->hung_up = TRUE;
        return 0;
    }
    if (n < 0) {
        if (errno == EAGAIN)
            self->dry = TRUE;
        else
            self->errnum = errno;
        gnutls_transport_set_errno(self->session, errno);
        return -1;
    }
    size = MIN(size, waiting(buffer));
    memcpy(to, buffer->data + buffer->begin, size);
    take_out(buffer, size);
    return (ssize_t)size;
}

/* There is always room: nothing is sealed before there is. */
static ssize_t
push(gnutls_transport_ptr_t data, const giovec_t *pieces, int n)
{
    Tls *self = data;
    Buffer *buffer = &self->sealed;
    gsize size = 0;

    for (int i = 0; i < n; i++) {
        if (buffer->room - buffer->end < pieces[i].iov_len) {
            gnutls_transport_set_errno(self->session, ENOBUFS);
            return -1;
        }
        memcpy(buffer->data + buffer->end, pieces[i].iov_base, pieces[i].iov_len);
        buffer->end += pieces[i].iov_len;
        size += pieces[i].iov_len;
    }
    return (ssize_t)size;
}

static VfChannelResult
broken(Tls *self, int errnum, GError **error)
{
    self->errnum = errnum;
    vf_channel_broken(error, errnum);
    return VF_CHANNEL_ERROR;
}

static VfChannelResult
drain(Tls *self, GError **error)
{
    Buffer *buffer = &self->sealed;

    while (waiting(buffer) > 0) {
        ssize_t n = send(self->parent.fd, buffer->data + buffer->begin, waiting(buffer),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return VF_CHANNEL_WAIT;
        if (n < 0 && errno != EINTR)
            return broken(self, errno, error);
        take_out(buffer, (gsize)MAX(n, 0));
    }
    return VF_CHANNEL_DONE;
}

/* The stream's side. A session may be read by one thread and written by another, but not while its
 * keys change: that touches both directions (RFC 8446, 4.6.3, and in GnuTLS the epochs, which are
 * one list), and comes when the peer wants it or after 2^24 records. Nothing here waits, so that
 * one lock for both is short and settles it. */

/* A record that is no data, such as a change of keys, or that has none ends a call, too. Whoever
 * sends nothing else would keep us here, with the lock, for ever. */
static ssize_t
receive(Tls *self, void *data, gsize size)
{
    ssize_t got;

    do {
        self->dry = FALSE;
        got = gnutls_record_recv(self->session, data, size);
    } while (got == GNUTLS_E_INTERRUPTED ||
             (got == GNUTLS_E_AGAIN && !self->dry && ++self->idle_records <= IDLE_RECORDS_MAX));
    if (got > 0)
        self->idle_records = 0;
    return got;
}

static VfChannelResult
read_some(Tls *self, void *data, gsize size, gsize *n, GError **error)
{
    ssize_t got = receive(self, data, size);

    *n = (gsize)MAX(got, 0);
    if (got > 0)
        return VF_CHANNEL_DONE;
    if (got == 0)
        return VF_CHANNEL_END;
    if (got == GNUTLS_E_AGAIN && self->dry)
        return VF_CHANNEL_WAIT;
    if (got == GNUTLS_E_AGAIN) {
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_PEER,
            _("the other side has sent %u records without data, one after the other, but at "
              "most %d are accepted"),
            self->idle_records, IDLE_RECORDS_MAX);
        return VF_CHANNEL_ERROR;
    }
    if (got == GNUTLS_E_PULL_ERROR)
        return broken(self, self->errnum, error);
    if (self->hung_up) /* between records, or in one */
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                            _("the connection was cut off: the other side has not ended it"));
    else
        fail(error, VFERRY_ERROR_PEER,
             _("what comes from the other side is no TLS, or was changed on the way"), (int)got);
    return VF_CHANNEL_ERROR;
}

static VfChannelResult
tls_read(VfChannel *channel, void *data, gsize size, gsize *n, GError **error)
{
    Tls *self = (Tls *)channel;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);

    return read_some(self, data, size, n, error);
}

/* Seals as much as makes one good send(2). */
static VfChannelResult
seal(Tls *self, const guint8 *data, gsize size, gsize *n, GError **error)
{
    while (*n < size && *n < BATCH) {
        ssize_t sealed =
            gnutls_record_send(self->session, data + *n, MIN(size - *n, (gsize)RECORD_MAX));
        if (sealed < 0) {
            fail(error, VFERRY_ERROR_PEER, _("nothing more can be sent to the other side"),
                 (int)sealed);
            return VF_CHANNEL_ERROR;
        }
        *n += (gsize)sealed;
    }
    return VF_CHANNEL_DONE;
}

static VfChannelResult
tls_write(VfChannel *channel, const void *data, gsize size, gsize *n, GError **error)
{
    Tls *self = (Tls *)channel;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);
    VfChannelResult result;

    *n = 0;
    if (self->given_up)
        return broken(self, EPIPE, error);
    result = drain(self, error);
    if (result == VF_CHANNEL_DONE)
        result = seal(self, data, size, n, error);
    if (result == VF_CHANNEL_DONE && drain(self, error) == VF_CHANNEL_ERROR)
        return VF_CHANNEL_ERROR;
    return result;
}

static VfChannelResult
tls_flush(VfChannel *channel, GError **error)
{
    Tls *self = (Tls *)channel;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);

    return drain(self, error);
}

static void
tls_end(VfChannel *channel)
{
    Tls *self = (Tls *)channel;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);

    /* close_notify; without it the peer takes the end for a cut, which after a give-up it is */
    if (self->open && !self->given_up)
        gnutls_bye(self->session, GNUTLS_SHUT_WR);
}

static void
tls_give_up(VfChannel *channel)
{
    Tls *self = (Tls *)channel;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);

    self->given_up = TRUE;
    self->sealed.begin = self->sealed.end = 0;
}

static gsize
tls_get_unread(VfChannel *channel)
{
    Tls *self = (Tls *)channel;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);

    return gnutls_record_check_pending(self->session) + waiting(&self->received);
}

static gsize
tls_get_unsent(VfChannel *channel)
{
    Tls *self = (Tls *)channel;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);

    return waiting(&self->sealed);
}

static void
tls_free(VfChannel *channel)
{
    Tls *self = (Tls *)channel;

    g_clear_pointer(&self->session, gnutls_deinit);
    vf_io_clear_fd(&self->parent.fd);
    g_free(self->received.data);
    g_free(self->sealed.data);
    g_mutex_clear(&self->lock);
    g_free(self);
}

static const VfChannelClass tls_class = {
    .read = tls_read,
    .write = tls_write,
    .flush = tls_flush,
    .end = tls_end,
    .give_up = tls_give_up,
    .get_unread = tls_get_unread,
    .get_unsent = tls_get_unsent,
    .free = tls_free,
};

/* The handshake */

static int
begin_session(Tls *self)
{
    gboolean client = self->tls->role == VF_ROLE_SOURCE;
    gpointer credentials = client ? (gpointer)self->tls->client : (gpointer)self->tls->server;
    int status = gnutls_init(&self->session, FLAGS | (client ? GNUTLS_CLIENT : GNUTLS_SERVER));

    if (status >= 0)
        status = gnutls_priority_set(self->session, self->tls->priority);
    if (status >= 0)
        status = gnutls_credentials_set(self->session, GNUTLS_CRD_PSK, credentials);
    if (status < 0)
        return status;
    gnutls_session_set_ptr(self->session, self);
    gnutls_handshake_set_max_packet_length(self->session, HANDSHAKE_MAX);
    gnutls_handshake_set_timeout(self->session, GNUTLS_INDEFINITE_TIMEOUT); /* the caller's */
    gnutls_transport_set_ptr(self->session, self);
    gnutls_transport_set_pull_function(self->session, pull);
    gnutls_transport_set_vec_push_function(self->session, push);
    return 0;
}

VfChannel *
vf_tls_wrap(VfTls *tls, int fd, GError **error)
{
    Tls *self = g_new0(Tls, 1);
    int status;

    self->parent.class = &tls_class;
    self->parent.fd = fd;
    self->tls = tls;
    g_mutex_init(&self->lock);
    resize(&self->received, STRANGER_MAX);
    resize(&self->sealed, STRANGER_MAX);
    status = begin_session(self);
    if (status >= 0)
        return &self->parent;
    fail(error, VFERRY_ERROR_FAILED, _("no TLS session can be made"), status);
    vf_channel_free(&self->parent);
    return NULL;
}

/* What a destination answers to a wrong key or name, and others' servers to a key they do not know.
 */
static gboolean
means_wrong_key(gnutls_alert_description_t alert)
{
    return alert == GNUTLS_A_ILLEGAL_PARAMETER || alert == GNUTLS_A_DECRYPT_ERROR ||
           alert == GNUTLS_A_UNKNOWN_PSK_IDENTITY || alert == GNUTLS_A_HANDSHAKE_FAILURE;
}

/* Hung up on, too, and seen where one's own words do not get out or no others come in. */
static gboolean
was_reset(const Tls *self)
{
    return self->errnum == ECONNRESET || self->errnum == EPIPE;
}

static VfChannelResult
refuse(Tls *self, int status, GError **error)
{
    gnutls_alert_description_t alert = gnutls_alert_get(self->session);
    const char *name = gnutls_alert_get_name(alert);

    if (self->hung_up || (status == GNUTLS_E_PULL_ERROR && was_reset(self)))
        return VF_CHANNEL_END;
    if (status == GNUTLS_E_PULL_ERROR)
        return broken(self, self->errnum, error);
    if (status != GNUTLS_E_FATAL_ALERT_RECEIVED) {
        /* best effort: who does not get it sees the connection end */
        gnutls_alert_send_appropriate(self->session, status);
        (void)drain(self, NULL);
        fail(error, VFERRY_ERROR_PEER, _("the other side does not speak TLS as it must"), status);
    } else if (self->tls->role == VF_ROLE_SOURCE && means_wrong_key(alert)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the other host does not have this job's key (it says “%s”)"), name);
    } else {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the other side ended the TLS handshake with “%s”"), name ? name : "?");
    }
    return VF_CHANNEL_ERROR;
}

VfChannelResult
vf_tls_handshake(VfChannel *channel, GError **error)
{
    Tls *self = (Tls *)channel;
    int status;

    do
        status = gnutls_handshake(self->session);
    while (status == GNUTLS_E_INTERRUPTED);
    /* belt and braces: the priorities leave nothing else */
    if (status == 0 && (gnutls_protocol_get_version(self->session) != GNUTLS_TLS1_3 ||
                        gnutls_kx_get(self->session) != GNUTLS_KX_ECDHE_PSK ||
                        gnutls_session_is_resumed(self->session)))
        status = GNUTLS_E_INSUFFICIENT_SECURITY;
    if (status < 0 && status != GNUTLS_E_AGAIN)
        return refuse(self, status, error);
    if (status == 0) {
        gnutls_credentials_clear(self->session);
        self->tls = NULL;
        resize(&self->received, RECEIVED_ROOM);
        resize(&self->sealed, SEALED_ROOM);
        self->open = TRUE;
    }
    if (drain(self, NULL) == VF_CHANNEL_ERROR)
        return was_reset(self) ? VF_CHANNEL_END : broken(self, self->errnum, error);
    return status == 0 ? VF_CHANNEL_DONE : VF_CHANNEL_WAIT;
}

gboolean
vf_tls_is_known(VfChannel *channel, guint8 random[VF_TLS_RANDOM_SIZE])
{
    Tls *self = (Tls *)channel;
    gnutls_datum_t client = {NULL, 0};
    gnutls_datum_t server = {NULL, 0};

    /* the server's answer, all of which goes out at once when the key was right */
    if (gnutls_handshake_get_last_out(self->session) != GNUTLS_HANDSHAKE_FINISHED)
        return FALSE;
    gnutls_session_get_random(self->session, &client, &server);
    if (client.size != VF_TLS_RANDOM_SIZE)
        return FALSE;
    memcpy(random, client.data, VF_TLS_RANDOM_SIZE);
    return TRUE;
}
