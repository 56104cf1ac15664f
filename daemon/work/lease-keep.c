/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lease-keep.h"

#include "log.h"

void
vf_lease_kept_clear(VfLeaseKept *self)
{
    g_clear_object(&self->lease);
    g_clear_pointer(&self->path, g_free);
    g_clear_pointer(&self->makings, g_ptr_array_unref);
}

/* `mdevs` is what daemons read that know of nothing else. Where there is anything else, which they
 * have to leave alone, `made` is all of it, with the kinds. */
void
vf_lease_keep_write(VfKept *kept, VfLease *lease, const char *path, gint64 ends, GPtrArray *makings)
{
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
    g_variant_dict_insert(&state, "ends", "x", ends);
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
static GPtrArray *
read_makings(GVariant *state, VfJob *job, GPtrArray *providers)
{
    g_autoptr(GVariant) made = g_variant_lookup_value(state, "made", G_VARIANT_TYPE("a(sssst)"));
    g_autoptr(GVariant) mdevs = g_variant_lookup_value(state, "mdevs", G_VARIANT_TYPE("a(ssst)"));
    g_autoptr(GVariant) old = g_variant_lookup_value(state, "mdevs", G_VARIANT_TYPE("a(sss)"));
    GVariant *list = made ? made : mdevs ? mdevs : old;
    GPtrArray *makings = g_ptr_array_new_with_free_func(g_object_unref);

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
            one.inode = find_inode(job, one.id);
        provider = vf_provider_find(providers, kind);
        if (provider && one.inode)
            g_ptr_array_add(makings, provider->new_for_removal(&one));
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
    return makings;
}

static VfLease *
read_lease(VfJob *job, VfKept *kept, GVariant *state)
{
    const char *name = "";
    const char *adopter = NULL;
    VfLease *lease;

    g_variant_lookup(state, "state", "&s", &name);
    g_variant_lookup(state, "adopter", "&s", &adopter);
    lease = vf_lease_new_again(job, 0, vf_kept_get_id(kept), name);
    vf_lease_set_adopter(lease, adopter);
    return lease;
}

/* The clock on the wall may have been set since. That of 0.1.0 knows no other. */
static void
read_deadline(VfLeaseKept *self, GVariant *state)
{
    gint64 offset = g_get_real_time() - g_get_monotonic_time();
    gint64 deadline = 0;

    g_variant_lookup(state, "deadline", "x", &deadline);
    if (!g_variant_lookup(state, "ends", "x", &self->ends))
        self->ends = deadline - offset;
    if (ABS(self->ends + offset - deadline) > G_USEC_PER_SEC)
        deadline = self->ends + offset;
    vf_lease_set_deadline(self->lease, deadline);
}

void
vf_lease_keep_read(VfKept *kept, VfJob *job, GPtrArray *providers, VfLeaseKept *out)
{
    g_autoptr(GVariant) state = vf_kept_read(kept, NULL);
    const char *path = "";

    g_variant_lookup(state, "path", "&s", &path);
    out->path = g_strdup(path);
    out->lease = read_lease(job, kept, state);
    out->makings = read_makings(state, job, providers);
    read_deadline(out, state);
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
