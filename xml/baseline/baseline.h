/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "baseline-supply.h"
#include "fleet.h"
#include "requirement.h"

/* The best requirement that many hosts can supply, each with at least one of its offers or devices;
 * what is in use or how many are left does not count. docs/descriptors.md has the choice. Namespace
 * https://vferry.org/ns/baseline/1, at most 16 MiB. */

typedef enum {
    VF_BASELINE_FOUND,
    VF_BASELINE_UNKNOWN,  /* not known not to fit: `undecided` says what decides */
    VF_BASELINE_CONFLICT, /* no requirement fits all hosts: `conflicts` has those to leave out */
} VfBaselineVerdict;

/* Why a host does not, or may not, fit: a line of its report. */
typedef struct {
    char *host;
    char *name;        /* nullable: the host's */
    guint64 hosts;     /* of so many the same is true; @host is the first by name and id. Of a
                          conflict always 1 */
    char *parameter;   /* nullable: the line is not about one */
    char *source;      /* nullable: what the requirement has */
    char *destination; /* nullable: what comes closest to it at the host */
    char *code;        /* VF_REPORT_CODE_... */
    char *sentence;
} VfBaselineLine;

typedef struct {
    VfBaselineVerdict verdict;
    VfRequirement *requirement; /* of the rest, when it is a CONFLICT; then nullable: no host can
                                   supply anything */
    guint64 hosts;              /* how many were asked */
    guint64 fitting;            /* how many can supply it, as far as is known */
    gboolean exact;             /* FALSE: not all was tried, so that there may be something better
                                   than this, or fewer hosts to leave out */
    GPtrArray *undecided;       /* of VfBaselineLine, by host name, host id, and parameter */
    GPtrArray *conflicts;       /* the same */
} VfBaseline;

VfBaseline *vf_baseline_new(void);
void vf_baseline_free(VfBaseline *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfBaseline, vf_baseline_free)

void vf_baseline_line_free(VfBaselineLine *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfBaselineLine, vf_baseline_line_free)

/* @model_id NULL: the model that all hosts have. INVALID_ARGUMENT: they have several, which the
 * error names, or there are no hosts. NOT_FOUND: no host has it. */
VfBaseline *vf_baseline_of_fleet(const VfFleet *fleet, const char *model_id, GError **error);
VfBaseline *vf_baseline_of_supply(const VfSupply *supply, const char *model_id, GError **error);

/* @size -1: NUL-terminated. @where names the document in errors; NULL: "baseline". INVALID_XML,
 * LIMIT_EXCEEDED. */
VfBaseline *vf_baseline_parse(const char *text, gssize size, const char *where, GError **error);

/* Free with g_free(). */
char *vf_baseline_format(const VfBaseline *self);

const char *vf_baseline_verdict_to_string(VfBaselineVerdict verdict);
