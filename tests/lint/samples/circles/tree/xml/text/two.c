/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

void
vf_text_two(void)
{
    vf_text_three(); /* vf_text_four() */
}
