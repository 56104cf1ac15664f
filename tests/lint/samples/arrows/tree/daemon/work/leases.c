/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "leases.h"
#include "registry.h"
#include "driver.h"
#include "mover.h"
#include "start.h"
