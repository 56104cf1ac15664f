/* SPDX-License-Identifier: LGPL-2.1-or-later */
gboolean
vferry_number_parse(void)
{
    return TRUE;
}

void
number_parse(void)
{
    return;
}

static int
vf_number_helper(void)
{
    return 1;
}

static void
vf_number_class_init(VfNumberClass *class)
{
}

int
vf_number_good(void)
{
    return 1;
}
