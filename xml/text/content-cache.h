/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Objects by the bytes that they were made of. The bytes are compared, too: that two have one hash
 * is not believed to mean that they are the same. Empties itself when the bytes are too many. */
typedef struct VfContentCache VfContentCache;

typedef struct {
    guint64 hash[2];
    const guint8 *bytes;
    gsize size;
} VfContent;

VfContentCache *vf_content_cache_new(gsize size_max, GDestroyNotify free);
void vf_content_cache_free(VfContentCache *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfContentCache, vf_content_cache_free)

/* What vf_content_cache_add() takes; @bytes must stay. */
VfContent vf_content_cache_hash(const VfContentCache *self, const void *bytes, gsize size);

/* NULL when there is none. It stays the cache's. */
gpointer vf_content_cache_find(VfContentCache *self, const VfContent *content);

/* Takes @object; the bytes are copied. */
void vf_content_cache_add(VfContentCache *self, const VfContent *content, gpointer object);
