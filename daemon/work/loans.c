/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "loans.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n-lib.h>

#include "arrivals.h"
#include "bus-peer.h"
#include "error.h"
#include "kept.h"
#include "log.h"
#include "names.h"
#include "options.h"

struct _VfLoans {
    GObject parent_instance;
    const VfContext *context;
    GHashTable *entries; /* VfDevice -> Entry */
    GPtrArray *left;     /* of VfKept, an earlier daemon's, until vf_loans_restore() */
};

G_DEFINE_FINAL_TYPE(VfLoans, vf_loans, G_TYPE_OBJECT)

typedef struct {
    VfLoans *loans;
    VfLoan *loan;
    gboolean verified; /* the driver has looked at it */
    VfKept *kept;      /* put there when it has */
    guint watch;
} Entry;

#define KEPT_DEVICE "device"
#define KEPT_PARTS 2 /* and its description */

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    g_clear_handle_id(&entry->watch, vf_bus_unwatch);
    vf_loan_close(entry->loan);
    g_clear_pointer(&entry->kept, vf_kept_free);
    g_object_unref(entry->loan);
    g_free(entry);
}

static void
vf_loans_finalize(GObject *object)
{
    VfLoans *self = VF_LOANS(object);

    g_hash_table_unref(self->entries);
    g_clear_pointer(&self->left, g_ptr_array_unref);
    G_OBJECT_CLASS(vf_loans_parent_class)->finalize(object);
}

static void
vf_loans_class_init(VfLoansClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_loans_finalize;
}

static void
vf_loans_init(VfLoans *self)
{
    self->entries = g_hash_table_new_full(NULL, NULL, NULL, entry_free);
}

VfLoan *
vf_loans_find(VfLoans *self, VfDevice *device)
{
    Entry *entry = g_hash_table_lookup(self->entries, device);

    return entry && entry->verified ? entry->loan : NULL;
}

/* Also while the driver looks at it, and what is still in a job when its device has gone. */
static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfLoans *self = user;
    GHashTableIter iter;
    gpointer device;

    g_hash_table_iter_init(&iter, self->entries);
    while (!touch->lent && g_hash_table_iter_next(&iter, &device, NULL))
        if (vf_touch_is_of(touch, vf_device_get_id(device), vf_device_get_inode(device))) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is %s already"),
                        touch->id, vf_device_state_to_string(VF_DEVICE_LENT));
            return FALSE;
        }
    return TRUE;
}

void
vf_loans_end(VfLoans *self, VfLoan *loan)
{
    VfDevice *device = vf_loan_get_device(loan);
    Entry *entry = g_hash_table_lookup(self->entries, device);

    if (!entry || entry->loan != loan)
        return;
    if (vf_loan_is_reclaiming(loan)) {
        vf_loan_set_orphaned(loan); /* on_reclaimed() comes back here */
        return;
    }
    if (vf_device_get_state(device) == VF_DEVICE_LENT)
        vf_device_set_state(device, VF_DEVICE_UNKNOWN); /* its holder has it, we do not look */
    vf_log_device(G_LOG_LEVEL_INFO, vf_device_get_id(device), "the loan of %s has ended",
                  vf_device_get_id(device));
    if (entry->kept)
        vf_kept_forget(entry->kept);
    g_hash_table_remove(self->entries, device);
}

void
vf_loans_release(VfLoans *self, VfLoan *loan, const char *job_uuid)
{
    vf_loan_unuse(loan, job_uuid);
    if (vf_loan_is_orphaned(loan) && !vf_loan_get_user(loan))
        vf_loans_end(self, loan);
}

static void
on_lender_vanished(gpointer data)
{
    Entry *entry = data;

    if (!vf_loan_get_user(entry->loan))
        vf_loans_end(entry->loans, entry->loan);
    else
        vf_loan_set_orphaned(entry->loan); /* the job goes on: it has the state in its hands */
}

/* --- Lend --- */

typedef struct {
    VfLoans *loans;
    VfLoan *loan;
    VferryDevice *skeleton;
    GDBusMethodInvocation *invocation;
} Lending;

static void
lending_free(Lending *self)
{
    g_object_unref(self->loans);
    g_object_unref(self->loan);
    g_object_unref(self->skeleton);
    g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lending, lending_free)

