/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device.h"
#include "domain.h"

G_BEGIN_DECLS

/* What a job is about: bare devices, or a guest with those that it has. Owns nothing. */
typedef struct {
    VfDevice *const *devices; /* bare ones, at least one; NULL with a domain */
    guint n_devices;
    VfDomain *domain; /* NULL with bare devices */
} VfSubject;

G_END_DECLS
