/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "closers.h"
#include "device.h"

G_BEGIN_DECLS

/* An open device that its holder lent: the daemon's copy of the fd, and whose it is. The open file
 * is what carries the migration state, so that the loan lives as long as anybody needs it. */
#define VF_TYPE_LOAN (vf_loan_get_type())
G_DECLARE_FINAL_TYPE(VfLoan, vf_loan, VF, LOAN, GObject)

/* Takes @fd. @owner is the lender's unique bus name. */
VfLoan *vf_loan_new(VfDevice *device, int fd, guint32 uid, const char *owner, gboolean keep);

/* Names this loan among all that there were of the device; an earlier daemon's goes on with @id. */
const char *vf_loan_get_id(VfLoan *self);
void vf_loan_set_id(VfLoan *self, const char *id);

VfDevice *vf_loan_get_device(VfLoan *self);
int vf_loan_get_fd(VfLoan *self); /* stays the loan's; -1 after vf_loan_close() */
guint32 vf_loan_get_uid(VfLoan *self);
const char *vf_loan_get_owner(VfLoan *self);
gboolean vf_loan_get_keep(VfLoan *self); /* outlives the lender's connection */

/* One job at a time. FALSE with BUSY when another uses it, or it is being reclaimed. */
gboolean vf_loan_use(VfLoan *self, const char *job_uuid, GError **error);
void vf_loan_unuse(VfLoan *self, const char *job_uuid);
const char *vf_loan_get_user(VfLoan *self); /* the job's UUID, or NULL */

/* Whether the lender left the bus without `keep` while a job used it, or it should have ended
 * while it was being reclaimed: it ends with that. */
gboolean vf_loan_is_orphaned(VfLoan *self);
void vf_loan_set_orphaned(VfLoan *self);

/* Whether somebody was sent the device, and it is not known yet that it arrived. */
gboolean vf_loan_is_reclaiming(VfLoan *self);
void vf_loan_set_reclaiming(VfLoan *self, gboolean reclaiming);

/* Until the driver has looked at it, nobody knows what it is, and these close it; NULL: it has. */
void vf_loan_set_closers(VfLoan *self, VfClosers *closers);

/* In a thread, see vf_io_close_in_thread(). */
void vf_loan_close(VfLoan *self);

G_END_DECLS
