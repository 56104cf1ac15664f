/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model.h"
#include "session.h"
#include "program.h"
