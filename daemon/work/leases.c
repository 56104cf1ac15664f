/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "leases.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n-lib.h>

#include "bus-peer.h"
#include "error.h"
#include "kept.h"
#include "lease-keep.h"
#include "log.h"
#include "names.h"
#include "options.h"

/* For a driver that is asked to let go of a lease before its source has come. */
#define REVOKE_MS 3000

struct _VfLeases {
    GObject parent_instance;
    const VfContext *context;
    guint retry_ms;
    GPtrArray *entries; /* of Entry; a host has a handful */
};

G_DEFINE_FINAL_TYPE(VfLeases, vf_leases, G_TYPE_OBJECT)

typedef struct {
    VfLeases *leases;
    VfLease *lease;
    VferryLease *skeleton;
    GPtrArray *makings; /* of VfMaking, not yet removed */
    GPtrArray *devices; /* of VfDevice */
    GCancellable *cancellable;
    gboolean busy;     /* somebody is creating for it */
    gboolean adopting; /* the devices are on their way to somebody, and may not arrive */
    gboolean told;     /* the journal knows that it is stuck */
    gint64 ends;       /* the deadline, by a clock that nobody sets (CLOCK_MONOTONIC) */
    guint revoking;
    guint deadline;
    guint retry;
    guint watch;
    VfKept *kept;   /* from the moment on when its owner knows of it */
    GQueue waiting; /* of GTask: until it is undone or stuck */
} Entry;

static void undo(Entry *entry);

/* A macro: what it names lives as long as the block where it is used. */
#define about_lease(self)                                                                          \
    VF_ABOUT(.lease = vf_lease_get_id(self), .job = vf_job_get_uuid(vf_lease_get_job(self)),       \
             .peer = vf_job_get_peer(vf_lease_get_job(self)))

static void
wake_waiting(Entry *entry)
{
    GTask *task;

    while ((task = g_queue_pop_head(&entry->waiting))) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    }
}

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    wake_waiting(entry);
    g_signal_handlers_disconnect_by_data(vf_lease_get_job(entry->lease), entry);
    g_signal_handlers_disconnect_by_data(entry->lease, entry);
    g_signal_handlers_disconnect_by_data(entry->skeleton, entry);
    g_clear_handle_id(&entry->deadline, g_source_remove);
    g_clear_handle_id(&entry->retry, g_source_remove);
    g_clear_handle_id(&entry->revoking, g_source_remove);
    g_clear_handle_id(&entry->watch, vf_bus_unwatch);
    g_ptr_array_unref(entry->makings);
    g_ptr_array_unref(entry->devices);
    g_object_unref(entry->cancellable);
    g_clear_pointer(&entry->kept, vf_kept_free);
    g_object_unref(entry->skeleton);
    g_object_unref(entry->lease);
    g_free(entry);
}

static void
vf_leases_finalize(GObject *object)
{
    VfLeases *self = VF_LEASES(object);

    g_ptr_array_unref(self->entries);
    G_OBJECT_CLASS(vf_leases_parent_class)->finalize(object);
}

static void
vf_leases_class_init(VfLeasesClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_leases_finalize;
    g_signal_new("over", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, 1, VF_TYPE_LEASE);
}

static void
vf_leases_init(VfLeases *self)
{
    self->entries = g_ptr_array_new_with_free_func(entry_free);
}

static Entry *
find_entry(VfLeases *self, VfLease *lease)
{
    for (guint i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];
        if (entry->lease == lease)
            return entry;
    }
    return NULL;
}

VfLease *
vf_leases_find(VfLeases *self, VfJob *job)
{
    for (guint i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];
        if (vf_lease_get_job(entry->lease) == job)
            return entry->lease;
    }
    return NULL;
}

static gboolean
has_device(const Entry *entry, const VfTouch *touch)
{
    for (guint i = 0; i < entry->makings->len; i++) {
        VfMaking *making = entry->makings->pdata[i];

        if (vf_touch_is_of(touch, vf_making_get_id(making), vf_making_get_inode(making)))
            return TRUE;
    }
    return FALSE;
}

