/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline-supply.h"

#include <string.h>

#include "model-xml.h"

VfSupply *
vf_supply_new(void)
{
    VfSupply *self = g_new0(VfSupply, 1);

    self->classes = g_array_new(FALSE, FALSE, sizeof(VfSupplyClass));
    self->hosts = g_array_new(FALSE, FALSE, sizeof(VfSupplyHost));
    self->offers = g_array_new(FALSE, FALSE, sizeof(guint32));
    return self;
}

void
vf_supply_free(VfSupply *self)
{
    g_array_unref(self->classes);
    g_array_unref(self->hosts);
    g_array_unref(self->offers);
    g_free(self);
}

guint32
vf_supply_add_class(VfSupply *self, const VfModel *model, GPtrArray *known, char *const *settable)
{
    const VfSupplyClass class = {model, known, settable};

    g_array_append_val(self->classes, class);
    return self->classes->len - 1;
}

void
vf_supply_add_host(VfSupply *self, const char *id, const char *name)
{
    const VfSupplyHost host = {id, name, self->offers->len, 0};
    g_array_append_val(self->hosts, host);
}

void
vf_supply_add_offer(VfSupply *self, guint32 class_id)
{
    g_array_append_val(self->offers, class_id);
    g_array_index(self->hosts, VfSupplyHost, self->hosts->len - 1).n_offers++;
}

/* --- pools */

/* The digest that a document claims of a schema is its author's word: what counts is what stands
 * there. Computed once for each model object. */
static const char *
digest_of(VfPool *self, const VfModel *model)
{
    char *digest = g_hash_table_lookup(self->digests, model);

    if (!digest) {
        digest = vf_model_xml_digest(model);
        g_hash_table_insert(self->digests, (gpointer)model, digest);
    }
    return digest;
}

static char *
key_of_class(const VfSupplyClass *class, const char *digest)
{
    GString *key = g_string_new(digest);

    for (guint i = 0; class->settable != NULL && class->settable[i] != NULL; i++)
        g_string_append_printf(key, "\n+%s", class->settable[i]);
    for (guint i = 0; i < class->known->len; i++) {
        const VfValue *value = class->known->pdata[i];
        if (value->value)
            g_string_append_printf(key, "\n%s=%s", value->name, value->value);
    }
    return g_string_free(key, FALSE);
}

/* For each class of the supply its index in the pool, -1 for one of another model. */
static gint32 *
add_classes(VfPool *self, const VfSupply *supply, const char *model_id)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gint32 *of = g_new(gint32, supply->classes->len + 1);

    for (guint i = 0; i < supply->classes->len; i++) {
        VfSupplyClass class = *vf_supply_class(supply, i);
        const char *digest;
        char *key;
        gpointer found;
        of[i] = -1;
        if (!class.model || !vf_model_is(class.model, model_id))
            continue;
        digest = digest_of(self, class.model);
        key = key_of_class(&class, digest);
        if (g_hash_table_lookup_extended(seen, key, NULL, &found)) {
            of[i] = GPOINTER_TO_INT(found);
            g_free(key);
            continue;
        }
        found = g_hash_table_lookup(self->models, digest);
        if (found)
            class.model = found;
        else
            g_hash_table_insert(self->models, (gpointer)digest, (gpointer) class.model);
        of[i] = (gint32)self->classes->len;
        g_hash_table_insert(seen, key, GINT_TO_POINTER(of[i]));
        g_array_append_val(self->classes, class);
    }
    return of;
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    guint32 left = *(const guint32 *)a;
    guint32 right = *(const guint32 *)b;
    return left < right ? -1 : left > right;
}

static guint
hash_of_members(gconstpointer key)
{
    const GArray *members = key;
    guint hash = members->len;

    for (guint i = 0; i < members->len; i++)
        hash = (hash ^ g_array_index(members, guint32, i)) * 16777619U;
    return hash;
}

static gboolean
members_equal(gconstpointer a, gconstpointer b)
{
    const GArray *left = a;
    const GArray *right = b;

    return left->len == right->len && memcmp(left->data, right->data, left->len * 4) == 0;
}

