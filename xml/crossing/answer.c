/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "answer.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"
#include "names.h"
#include "text.h"
#include "writer.h"

#define NS VF_NS("answer")
#define DEVICES_MAX 256
#define ENDPOINTS_MAX 16
#define ADDRESS_MAX 64
#define PATH_BYTES_MAX 1024

static void
device_free(VfAnswerDevice *self)
{
    g_free(self->ref);
    g_free(self->as);
    g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfAnswerDevice, device_free)

VfAnswer *
vf_answer_new(const char *job, const char *destination)
{
    VfAnswer *self = g_new0(VfAnswer, 1);

    self->job = g_strdup(job);
    self->destination = g_strdup(destination);
    self->stream_version = 1;
    self->features = g_new0(char *, 1);
    self->endpoints = vf_endpoint_list_new();
    self->devices = g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
    return self;
}

void
vf_answer_free(VfAnswer *self)
{
    g_free(self->job);
    g_free(self->destination);
    g_ptr_array_unref(self->endpoints);
    g_strfreev(self->features);
    g_ptr_array_unref(self->devices);
    g_free(self);
}

void
vf_answer_add_device(VfAnswer *self, const char *ref, const char *as)
{
    VfAnswerDevice *device = g_new0(VfAnswerDevice, 1);

    device->ref = g_strdup(ref);
    device->as = g_strdup(as);
    g_ptr_array_add(self->devices, device);
}

/* RFC 4007, section 11: an IPv6 address may end in % and its zone, on Linux the interface. */
static gboolean
is_address(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "%", 2);
    g_autoptr(GInetAddress) address = parts[0] ? g_inet_address_new_from_string(parts[0]) : NULL;

    if (!address)
        return FALSE;
    return !parts[1] || (g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV6 &&
                         strlen(parts[1]) < 16 && vf_text_check_id(parts[1], "zone", NULL));
}

