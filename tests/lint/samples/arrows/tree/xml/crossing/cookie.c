/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cookie.h"
#include "model.h"
#include "xml/compare/lines.h"
