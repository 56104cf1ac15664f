/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "driver-info.h"

/* For the parsers of driver-info.h: what both shapes become. */

#define VF_MIGRATION_INFO_MODELS_MAX 64
#define VF_MIGRATION_INFO_PARAMETERS_MAX 256 /* what a document has room for, too */
#define VF_MIGRATION_INFO_VERSIONS_MAX 256

/* An empty list of models. */
GPtrArray *vf_migration_info_list_new(void);

/* A model of @source to be filled; NULL when @id is none of our grammar. */
VfModel *vf_migration_info_model_new(const char *id, const char *source, GError **error);

/* One with the defaults of a kernel's parameter: when @source is the kernel it is read from and
 * written to migration/@name. NULL when @name cannot be one. */
VfParameter *vf_migration_info_parameter_new(const char *name, const char *source, GError **error);

/* Gives the model the versions @names, at least one. */
gboolean vf_migration_info_take_versions(VfModel *model, GPtrArray *names, GError **error);

/* Checks the model and puts it where it sorts. Takes ownership. */
gboolean vf_migration_info_list_take(GPtrArray *list, VfModel *model, GError **error);