/* From the choice of its devices, before they are made, until they are adopted or removed. */
static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfLeases *self = user;

    for (guint i = 0; i < self->entries->len; i++) {
        const Entry *entry = self->entries->pdata[i];
        VfJob *job = vf_lease_get_job(entry->lease);

        if (vf_lease_get_state(entry->lease) == VF_LEASE_ADOPTED || !has_device(entry, touch))
            continue;
        if (vf_job_is_in_doubt(job))
            return vf_touch_refuse_job(touch, vf_job_get_uuid(job), TRUE, error);
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                    _("device %s is in lease %s of job %s, which is %s"), touch->id,
                    vf_lease_get_id(entry->lease), vf_job_get_uuid(job),
                    vf_lease_get_state_name(entry->lease));
        return FALSE;
    }
    return TRUE;
}

VfLeases *
vf_leases_new(const VfContext *context, guint retry_ms)
{
    VfLeases *self = g_object_new(VF_TYPE_LEASES, NULL);

    self->context = context;
    self->retry_ms = retry_ms;
    vf_uses_add(context->uses, check_use, self);
    return self;
}

/* --- the bus object --- */

static void
show(Entry *entry)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();

    for (guint i = 0; i < entry->devices->len; i++) {
        const char *path =
            vf_objects_get_device_path(entry->leases->context->objects, entry->devices->pdata[i]);
        if (!g_str_equal(path, "/"))
            g_ptr_array_add(paths, (gpointer)path);
    }
    g_ptr_array_add(paths, NULL);
    vferry_lease_set_state(entry->skeleton, vf_lease_get_state_name(entry->lease));
    vferry_lease_set_deadline(entry->skeleton, (guint64)vf_lease_get_deadline(entry->lease));
    vferry_lease_set_devices(entry->skeleton, (const char *const *)paths->pdata);
    g_dbus_interface_skeleton_flush(G_DBUS_INTERFACE_SKELETON(entry->skeleton));
}

static void
save(Entry *entry)
{
    if (entry->kept)
        vf_lease_keep_write(entry->kept, entry->lease,
                            vf_leases_get_path(entry->leases, entry->lease), entry->ends,
                            entry->makings);
}

/* Any connection of the owner's user: it could take over the other one anyway. */
static gboolean
is_owner(const char *sender, guint32 uid, gpointer data)
{
    const Entry *entry = data;

    return uid != (guint32)-1 && uid == vf_job_get_uid(vf_lease_get_job(entry->lease));
}

static void
on_state(VfLease *lease, GParamSpec *spec, Entry *entry)
{
    vf_log(G_LOG_LEVEL_INFO, about_lease(lease), "lease %s is %s", vf_lease_get_id(lease),
           vf_lease_get_state_name(lease));
    if (vf_lease_get_state(lease) == VF_LEASE_GONE)
        return;
    show(entry);
    save(entry);
}

/* --- undoing --- */

static void
gone(Entry *entry)
{
    VfLeases *self = entry->leases;

    if (vf_lease_get_state(entry->lease) != VF_LEASE_ADOPTED)
        g_signal_emit_by_name(self, "over", entry->lease);
    vf_lease_move(entry->lease, VF_LEASE_GONE, NULL);
    if (entry->kept)
        vf_kept_forget(entry->kept);
    vf_objects_remove(self->context->objects, G_DBUS_INTERFACE_SKELETON(entry->skeleton));
    g_ptr_array_remove(self->entries, entry);
}

static void
on_undone_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    Entry *entry = data;
    g_autoptr(GError) error = NULL;

    if (!vf_ledger_append_finish(VF_LEDGER(source), result, &error))
        vf_log(G_LOG_LEVEL_WARNING, about_lease(entry->lease),
               "lease %s is undone, but its record does not say so: %s",
               vf_lease_get_id(entry->lease), error->message);
    gone(entry);
}

static void
record_undone(Entry *entry)
{
    VfRecord *record = vf_job_get_record(vf_lease_get_job(entry->lease));

    if (record)
        vf_ledger_append_async(entry->leases->context->ledger, record, "undone", NULL,
                               on_undone_recorded, entry);
    else
        gone(entry);
}

