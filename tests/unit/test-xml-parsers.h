/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/compare/report.h"
#include "xml/crossing/answer.h"
#include "xml/crossing/cookie.h"
#include "xml/driver-info/driver-info.h"
#include "xml/host/capabilities.h"
#include "xml/host/requirement.h"
#include "xml/model/model-make.h"

/* The parsers of documents, each as a function of the same shape: is it taken? */

static inline gboolean
parse_capabilities(const char *text, gssize size, GError **error)
{
    g_autoptr(VfCapabilities) capabilities = vf_capabilities_parse(text, size, "it", error);
    return capabilities != NULL;
}

static inline gboolean
parse_program(const char *text, gssize size, GError **error)
{
    g_autoptr(GPtrArray) models = vf_migration_info_parse_program(text, size, "it", error);
    return models != NULL;
}

static inline gboolean
parse_versions(const char *text, gssize size, GError **error)
{
    g_autoptr(GPtrArray) models = vf_migration_info_parse_versions(text, size, "it", error);
    return models != NULL;
}

static inline gboolean
parse_requirement(const char *text, gssize size, GError **error)
{
    g_autoptr(VfRequirement) requirement = vf_requirement_parse(text, size, "it", error);
    return requirement != NULL;
}

static inline gboolean
parse_report(const char *text, gssize size, GError **error)
{
    g_autoptr(VfReport) report = vf_report_parse(text, size, "it", error);
    return report != NULL;
}

static inline gboolean
parse_migration(const char *text, gssize size, GError **error)
{
    g_autoptr(VfMigration) migration = vf_migration_parse(text, size, "it", error);
    return migration != NULL;
}

static inline gboolean
parse_answer(const char *text, gssize size, GError **error)
{
    g_autoptr(VfAnswer) answer = vf_answer_parse(text, size, "it", error);
    return answer != NULL;
}

static inline gboolean
parse_model(const char *text, gssize size, GError **error)
{
    g_autoptr(VfModel) model = vf_model_parse(text, size, "it", error);
    return model != NULL;
}
