/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "plan.h"

#include <glib/gi18n-lib.h>

#include "compare.h"
#include "error.h"

void
vf_plan_free(VfPlan *self)
{
    g_object_unref(self->parent);
    g_clear_pointer(&self->settings, g_ptr_array_unref);
    g_clear_pointer(&self->requirement, vf_requirement_unref);
    g_clear_pointer(&self->overridden, vf_report_free);
    g_free(self->type);
    g_free(self->id);
    g_free(self);
}

/* Only what somebody named has to be so. */
static gboolean
check_given(const VfRequirement *requirement, const VfFacts *facts, GError **error)
{
    if (!facts->model || !vf_model_is(facts->model, requirement->model)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE, _("it is a %s, not a %s"),
                    facts->model ? facts->model->id : "?", requirement->model);
        return FALSE;
    }
    for (guint i = 0; i < requirement->values->len; i++) {
        const VfValue *wanted = requirement->values->pdata[i];
        const VfValue *is = vf_value_list_find(facts->values, wanted->name);

        if (is && g_strcmp0(is->value, wanted->value) == 0)
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE, _("%s is %s, not %s"),
                    wanted->name, is && is->value ? is->value : "?", wanted->value);
        return FALSE;
    }
    return TRUE;
}

gboolean
vf_plan_check(const VfPlan *self, const VfFacts *facts, GError **error)
{
    g_autoptr(VfReport) report = NULL;

    if (!self->requirement)
        return TRUE;
    if (self->partial)
        return check_given(self->requirement, facts, error);
    report = vf_compare_requirement(self->requirement, facts->model, facts->values, NULL);
    /* what it is must not be worse than what somebody has seen and taken */
    if (self->overridden && vf_report_can_override(report) &&
        vf_report_covers(self->overridden, report))
        return TRUE;
    return vf_report_check(report, error);
}
