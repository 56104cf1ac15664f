/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vfio-side.h"

G_BEGIN_DECLS

/* The driver's functions of these names. */
void vf_vfio_destination_place(VfJob *job, GTask *task);
void vf_vfio_destination_listen(VfJob *job, GTask *task);

G_END_DECLS
