/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domains.h"

#include <glib/gi18n-lib.h>

#include "arrivals.h"
#include "bus-peer.h"
#include "domain-object.h"
#include "error.h"
#include "log.h"
#include "names.h"
#include "options.h"
#include "text.h"

G_STATIC_ASSERT(VF_DOMAIN_FDS_MAX == VF_ARRIVALS_MAX);

struct _VfDomains {
    GObject parent_instance;
    const VfContext *context;
    VfJobs *jobs;
    VfLeases *leases;
    VfDriverHost *host;
    GHashTable *entries; /* VfDomain -> Entry */
};

G_DEFINE_FINAL_TYPE(VfDomains, vf_domains, G_TYPE_OBJECT)

typedef struct {
    VfDomains *domains;
    VfDomain *domain;
    VferryDomain *skeleton; /* NULL until it is attached */
    GCancellable *attaching;
    guint watch;       /* of its owner */
    gboolean orphaned; /* who has left */
    gboolean ended;    /* the guest, before it was attached */
    gulong changed;
} Entry;

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    g_clear_handle_id(&entry->watch, vf_bus_unwatch);
    if (entry->skeleton)
        g_signal_handlers_disconnect_by_data(entry->skeleton, entry);
    g_signal_handler_disconnect(entry->domain, entry->changed);
    g_clear_object(&entry->skeleton);
    g_object_unref(entry->attaching);
    g_object_unref(entry->domain);
    g_free(entry);
}

static void
vf_domains_finalize(GObject *object)
{
    VfDomains *self = VF_DOMAINS(object);

    g_hash_table_unref(self->entries);
    g_object_unref(self->host);
    g_object_unref(self->jobs);
    g_object_unref(self->leases);
    G_OBJECT_CLASS(vf_domains_parent_class)->finalize(object);
}

static void
vf_domains_class_init(VfDomainsClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_domains_finalize;
}

static void
vf_domains_init(VfDomains *self)
{
    self->entries = g_hash_table_new_full(NULL, NULL, NULL, entry_free);
}

/* --- what of it is here --- */

/* A hypervisor names its devices by what the host calls them. One that has gone does not come back:
 * what has its name then is another one. */
static void
resolve(VfDomain *domain, Entry *entry)
{
    VfRegistry *registry = entry->domains->context->registry;

    for (guint i = 0; i < vf_domain_get_n_devices(domain); i++) {
        const VfDomainDevice *device = vf_domain_get_device(domain, i);

        vf_domain_set_device(
            domain, i,
            device->inode
                ? vf_registry_find_this_device(registry, device->host_address, device->inode)
                : vf_registry_find_device(registry, device->host_address));
    }
}

static void
resolve_all(VfRegistry *registry, VfDevice *device, VfDomains *self)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        resolve(((Entry *)value)->domain, value);
}

/* By its name alone as long as none was seen here: its event may be on its way. */
static gboolean
has_device(VfDomain *domain, const VfTouch *touch)
{
    for (guint i = 0; i < vf_domain_get_n_devices(domain); i++) {
        const VfDomainDevice *device = vf_domain_get_device(domain, i);

        if (vf_touch_is_of(touch, device->host_address, device->inode))
            return TRUE;
    }
    return FALSE;
}

/* Its guest has it open. */
static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfDomains *self = user;
    GHashTableIter iter;
    gpointer domain;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, &domain, NULL))
        if (domain != touch->domain && has_device(domain, touch)) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is in domain %s"),
                        touch->id, vf_domain_get_label(domain));
            return FALSE;
        }
    return TRUE;
}

/* --- the table --- */

static Entry *
add_entry(VfDomains *self, VfDomain *domain)
{
    Entry *entry = g_new0(Entry, 1);

    entry->domains = self;
    entry->domain = g_object_ref(domain);
    entry->attaching = g_cancellable_new();
    entry->changed = g_signal_connect(domain, "changed", G_CALLBACK(resolve), entry);
    g_hash_table_insert(self->entries, domain, entry);
    resolve(domain, entry);
    return entry;
}

static gboolean
is_attached_by_somebody(const Entry *entry)
{
    return *vf_domain_get_owner(entry->domain) != '\0';
}

