/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli.h"

/* What speaks for and against a migration before anything has moved: a line for each thing that was
 * looked at, and the worst of them is the verdict. */

typedef enum {
    VF_CHECK_FITS,
    VF_CHECK_UNKNOWN, /* nobody knows without trying */
    VF_CHECK_UNFIT,
} VfCheckVerdict;

typedef struct VfCheck VfCheck;

VfCheck *vf_check_new(void);
void vf_check_free(VfCheck *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCheck, vf_check_free)

/* @what: a device's address in the guest; NULL: the guest itself. @where: the host that says so.
 * @code is for programs, @sentence for people. All are copied. */
void vf_check_add(VfCheck *self, const char *what, const char *where, VfCheckVerdict verdict,
                  const char *code, const char *sentence);

VfCheckVerdict vf_check_get_verdict(const VfCheck *self);

/* Prints it, for people or as the one document; the status says the verdict. @guest is what to
 * call the guest, @destination (nullable) the host that it is to go to. */
VfExit vf_check_report(const VfCheck *self, const VfCli *cli, const char *guest,
                       const char *destination);
