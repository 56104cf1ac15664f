/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "offers.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "document-element.h"
#include "names.h"
#include "requirement-xml.h"
#include "text.h"
#include "value-xml.h"

#define NS VF_NS("offers")
#define ID_MAX_BYTES 255
#define WHERE_MAX_BYTES 4096

static char *
ref_string(const char *text)
{
    return text ? g_ref_string_new(text) : NULL;
}

VfOffers *
vf_offers_new(VfRequirement *requirement, const VfConsumer *consumer)
{
    VfOffers *self = g_new0(VfOffers, 1);

    self->consumer = consumer ? vf_consumer_format(consumer) : NULL;
    self->requirement = requirement ? vf_requirement_ref(requirement) : NULL;
    self->offers = g_ptr_array_new_with_free_func((GDestroyNotify)vf_offer_free);
    self->refusals = g_ptr_array_new_with_free_func((GDestroyNotify)vf_refusal_free);
    return self;
}

void
vf_offers_free(VfOffers *self)
{
    g_free(self->consumer);
    g_clear_pointer(&self->requirement, vf_requirement_unref);
    g_ptr_array_unref(self->offers);
    g_ptr_array_unref(self->refusals);
    g_free(self);
}

static void
clear_strings(char **const strings[], gsize n)
{
    for (gsize i = 0; i < n; i++)
        g_clear_pointer(strings[i], g_ref_string_release);
}

void
vf_offer_free(VfOffer *self)
{
    char **const strings[] = {&self->host, &self->name, &self->kind, &self->id,
                              &self->how,  &self->type, &self->code, &self->reason};

    clear_strings(strings, G_N_ELEMENTS(strings));
    g_clear_pointer(&self->values, g_ptr_array_unref);
    g_free(self);
}

VfRefusal *
vf_refusal_new(const char *host, const char *where, const char *code, const char *reason)
{
    VfRefusal *self = g_new0(VfRefusal, 1);

    self->host = ref_string(host);
    self->where = ref_string(where);
    self->code = ref_string(code);
    self->reason = ref_string(reason);
    self->verdict = VF_VERDICT_UNKNOWN;
    return self;
}

void
vf_refusal_free(VfRefusal *self)
{
    char **const strings[] = {&self->host, &self->name, &self->where,
                              &self->id,   &self->code, &self->reason};

    clear_strings(strings, G_N_ELEMENTS(strings));
    g_free(self);
}

/* --- order */

int
vf_offer_compare(const VfOffer *a, const VfOffer *b)
{
    int order = (int)vf_report_verdict_rank(a->verdict) - (int)vf_report_verdict_rank(b->verdict);

    if (order == 0 && a->left != b->left)
        return a->left > b->left ? -1 : 1;
    if (order == 0)
        order = g_strcmp0(a->name, b->name);
    if (order == 0)
        order = g_strcmp0(a->host, b->host);
    return order != 0 ? order : g_strcmp0(a->id, b->id);
}

static int
compare_offers(gconstpointer a, gconstpointer b)
{
    return vf_offer_compare(*(VfOffer *const *)a, *(VfOffer *const *)b);
}

static int
compare_refusals(gconstpointer a, gconstpointer b)
{
    const VfRefusal *left = *(VfRefusal *const *)a;
    const VfRefusal *right = *(VfRefusal *const *)b;
    int order = g_strcmp0(left->name, right->name);

    if (order == 0)
        order = g_strcmp0(left->host, right->host);
    if (order == 0)
        order = g_strcmp0(left->where, right->where);
    return order != 0 ? order : g_strcmp0(left->id, right->id);
}

void
vf_offers_take_refusal(VfOffers *self, VfRefusal *refusal)
{
    g_ptr_array_add(self->refusals, refusal);
}

void
vf_offers_keep_best(VfOffers *self, guint limit)
{
    g_ptr_array_sort(self->offers, compare_offers);
    if (limit > 0 && self->offers->len > limit)
        g_ptr_array_set_size(self->offers, (int)limit);
}

