/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "channel.h"
#include "frame.h"

/* TLS 1.3 with a pre-shared key and an ephemeral key exchange, and nothing else: no certificates,
 * tickets, resumption or early data. Which key, and what the other side may learn, is in
 * docs/migration-stream.md. */

#define VF_TLS_KEY_SIZE 32
#define VF_TLS_RANDOM_SIZE 32

/* What one side of one job knows: the source is TLS's client, the destination its server. Shared by
 * any number of channels whose handshake is under way; lives as long as the longest of them. */
typedef struct VfTls VfTls;

/* Parses and allocates all that needs no peer; opens no file. FAILED when this host's policy or
 * library does not do what the stream needs. */
VfTls *vf_tls_new(VfRole role, const char *job, const guint8 key[VF_TLS_KEY_SIZE], GError **error);
void vf_tls_free(VfTls *self); /* wipes the key */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfTls, vf_tls_free)

/* A channel whose handshake has not begun. Takes ownership of @fd, a connected socket. */
VfChannel *vf_tls_wrap(VfTls *self, int fd, GError **error);

/* The next step of the handshake of a channel of vf_tls_wrap(). WAIT: poll for POLLIN, and for
 * POLLOUT while something is unsent. DONE: it is over, the channel works and needs its VfTls no
 * more. END: the other side hung up before, without a word. ERROR with PEER: it does not have the
 * key, or does not speak the protocol; it was told with an alert if it could be. */
VfChannelResult vf_tls_handshake(VfChannel *channel, GError **error);

/* Half-way, at a destination: what the other side has sent was made with the key, so that it is the
 * source, or somebody who repeats what the source has sent. @random tells apart what was: the
 * source never says the same again. */
gboolean vf_tls_is_known(VfChannel *channel, guint8 random[VF_TLS_RANDOM_SIZE]);
