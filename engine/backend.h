/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a session asks of a device. The session knows nothing of the kernel: linux/vfio.h is in
 * vfio.c, a device in memory is in tests/support. Flags and states have the kernel's values, and
 * the arcs between the states are the kernel's, too ("enum vfio_device_mig_state" in linux/vfio.h).
 */

typedef enum {
    VF_BACKEND_STOP_COPY = 1 << 0,
    VF_BACKEND_P2P = 1 << 1,
    VF_BACKEND_PRE_COPY = 1 << 2,
} VfBackendFlags;

typedef enum {
    VF_STATE_ERROR = 0,
    VF_STATE_STOP = 1,
    VF_STATE_RUNNING = 2,
    VF_STATE_STOP_COPY = 3,
    VF_STATE_RESUMING = 4,
    VF_STATE_RUNNING_P2P = 5,
    VF_STATE_PRE_COPY = 6,
    VF_STATE_PRE_COPY_P2P = 7,
} VfMigrationState;
#define VF_N_STATES 8

typedef struct {
    guint flags; /* VfBackendFlags */
    gboolean has_data_size;
    guint64 data_size; /* bytes that STOP_COPY would give, the driver's estimate */
} VfBackendInfo;

typedef struct {
    guint64 initial_bytes;
    guint64 dirty_bytes;
    gboolean reinit; /* initial bytes have appeared anew; only after want_reinit */
} VfPrecopyInfo;

typedef enum {
    VF_READ_ERROR,
    VF_READ_DATA,
    VF_READ_DRY, /* pre-copy only: nothing now, perhaps more later */
    VF_READ_END, /* the state is whole */
} VfReadResult;

typedef struct VfBackend VfBackend;

/* Errors are of code DEVICE and say what the device was asked to do; which device it was is added
 * by the caller. Each call may take as long as the device likes. */
typedef struct {
    gboolean (*get_info)(VfBackend *self, VfBackendInfo *info, GError **error);
    gboolean (*get_state)(VfBackend *self, VfMigrationState *state, GError **error);
    /* The backend keeps the data stream that a state brings with it, and ends it with the state. */
    gboolean (*set_state)(VfBackend *self, VfMigrationState from, VfMigrationState to,
                          GError **error);
    VfReadResult (*read)(VfBackend *self, void *buffer, gsize size, gsize *n, GError **error);
    gboolean (*write)(VfBackend *self, const void *buffer, gsize size, GError **error);
    /* Nullable. From here on the device may say that initial bytes have appeared anew. One that
     * does not know of it never does. */
    void (*want_reinit)(VfBackend *self);
    gboolean (*get_precopy_info)(VfBackend *self, VfPrecopyInfo *info, GError **error);
    /* What poll(2) calls readable when there is more to read; -1 when there is nothing to poll. */
    int (*get_poll_fd)(VfBackend *self);
    void (*free)(VfBackend *self);
} VfBackendClass;

struct VfBackend {
    const VfBackendClass *class;
    gboolean began_anew; /* a stream had to go on, and another one came: it was reset meanwhile */
};

void vf_backend_free(VfBackend *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfBackend, vf_backend_free)

gboolean vf_backend_get_info(VfBackend *self, VfBackendInfo *info, GError **error);
gboolean vf_backend_get_state(VfBackend *self, VfMigrationState *state, GError **error);
/* From @from, which it must be in: that is the caller's to ask, before and after
 * (vf_devices_set_state()). A stream that goes on from @from to @to must not begin anew. */
gboolean vf_backend_set_state(VfBackend *self, VfMigrationState from, VfMigrationState to,
                              GError **error);
/* At most @size bytes into @buffer; *@n > 0 with VF_READ_DATA, 0 otherwise. */
VfReadResult vf_backend_read(VfBackend *self, void *buffer, gsize size, gsize *n, GError **error);
/* All of @buffer. What was written before an error is lost: an error while loading is final. */
gboolean vf_backend_write(VfBackend *self, const void *buffer, gsize size, GError **error);
void vf_backend_want_reinit(VfBackend *self);
gboolean vf_backend_get_precopy_info(VfBackend *self, VfPrecopyInfo *info, GError **error);
int vf_backend_get_poll_fd(VfBackend *self);

/* The kernel's name, e.g. "STOP_COPY". Static. */
const char *vf_backend_state_name(VfMigrationState state);

/* "stop-copy", "p2p", "pre-copy" as far as they are in @flags. Free with g_strfreev(). */
char **vf_backend_flag_names(guint flags);
