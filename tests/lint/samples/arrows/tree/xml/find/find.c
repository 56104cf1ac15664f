/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lines.h"
#include "xml/text/lines.h"
