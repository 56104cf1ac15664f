/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "parameter.h"
#include "value.h"

/* A device model: an id, its parameters, and, when it comes from a descriptor, which devices it is
 * about. Immutable and reference-counted; safe to share between threads. docs/descriptors.md
 * describes the file format.
 *
 * The digest is "sha256:" and 64 lower-case hexadecimal digits over the Canonical XML 1.0 form of
 * the schema alone: id, description and parameters with their types, units, allowed values and
 * comparison rules; not where it came from, what it matches, how values are read or applied. Two
 * hosts with the same digest mean the same by every value. */

typedef enum {
    VF_MATCH_MDEV,
} VfMatchKind;

typedef struct {
    VfMatchKind kind;
    char *driver; /* what the mdev core puts before the '-' of a type's id: the parent's driver,
                     else its subsystem */
    char *type;   /* glob over the type's id, e.g. "mtty-*" */
} VfMatch;

typedef struct {
    char *id;
    char *digest;
    char *source;          /* "descriptor" */
    char *file;            /* nullable: where the descriptor was */
    char *description;     /* nullable; English */
    GPtrArray *matches;    /* of VfMatch; empty for a model from a capabilities document */
    GPtrArray *parameters; /* of VfParameter, sorted by name, each name once */
} VfModel;

VfModel *vf_model_ref(VfModel *self);
void vf_model_unref(VfModel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfModel, vf_model_unref)

/* A descriptor: namespace https://vferry.org/ns/model/1, at most 1 MiB. @size -1: NUL-terminated.
 * @file names the document in errors and becomes VfModel.file; nullable. INVALID_XML: file, line,
 * element, value and rule. */
VfModel *vf_model_parse(const char *text, gssize size, const char *file, GError **error);

/* The descriptor in canonical form. Free with g_free(). */
char *vf_model_format(const VfModel *self);

/* NULL when the model has no such parameter. */
const VfParameter *vf_model_find_parameter(const VfModel *self, const char *name);

/* Whether a device (or a type that a parent can create) of type id @type is of this model. @driver
 * as in VfMatch. */
gboolean vf_model_matches_mdev(const VfModel *self, const char *driver, const char *type);

/* What is known from the type's id alone: a list of values (value.h) with evidence mdev-type. A
 * parameter that is read otherwise, or that no rule covers, is absent. Free with
 * g_ptr_array_unref(). */
GPtrArray *vf_model_values_from_type(const VfModel *self, const char *type);

/* Names of the parameters that can be given to a new device, sorted. Free with g_strfreev(). */
char **vf_model_settable_names(const VfModel *self);

/* One write that gives a new device one of its values. */
typedef struct {
    char *parameter;
    char *attribute; /* relative to the device's sysfs directory */
    char *text;      /* exactly what is written, no newline */
} VfSetting;

void vf_setting_free(VfSetting *self);

/* The writes that give a new device those of @values (a list, value.h) whose parameter has an
 * applier, sorted by parameter; values that the type gives are left out, and so are unread ones.
 * INVALID_ARGUMENT for a value that is not allowed or a parameter that the model does not have. An
 * array of VfSetting; free with g_ptr_array_unref(). */
GPtrArray *vf_model_settings(const VfModel *self, GPtrArray *values, GError **error);
