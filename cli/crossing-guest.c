/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "crossing-guest.h"

#include "attach.h"

void
vf_crossing_guest_free(VfCrossingGuest *self)
{
    g_clear_pointer(&self->presence, vf_presence_free);
    g_clear_object(&self->domain);
    g_free(self->label);
    g_free(self->driver);
    g_free(self->start);
    g_free(self->monitor);
    g_free(self);
}

/* Copies: the proxy forgets what it knows when the daemon ends. */
void
vf_crossing_guest_set_domain(VfCrossingGuest *self, VfBus *here, VferryDomain *domain)
{
    self->domain = g_object_ref(domain);
    self->presence = vf_presence_new(here, g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)));
    self->label = g_strdup(vf_domain_get_label(domain));
    self->driver = g_strdup(vferry_domain_get_driver(domain));
}
