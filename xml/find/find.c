/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "find.h"

#include <glib/gi18n-lib.h>

#include "compare.h"

/* How far what is refused is from an answer. */
typedef enum {
    DISTANCE_NOT_FREE,   /* it fits, but is taken */
    DISTANCE_CONSUMER,   /* it fits, but not who is to use it */
    DISTANCE_PARAMETERS, /* and one more for each line of the report that says so */
    DISTANCE_NOT_MIGRATABLE = 10000,
    DISTANCE_MODEL,
} Distance;

/* What a query says of a class. */
typedef struct {
    gboolean known;
    gboolean fits;
    VfVerdict verdict; /* of the comparison, and, when it fits, of the offer */
    guint distance;    /* when it does not fit */
    /* GRefString, each nullable */
    char *code;
    char *reason;
    char *kind; /* these when it was in an answer */
    char *how;
    char *type;
} Evaluation;

struct VfFinder {
    VfFindQuery query;
    VfConsumer *consumer;
    VfFleet *host;       /* one document at a time */
    GArray *evaluations; /* of Evaluation, by class */
    VfOffers *offers;
    VfOffer *worst; /* of the best; nullable: there is room for all */
    char *no_room;  /* code and reason; GRefString */
    char *no_room_reason;
};

static void
evaluation_clear(gpointer data)
{
    Evaluation *self = data;

    g_clear_pointer(&self->code, g_ref_string_release);
    g_clear_pointer(&self->reason, g_ref_string_release);
    g_clear_pointer(&self->kind, g_ref_string_release);
    g_clear_pointer(&self->how, g_ref_string_release);
    g_clear_pointer(&self->type, g_ref_string_release);
}

VfFinder *
vf_finder_new(const VfFindQuery *query)
{
    VfFinder *self = g_new0(VfFinder, 1);

    self->query = *query;
    vf_requirement_ref(query->requirement);
    self->consumer = query->consumer ? vf_consumer_copy(query->consumer) : NULL;
    self->query.consumer = self->consumer;
    self->evaluations = g_array_new(FALSE, TRUE, sizeof(Evaluation));
    g_array_set_clear_func(self->evaluations, evaluation_clear);
    self->offers = vf_offers_new(query->requirement, query->consumer);
    self->no_room = g_ref_string_new(VF_REPORT_CODE_NO_ROOM);
    self->no_room_reason = g_ref_string_new(_("No more of these can be made now."));
    return self;
}

void
vf_finder_free(VfFinder *self)
{
    vf_requirement_unref(self->query.requirement);
    g_clear_pointer(&self->consumer, vf_consumer_free);
    g_clear_pointer(&self->host, vf_fleet_free);
    g_array_unref(self->evaluations);
    vf_offers_free(self->offers);
    g_ref_string_release(self->no_room);
    g_ref_string_release(self->no_room_reason);
    g_free(self);
}

/* --- a class */

/* Takes @reason; NULL: without one. */
static void
say(Evaluation *self, const char *code, char *reason)
{
    g_clear_pointer(&self->code, g_ref_string_release);
    g_clear_pointer(&self->reason, g_ref_string_release);
    self->code = g_ref_string_new(code);
    self->reason = reason ? g_ref_string_new(reason) : NULL;
    g_free(reason);
}

static void
refuse(Evaluation *self, guint distance, const char *code, char *reason)
{
    self->fits = FALSE;
    self->distance = distance;
    say(self, code, reason);
}

static guint
distance_of(const char *code, guint lines)
{
    if (g_str_equal(code, VF_REPORT_CODE_MODEL_DIFFERS) ||
        g_str_equal(code, VF_REPORT_CODE_MODEL_UNKNOWN))
        return DISTANCE_MODEL;
    if (g_str_equal(code, VF_REPORT_CODE_NOT_MIGRATABLE))
        return DISTANCE_NOT_MIGRATABLE;
    return MIN(DISTANCE_PARAMETERS + lines, DISTANCE_NOT_MIGRATABLE - 1);
}

