/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start.h"
#include "drivers.h"
#include "vfio.h"