static gboolean
on_retry(gpointer data)
{
    Entry *entry = data;

    entry->retry = 0;
    if (vf_lease_move(entry->lease, VF_LEASE_UNDOING, NULL))
        undo(entry);
    return G_SOURCE_REMOVE;
}

static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    Entry *entry = data;
    g_autoptr(GError) error = NULL;

    if (vf_making_remove_finish(VF_MAKING(source), result, &error)) {
        g_ptr_array_remove_index(entry->makings, entry->makings->len - 1);
        undo(entry);
        return;
    }
    if (!entry->told)
        vf_log_event(VF_EVENT_LEASE_STUCK, about_lease(entry->lease), "lease %s is stuck: %s",
                     vf_lease_get_id(entry->lease), error->message);
    entry->told = TRUE; /* once, not at every attempt */
    vf_lease_move(entry->lease, VF_LEASE_STUCK, NULL);
    entry->retry = g_timeout_add(entry->leases->retry_ms, on_retry, entry);
    wake_waiting(entry);
}

/* The last one made goes first. */
static void
undo(Entry *entry)
{
    if (entry->makings->len > 0)
        vf_making_remove_async(entry->makings->pdata[entry->makings->len - 1], on_removed, entry);
    else
        record_undone(entry);
}

static void
on_closed(GObject *source, GAsyncResult *result, gpointer data)
{
    Entry *entry = data;

    vf_job_wait_closed_finish(VF_JOB(source), result);
    if (vf_lease_get_state(entry->lease) == VF_LEASE_STUCK)
        on_retry(entry);
    else
        undo(entry);
}

static void
start_undo(Entry *entry)
{
    VfJob *job = vf_lease_get_job(entry->lease);
    VfDriver *driver = vf_context_find_driver(entry->leases->context, vf_job_get_driver_name(job));

    g_clear_handle_id(&entry->deadline, g_source_remove);
    g_clear_handle_id(&entry->revoking, g_source_remove);
    g_clear_handle_id(&entry->watch, vf_bus_unwatch);
    if (entry->busy) {
        g_cancellable_cancel(entry->cancellable);
        return; /* vf_leases_settle() comes back here */
    }
    if (!vf_lease_move(entry->lease, VF_LEASE_UNDOING, NULL))
        return;
    if (driver)
        vf_driver_drop(driver, job);
    vf_job_wait_closed_async(job, on_closed, entry);
}

void
vf_leases_settle(VfLeases *self, VfLease *lease)
{
    Entry *entry = find_entry(self, lease);
    VfJob *job = vf_lease_get_job(lease);
    VfResult result = vf_job_get_result(job);

    if (!entry)
        return;
    entry->busy = FALSE;
    if (!entry->kept && vf_job_get_kept(job) &&
        (result == VF_RESULT_NONE || result == VF_RESULT_IN_DOUBT)) {
        entry->kept = vf_kept_new(self->context->store, VF_KEPT_LEASE, vf_lease_get_id(lease));
        vf_job_save(job); /* its devices have come to be meanwhile */
        save(entry);
    }
    if (result == VF_RESULT_FAILED || result == VF_RESULT_CANCELLED)
        start_undo(entry);
}

/* The driver has not let go. When a source has come meanwhile, the job goes on. */
static gboolean
on_revoke_deadline(gpointer data)
{
    Entry *entry = data;

    entry->revoking = 0;
    if (vf_lease_is_revocable(entry->lease))
        vf_job_complete(vf_lease_get_job(entry->lease),
                        vf_outcome_new(VF_RESULT_CANCELLED, NULL)); /* the reason is known */
    return G_SOURCE_REMOVE;
}

/* What listens is asked, not killed: a source may have come this very moment and may have
 * committed, and then it is too late to revoke anything. */
static gboolean
ask_driver(Entry *entry)
{
    VfLeases *self = entry->leases;
    VfLease *lease = entry->lease;
    VfJob *job = vf_lease_get_job(lease);
    VfDriver *driver = vf_context_find_driver(self->context, vf_job_get_driver_name(job));

    if (entry->revoking)
        return TRUE;
    if (vf_lease_get_state(lease) != VF_LEASE_READY || !driver)
        return FALSE;
    entry->revoking = g_timeout_add(REVOKE_MS, on_revoke_deadline, entry);
    return vf_driver_cancel(driver, job, NULL);
}

