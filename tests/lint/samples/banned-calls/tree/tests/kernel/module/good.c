/* SPDX-License-Identifier: GPL-2.0-only */
static int good(void)
{
	goto out;
out:
	return 0;
}
