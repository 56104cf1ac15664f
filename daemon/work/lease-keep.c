/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lease-keep.h"

#include "log.h"

/* `mdevs` is what daemons read that know of nothing else. Where there is anything else, which they
 * have to leave alone, `made` is all of it, with the kinds. */
void
vf_lease_keep_write(VfKept *kept, VfLease *lease, const char *path)
{
    GPtrArray *makings = vf_lease_get_makings(lease);
    g_auto(GVariantDict) state = G_VARIANT_DICT_INIT(NULL);
    GVariantBuilder mdevs, made;
    gboolean others = FALSE;

    g_variant_builder_init(&mdevs, G_VARIANT_TYPE("a(ssst)"));
    g_variant_builder_init(&made, G_VARIANT_TYPE("a(sssst)"));
    for (guint i = 0; i < makings->len; i++) {
        VfMaking *making = makings->pdata[i];
        const char *kind = vf_making_get_kind(making);
        const char *sysfs = vf_making_get_sysfs_path(making);
        const char *id = vf_making_get_id(making);
        const char *type = vf_making_get_type_id(making);
        guint64 inode = vf_making_get_inode(making);

        if (g_str_equal(kind, VF_PROVIDER_FIRST))
            g_variant_builder_add(&mdevs, "(ssst)", sysfs, id, type, inode);
        else
            others = TRUE;
        g_variant_builder_add(&made, "(sssst)", kind, sysfs, id, type, inode);
    }
    g_variant_dict_insert(&state, "job", "s", vf_job_get_uuid(vf_lease_get_job(lease)));
    g_variant_dict_insert(&state, "path", "s", path);
    g_variant_dict_insert(&state, "state", "s", vf_lease_get_state_name(lease));
    g_variant_dict_insert(&state, "deadline", "x", vf_lease_get_deadline(lease));
    g_variant_dict_insert(&state, "ends", "x", vf_lease_get_ends(lease));
    if (vf_lease_get_adopter(lease))
        g_variant_dict_insert(&state, "adopter", "s", vf_lease_get_adopter(lease));
    g_variant_dict_insert_value(&state, "mdevs", g_variant_builder_end(&mdevs));
    if (others)
        g_variant_dict_insert_value(&state, "made", g_variant_builder_end(&made));
    else
        g_variant_builder_clear(&made);
    vf_kept_write(kept, &state);
}

static guint64
find_inode(VfJob *job, const char *id)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfDevice *device = vf_job_get_device(job, i)->device;

        if (device && g_str_equal(vf_device_get_id(device), id))
            return vf_device_get_inode(device);
    }
    return 0;
}

/* That of 0.1.0 says nothing of inodes: what the job has open is what was made, and of anything
 * else that has its UUID nobody knows whose it is. */
static void
read_makings(VfLease *self, GVariant *state, GPtrArray *providers)
{
    g_autoptr(GVariant) made = g_variant_lookup_value(state, "made", G_VARIANT_TYPE("a(sssst)"));
    g_autoptr(GVariant) mdevs = g_variant_lookup_value(state, "mdevs", G_VARIANT_TYPE("a(ssst)"));
    g_autoptr(GVariant) old = g_variant_lookup_value(state, "mdevs", G_VARIANT_TYPE("a(sss)"));
    GVariant *list = made ? made : mdevs ? mdevs : old;

    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        const char *kind = VF_PROVIDER_FIRST;
        const VfProvider *provider;
        VfMade one = {0};

        if (list == made)
            g_variant_get_child(list, i, "(&s&s&s&st)", &kind, &one.sysfs_path, &one.id, &one.type,
                                &one.inode);
        else if (list == mdevs)
            g_variant_get_child(list, i, "(&s&s&st)", &one.sysfs_path, &one.id, &one.type,
                                &one.inode);
        else
            g_variant_get_child(list, i, "(&s&s&s)", &one.sysfs_path, &one.id, &one.type);
        if (list == old)
            one.inode = find_inode(vf_lease_get_job(self), one.id);
        provider = vf_provider_find(providers, kind);
        if (provider && one.inode)
            g_ptr_array_add(vf_lease_get_makings(self), provider->new_for_removal(&one));
        else if (!provider)
            vf_log_device(G_LOG_LEVEL_WARNING, one.id,
                          "%s is of kind “%s”, which this daemon cannot remove: it is left alone",
                          one.id, kind);
        else if (list == old) /* else it was never made */
            vf_log_device(G_LOG_LEVEL_WARNING, one.id,
                          "%s may have been made by the last daemon, which did not note which "
                          "device it was: it is left alone",
                          one.id);
    }
}

VfLease *
vf_lease_keep_read(VfKept *kept, VfJob *job, GPtrArray *providers, char **path)
{
    g_autoptr(GVariant) state = vf_kept_read(kept, NULL);
    gint64 offset = g_get_real_time() - g_get_monotonic_time();
    const char *name = "", *adopter = NULL;
    gint64 deadline = 0, ends;
    VfLease *self;

    *path = NULL;
    g_variant_lookup(state, "path", "s", path);
    g_variant_lookup(state, "state", "&s", &name);
    self = vf_lease_new_again(job, vf_kept_get_id(kept), name);
    if (g_variant_lookup(state, "adopter", "&s", &adopter))
        vf_lease_set_adopter(self, adopter);
    read_makings(self, state, providers);
    g_variant_lookup(state, "deadline", "x", &deadline);
    if (!g_variant_lookup(state, "ends", "x", &ends))
        ends = deadline - offset; /* that of 0.1.0 knows no other clock */
    /* the clock on the wall may have been set since */
    if (ABS(ends + offset - deadline) > G_USEC_PER_SEC)
        deadline = ends + offset;
    vf_lease_set_deadline(self, deadline, ends);
    return self;
}

char *
vf_lease_keep_read_job(VfKept *kept)
{
    g_autoptr(GVariant) state = vf_kept_read(kept, NULL);
    const char *uuid = "", *name = "";

    if (!state || !g_variant_lookup(state, "state", "&s", &name) || !vf_lease_is_state(name))
        return g_strdup("");
    g_variant_lookup(state, "job", "&s", &uuid);
    return g_strdup(uuid);
}
