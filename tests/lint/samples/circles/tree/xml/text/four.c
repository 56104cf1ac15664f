/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

void
vf_text_four(void)
{
    vf_text_one();
}
