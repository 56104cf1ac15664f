/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "capabilities-xml.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"
#include "model-xml.h"
#include "names-xml.h"
#include "names.h"
#include "value-xml.h"

#define NS VF_CAPABILITIES_XML_NS
#define PATH_MAX_BYTES 4096
#define NAME_MAX_BYTES 255

/* The ids of one kind that were seen: refuses the second one of a name. */
static gboolean
check_unique(const xmlNode *node, GHashTable *seen, const char *id, GError **error)
{
    if (g_hash_table_add(seen, g_strdup(id)))
        return TRUE;
    return vf_document_fail(node, error, _("the id “%s” is there twice"), id);
}

typedef struct {
    VfCapabilities *capabilities;
    VfCapabilitiesParent *parent; /* whose offers are parsed */
    GHashTable *models;
    GHashTable *parents;
    GHashTable *offers;
    GHashTable *devices;
} Parse;

gboolean
vf_capabilities_xml_parse_host(const xmlNode *node, VfCapabilities *self, GError **error)
{
    return vf_document_need_uuid(node, "id", &self->host_id, error) &&
           vf_document_get_text(node, "name", NAME_MAX_BYTES, &self->host_name, error) &&
           vf_document_get_text(node, "arch", NAME_MAX_BYTES, &self->arch, error) &&
           vf_document_get_text(node, "kernel", NAME_MAX_BYTES, &self->kernel, error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
handle_host(const xmlNode *node, gpointer data, GError **error)
{
    return vf_capabilities_xml_parse_host(node, ((Parse *)data)->capabilities, error);
}

typedef struct {
    gsize nodes;
    gsize bytes;
} Weight;

/* Elements of another namespace are counted, but not what is in them. */
static void
weigh(const xmlNode *node, const xmlChar *ns, Weight *weight)
{
    weight->nodes++;
    for (const xmlAttr *attribute = node->properties; attribute != NULL;
         attribute = attribute->next)
        if (!attribute->ns) {
            weight->nodes++;
            if (attribute->children && attribute->children->content)
                weight->bytes += strlen((const char *)attribute->children->content);
        }
    if (!node->ns || !xmlStrEqual(node->ns->href, ns))
        return;
    for (const xmlNode *child = node->children; child != NULL; child = child->next)
        if (child->type == XML_ELEMENT_NODE)
            weigh(child, ns, weight);
        else if (child->type == XML_TEXT_NODE && child->content)
            weight->bytes += strlen((const char *)child->content);
}

VfModel *
vf_capabilities_xml_parse_model(const xmlNode *node, GError **error)
{
    Weight weight = {0, 0};

    weigh(node, node->ns->href, &weight);
    if (weight.nodes > VF_CAPABILITIES_XML_MODEL_NODES ||
        weight.bytes > VF_CAPABILITIES_XML_MODEL_BYTES) {
        vf_document_fail(node, error, _("the model is larger than any descriptor can be"));
        return NULL;
    }
    return vf_model_xml_parse_schema(node, error);
}

static gboolean
handle_model(const xmlNode *node, gpointer data, GError **error)
{
    Parse *parse = data;
    g_autoptr(VfModel) model = vf_capabilities_xml_parse_model(node, error);

    if (!model || !check_unique(node, parse->models, model->id, error))
        return FALSE;
    g_ptr_array_add(parse->capabilities->models, g_steal_pointer(&model));
    return TRUE;
}

static gboolean
handle_value(const xmlNode *node, gpointer data, GError **error)
{
    VfCapabilitiesOffer *offer = data;
    return vf_value_xml_parse(node, offer->values, error);
}

gboolean
vf_capabilities_xml_parse_offer(const xmlNode *node, VfCapabilitiesOffer *self, GError **error)
{
    const VfDocumentChild children[] = {{"parameter", handle_value, 0, VF_VALUE_XML_MAX}};

    return vf_document_need_text(node, "id", NAME_MAX_BYTES, &self->id, error) &&
           vf_document_get_model_id(node, "model", &self->model, error) &&
           vf_document_need_id(node, "how", &self->how, error) &&
           vf_document_get_text(node, "type", NAME_MAX_BYTES, &self->type, error) &&
           vf_document_need_u64(node, "left", 0, G_MAXUINT64, &self->left, error) &&
           vf_document_get_words(node, "usable-by", &self->usable_by, error) &&
           vf_document_get_names(node, "settable", &self->settable, error) &&
           vf_document_children(node, children, G_N_ELEMENTS(children), self, error);
}

static gboolean
handle_offer(const xmlNode *node, gpointer data, GError **error)
{
    Parse *parse = data;
    g_autoptr(VfCapabilitiesOffer) offer = vf_capabilities_offer_new(NULL);

    if (!vf_capabilities_xml_parse_offer(node, offer, error) ||
        !check_unique(node, parse->offers, offer->id, error))
        return FALSE;
    g_ptr_array_add(parse->parent->offers, g_steal_pointer(&offer));
    return TRUE;
}

gboolean
vf_capabilities_xml_parse_parent(const xmlNode *node, VfCapabilitiesParent *self, GError **error)
{
    return vf_document_need_text(node, "id", NAME_MAX_BYTES, &self->id, error) &&
           vf_document_need_id(node, "kind", &self->kind, error) &&
           vf_document_need_text(node, "path", PATH_MAX_BYTES, &self->path, error) &&
           vf_document_get_text(node, "driver", NAME_MAX_BYTES, &self->driver, error);
}

static gboolean
handle_parent(const xmlNode *node, gpointer data, GError **error)
{
    Parse *parse = data;
    g_autoptr(VfCapabilitiesParent) parent = vf_capabilities_parent_new(NULL, NULL);
    const VfDocumentChild children[] = {{"offer", handle_offer, 0, 0}};

    parse->parent = parent;
    if (!vf_capabilities_xml_parse_parent(node, parent, error) ||
        !check_unique(node, parse->parents, parent->id, error) ||
        !vf_document_children(node, children, G_N_ELEMENTS(children), parse, error))
        return FALSE;
    g_ptr_array_add(parse->capabilities->parents, g_steal_pointer(&parent));
    return TRUE;
}

static gboolean
parse_flag(const xmlNode *node, const char *name, VfCapabilitiesMigration flag,
           VfCapabilitiesDevice *self, GError **error)
{
    gboolean set = FALSE;

    if (!vf_document_get_yes_no(node, name, &set, error))
        return FALSE;
    if (set)
        self->migration |= flag;
    return TRUE;
}

static gboolean
handle_migration(const xmlNode *node, gpointer data, GError **error)
{
    VfCapabilitiesDevice *self = data;

    return vf_document_need_id(node, "source", &self->migration_source, error) &&
           parse_flag(node, "stop-copy", VF_CAPABILITIES_STOP_COPY, self, error) &&
           parse_flag(node, "p2p", VF_CAPABILITIES_P2P, self, error) &&
           parse_flag(node, "pre-copy", VF_CAPABILITIES_PRE_COPY, self, error) &&
           vf_document_children(node, NULL, 0, NULL, error);
}

static gboolean
handle_device_value(const xmlNode *node, gpointer data, GError **error)
{
    VfCapabilitiesDevice *self = data;
    return vf_value_xml_parse(node, self->values, error);
}

gboolean
vf_capabilities_xml_parse_device(const xmlNode *node, VfCapabilitiesDevice *self, GError **error)
{
    const VfDocumentChild children[] = {{"parameter", handle_device_value, 0, VF_VALUE_XML_MAX},
                                        {"migration", handle_migration, 0, 1}};

    return vf_document_need_id(node, "id", &self->id, error) &&
           vf_document_need_id(node, "kind", &self->kind, error) &&
           vf_document_need_text(node, "path", PATH_MAX_BYTES, &self->path, error) &&
           vf_document_get_text(node, "parent", NAME_MAX_BYTES, &self->parent, error) &&
           vf_document_get_model_id(node, "model", &self->model, error) &&
           vf_document_need_id(node, "state", &self->state, error) &&
           vf_document_get_yes_no(node, "being-removed", &self->being_removed, error) &&
           vf_document_children(node, children, G_N_ELEMENTS(children), self, error);
}

static gboolean
handle_device(const xmlNode *node, gpointer data, GError **error)
{
    Parse *parse = data;
    g_autoptr(VfCapabilitiesDevice) device = vf_capabilities_device_new(NULL, NULL);

    if (!vf_capabilities_xml_parse_device(node, device, error) ||
        !check_unique(node, parse->devices, device->id, error))
        return FALSE;
    g_ptr_array_add(parse->capabilities->devices, g_steal_pointer(&device));
    return TRUE;
}

static gboolean
handle_models(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"model", handle_model, 0, 0}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static gboolean
handle_parents(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"parent", handle_parent, 0, 0}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static gboolean
handle_devices(const xmlNode *node, gpointer data, GError **error)
{
    const VfDocumentChild children[] = {{"device", handle_device, 0, 0}};
    return vf_document_children(node, children, G_N_ELEMENTS(children), data, error);
}

static GHashTable *
id_set(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

VfCapabilities *
vf_capabilities_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "capabilities", "capabilities", NS,
                                 VF_DOCUMENT_LARGE_SIZE_MAX};
    const VfDocumentChild children[] = {{"host", handle_host, 1, 1},
                                        {"models", handle_models, 0, 1},
                                        {"parents", handle_parents, 0, 1},
                                        {"devices", handle_devices, 0, 1}};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfCapabilities) self = vf_capabilities_new(NULL);
    g_autoptr(GHashTable) models = id_set();
    g_autoptr(GHashTable) parents = id_set();
    g_autoptr(GHashTable) offers = id_set();
    g_autoptr(GHashTable) devices = id_set();
    Parse parse = {self, NULL, models, parents, offers, devices};

    if (!document || !vf_document_children(vf_document_root(document), children,
                                           G_N_ELEMENTS(children), &parse, error))
        return NULL;
    return g_steal_pointer(&self);
}
