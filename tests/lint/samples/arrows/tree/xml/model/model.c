/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/host/registry.h"
#include "model.h"
#include "number.h"
#include "document.h"
#include "cookie.h"
/* #include "registry.h" */
