/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "reader.h"

#include <string.h>

static const char *const of_names[] = {
    [VF_READER_OF_DEVICE] = "device",
    [VF_READER_OF_PARENT] = "parent",
    [VF_READER_OF_PHYSFN] = "physfn",
    [VF_READER_OF_TYPE] = "type",
};

static void
type_value_free(VfTypeValue *self)
{
    g_free(self->glob);
    g_free(self->value);
    g_free(self);
}

void
vf_reader_add_type_value(VfReader *self, const char *glob, const char *value)
{
    VfTypeValue *entry = g_new0(VfTypeValue, 1);

    entry->glob = g_strdup(glob);
    entry->value = g_strdup(value);
    if (!self->type_values)
        self->type_values = g_ptr_array_new_with_free_func((GDestroyNotify)type_value_free);
    g_ptr_array_add(self->type_values, entry);
}

void
vf_reader_copy(VfReader *self, const VfReader *from)
{
    *self = *from;
    self->type_values = NULL;
    for (guint i = 0; from->type_values != NULL && i < from->type_values->len; i++) {
        const VfTypeValue *entry = from->type_values->pdata[i];
        vf_reader_add_type_value(self, entry->glob, entry->value);
    }
    self->attribute = g_strdup(from->attribute);
    self->key = g_strdup(from->key);
    self->property = g_strdup(from->property);
}

void
vf_reader_clear(VfReader *self)
{
    g_clear_pointer(&self->type_values, g_ptr_array_unref);
    g_clear_pointer(&self->attribute, g_free);
    g_clear_pointer(&self->key, g_free);
    g_clear_pointer(&self->property, g_free);
}

const char *
vf_reader_value_from_type(const VfReader *self, const char *type)
{
    /* "*" fits the type of a device that has none, too, and would then say what it is */
    if (self->kind != VF_READER_TYPE_NAME || type[0] == '\0')
        return NULL;
    for (guint i = 0; i < self->type_values->len; i++) {
        const VfTypeValue *entry = self->type_values->pdata[i];
        if (g_pattern_match_simple(entry->glob, type))
            return entry->value;
    }
    return NULL;
}

/* What stands behind "@key=" or "@key:" in one item of a list; NULL when it is another's. */
static char *
value_of_key(const char *item, const char *key)
{
    const char *p = item + strspn(item, " \t");

    if (!g_str_has_prefix(p, key))
        return NULL;
    p += strlen(key);
    p += strspn(p, " \t");
    return *p == '=' || *p == ':' ? g_strstrip(g_strdup(p + 1)) : NULL;
}

char *
vf_reader_pick(const VfReader *self, const char *text)
{
    g_auto(GStrv) items = NULL;

    if (!self->key)
        return g_strdup(text);
    items = g_strsplit_set(text, ",\n", -1);
    for (guint i = 0; items[i] != NULL; i++) {
        char *value = value_of_key(items[i], self->key);
        if (value)
            return value;
    }
    return NULL;
}

const char *
vf_reader_of_to_string(VfReaderOf of)
{
    return of_names[of];
}

gboolean
vf_reader_of_from_string(const char *text, VfReaderOf *of)
{
    for (guint i = 0; i < G_N_ELEMENTS(of_names); i++)
        if (g_str_equal(of_names[i], text)) {
            *of = (VfReaderOf)i;
            return TRUE;
        }
    return FALSE;
}