/* Why the report does not simply say yes: the code of the first line that decides, the sentences of
 * all. */
static void
take_report(Evaluation *self, const VfReport *report)
{
    g_autoptr(GError) error = NULL;
    const char *code = NULL;
    guint lines = 0;

    vf_report_check(report, &error);
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        if (line->verdict != report->verdict)
            continue;
        code = code ?: line->code;
        lines++;
    }
    code = code ?: VF_REPORT_CODE_RULE_UNDECIDED;
    self->distance = distance_of(code, lines);
    say(self, code, g_strdup(error->message));
}

static void
compare(Evaluation *self, const VfFindQuery *query, const VfFleetClass *class)
{
    const VfShape *shape = class->shape;
    VfVerdict verdict =
        vf_compare_verdict(query->requirement, class->model, shape->values, shape->settable);
    g_autoptr(VfReport) report = NULL;

    self->verdict = verdict;
    self->fits = verdict != VF_VERDICT_INCOMPATIBLE;
    if (verdict == VF_VERDICT_IDENTICAL || verdict == VF_VERDICT_SUPERSET)
        return;
    report =
        vf_compare_requirement(query->requirement, class->model, shape->values, shape->settable);
    take_report(self, report);
}

static gboolean
migration_is_known(const VfShape *shape)
{
    return shape->is_device && !g_str_equal(shape->migration_source, "unknown");
}

static void
check_p2p(Evaluation *self, const VfFindQuery *query, const VfShape *shape)
{
    if (query->devices < 2 || !query->consumer || !vf_consumer_needs_p2p(query->consumer) ||
        (migration_is_known(shape) && (shape->migration & VF_CAPABILITIES_P2P) != 0))
        return;
    /* not known when debugfs lists others: kernels before 6.18 do not list everything */
    if (migration_is_known(shape) && !g_str_equal(shape->migration_source, "debugfs")) {
        refuse(self, DISTANCE_CONSUMER, VF_REPORT_CODE_CONSUMER_CANNOT_USE,
               g_strdup(_("Several devices migrate together only when all of them have the P2P "
                          "states; this one has not.")));
        return;
    }
    if (self->verdict == VF_VERDICT_UNKNOWN)
        return;
    self->verdict = VF_VERDICT_UNKNOWN;
    say(self, VF_OFFERS_CODE_P2P_UNKNOWN,
        g_strdup(_("Several devices migrate together only when all of them have the P2P states; "
                   "whether this one has is not known.")));
}

static const Evaluation *
evaluate(VfFinder *finder, const VfFleet *fleet, guint class_id)
{
    const VfFindQuery *query = &finder->query;
    const VfFleetClass *class = vf_fleet_class(fleet, class_id);
    const VfShape *shape = class->shape;
    Evaluation *self;

    if (finder->evaluations->len <= class_id)
        g_array_set_size(finder->evaluations, class_id + 1);
    self = &g_array_index(finder->evaluations, Evaluation, class_id);
    if (self->known)
        return self;
    self->known = TRUE;
    compare(self, query, class);

    if (self->fits && migration_is_known(shape) && shape->migration == 0)
        refuse(self, DISTANCE_NOT_MIGRATABLE, VF_REPORT_CODE_NOT_MIGRATABLE,
               g_strdup(_("The device says that it cannot be migrated.")));
    if (self->fits && query->consumer) {
        const VfConsumerDevice device = {class->kind, shape->type, NULL, shape->usable_by};
        char *sentence = NULL;
        const char *code = vf_consumer_check(query->consumer, &device, &sentence);

        if (code)
            refuse(self, DISTANCE_CONSUMER, code, sentence);
    }
    if (self->fits)
        check_p2p(self, query, shape);
    if (self->fits && shape->is_device && !g_str_equal(shape->state, "idle"))
        refuse(self, DISTANCE_NOT_FREE, VF_REPORT_CODE_IN_USE,
               g_strdup_printf(_("The device is there, but its state is %s."), shape->state));
    return self;
}