static void
keep(Entry *entry)
{
    VfLoan *loan = entry->loan;
    VfDevice *device = vf_loan_get_device(loan);
    g_auto(GVariantDict) state = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&state, "device", "s", vf_device_get_id(device));
    g_variant_dict_insert(&state, "sysfs", "s", vf_device_get_sysfs_path(device));
    g_variant_dict_insert(&state, "path", "s",
                          vf_objects_get_device_path(entry->loans->context->objects, device));
    g_variant_dict_insert(&state, "uid", "u", vf_loan_get_uid(loan));
    g_variant_dict_insert(&state, "owner", "s", vf_loan_get_owner(loan));
    g_variant_dict_insert(&state, "keep", "b", vf_loan_get_keep(loan));
    g_variant_dict_insert(&state, "migration", "^as", vf_device_get_migration(device));
    vf_kept_put(entry->kept, KEPT_DEVICE, vf_loan_get_fd(loan));
    vf_kept_write(entry->kept, &state);
}

static void
on_verified(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Lending) lending = data;
    VfDevice *device = vf_loan_get_device(lending->loan);
    Entry *entry = g_hash_table_lookup(lending->loans->entries, device);
    GError *error = NULL;

    vf_driver_lend_finish(VF_DRIVER(source), result, &error);
    if (!error && (!entry || entry->loan != lending->loan))
        error =
            g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("the lender left the bus"));
    if (error) {
        vf_loans_end(lending->loans, lending->loan);
        vf_bus_return_error(lending->invocation, error);
        return;
    }
    entry->verified = TRUE;
    vf_loan_set_closers(entry->loan, NULL);
    keep(entry);
    vf_device_set_state(device, VF_DEVICE_LENT);
    vf_log_device(G_LOG_LEVEL_INFO, vf_device_get_id(device), "%s is lent by uid %u",
                  vf_device_get_id(device), vf_loan_get_uid(lending->loan));
    vferry_device_complete_lend(lending->skeleton, lending->invocation, NULL);
}

static Entry *
add_loan(VfLoans *self, VfLoan *loan)
{
    Entry *entry = g_new0(Entry, 1);

    entry->loans = self;
    entry->loan = g_object_ref(loan);
    g_hash_table_insert(self->entries, vf_loan_get_device(loan), entry);
    if (!vf_loan_get_keep(loan))
        entry->watch = vf_bus_watch(self->context->connection, vf_loan_get_owner(loan),
                                    on_lender_vanished, entry);
    return entry;
}

/* arrivals.h lets a call keep its descriptor only if there is but one. */
static int
take_fd(GDBusMethodInvocation *invocation, GVariant *handle, GError **error)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    int index = g_variant_get_handle(handle);

    if (index == 0 && vf_arrivals_has_fd(message))
        return vf_arrivals_take_fd(message, 0);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("there is no descriptor %d: the call must carry one, number 0, and no other"),
                index);
    return -1;
}

static gboolean
check_lendable(VfLoans *self, VfDevice *device, GError **error)
{
    if (!vf_device_is_gone(device))
        return vf_uses_check_device(self->context->uses, device, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("device %s has gone"),
                vf_device_get_id(device));
    return FALSE;
}

static VfLoan *
prepare_loan(VfLoans *self, VfDevice *device, GDBusMethodInvocation *invocation, GVariant *handle,
             GVariant *options_dict, char **driver_name, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    gboolean keep = vf_options_take_boolean(options, "keep", FALSE);
    g_autofree char *name = vf_options_take_string(options, "driver", NULL);
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    VfLoan *loan;
    int fd;

    if (!vf_options_end(options, error) || !check_lendable(self, device, error))
        return NULL;
    fd = take_fd(invocation, handle, error);
    if (fd < 0)
        return NULL;
    *driver_name = g_steal_pointer(&name);
    loan =
        vf_loan_new(device, fd, vf_gate_get_sender_uid(self->context->gate, sender), sender, keep);
    vf_loan_set_closers(loan, vf_gate_get_closers(self->context->gate));
    return loan;
}

static VfKept *
reserve(VfLoans *self, VfLoan *loan, GError **error)
{
    g_autoptr(VfKept) kept = vf_kept_new(self->context->store, VF_KEPT_LOAN, vf_loan_get_id(loan));

    return vf_kept_reserve(kept, KEPT_PARTS, error) ? g_steal_pointer(&kept) : NULL;
}

