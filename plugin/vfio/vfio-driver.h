/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "driver.h"

G_BEGIN_DECLS

/* Bare VFIO devices, without a hypervisor: a holder lends the open device, vferry-mover moves its
 * state, an adopter takes it over. */
#define VF_TYPE_VFIO_DRIVER (vf_vfio_driver_get_type())
G_DECLARE_FINAL_TYPE(VfVfioDriver, vf_vfio_driver, VF, VFIO_DRIVER, VfDriver)

VfDriver *vf_vfio_driver_new(void);

G_END_DECLS
