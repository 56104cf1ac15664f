/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "options.h"

#include <glib/gi18n-lib.h>

#include "error.h"

/* More than any call has; a stranger may send a million. */
#define KEYS_MAX 64

struct VfOptions {
    GVariantDict *dict;
    GPtrArray *keys; /* not yet taken, in the caller's order */
    GError *mistake; /* the first value of a wrong type */
};

VfOptions *
vf_options_new(GVariant *dict)
{
    VfOptions *self = g_new0(VfOptions, 1);
    GVariantIter iter;
    const char *key;

    self->dict = g_variant_dict_new(g_variant_n_children(dict) > KEYS_MAX ? NULL : dict);
    self->keys = g_ptr_array_new_with_free_func(g_free);
    g_variant_iter_init(&iter, dict);
    if (g_variant_n_children(dict) > KEYS_MAX) {
        g_set_error(&self->mistake, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("there are %zu options; at most %d are read"), g_variant_n_children(dict),
                    KEYS_MAX);
        return self;
    }
    while (g_variant_iter_next(&iter, "{&sv}", &key, NULL))
        g_ptr_array_add(self->keys, g_strdup(key));
    return self;
}

void
vf_options_free(VfOptions *self)
{
    g_variant_dict_unref(self->dict);
    g_ptr_array_unref(self->keys);
    g_clear_error(&self->mistake);
    g_free(self);
}

GVariant *
vf_options_take_value(VfOptions *self, const char *key, const GVariantType *type)
{
    g_autoptr(GVariant) value = g_variant_dict_lookup_value(self->dict, key, NULL);
    guint i;

    if (!value)
        return NULL;
    while (g_ptr_array_find_with_equal_func(self->keys, key, g_str_equal, &i))
        g_ptr_array_remove_index(self->keys, i);
    if (g_variant_is_of_type(value, type))
        return g_steal_pointer(&value);
    if (!self->mistake)
        g_set_error(&self->mistake, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("option “%s” has type “%s”, but must be “%.*s”"), key,
                    g_variant_get_type_string(value), (int)g_variant_type_get_string_length(type),
                    g_variant_type_peek_string(type));
    return NULL;
}

char *
vf_options_take_string(VfOptions *self, const char *key, const char *fallback)
{
    g_autoptr(GVariant) value = vf_options_take_value(self, key, G_VARIANT_TYPE_STRING);

    return value ? g_variant_dup_string(value, NULL) : g_strdup(fallback);
}

gboolean
vf_options_take_boolean(VfOptions *self, const char *key, gboolean fallback)
{
    g_autoptr(GVariant) value = vf_options_take_value(self, key, G_VARIANT_TYPE_BOOLEAN);

    return value ? g_variant_get_boolean(value) : fallback;
}

guint32
vf_options_take_u32(VfOptions *self, const char *key, guint32 fallback)
{
    g_autoptr(GVariant) value = vf_options_take_value(self, key, G_VARIANT_TYPE_UINT32);

    return value ? g_variant_get_uint32(value) : fallback;
}

guint64
vf_options_take_u64(VfOptions *self, const char *key, guint64 fallback)
{
    g_autoptr(GVariant) value = vf_options_take_value(self, key, G_VARIANT_TYPE_UINT64);

    return value ? g_variant_get_uint64(value) : fallback;
}

gboolean
vf_options_check(VfOptions *self, GError **error)
{
    if (!self->mistake)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&self->mistake));
    return FALSE;
}

gboolean
vf_options_end(VfOptions *self, GError **error)
{
    if (!vf_options_check(self, error))
        return FALSE;
    if (self->keys->len == 0)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN_OPTION, _("unknown option “%s”"),
                (const char *)self->keys->pdata[0]);
    return FALSE;
}
