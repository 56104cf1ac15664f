/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registry.h"
#include "model.h"
#include "session.h"
#include "driver.h"
