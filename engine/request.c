/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "request.h"

#include <net/if.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "decided.h"
#include "destination.h"
#include "error.h"
#include "past.h"
#include "source.h"

void
vf_request_free(VfRequest *self)
{
    g_clear_pointer(&self->session, vf_session_free);
    if (self->own)
        self->free_own(self->own);
    g_free(self);
}

gboolean
vf_request_take(VfOptions *options, const char *key, const GVariantType *type, GVariant **value,
                GError **error)
{
    *value = vf_options_take_value(options, key, type);
    if (*value)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("argument “%s” is missing, or not of type “%.*s”"), key,
                (int)g_variant_type_get_string_length(type), g_variant_type_peek_string(type));
    return FALSE;
}

gboolean
vf_request_take_string(VfOptions *options, const char *key, char **text, GError **error)
{
    g_autoptr(GVariant) value = NULL;

    if (!vf_request_take(options, key, G_VARIANT_TYPE_STRING, &value, error))
        return FALSE;
    *text = g_variant_dup_string(value, NULL);
    return TRUE;
}

static gboolean
take_port(VfOptions *options, const char *key, guint16 *port, GError **error)
{
    g_autoptr(GVariant) value = NULL;

    if (!vf_request_take(options, key, G_VARIANT_TYPE_UINT16, &value, error))
        return FALSE;
    *port = g_variant_get_uint16(value);
    return TRUE;
}

static gboolean
take_u32(VfOptions *options, const char *key, guint32 *number, GError **error)
{
    g_autoptr(GVariant) value = NULL;

    if (!vf_request_take(options, key, G_VARIANT_TYPE_UINT32, &value, error))
        return FALSE;
    *number = g_variant_get_uint32(value);
    return TRUE;
}

static gboolean
take_key(VfOptions *options, VfSessionConfig *config, GError **error)
{
    g_autoptr(GVariant) value = NULL;
    const guint8 *bytes;
    gsize n;

    if (!vf_request_take(options, "key", G_VARIANT_TYPE_BYTESTRING, &value, error))
        return FALSE;
    bytes = g_variant_get_fixed_array(value, &n, 1);
    if (n != VF_TLS_KEY_SIZE) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the key has %zu bytes; it must have %d"), n, VF_TLS_KEY_SIZE);
        return FALSE;
    }
    memcpy(config->key, bytes, VF_TLS_KEY_SIZE);
    return TRUE;
}

static gboolean
take_features(VfOptions *options, VfSessionConfig *config, GError **error)
{
    static const char *const known[] = {VF_FEATURE_PRE_COPY, VF_FEATURE_REINIT, NULL};
    g_autoptr(GVariant) value = NULL;

    if (!vf_request_take(options, "features", G_VARIANT_TYPE_STRING_ARRAY, &value, error))
        return FALSE;
    config->features = g_variant_dup_strv(value, NULL);
    for (guint i = 0; config->features[i]; i++) {
        if (g_strv_contains(known, config->features[i]))
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("feature “%.40s” is not known"), config->features[i]);
        return FALSE;
    }
    return TRUE;
}

/* Looking up an interface's name takes a socket that the sandbox does not allow. */
static void
resolve_scope(char **address)
{
    char *scope = strrchr(*address, '%');
    guint index = scope ? if_nametoindex(scope + 1) : 0;
    char *text;

    if (index == 0)
        return;
    *scope = '\0';
    text = g_strdup_printf("%s%%%u", *address, index);
    g_free(*address);
    *address = text;
}

static gboolean
take_session(VfOptions *options, VfSessionConfig *config, GError **error)
{
    if (!vf_request_take_string(options, "job", &config->job, error) ||
        !vf_request_take_string(options, "address", &config->address, error))
        return FALSE;
    resolve_scope(&config->address);
    return take_key(options, config, error) && take_features(options, config, error);
}

gboolean
vf_request_take_send(VfRequest *self, VfOptions *options, GError **error)
{
    VfSessionConfig *config = &self->session->config;
    g_autoptr(GVariant) ack = NULL;

    if (!take_session(options, config, error) ||
        !take_port(options, "port", &config->port, error) ||
        !take_u32(options, "downtime-limit-ms", &config->downtime_limit_ms, error) ||
        !take_u32(options, "precopy-max-seconds", &config->precopy_max_seconds, error) ||
        !vf_request_take(options, "switchover-ack", G_VARIANT_TYPE_BOOLEAN, &ack, error))
        return FALSE;
    config->switchover_ack = g_variant_get_boolean(ack);
    return TRUE;
}

