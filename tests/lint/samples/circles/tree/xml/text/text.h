/* SPDX-License-Identifier: LGPL-2.1-or-later */
void vf_text_one(void);
void vf_text_two(void);
void vf_text_three(void);
