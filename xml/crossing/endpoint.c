/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "endpoint.h"

VfEndpoint *
vf_endpoint_new_tcp(const char *address, guint16 port)
{
    VfEndpoint *self = g_new0(VfEndpoint, 1);

    self->kind = VF_ENDPOINT_TCP;
    self->address = g_strdup(address);
    self->port = port;
    return self;
}

VfEndpoint *
vf_endpoint_new_path(VfEndpointKind kind, const char *path)
{
    VfEndpoint *self = g_new0(VfEndpoint, 1);

    self->kind = kind;
    self->path = g_strdup(path);
    return self;
}

void
vf_endpoint_free(VfEndpoint *self)
{
    g_free(self->address);
    g_free(self->path);
    g_free(self);
}

GPtrArray *
vf_endpoint_list_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)vf_endpoint_free);
}

const VfEndpoint *
vf_endpoint_find(GPtrArray *list, VfEndpointKind kind)
{
    for (guint i = 0; i < list->len; i++) {
        const VfEndpoint *endpoint = list->pdata[i];

        if (endpoint->kind == kind)
            return endpoint;
    }
    return NULL;
}
