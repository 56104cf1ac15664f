/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "drivers.h"

#include "qemu-driver.h"
#include "vfio-driver.h"
#if VF_HAVE_DRIVER_FAKE
#include "fake-driver.h"
#endif

typedef struct {
    VfDriver *(*make)(void);
    gboolean fake;
} Entry;

static const Entry entries[] = {
    {vf_vfio_driver_new, FALSE},
    {vf_qemu_driver_new, FALSE},
#if VF_HAVE_DRIVER_FAKE
    {vf_fake_driver_new, TRUE},
#endif
};

GPtrArray *
vf_drivers_new(gboolean fake)
{
    GPtrArray *drivers = g_ptr_array_new_with_free_func(g_object_unref);

    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++)
        if (fake || !entries[i].fake)
            g_ptr_array_add(drivers, entries[i].make());
    return drivers;
}
