/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "crossing.h"

/* How a migration is to go, of every verb that does one. */
typedef struct {
    char *address;
    char *parent;
    char *type;
    char *uuid;
    char *driver;
    char *downtime_limit;
    char *precopy_max;
    gboolean no_switchover_ack;
    char *override;
} VfMigrateOptions;

void vf_migrate_options_clear(VfMigrateOptions *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfMigrateOptions, vf_migrate_options_clear)

/* As vf_cli_parse(), with @more of the verb's own, which ends in {NULL}. */
gboolean vf_migrate_options_parse(VfMigrateOptions *self, VfCli *cli, const char *verb,
                                  const GOptionEntry *more, int *argc, char ***argv, int min,
                                  int max);

/* What the calls are given, to @destination as it was typed. May ask a name server.
 * INVALID_ARGUMENT. */
gboolean vf_migrate_options_apply(const VfMigrateOptions *self, VfCrossing *crossing,
                                  const char *destination, GError **error);

/* NOT_SUPPORTED: a daemon that does not know an option would refuse it with a worse sentence. */
gboolean vf_migrate_options_check_here(const VfMigrateOptions *self, VfBus *here, GError **error);
gboolean vf_migrate_options_check_there(const VfMigrateOptions *self, VfBus *there, GError **error);
