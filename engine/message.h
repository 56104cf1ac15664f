/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The payloads of docs/migration-stream.md that are more than a number: packed for the wire, and
 * parsed from bytes that nobody vouches for. On the wire a GVariant is little-endian and in normal
 * form. */

#define VF_MESSAGE_VERSION 1
#define VF_MESSAGE_FEATURES_MAX 32
#define VF_MESSAGE_WORD_MAX 64      /* of a job's or a feature's name */
#define VF_MESSAGE_SUBJECT_MAX 2048 /* of what a subject says of itself; a hello has 4 KiB */
#define VF_FEATURE_PRE_COPY "pre-copy"
#define VF_FEATURE_REINIT "pre-copy-reinit" /* INITIAL_END and INITIAL_LOADED can come again */

typedef struct {
    char *job;
    guint32 min;
    guint32 max;
    char **features;
    guint n_devices;
    guint32 lanes;     /* 0 where nothing is said */
    GVariant *subject; /* a{sv}; NULL: it says nothing of itself, or is none */
} VfHello;

void vf_hello_clear(VfHello *hello);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfHello, vf_hello_clear)

typedef struct {
    guint32 version;
    char **features;
    GVariant *subject; /* as above */
} VfHelloReply;

void vf_hello_reply_clear(VfHelloReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfHelloReply, vf_hello_reply_clear)

/* @flags: the migration flags of each device, @n_flags of them. */
GBytes *vf_message_pack_hello(const VfHello *hello, const guint32 *flags, gsize n_flags);
gboolean vf_message_parse_hello(const void *data, gsize size, VfHello *hello, GError **error);

/* @subject: nullable, not consumed. */
GBytes *vf_message_pack_reply(guint32 version, const char *const *features, GVariant *subject);
gboolean vf_message_parse_reply(const void *data, gsize size, VfHelloReply *reply, GError **error);

GBytes *vf_message_pack_abort(const GError *reason);
/* Always an error: PEER, or CANCELLED when that is what the peer says, with its words made fit to
 * print. */
GError *vf_message_parse_abort(const void *data, gsize size);
