/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vferry-error.h"

#define VF_N_ERRORS (VFERRY_ERROR_LIMIT_EXCEEDED + 1)

/* The code's bus name, e.g. "org.vferry1.Error.Busy". Static. */
const char *vf_error_to_name(VferryError code);

/* FALSE when @name is not one of ours; @code is untouched then. */
gboolean vf_error_from_name(const char *name, VferryError *code);

/* Sets @error to @code with "<what>: <strerror(errnum)>". Returns FALSE, so that it can be
 * returned. */
gboolean vf_error_errno(GError **error, VferryError code, int errnum, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
