/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

void
vf_text_one(void)
{
    vf_text_two(); /* vf_text_four() */
}