static gboolean
on_lend(VferryDevice *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *list,
        GVariant *handle, GVariant *options, gpointer data)
{
    VfLoans *self = data;
    VfDevice *found = vf_objects_find_device(self->context->objects,
                                             g_dbus_method_invocation_get_object_path(invocation));
    g_autoptr(VfDevice) device = found ? g_object_ref(found) : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfLoan) loan = NULL;
    g_autofree char *name = NULL;
    VfDriver *driver = NULL;
    VfKept *kept = NULL;
    Lending *lending;

    if (device)
        vf_registry_refresh_device(self->context->registry, device);
    if (device)
        loan = prepare_loan(self, device, invocation, handle, options, &name, &error);
    else
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("the device has gone"));
    if (loan)
        driver = vf_context_choose_driver_for(self->context, name, device, &error);
    if (driver)
        kept = reserve(self, loan, &error);
    if (!kept) {
        vf_bus_return_error(invocation, g_steal_pointer(&error));
        return TRUE;
    }
    add_loan(self, loan)->kept = kept;
    lending = g_new0(Lending, 1);
    lending->loans = g_object_ref(self);
    lending->loan = g_object_ref(loan);
    lending->skeleton = g_object_ref(skeleton);
    lending->invocation = invocation;
    vf_driver_lend_async(driver, loan, NULL, on_verified, lending);
    return TRUE;
}

/* --- Reclaim --- */

static gboolean
check_reclaim(VfLoans *self, VfLoan *loan, guint32 uid, GError **error)
{
    VfDevice *device = vf_loan_get_device(loan);
    const VfTouch touch = {
        .id = vf_device_get_id(device), .inode = vf_device_get_inode(device), .lent = TRUE};

    if (uid != 0 && uid != vf_loan_get_uid(loan)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                    _("the device was lent by uid %u; only that user and root may reclaim it"),
                    vf_loan_get_uid(loan));
        return FALSE;
    }
    if (vf_loan_is_reclaiming(loan)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is being reclaimed"),
                    vf_device_get_id(device));
        return FALSE;
    }
    /* also one that nothing here uses it for: a mover of an earlier daemon may be at it */
    if (!vf_loan_get_user(loan))
        return vf_uses_check(self->context->uses, &touch, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("job %s uses it"),
                vf_loan_get_user(loan));
    return FALSE;
}

typedef struct {
    VfLoans *loans;
    VfLoan *loan;
} Reclaiming;

/* The copy here may be the only one left: it goes when the other has arrived, and not before. */
static void
on_reclaimed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Reclaiming *reclaiming = data;
    g_autoptr(VfLoans) self = reclaiming->loans;
    g_autoptr(VfLoan) loan = reclaiming->loan;
    gboolean delivered = vf_bus_delivered_finish(result);
    const char *id = vf_device_get_id(vf_loan_get_device(loan));

    vf_loan_set_reclaiming(loan, FALSE);
    if (delivered) /* its holder goes on with it, we do not look */
        vf_device_set_state(vf_loan_get_device(loan), VF_DEVICE_UNKNOWN);
    else
        vf_log_device(G_LOG_LEVEL_WARNING, id, "%s was reclaimed by somebody who did not get it",
                      id);
    if (delivered || vf_loan_is_orphaned(loan))
        vf_loans_end(self, loan);
}

static void
send_device(VfLoans *self, VfLoan *loan, VferryDevice *skeleton, GDBusMethodInvocation *invocation,
            GUnixFDList *fds, int index)
{
    g_autofree char *sender = g_strdup(g_dbus_method_invocation_get_sender(invocation));
    VfBusDelivery *delivery = vf_bus_delivery_new(self->context->connection);
    Reclaiming *reclaiming = g_new0(Reclaiming, 1);

    reclaiming->loans = g_object_ref(self);
    reclaiming->loan = g_object_ref(loan);
    vf_loan_set_reclaiming(loan, TRUE);
    vferry_device_complete_reclaim(skeleton, invocation, fds, g_variant_new_handle(index));
    vf_bus_delivered_async(delivery, sender, on_reclaimed, reclaiming);
}

static gboolean
on_reclaim(VferryDevice *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *list,
           GVariant *options_dict, gpointer data)
{
    VfLoans *self = data;
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    VfDevice *device = vf_objects_find_device(self->context->objects,
                                              g_dbus_method_invocation_get_object_path(invocation));
    VfLoan *loan = device ? vf_loans_find(self, device) : NULL;
    guint32 uid = vf_gate_get_sender_uid(self->context->gate,
                                         g_dbus_method_invocation_get_sender(invocation));
    g_autoptr(GUnixFDList) reply = g_unix_fd_list_new();
    GError *error = NULL;
    int index = -1;

    if (!loan)
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("the device is not lent"));
    else if (vf_options_end(options, &error) && check_reclaim(self, loan, uid, &error))
        index = g_unix_fd_list_append(reply, vf_loan_get_fd(loan), &error);
    if (index < 0) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    send_device(self, loan, skeleton, invocation, reply, index);
    return TRUE;
}