/* The driver, unless it was the one who said so, lets go. */
static void
end_entry(Entry *entry, gboolean detach)
{
    VfDomains *self = entry->domains;
    g_autoptr(VfDomain) domain = g_object_ref(entry->domain);
    VfDriver *driver =
        vf_context_find_driver(self->context, vf_domain_get_driver_name(entry->domain));

    if (entry->skeleton) {
        vf_log(G_LOG_LEVEL_INFO, VF_ABOUT(.sender = vf_domain_get_owner(domain)),
               "domain %s has gone", vf_domain_get_label(domain));
        vf_objects_remove(self->context->objects, G_DBUS_INTERFACE_SKELETON(entry->skeleton));
    }
    g_hash_table_remove(self->entries, domain);
    vf_domain_set_gone(domain);
    if (detach && driver)
        vf_driver_detach(driver, domain);
}

static void
on_owner_vanished(gpointer data)
{
    Entry *entry = data;

    entry->orphaned = TRUE;
    if (!entry->skeleton) /* on_attached() ends it */
        g_cancellable_cancel(entry->attaching);
    else if (!vf_domain_get_user(entry->domain)) /* else vf_domains_release() does */
        end_entry(entry, TRUE);
}

void
vf_domains_release(VfDomains *self, VfJob *job)
{
    VfDomain *domain = vf_job_get_domain(job);
    Entry *entry = domain ? g_hash_table_lookup(self->entries, domain) : NULL;

    if (domain)
        vf_domain_unuse(domain, vf_job_get_uuid(job));
    if (entry && entry->skeleton && entry->orphaned && !vf_domain_get_user(domain))
        end_entry(entry, TRUE);
}

VfDomain *
vf_domains_find(VfDomains *self, const char *path)
{
    gpointer found = vf_objects_find(self->context->objects, VF_PATH_DOMAIN, path);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (found && g_hash_table_iter_next(&iter, NULL, &value))
        if (((const Entry *)value)->skeleton == found)
            return ((const Entry *)value)->domain;
    return NULL;
}

/* --- Detach --- */

static gboolean
on_detach(VferryDomain *skeleton, GDBusMethodInvocation *invocation, GVariant *dict, Entry *entry)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    VfDomain *domain = entry->domain;
    GError *error = NULL;

    if (vf_options_end(options, &error) && !is_attached_by_somebody(entry))
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("nobody attached domain %s: it is here for as long as driver “%s” has it"),
                    vf_domain_get_label(domain), vf_domain_get_driver_name(domain));
    else if (!error && vf_domain_get_user(domain))
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("job %s runs on domain %s"),
                    vf_domain_get_user(domain), vf_domain_get_label(domain));
    if (error) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    vferry_domain_complete_detach(skeleton, invocation);
    end_entry(entry, TRUE);
    return TRUE;
}

static gboolean
is_owner(const char *sender, guint32 uid, gpointer data)
{
    const Entry *entry = data;

    return is_attached_by_somebody(entry) && uid != VF_DOMAIN_UID_NONE &&
           uid == vf_domain_get_uid(entry->domain);
}

/* Under its UUID, which says more than a name; one that has neither is not looked up. */
static void
export_entry(Entry *entry)
{
    VfObjects *objects = entry->domains->context->objects;
    g_autofree char *nameless = g_uuid_string_random();
    const char *uuid = vf_domain_get_uuid(entry->domain);
    const char *name = vf_domain_get_name(entry->domain);

    entry->skeleton = vf_domain_object_new(entry->domain, objects);
    g_signal_connect(entry->skeleton, "handle-detach", G_CALLBACK(on_detach), entry);
    vf_objects_add(objects, VF_PATH_DOMAIN, *uuid ? uuid : (*name ? name : nameless),
                   G_DBUS_INTERFACE_SKELETON(entry->skeleton), is_owner, entry);
}

/* --- those that drivers find --- */

static void
on_domain_added(VfDriverHost *host, VfDomain *domain, VfDomains *self)
{
    if (g_hash_table_contains(self->entries, domain))
        return;
    if (g_hash_table_size(self->entries) < VF_DOMAINS_MAX)
        export_entry(add_entry(self, domain));
    else
        g_warning("domain %s is left out: %d are here", vf_domain_get_label(domain),
                  VF_DOMAINS_MAX);
}

