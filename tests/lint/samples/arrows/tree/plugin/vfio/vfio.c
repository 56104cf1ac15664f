/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vfio.h"
#include "driver.h"
#include "registry.h"
#include "session.h"
#include "qemu.h"
