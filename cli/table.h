/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "terminal.h"

/* Columns that line up, whatever the width of their characters. */
typedef struct VfTable VfTable;

/* @titles: the columns, ending in NULL. */
VfTable *vf_table_new(const char *const *titles);
void vf_table_free(VfTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfTable, vf_table_free)

/* The next cell, row after row; an empty or NULL @text shows as "-". Cleaned for the terminal. */
void vf_table_add(VfTable *self, const char *text);
void vf_table_add_styled(VfTable *self, const char *text, VfStyle style);

/* Titles and rows, each line ended. Free with g_free(). */
char *vf_table_format(VfTable *self, gboolean colour);

/* A line of what is no table: @label in bold, and @text, cleaned, in the second column. */
void vf_table_print_label(const char *label, const char *text, gboolean colour);
