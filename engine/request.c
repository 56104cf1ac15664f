/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "request.h"

#include <net/if.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "options.h"
#include "past.h"

typedef enum {
    FDS_NONE,
    FDS_DEVICE,
    FDS_DEVICES_THEN_RECORD,
    FDS_RECORD_THEN_DEVICES,
} FdOrder;

typedef gboolean (*TakeArguments)(VfRequest *self, VfOptions *options, GError **error);

typedef struct {
    const char *name;
    VfRequestVerb verb;
    FdOrder fds;
    TakeArguments take;
} Verb;

void
vf_request_free(VfRequest *self)
{
    g_clear_pointer(&self->session, vf_session_free);
    g_free(self->device);
    g_free(self->node);
    g_free(self);
}

static gboolean
take_typed(VfOptions *options, const char *key, const GVariantType *type, GVariant **value,
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

static gboolean
take_string(VfOptions *options, const char *key, char **text, GError **error)
{
    g_autoptr(GVariant) value = NULL;

    if (!take_typed(options, key, G_VARIANT_TYPE_STRING, &value, error))
        return FALSE;
    *text = g_variant_dup_string(value, NULL);
    return TRUE;
}

static gboolean
take_port(VfOptions *options, const char *key, guint16 *port, GError **error)
{
    g_autoptr(GVariant) value = NULL;

    if (!take_typed(options, key, G_VARIANT_TYPE_UINT16, &value, error))
        return FALSE;
    *port = g_variant_get_uint16(value);
    return TRUE;
}

static gboolean
take_u32(VfOptions *options, const char *key, guint32 *number, GError **error)
{
    g_autoptr(GVariant) value = NULL;

    if (!take_typed(options, key, G_VARIANT_TYPE_UINT32, &value, error))
        return FALSE;
    *number = g_variant_get_uint32(value);
    return TRUE;
}

static gboolean
take_boolean(VfOptions *options, const char *key, gboolean *flag, GError **error)
{
    g_autoptr(GVariant) value = NULL;

    if (!take_typed(options, key, G_VARIANT_TYPE_BOOLEAN, &value, error))
        return FALSE;
    *flag = g_variant_get_boolean(value);
    return TRUE;
}

static gboolean
take_key(VfOptions *options, VfSessionConfig *config, GError **error)
{
    g_autoptr(GVariant) value = NULL;
    const guint8 *bytes;
    gsize n;

    if (!take_typed(options, "key", G_VARIANT_TYPE_BYTESTRING, &value, error))
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

    if (!take_typed(options, "features", G_VARIANT_TYPE_STRING_ARRAY, &value, error))
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
    if (!take_string(options, "job", &config->job, error) ||
        !take_string(options, "address", &config->address, error))
        return FALSE;
    resolve_scope(&config->address);
    return take_key(options, config, error) && take_features(options, config, error);
}

static gboolean
take_send(VfRequest *self, VfOptions *options, GError **error)
{
    VfSessionConfig *config = &self->session->config;

    return take_session(options, config, error) &&
           take_port(options, "port", &config->port, error) &&
           take_u32(options, "downtime-limit-ms", &config->downtime_limit_ms, error) &&
           take_u32(options, "precopy-max-seconds", &config->precopy_max_seconds, error) &&
           take_boolean(options, "switchover-ack", &config->switchover_ack, error);
}

static gboolean
take_receive(VfRequest *self, VfOptions *options, GError **error)
{
    VfSessionConfig *config = &self->session->config;
    g_autoptr(GVariant) size_max = NULL;

    if (!take_session(options, config, error) ||
        !take_port(options, "port-min", &config->port_min, error) ||
        !take_port(options, "port-max", &config->port_max, error) ||
        !take_u32(options, "accept-seconds", &config->accept_seconds, error) ||
        !take_typed(options, "size-max", G_VARIANT_TYPE_UINT64, &size_max, error))
        return FALSE;
    config->size_max = g_variant_get_uint64(size_max);
    if (config->port_min <= config->port_max)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("port-min %u is larger than port-max %u"), config->port_min, config->port_max);
    return FALSE;
}

/* It names one thing in a folder, and must not lead out of it. */
static gboolean
check_name(const char *key, const char *name, GError **error)
{
    if (!strchr(name, '/'))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("argument “%s” is “%.80s”; a “/” must not be in it"), key, name);
    return FALSE;
}

