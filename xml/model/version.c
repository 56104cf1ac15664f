/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "version.h"

#include "value.h"

VfVersion *
vf_version_new(void)
{
    VfVersion *self = g_new0(VfVersion, 1);

    self->values = vf_value_list_new();
    return self;
}

VfVersion *
vf_version_copy(const VfVersion *self)
{
    VfVersion *copy = g_new0(VfVersion, 1);

    copy->name = g_strdup(self->name);
    copy->values = vf_value_list_copy(self->values);
    copy->loads = g_strdupv(self->loads);
    return copy;
}

void
vf_version_free(VfVersion *self)
{
    g_free(self->name);
    g_ptr_array_unref(self->values);
    g_strfreev(self->loads);
    g_free(self);
}
