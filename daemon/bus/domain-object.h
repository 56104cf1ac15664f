/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain.h"
#include "objects.h"

/* org.vferry1.Domain of @domain: its properties follow the domain's. Detach is for VfDomains to
 * answer. */
VferryDomain *vf_domain_object_new(VfDomain *domain, VfObjects *objects);
