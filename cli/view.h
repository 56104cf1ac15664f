/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bar.h"
#include "cli.h"

/* A migration as a person sees it: on a terminal a bar that is redrawn in place, otherwise a line
 * for each phase, and nothing with --json. */
typedef struct VfView VfView;

VfView *vf_view_new(const VfCli *cli);
void vf_view_free(VfView *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfView, vf_view_free)

/* The job is in another phase now. The bar of the one before stays as it was. */
void vf_view_phase(VfView *self, const char *phase);

/* Redraws at most ten times a second. */
void vf_view_progress(VfView *self, const VfBar *progress);

/* A line of its own below what there is, with @label ("" to continue the line before) in the first
 * column. */
void vf_view_line(VfView *self, const char *label, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Ends the bar. With @keep FALSE it is wiped: what follows says it better. */
void vf_view_end_bar(VfView *self, gboolean keep);