/* --- the answer */

static char *
acquire(char *string)
{
    return string ? g_ref_string_acquire(string) : NULL;
}

/* Keeps twice as many as are wanted, so that it is seldom sorted. */
static void
cut(VfFinder *self)
{
    if (self->query.limit == 0 || self->offers->offers->len / 2 < self->query.limit)
        return;
    vf_offers_keep_best(self->offers, self->query.limit);
    self->worst = self->offers->offers->pdata[self->offers->offers->len - 1];
}

static void
take_offer(VfFinder *self, const VfFleet *fleet, const VfFleetHost *host, const VfFleetOffer *offer)
{
    Evaluation *evaluation = &g_array_index(self->evaluations, Evaluation, offer->class_id);
    const VfFleetClass *class = vf_fleet_class(fleet, offer->class_id);
    VfOffer candidate = {.host = host->id,
                         .name = host->name,
                         .id = (char *)offer->id,
                         .left = offer->left,
                         .verdict = evaluation->verdict};
    VfOffer *kept;

    self->offers->fitting++;
    if (self->worst && vf_offer_compare(&candidate, self->worst) >= 0)
        return;
    if (!evaluation->kind) {
        evaluation->kind = g_ref_string_new(class->kind);
        evaluation->how = g_ref_string_new(class->shape->is_device ? "use" : class->shape->how);
        evaluation->type = class->shape->type ? g_ref_string_new(class->shape->type) : NULL;
    }
    kept = g_new(VfOffer, 1);
    *kept = candidate;
    kept->host = acquire(host->id);
    kept->name = acquire(host->name);
    kept->id = g_ref_string_new(offer->id);
    kept->kind = acquire(evaluation->kind);
    kept->how = acquire(evaluation->how);
    kept->type = acquire(evaluation->type);
    kept->code = acquire(evaluation->code);
    kept->reason = acquire(evaluation->reason);
    kept->values = g_ptr_array_ref(class->shape->values);
    g_ptr_array_add(self->offers->offers, kept);
    cut(self);
}

static VfRefusal *
refusal_new(const VfFleetHost *host, const char *id, VfVerdict verdict)
{
    VfRefusal *refusal = g_new0(VfRefusal, 1);

    refusal->host = acquire(host->id);
    refusal->name = acquire(host->name);
    refusal->id = id ? g_ref_string_new(id) : NULL;
    refusal->verdict = verdict;
    return refusal;
}

static void
take_refusal(VfFinder *self, const VfFleetHost *host, const VfFleetOffer *offer)
{
    const Evaluation *evaluation = &g_array_index(self->evaluations, Evaluation, offer->class_id);
    VfRefusal *refusal = refusal_new(host, offer->id, evaluation->verdict);

    /* what fits and is refused nevertheless has no room */
    refusal->code = acquire(evaluation->fits ? self->no_room : evaluation->code);
    refusal->reason = acquire(evaluation->fits ? self->no_room_reason : evaluation->reason);
    vf_offers_take_refusal(self->offers, refusal);
}

static void
take_empty(VfFinder *self, const VfFleetHost *host)
{
    VfRefusal *refusal = refusal_new(host, NULL, VF_VERDICT_INCOMPATIBLE);
    g_autofree char *reason =
        g_strdup_printf(_("The host has nothing that is a %s."), self->query.requirement->model);

    refusal->code = g_ref_string_new(VF_REPORT_CODE_MODEL_UNKNOWN);
    refusal->reason = g_ref_string_new(reason);
    vf_offers_take_refusal(self->offers, refusal);
}

static guint
distance(const Evaluation *evaluation)
{
    return evaluation->fits ? DISTANCE_NOT_FREE : evaluation->distance;
}

