/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"
#include "driver.h"