static gboolean
take_open(VfRequest *self, VfOptions *options, GError **error)
{
    g_autoptr(GVariant) group = NULL;

    self->node = vf_options_take_string(options, "vfio-dev", "");
    if (!take_string(options, "device", &self->device, error) ||
        !take_typed(options, "group", G_VARIANT_TYPE_INT32, &group, error) ||
        !check_name("device", self->device, error) || !check_name("vfio-dev", self->node, error))
        return FALSE;
    self->group = g_variant_get_int32(group);
    if (self->group >= 0 && self->device[0] != '\0')
        return TRUE;
    if (self->device[0] == '\0')
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                            _("argument “device” is empty; it must be a device's name"));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("argument “group” is %d; it must be a group's number"), self->group);
    return FALSE;
}

/* The record is read before the sandbox closes, which has no reading at a place. */
static gboolean
take_past(VfRequest *self, VfOptions *options, GError **error)
{
    return vf_past_recall(self->session, FALSE, error);
}

static gboolean
take_return(VfRequest *self, VfOptions *options, GError **error)
{
    return vf_past_recall(self->session, vf_options_take_boolean(options, "touched-only", FALSE),
                          error);
}

static const Verb verbs[] = {
    {"open", VF_REQUEST_OPEN, FDS_NONE, take_open},
    {"inspect", VF_REQUEST_INSPECT, FDS_DEVICE, NULL},
    {"return", VF_REQUEST_RETURN, FDS_DEVICES_THEN_RECORD, take_return},
    {"start", VF_REQUEST_START, FDS_DEVICES_THEN_RECORD, take_past},
    {"stop", VF_REQUEST_STOP, FDS_DEVICES_THEN_RECORD, take_past},
    {"send", VF_REQUEST_SEND, FDS_RECORD_THEN_DEVICES, take_send},
    {"receive", VF_REQUEST_RECEIVE, FDS_RECORD_THEN_DEVICES, take_receive},
};

static const Verb *
find_verb(const char *name, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_str_equal(verbs[i].name, name))
            return &verbs[i];
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("there is no request “%.40s”"), name);
    return NULL;
}

static gboolean
check_fd_count(const Verb *verb, guint n, GError **error)
{
    guint min = verb->fds == FDS_NONE ? 0 : verb->fds == FDS_DEVICE ? 1 : 2;
    guint max = verb->fds == FDS_NONE ? 0 : verb->fds == FDS_DEVICE ? 1 : VF_CONTROL_FDS_MAX;

    if (n >= min && n <= max)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("request “%s” has %u descriptors, but must have %u to %u"), verb->name, n, min,
                max);
    return FALSE;
}

static VfSession *
take_fds(const Verb *verb, VfControlMessage *message, VfRequestAdopt adopt, gpointer data)
{
    g_autoptr(GPtrArray) backends = g_ptr_array_new();
    VfRecord *record = NULL;
    guint first = verb->fds == FDS_RECORD_THEN_DEVICES ? 1 : 0;
    guint end = verb->fds == FDS_DEVICES_THEN_RECORD ? message->n_fds - 1 : message->n_fds;

    for (guint i = first; i < end; i++)
        g_ptr_array_add(backends, adopt(vf_control_message_steal_fd(message, i), data));
    if (verb->fds == FDS_RECORD_THEN_DEVICES)
        record = vf_record_new_from_fd(vf_control_message_steal_fd(message, 0));
    if (verb->fds == FDS_DEVICES_THEN_RECORD)
        record = vf_record_new_from_fd(vf_control_message_steal_fd(message, end));
    return vf_session_new(vf_devices_new(backends), record);
}

VfRequest *
vf_request_parse(VfControlMessage *message, VfRequestAdopt adopt, gpointer data, GError **error)
{
    g_autoptr(VfRequest) self = g_new0(VfRequest, 1);
    const Verb *verb = find_verb(message->verb, error);
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_dict_end(message->args));
    g_autoptr(VfOptions) options = vf_options_new(args);

    if (!verb || !check_fd_count(verb, message->n_fds, error))
        return NULL;
    self->verb = verb->verb;
    if (verb->fds != FDS_NONE)
        self->session = take_fds(verb, message, adopt, data);
    if ((verb->take && !verb->take(self, options, error)) || !vf_options_end(options, error))
        return NULL;
    return g_steal_pointer(&self);
}
