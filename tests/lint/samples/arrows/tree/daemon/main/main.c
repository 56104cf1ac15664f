/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registry.h"
#include "vfio.h"
