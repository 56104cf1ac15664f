/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "capabilities.h"
#include "check.h"

/* The pre-flight of a guest: whatever can be said before anything moves. */

typedef struct {
    VfBus *here;
    VfBus *there; /* NULL: wherever it may go */
    VferryDomain *domain;
    gboolean all_refusals; /* of what the destination has; FALSE: only of what comes closest */
} VfCheckDomain;

/* FALSE when one of the hosts cannot be asked; the error names it. */
gboolean vf_check_domain(const VfCheckDomain *about, VfCheck *check, GError **error);
