/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vfio-side.h"

G_BEGIN_DECLS

/* The driver's function of that name. */
void vf_vfio_source_perform(VfJob *job, GTask *task);

void vf_vfio_source_ended(VfMoverSide *self, VfMoverReply *reply);

G_END_DECLS