/* What was decided; on_job_completed() does the rest. */
static void
carry_out(Entry *entry)
{
    if (!ask_driver(entry))
        vf_job_complete(vf_lease_get_job(entry->lease), vf_outcome_new(VF_RESULT_CANCELLED, NULL));
}

void
vf_leases_revoke(VfLeases *self, VfLease *lease, GError *error)
{
    Entry *entry = find_entry(self, lease);
    g_autoptr(VfJob) job = g_object_ref(vf_lease_get_job(lease));

    if (vf_job_is_in_doubt(job)) {
        g_error_free(error);
        return;
    }
    vf_job_set_cancel_reason(job, error);
    if (entry)
        carry_out(entry);
    else
        vf_job_complete(job, vf_outcome_new(VF_RESULT_CANCELLED, NULL));
}

/* --- what ends a lease, or moves it on --- */

static void
on_job_attached(VfJob *job, Entry *entry)
{
    g_clear_handle_id(&entry->deadline, g_source_remove);
    g_clear_handle_id(&entry->watch, vf_bus_unwatch);
    vf_lease_move(entry->lease, VF_LEASE_ATTACHED, NULL);
}

/* It lives on after its record has gone, and is removed when it leaves this host again. */
static void
note_created(Entry *entry)
{
    const VfContext *context = entry->leases->context;

    for (guint i = 0; i < entry->makings->len; i++)
        vf_making_note_created(entry->makings->pdata[i], context->registry, context->ledger);
}

static void
on_job_completed(VfJob *job, Entry *entry)
{
    switch (vf_job_get_result(job)) {
    case VF_RESULT_COMPLETED:
        g_clear_handle_id(&entry->deadline, g_source_remove);
        g_clear_handle_id(&entry->watch, vf_bus_unwatch);
        vf_lease_move(entry->lease, VF_LEASE_LOADED, NULL);
        note_created(entry);
        break;
    case VF_RESULT_FAILED:
    case VF_RESULT_CANCELLED:
        start_undo(entry);
        break;
    case VF_RESULT_IN_DOUBT: /* held until somebody resolves it, whatever else happens */
        g_clear_handle_id(&entry->deadline, g_source_remove);
        g_clear_handle_id(&entry->revoking, g_source_remove);
        g_clear_handle_id(&entry->watch, vf_bus_unwatch);
        show(entry);
        save(entry);
        break;
    case VF_RESULT_NONE:
    default:
        break;
    }
}

static gboolean
on_deadline(gpointer data)
{
    Entry *entry = data;

    entry->deadline = 0;
    vf_leases_revoke(entry->leases, entry->lease,
                     g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                         _("no source came before the lease's deadline")));
    return G_SOURCE_REMOVE;
}

static void
arm_deadline(Entry *entry, guint seconds)
{
    entry->ends = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    vf_lease_set_deadline(entry->lease, g_get_real_time() + (gint64)seconds * G_USEC_PER_SEC);
    g_clear_handle_id(&entry->deadline, g_source_remove);
    entry->deadline = g_timeout_add_seconds(seconds, on_deadline, entry);
}

static void
on_owner_vanished(gpointer data)
{
    Entry *entry = data;

    if (vf_lease_is_revocable(entry->lease))
        vf_leases_revoke(entry->leases, entry->lease,
                         g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                                             _("the lease's owner left the bus")));
}

/* --- methods --- */

static gboolean
on_renew(VferryLease *skeleton, GDBusMethodInvocation *invocation, guint seconds, Entry *entry)
{
    GError *error = NULL;

    if (!vf_lease_check_renew(entry->lease, seconds, &error)) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    arm_deadline(entry, seconds);
    show(entry);
    save(entry);
    vferry_lease_complete_renew(skeleton, invocation);
    return TRUE;
}

