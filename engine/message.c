/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "message.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "printable.h"

#define ABORT_MESSAGE_MAX 1024 /* characters that are passed on */

static GBytes *
pack(GVariant *floating)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(floating);

#if G_BYTE_ORDER == G_BIG_ENDIAN
    g_autoptr(GVariant) swapped = g_variant_byteswap(value);
    return g_variant_get_data_as_bytes(swapped);
#else
    return g_variant_get_data_as_bytes(value);
#endif
}

static GVariant *
parse(const void *data, gsize size, const GVariantType *type, const char *what, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size); /* a copy is aligned as GVariant wants it */
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_from_bytes(type, bytes, FALSE));

    if (g_variant_is_normal_form(value)) {
#if G_BYTE_ORDER == G_BIG_ENDIAN
        return g_variant_byteswap(value);
#else
        return g_steal_pointer(&value);
#endif
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER, _("%s of %zu bytes is malformed"), what,
                size);
    return NULL;
}

static gboolean
features_are_words(char **features)
{
    guint n = 0;

    for (; features[n]; n++)
        if (n == VF_MESSAGE_FEATURES_MAX || !vf_printable_is_word(features[n], VF_MESSAGE_WORD_MAX))
            return FALSE;
    return TRUE;
}

static gboolean
too_much(const char *what, GError **error)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("%s has more than %d features, or a name that is not 1 to %d visible ASCII "
                  "characters"),
                what, VF_MESSAGE_FEATURES_MAX, VF_MESSAGE_WORD_MAX);
    return FALSE;
}

void
vf_hello_clear(VfHello *hello)
{
    g_clear_pointer(&hello->job, g_free);
    g_clear_pointer(&hello->features, g_strfreev);
    g_clear_pointer(&hello->subject, g_variant_unref);
}

void
vf_hello_reply_clear(VfHelloReply *reply)
{
    g_clear_pointer(&reply->features, g_strfreev);
    g_clear_pointer(&reply->subject, g_variant_unref);
}

static void
add_subject(GVariantDict *dict, GVariant *subject)
{
    if (subject)
        g_variant_dict_insert_value(dict, "subject", subject);
}

GBytes *
vf_message_pack_hello(const VfHello *hello, const guint32 *flags, gsize n_flags)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "job", "s", hello->job);
    g_variant_dict_insert(&dict, "min", "u", hello->min);
    g_variant_dict_insert(&dict, "max", "u", hello->max);
    g_variant_dict_insert(&dict, "features", "^as", hello->features);
    g_variant_dict_insert_value(
        &dict, "devices",
        g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, flags, n_flags, sizeof *flags));
    if (hello->lanes > 0)
        g_variant_dict_insert(&dict, "lanes", "u", hello->lanes);
    add_subject(&dict, hello->subject);
    return pack(g_variant_dict_end(&dict));
}

gboolean
vf_message_parse_hello(const void *data, gsize size, VfHello *hello, GError **error)
{
    g_autoptr(GVariant) value = parse(data, size, G_VARIANT_TYPE_VARDICT, "a hello", error);
    g_autoptr(GVariant) devices = NULL;
    g_autoptr(GVariantDict) dict = NULL;

    if (!value)
        return FALSE;
    dict = g_variant_dict_new(value);
    devices = g_variant_dict_lookup_value(dict, "devices", G_VARIANT_TYPE("au"));
    if (devices && g_variant_dict_lookup(dict, "job", "s", &hello->job) &&
        g_variant_dict_lookup(dict, "min", "u", &hello->min) &&
        g_variant_dict_lookup(dict, "max", "u", &hello->max) &&
        g_variant_dict_lookup(dict, "features", "^as", &hello->features)) {
        hello->n_devices = (guint)g_variant_n_children(devices);
        g_variant_dict_lookup(dict, "lanes", "u", &hello->lanes);
        hello->subject = g_variant_dict_lookup_value(dict, "subject", G_VARIANT_TYPE_VARDICT);
        return (vf_printable_is_word(hello->job, VF_MESSAGE_WORD_MAX) &&
                features_are_words(hello->features)) ||
               too_much("a hello", error);
    }
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                        _("a hello lacks something that it must have"));
    return FALSE;
}

GBytes *
vf_message_pack_reply(guint32 version, const char *const *features, GVariant *subject)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "version", "u", version);
    g_variant_dict_insert(&dict, "features", "^as", features);
    add_subject(&dict, subject);
    return pack(g_variant_dict_end(&dict));
}

gboolean
vf_message_parse_reply(const void *data, gsize size, VfHelloReply *reply, GError **error)
{
    g_autoptr(GVariant) value =
        parse(data, size, G_VARIANT_TYPE_VARDICT, "the answer to a hello", error);

    if (!value)
        return FALSE;
    if (g_variant_lookup(value, "version", "u", &reply->version) &&
        g_variant_lookup(value, "features", "^as", &reply->features)) {
        reply->subject = g_variant_lookup_value(value, "subject", G_VARIANT_TYPE_VARDICT);
        return features_are_words(reply->features) || too_much("the answer to a hello", error);
    }
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                        _("the answer to a hello lacks something that it must have"));
    return FALSE;
}

GBytes *
vf_message_pack_abort(const GError *reason)
{
    VferryError code =
        reason->domain == VFERRY_ERROR ? (VferryError)reason->code : VFERRY_ERROR_FAILED;
    g_autofree char *message = g_utf8_make_valid(reason->message, -1);

    if (g_utf8_strlen(message, -1) > ABORT_MESSAGE_MAX)
        *g_utf8_offset_to_pointer(message, ABORT_MESSAGE_MAX) = '\0';
    return pack(g_variant_new("(ss)", vf_error_to_name(code), message));
}

GError *
vf_message_parse_abort(const void *data, gsize size)
{
    GError *error = NULL;
    g_autoptr(GVariant) value = parse(data, size, G_VARIANT_TYPE("(ss)"), "an abort", &error);
    g_autofree char *text = NULL;
    const char *name;
    const char *message;
    VferryError code = VFERRY_ERROR_PEER;

    if (!value)
        return error;
    g_variant_get(value, "(&s&s)", &name, &message);
    text = vf_printable(message, ABORT_MESSAGE_MAX);
    if (!vf_error_from_name(name, &code) || code != VFERRY_ERROR_CANCELLED)
        code = VFERRY_ERROR_PEER;
    return g_error_new(VFERRY_ERROR, (gint)code, _("the other side gave up: %s"), text);
}
