/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "choice.h"

#include <glib/gi18n-lib.h>

#include "error.h"

#define STATE_IDLE "idle"

/* What is asked. */
typedef struct {
    const VfRequirement *requirement;
    const VfCapabilities *capabilities;
    const VfConsumer *consumer;
} Question;

/* The best so far. */
typedef struct {
    VfChoice choice;
    guint rank;
    guint against; /* lines that say no */
    guint64 left;
} Best;

void
vf_choice_clear(VfChoice *self)
{
    g_clear_pointer(&self->report, vf_report_free);
}

static VfReport *
compare(const Question *question, const char *model_id, GPtrArray *values, char *const *settable)
{
    VfModel *model = model_id ? vf_capabilities_find_model(question->capabilities, model_id) : NULL;

    return vf_compare_requirement(question->requirement, model, values, settable);
}

static void
ask_consumer(const Question *question, const VfConsumerDevice *device, VfReport *report)
{
    g_autofree char *sentence = NULL;
    const char *code =
        question->consumer ? vf_consumer_check(question->consumer, device, &sentence) : NULL;

    if (code)
        vf_report_take_line(
            report, vf_report_line_new(VF_REPORT_CONSUMER, code, g_steal_pointer(&sentence)));
}

/* Takes @report. */
static void
consider(Best *best, const char *object, const char *how, guint64 left, VfReport *report)
{
    guint rank = vf_report_rank(report);
    guint against = 0;
    gboolean better;

    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        against += line->verdict == VF_VERDICT_INCOMPATIBLE ? 1 : 0;
    }

    if (!best->choice.report)
        better = TRUE;
    else if (rank != best->rank)
        better = rank < best->rank;
    else
        better = against != best->against ? against < best->against : left > best->left;
    if (!better) {
        vf_report_free(report);
        return;
    }
    vf_choice_clear(&best->choice);
    *best = (Best){{object, how, report}, rank, against, left};
}

static void
consider_offer(const Question *question, const VfCapabilitiesParent *parent,
               const VfCapabilitiesOffer *offer, Best *best)
{
    VfReport *report = compare(question, offer->model, offer->values, offer->settable);

    ask_consumer(question,
                 &(VfConsumerDevice){
                     .kind = parent->kind, .type = offer->type, .usable_by = offer->usable_by},
                 report);
    consider(best, offer->id, "create", offer->left, report);
}

static void
consider_device(const Question *question, const VfCapabilitiesDevice *device, Best *best)
{
    VfReport *report = compare(question, device->model, device->values, NULL);

    /* the same is a refusal of find.c */
    if (device->migration == 0 && !g_str_equal(device->migration_source, "unknown"))
        vf_report_take_line(
            report, vf_report_line_new(VF_REPORT_MODEL, VF_REPORT_CODE_NOT_MIGRATABLE,
                                       g_strdup(_("The device says that it cannot be migrated."))));
    ask_consumer(question, &(VfConsumerDevice){.kind = device->kind}, report);
    consider(best, device->id, "use", 1, report);
}

static gboolean
is_of_model(const Question *question, const char *model_id)
{
    const VfModel *model =
        model_id ? vf_capabilities_find_model(question->capabilities, model_id) : NULL;

    return model && vf_model_is(model, question->requirement->model);
}

static void
consider_parent(const Question *question, const VfCapabilitiesParent *parent, Best *best)
{
    for (guint i = 0; i < parent->offers->len; i++) {
        const VfCapabilitiesOffer *offer = parent->offers->pdata[i];

        if (is_of_model(question, offer->model))
            consider_offer(question, parent, offer, best);
    }
}

/* Nothing there is of the model. */
static VfChoice
finish(const Question *question, Best *best)
{
    g_autoptr(GPtrArray) nothing = vf_value_list_new();

    if (!best->choice.report)
        best->choice.report = vf_compare_requirement(question->requirement, NULL, nothing, NULL);
    return best->choice;
}

VfChoice
vf_choice_of_host(const VfRequirement *requirement, const VfCapabilities *capabilities,
                  const VfConsumer *consumer)
{
    const Question question = {requirement, capabilities, consumer};
    Best best = {0};

    for (guint i = 0; i < capabilities->parents->len; i++)
        consider_parent(&question, capabilities->parents->pdata[i], &best);
    for (guint i = 0; i < capabilities->devices->len; i++) {
        const VfCapabilitiesDevice *device = capabilities->devices->pdata[i];

        if (is_of_model(&question, device->model) && g_str_equal(device->state, STATE_IDLE))
            consider_device(&question, device, &best);
    }
    return finish(&question, &best);
}

/* FALSE: neither a parent nor an offer has this id. */
static gboolean
look_at_parents(const Question *question, const char *id, Best *best)
{
    GPtrArray *parents = question->capabilities->parents;

    for (guint i = 0; i < parents->len; i++) {
        const VfCapabilitiesParent *parent = parents->pdata[i];

        if (g_str_equal(parent->id, id)) {
            consider_parent(question, parent, best);
            return TRUE;
        }
        for (guint j = 0; j < parent->offers->len; j++) {
            const VfCapabilitiesOffer *offer = parent->offers->pdata[j];

            if (!g_str_equal(offer->id, id))
                continue;
            consider_offer(question, parent, offer, best);
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
look_at_devices(const Question *question, const char *id, Best *best)
{
    GPtrArray *devices = question->capabilities->devices;

    for (guint i = 0; i < devices->len; i++) {
        const VfCapabilitiesDevice *device = devices->pdata[i];

        if (!g_str_equal(device->id, id))
            continue;
        consider_device(question, device, best);
        return TRUE;
    }
    return FALSE;
}

gboolean
vf_choice_of_object(const VfRequirement *requirement, const VfCapabilities *capabilities,
                    const char *id, VfChoiceOf of, const VfConsumer *consumer, VfChoice *choice,
                    GError **error)
{
    const Question question = {requirement, capabilities, consumer};
    Best best = {0};

    if ((of & VF_CHOICE_OF_DEVICE && look_at_devices(&question, id, &best)) ||
        (of & VF_CHOICE_OF_PARENT && look_at_parents(&question, id, &best))) {
        *choice = finish(&question, &best);
        return TRUE;
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                _("there is no device, parent or offer “%s” there"), id);
    return FALSE;
}