void
vf_offers_sort(VfOffers *self, guint limit)
{
    vf_offers_keep_best(self, limit);
    g_ptr_array_sort(self->refusals, compare_refusals);
}

/* --- XML */

static gboolean
get_string(const xmlNode *node, const char *name, gsize max, char **string, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_get_text(node, name, max, &text, error))
        return FALSE;
    *string = ref_string(text);
    return TRUE;
}

static gboolean
need_string(const xmlNode *node, const char *name, gsize max, char **string, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_need_text(node, name, max, &text, error))
        return FALSE;
    *string = ref_string(text);
    return TRUE;
}

static gboolean
get_host(const xmlNode *node, char **host, GError **error)
{
    g_autofree char *uuid = NULL;

    if (vf_document_has(node, "host") && !vf_document_need_uuid(node, "host", &uuid, error))
        return FALSE;
    *host = ref_string(uuid);
    return TRUE;
}

static gboolean
need_verdict(const xmlNode *node, VfVerdict *verdict, GError **error)
{
    g_autofree char *text = NULL;

    if (!vf_document_need_text(node, "verdict", 32, &text, error))
        return FALSE;
    if (vf_report_verdict_from_string(text, verdict))
        return TRUE;
    return vf_document_fail(
        node, error,
        _("verdict is “%s”, but must be one of incompatible, identical, superset, unknown"), text);
}

static gboolean
handle_reason(const xmlNode *node, gpointer data, GError **error)
{
    VfOffer *offer = data;
    g_autofree char *text = vf_document_content(node, error);
    g_autofree char *sentence = text ? vf_text_collapse(text) : NULL;

    offer->reason = ref_string(sentence);
    return text != NULL;
}

static gboolean
handle_value(const xmlNode *node, gpointer data, GError **error)
{
    VfOffer *offer = data;
    return vf_value_xml_parse(node, offer->values, error);
}

static gboolean
handle_offer(const xmlNode *node, gpointer data, GError **error)
{
    VfOffers *self = data;
    const VfDocumentChild children[] = {{"reason", handle_reason, 0, 1},
                                        {"parameter", handle_value, 0, VF_VALUE_XML_MAX}};
    VfOffer *offer = g_new0(VfOffer, 1);

    offer->values = vf_value_list_new();
    g_ptr_array_add(self->offers, offer);
    return get_host(node, &offer->host, error) &&
           get_string(node, "name", ID_MAX_BYTES, &offer->name, error) &&
           need_string(node, "kind", ID_MAX_BYTES, &offer->kind, error) &&
           need_string(node, "id", ID_MAX_BYTES, &offer->id, error) &&
           need_string(node, "how", ID_MAX_BYTES, &offer->how, error) &&
           get_string(node, "type", ID_MAX_BYTES, &offer->type, error) &&
           vf_document_need_u64(node, "left", 0, G_MAXUINT64, &offer->left, error) &&
           need_verdict(node, &offer->verdict, error) &&
           get_string(node, "code", ID_MAX_BYTES, &offer->code, error) &&
           vf_document_children(node, children, G_N_ELEMENTS(children), offer, error);
}

static gboolean
handle_refusal(const xmlNode *node, gpointer data, GError **error)
{
    VfOffers *self = data;
    VfRefusal *refusal = g_new0(VfRefusal, 1);
    g_autofree char *text = NULL;
    g_autofree char *sentence = NULL;

    g_ptr_array_add(self->refusals, refusal);
    if (!get_host(node, &refusal->host, error) ||
        !get_string(node, "name", ID_MAX_BYTES, &refusal->name, error) ||
        !get_string(node, "where", WHERE_MAX_BYTES, &refusal->where, error) ||
        !get_string(node, "id", ID_MAX_BYTES, &refusal->id, error) ||
        !need_string(node, "code", ID_MAX_BYTES, &refusal->code, error) ||
        !need_verdict(node, &refusal->verdict, error))
        return FALSE;
    text = vf_document_content(node, error);
    if (!text)
        return FALSE;
    sentence = vf_text_collapse(text);
    refusal->reason = ref_string(sentence);
    return TRUE;
}

