/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "baseline.h"

/* Fills in who can supply @requirement, why the others cannot or may not, and the verdict. */
void vf_baseline_explain(VfBaseline *self, const VfSupply *supply, const VfPool *pool,
                         const VfRequirement *requirement);
