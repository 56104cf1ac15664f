/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider.h"

G_BEGIN_DECLS

/* mdevs, each under its UUID on its parent, as the mdev core of the kernel makes and removes them.
 *
 * Of one that a record only announces, what is there now is taken for it if nobody else can have
 * thought of the UUID, which was drawn at random; else it may be another one, as may that of a
 * daemon which noted no inodes. */
extern const VfProvider vf_mdev_provider;

G_END_DECLS