gboolean
vf_request_take_receive(VfRequest *self, VfOptions *options, GError **error)
{
    VfSessionConfig *config = &self->session->config;
    g_autoptr(GVariant) size_max = NULL;

    if (!take_session(options, config, error) ||
        !take_port(options, "port-min", &config->port_min, error) ||
        !take_port(options, "port-max", &config->port_max, error) ||
        !take_u32(options, "accept-seconds", &config->accept_seconds, error) ||
        !vf_request_take(options, "size-max", G_VARIANT_TYPE_UINT64, &size_max, error))
        return FALSE;
    config->size_max = g_variant_get_uint64(size_max);
    if (config->port_min <= config->port_max)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("port-min %u is larger than port-max %u"), config->port_min, config->port_max);
    return FALSE;
}

/* The record is read before the sandbox closes, which has no reading at a place. */
gboolean
vf_request_take_past(VfRequest *self, VfOptions *options, GError **error)
{
    return vf_past_recall(self->session, FALSE, error);
}

gboolean
vf_request_take_return(VfRequest *self, VfOptions *options, GError **error)
{
    return vf_past_recall(self->session, vf_options_take_boolean(options, "touched-only", FALSE),
                          error);
}

void
vf_request_send(VfRequest *self, VfRequestResult *result, GError **error)
{
    vf_source_run(self->session, &result->end);
}

void
vf_request_receive(VfRequest *self, VfRequestResult *result, GError **error)
{
    vf_destination_run(self->session, &result->end);
}

void
vf_request_return(VfRequest *self, VfRequestResult *result, GError **error)
{
    vf_decided_return(self->session, error);
}

void
vf_request_start(VfRequest *self, VfRequestResult *result, GError **error)
{
    vf_decided_start(self->session, error);
}

static const VfVerb *
find_verb(const VfVerb *verbs, gsize n_verbs, const char *name, GError **error)
{
    for (gsize i = 0; i < n_verbs; i++)
        if (g_str_equal(verbs[i].name, name))
            return &verbs[i];
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("there is no request “%.40s”"), name);
    return NULL;
}

static gboolean
check_fd_count(const VfVerb *verb, guint n, GError **error)
{
    gboolean one = verb->fds == VF_REQUEST_ONE_FD || verb->fds == VF_REQUEST_RECORD_ALONE;
    guint min = verb->fds == VF_REQUEST_NO_FDS ? 0 : one ? 1 : 2;
    guint max = min < 2 ? min : VF_CONTROL_FDS_MAX;

    if (n >= min && n <= max)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("request “%s” has %u descriptors, but must have %u to %u"), verb->name, n, min,
                max);
    return FALSE;
}

VfRequest *
vf_request_parse(const VfVerb *verbs, gsize n_verbs, VfControlMessage *message,
                 VfRequestAdopt adopt, gpointer data, GError **error)
{
    const VfVerb *verb = find_verb(verbs, n_verbs, message->verb, error);
    g_autoptr(VfRequest) self = g_new0(VfRequest, 1);
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_dict_end(message->args));
    g_autoptr(VfOptions) options = vf_options_new(args);
    guint first = 0, n = message->n_fds;
    VfRecord *record = NULL;

    if (!verb || !check_fd_count(verb, n, error))
        return NULL;
    self->verb = verb;
    if (verb->fds == VF_REQUEST_RECORD_FIRST || verb->fds == VF_REQUEST_RECORD_ALONE)
        record = vf_record_new_from_fd(vf_control_message_steal_fd(message, first++));
    if (verb->fds == VF_REQUEST_RECORD_LAST)
        record = vf_record_new_from_fd(vf_control_message_steal_fd(message, n - 1));
    n -= record ? 1 : 0;
    if (n > 0 || record) {
        self->session = adopt(self, message->fds + first, n, record, data, error);
        if (!self->session)
            return NULL;
    }
    if ((verb->take && !verb->take(self, options, error)) || !vf_options_end(options, error))
        return NULL;
    return g_steal_pointer(&self);
}
