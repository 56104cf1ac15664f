/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "guest-worker.h"

int
main(int argc, char **argv)
{
    static const VfGuestPatience hasty = {
        .greet_ms = 400, .answer_ms = 700, .turn_ms = 1500, .verdict_ms = 1500};
    VfWorker worker;

    vf_guest_worker_init(&worker, &hasty);
    return vf_worker_main(argc, argv, &worker);
}
