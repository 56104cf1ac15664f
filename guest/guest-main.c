/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "guest-worker.h"

int
main(int argc, char **argv)
{
    VfWorker worker;

    vf_guest_worker_init(&worker, &vf_guest_patience);
    return vf_worker_main(argc, argv, &worker);
}
