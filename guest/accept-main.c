/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "accept.h"

int
main(int argc, char **argv)
{
    static const VfAcceptPlaces places = {.groups = "/sys/class/vfio",
                                          .yama = "/proc/sys/kernel/yama/ptrace_scope"};
    VfWorker worker;

    vf_accept_worker_init(&worker, &places);
    return vf_worker_main(argc, argv, &worker);
}
