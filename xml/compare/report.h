/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The answer of a comparison, with a line for everything that was compared. Namespace
 * https://vferry.org/ns/report/1, at most 1 MiB. */

typedef enum {
    VF_VERDICT_INCOMPATIBLE,
    VF_VERDICT_IDENTICAL,
    VF_VERDICT_SUPERSET,
    VF_VERDICT_UNKNOWN, /* an unread value, or a rule that only trying decides */
} VfVerdict;

typedef enum {
    VF_REPORT_MODEL,      /* the model ids */
    VF_REPORT_SCHEMA,     /* the digests of the two schemas */
    VF_REPORT_VERSION,    /* the version that the requirement names */
    VF_REPORT_PARAMETER,  /* one parameter */
    VF_REPORT_CONSTRAINT, /* what must hold between parameters, and does not or may not */
    VF_REPORT_CONSUMER,   /* who is to use the device, and cannot */
} VfReportSubject;

/* Codes are stable text: programs decide by them, and a newer peer may send others. */
#define VF_REPORT_CODE_MATCHES "matches"
#define VF_REPORT_CODE_FITS "fits" /* another value, and one that the rule takes */
#define VF_REPORT_CODE_OFF "off"   /* as if it were not there, like at the source */
#define VF_REPORT_CODE_IGNORED "ignored"
#define VF_REPORT_CODE_CAN_BE_SET "can-be-set"
#define VF_REPORT_CODE_VALUE_DIFFERS "value-differs"
#define VF_REPORT_CODE_VALUE_INVALID "value-invalid" /* no value of the destination's type */
#define VF_REPORT_CODE_VALUE_NOT_ALLOWED "value-not-allowed" /* outside what can be set */
#define VF_REPORT_CODE_VALUE_UNREAD "value-unread"
#define VF_REPORT_CODE_FIRMWARE_DECIDES "firmware-decides"
#define VF_REPORT_CODE_RULE_UNDECIDED "rule-undecided"       /* of an older peer */
#define VF_REPORT_CODE_PARAMETER_UNKNOWN "parameter-unknown" /* to the destination */
#define VF_REPORT_CODE_PARAMETER_MISSING "parameter-missing" /* from the requirement */
#define VF_REPORT_CODE_CONSTRAINT_VIOLATED "constraint-violated"
#define VF_REPORT_CODE_CONSTRAINT_UNDECIDED "constraint-undecided" /* a value is not known */
#define VF_REPORT_CODE_VERSION_UNKNOWN "version-unknown"           /* to the destination */
#define VF_REPORT_CODE_MODEL_DIFFERS "model-differs"
#define VF_REPORT_CODE_MODEL_UNKNOWN "model-unknown" /* to the destination */
#define VF_REPORT_CODE_NOT_MIGRATABLE "not-migratable"
#define VF_REPORT_CODE_DIGEST_DIFFERS "digest-differs"
/* of an offer, when it is looked for */
#define VF_REPORT_CODE_CONSUMER_CANNOT_USE "consumer-cannot-use"
#define VF_REPORT_CODE_CONSUMER_TOO_OLD "consumer-too-old"
#define VF_REPORT_CODE_NO_ROOM "no-room"
#define VF_REPORT_CODE_IN_USE "in-use"

typedef struct {
    VfReportSubject subject;
    VfVerdict
        verdict;  /* what this line alone would say; not part of the XML but for the report's own */
    char *name;   /* the parameter's; NULL for the other subjects */
    char *source; /* nullable: unread, or not there */
    char *destination; /* nullable: unread, not there, or to be set */
    char *compare;     /* the rule's name; NULL for the other subjects */
    char *code;
    char *sentence;       /* for people, translated at the host that compared */
    gboolean overridable; /* it speaks against moving, and somebody may decide otherwise: nobody
                             checks this rule, or a value is not known */
    gboolean packed;      /* vf_report_line_pack() */
} VfReportLine;

typedef struct {
    VfVerdict verdict;
    GPtrArray *lines; /* of VfReportLine: model, schema, version, then parameters sorted by name,
                         then constraints in their order, then the consumer */
    char *override;   /* nullable: it does not count, for this reason, which somebody gave */
} VfReport;

VfReport *vf_report_new(void);
void vf_report_free(VfReport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfReport, vf_report_free)

/* How well the device fits, to sort by: 0 is the best (identical, superset, unknown,
 * incompatible). */
guint vf_report_rank(const VfReport *self);

/* @code: VF_REPORT_CODE_..., whose verdict the line has. Takes @sentence. */
VfReportLine *vf_report_line_new(VfReportSubject subject, const char *code, char *sentence);

/* A copy of @line in one piece of memory, but for the sentence, which it takes over: the texts are
 * not to be replaced. */
VfReportLine *vf_report_line_pack(const VfReportLine *line);
void vf_report_line_free(VfReportLine *self);

/* Takes ownership; the report's verdict becomes the worst of its lines: incompatible, unknown,
 * superset, identical. */
void vf_report_take_line(VfReport *self, VfReportLine *line);

/* Whether the state may be moved: identical or superset. Else INCOMPATIBLE, or UNKNOWN, with the
 * sentences of the lines that say so (each names the parameter and both values). */
gboolean vf_report_check(const VfReport *self, GError **error);

/* Whether something speaks against moving, and all that does can be overridden. */
gboolean vf_report_can_override(const VfReport *self);

/* Whether all that speaks against moving in @now, a later comparison of the same, did so here
 * already: who overrode this one has decided about that, and about nothing else. */
gboolean vf_report_covers(const VfReport *self, const VfReport *now);

/* @size -1: NUL-terminated. @where names the document in errors; NULL: "report". INVALID_XML,
 * LIMIT_EXCEEDED. A parsed line's verdict is the one its code stands for, UNKNOWN for a code of a
 * newer peer. */
VfReport *vf_report_parse(const char *text, gssize size, const char *where, GError **error);

/* Free with g_free(). */
char *vf_report_format(const VfReport *self);

/* What a line with this code says; UNKNOWN for a code of a newer peer. */
VfVerdict vf_report_code_verdict(const char *code);

/* 0 for the best, identical, then superset, unknown, incompatible. */
guint vf_report_verdict_rank(VfVerdict verdict);

/* incompatible, unknown, superset, identical: the one that comes first. */
VfVerdict vf_report_worse_verdict(VfVerdict a, VfVerdict b);

const char *vf_report_verdict_to_string(VfVerdict verdict);
gboolean vf_report_verdict_from_string(const char *text, VfVerdict *verdict);
