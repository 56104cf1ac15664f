/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device-worker.h"
#include "vfio.h"

static VfBackend *
adopt_vfio(int fd, gpointer data)
{
    return vf_vfio_new(fd);
}

int
main(int argc, char **argv)
{
    static const VfDeviceMaker maker = {.adopt = adopt_vfio};
    VfWorker worker;

    vf_device_worker_init(&worker, &maker);
    return vf_worker_main(argc, argv, &worker);
}
