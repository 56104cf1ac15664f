/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

#define VF_DOMAIN_DRIVER_DEFAULT "qemu"

/* The domain that @name means: its object path, UUID, name, or a unique beginning (of at least four
 * characters) of one of the last two. NOT_FOUND; INVALID_ARGUMENT when it is not unique. */
VferryDomain *vf_domain_find(VfBus *bus, const char *name, GError **error);

/* As it is now. NOT_FOUND when it has gone. */
VferryDomain *vf_domain_load(VfBus *bus, const char *path, GError **error);

/* What to call it in messages: its name, its UUID, or its path. Stays the domain's. */
const char *vf_domain_get_label(VferryDomain *domain);

/* How a guest is handed over. */
typedef struct {
    const char *monitor; /* path of its socket */
    const char *driver;  /* NULL: VF_DOMAIN_DRIVER_DEFAULT */
    const char *name;    /* NULL: as its hypervisor says */
    const char *lease;   /* the lease whose devices it has, at a destination; NULL: it runs here */
} VfDomainAttach;

/* Opens the monitor as the user and hands it over. INVALID_ARGUMENT when @bus is one that carries
 * no descriptors, NOT_SUPPORTED when the daemon takes no domains. The path of the domain, which is
 * there until our connection ends; free with g_free(). */
char *vf_domain_attach(VfBus *bus, const VfDomainAttach *how, GError **error);

/* For a guest that nothing is to happen to any more. A domain that has gone is detached. */
gboolean vf_domain_detach(VfBus *bus, VferryDomain *domain, GError **error);

/* The names of the options that say which guest is meant, and who may have it. */
typedef struct {
    char *monitor;
    char *name;
    char *driver;
} VfDomainWish;

void vf_domain_wish_clear(VfDomainWish *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfDomainWish, vf_domain_wish_clear)

/* The domain called @argument, or, where there is none, the guest of @wish, attached. */
VferryDomain *vf_domain_open(VfBus *bus, const char *argument, const VfDomainWish *wish,
                             GError **error);
