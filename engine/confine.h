/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/* The mover's sandbox. The bytes of another host are read in this process, so before the first of
 * them comes it has given up what its job does not need. */

/* At the start, before a request is known: no new privileges, no capabilities, not dumpable,
 * nothing open beyond @control_fd, limits on what may be used up. FAILED. */
gboolean vf_confine_process(int control_fd, GError **error);

/* Once the request is known: only the system calls that @verb takes, for every thread and for good,
 * and no file can be made shorter than @record_size: what the record says stays. An attempt at
 * another one ends the process with SIGSYS. Files cannot be looked up any more, except by `open`.
 * FAILED, also when the kernel cannot do it. A build with AddressSanitizer stays without: its leak
 * check traces the process. */
gboolean vf_confine_to(VfRequestVerb verb, gsize record_size, GError **error);
