/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A UUID that stays the same as long as the host's machine-id does, and does not reveal it: what
 * sd_id128_get_machine_app_specific(3) makes of it for our application id. @path as machine-id(5);
 * FAILED when there is none, or it is not initialised. Free with g_free(). */
char *vf_host_read_id(const char *path, GError **error);

/* This boot's id, which is random (sd_id128_get_boot(3)): 32 hexadecimal digits, or "" when it
 * cannot be read. mdevs do not outlive a boot, files of ours do. */
const char *vf_host_get_boot(void);

#define VF_HOST_MACHINE_ID "/etc/machine-id"
