/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "value.h"

#include <string.h>

VfValue *
vf_value_new(const char *name, const char *value, const char *evidence)
{
    VfValue *self = g_new0(VfValue, 1);

    self->name = g_strdup(name);
    self->value = g_strdup(value);
    self->evidence = g_strdup(evidence);
    return self;
}

VfValue *
vf_value_copy(const VfValue *self)
{
    return vf_value_new(self->name, self->value, self->evidence);
}

void
vf_value_free(VfValue *self)
{
    g_free(self->name);
    g_free(self->value);
    g_free(self->evidence);
    g_free(self);
}

static gpointer
copy_element(gconstpointer element, gpointer data)
{
    return vf_value_copy(element);
}

GPtrArray *
vf_value_list_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)vf_value_free);
}

GPtrArray *
vf_value_list_copy(GPtrArray *list)
{
    return g_ptr_array_copy(list, copy_element, NULL);
}

/* Where @name is, or where it would be inserted. */
static guint
lower_bound(GPtrArray *list, const char *name)
{
    guint low = 0;
    guint high = list->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const VfValue *value = list->pdata[middle];
        if (strcmp(value->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static gboolean
is_at(GPtrArray *list, guint i, const char *name)
{
    return i < list->len && g_str_equal(((const VfValue *)list->pdata[i])->name, name);
}

void
vf_value_list_set(GPtrArray *list, const char *name, const char *value, const char *evidence)
{
    guint i = lower_bound(list, name);
    VfValue *new = vf_value_new(name, value, evidence);

    if (is_at(list, i, name)) {
        vf_value_free(list->pdata[i]);
        list->pdata[i] = new;
    } else {
        g_ptr_array_insert(list, (int)i, new);
    }
}

const VfValue *
vf_value_list_find(GPtrArray *list, const char *name)
{
    guint i = lower_bound(list, name);
    return is_at(list, i, name) ? list->pdata[i] : NULL;
}