static void
on_domain_removed(VfDriverHost *host, VfDomain *domain, VfDomains *self)
{
    Entry *entry = g_hash_table_lookup(self->entries, domain);

    if (!entry)
        return;
    if (entry->skeleton)
        end_entry(entry, FALSE);
    else /* for on_attached(), which is on its way */
        entry->ended = TRUE;
}

void
vf_domains_end_all_of(VfDomains *self, VfDriver *driver)
{
    g_autoptr(GList) domains = g_hash_table_get_keys(self->entries);

    for (GList *each = domains; each; each = each->next)
        if (g_str_equal(vf_domain_get_driver_name(each->data), vf_driver_get_name(driver)))
            end_entry(g_hash_table_lookup(self->entries, each->data), FALSE);
}

/* --- AttachDomain --- */

typedef struct {
    VfDomains *self;
    VferryManager *manager;
    GDBusMethodInvocation *invocation;
    VfDomain *domain;
    char *name;      /* NULL: as its hypervisor says */
    VfJob *incoming; /* NULL: it runs here already */
} Attach;

static void
attach_free(Attach *attach)
{
    g_object_unref(attach->self);
    g_object_unref(attach->manager);
    g_clear_object(&attach->domain);
    g_clear_object(&attach->incoming);
    g_free(attach->name);
    g_free(attach);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attach, attach_free)

/* NULL as @name: the only one that can. */
static VfDriver *
choose_driver(VfDomains *self, const char *name, GError **error)
{
    GPtrArray *drivers = self->context->drivers;
    VfDriver *found = NULL;

    if (name)
        return vf_context_choose_driver(self->context, name, NULL, error);
    for (guint i = 0; i < drivers->len; i++) {
        VfDriver *driver = drivers->pdata[i];

        if (!vf_driver_can_attach(driver))
            continue;
        if (found) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                        _("option “driver” is needed: “%s” and “%s” can attach domains"),
                        vf_driver_get_name(found), vf_driver_get_name(driver));
            return NULL;
        }
        found = driver;
    }
    if (!found)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("no driver of this daemon can attach domains"));
    return found;
}

static gboolean
is_uuid_of(const char *uuid, const char *text)
{
    return *uuid && g_ascii_strcasecmp(uuid, text) == 0;
}

/* Nor may one be called as another's UUID is: whoever looks that up means the guest that has it. */
static gboolean
check_label(VfDomains *self, VfDomain *domain, const char *name, const char *uuid, GError **error)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const char *its_name = vf_domain_get_name(key), *its_uuid = vf_domain_get_uuid(key);
        gboolean same_uuid = is_uuid_of(uuid, its_uuid) || is_uuid_of(uuid, its_name);

        if (key == domain ||
            (!same_uuid && !is_uuid_of(its_uuid, name) && (!*name || !g_str_equal(its_name, name))))
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("there is a domain %s here already"),
                    same_uuid ? uuid : name);
        return FALSE;
    }
    return TRUE;
}

/* A guest that says that it has another's device would keep everybody else from it. Those of the
 * lease that waits for it are its own. */
