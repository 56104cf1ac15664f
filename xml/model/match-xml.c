/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "match-xml.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"

#define MATCHES_MAX 256
#define DRIVER_MAX 64
#define GLOB_MAX 128

static VfMatch *
add_match(VfModel *self, VfMatchKind kind)
{
    VfMatch *match = g_new0(VfMatch, 1);

    match->kind = kind;
    match->pci = (VfPciId){-1, -1, -1, -1};
    g_ptr_array_add(self->matches, match);
    return match;
}

static gboolean
handle_mdev(const xmlNode *node, gpointer data, GError **error)
{
    VfMatch *match = add_match(data, VF_MATCH_MDEV);

    return vf_document_need_text(node, "driver", DRIVER_MAX, &match->driver, error) &&
           vf_document_need_text(node, "type", GLOB_MAX, &match->type, error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

/* "15b3", as lspci and modules.alias say it. */
static gboolean
parse_pci_number(const xmlNode *node, const char *name, gboolean needed, int *number,
                 GError **error)
{
    g_autofree char *text = NULL;

    if (!(needed ? vf_document_need_text : vf_document_get_text)(node, name, 16, &text, error))
        return FALSE;
    if (!text)
        return TRUE;
    if (strlen(text) != 4 || strspn(text, "0123456789abcdef") != 4)
        return vf_document_fail(node, error,
                                _("%s is “%s”, but must be four lower-case hexadecimal digits"),
                                name, text);
    *number = (int)g_ascii_strtoull(text, NULL, 16);
    return TRUE;
}

static gboolean
handle_pci(const xmlNode *node, gpointer data, GError **error)
{
    VfMatch *match = add_match(data, VF_MATCH_PCI);

    return parse_pci_number(node, "vendor", TRUE, &match->pci.vendor, error) &&
           parse_pci_number(node, "device", FALSE, &match->pci.device, error) &&
           parse_pci_number(node, "subsystem-vendor", FALSE, &match->pci.subsystem_vendor, error) &&
           parse_pci_number(node, "subsystem-device", FALSE, &match->pci.subsystem_device, error) &&
           vf_document_get_text(node, "driver", DRIVER_MAX, &match->driver, error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
handle_vfio_user(const xmlNode *node, gpointer data, GError **error)
{
    VfMatch *match = add_match(data, VF_MATCH_VFIO_USER);

    return vf_document_need_text(node, "program", GLOB_MAX, &match->program, error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

gboolean
vf_match_xml_parse(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"mdev", handle_mdev, 0, MATCHES_MAX},
                                        {"pci", handle_pci, 0, MATCHES_MAX},
                                        {"vfio-user", handle_vfio_user, 0, MATCHES_MAX}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static void
write_pci_number(VfWriter *writer, const char *name, int number)
{
    char text[8];

    if (number < 0)
        return;
    g_snprintf(text, sizeof text, "%04x", (guint)number);
    vf_writer_attribute(writer, name, text);
}

void
vf_match_xml_write(VfWriter *writer, const VfModel *model)
{
    static const char *const names[] = {"mdev", "pci", "vfio-user"};

    vf_writer_start(writer, "match", NULL);
    for (guint i = 0; i < model->matches->len; i++) {
        const VfMatch *match = model->matches->pdata[i];

        vf_writer_start(writer, names[match->kind], NULL);
        write_pci_number(writer, "vendor", match->pci.vendor);
        write_pci_number(writer, "device", match->pci.device);
        write_pci_number(writer, "subsystem-vendor", match->pci.subsystem_vendor);
        write_pci_number(writer, "subsystem-device", match->pci.subsystem_device);
        vf_writer_attribute(writer, "driver", match->driver);
        vf_writer_attribute(writer, "type", match->type);
        vf_writer_attribute(writer, "program", match->program);
        vf_writer_end(writer);
    }
    vf_writer_end(writer);
}
