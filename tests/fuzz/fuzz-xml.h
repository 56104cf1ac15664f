/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "error.h"
#include "fuzz.h"
#include "xml/compare/compare.h"
#include "xml/model/model.h"
#include "xml/compare/report.h"
#include "xml/host/requirement.h"

/* What the documents' targets have in common. The documents of an input are parted by zeros. */

#define FUZZ_DOCUMENTS_MAX 4
/* How a parser is told to call a document. */
#define FUZZ_WHERE "input"

typedef struct {
    const char *text;
    gsize size;
} FuzzDocument;

/* How many there are. */
guint fuzz_split(const guint8 *data, gsize size, FuzzDocument documents[FUZZ_DOCUMENTS_MAX]);

/* Whether the document speaks of this namespace, "model", at all. */
gboolean fuzz_is_about(const FuzzDocument *document, const char *name);

/* An error that a parser may give, @code or LIMIT_EXCEEDED: where, what, in a line for a person.
 * Frees it. */
void fuzz_take_error(GError *error, VferryError code);

/* What a model must be, whatever text it came from; the same of what a requirement must be. */
void fuzz_check_model(const VfModel *model);
void fuzz_check_requirement(const VfRequirement *requirement);

/* A comparison says the same in every way in which it can be asked; its verdict. */
VfVerdict fuzz_compare(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
                       char *const *settable);
