/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "providers.h"

#include "mdev.h"

static const VfProvider *const table[] = {&vf_mdev_provider};

GPtrArray *
vf_providers_new(void)
{
    GPtrArray *providers = g_ptr_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        g_ptr_array_add(providers, (gpointer)table[i]);
    return providers;
}
