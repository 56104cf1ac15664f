/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tls.h"

/* What a source that has @key says first, byte by byte: free with g_byte_array_unref(). */
GByteArray *vf_flight_make(const char *job, const guint8 key[VF_TLS_KEY_SIZE]);

/* All that comes from @fd until its end or a reset; fails the test after 20 s. */
GByteArray *vf_flight_hear(int fd);
