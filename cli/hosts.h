/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli.h"

/* What many daemons have to say, asked at once. */

typedef struct {
    char *label;
    char *capabilities; /* the document; NULL: it did not come */
    GError *error;      /* then why */
} VfHostAnswer;

/* In the order of @addresses; NULL: of this host alone. Of several hosts none may ask the user for
 * a password. An array of VfHostAnswer; free with g_ptr_array_unref(). */
GPtrArray *vf_hosts_ask(const VfCli *cli, char *const *addresses);

/* Puts the host in front of its error's message. */
void vf_hosts_name_error(VfHostAnswer *self);
