/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

#include "vferry-dbus.h"

G_BEGIN_DECLS

#define VFERRY_TYPE_OFFER (vferry_offer_get_type())

/**
 * VferryOffer:
 *
 * One type of device that a parent can create: an element of the property Offers of
 * org.vferry1.Parent. Immutable and reference-counted; it does not follow the parent.
 */
typedef struct _VferryOffer VferryOffer;

GType vferry_offer_get_type(void);
VferryOffer *vferry_offer_ref(VferryOffer *self);
void vferry_offer_unref(VferryOffer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VferryOffer, vferry_offer_unref)

const char *vferry_offer_get_id(VferryOffer *self);
const char *vferry_offer_get_type_id(VferryOffer *self);
const char *vferry_offer_get_name(VferryOffer *self);
const char *vferry_offer_get_model(VferryOffer *self);
const char *vferry_offer_get_device_api(VferryOffer *self);
guint64 vferry_offer_get_left(VferryOffer *self);
GHashTable *vferry_offer_get_parameters(VferryOffer *self);

GPtrArray *vferry_parent_list_offers(VferryParent *parent);

G_END_DECLS
