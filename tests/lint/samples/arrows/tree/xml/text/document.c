/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "document.h"
#include "model.h"
