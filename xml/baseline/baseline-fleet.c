/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline.h"

VfBaseline *
vf_baseline_of_fleet(const VfFleet *fleet, const char *model_id, GError **error)
{
    g_autoptr(VfSupply) supply = vf_supply_new();

    for (guint i = 0; i < fleet->classes->len; i++) {
        const VfFleetClass *class = vf_fleet_class(fleet, i);
        vf_supply_add_class(supply, class->model, class->shape->values, class->shape->settable);
    }
    /* a device that exists is as good as an offer: that somebody has it now says nothing about what
     * the host can supply */
    for (guint i = 0; i < fleet->hosts->len; i++) {
        const VfFleetHost *host = vf_fleet_host(fleet, i);
        vf_supply_add_host(supply, host->id, host->name);
        for (guint j = 0; j < host->n_offers; j++)
            vf_supply_add_offer(supply, vf_fleet_offer(fleet, host, j)->class_id);
    }
    return vf_baseline_of_supply(supply, model_id, error);
}
