/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "parameter-access-xml.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"
#include "text.h"
#include "value.h"

#define GLOB_MAX 128
#define KEY_MAX 64
#define PROPERTY_MAX 128
/* What PCI calls the configuration space of a conventional device; what is behind it may have side
 * effects. */
#define PCI_CONFIG_SIZE 256

static gboolean
handle_map(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    g_autofree char *glob = NULL;
    g_autofree char *text = NULL;
    g_autofree char *value = NULL;
    GError *cause = NULL;

    if (!vf_document_need_text(node, "type", GLOB_MAX, &glob, error) ||
        !vf_document_need_text(node, "value", VF_VALUE_TEXT_MAX, &text, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    value = vf_parameter_check_value(self, text, &cause);
    if (!value)
        return vf_document_fail_because(node, cause, error);
    vf_reader_add_type_value(&self->reader, glob, value);
    return TRUE;
}

static gboolean
set_reader(const xmlNode *node, VfParameter *self, VfReaderKind kind, GError **error)
{
    if (self->reader.kind != VF_READER_NONE)
        return vf_document_fail(node, error, _("a value is read in one way only"));
    self->reader.kind = kind;
    return TRUE;
}

static gboolean
handle_type_name(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    const VfDocumentChild children[] = {{"map", handle_map, 1, 256}};

    return set_reader(node, self, VF_READER_TYPE_NAME, error) &&
           vf_document_children(node, children, G_N_ELEMENTS(children), self, error);
}

static gboolean
parse_path(const xmlNode *node, char **path, GError **error)
{
    GError *cause = NULL;

    if (!vf_document_need_text(node, "path", 255, path, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    if (!vf_text_check_attribute(*path, "path", &cause))
        return vf_document_fail_because(node, cause, error);
    return TRUE;
}

static gboolean
parse_of(const xmlNode *node, VfReader *reader, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_get_text(node, "of", 32, &text, error))
        return FALSE;
    if (!text || vf_reader_of_from_string(text, &reader->of))
        return TRUE;
    return vf_document_fail(node, error,
                            _("of is “%s”, but must be one of device, parent, physfn, type"), text);
}

static gboolean
parse_separator(const xmlNode *node, VfParameter *self, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_get_text(node, "separator", 8, &text, error))
        return FALSE;
    if (!text)
        return TRUE;
    if (self->type != VF_PARAMETER_SET)
        return vf_document_fail(node, error, _("a separator is for the type set only"));
    if (strlen(text) != 1 || !g_ascii_ispunct(text[0]))
        return vf_document_fail(
            node, error, _("separator is “%s”, but must be one ASCII punctuation mark"), text);
    self->reader.separator = text[0];
    return TRUE;
}

static gboolean
handle_read_attribute(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    const VfReader *reader = &self->reader;

    if (!set_reader(node, self, VF_READER_ATTRIBUTE, error) ||
        !parse_path(node, &self->reader.attribute, error) ||
        !parse_of(node, &self->reader, error) ||
        !vf_document_get_text(node, "key", KEY_MAX, &self->reader.key, error) ||
        !parse_separator(node, self, error))
        return FALSE;
    /* else only the first word would be read, and a set with fewer fits where it must not */
    if (reader->key && reader->separator == ',')
        return vf_document_fail(node, error,
                                _("separator cannot be “,” with a key: a comma ends its value"));
    return TRUE;
}

static gboolean
handle_pci_config(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;
    guint64 offset = 0;
    guint64 width = 0;

    if (!set_reader(node, self, VF_READER_PCI_CONFIG, error) ||
        !vf_document_need_u64(node, "width", 1, 4, &width, error) ||
        !vf_document_need_u64(node, "offset", 0, PCI_CONFIG_SIZE - 1, &offset, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    if (width == 3 || offset % width != 0)
        return vf_document_fail(node, error,
                                _("width must be 1, 2 or 4, and offset a multiple of it"));
    if (self->type != VF_PARAMETER_INT && self->type != VF_PARAMETER_BITMASK)
        return vf_document_fail(node, error,
                                _("PCI configuration space has values of the types int and bitmask "
                                  "only"));
    self->reader.offset = (guint)offset;
    self->reader.width = (guint)width;
    return TRUE;
}

static gboolean
handle_udev_property(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;

    if (!set_reader(node, self, VF_READER_UDEV_PROPERTY, error) ||
        !vf_document_need_text(node, "name", PROPERTY_MAX, &self->reader.property, error) ||
        !vf_document_children(node, NULL, 0, NULL, error))
        return FALSE;
    if (self->reader.property[0] == '\0' ||
        strspn(self->reader.property, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789_") != strlen(self->reader.property))
        return vf_document_fail(node, error,
                                _("name is “%s”, but a udev property has A-Z, a-z, 0-9 and “_”"),
                                self->reader.property);
    return parse_separator(node, self, error);
}

gboolean
vf_parameter_read_xml_parse(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"type-name", handle_type_name, 0, 1},
                                        {"attribute", handle_read_attribute, 0, 1},
                                        {"pci-config", handle_pci_config, 0, 1},
                                        {"udev-property", handle_udev_property, 0, 1}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static gboolean
handle_apply_attribute(const xmlNode *node, gpointer data, GError **error)
{
    VfParameter *self = data;

    self->applier = VF_APPLIER_ATTRIBUTE;
    return parse_path(node, &self->applier_attribute, error) &&
           vf_document_get_yes_no(node, "while-open", &self->while_open, error);
}

gboolean
vf_parameter_apply_xml_parse(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"attribute", handle_apply_attribute, 0, 1}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static void
write_separator(VfWriter *writer, const VfReader *reader)
{
    const char text[] = {reader->separator, '\0'};

    vf_writer_attribute(writer, "separator", reader->separator != '\0' ? text : NULL);
}

static void
write_reader(VfWriter *writer, const VfReader *reader)
{
    switch (reader->kind) {
    case VF_READER_TYPE_NAME:
        vf_writer_start(writer, "type-name", NULL);
        for (guint i = 0; i < reader->type_values->len; i++) {
            const VfTypeValue *entry = reader->type_values->pdata[i];
            vf_writer_start(writer, "map", NULL);
            vf_writer_attribute(writer, "type", entry->glob);
            vf_writer_attribute(writer, "value", entry->value);
            vf_writer_end(writer);
        }
        vf_writer_end(writer);
        break;
    case VF_READER_ATTRIBUTE:
        vf_writer_start(writer, "attribute", NULL);
        vf_writer_attribute(writer, "path", reader->attribute);
        if (reader->of != VF_READER_OF_DEVICE)
            vf_writer_attribute(writer, "of", vf_reader_of_to_string(reader->of));
        vf_writer_attribute(writer, "key", reader->key);
        write_separator(writer, reader);
        vf_writer_end(writer);
        break;
    case VF_READER_PCI_CONFIG:
        vf_writer_start(writer, "pci-config", NULL);
        vf_writer_attribute_u64(writer, "offset", reader->offset);
        vf_writer_attribute_u64(writer, "width", reader->width);
        vf_writer_end(writer);
        break;
    case VF_READER_UDEV_PROPERTY:
        vf_writer_start(writer, "udev-property", NULL);
        vf_writer_attribute(writer, "name", reader->property);
        write_separator(writer, reader);
        vf_writer_end(writer);
        break;
    case VF_READER_NONE:
    default:
        break;
    }
}

void
vf_parameter_access_xml_write(VfWriter *writer, const VfParameter *self)
{
    if (self->reader.kind != VF_READER_NONE) {
        vf_writer_start(writer, "read", NULL);
        write_reader(writer, &self->reader);
        vf_writer_end(writer);
    }
    if (self->applier != VF_APPLIER_NONE) {
        vf_writer_start(writer, "apply", NULL);
        vf_writer_start(writer, "attribute", NULL);
        vf_writer_attribute(writer, "path", self->applier_attribute);
        vf_writer_attribute(writer, "while-open", self->while_open ? "yes" : NULL);
        vf_writer_end(writer);
        vf_writer_end(writer);
    }
}