static gboolean
handle_requirement(const xmlNode *node, gpointer data, GError **error)
{
    VfOffers *self = data;

    self->requirement = vf_requirement_xml_parse(node, error);
    return self->requirement != NULL;
}

VfOffers *
vf_offers_parse(const char *text, gssize size, const char *where, GError **error)
{
    const VfDocumentKind kind = {where ?: "offers", "offers", NS, VF_DOCUMENT_LARGE_SIZE_MAX, NULL};
    const VfDocumentChild children[] = {
        {"requirement", handle_requirement, 0, 1, VF_NS("requirement")},
        {"offer", handle_offer, 0, 0},
        {"refusal", handle_refusal, 0, 0}};
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, error);
    g_autoptr(VfOffers) self = vf_offers_new(NULL, NULL);
    const xmlNode *root;

    if (!document)
        return NULL;
    root = vf_document_root(document);
    if (!vf_document_get_text(root, "for", ID_MAX_BYTES, &self->consumer, error) ||
        !vf_document_get_u64(root, "hosts", 0, G_MAXUINT64, &self->hosts, error) ||
        !vf_document_get_u64(root, "fitting", 0, G_MAXUINT64, &self->fitting, error) ||
        !vf_document_get_u64(root, "fitting-hosts", 0, G_MAXUINT64, &self->fitting_hosts, error) ||
        !vf_document_children(root, children, G_N_ELEMENTS(children), self, error))
        return NULL;
    return g_steal_pointer(&self);
}

char *
vf_offers_format(const VfOffers *self)
{
    g_autoptr(VfWriter) writer = vf_writer_new("offers", NS, TRUE);

    vf_writer_attribute(writer, "for", self->consumer);
    vf_writer_attribute_u64(writer, "hosts", self->hosts);
    vf_writer_attribute_u64(writer, "fitting", self->fitting);
    vf_writer_attribute_u64(writer, "fitting-hosts", self->fitting_hosts);
    if (self->requirement) {
        vf_writer_start(writer, "requirement", VF_NS("requirement"));
        vf_requirement_xml_write(writer, self->requirement);
        vf_writer_end(writer);
    }
    for (guint i = 0; i < self->offers->len; i++) {
        const VfOffer *offer = self->offers->pdata[i];

        vf_writer_start(writer, "offer", NULL);
        vf_writer_attribute(writer, "host", offer->host);
        vf_writer_attribute(writer, "name", offer->name);
        vf_writer_attribute(writer, "kind", offer->kind);
        vf_writer_attribute(writer, "id", offer->id);
        vf_writer_attribute(writer, "how", offer->how);
        vf_writer_attribute(writer, "type", offer->type);
        vf_writer_attribute_u64(writer, "left", offer->left);
        vf_writer_attribute(writer, "verdict", vf_report_verdict_to_string(offer->verdict));
        vf_writer_attribute(writer, "code", offer->code);
        vf_writer_prose(writer, "reason", offer->reason);
        vf_value_xml_write(writer, offer->values);
        vf_writer_end(writer);
    }
    for (guint i = 0; i < self->refusals->len; i++) {
        const VfRefusal *refusal = self->refusals->pdata[i];
        g_autofree char *sentence = vf_text_collapse(refusal->reason);

        vf_writer_start(writer, "refusal", NULL);
        vf_writer_attribute(writer, "host", refusal->host);
        vf_writer_attribute(writer, "name", refusal->name);
        vf_writer_attribute(writer, "where", refusal->where);
        vf_writer_attribute(writer, "id", refusal->id);
        vf_writer_attribute(writer, "code", refusal->code);
        vf_writer_attribute(writer, "verdict", vf_report_verdict_to_string(refusal->verdict));
        vf_writer_text(writer, sentence);
        vf_writer_end(writer);
    }
    return vf_writer_finish(writer);
}
