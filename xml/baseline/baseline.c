/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline.h"

static const char *const verdict_names[] = {
    [VF_BASELINE_FOUND] = "found",
    [VF_BASELINE_UNKNOWN] = "unknown",
    [VF_BASELINE_CONFLICT] = "conflict",
};

VfBaseline *
vf_baseline_new(void)
{
    VfBaseline *self = g_new0(VfBaseline, 1);

    self->exact = TRUE;
    self->undecided = g_ptr_array_new_with_free_func((GDestroyNotify)vf_baseline_line_free);
    self->conflicts = g_ptr_array_new_with_free_func((GDestroyNotify)vf_baseline_line_free);
    return self;
}

void
vf_baseline_free(VfBaseline *self)
{
    g_clear_pointer(&self->requirement, vf_requirement_unref);
    g_ptr_array_unref(self->undecided);
    g_ptr_array_unref(self->conflicts);
    g_free(self);
}

void
vf_baseline_line_free(VfBaselineLine *self)
{
    g_free(self->host);
    g_free(self->name);
    g_free(self->parameter);
    g_free(self->source);
    g_free(self->destination);
    g_free(self->code);
    g_free(self->sentence);
    g_free(self);
}

const char *
vf_baseline_verdict_to_string(VfBaselineVerdict verdict)
{
    return verdict_names[verdict];
}
