/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/* Connects and runs the source's side to its end. Whatever happens, each device ends in a state
 * that @end names. */
void vf_source_run(VfSession *session, VfSessionEnd *end);
