/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Who is to use a device: what is an offer for one is none for another. What each can do, from
 * which version on, is in consumer.c alone, with its sources. */

typedef enum {
    VF_CONSUMER_VFIO, /* a program of its own that opens the device, as our engine does */
    VF_CONSUMER_QEMU,
    VF_CONSUMER_LIBVIRT, /* libvirt with QEMU */
} VfConsumerKind;

typedef struct {
    VfConsumerKind kind;
    char *version; /* nullable: not known, then only what no version can is refused; "10.0.13" */
} VfConsumer;

/* "vfio", "qemu", "qemu=10.0", "libvirt=11.3.0". INVALID_ARGUMENT. */
VfConsumer *vf_consumer_parse(const char *text, GError **error);
VfConsumer *vf_consumer_copy(const VfConsumer *self);
void vf_consumer_free(VfConsumer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfConsumer, vf_consumer_free)

/* What vf_consumer_parse() takes. Free with g_free(). */
char *vf_consumer_format(const VfConsumer *self);

/* "vfio", "qemu", "libvirt", as in an offer's usable-by. */
const char *vf_consumer_kind_to_string(VfConsumerKind kind);

/* What a consumer looks at. */
typedef struct {
    const char *kind;       /* "mdev", "pci", "vfio-user" */
    const char *type;       /* nullable: the mdev type's id */
    const char *device_api; /* nullable: "vfio-pci", "vfio-ap", "vfio-ccw" */
    char *const *usable_by; /* nullable: its host does not say */
} VfConsumerDevice;

/* NULL: it can use and migrate such a device. Else VF_REPORT_CODE_CONSUMER_CANNOT_USE or
 * VF_REPORT_CODE_CONSUMER_TOO_OLD, and *@sentence, which is freed with g_free(), says why. */
const char *vf_consumer_check(const VfConsumer *self, const VfConsumerDevice *device,
                              char **sentence);

/* Whether it migrates several devices together only when all of them have the P2P states. */
gboolean vf_consumer_needs_p2p(const VfConsumer *self);

/* For the usable-by of an offer: who can, in a version that is new enough; sorted. Free with
 * g_strfreev(). */
char **vf_consumer_list(const char *kind, const char *type, const char *device_api);
