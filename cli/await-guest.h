/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "crossing.h"

/* Between Prepare and Perform of a guest: until a hypervisor waits at the destination, with the
 * devices of the lease, and is attached to it. *@who is the side that an error comes from.
 * CANCELLED when somebody has interrupted us. */
gboolean vf_await_guest(VfCrossing *crossing, VfBus **who, GError **error);
