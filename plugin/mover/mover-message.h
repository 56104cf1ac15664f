/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "control.h"
#include "mover-reply.h"
#include "progress.h"

G_BEGIN_DECLS

/* The messages of a mover as values, every one checked for type, range and names; PEER on error. */

/* @device_bytes backs VfProgress.device_bytes and must live as long. */
gboolean vf_mover_message_parse_progress(VfControlMessage *message, VfProgress *progress,
                                         GVariant **device_bytes, GError **error);
gboolean vf_mover_message_parse_listening(VfControlMessage *message, char **address, guint16 *port,
                                          GError **error);
/* @key is the one text argument. Free with g_free(). */
char *vf_mover_message_parse_text(VfControlMessage *message, const char *key, GError **error);
VfMoverReply *vf_mover_message_parse_result(VfControlMessage *message, GError **error);

G_END_DECLS
