/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"
#include "value.h"

/* What a destination must be able to be: a model and the values in effect at the source.
 * Reference-counted; change it only while it has one owner. Namespace
 * https://vferry.org/ns/requirement/1, at most 1 MiB. */
typedef struct {
    char *model;       /* id */
    char *digest;      /* nullable: of the source's schema */
    char *version;     /* nullable: what the destination understands by it counts for every
                          parameter without a value here */
    GPtrArray *values; /* list (value.h); a NULL value is one that the source could not read */
} VfRequirement;

/* Without values. */
VfRequirement *vf_requirement_new(const char *model_id, const char *digest);

/* For a device of @model whose values are @known (list, value.h): every parameter of the model
 * except those that comparison ignores and those that are off; one that is not in @known becomes an
 * unread value. */
VfRequirement *vf_requirement_new_for_device(const VfModel *model, GPtrArray *known);

/* The values that @name stands for at this host, a version of @model, without those that are off;
 * the requirement does not name it any more. NOT_FOUND when the model has no such version. */
VfRequirement *vf_requirement_new_for_version(const VfModel *model, const char *name,
                                              GError **error);

VfRequirement *vf_requirement_ref(VfRequirement *self);
void vf_requirement_unref(VfRequirement *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfRequirement, vf_requirement_unref)

/* @size -1: NUL-terminated. @where names the document in errors; NULL: "requirement". INVALID_XML,
 * LIMIT_EXCEEDED. */
VfRequirement *vf_requirement_parse(const char *text, gssize size, const char *where,
                                    GError **error);

/* Canonical: parameters sorted by name. Free with g_free(). */
char *vf_requirement_format(const VfRequirement *self);
