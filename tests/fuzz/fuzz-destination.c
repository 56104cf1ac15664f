/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fuzz.h"

/* A destination that hears whatever a source may say. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    fuzz_session(VF_ROLE_DESTINATION, data, size);
    return 0;
}