static gboolean
check_devices(VfDomains *self, VfDomain *domain, VfJob *incoming, GError **error)
{
    for (guint i = 0; i < vf_domain_get_n_devices(domain); i++) {
        const VfDomainDevice *device = vf_domain_get_device(domain, i);
        const VfTouch touch = {
            .id = device->host_address, .inode = device->inode, .domain = domain};

        if (*touch.id && !(incoming && vf_job_has_device(incoming, &touch)) &&
            !vf_uses_check(self->context->uses, &touch, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_name(const char *name, GError **error)
{
    if (*name)
        return vf_text_check(name, "name", VF_DOMAIN_TEXT_MAX, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("option “name” must be 1 to %d bytes"), VF_DOMAIN_TEXT_MAX);
    return FALSE;
}

/* Each has a connection and a process of its own, perhaps. */
static gboolean
check_room(VfDomains *self, guint32 uid, GError **error)
{
    GHashTableIter iter;
    gpointer domain;
    guint n = 0;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, &domain, NULL))
        n += vf_domain_get_uid(domain) == uid;
    if (n < VF_DOMAINS_OF_USER && g_hash_table_size(self->entries) < VF_DOMAINS_MAX)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                _("%u domains of uid %u are attached, and %u are here; no more than %d of one user "
                  "and %d in all may be"),
                n, uid, g_hash_table_size(self->entries), VF_DOMAINS_OF_USER, VF_DOMAINS_MAX);
    return FALSE;
}

/* The job whose lease is at @path, for a guest of @driver that @uid has: it can wait for it. */
static VfJob *
find_incoming(VfDomains *self, const char *path, guint32 uid, VfDriver *driver, GError **error)
{
    GDBusInterfaceSkeleton *found = vf_objects_find(self->context->objects, VF_PATH_LEASE, path);
    VfJob *job = NULL;
    VfLease *lease = NULL;
    VfDomain *domain = NULL;

    if (found)
        job = vf_jobs_find(self->jobs, vferry_lease_get_job_uuid(VFERRY_LEASE(found)),
                           VF_JOB_DESTINATION);
    if (job) {
        lease = vf_leases_find(self->leases, job);
        domain = vf_job_get_domain(job);
    }
    if (!lease)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("there is no lease %s"), path);
    else if (vf_job_get_uid(job) != uid)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                    _("the lease is uid %u's; only that user may attach a domain to it"),
                    vf_job_get_uid(job));
    else if (!g_str_equal(vf_job_get_driver_name(job), vf_driver_get_name(driver)))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the lease is driver “%s”'s, and the domain driver “%s”'s"),
                    vf_job_get_driver_name(job), vf_driver_get_name(driver));
    else if (vf_lease_get_state(lease) != VF_LEASE_READY)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                    _("the lease is “%s”, and a domain can be attached to it only while it is "
                      "“ready”"),
                    vf_lease_get_state_name(lease));
    else if (domain && vf_domain_check_stays(domain, NULL)) /* else another guest may wait */
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("domain %s is attached to the lease"),
                    vf_domain_get_label(domain));
    else
        return g_object_ref(job);
    return NULL;
}

/* Those that the call has left with its message. */
static void
take_descriptors(VfDomains *self, GDBusMethodInvocation *invocation, VfDomain *domain)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    int fds[VF_ARRIVALS_MAX];

    for (guint i = 0; i < VF_ARRIVALS_MAX; i++)
        fds[i] = vf_arrivals_take_fd(message, i);
    vf_domain_give_fds(domain, vf_gate_get_closers(self->context->gate), fds, VF_ARRIVALS_MAX);
}

/* Fills @attach in; returns the driver. */
static VfDriver *
take_options(Attach *attach, GVariant *dict, GError **error)
{
    static const char *const common[] = {"driver", "name", "lease", NULL};
    VfDomains *self = attach->self;
    const char *sender = g_dbus_method_invocation_get_sender(attach->invocation);
    guint32 uid = vf_gate_get_sender_uid(self->context->gate, sender);
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autofree char *driver_name = vf_options_take_string(options, "driver", NULL);
    g_autoptr(GVariant) lease = vf_options_take_value(options, "lease", G_VARIANT_TYPE_OBJECT_PATH);
    VfDriver *driver;

    attach->name = vf_options_take_string(options, "name", NULL);
    if (!vf_options_check(options, error))
        return NULL;
    driver = choose_driver(self, driver_name, error);
    if (!driver || (attach->name && !check_name(attach->name, error)) ||
        !check_label(self, NULL, attach->name ? attach->name : "", "", error) ||
        !check_room(self, uid, error))
        return NULL;
    if (lease) {
        attach->incoming =
            find_incoming(self, g_variant_get_string(lease, NULL), uid, driver, error);
        if (!attach->incoming)
            return NULL;
    }
    attach->domain = vf_domain_new(vf_driver_get_name(driver), uid, sender);
    if (attach->name)
        vf_domain_set_name(attach->domain, attach->name);
    vf_domain_set_options(attach->domain, vf_context_leave_options(dict, common));
    take_descriptors(self, attach->invocation, attach->domain);
    return driver;
}

/* The doubt of a job that has ended once is the guest's, too. */
static void
on_incoming_completed(VfJob *job, VfDomains *self)
{
    if (!vf_job_is_in_doubt(job))
        vf_domains_release(self, job);
}

