/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lease-keep.h"

#include "log.h"
#include "mdev.h"

void
vf_lease_kept_clear(VfLeaseKept *self)
{
    g_clear_object(&self->lease);
    g_clear_pointer(&self->path, g_free);
    g_clear_pointer(&self->mdevs, g_ptr_array_unref);
}

void
vf_lease_keep_write(VfKept *kept, VfLease *lease, const char *path, gint64 ends, GPtrArray *mdevs)
{
    g_auto(GVariantDict) state = G_VARIANT_DICT_INIT(NULL);
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(ssst)"));
    for (guint i = 0; i < mdevs->len; i++) {
        VfMdev *mdev = mdevs->pdata[i];
        g_variant_builder_add(&list, "(ssst)", vf_mdev_get_sysfs_path(mdev), vf_mdev_get_uuid(mdev),
                              vf_mdev_get_type_id(mdev), vf_mdev_get_inode(mdev));
    }
    g_variant_dict_insert(&state, "job", "s", vf_job_get_uuid(vf_lease_get_job(lease)));
    g_variant_dict_insert(&state, "path", "s", path);
    g_variant_dict_insert(&state, "state", "s", vf_lease_get_state_name(lease));
    g_variant_dict_insert(&state, "deadline", "x", vf_lease_get_deadline(lease));
    g_variant_dict_insert(&state, "ends", "x", ends);
    if (vf_lease_get_adopter(lease))
        g_variant_dict_insert(&state, "adopter", "s", vf_lease_get_adopter(lease));
    g_variant_dict_insert_value(&state, "mdevs", g_variant_builder_end(&list));
    vf_kept_write(kept, &state);
}

static VfDevice *
find_device(VfJob *job, const char *id)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfDevice *device = vf_job_get_device(job, i)->device;

        if (device && g_str_equal(vf_device_get_id(device), id))
            return device;
    }
    return NULL;
}

/* That of 0.1.0 says nothing of inodes: what the job has open is what was made, and of anything
 * else that has its UUID nobody knows whose it is. */
static void
add_old_mdevs(GPtrArray *mdevs, GVariant *list, VfJob *job)
{
    GVariantIter iter;
    const char *path, *uuid, *type;

    g_variant_iter_init(&iter, list);
    while (g_variant_iter_next(&iter, "(&s&s&s)", &path, &uuid, &type)) {
        VfDevice *device = find_device(job, uuid);

        if (device)
            g_ptr_array_add(mdevs,
                            vf_mdev_new_for_removal(path, uuid, type, vf_device_get_inode(device)));
        else
            vf_log_device(
                G_LOG_LEVEL_WARNING, uuid,
                "%s may have been made by the last daemon, which did not note which device "
                "it was: it is left alone",
                uuid);
    }
}

static GPtrArray *
read_mdevs(GVariant *state, VfJob *job)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(state, "mdevs", G_VARIANT_TYPE("a(ssst)"));
    g_autoptr(GVariant) old = g_variant_lookup_value(state, "mdevs", G_VARIANT_TYPE("a(sss)"));
    GPtrArray *mdevs = g_ptr_array_new_with_free_func(g_object_unref);
    GVariantIter iter;
    const char *path, *uuid, *type;
    guint64 inode;

    if (old)
        add_old_mdevs(mdevs, old, job);
    if (!list)
        return mdevs;
    g_variant_iter_init(&iter, list);
    while (g_variant_iter_next(&iter, "(&s&s&st)", &path, &uuid, &type, &inode))
        if (inode) /* else it was never made */
            g_ptr_array_add(mdevs, vf_mdev_new_for_removal(path, uuid, type, inode));
    return mdevs;
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
vf_lease_keep_read(VfKept *kept, VfJob *job, VfLeaseKept *out)
{
    g_autoptr(GVariant) state = vf_kept_read(kept, NULL);
    const char *path = "";

    g_variant_lookup(state, "path", "&s", &path);
    out->path = g_strdup(path);
    out->lease = read_lease(job, kept, state);
    out->mdevs = read_mdevs(state, job);
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
