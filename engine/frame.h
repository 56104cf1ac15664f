/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One frame of docs/migration-stream.md: its header, and who may send what. Pure functions. */

#define VF_FRAME_MAGIC 0x59524656u
#define VF_FRAME_HEADER_SIZE 32
#define VF_FRAME_DATA_MAX (1024 * 1024)
#define VF_FRAME_OTHER_MAX (64 * 1024)
#define VF_FRAME_HELLO_MAX 4096
#define VF_FRAME_NO_DEVICE 0xffff
#define VF_FRAME_OPTIONAL 0x8000 /* types from here on may be skipped */

typedef enum {
    VF_FRAME_HELLO = 1,
    VF_FRAME_HELLO_REPLY = 2,
    VF_FRAME_DATA = 3,
    VF_FRAME_INITIAL_END = 4,
    VF_FRAME_INITIAL_LOADED = 5,
    VF_FRAME_DEVICE_END = 6,
    VF_FRAME_LOADED = 7,
    VF_FRAME_COMMIT = 8,
    VF_FRAME_STARTED = 9,
    VF_FRAME_HEARTBEAT = 10,
    VF_FRAME_ABORT = 11,
} VfFrameType;

typedef enum {
    VF_ROLE_SOURCE,
    VF_ROLE_DESTINATION,
} VfRole;

typedef struct {
    guint16 type;
    guint16 device;
    guint32 length;
    guint64 sequence;
    guint64 checksum; /* as received; vf_frame_pack() computes its own */
} VfFrameHeader;

/* Writes the header's bytes, and the checksum over them and @payload, to @bytes. */
void vf_frame_pack(const VfFrameHeader *header, const void *payload,
                   guint8 bytes[VF_FRAME_HEADER_SIZE]);

/* PEER unless @bytes are the header of a frame that @sender may send now to a receiver with
 * @n_devices devices: everything but the checksum is checked. */
gboolean vf_frame_unpack(const guint8 bytes[VF_FRAME_HEADER_SIZE], VfRole sender, guint n_devices,
                         guint64 sequence, VfFrameHeader *header, GError **error);

/* PEER unless the checksum is right. */
gboolean vf_frame_verify(const guint8 bytes[VF_FRAME_HEADER_SIZE], const VfFrameHeader *header,
                         const void *payload, GError **error);

/* "DATA" and so on; "(unknown)". Static. */
const char *vf_frame_type_name(guint type);
