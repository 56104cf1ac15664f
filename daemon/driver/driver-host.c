/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "driver-host.h"

struct _VfDriverHost {
    GObject parent_instance;
    const VfConfigFile *config;
};

G_DEFINE_FINAL_TYPE(VfDriverHost, vf_driver_host, G_TYPE_OBJECT)

static void
vf_driver_host_class_init(VfDriverHostClass *class)
{
    static const char *const names[] = {"domain-added", "domain-removed"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_signal_new(names[i], G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                     G_TYPE_NONE, 1, VF_TYPE_DOMAIN);
}

static void
vf_driver_host_init(VfDriverHost *self)
{
}

VfDriverHost *
vf_driver_host_new(const VfConfigFile *config)
{
    VfDriverHost *self = g_object_new(VF_TYPE_DRIVER_HOST, NULL);

    self->config = config;
    return self;
}

const VfConfigFile *
vf_driver_host_get_config(VfDriverHost *self)
{
    return self->config;
}

void
vf_driver_host_add_domain(VfDriverHost *self, VfDomain *domain)
{
    g_signal_emit_by_name(self, "domain-added", domain);
}

void
vf_driver_host_remove_domain(VfDriverHost *self, VfDomain *domain)
{
    g_signal_emit_by_name(self, "domain-removed", domain);
}
