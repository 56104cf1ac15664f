/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "kept.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "memo.h"

/* Of the descriptions. Another one is not read: the records decide then. */
#define STATE_VERSION 1
#define STATE "state"

struct VfKept {
    VfFdStore *store;
    char *kind;
    char *id;
    GHashTable *parts; /* names of those that are in the store */
    guint promised;    /* places for parts */
    guint counted;     /* what the store counts for it */
    int memo;
};

VfKept *
vf_kept_new(VfFdStore *store, const char *kind, const char *id)
{
    VfKept *self = g_new0(VfKept, 1);

    self->store = g_object_ref(store);
    self->kind = g_strdup(kind);
    self->id = g_strdup(id);
    self->parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->memo = -1;
    return self;
}

static void
count(VfKept *self)
{
    guint now = MAX(self->promised, g_hash_table_size(self->parts));

    vf_fd_store_count(self->store, (gint)now - (gint)self->counted);
    self->counted = now;
}

void
vf_kept_free(VfKept *self)
{
    self->promised = 0;
    count(self);
    g_object_unref(self->store);
    vf_io_clear_fd(&self->memo);
    g_hash_table_unref(self->parts);
    g_free(self->kind);
    g_free(self->id);
    g_free(self);
}

const char *
vf_kept_get_id(const VfKept *self)
{
    return self->id;
}

gboolean
vf_kept_reserve(VfKept *self, guint n, GError **error)
{
    if (n > self->counted && !vf_fd_store_check_room(self->store, n - self->counted, error))
        return FALSE;
    self->promised = n;
    count(self);
    return TRUE;
}

static char *
full_name(const VfKept *self, const char *part)
{
    return g_strjoin(".", self->kind, self->id, part, NULL);
}

void
vf_kept_put(VfKept *self, const char *part, int fd)
{
    g_autofree char *name = full_name(self, part);

    vf_kept_drop(self, part);
    g_hash_table_add(self->parts, g_strdup(part));
    count(self);
    vf_fd_store_put(self->store, name, fd);
}

void
vf_kept_drop(VfKept *self, const char *part)
{
    g_autofree char *name = full_name(self, part);
    int fd = vf_fd_store_take(self->store, name);

    vf_io_clear_fd(&fd); /* handed over, and never asked for */
    if (g_hash_table_remove(self->parts, part))
        vf_fd_store_remove(self->store, name);
    count(self);
}

static gboolean
open_memo(VfKept *self, GError **error)
{
    g_autofree char *name = NULL;

    if (self->memo >= 0)
        return TRUE;
    name = full_name(self, STATE);
    self->memo = vf_memo_new(name, error);
    return self->memo >= 0;
}

void
vf_kept_write(VfKept *self, GVariantDict *state)
{
    g_autoptr(GError) error = NULL;

    g_variant_dict_insert(state, "version", "u", (guint32)STATE_VERSION);
    if (!open_memo(self, &error) || !vf_memo_write(self->memo, g_variant_dict_end(state), &error)) {
        g_warning("%s %s cannot be kept for the next daemon: %s", self->kind, self->id,
                  error->message);
        vf_kept_forget(self); /* an old description is worse than none */
        return;
    }
    if (!g_hash_table_contains(self->parts, STATE))
        vf_kept_put(self, STATE, self->memo);
}

void
vf_kept_forget(VfKept *self)
{
    g_autofree char **parts = NULL;

    self->promised = 0;
    /* the description first: what is left of a half without it is let go */
    vf_kept_drop(self, STATE);
    parts = (char **)g_hash_table_get_keys_as_array(self->parts, NULL);
    for (char **part = parts; *part; part++)
        vf_kept_drop(self, *part);
    vf_io_clear_fd(&self->memo);
}

GPtrArray *
vf_kept_list(VfFdStore *store, const char *kind)
{
    g_auto(GStrv) names = vf_fd_store_list(store);
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)vf_kept_free);

    for (char **name = names; *name; name++) {
        g_auto(GStrv) words = g_strsplit(*name, ".", 3);
        VfKept *kept;

        if (g_strv_length(words) != 3 || !g_str_equal(words[0], kind))
            continue;
        kept = g_hash_table_lookup(by_id, words[1]);
        if (!kept) {
            kept = vf_kept_new(store, kind, words[1]);
            g_hash_table_insert(by_id, kept->id, kept);
            g_ptr_array_add(all, kept);
        }
        g_hash_table_add(kept->parts, g_steal_pointer(&words[2]));
        count(kept);
    }
    return all;
}

static gboolean
check_version(GVariant *state, GError **error)
{
    guint32 version = 0;

    if (g_variant_lookup(state, "version", "u", &version) && version == STATE_VERSION)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("its description has version %u; this daemon reads %d"), version, STATE_VERSION);
    return FALSE;
}

GVariant *
vf_kept_read(VfKept *self, GError **error)
{
    g_autoptr(GVariant) state = NULL;

    if (self->memo < 0)
        self->memo = vf_kept_take(self, STATE);
    if (self->memo < 0) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                            _("its description is missing"));
        return NULL;
    }
    state = vf_memo_read(self->memo, error);
    return state && check_version(state, error) ? g_steal_pointer(&state) : NULL;
}

int
vf_kept_take(VfKept *self, const char *part)
{
    g_autofree char *name = full_name(self, part);

    return vf_fd_store_take(self->store, name);
}
