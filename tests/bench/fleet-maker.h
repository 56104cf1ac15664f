/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/host/requirement.h"

/* A made-up fleet, always the same: hosts with several of ten models each, some shipped, some
 * invented with four to eight parameters, whose firmware and drivers are of different age. */

#define FLEET_OFFERS 50 /* of each host */

/* Writes @n capabilities documents into @dir. The names of the files; free with
 * g_ptr_array_unref(). */
GPtrArray *fleet_maker_write(const char *dir, guint n);

/* What some of the hosts can supply. */
VfRequirement *fleet_maker_requirement(void);
