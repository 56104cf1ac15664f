/* SPDX-License-Identifier: LGPL-2.1-or-later */
void
vf_client_new(void)
{
}

void
vferry_client_new(void)
{
}