static gboolean
on_release(VferryLease *skeleton, GDBusMethodInvocation *invocation, GVariant *options,
           Entry *entry)
{
    g_autoptr(VfOptions) taken = vf_options_new(options);
    GError *error = NULL;

    if (!vf_options_end(taken, &error) || !vf_lease_check_release(entry->lease, &error)) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    vferry_lease_complete_release(skeleton, invocation);
    vf_leases_revoke(
        entry->leases, entry->lease,
        g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("the lease was released")));
    return TRUE;
}

static void
set_adopter(Entry *entry, const char *name)
{
    if (!entry)
        return;
    vf_lease_set_adopter(entry->lease, name);
    save(entry);
}

/* What was made for it is the adopter's now. */
static void
hand_over(Entry *entry)
{
    VfLeases *self = entry->leases;
    VfJob *job = vf_lease_get_job(entry->lease);
    VfDriver *driver = vf_context_find_driver(self->context, vf_job_get_driver_name(job));

    if (!vf_lease_move(entry->lease, VF_LEASE_ADOPTED, NULL))
        return;
    if (driver)
        vf_driver_drop(driver, job);
    for (guint i = 0; i < entry->devices->len; i++)
        vf_device_set_state(entry->devices->pdata[i], VF_DEVICE_UNKNOWN);
    g_ptr_array_set_size(entry->makings, 0);
    g_signal_emit_by_name(self, "over", entry->lease);
}

static void
on_job_adopted(VfJob *job, Entry *entry)
{
    hand_over(entry);
}

static void
on_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(VfLease) lease = data;
    VfLeases *self = g_object_get_data(G_OBJECT(lease), "leases");
    Entry *entry = find_entry(self, lease);

    if (entry)
        entry->adopting = FALSE;
    if (!vf_bus_delivered_finish(result)) {
        vf_log(G_LOG_LEVEL_WARNING, about_lease(lease),
               "lease %s: the adopter did not get the devices; they stay here",
               vf_lease_get_id(lease));
        set_adopter(entry, NULL);
        return;
    }
    if (entry)
        hand_over(entry);
}

static GUnixFDList *
get_fds(Entry *entry, const char *name, GVariant *options_dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    gboolean again = vf_options_take_boolean(options, "again", FALSE);
    VfJob *job = vf_lease_get_job(entry->lease);
    VfDriver *driver;

    if (!vf_options_end(options, error))
        return NULL;
    if (entry->adopting) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("lease %s is being adopted"),
                    vf_lease_get_id(entry->lease));
        return NULL;
    }
    if (!vf_lease_check_adopt(entry->lease, name, again, error))
        return NULL;
    driver =
        vf_context_choose_driver(entry->leases->context, vf_job_get_driver_name(job), NULL, error);
    return driver ? vf_driver_adopt(driver, job, error) : NULL;
}

static gboolean
on_adopt(VferryLease *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *list,
         GVariant *options, Entry *entry)
{
    GError *error = NULL;
    g_autofree char *sender = g_strdup(g_dbus_method_invocation_get_sender(invocation));
    g_autoptr(GUnixFDList) fds = get_fds(entry, sender, options, &error);
    GVariantBuilder handles;
    VfBusDelivery *delivery;

    if (!fds) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    g_variant_builder_init(&handles, G_VARIANT_TYPE("ah"));
    for (int i = 0; i < g_unix_fd_list_get_length(fds); i++)
        g_variant_builder_add(&handles, "h", i);
    entry->adopting = TRUE;
    set_adopter(entry, sender); /* before it is sent: should we end now, nobody else gets a copy */
    delivery = vf_bus_delivery_new(entry->leases->context->connection);
    vferry_lease_complete_adopt(skeleton, invocation, fds, g_variant_builder_end(&handles));
    vf_bus_delivered_async(delivery, sender, on_adopted, g_object_ref(entry->lease));
    return TRUE;
}

/* --- making one --- */

static VferryLease *
make_skeleton(Entry *entry)
{
    VferryLease *skeleton = vferry_lease_skeleton_new();
    VfJob *job = vf_lease_get_job(entry->lease);

    vferry_lease_set_id(skeleton, vf_lease_get_id(entry->lease));
    vferry_lease_set_job_uuid(skeleton, vf_job_get_uuid(job));
    vferry_lease_set_owner_uid(skeleton, vf_job_get_uid(job));
    vferry_lease_set_owner_name(skeleton, vf_job_get_owner(job));
    g_signal_connect(skeleton, "handle-renew", G_CALLBACK(on_renew), entry);
    g_signal_connect(skeleton, "handle-release", G_CALLBACK(on_release), entry);
    g_signal_connect(skeleton, "handle-adopt", G_CALLBACK(on_adopt), entry);
    return skeleton;
}

