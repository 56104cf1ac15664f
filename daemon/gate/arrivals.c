/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "arrivals.h"

#include <gio/gunixfdlist.h>

#include "io.h"

#define KEY "vferry-arrival"

/* A message's. */
typedef struct {
    VfClosers *closers;
    guint32 uid;
    int fds[VF_ARRIVALS_MAX];
} Arrival;

static void
arrival_free(gpointer data)
{
    Arrival *self = data;

    for (guint i = 0; i < VF_ARRIVALS_MAX; i++)
        vf_closers_add(self->closers, self->uid, &self->fds[i]);
    vf_closers_unref(self->closers);
    g_free(self);
}

static void
attach(GDBusMessage *message, VfClosers *closers, int *fds, int n)
{
    Arrival *arrival = g_new0(Arrival, 1);

    arrival->closers = vf_closers_ref(closers);
    arrival->uid = VF_CLOSERS_UNKNOWN;
    for (int i = 0; i < VF_ARRIVALS_MAX; i++)
        arrival->fds[i] = i < n ? vf_io_steal_fd(&fds[i]) : -1;
    g_object_set_data_full(G_OBJECT(message), KEY, arrival, arrival_free);
}

static gboolean
is_call(GDBusMessage *message, const char *interface, const char *method)
{
    return g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL &&
           g_strcmp0(g_dbus_message_get_interface(message), interface) == 0 &&
           g_strcmp0(g_dbus_message_get_member(message), method) == 0;
}

/* How many it may keep: a message may bring 16, and many messages may wait. */
static int
count_taken(GDBusMessage *message)
{
    if (is_call(message, "org.vferry1.Device", "Lend"))
        return 1;
    return is_call(message, "org.vferry1.Manager", "AttachDomain") ? VF_ARRIVALS_MAX : 0;
}

/* In GDBus' own thread, so that this touches no state of the daemon. The message is locked, and a
 * copy of it would dup() the descriptors; its list is not. */
static GDBusMessage *
take_descriptors(GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
                 gpointer data)
{
    GUnixFDList *list = incoming ? g_dbus_message_get_unix_fd_list(message) : NULL;
    g_autofree int *fds = NULL;
    int n = 0;

    if (!list)
        return message;
    fds = g_unix_fd_list_steal_fds(list, &n);
    if (n <= count_taken(message))
        attach(message, data, fds, n);
    for (int i = 0; i < n; i++)
        vf_closers_add(data, VF_CLOSERS_UNKNOWN, &fds[i]);
    return message;
}

void
vf_arrivals_watch(GDBusConnection *connection, VfClosers *closers)
{
    g_dbus_connection_add_filter(connection, take_descriptors, vf_closers_ref(closers),
                                 (GDestroyNotify)vf_closers_unref);
}

static Arrival *
find(GDBusMessage *message)
{
    return g_object_get_data(G_OBJECT(message), KEY);
}

gboolean
vf_arrivals_has_fd(GDBusMessage *message)
{
    const Arrival *arrival = find(message);

    for (guint i = 0; arrival && i < VF_ARRIVALS_MAX; i++)
        if (arrival->fds[i] >= 0)
            return TRUE;
    return FALSE;
}

void
vf_arrivals_set_uid(GDBusMessage *message, guint32 uid)
{
    Arrival *arrival = find(message);

    if (arrival)
        arrival->uid = uid;
}

int
vf_arrivals_take_fd(GDBusMessage *message, guint index)
{
    Arrival *arrival = find(message);

    return arrival && index < VF_ARRIVALS_MAX ? vf_io_steal_fd(&arrival->fds[index]) : -1;
}
