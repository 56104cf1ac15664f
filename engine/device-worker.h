/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "worker.h"

/* What makes a worker vferry-mover: its sessions are about devices whose state it reads and writes
 * itself, and it opens and inspects them. */

typedef struct {
    /* Makes a device of a descriptor, which it owns then. */
    VfBackend *(*adopt)(int fd, gpointer data);
    gpointer data;
} VfDeviceMaker;

/* In the sandbox, where there is one. @maker must outlive @worker. */
void vf_device_worker_init(VfWorker *worker, const VfDeviceMaker *maker);
