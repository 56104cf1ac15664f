/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The trailing a{sv} of a method call, taken apart key by key; what is left over at the end was not
 * understood and is refused, so that a typing mistake never silently changes what happens.
 *
 *     g_autoptr(VfOptions) options = vf_options_new(dict);
 *     guint64 limit = vf_options_take_u64(options, "max-bandwidth", 0);
 *     if (!vf_options_end(options, error))
 *         return FALSE;
 *
 * A value of the wrong type is remembered and reported by vf_options_end(); take returns the
 * default then. */
typedef struct VfOptions VfOptions;

VfOptions *vf_options_new(GVariant *dict);
void vf_options_free(VfOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfOptions, vf_options_free)

char *vf_options_take_string(VfOptions *self, const char *key, const char *fallback);
gboolean vf_options_take_boolean(VfOptions *self, const char *key, gboolean fallback);
guint32 vf_options_take_u32(VfOptions *self, const char *key, guint32 fallback);
guint64 vf_options_take_u64(VfOptions *self, const char *key, guint64 fallback);
/* NULL when absent. Free with g_variant_unref(). */
GVariant *vf_options_take_value(VfOptions *self, const char *key, const GVariantType *type);

/* INVALID_ARGUMENT for a value of the wrong type; what was not taken is somebody else's to judge.
 */
gboolean vf_options_check(VfOptions *self, GError **error);

/* UNKNOWN_OPTION names the first unknown key; INVALID_ARGUMENT a value of the wrong type. */
gboolean vf_options_end(VfOptions *self, GError **error);
