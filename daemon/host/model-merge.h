/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "capabilities.h"
#include "registry.h"

/* One schema for each model id. A descriptor is one by itself; a driver describes each mdev type,
 * and only what that type can be: the host's schema then is the union (model-union.h), and
 * what is less than that is said of the type's offer and the device. */

/* Adds the model to the host's, or unites it with what is there of its id. */
void vf_host_models_add(VfCapabilities *host, VfModel *model);

/* What devices of @own, a type's or a device's own model, say of a parameter that only others of
 * the host's schema @whole have: it is off. Adds to @values (a list, value.h). */
void vf_host_models_fit_values(GPtrArray *values, const VfModel *own, const VfModel *whole);

/* Adds @offer, and takes ownership, to @offers: what its type leaves no choice of becomes a value.
 * Where it allows some of the values of @whole and no more, one offer for each of them is added. */
void vf_host_models_take_offer(GPtrArray *offers, VfCapabilitiesOffer *offer, const VfModel *own,
                               const VfModel *whole);

/* What all drivers say: a list of VfModel; free with g_ptr_array_unref(). */
GPtrArray *vf_host_models_of_kernel(VfRegistry *registry);
