/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fleet.h"

#include <string.h>

/* More classes than these are not kept when the hosts are forgotten. */
#define CLASSES_KEPT 4096
#define STAGE_KEPT (1024 * 1024)

/* An offer of the document that is read, of which it is not known yet whether it is good. */
typedef struct {
    gsize id; /* where it begins in texts */
    guint64 left;
    VfShape *shape;
    guint kind; /* index into kinds */
} Staged;

struct VfFleetPrivate {
    VfCapabilitiesStream *stream;
    GHashTable *class_ids; /* VfFleetClass -> index + 1 */
    GStringChunk *ids;
    /* the document that is read */
    char *host_id;
    char *host_name;
    GHashTable *models; /* id -> VfModel */
    GPtrArray *kinds;   /* of the parents and devices, the last one's at the end */
    GArray *staged;     /* of Staged */
    GString *texts;
};

static guint
hash_class(gconstpointer key)
{
    const VfFleetClass *class = key;
    return g_direct_hash(class->shape) * 31 + g_direct_hash(class->model);
}

static gboolean
equal_classes(gconstpointer a, gconstpointer b)
{
    const VfFleetClass *left = a;
    const VfFleetClass *right = b;

    return left->shape == right->shape && left->model == right->model &&
           g_str_equal(left->kind, right->kind);
}

static void
class_free(gpointer data)
{
    VfFleetClass *class = data;

    g_clear_pointer(&class->model, vf_model_unref);
    vf_shape_unref(class->shape);
    g_free((char *)class->kind);
    g_free(class);
}

static void
host_clear(gpointer data)
{
    VfFleetHost *host = data;

    g_ref_string_release(host->id);
    g_clear_pointer(&host->name, g_ref_string_release);
    g_clear_pointer(&host->where, g_ref_string_release);
}

static void
staged_clear(gpointer data)
{
    vf_shape_unref(((Staged *)data)->shape);
}

/* One large document must not cost its size for as long as the others are read. */
static void
renew_stage(VfFleetPrivate *priv)
{
    g_clear_pointer(&priv->staged, g_array_unref);
    priv->staged = g_array_new(FALSE, FALSE, sizeof(Staged));
    g_array_set_clear_func(priv->staged, staged_clear);
    if (priv->texts)
        g_string_free(priv->texts, TRUE);
    priv->texts = g_string_new(NULL);
}

VfFleet *
vf_fleet_new(void)
{
    VfFleet *self = g_new0(VfFleet, 1);
    VfFleetPrivate *priv = g_new0(VfFleetPrivate, 1);

    self->hosts = g_array_new(FALSE, FALSE, sizeof(VfFleetHost));
    g_array_set_clear_func(self->hosts, host_clear);
    self->offers = g_array_new(FALSE, FALSE, sizeof(VfFleetOffer));
    self->classes = g_ptr_array_new_with_free_func(class_free);
    self->priv = priv;
    priv->stream = vf_capabilities_stream_new();
    priv->class_ids = g_hash_table_new(hash_class, equal_classes);
    priv->ids = g_string_chunk_new(64 * 1024);
    priv->models =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)vf_model_unref);
    priv->kinds = g_ptr_array_new_with_free_func(g_free);
    renew_stage(priv);
    return self;
}

static void
forget_document(VfFleetPrivate *priv)
{
    gboolean large = priv->texts->allocated_len > STAGE_KEPT;

    g_clear_pointer(&priv->host_id, g_free);
    g_clear_pointer(&priv->host_name, g_free);
    g_hash_table_remove_all(priv->models);
    g_ptr_array_set_size(priv->kinds, 0);
    g_array_set_size(priv->staged, 0);
    g_string_truncate(priv->texts, 0);
    if (large)
        renew_stage(priv);
}

void
vf_fleet_free(VfFleet *self)
{
    VfFleetPrivate *priv = self->priv;

    forget_document(priv);
    vf_capabilities_stream_free(priv->stream);
    g_hash_table_unref(priv->class_ids);
    g_string_chunk_free(priv->ids);
    g_hash_table_unref(priv->models);
    g_ptr_array_unref(priv->kinds);
    g_array_unref(priv->staged);
    g_string_free(priv->texts, TRUE);
    g_free(priv);
    g_array_unref(self->hosts);
    g_array_unref(self->offers);
    g_ptr_array_unref(self->classes);
    g_free(self);
}

void
vf_fleet_clear(VfFleet *self)
{
    g_array_set_size(self->hosts, 0);
    g_array_set_size(self->offers, 0);
    g_string_chunk_clear(self->priv->ids);
    if (self->classes->len <= CLASSES_KEPT)
        return;
    g_hash_table_remove_all(self->priv->class_ids);
    g_ptr_array_set_size(self->classes, 0);
}

/* --- what a document says */

static void
take_host(const char *id, const char *name, const char *arch, const char *kernel, gpointer data)
{
    VfFleetPrivate *priv = ((VfFleet *)data)->priv;

    priv->host_id = g_strdup(id);
    priv->host_name = g_strdup(name);
}

