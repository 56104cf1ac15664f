/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model.h"

/* How a model becomes whole: out of a descriptor, of what its maker filled in, or of another one
 * and what it adds to that. */

/* A descriptor: namespace https://vferry.org/ns/model/1, at most 1 MiB. @size -1: NUL-terminated.
 * @file names the document in errors and becomes VfModel.file; nullable. INVALID_XML: file, line,
 * element, value and rule. */
VfModel *vf_model_parse(const char *text, gssize size, const char *file, GError **error);

/* Checks what docs/descriptors.md asks of a whole model and computes the digest. INVALID_XML. */
gboolean vf_model_complete(VfModel *self, GError **error);

/* @base with what @self has besides: parameters and versions of the same name take the place of the
 * base's, constraints are added, a description takes the place, matches and aliases are not
 * inherited. INVALID_XML when the result breaks a rule. */
VfModel *vf_model_extend(const VfModel *self, const VfModel *base, GError **error);
