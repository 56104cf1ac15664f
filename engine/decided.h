/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/* What was decided is carried out without the peer: by the record of a worker that died, or because
 * somebody has said so (Job.Resolve). vf_past_recall() has been called. */

/* At a source: it runs again, `returned`. What nobody has touched stays as it is. */
void vf_decided_return(VfSession *session, GError **error);

/* At a destination: it runs, `started`. */
void vf_decided_start(VfSession *session, GError **error);
