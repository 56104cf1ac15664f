/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "objects.h"

/* org.vferry1.Manager with the methods that only look: GetCapabilities and Lookup. The others are
 * for whoever implements them to connect to. */
VferryManager *vf_manager_object_new(VfObjects *objects, VfRegistry *registry, const char *host_id);

/* Before it has a name on the bus: one more of Features, for what not every daemon can. */
void vf_manager_object_announce(VferryManager *manager, const char *feature);