/* The group with exactly these members. */
static gint32
find_group(VfPool *self, GHashTable *groups, GArray *now)
{
    VfPoolGroup group = {self->members->len, now->len, 0, 0};
    GArray *key;
    gpointer found;

    if (g_hash_table_lookup_extended(groups, now, NULL, &found))
        return GPOINTER_TO_INT(found);
    g_array_append_vals(self->members, now->data, now->len);
    g_array_append_val(self->groups, group);
    key = g_array_copy(now);
    g_hash_table_insert(groups, key, GINT_TO_POINTER(self->groups->len - 1));
    return (gint32)self->groups->len - 1;
}

static void
add_groups(VfPool *self, const VfSupply *supply, const gint32 *class_of)
{
    g_autoptr(GArray) now = g_array_new(FALSE, FALSE, sizeof(guint32));
    /* by class: the host that had it last, plus one */
    g_autofree guint *seen = g_new0(guint, self->classes->len + 1);
    g_autoptr(GHashTable) groups =
        g_hash_table_new_full(hash_of_members, members_equal, (GDestroyNotify)g_array_unref, NULL);

    for (guint i = 0; i < supply->hosts->len; i++) {
        const VfSupplyHost *host = vf_supply_host(supply, i);
        const guint32 *offers = &g_array_index(supply->offers, guint32, host->first);
        gint32 group = -1;

        /* the host's classes, each once */
        g_array_set_size(now, 0);
        for (guint j = 0; j < host->n_offers; j++) {
            gint32 class_id = class_of[offers[j]];
            if (class_id < 0 || seen[class_id] == i + 1)
                continue;
            seen[class_id] = i + 1;
            g_array_append_val(now, class_id);
        }
        g_array_sort(now, compare_numbers);

        if (now->len > 0) {
            group = find_group(self, groups, now);
            vf_pool_group(self, (guint)group)->hosts++;
        }
        g_array_append_val(self->group_of, group);
    }
}

static int
compare_schemas(gconstpointer a, gconstpointer b)
{
    const VfPoolSchema *left = a;
    const VfPoolSchema *right = b;

    if (left->hosts != right->hosts)
        return left->hosts > right->hosts ? -1 : 1;
    return strcmp(left->model->digest, right->model->digest);
}

static guint
hosts_with(const VfPool *self, const VfModel *model)
{
    guint hosts = 0;

    for (guint i = 0; i < self->groups->len; i++) {
        const VfPoolGroup *group = vf_pool_group(self, i);
        const guint32 *members = vf_pool_members(self, group);
        gboolean has = FALSE;
        for (guint j = 0; j < group->n_members && !has; j++)
            has = vf_pool_class(self, members[j])->model == model;
        hosts += has ? group->hosts : 0;
    }
    return hosts;
}

static void
add_schemas(VfPool *self)
{
    GHashTableIter iter;
    gpointer model;

    g_hash_table_iter_init(&iter, self->models);
    while (g_hash_table_iter_next(&iter, NULL, &model)) {
        const VfPoolSchema schema = {model, hosts_with(self, model)};
        g_array_append_val(self->schemas, schema);
    }
    g_array_sort(self->schemas, compare_schemas);
}

VfPool *
vf_pool_new(const VfSupply *supply, const char *model_id)
{
    VfPool *self = g_new0(VfPool, 1);
    g_autofree gint32 *class_of = NULL;

    self->classes = g_array_new(FALSE, FALSE, sizeof(VfSupplyClass));
    self->groups = g_array_new(FALSE, FALSE, sizeof(VfPoolGroup));
    self->members = g_array_new(FALSE, FALSE, sizeof(guint32));
    self->schemas = g_array_new(FALSE, FALSE, sizeof(VfPoolSchema));
    self->group_of = g_array_new(FALSE, FALSE, sizeof(gint32));
    self->models = g_hash_table_new(g_str_hash, g_str_equal);
    self->digests = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    class_of = add_classes(self, supply, model_id);
    add_groups(self, supply, class_of);
    add_schemas(self);
    return self;
}

void
vf_pool_free(VfPool *self)
{
    g_array_unref(self->classes);
    g_array_unref(self->groups);
    g_array_unref(self->members);
    g_array_unref(self->schemas);
    g_array_unref(self->group_of);
    g_hash_table_unref(self->models);
    g_hash_table_unref(self->digests);
    g_free(self);
}

const VfParameter *
vf_pool_parameter(const VfPool *self, const char *name)
{
    const VfParameter *parameter = NULL;

    for (guint i = 0; i < self->schemas->len && !parameter; i++)
        parameter = vf_model_find_parameter(vf_pool_schema(self, i), name);
    return parameter;
}
