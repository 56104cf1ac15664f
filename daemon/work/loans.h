/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "loan.h"

G_BEGIN_DECLS

/* Who lent what: Device.Lend and Device.Reclaim. */
#define VF_TYPE_LOANS (vf_loans_get_type())
G_DECLARE_FINAL_TYPE(VfLoans, vf_loans, VF, LOANS, GObject)

/* What an earlier daemon kept comes back with vf_loans_restore(), when the devices are known; their
 * paths are expected from now on. */
VfLoans *vf_loans_new(const VfContext *context);
void vf_loans_restore(VfLoans *self);

/* NULL when the device is not lent. Stays the table's. */
VfLoan *vf_loans_find(VfLoans *self, VfDevice *device);

/* A job no longer uses it; a loan whose lender has left meanwhile ends with it. */
void vf_loans_release(VfLoans *self, VfLoan *loan, const char *job_uuid);

/* Closes the daemon's copy. The device's state stays what it is. One that is being reclaimed ends
 * when it is known whether the device arrived, and either way. */
void vf_loans_end(VfLoans *self, VfLoan *loan);

G_END_DECLS
