/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mover-order.h"

#include <glib/gi18n-lib.h>

#include "error.h"

#define LISTENING (1u << 0)
#define ATTACHED (1u << 1)

typedef struct {
    const char *word;
    guint bit;   /* of one that is said once */
    guint needs; /* what a destination has said before */
    gboolean only_receive;
} Word;

/* Of `send` and `receive`; the other requests have nothing but a result. */
static const Word words[] = {
    {"listening", LISTENING, 0, TRUE},
    {"attached", ATTACHED, LISTENING, TRUE},
    {"phase", 0, LISTENING, FALSE},
    {"progress", 0, LISTENING, FALSE},
};

void
vf_mover_order_begin(VfMoverOrder *self, const char *verb)
{
    *self = (VfMoverOrder){.verb = verb, .phase = VF_JOB_PREPARING};
}

void
vf_mover_order_resume(VfMoverOrder *self, const char *verb, const char *phase)
{
    vf_mover_order_begin(self, verb);
    self->adopted = TRUE;
    if (phase)
        vf_job_phase_from_string(phase, &self->phase);
}

static guint
find_needs(const Word *word, const char *verb)
{
    return g_str_equal(verb, "receive") ? word->needs : 0;
}

gboolean
vf_mover_order_take(VfMoverOrder *self, const char *name, GError **error)
{
    const Word *word = NULL;
    gboolean answers;

    for (gsize i = 0; i < G_N_ELEMENTS(words) && !word; i++)
        if (g_str_equal(words[i].word, name))
            word = &words[i];
    if (!word) /* the result, which every request has */
        return TRUE;
    answers = g_str_equal(self->verb, "receive") ||
              (!word->only_receive && g_str_equal(self->verb, "send"));
    if (!answers) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the mover said “%s”, which is no answer to “%s”"), name, self->verb);
        return FALSE;
    }
    if (self->said & word->bit) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the mover said “%s” a second time, or too late"), name);
        return FALSE;
    }
    if (find_needs(word, self->verb) & ~self->said && !self->adopted) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER, _("the mover said “%s” before “%s”"),
                    name, "listening");
        return FALSE;
    }
    /* of an adopted one, what the word needs was said, though not to us */
    self->said |= word->bit | find_needs(word, self->verb);
    return TRUE;
}

gboolean
vf_mover_order_take_phase(VfMoverOrder *self, const char *name, GError **error)
{
    VfJobPhase phase;

    if (!vf_job_phase_from_string(name, &phase) || phase == VF_JOB_PREPARING ||
        phase == VF_JOB_FINISHED) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the mover said “%s”, which is no phase: those are pre-copy, switchover, "
                      "loading, accepting and committing"),
                    name);
        return FALSE;
    }
    if (phase <= self->phase) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the mover said “%s” after “%s”: phases only go forward"), name,
                    vf_job_phase_to_string(self->phase));
        return FALSE;
    }
    self->phase = phase;
    return TRUE;
}