static void
on_device_exported(VfObjects *objects, VfDevice *device, VferryDevice *skeleton, VfLoans *self)
{
    g_signal_connect_object(skeleton, "handle-lend", G_CALLBACK(on_lend), self, 0);
    g_signal_connect_object(skeleton, "handle-reclaim", G_CALLBACK(on_reclaim), self, 0);
}

static void
on_device_removed(VfRegistry *registry, VfDevice *device, VfLoans *self)
{
    Entry *entry = g_hash_table_lookup(self->entries, device);

    if (entry && !vf_loan_get_user(entry->loan))
        vf_loans_end(self, entry->loan);
    else if (entry)
        vf_loan_set_orphaned(entry->loan);
}

/* --- what an earlier daemon kept --- */

/* It is open, so it has not gone meanwhile and come back as another one. */
static VfDevice *
find_lent(VfLoans *self, GVariant *state, GError **error)
{
    const char *id = "", *path = "";
    VfDevice *device;

    g_variant_lookup(state, "device", "&s", &id);
    g_variant_lookup(state, "sysfs", "&s", &path);
    device = vf_registry_find_device(self->context->registry, id);
    if (device && g_str_equal(vf_device_get_sysfs_path(device), path) &&
        !g_hash_table_contains(self->entries, device))
        return device;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                _("device %s is not here, or lent twice"), id);
    return NULL;
}

static VfLoan *
read_loan(VfLoans *self, VfKept *kept, GError **error)
{
    g_autoptr(GVariant) state = vf_kept_read(kept, error);
    VfDevice *device = state ? find_lent(self, state, error) : NULL;
    const char *owner = NULL;
    guint32 uid = 0;
    gboolean stays = FALSE;
    g_autofree const char **flags = NULL;
    int fd;

    if (!device)
        return NULL;
    if (!g_variant_lookup(state, "owner", "&s", &owner) || !g_dbus_is_unique_name(owner) ||
        !g_variant_lookup(state, "uid", "u", &uid) ||
        !g_variant_lookup(state, "keep", "b", &stays)) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                            _("its description is not that of a loan"));
        return NULL;
    }
    fd = vf_kept_take(kept, KEPT_DEVICE);
    if (fd >= 0) {
        if (g_variant_lookup(state, "migration", "^a&s", &flags)) /* that of 0.1.0 has none */
            vf_device_set_migration(device, (const char *const *)flags, "probe");
        return vf_loan_new(device, fd, uid, owner, stays);
    }
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                        _("its device is not open any more"));
    return NULL;
}

/* A lender that has left meanwhile is noticed as always: by the watch. */
static void
restore(VfLoans *self, VfKept *kept)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfLoan) loan = read_loan(self, kept, &error);
    Entry *entry;

    if (!loan) {
        g_warning("a loan of the last daemon is let go: %s", error->message);
        vf_kept_forget(kept);
        vf_kept_free(kept);
        return;
    }
    vf_loan_set_id(loan, vf_kept_get_id(kept));
    entry = add_loan(self, loan);
    entry->verified = TRUE;
    entry->kept = kept;
    vf_device_set_state(vf_loan_get_device(loan), VF_DEVICE_LENT);
    g_debug("%s is still lent", vf_device_get_id(vf_loan_get_device(loan)));
}

void
vf_loans_restore(VfLoans *self)
{
    g_autoptr(GPtrArray) left = g_steal_pointer(&self->left);

    while (left->len > 0)
        restore(self, g_ptr_array_steal_index(left, left->len - 1));
}

/* Whoever lent it knows it by its path, and reclaims it there. */
static void
expect_paths(VfLoans *self)
{
    for (guint i = 0; i < self->left->len; i++) {
        g_autoptr(GVariant) state = vf_kept_read(self->left->pdata[i], NULL);
        const char *id, *path;

        if (state && g_variant_lookup(state, "device", "&s", &id) &&
            g_variant_lookup(state, "path", "&s", &path))
            vf_objects_expect(self->context->objects, VF_PATH_DEVICE, id, path);
    }
}

VfLoans *
vf_loans_new(const VfContext *context)
{
    VfLoans *self = g_object_new(VF_TYPE_LOANS, NULL);

    self->context = context;
    self->left = vf_kept_list(context->store, VF_KEPT_LOAN);
    vf_uses_add(context->uses, check_use, self);
    expect_paths(self);
    g_signal_connect_object(context->objects, "device-exported", G_CALLBACK(on_device_exported),
                            self, 0);
    g_signal_connect_object(context->registry, "device-removed", G_CALLBACK(on_device_removed),
                            self, 0);
    return self;
}
