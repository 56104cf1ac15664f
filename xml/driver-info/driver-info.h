/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"

/* What a driver or a program says of its own models, in the two shapes of the "VFIO Migration"
 * documents (qemu-devel, revision 3 of 2020-11-10 with parameters, revision 4 of 2021-08-31 with
 * versions), made into models as descriptors give them:
 *
 *   parameters   compared by equality; read from and written to migration/<name> of the device
 *   versions     the values of an enum, `version`, each of which loads what it saved itself; read
 *                from and written to migration/version, after the model's id was written to
 *                migration/device_model
 *
 * A program's models are neither read nor written: their values are options of its command line.
 *
 * All three: @size -1: NUL-terminated; @where names the text in errors. A list of VfModel, sorted
 * by id, at least one; free with g_ptr_array_unref(). INVALID_ARGUMENT names model, member, value
 * and rule; LIMIT_EXCEEDED. */

#define VF_MIGRATION_INFO_ATTRIBUTE "migration_info.json"       /* of an mdev type, revision 3 */
#define VF_MIGRATION_MODELS_ATTRIBUTE "migration_device_models" /* of an mdev type, revision 4 */
#define VF_MIGRATION_MODEL_ATTRIBUTE "migration/device_model"   /* of an mdev, revision 4 */

/* migration_info.json: one model, which has parameters. */
GPtrArray *vf_migration_info_parse_type(const char *text, gssize size, const char *where,
                                        GError **error);

/* migration_device_models */
GPtrArray *vf_migration_info_parse_versions(const char *text, gssize size, const char *where,
                                            GError **error);

/* What a vfio-user program prints for --print-migration-info-json: each model has either. */
GPtrArray *vf_migration_info_parse_program(const char *text, gssize size, const char *where,
                                           GError **error);