/* Takes @lease. */
static Entry *
add_entry(VfLeases *self, VfLease *lease)
{
    Entry *entry = g_new0(Entry, 1);

    entry->leases = self;
    entry->lease = lease;
    g_object_set_data(G_OBJECT(entry->lease), "leases", self);
    entry->makings = g_ptr_array_new_with_free_func(g_object_unref);
    entry->devices = g_ptr_array_new_with_free_func(g_object_unref);
    entry->cancellable = g_cancellable_new();
    g_queue_init(&entry->waiting);
    entry->skeleton = make_skeleton(entry);
    g_ptr_array_add(self->entries, entry);
    return entry;
}

static void
export_entry(Entry *entry)
{
    VfJob *job = vf_lease_get_job(entry->lease);

    show(entry);
    vf_objects_add(entry->leases->context->objects, VF_PATH_LEASE, vf_lease_get_id(entry->lease),
                   G_DBUS_INTERFACE_SKELETON(entry->skeleton), is_owner, entry);
    g_signal_connect(entry->lease, "notify::state", G_CALLBACK(on_state), entry);
    g_signal_connect(job, "attached", G_CALLBACK(on_job_attached), entry);
    g_signal_connect(job, "completed", G_CALLBACK(on_job_completed), entry);
    g_signal_connect(job, "adopted", G_CALLBACK(on_job_adopted), entry);
}

VfLease *
vf_leases_add(VfLeases *self, VfJob *job, guint seconds)
{
    Entry *entry = add_entry(self, vf_lease_new(job, 0));

    entry->busy = TRUE;
    arm_deadline(entry, seconds);
    export_entry(entry);
    entry->watch =
        vf_bus_watch(self->context->connection, vf_job_get_owner(job), on_owner_vanished, entry);
    return entry->lease;
}

static void
hold_device(Entry *entry, VfDevice *device)
{
    vf_device_set_state(device, VF_DEVICE_LEASED);
    g_ptr_array_add(entry->devices, g_object_ref(device));
}

VfLease *
vf_leases_restore(VfLeases *self, VfJob *job, GPtrArray *makings)
{
    Entry *entry = add_entry(self, vf_lease_new(job, 0));
    VfLease *lease = entry->lease;

    g_ptr_array_unref(entry->makings);
    entry->makings = makings;
    for (guint i = 0; i < makings->len; i++) {
        VfMaking *making = makings->pdata[i];
        VfDevice *device = vf_registry_find_this_device(
            self->context->registry, vf_making_get_id(making), vf_making_get_inode(making));

        if (device)
            hold_device(entry, device);
    }
    vf_lease_move(lease, VF_LEASE_READY, NULL);
    vf_lease_move(lease, VF_LEASE_ATTACHED, NULL);
    export_entry(entry);
    vf_leases_settle(self, lease);
    return lease;
}

/* What was under way when the last daemon ended is begun again. */
static void
catch_up(Entry *entry)
{
    VfLease *lease = entry->lease;
    VfLeaseState state = vf_lease_get_state(lease);
    VfJob *job = vf_lease_get_job(lease);
    VfDriver *driver = vf_context_find_driver(entry->leases->context, vf_job_get_driver_name(job));

    /* whatever is still open of a device keeps the kernel from removing it; adopted, it is open
     * with somebody else */
    if (driver &&
        (state == VF_LEASE_UNDOING || state == VF_LEASE_STUCK || state == VF_LEASE_ADOPTED))
        vf_driver_drop(driver, job);
    if (state == VF_LEASE_UNDOING || state == VF_LEASE_STUCK)
        vf_job_wait_closed_async(job, on_closed, entry);
    else if (state < VF_LEASE_LOADED && vf_job_get_outcome(job))
        on_job_completed(job, entry);
    else if (state == VF_LEASE_READY && vf_job_is_attached(job))
        on_job_attached(job, entry);
    else if (state == VF_LEASE_READY && vf_job_get_cancel_reason(job))
        carry_out(entry);
    else if (state == VF_LEASE_LOADED)
        note_created(entry);
}

