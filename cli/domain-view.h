/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "json.h"

/* A guest and its devices, for people and for programs. */

/* A device of a domain, as Domain.Devices has it and the device's own object adds to it. */
typedef struct {
    char *guest_address;
    char *host_address;
    char *path;  /* of its object; NULL: vferry does not know it */
    char *id;    /* NULL as @path, or when it has just gone */
    char *model; /* NULL: not known */
    gboolean migrates;
    char **reasons; /* empty, never NULL */
} VfDomainViewDevice;

/* An array of VfDomainViewDevice in the guest's order; free with g_ptr_array_unref(). What another
 * version of the daemon does not say is "" or NULL. */
GPtrArray *vf_domain_view_list_devices(VfBus *bus, VferryDomain *domain);

/* The table of @domains, an array of VferryDomain; each line ended. Free with g_free(). */
char *vf_domain_view_format(GPtrArray *domains, gboolean colour);

/* Every property, and of each device the id and the model, too. */
JsonNode *vf_domain_view_json(VfBus *bus, VferryDomain *domain);

/* All about one, or its JSON as the one document. */
VfExit vf_domain_view_show(const VfCli *cli, VfBus *bus, VferryDomain *domain);
