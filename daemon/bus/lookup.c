/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lookup.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "device.h"
#include "error.h"
#include "names.h"
#include "parent.h"

#define PREFIX_MIN 4
#define CANDIDATES_SHOWN 8

/* A lease and the job that it is for may have one id: devices come first, then parents, jobs,
 * leases, models; what somebody may call as he likes is last. */
static guint
rank(const VfLookupEntry *entry)
{
    static const char *const order[] = {VF_PATH_DEVICE, VF_PATH_PARENT, VF_PATH_JOB,
                                        VF_PATH_LEASE,  VF_PATH_MODEL,  VF_PATH_DOMAIN};
    guint i = 0;

    while (i < G_N_ELEMENTS(order) && !g_str_equal(entry->prefix, order[i]))
        i++;
    return i;
}

/* Where the kernel links it from, beside its place in /sys/devices. */
static gboolean
is_linked_from(const VfLookupEntry *entry, const char *directory)
{
    if (VF_IS_DEVICE(entry->subject))
        return g_str_equal(directory, vf_device_get_address(VF_DEVICE(entry->subject))[0]
                                          ? VF_SYSFS_PCI_DEVICES
                                          : VF_SYSFS_MDEV_BUS_DEVICES);
    return VF_IS_PARENT(entry->subject) && (g_str_equal(directory, VF_SYSFS_PCI_DEVICES) ||
                                            g_str_equal(directory, VF_SYSFS_MDEV_PARENTS));
}

static gboolean
has_sysfs_path(const VfLookupEntry *entry, const char *path)
{
    if (VF_IS_DEVICE(entry->subject))
        return g_str_equal(vf_device_get_sysfs_path(VF_DEVICE(entry->subject)), path);
    return VF_IS_PARENT(entry->subject) &&
           g_str_equal(vf_parent_get_sysfs_path(VF_PARENT(entry->subject)), path);
}

/* @path is compared as text, never followed: it is the caller's, and following it would tell him
 * what root can see. A PF may be a device and a parent: then it is the device. */
static const VfLookupEntry *
find_by_sysfs_path(GHashTable *entries, const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    const VfLookupEntry *found = NULL;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const VfLookupEntry *entry = value;
        gboolean linked = g_str_equal(entry->id, name) && is_linked_from(entry, directory);

        if ((linked || has_sysfs_path(entry, path)) && (!found || rank(entry) < rank(found)))
            found = entry;
    }
    return found;
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
    const VfLookupEntry *const *left = a, *const *right = b;
    int order = strcmp((*left)->id, (*right)->id);

    return order ? order : (gint)rank(*left) - (gint)rank(*right);
}

static gboolean
is_domain(const VfLookupEntry *entry)
{
    return g_str_equal(entry->prefix, VF_PATH_DOMAIN);
}

static gboolean
has_other_than_domains(GPtrArray *entries)
{
    for (guint i = 0; i < entries->len; i++)
        if (!is_domain(entries->pdata[i]))
            return TRUE;
    return FALSE;
}

/* Sorted; exact matches alone where there are any, but a domain, whose name is anybody's choice,
 * hides nothing else whose id begins so. */
static GPtrArray *
find_by_id(GHashTable *entries, const char *id)
{
    GPtrArray *exact = g_ptr_array_new(), *prefixed = g_ptr_array_new();
    g_autofree char *lower = g_ascii_strdown(id, -1); /* UUIDs and PCI addresses */
    gboolean allow_prefix = strlen(id) >= PREFIX_MIN;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        VfLookupEntry *entry = value;

        if (g_str_equal(entry->id, id) || g_str_equal(entry->id, lower))
            g_ptr_array_add(exact, entry);
        else if (allow_prefix &&
                 (g_str_has_prefix(entry->id, id) || g_str_has_prefix(entry->id, lower)))
            g_ptr_array_add(prefixed, entry);
    }
    if (exact->len > 0 && (has_other_than_domains(exact) || !has_other_than_domains(prefixed)))
        g_ptr_array_set_size(prefixed, 0);
    g_ptr_array_extend_and_steal(prefixed, exact);
    g_ptr_array_sort(prefixed, compare_entries);
    return prefixed;
}

static char *
list_candidates(GPtrArray *found)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < found->len && i < CANDIDATES_SHOWN; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", ((VfLookupEntry *)found->pdata[i])->id);
    if (found->len > CANDIDATES_SHOWN)
        g_string_append(text, ", …");
    return g_string_free(text, FALSE);
}

const char *
vf_lookup(GHashTable *entries, const char *id, GError **error)
{
    const VfLookupEntry *by_path = id[0] == '/' ? find_by_sysfs_path(entries, id) : NULL;
    g_autoptr(GPtrArray) found = id[0] == '/' ? g_ptr_array_new() : find_by_id(entries, id);
    g_autofree char *candidates = NULL;

    if (by_path)
        return by_path->path;
    if (found->len == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("nothing here has the id, sysfs path or PCI address “%.200s”, nor an id that "
                      "begins with it (at least %d characters)"),
                    id, PREFIX_MIN);
        return NULL;
    }
    if (g_str_equal(((VfLookupEntry *)found->pdata[0])->id,
                    ((VfLookupEntry *)found->pdata[found->len - 1])->id))
        return ((VfLookupEntry *)found->pdata[0])->path;
    candidates = list_candidates(found);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("“%.200s” may be any of %s"),
                id, candidates);
    return NULL;
}
