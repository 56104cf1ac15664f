/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

G_DECLARE_FINAL_TYPE(VfEnd, vf_end, VF, END, GObject)
