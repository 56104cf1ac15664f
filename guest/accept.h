/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "accept-process.h"
#include "worker.h"

/* What makes a worker vferry-accept: it asks the kernel whether it takes the state that a
 * hypervisor has loaded into a device, as setting the device going would, while nothing is decided
 * yet. One device, one question, then it ends (docs/guests.md, "Who asks the kernel"). The ioctl
 * may block for as long as the driver likes: who starts it waits no longer than a deadline. */

/* In the sandbox, where there is one. @places must outlive @worker. */
void vf_accept_worker_init(VfWorker *worker, const VfAcceptPlaces *places);
