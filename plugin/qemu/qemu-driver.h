/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "driver.h"

G_BEGIN_DECLS

/* Guests of a bare QEMU, whose monitor (QMP) somebody hands over with AttachDomain. vferry-guest
 * speaks to it; nothing that it says is read here but what that worker made of it. */
#define VF_TYPE_QEMU_DRIVER (vf_qemu_driver_get_type())
G_DECLARE_FINAL_TYPE(VfQemuDriver, vf_qemu_driver, VF, QEMU_DRIVER, VfDriver)

VfDriver *vf_qemu_driver_new(void);

G_END_DECLS
