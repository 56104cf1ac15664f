/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vfio-side.h"

G_BEGIN_DECLS

/* The driver's function of that name. */
void vf_vfio_source_perform(VfJob *job, GTask *task);

/* VfMoverSideUncommitted: its devices run again. */
void vf_vfio_source_uncommitted(VfJob *job, VfOutcome *said);

G_END_DECLS
