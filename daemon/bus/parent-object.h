/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "parent.h"
#include "vferry-dbus.h"

/* org.vferry1.Parent of @parent: its properties follow the parent's. */
VferryParent *vf_parent_object_new(VfParent *parent);
