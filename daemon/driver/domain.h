/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "closers.h"
#include "device.h"

G_BEGIN_DECLS

/* A guest that a hypervisor runs here, with its devices: one that a driver found (driver-host.h),
 * or one whose monitor somebody handed over (Manager.AttachDomain). Its driver says here what it
 * is; what follows from that (the bus, who may touch its devices) is decided by those who listen.
 * What a guest or its hypervisor says of itself is made clean here, and cut.
 *
 * Signal: "changed", whenever something that the bus shows is another. */
#define VF_TYPE_DOMAIN (vf_domain_get_type())
G_DECLARE_FINAL_TYPE(VfDomain, vf_domain, VF, DOMAIN, GObject)

/* Of a domain that nobody attached. */
#define VF_DOMAIN_UID_NONE ((guint32)-1)
#define VF_DOMAIN_TEXT_MAX 255 /* bytes */
#define VF_DOMAIN_FDS_MAX 4

typedef enum {
    VF_DOMAIN_UNKNOWN,
    VF_DOMAIN_RUNNING,
    VF_DOMAIN_PAUSED,
    VF_DOMAIN_INCOMING, /* stands, and waits for the state of a migration */
    VF_DOMAIN_SHUT_OFF,
} VfDomainState;

typedef struct {
    VfDevice *device;    /* NULL: none that is known here; found by the daemon */
    guint64 inode;       /* vf_device_get_inode() of the first that was found: whatever has its name
                            later is not the guest's; 0: none was */
    char *guest_address; /* where the guest sees it */
    char *host_address;  /* UUID of an mdev, address of a PCI function, in lower case; else whatever
                            it is */
    gboolean migrates;
    char **reasons; /* when it does not, or nobody can tell: sentences; never NULL */
} VfDomainDevice;

/* @driver: the name of the one that it belongs to. @owner: unique bus name of who attached it, ""
 * when nobody did. */
VfDomain *vf_domain_new(const char *driver, guint32 uid, const char *owner);

const char *vf_domain_get_driver_name(VfDomain *self);
guint32 vf_domain_get_uid(VfDomain *self);
const char *vf_domain_get_owner(VfDomain *self);

const char *vf_domain_get_name(VfDomain *self); /* "" when it has none */
void vf_domain_set_name(VfDomain *self, const char *name);
/* In lower case; what is no UUID leaves it as it is. */
const char *vf_domain_get_uuid(VfDomain *self); /* "" when unknown */
void vf_domain_set_uuid(VfDomain *self, const char *uuid);
/* To say in a message which domain it is: its name, else its UUID. */
const char *vf_domain_get_label(VfDomain *self);

VfDomainState vf_domain_get_state(VfDomain *self);
void vf_domain_set_state(VfDomain *self, VfDomainState state);
/* "unknown", "running", "paused", "incoming", "shut-off" */
const char *vf_domain_state_to_string(VfDomainState state);

/* All of its VFIO devices, ours or not, in the guest's order: make the list, add each, and give it
 * away. @reasons (nullable): NULL-terminated. */
GPtrArray *vf_domain_devices_new(void);
void vf_domain_devices_add(GPtrArray *devices, const char *guest_address, const char *host_address,
                           gboolean migrates, const char *const *reasons);
void vf_domain_take_devices(VfDomain *self, GPtrArray *devices);
guint vf_domain_get_n_devices(VfDomain *self);
const VfDomainDevice *vf_domain_get_device(VfDomain *self, guint index);
/* For the daemon, which knows what is here. */
void vf_domain_set_device(VfDomain *self, guint index, VfDevice *device);

/* NOT_FOUND when it is not here any more: a job that has not begun to work must not begin. */
gboolean vf_domain_check_stays(VfDomain *self, GError **error);
/* For the table of domains alone. */
void vf_domain_set_gone(VfDomain *self);

/* One job at a time; FALSE with BUSY when another runs on it. @path: of the job on the bus, "/"
 * until it is there. */
gboolean vf_domain_use(VfDomain *self, const char *job_uuid, GError **error);
void vf_domain_unuse(VfDomain *self, const char *job_uuid);
const char *vf_domain_get_user(VfDomain *self); /* the job's UUID, or NULL */
const char *vf_domain_get_job_path(VfDomain *self);
void vf_domain_set_job_path(VfDomain *self, const char *path);

/* What the driver keeps for it, freed with it: by the last of the daemon, a job and the driver who
 * has it, perhaps after the driver's `stop`. */
void vf_domain_set_driver_data(VfDomain *self, gpointer data, GDestroyNotify destroy);
gpointer vf_domain_get_driver_data(VfDomain *self);

/* --- while it is attached --- */

/* Options of the call that are the driver's, a{sv}; never NULL. Handles in it are for
 * vf_domain_take_fd(). */
GVariant *vf_domain_get_options(VfDomain *self);
void vf_domain_set_options(VfDomain *self, GVariant *options);

/* Takes @fds (at most VF_DOMAIN_FDS_MAX), whose close their sender may make slow: @closers does it.
 */
void vf_domain_give_fds(VfDomain *self, VfClosers *closers, int *fds, guint n);
/* The driver's from now on, and closed with vf_domain_close_fd(). INVALID_ARGUMENT when there is no
 * such handle, or no more. */
int vf_domain_take_fd(VfDomain *self, gint32 handle, GError **error);
void vf_domain_close_fd(VfDomain *self, int *fd);
/* Those that the driver has not taken; also with the domain. */
void vf_domain_close_rest(VfDomain *self);

G_END_DECLS
