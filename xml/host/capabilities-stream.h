/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "capabilities.h"
#include "shape.h"

/* Capabilities documents, one after the other, without a tree: what vf_capabilities_parse() refuses
 * is refused, the rest is told to a visitor. Memory is bounded by the size of one document and of
 * the cache of what documents have in common, which is emptied when it is full. */

/* Called in the document's order, as it is read: until the document has ended without an error, all
 * of it may turn out to be void. Text is valid during the call; models and shapes can be kept with
 * a reference. Each member is nullable. */
typedef struct {
    void (*host)(const char *id, const char *name, const char *arch, const char *kernel,
                 gpointer data);
    void (*model)(VfModel *model, gpointer data);
    void (*parent)(const VfCapabilitiesParent *parent, gpointer data); /* its offers come later */
    void (*offer)(const char *id, guint64 left, VfShape *shape, gpointer data);
    void (*device)(const char *id, const char *path, const char *parent, VfShape *shape,
                   gpointer data);
} VfCapabilitiesVisitor;

typedef struct VfCapabilitiesStream VfCapabilitiesStream;

VfCapabilitiesStream *vf_capabilities_stream_new(void);
void vf_capabilities_stream_free(VfCapabilitiesStream *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCapabilitiesStream, vf_capabilities_stream_free)

/* Arguments and errors as vf_capabilities_parse(). */
gboolean vf_capabilities_stream_read(VfCapabilitiesStream *self, const char *text, gssize size,
                                     const char *where, const VfCapabilitiesVisitor *visitor,
                                     gpointer data, GError **error);

/* The same of a file, which names the document in errors. A file that is too large is not read.
 * NOT_FOUND, NOT_AUTHORIZED, FAILED for what cannot be read. */
gboolean vf_capabilities_stream_read_file(VfCapabilitiesStream *self, const char *path,
                                          const VfCapabilitiesVisitor *visitor, gpointer data,
                                          GError **error);
