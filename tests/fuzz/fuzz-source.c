/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fuzz.h"

/* A source that hears whatever a destination may say. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    fuzz_session(VF_ROLE_SOURCE, data, size);
    return 0;
}
