/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "check-domain.h"

#include <glib/gi18n-lib.h>

#include "documents.h"
#include "domain-view.h"
#include "find.h"

/* One guest that may go to one host, while it is looked at. */
typedef struct {
    const VfCheckDomain *about;
    VfCheck *check;
    GPtrArray *devices;   /* of VfDomainViewDevice */
    VfCapabilities *here; /* NULL: nobody has to know */
    VfCapabilities *there;
    VfConsumer *consumer; /* nullable */
    GHashTable *taken;    /* id of an offer -> how many of it are spoken for */
} Look;

static void
look_clear(Look *self)
{
    g_clear_pointer(&self->devices, g_ptr_array_unref);
    g_clear_pointer(&self->here, vf_capabilities_free);
    g_clear_pointer(&self->there, vf_capabilities_free);
    g_clear_pointer(&self->consumer, vf_consumer_free);
    g_clear_pointer(&self->taken, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Look, look_clear)

static void
say(Look *self, const char *what, VfBus *where, VfCheckVerdict verdict, const char *code,
    const char *sentence)
{
    vf_check_add(self->check, what, vf_bus_get_label(where), verdict, code, sentence);
}

/* --- at the source --- */

static void
look_at_state(Look *self)
{
    VfBus *here = self->about->here;
    const char *state = vferry_domain_get_state(self->about->domain);
    const char *job = vferry_domain_get_job(self->about->domain);
    g_autofree char *sentence = NULL;

    if (g_strcmp0(job, "/") != 0) {
        sentence = g_strdup_printf(_("job %s runs on it"), job);
        say(self, NULL, here, VF_CHECK_UNFIT, "busy", sentence);
    } else if (g_strcmp0(state, "running") != 0 && g_strcmp0(state, "paused") != 0) {
        sentence =
            g_strdup_printf(_("it is “%s”, and only one that runs or is paused migrates"), state);
        say(self, NULL, here, g_strcmp0(state, "unknown") == 0 ? VF_CHECK_UNKNOWN : VF_CHECK_UNFIT,
            "state", sentence);
    }
}

static void
look_at_reasons(Look *self, const VfDomainViewDevice *device)
{
    VfBus *here = self->about->here;

    if (device->migrates) {
        say(self, device->guest_address, here, VF_CHECK_FITS, "migrates", _("it migrates"));
        return;
    }
    for (char **reason = device->reasons; *reason; reason++)
        say(self, device->guest_address, here, VF_CHECK_UNFIT, "cannot-migrate", *reason);
    if (!device->reasons[0])
        say(self, device->guest_address, here, VF_CHECK_UNFIT, "cannot-migrate",
            _("it does not migrate"));
}

/* --- at the destination --- */

static void
say_refusals(Look *self, const VfDomainViewDevice *device, const VfOffers *offers)
{
    VfBus *there = self->about->there;

    for (guint i = 0; i < offers->refusals->len; i++) {
        const VfRefusal *refusal = offers->refusals->pdata[i];
        g_autofree char *sentence = refusal->id
                                        ? g_strdup_printf("%s: %s", refusal->id, refusal->reason)
                                        : g_strdup(refusal->reason);

        say(self, device->guest_address, there, VF_CHECK_UNFIT, refusal->code, sentence);
    }
    if (offers->refusals->len == 0)
        say(self, device->guest_address, there, VF_CHECK_UNFIT, "no-offer",
            _("nothing there is of its model"));
}

/* The best that the guest's other devices leave. */
static const VfOffer *
choose(Look *self, const VfOffers *offers)
{
    for (guint i = 0; i < offers->offers->len; i++) {
        const VfOffer *offer = offers->offers->pdata[i];
        guint64 taken = GPOINTER_TO_SIZE(g_hash_table_lookup(self->taken, offer->id));

        if (taken >= offer->left)
            continue;
        g_hash_table_insert(self->taken, g_strdup(offer->id), GSIZE_TO_POINTER(taken + 1));
        return offer;
    }
    return NULL;
}

static void
say_offer(Look *self, const VfDomainViewDevice *device, const VfOffers *offers)
{
    const VfOffer *offer = choose(self, offers);
    const VfOffer *best = offers->offers->pdata[0];
    g_autofree char *sentence = NULL;

    if (!offer) {
        sentence =
            g_strdup_printf(_("%s: no more is left beside the guest's other devices"), best->id);
        say(self, device->guest_address, self->about->there, VF_CHECK_UNFIT, "no-room", sentence);
        return;
    }
    sentence =
        offer->reason ? g_strdup_printf("%s: %s", offer->id, offer->reason) : g_strdup(offer->id);
    say(self, device->guest_address, self->about->there,
        offer->verdict == VF_VERDICT_UNKNOWN ? VF_CHECK_UNKNOWN : VF_CHECK_FITS,
        offer->code ? offer->code : vf_report_verdict_to_string(offer->verdict), sentence);
}

static void
look_for_place(Look *self, const VfDomainViewDevice *device)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRequirement) requirement =
        device->id ? vf_documents_take_requirement(self->here, device->id, &error) : NULL;
    g_autoptr(VfOffers) offers = NULL;
    VfFindQuery query = {.requirement = requirement,
                         .consumer = self->consumer,
                         .devices = self->devices->len,
                         .all_refusals = self->about->all_refusals};

    if (!requirement) {
        say(self, device->guest_address, self->about->here, VF_CHECK_UNKNOWN, "unknown-device",
            error ? error->message : _("vferry does not know it, nor what it needs elsewhere"));
        return;
    }
    offers = vf_find_in_capabilities(&query, self->there);
    if (offers->offers->len > 0)
        say_offer(self, device, offers);
    else
        say_refusals(self, device, offers);
}

/* --- all of it --- */

/* What uses the devices there is what uses them here. */
static VfConsumer *
find_consumer(VferryDomain *domain)
{
    const char *driver = vferry_domain_get_driver(domain);

    return driver ? vf_consumer_parse(driver, NULL) : NULL;
}

static gboolean
ask(Look *self, GError **error)
{
    self->here = vf_documents_ask_bus(self->about->here, error);
    self->there = self->here ? vf_documents_ask_bus(self->about->there, error) : NULL;
    return self->there != NULL;
}

gboolean
vf_check_domain(const VfCheckDomain *about, VfCheck *check, GError **error)
{
    g_auto(Look) self = {.about = about, .check = check};

    self.devices = vf_domain_view_list_devices(about->here, about->domain);
    self.consumer = find_consumer(about->domain);
    self.taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (about->there && !ask(&self, error))
        return FALSE;
    look_at_state(&self);
    if (self.devices->len == 0)
        say(&self, NULL, about->here, VF_CHECK_UNFIT, "no-device", _("it has no VFIO device"));
    for (guint i = 0; i < self.devices->len; i++) {
        const VfDomainViewDevice *device = self.devices->pdata[i];

        look_at_reasons(&self, device);
        if (about->there && device->migrates)
            look_for_place(&self, device);
    }
    return TRUE;
}
