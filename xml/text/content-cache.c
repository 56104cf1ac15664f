/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "content-cache.h"

#include <string.h>
#include <xxhash.h>

struct VfContentCache {
    GHashTable *entries; /* set of Entry */
    gsize size;
    gsize size_max;
    guint64 seed; /* nobody outside can make many contents fall on one place of the table */
    GDestroyNotify free;
};

typedef struct {
    VfContent content; /* must be the first: what is looked up is one */
    gpointer object;
    GDestroyNotify free;
    guint8 bytes[];
} Entry;

static guint
hash_content(gconstpointer key)
{
    const VfContent *content = key;
    return (guint)content->hash[0];
}

static gboolean
equal_content(gconstpointer a, gconstpointer b)
{
    const VfContent *left = a;
    const VfContent *right = b;

    return left->hash[0] == right->hash[0] && left->hash[1] == right->hash[1] &&
           left->size == right->size && memcmp(left->bytes, right->bytes, left->size) == 0;
}

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    entry->free(entry->object);
    g_free(entry);
}

VfContentCache *
vf_content_cache_new(gsize size_max, GDestroyNotify free)
{
    VfContentCache *self = g_new0(VfContentCache, 1);

    self->entries = g_hash_table_new_full(hash_content, equal_content, entry_free, NULL);
    self->size_max = size_max;
    self->seed = (guint64)g_random_int() << 32 | g_random_int();
    self->free = free;
    return self;
}

void
vf_content_cache_free(VfContentCache *self)
{
    g_hash_table_unref(self->entries);
    g_free(self);
}

VfContent
vf_content_cache_hash(const VfContentCache *self, const void *bytes, gsize size)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, size, self->seed);

    return (VfContent){{hash.low64, hash.high64}, bytes, size};
}

gpointer
vf_content_cache_find(VfContentCache *self, const VfContent *content)
{
    const Entry *entry = g_hash_table_lookup(self->entries, content);
    return entry ? entry->object : NULL;
}

void
vf_content_cache_add(VfContentCache *self, const VfContent *content, gpointer object)
{
    Entry *entry = g_malloc(sizeof *entry + content->size);

    if (self->size + content->size > self->size_max) {
        g_hash_table_remove_all(self->entries);
        self->size = 0;
    }
    memcpy(entry->bytes, content->bytes, content->size);
    entry->content = *content;
    entry->content.bytes = entry->bytes;
    entry->object = object;
    entry->free = self->free;
    /* an element costs more than its bytes */
    self->size += sizeof *entry + content->size;
    g_hash_table_add(self->entries, entry);
}
