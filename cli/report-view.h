/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "exit.h"
#include "report.h"
#include "requirement.h"
#include "terminal.h"

/* Answers of the model language, for people and for programs. */

/* {"verdict", "lines": [...], "override"}. */
JsonObject *vf_report_view_json(const VfReport *report);

/* The table of the lines, and below it the sentences of those that do not simply fit. */
void vf_report_view_print(const VfReport *report, gboolean colour);

/* {"model", "digest", "version", "parameters": [...]}. */
JsonObject *vf_report_view_requirement_json(const VfRequirement *requirement);

/* "kernel.org/mtty (ports=2)". Free with g_free(). */
char *vf_report_view_requirement(const VfRequirement *requirement);

/* How a verdict looks, and what a script learns from it. */
VfStyle vf_report_view_style(VfVerdict verdict);
VfExit vf_report_view_exit(VfVerdict verdict);