static void
on_attached(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Attach) attach = data;
    VfDomains *self = attach->self;
    VfDomain *domain = attach->domain;
    Entry *entry = g_hash_table_lookup(self->entries, domain);
    GError *error = NULL;

    vf_driver_attach_finish(VF_DRIVER(source), result, &error);
    vf_domain_close_rest(domain);
    if (!error && entry->orphaned)
        error =
            g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("the caller left the bus"));
    if (!error && entry->ended)
        error = g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_DEVICE, _("the guest has ended"));
    if (!error && attach->name) /* whatever the hypervisor calls it */
        vf_domain_set_name(domain, attach->name);
    if (!error &&
        check_label(self, domain, vf_domain_get_name(domain), vf_domain_get_uuid(domain), &error))
        check_devices(self, domain, attach->incoming, &error);
    if (error) {
        if (attach->incoming) {
            vf_job_set_domain(attach->incoming, NULL);
            vf_domain_unuse(domain, vf_job_get_uuid(attach->incoming));
        }
        end_entry(entry, TRUE);
        vf_bus_return_error(attach->invocation, error);
        return;
    }
    if (attach->incoming)
        vf_job_set_holder(attach->incoming,
                          vf_driver_get_holder(VF_DRIVER(source), attach->incoming));
    export_entry(entry);
    vf_log(G_LOG_LEVEL_MESSAGE, VF_ABOUT(.sender = vf_domain_get_owner(domain)),
           "domain %s is attached by uid %u", vf_domain_get_label(domain),
           vf_domain_get_uid(domain));
    vferry_manager_complete_attach_domain(
        attach->manager, attach->invocation, NULL,
        g_dbus_interface_skeleton_get_object_path(G_DBUS_INTERFACE_SKELETON(entry->skeleton)));
    if (!attach->incoming)
        return;
    g_signal_connect_object(attach->incoming, "completed", G_CALLBACK(on_incoming_completed), self,
                            0);
    if (vf_job_get_outcome(attach->incoming)) /* meanwhile */
        on_incoming_completed(attach->incoming, self);
}

static gboolean
on_attach_domain(VferryManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *list,
                 GVariant *options, VfDomains *self)
{
    g_autoptr(Attach) attach = g_new0(Attach, 1);
    GError *error = NULL;
    VfDriver *driver;
    Entry *entry;

    attach->self = g_object_ref(self);
    attach->manager = g_object_ref(manager);
    attach->invocation = invocation;
    driver = take_options(attach, options, &error);
    if (!driver) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    if (attach->incoming) {
        vf_domain_use(attach->domain, vf_job_get_uuid(attach->incoming), NULL);
        vf_job_set_domain(attach->incoming, attach->domain);
    }
    entry = add_entry(self, attach->domain);
    entry->watch = vf_bus_watch(self->context->connection, vf_domain_get_owner(attach->domain),
                                on_owner_vanished, entry);
    vf_driver_attach_async(driver, attach->domain, attach->incoming, entry->attaching, on_attached,
                           attach);
    attach = NULL; /* on_attached() has it */
    return TRUE;
}

VfDriverHost *
vf_domains_get_host(VfDomains *self)
{
    return self->host;
}

VfDomains *
vf_domains_new(const VfContext *context, VfJobs *jobs, VfLeases *leases)
{
    VfDomains *self = g_object_new(VF_TYPE_DOMAINS, NULL);

    self->context = context;
    self->jobs = g_object_ref(jobs);
    self->leases = g_object_ref(leases);
    self->host = vf_driver_host_new(context->config);
    vf_uses_add(context->uses, check_use, self);
    g_signal_connect_object(self->host, "domain-added", G_CALLBACK(on_domain_added), self, 0);
    g_signal_connect_object(self->host, "domain-removed", G_CALLBACK(on_domain_removed), self, 0);
    g_signal_connect_object(context->registry, "device-added", G_CALLBACK(resolve_all), self, 0);
    g_signal_connect_object(context->registry, "device-removed", G_CALLBACK(resolve_all), self, 0);
    g_signal_connect_object(vf_objects_get_manager(context->objects), "handle-attach-domain",
                            G_CALLBACK(on_attach_domain), self, 0);
    return self;
}