static void
look_at(VfFinder *self, const VfFleet *fleet, const VfFleetHost *host)
{
    guint64 before = self->offers->fitting;
    const VfFleetOffer *nearest = NULL;
    guint nearest_distance = DISTANCE_MODEL;

    for (guint i = 0; i < host->n_offers; i++) {
        const VfFleetOffer *offer = vf_fleet_offer(fleet, host, i);
        const Evaluation *evaluation = evaluate(self, fleet, offer->class_id);
        if (evaluation->fits && offer->left > 0) {
            take_offer(self, fleet, host, offer);
        } else if (self->query.all_refusals) {
            take_refusal(self, host, offer);
        } else if (distance(evaluation) < nearest_distance) {
            nearest = offer;
            nearest_distance = distance(evaluation);
        }
    }
    self->offers->hosts++;
    if (self->offers->fitting > before)
        self->offers->fitting_hosts++;
    else if (nearest)
        take_refusal(self, host, nearest);
    else if (!self->query.all_refusals || host->n_offers == 0)
        take_empty(self, host);
}

/* --- where it looks */

VfOffers *
vf_find_in_fleet(const VfFindQuery *query, const VfFleet *fleet)
{
    g_autoptr(VfFinder) self = vf_finder_new(query);

    for (guint i = 0; i < fleet->hosts->len; i++)
        look_at(self, fleet, vf_fleet_host(fleet, i));
    return vf_finder_finish(self);
}

VfOffers *
vf_find_in_capabilities(const VfFindQuery *query, const VfCapabilities *capabilities)
{
    g_autoptr(VfFinder) self = vf_finder_new(query);

    vf_finder_add(self, capabilities, NULL);
    return vf_finder_finish(self);
}

/* The host that was added last is looked at and forgotten. */
static void
look_at_host(VfFinder *self)
{
    look_at(self, self->host, vf_fleet_host(self->host, 0));
    vf_fleet_clear(self->host);
    if (self->host->classes->len == 0)
        g_array_set_size(self->evaluations, 0);
}

static VfFleet *
need_host(VfFinder *self)
{
    if (!self->host)
        self->host = vf_fleet_new();
    return self->host;
}

void
vf_finder_add(VfFinder *self, const VfCapabilities *capabilities, const char *where)
{
    vf_fleet_add(need_host(self), capabilities, where);
    look_at_host(self);
}

static gboolean
look_at_document(VfFinder *self, const char *where, GError *cause, GError **error)
{
    if (!cause) {
        look_at_host(self);
        return TRUE;
    }
    self->offers->hosts++;
    vf_offers_take_refusal(self->offers,
                           vf_refusal_new(NULL, where, VF_OFFERS_CODE_UNREADABLE, cause->message));
    g_propagate_error(error, cause);
    return FALSE;
}

gboolean
vf_finder_add_text(VfFinder *self, const char *text, gssize size, const char *where, GError **error)
{
    GError *cause = NULL;

    vf_fleet_add_text(need_host(self), text, size, where, &cause);
    return look_at_document(self, where, cause, error);
}

gboolean
vf_finder_add_file(VfFinder *self, const char *path, GError **error)
{
    GError *cause = NULL;

    vf_fleet_add_file(need_host(self), path, &cause);
    return look_at_document(self, path, cause, error);
}

void
vf_finder_add_unreachable(VfFinder *self, const char *peer, const char *reason)
{
    self->offers->hosts++;
    vf_offers_take_refusal(self->offers,
                           vf_refusal_new(NULL, peer, VF_OFFERS_CODE_UNREACHABLE, reason));
}

VfOffers *
vf_finder_finish(VfFinder *self)
{
    VfOffers *offers = self->offers;

    vf_offers_sort(offers, self->query.limit);
    self->offers = vf_offers_new(self->query.requirement, self->query.consumer);
    self->worst = NULL;
    return offers;
}
