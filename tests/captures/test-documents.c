/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <string.h>

#include "xml/crossing/answer.h"
#include "xml/compare/compare.h"
#include "xml/crossing/cookie.h"
#include "xml/host/capabilities.h"
#include "xml/model/model-make.h"
#include "xml/model/model-xml.h"

/* What 0.1.0 wrote, before the language of models grew: every later version reads it, and, since
 * nothing in it has changed its meaning, writes it as it was. */

typedef char *(*Rewrite)(const char *text, GError **error);

static char *
rewrite_model(const char *text, GError **error)
{
    g_autoptr(VfModel) model = vf_model_parse(text, -1, NULL, error);
    return model != NULL ? vf_model_format(model) : NULL;
}

static char *
rewrite_capabilities(const char *text, GError **error)
{
    g_autoptr(VfCapabilities) document = vf_capabilities_parse(text, -1, NULL, error);
    return document != NULL ? vf_capabilities_format(document) : NULL;
}

static char *
rewrite_requirement(const char *text, GError **error)
{
    g_autoptr(VfRequirement) document = vf_requirement_parse(text, -1, NULL, error);
    return document != NULL ? vf_requirement_format(document) : NULL;
}

static char *
rewrite_report(const char *text, GError **error)
{
    g_autoptr(VfReport) document = vf_report_parse(text, -1, NULL, error);
    return document != NULL ? vf_report_format(document) : NULL;
}

static char *
rewrite_migration(const char *text, GError **error)
{
    g_autoptr(VfMigration) document = vf_migration_parse(text, -1, NULL, error);
    return document != NULL ? vf_migration_format(document) : NULL;
}

static char *
rewrite_answer(const char *text, GError **error)
{
    g_autoptr(VfAnswer) document = vf_answer_parse(text, -1, NULL, error);
    return document != NULL ? vf_answer_format(document) : NULL;
}

static const struct {
    const char *name;
    Rewrite rewrite;
} documents[] = {
    {"model", rewrite_model},   {"capabilities", rewrite_capabilities},
    {"report", rewrite_report}, {"requirement", rewrite_requirement},
    {"answer", rewrite_answer}, {"migration", rewrite_migration},
};

/* Without the comment, which the licence asks for and no parser keeps. */
static char *
load(const char *name)
{
    g_autofree char *file = g_strconcat(name, ".xml", NULL);
    g_autofree char *path =
        g_build_filename(g_getenv("VFERRY_TEST_CAPTURES"), "documents", file, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    char *comment;
    char *end;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    comment = strstr(text, "<!--");
    end = strstr(comment, "-->\n") + 4;
    memmove(comment, end, strlen(end) + 1);
    return text;
}

static void
test_rewritten(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
        g_autofree char *text = load(documents[i].name);
        g_autoptr(GError) error = NULL;
        g_autofree char *again = documents[i].rewrite(text, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(text, ==, again);
    }
}

/* A host that is not upgraded yet goes on being a destination. */
static void
test_compared(void)
{
    g_autofree char *requirement_text = load("requirement");
    g_autofree char *capabilities_text = load("capabilities");
    g_autoptr(VfRequirement) requirement = vf_requirement_parse(requirement_text, -1, NULL, NULL);
    g_autoptr(VfCapabilities) capabilities =
        vf_capabilities_parse(capabilities_text, -1, NULL, NULL);
    const VfCapabilitiesParent *parent = capabilities->parents->pdata[0];
    VfModel *model = vf_capabilities_find_model(capabilities, "vferry.org/testdev");
    static const VfVerdict verdicts[] = {VF_VERDICT_IDENTICAL, VF_VERDICT_INCOMPATIBLE};

    vf_value_list_set(requirement->values, "state-size", "8192", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        const VfCapabilitiesOffer *offer = parent->offers->pdata[i];
        g_assert_cmpint(vf_compare_verdict(requirement, model, offer->values, offer->settable), ==,
                        verdicts[i]);
    }
    g_assert_cmpstr(model->digest, ==, requirement->digest);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/captures/documents/rewritten", test_rewritten);
    g_test_add_func("/captures/documents/compared", test_compared);
    return g_test_run();
}
