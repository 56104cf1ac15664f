/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "leases.h"

#include <glib/gi18n-lib.h>

#include "bus-peer.h"
#include "error.h"
#include "kept.h"
#include "lease-keep.h"
#include "lease-object.h"
#include "log.h"
#include "names.h"

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
    VfLeaseObject *object; /* NULL until it is on the bus */
    GCancellable *cancellable;
    gboolean busy;    /* somebody is creating for it */
    gboolean adopted; /* meanwhile */
    gboolean told;    /* the journal knows that it is stuck */
    guint revoking;
    guint deadline;
    guint retry;
    guint watch;
    VfKept *kept;   /* from the moment on when its owner knows of it */
    GQueue waiting; /* of GTask: until it is undone or stuck */
} Entry;

static void undo(Entry *entry);
static void on_job_attached(VfJob *job, Entry *entry);
static void on_job_completed(VfJob *job, Entry *entry);
static void hand_over(Entry *entry);

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
    if (entry->object)
        g_signal_handlers_disconnect_by_data(entry->object, entry);
    g_clear_handle_id(&entry->deadline, g_source_remove);
    g_clear_handle_id(&entry->retry, g_source_remove);
    g_clear_handle_id(&entry->revoking, g_source_remove);
    g_clear_handle_id(&entry->watch, vf_bus_unwatch);
    g_object_unref(entry->cancellable);
    g_clear_pointer(&entry->kept, vf_kept_free);
    g_clear_object(&entry->object);
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
has_device(VfLease *lease, const VfTouch *touch)
{
    GPtrArray *makings = vf_lease_get_makings(lease);

    for (guint i = 0; i < makings->len; i++) {
        VfMaking *making = makings->pdata[i];

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

        if (vf_lease_get_state(entry->lease) == VF_LEASE_ADOPTED ||
            !has_device(entry->lease, touch))
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
    vf_lease_object_remove(entry->object);
    g_ptr_array_remove(self->entries, entry);
}

static void
on_undone_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    Entry *entry = data;
    g_autoptr(GError) error = NULL;

    if (!vf_ledger_append_finish(VF_LEDGER(source), result, &error))
        vf_log(G_LOG_LEVEL_WARNING, vf_lease_about(entry->lease),
               "lease %s is undone, but its record does not say so: %s",
               vf_lease_get_id(entry->lease), error->message);
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
        g_ptr_array_remove(vf_lease_get_makings(entry->lease), source);
        undo(entry);
        return;
    }
    if (!entry->told)
        vf_log_event(VF_EVENT_LEASE_STUCK, vf_lease_about(entry->lease), "lease %s is stuck: %s",
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
    GPtrArray *makings = vf_lease_get_makings(entry->lease);
    VfRecord *record = vf_job_get_record(vf_lease_get_job(entry->lease));

    if (makings->len > 0)
        vf_making_remove_async(makings->pdata[makings->len - 1], on_removed, entry);
    else if (record)
        vf_ledger_append_async(entry->leases->context->ledger, record, "undone", NULL,
                               on_undone_recorded, entry);
    else
        gone(entry);
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
    if (result == VF_RESULT_COMPLETED || result == VF_RESULT_IN_DOUBT)
        vf_lease_move(lease, VF_LEASE_READY, NULL);
    if (!entry->kept && vf_job_get_kept(job) && result != VF_RESULT_FAILED &&
        result != VF_RESULT_CANCELLED) {
        entry->kept = vf_kept_new(self->context->store, VF_KEPT_LEASE, vf_lease_get_id(lease));
        vf_job_save(job); /* its devices have come to be meanwhile */
        vf_lease_save(lease);
    }
    if (result != VF_RESULT_NONE) /* a restore may be over at once */
        on_job_completed(job, entry);
    else if (vf_job_is_attached(job)) /* or under way */
        on_job_attached(job, entry);
    if (entry->adopted)
        hand_over(entry);
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

/* What was decided; on_job_completed() does the rest. What listens is asked, not killed: a source
 * may have come this very moment and may have committed, and then it is too late to revoke
 * anything. */
static void
carry_out(Entry *entry)
{
    VfJob *job = vf_lease_get_job(entry->lease);
    VfDriver *driver = vf_context_find_driver(entry->leases->context, vf_job_get_driver_name(job));

    if (entry->revoking)
        return;
    if (vf_lease_get_state(entry->lease) == VF_LEASE_READY && driver) {
        entry->revoking = g_timeout_add(REVOKE_MS, on_revoke_deadline, entry);
        if (vf_driver_cancel(driver, job, NULL))
            return;
    }
    vf_job_complete(job, vf_outcome_new(VF_RESULT_CANCELLED, NULL));
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
    GPtrArray *makings = vf_lease_get_makings(entry->lease);

    for (guint i = 0; i < makings->len; i++)
        vf_making_note_created(makings->pdata[i], context->registry, context->ledger);
}

static void
on_job_completed(VfJob *job, Entry *entry)
{
    switch (vf_job_get_result(job)) {
    case VF_RESULT_COMPLETED:
        if (entry->busy) /* vf_leases_settle() comes back here */
            break;
        if (vf_job_get_operation(job) == VF_JOB_REHEARSE) {
            start_undo(entry);
            break;
        }
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
        vf_lease_save(entry->lease);
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

/* Not before it, which a timer that counts seconds may be: it is moved to where in its second other
 * timers end. One that has passed meanwhile is over now. */
static void
arm_deadline(Entry *entry)
{
    gint64 left = (vf_lease_get_ends(entry->lease) - g_get_monotonic_time() + 999) / 1000;

    g_clear_handle_id(&entry->deadline, g_source_remove);
    entry->deadline =
        g_timeout_add((guint)CLAMP(left, 0, VF_LEASE_SECONDS_MAX * 1000), on_deadline, entry);
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

static void
on_released(VfLeaseObject *object, Entry *entry)
{
    vf_leases_revoke(
        entry->leases, entry->lease,
        g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("the lease was released")));
}

/* What was made for it is the adopter's now. */
static void
hand_over(Entry *entry)
{
    VfLeases *self = entry->leases;
    VfJob *job = vf_lease_get_job(entry->lease);
    VfDriver *driver = vf_context_find_driver(self->context, vf_job_get_driver_name(job));
    GPtrArray *devices = vf_lease_get_devices(entry->lease);

    entry->adopted = entry->busy;
    if (entry->busy || !vf_lease_move(entry->lease, VF_LEASE_ADOPTED, NULL))
        return;
    if (driver)
        vf_driver_drop(driver, job);
    for (guint i = 0; i < devices->len; i++)
        vf_device_set_state(devices->pdata[i], VF_DEVICE_UNKNOWN);
    g_ptr_array_set_size(vf_lease_get_makings(entry->lease), 0);
    g_signal_emit_by_name(self, "over", entry->lease);
}

/* --- making one --- */

static void
on_state(VfLease *lease, GParamSpec *spec, gpointer data)
{
    vf_log(G_LOG_LEVEL_INFO, vf_lease_about(lease), "lease %s is %s", vf_lease_get_id(lease),
           vf_lease_get_state_name(lease));
}

static void
on_changed(VfLease *lease, Entry *entry)
{
    if (entry->kept && vf_lease_get_state(lease) != VF_LEASE_GONE)
        vf_lease_keep_write(entry->kept, lease, vf_lease_object_get_path(entry->object));
}

/* Takes @lease. */
static Entry *
add_entry(VfLeases *self, VfLease *lease)
{
    Entry *entry = g_new0(Entry, 1);

    entry->leases = self;
    entry->lease = lease;
    entry->cancellable = g_cancellable_new();
    g_queue_init(&entry->waiting);
    g_ptr_array_add(self->entries, entry);
    return entry;
}

static void
export_entry(Entry *entry)
{
    VfJob *job = vf_lease_get_job(entry->lease);

    entry->object = vf_lease_object_new(entry->leases->context, entry->lease);
    g_signal_connect_swapped(entry->object, "renewed", G_CALLBACK(arm_deadline), entry);
    g_signal_connect(entry->object, "released", G_CALLBACK(on_released), entry);
    g_signal_connect_swapped(entry->object, "adopted", G_CALLBACK(hand_over), entry);
    g_signal_connect(entry->lease, "notify::state", G_CALLBACK(on_state), entry);
    g_signal_connect(entry->lease, "changed", G_CALLBACK(on_changed), entry);
    g_signal_connect(job, "attached", G_CALLBACK(on_job_attached), entry);
    g_signal_connect(job, "completed", G_CALLBACK(on_job_completed), entry);
    g_signal_connect_swapped(job, "adopted", G_CALLBACK(hand_over), entry);
}

static void
watch_owner(Entry *entry)
{
    VfJob *job = vf_lease_get_job(entry->lease);

    arm_deadline(entry);
    entry->watch = vf_bus_watch(entry->leases->context->connection, vf_job_get_owner(job),
                                on_owner_vanished, entry);
}

VfLease *
vf_leases_add(VfLeases *self, VfJob *job, GPtrArray *makings, guint seconds)
{
    Entry *entry = add_entry(self, vf_lease_new(job));

    entry->busy = TRUE;
    g_ptr_array_extend_and_steal(vf_lease_get_makings(entry->lease), makings);
    vf_lease_renew(entry->lease, seconds);
    export_entry(entry);
    watch_owner(entry);
    return entry->lease;
}

VfLease *
vf_leases_restore(VfLeases *self, VfJob *job, GPtrArray *makings)
{
    VfLease *lease = vf_lease_new(job);
    Entry *entry = add_entry(self, lease);

    for (guint i = 0; i < makings->len; i++) {
        VfMaking *making = makings->pdata[i];
        VfDevice *device = vf_registry_find_this_device(
            self->context->registry, vf_making_get_id(making), vf_making_get_inode(making));

        if (device)
            vf_lease_add_device(lease, device);
    }
    g_ptr_array_extend_and_steal(vf_lease_get_makings(lease), makings);
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

VfLease *
vf_leases_resume(VfLeases *self, VfJob *job, VfKept *kept)
{
    g_autofree char *path = NULL;
    VfLease *lease = vf_lease_keep_read(kept, job, self->context->providers, &path);
    Entry *entry = add_entry(self, lease);

    vf_objects_expect(self->context->objects, VF_PATH_LEASE, vf_lease_get_id(lease),
                      path ? path : "");
    entry->kept = kept;
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device)
            vf_lease_add_device(lease, vf_job_get_device(job, i)->device);
    export_entry(entry);
    if (vf_lease_is_revocable(lease))
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

const char *
vf_leases_get_path(VfLeases *self, VfLease *lease)
{
    Entry *entry = find_entry(self, lease);

    return entry && entry->object ? vf_lease_object_get_path(entry->object) : "/";
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
