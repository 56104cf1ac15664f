/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* /etc/vferry/vferry.conf, read once at start-up:
 *
 *     [migration]
 *     # local address that destinations listen at; none: `address` must be given to Prepare
 *     address=10.77.0.2
 *     port-min=49300
 *     port-max=49399
 *     # bytes of state that a source may send for one migration
 *     size-max=274877906944
 *     # whether the kernel is asked through a descriptor taken out of a process that was attached,
 *     # where there is no other (docs/guests.md, "Who asks the kernel"); no
 *     accept-from-process=no
 */
typedef struct {
    char *address; /* NULL: none */
    guint16 port_min;
    guint16 port_max;
    guint64 size_max;
    gboolean accept_from_process;
} VfConfigFile;

/* A file that does not exist is the default. INVALID_ARGUMENT names the file, the key and the rule;
 * unknown keys are refused. */
VfConfigFile *vf_config_file_load(const char *path, GError **error);
void vf_config_file_free(VfConfigFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfConfigFile, vf_config_file_free)

/* An IPv4 or IPv6 address as text that one can listen at (not 0.0.0.0 or ::), an IPv6 one may end
 * in %<interface>. */
gboolean vf_config_file_check_address(const char *address, GError **error);
