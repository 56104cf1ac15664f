/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/* Listens and runs the destination's side to its end. */
void vf_destination_run(VfSession *session, VfSessionEnd *end);
