/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "crossing.h"

/* The five calls of a migration, in order, and what happened is said. Nothing depends on the
 * caller: when it dies, the movers go on. */
VfExit vf_cross(VfCrossing *self);
