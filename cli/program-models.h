/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Asks a vfio-user program for its models: runs `@program --print-migration-info-json`, without a
 * shell, with an empty standard input and the caller's standard error; at most 10 s and 64 KiB. A
 * list of VfModel (driver-info.h); free with g_ptr_array_unref(). NOT_FOUND when it cannot
 * be started, FAILED when it ends badly or not in time, LIMIT_EXCEEDED, and what
 * vf_migration_info_parse_program() says. */
GPtrArray *vf_program_read_models(const char *program, GError **error);

/* The same with another patience, for tests. */
GPtrArray *vf_program_read_models_within(const char *program, guint seconds, GError **error);
