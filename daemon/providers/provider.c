/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "provider.h"

const VfProvider *
vf_provider_find(GPtrArray *providers, const char *kind)
{
    for (guint i = 0; i < providers->len; i++) {
        const VfProvider *provider = providers->pdata[i];

        if (g_str_equal(provider->kind, kind))
            return provider;
    }
    return NULL;
}

VfMaking *
vf_provider_find_made(GPtrArray *providers, GPtrArray *entries, GVariant *create)
{
    const char *kind = VF_PROVIDER_FIRST;
    const VfProvider *provider;

    g_variant_lookup(create, "provider", "&s", &kind);
    provider = vf_provider_find(providers, kind);
    return provider ? provider->find(entries, create) : NULL;
}