static gboolean
parse_tcp(const xmlNode *node, VfAnswer *self, GError **error)
{
    g_autofree char *address = NULL;
    guint64 port;

    if (!vf_document_need_text(node, "address", ADDRESS_MAX, &address, error) ||
        !vf_document_need_u64(node, "port", 1, G_MAXUINT16, &port, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    if (!is_address(address))
        return vf_document_fail(node, error,
                                _("address is “%s”, but must be an IPv4 or IPv6 address"), address);
    g_ptr_array_add(self->endpoints, vf_endpoint_new_tcp(address, (guint16)port));
    return TRUE;
}

static gboolean
parse_path(const xmlNode *node, VfAnswer *self, VfEndpointKind kind, GError **error)
{
    g_autofree char *path = NULL;
    g_autofree char *canonical = NULL;

    if (!vf_document_need_text(node, "path", PATH_BYTES_MAX, &path, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    canonical = g_canonicalize_filename(path, "/");
    if (!g_str_equal(canonical, path))
        return vf_document_fail(
            node, error, _("path is “%s”, but must be absolute, and the shortest way to say it"),
            path);
    g_ptr_array_add(self->endpoints, vf_endpoint_new_path(kind, path));
    return TRUE;
}

/* The one endpoint, as 0.1.0 wrote it. */
static gboolean
handle_channel(const xmlNode *node, gpointer data, GError **error)
{
    return parse_tcp(node, data, error);
}

static const char *const kinds[] = {
    [VF_ENDPOINT_TCP] = "tcp",
    [VF_ENDPOINT_UNIX] = "unix",
    [VF_ENDPOINT_FILE] = "file",
};

/* One of a kind that is not known here is for a driver that is not here. */
static gboolean
handle_endpoint(const xmlNode *node, gpointer data, GError **error)
{
    g_autofree char *kind = NULL;

    if (!vf_document_need_id(node, "kind", &kind, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_str_equal(kind, kinds[i]))
            return i == VF_ENDPOINT_TCP ? parse_tcp(node, data, error)
                                        : parse_path(node, data, (VfEndpointKind)i, error);
    return vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
check_endpoints(const xmlNode *root, const VfAnswer *self, GError **error)
{
    gboolean channel = FALSE, endpoint = FALSE;

    for (const xmlNode *node = root->children; node; node = node->next) {
        channel |= vf_document_is(node, "channel", NS);
        endpoint |= vf_document_is(node, "endpoint", NS);
    }
    if (channel && endpoint)
        return vf_document_fail(root, error,
                                _("it has <channel> and <endpoint>, and only one of them counts"));
    if (self->endpoints->len > 0)
        return TRUE;
    return vf_document_fail(root, error,
                            endpoint ? _("none of its endpoints is of a kind that is known here")
                                     : _("the element <endpoint> is missing"));
}

static gboolean
handle_stream(const xmlNode *node, gpointer data, GError **error)
{
    VfAnswer *self = data;
    guint64 version;

    if (!vf_document_need_u64(node, "version", 1, G_MAXUINT32, &version, error) ||
        !vf_document_get_words(node, "features", &self->features, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    self->stream_version = (guint32)version;
    return TRUE;
}

static gboolean
handle_device(const xmlNode *node, gpointer data, GError **error)
{
    VfAnswer *self = data;
    g_autoptr(VfAnswerDevice) device = g_new0(VfAnswerDevice, 1);

    if (!vf_document_need_id(node, "ref", &device->ref, error) ||
        !vf_document_need_id(node, "as", &device->as, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    for (guint i = 0; i < self->devices->len; i++) {
        const VfAnswerDevice *other = self->devices->pdata[i];
        if (g_str_equal(other->ref, device->ref))
            return vf_document_fail(node, error, _("the device “%s” is there twice"), device->ref);
        if (g_str_equal(other->as, device->as))
            return vf_document_fail(node, error, _("two devices become the device “%s”"),
                                    device->as);
    }
    g_ptr_array_add(self->devices, g_steal_pointer(&device));
    return TRUE;
}

VfAnswer *
vf_answer_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "answer", "answer", NS, VF_DOCUMENT_SIZE_MAX};
    const VfDocumentChild children[] = {{"channel", handle_channel, 0, 1},
                                        {"endpoint", handle_endpoint, 0, ENDPOINTS_MAX},
                                        {"stream", handle_stream, 1, 1},
                                        {"device", handle_device, 1, DEVICES_MAX}};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfAnswer) self = vf_answer_new(NULL, NULL);
    const xmlNode *root;
    guint64 expires;

    if (!document)
        return NULL;
    root = vf_document_root(document);
    if (!vf_document_need_uuid(root, "job", &self->job, error) ||
        !vf_document_need_uuid(root, "destination", &self->destination, error) ||
        !vf_document_need_u64(root, "expires", 1, G_MAXINT64, &expires, error) ||
        !vf_document_children(root, children, G_N_ELEMENTS(children), self, error) ||
        !check_endpoints(root, self, error))
        return NULL;
    self->expires = (gint64)expires;
    return g_steal_pointer(&self);
}

char *
vf_answer_format(const VfAnswer *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("answer", NS, TRUE);

    vf_writer_attribute(writer, "job", self->job);
    vf_writer_attribute(writer, "destination", self->destination);
    vf_writer_attribute_i64(writer, "expires", self->expires);

    /* one TCP endpoint alone as 0.1.0, which knows no other, reads it */
    for (guint i = 0; i < self->endpoints->len; i++) {
        const VfEndpoint *endpoint = self->endpoints->pdata[i];
        gboolean tcp = endpoint->kind == VF_ENDPOINT_TCP;
        gboolean channel = tcp && self->endpoints->len == 1;

        vf_writer_start(writer, channel ? "channel" : "endpoint", NULL);
        if (!channel)
            vf_writer_attribute(writer, "kind", kinds[endpoint->kind]);
        if (tcp) {
            vf_writer_attribute(writer, "address", endpoint->address);
            vf_writer_attribute_u64(writer, "port", endpoint->port);
        } else {
            vf_writer_attribute(writer, "path", endpoint->path);
        }
        vf_writer_end(writer);
    }

    vf_writer_start(writer, "stream", NULL);
    vf_writer_attribute_u64(writer, "version", self->stream_version);
    vf_writer_attribute_words(writer, "features", self->features);
    vf_writer_end(writer);
    for (guint i = 0; i < self->devices->len; i++) {
        const VfAnswerDevice *device = self->devices->pdata[i];

        vf_writer_start(writer, "device", NULL);
        vf_writer_attribute(writer, "ref", device->ref);
        vf_writer_attribute(writer, "as", device->as);
        vf_writer_end(writer);
    }
    return vf_writer_finish(writer);
}
