/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vferry-offer.h"

struct _VferryOffer {
    char *id;
    char *type;
    char *name;
    char *model;
    char *device_api;
    guint64 left;
    GHashTable *parameters;
};

G_DEFINE_BOXED_TYPE(VferryOffer, vferry_offer, vferry_offer_ref, vferry_offer_unref)

static void
clear(gpointer data)
{
    VferryOffer *self = data;

    g_free(self->id);
    g_free(self->type);
    g_free(self->name);
    g_free(self->model);
    g_free(self->device_api);
    g_hash_table_unref(self->parameters);
}

/**
 * vferry_offer_ref:
 * @self: an offer
 *
 * Returns: (transfer full): @self
 */
VferryOffer *
vferry_offer_ref(VferryOffer *self)
{
    return g_atomic_rc_box_acquire(self);
}

/**
 * vferry_offer_unref:
 * @self: (transfer full): an offer
 */
void
vferry_offer_unref(VferryOffer *self)
{
    g_atomic_rc_box_release_full(self, clear);
}

/**
 * vferry_offer_get_id:
 * @self: an offer
 *
 * Returns: what names it on its host: the parent's id, a slash, and the type's, e.g. `mtty/mtty-2`
 */
const char *
vferry_offer_get_id(VferryOffer *self)
{
    return self->id;
}

/**
 * vferry_offer_get_type_id:
 * @self: an offer
 *
 * Returns: the type's id, e.g. `mtty-2`; it can be given to CreateDevice
 */
const char *
vferry_offer_get_type_id(VferryOffer *self)
{
    return self->type;
}

/**
 * vferry_offer_get_name:
 * @self: an offer
 *
 * Returns: what the driver calls the type, for people; may be empty
 */
const char *
vferry_offer_get_name(VferryOffer *self)
{
    return self->name;
}

/**
 * vferry_offer_get_model:
 * @self: an offer
 *
 * Returns: (nullable): the id of the model of such a device, %NULL when no descriptor matches
 */
const char *
vferry_offer_get_model(VferryOffer *self)
{
    return self->model;
}

/**
 * vferry_offer_get_device_api:
 * @self: an offer
 *
 * Returns: the kernel's name of the interface of such a device, e.g. `vfio-pci`; may be empty
 */
const char *
vferry_offer_get_device_api(VferryOffer *self)
{
    return self->device_api;
}

/**
 * vferry_offer_get_left:
 * @self: an offer
 *
 * Returns: how many more can be created; what is reserved for a lease does not count
 */
guint64
vferry_offer_get_left(VferryOffer *self)
{
    return self->left;
}

/**
 * vferry_offer_get_parameters:
 * @self: an offer
 *
 * Returns: (transfer none) (element-type utf8 utf8): the values that the type alone decides, by
 *     name; empty without a model
 */
GHashTable *
vferry_offer_get_parameters(VferryOffer *self)
{
    return self->parameters;
}

static char *
lookup_text(GVariant *dict, const char *key)
{
    const char *text = "";

    (void)g_variant_lookup(dict, key, "&s", &text);
    return g_strdup(text);
}

static GHashTable *
lookup_values(GVariant *dict)
{
    GHashTable *values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GVariantIter) iter = NULL;
    char *name, *value;

    if (g_variant_lookup(dict, "parameters", "a{ss}", &iter))
        while (g_variant_iter_next(iter, "{ss}", &name, &value))
            g_hash_table_replace(values, name, value);
    return values;
}

/* The daemon may be of another version: what is absent or of another type counts as not said. */
static VferryOffer *
offer_new(GVariant *dict)
{
    VferryOffer *self = g_atomic_rc_box_new0(VferryOffer);

    self->id = lookup_text(dict, "id");
    self->type = lookup_text(dict, "type");
    self->name = lookup_text(dict, "name");
    self->device_api = lookup_text(dict, "device-api");
    (void)g_variant_lookup(dict, "model", "s", &self->model);
    (void)g_variant_lookup(dict, "left", "t", &self->left);
    self->parameters = lookup_values(dict);
    return self;
}

/**
 * vferry_parent_list_offers:
 * @parent: a proxy of a parent
 *
 * The property Offers as it is cached now. Everybody may read it.
 *
 * Returns: (transfer container) (element-type VferryOffer): what @parent can create, in the
 * daemon's order; empty when nothing is known
 */
GPtrArray *
vferry_parent_list_offers(VferryParent *parent)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)vferry_offer_unref);
    g_autoptr(GVariant) offers = NULL;

    g_return_val_if_fail(VFERRY_IS_PARENT(parent), list);
    offers = vferry_parent_dup_offers(parent);
    for (gsize i = 0; offers && i < g_variant_n_children(offers); i++) {
        g_autoptr(GVariant) offer = g_variant_get_child_value(offers, i);

        g_ptr_array_add(list, offer_new(offer));
    }
    return list;
}
