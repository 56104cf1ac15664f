/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "driver.h"

G_BEGIN_DECLS

/* A migration that only pretends, for tests of the bus: see the README beside it for its options.
 */
#define VF_TYPE_FAKE_DRIVER (vf_fake_driver_get_type())
G_DECLARE_FINAL_TYPE(VfFakeDriver, vf_fake_driver, VF, FAKE_DRIVER, VfDriver)

VfDriver *vf_fake_driver_new(void);

G_END_DECLS
