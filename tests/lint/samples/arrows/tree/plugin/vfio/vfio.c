/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vfio.h"
#include "driver.h"
#include "device.h"
#include "mover.h"
#include "registry.h"
#include "session.h"
#include "qemu.h"
#include "leases.h"
#include "ledger.h"
#include "../work/leases.h"
#include <ledger.h>
#include <glib.h>