static void
take_model(VfModel *model, gpointer data)
{
    VfFleetPrivate *priv = ((VfFleet *)data)->priv;

    g_hash_table_insert(priv->models, model->id, vf_model_ref(model));
}

static void
take_kind(VfFleetPrivate *priv, const char *kind)
{
    if (priv->kinds->len == 0 || !g_str_equal(priv->kinds->pdata[priv->kinds->len - 1], kind))
        g_ptr_array_add(priv->kinds, g_strdup(kind));
}

static void
take_parent(const VfCapabilitiesParent *parent, gpointer data)
{
    take_kind(((VfFleet *)data)->priv, parent->kind);
}

static void
take_offer(const char *id, guint64 left, VfShape *shape, gpointer data)
{
    VfFleetPrivate *priv = ((VfFleet *)data)->priv;
    Staged staged = {priv->texts->len, left, vf_shape_ref(shape), priv->kinds->len - 1};

    g_string_append_len(priv->texts, id, (gssize)strlen(id) + 1);
    g_array_append_val(priv->staged, staged);
}

static void
take_device(const char *id, const char *path, const char *parent, VfShape *shape, gpointer data)
{
    take_kind(((VfFleet *)data)->priv, shape->kind);
    take_offer(id, g_str_equal(shape->state, "idle") ? 1 : 0, shape, data);
}

static const VfCapabilitiesVisitor visitor = {
    .host = take_host,
    .model = take_model,
    .parent = take_parent,
    .offer = take_offer,
    .device = take_device,
};

static guint32
find_class(VfFleet *self, const Staged *staged)
{
    VfFleetPrivate *priv = self->priv;
    VfShape *shape = staged->shape;
    VfModel *model = shape->model ? g_hash_table_lookup(priv->models, shape->model) : NULL;
    const VfFleetClass wanted = {model, shape, priv->kinds->pdata[staged->kind]};
    guint id = GPOINTER_TO_UINT(g_hash_table_lookup(priv->class_ids, &wanted));
    VfFleetClass *class;

    if (id > 0)
        return id - 1;
    class = g_new0(VfFleetClass, 1);
    class->model = model ? vf_model_ref(model) : NULL;
    class->shape = vf_shape_ref(shape);
    class->kind = g_strdup(wanted.kind);
    g_ptr_array_add(self->classes, class);
    g_hash_table_insert(priv->class_ids, class, GUINT_TO_POINTER(self->classes->len));
    return self->classes->len - 1;
}

/* The document is good. */
static void
take_document(VfFleet *self, const char *where)
{
    VfFleetPrivate *priv = self->priv;
    VfFleetHost host = {
        g_ref_string_new(priv->host_id), priv->host_name ? g_ref_string_new(priv->host_name) : NULL,
        where ? g_ref_string_new(where) : NULL, self->offers->len, priv->staged->len};

    for (guint i = 0; i < priv->staged->len; i++) {
        const Staged *staged = &g_array_index(priv->staged, Staged, i);
        VfFleetOffer offer = {g_string_chunk_insert(priv->ids, priv->texts->str + staged->id),
                              staged->left, find_class(self, staged)};
        g_array_append_val(self->offers, offer);
    }
    g_array_append_val(self->hosts, host);
    forget_document(priv);
}

void
vf_fleet_add(VfFleet *self, const VfCapabilities *capabilities, const char *where)
{
    take_host(capabilities->host_id, capabilities->host_name, NULL, NULL, self);
    for (guint i = 0; i < capabilities->models->len; i++)
        take_model(capabilities->models->pdata[i], self);
    for (guint i = 0; i < capabilities->parents->len; i++) {
        const VfCapabilitiesParent *parent = capabilities->parents->pdata[i];
        take_parent(parent, self);
        for (guint j = 0; j < parent->offers->len; j++) {
            const VfCapabilitiesOffer *offer = parent->offers->pdata[j];
            g_autoptr(VfShape) shape = vf_shape_new_for_offer(offer);
            take_offer(offer->id, offer->left, shape, self);
        }
    }
    for (guint i = 0; i < capabilities->devices->len; i++) {
        const VfCapabilitiesDevice *device = capabilities->devices->pdata[i];
        g_autoptr(VfShape) shape = vf_shape_new_for_device(device);
        take_device(device->id, device->path, device->parent, shape, self);
    }
    take_document(self, where);
}

gboolean
vf_fleet_add_text(VfFleet *self, const char *text, gssize size, const char *where, GError **error)
{
    if (vf_capabilities_stream_read(self->priv->stream, text, size, where, &visitor, self, error)) {
        take_document(self, where);
        return TRUE;
    }
    forget_document(self->priv);
    return FALSE;
}

gboolean
vf_fleet_add_file(VfFleet *self, const char *path, GError **error)
{
    if (vf_capabilities_stream_read_file(self->priv->stream, path, &visitor, self, error)) {
        take_document(self, path);
        return TRUE;
    }
    forget_document(self->priv);
    return FALSE;
}
