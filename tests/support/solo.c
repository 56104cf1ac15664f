/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "solo.h"

#include <sys/mman.h>

#include "destination.h"
#include "io.h"
#include "marks.h"
#include "source.h"

static VfMemory *
make_device(const VfSoloSetup *setup, guint index)
{
    VfMemoryOptions options = setup->device;
    VfMemory *device;

    options.seed = setup->role == VF_ROLE_SOURCE ? options.seed + 17 * index + 1 : 0;
    device = vf_memory_new(&options);
    if (setup->role == VF_ROLE_DESTINATION)
        vf_memory_clear(device);
    return device;
}

static VfSession *
make_session(const VfSoloSetup *setup, VfSolo *self, int record_fd)
{
    static const char *const precopy[] = {VF_FEATURE_PRE_COPY, NULL};
    static const char *const both[] = {VF_FEATURE_PRE_COPY, VF_FEATURE_REINIT, NULL};
    static const char *const none[] = {NULL};
    g_autoptr(GPtrArray) backends = g_ptr_array_new();
    VfSession *session;

    for (guint i = 0; i < setup->n_devices; i++) {
        self->devices[i] = make_device(setup, i);
        g_ptr_array_add(backends, vf_memory_open(self->devices[i]));
    }
    self->n_devices = setup->n_devices;
    session =
        vf_session_new(vf_devices_new(backends), vf_record_new_from_fd(vf_io_dup(record_fd, NULL)));
    session->config.job = g_strdup(VF_SOLO_JOB);
    session->config.features = g_strdupv((char **)(setup->reinit    ? both
                                                   : setup->precopy ? precopy
                                                                    : none));
    session->config.downtime_limit_ms = 300;
    session->config.precopy_max_seconds = 20;
    if (setup->patience_ms)
        session->config.peer_patience_ms = setup->patience_ms;
    if (setup->decision_seconds)
        session->config.decision_seconds = setup->decision_seconds;
    if (setup->size_max)
        session->config.size_max = setup->size_max;
    if (setup->cancel)
        *setup->cancel = session->cancel;
    return session;
}

static char *
read_events(int record_fd)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRecord) record = vf_record_new_from_fd(vf_io_dup(record_fd, NULL));
    g_autoptr(GPtrArray) entries = vf_record_read(record, &error);
    GString *events = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        if (!vf_is_mark(entry->event))
            g_string_append_printf(events, "%s%s", events->len ? "," : "", entry->event);
    }
    return g_string_free(events, FALSE);
}

VfSolo *
vf_solo_run(const VfSoloSetup *setup, VfChannel *channel)
{
    VfSolo *self = g_new0(VfSolo, 1);
    vf_autofd int record_fd = memfd_create("vferry-test-record", MFD_CLOEXEC);
    g_autoptr(VfSession) session = NULL;

    g_assert_cmpint(record_fd, >=, 0);
    g_assert_cmpuint(setup->n_devices, <=, VF_SOLO_DEVICES_MAX);
    session = make_session(setup, self, record_fd);
    session->channel = channel;
    if (setup->role == VF_ROLE_SOURCE)
        vf_source_run(session, &self->end);
    else
        vf_destination_run(session, &self->end);
    g_assert_true((self->end.kind == VF_SESSION_COMPLETED) == (self->end.error == NULL));
    self->events = read_events(record_fd);
    return self;
}

void
vf_solo_free(VfSolo *self)
{
    for (guint i = 0; i < self->n_devices; i++)
        vf_memory_free(self->devices[i]);
    vf_session_end_clear(&self->end);
    g_free(self->events);
    g_free(self);
}

gboolean
vf_solo_is_live(const VfSolo *self)
{
    for (guint i = 0; i < self->n_devices; i++)
        if (vf_memory_is_live(self->devices[i]))
            return TRUE;
    return FALSE;
}
