/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "control.h"
#include "session.h"

/* A request of docs/mover-control.md, checked and taken apart. */

typedef enum {
    VF_REQUEST_OPEN,
    VF_REQUEST_INSPECT,
    VF_REQUEST_RETURN,
    VF_REQUEST_START,
    VF_REQUEST_STOP,
    VF_REQUEST_SEND,
    VF_REQUEST_RECEIVE,
} VfRequestVerb;

typedef struct {
    VfRequestVerb verb;
    VfSession *session; /* all but open; the devices and, where there is one, the record */
    char *device;       /* open, and the next two */
    char *node;         /* its name in /dev/vfio/devices; "" when there is none */
    int group;
} VfRequest;

void vf_request_free(VfRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfRequest, vf_request_free)

/* Makes a device of a descriptor, which it owns then. */
typedef VfBackend *(*VfRequestAdopt)(int fd, gpointer data);

/* Takes the fds out of @message. INVALID_ARGUMENT or UNKNOWN_OPTION. */
VfRequest *vf_request_parse(VfControlMessage *message, VfRequestAdopt adopt, gpointer data,
                            GError **error);