static void
watch_owner(Entry *entry)
{
    gint64 left = (entry->ends - g_get_monotonic_time()) / G_USEC_PER_SEC;
    VfJob *job = vf_lease_get_job(entry->lease);

    if (!vf_lease_is_revocable(entry->lease))
        return;
    entry->deadline =
        g_timeout_add_seconds((guint)CLAMP(left, 0, VF_LEASE_SECONDS_MAX), on_deadline, entry);
    entry->watch = vf_bus_watch(entry->leases->context->connection, vf_job_get_owner(job),
                                on_owner_vanished, entry);
}

VfLease *
vf_leases_resume(VfLeases *self, VfJob *job, VfKept *kept)
{
    g_auto(VfLeaseKept) old = {0};
    VfLease *lease;
    Entry *entry;

    vf_lease_keep_read(kept, job, self->context->providers, &old);
    lease = g_steal_pointer(&old.lease);
    vf_objects_expect(self->context->objects, VF_PATH_LEASE, vf_lease_get_id(lease), old.path);
    entry = add_entry(self, lease);
    entry->kept = kept;
    entry->ends = old.ends;
    g_ptr_array_unref(entry->makings);
    entry->makings = g_steal_pointer(&old.makings);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfDevice *device = vf_job_get_device(job, i)->device;

        if (!device)
            continue;
        g_ptr_array_add(entry->devices, g_object_ref(device));
        if (vf_lease_get_state(lease) != VF_LEASE_ADOPTED)
            vf_device_set_state(device, VF_DEVICE_LEASED);
    }
    export_entry(entry);
    watch_owner(entry);
    catch_up(entry);
    return lease;
}

GCancellable *
vf_leases_get_cancellable(VfLeases *self, VfLease *lease)
{
    Entry *entry = find_entry(self, lease);

    return entry ? entry->cancellable : NULL;
}

void
vf_leases_take_making(VfLeases *self, VfLease *lease, VfMaking *making)
{
    Entry *entry = find_entry(self, lease);

    g_ptr_array_add(entry->makings, making);
}

VfMaking *
vf_leases_get_making(VfLeases *self, VfLease *lease, guint index)
{
    Entry *entry = find_entry(self, lease);

    return entry && index < entry->makings->len ? entry->makings->pdata[index] : NULL;
}

void
vf_leases_add_device(VfLeases *self, VfLease *lease, VfDevice *device)
{
    Entry *entry = find_entry(self, lease);

    hold_device(entry, device);
    show(entry);
}

const char *
vf_leases_get_path(VfLeases *self, VfLease *lease)
{
    Entry *entry = find_entry(self, lease);
    const char *path =
        entry
            ? g_dbus_interface_skeleton_get_object_path(G_DBUS_INTERFACE_SKELETON(entry->skeleton))
            : NULL;

    return path ? path : "/";
}

void
vf_leases_wait_undone_async(VfLeases *self, VfLease *lease, GAsyncReadyCallback callback,
                            gpointer data)
{
    GTask *task = g_task_new(self, NULL, callback, data);
    Entry *entry = lease ? find_entry(self, lease) : NULL;

    g_task_set_source_tag(task, vf_leases_wait_undone_async);
    if (entry && (vf_lease_get_state(lease) == VF_LEASE_UNDOING || entry->busy)) {
        g_queue_push_tail(&entry->waiting, task);
        return;
    }
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

void
vf_leases_wait_undone_finish(VfLeases *self, GAsyncResult *result)
{
    g_task_propagate_boolean(G_TASK(result), NULL);
}

void
vf_leases_forget(VfLeases *self, VfJob *job)
{
    VfLease *lease = vf_leases_find(self, job);

    if (lease && vf_lease_get_state(lease) == VF_LEASE_ADOPTED)
        gone(find_entry(self, lease));
}
