/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "decided.h"

#include "past.h"

void
vf_decided_return(VfSession *session, GError **error)
{
    g_autoptr(GError) silent = NULL;

    /* the others' guests are no worse off for it, and it may run all the same */
    (void)vf_devices_load_info(session->devices, &silent);
    if (!session->touched && !vf_devices_have_past(session->devices, VF_DEVICE_TOUCHED))
        return;
    vf_devices_look_for_resets(session->devices);
    if (!session->committed)
        vf_past_mark_returning(session);
    else if (!vf_past_mark(session, "returning", error))
        return;
    if (vf_session_give_back(session, error))
        vf_session_note(session, "returned");
    else if (silent)
        g_prefix_error(error, "%s; ", silent->message);
}

void
vf_decided_start(VfSession *session, GError **error)
{
    if (vf_devices_load_info(session->devices, error) &&
        vf_devices_expect_loaded(session->devices, error) &&
        vf_past_mark(session, "starting", error) && vf_session_run(session, error))
        vf_session_note(session, "started");
}
