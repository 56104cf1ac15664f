/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model.h"
#include "vferry-dbus.h"

/* org.vferry1.Model of @model, which is immutable: so are the properties. It answers GetXml. */
VferryModel *vf_model_object_new(VfModel *model);
