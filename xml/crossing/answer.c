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
#define ADDRESS_MAX 64

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
    self->devices = g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
    return self;
}

void
vf_answer_free(VfAnswer *self)
{
    g_free(self->job);
    g_free(self->destination);
    g_free(self->channel_address);
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
    g_autoptr(GInetAddress) address =
        parts[0] != NULL ? g_inet_address_new_from_string(parts[0]) : NULL;

    if (address == NULL)
        return FALSE;
    return parts[1] == NULL || (g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV6 &&
                                strlen(parts[1]) < 16 && vf_text_check_id(parts[1], "zone", NULL));
}

static gboolean
handle_channel(const xmlNode *node, gpointer data, GError **error)
{
    VfAnswer *self = data;
    guint64 port;

    if (!vf_document_need_text(node, "address", ADDRESS_MAX, &self->channel_address, error) ||
        !vf_document_need_u64(node, "port", 1, G_MAXUINT16, &port, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    self->channel_port = (guint16)port;
    if (is_address(self->channel_address))
        return TRUE;
    return vf_document_fail(node, error, _("address is “%s”, but must be an IPv4 or IPv6 address"),
                            self->channel_address);
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
check_unique(const xmlNode *node, const VfAnswer *self, const VfAnswerDevice *device,
             GError **error)
{
    for (guint i = 0; i < self->devices->len; i++) {
        const VfAnswerDevice *other = self->devices->pdata[i];
        if (g_str_equal(other->ref, device->ref))
            return vf_document_fail(node, error, _("the device “%s” is there twice"), device->ref);
        if (g_str_equal(other->as, device->as))
            return vf_document_fail(node, error, _("two devices become the device “%s”"),
                                    device->as);
    }
    return TRUE;
}

static gboolean
handle_device(const xmlNode *node, gpointer data, GError **error)
{
    VfAnswer *self = data;
    g_autoptr(VfAnswerDevice) device = g_new0(VfAnswerDevice, 1);

    if (!vf_document_need_id(node, "ref", &device->ref, error) ||
        !vf_document_need_id(node, "as", &device->as, error) ||
        !vf_document_children(node, NULL, 0, NULL, error) ||
        !check_unique(node, self, device, error))
        return FALSE;
    g_ptr_array_add(self->devices, g_steal_pointer(&device));
    return TRUE;
}

static gboolean
parse_root(const xmlNode *root, VfAnswer *self, GError **error)
{
    const VfDocumentChild children[] = {{"channel", handle_channel, 1, 1},
                                        {"stream", handle_stream, 1, 1},
                                        {"device", handle_device, 1, DEVICES_MAX}};
    guint64 expires;

    if (!vf_document_need_uuid(root, "job", &self->job, error) ||
        !vf_document_need_uuid(root, "destination", &self->destination, error) ||
        !vf_document_need_u64(root, "expires", 1, G_MAXINT64, &expires, error))
        return FALSE;
    self->expires = (gint64)expires;
    return vf_document_children(root, children, G_N_ELEMENTS(children), self, error);
}

VfAnswer *
vf_answer_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "answer", "answer", NS, VF_DOCUMENT_SIZE_MAX};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfAnswer) self = vf_answer_new(NULL, NULL);

    if (document == NULL || !parse_root(vf_document_root(document), self, error))
        return NULL;
    return g_steal_pointer(&self);
}

static void
write_device(VfWriter *writer, const VfAnswerDevice *device)
{
    vf_writer_start(writer, "device", NULL);
    vf_writer_attribute(writer, "ref", device->ref);
    vf_writer_attribute(writer, "as", device->as);
    vf_writer_end(writer);
}

char *
vf_answer_format(const VfAnswer *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("answer", NS, TRUE);

    vf_writer_attribute(writer, "job", self->job);
    vf_writer_attribute(writer, "destination", self->destination);
    vf_writer_attribute_i64(writer, "expires", self->expires);
    vf_writer_start(writer, "channel", NULL);
    vf_writer_attribute(writer, "address", self->channel_address);
    vf_writer_attribute_u64(writer, "port", self->channel_port);
    vf_writer_end(writer);
    vf_writer_start(writer, "stream", NULL);
    vf_writer_attribute_u64(writer, "version", self->stream_version);
    vf_writer_attribute_words(writer, "features", self->features);
    vf_writer_end(writer);
    for (guint i = 0; i < self->devices->len; i++)
        write_device(writer, self->devices->pdata[i]);
    return vf_writer_finish(writer);
}
