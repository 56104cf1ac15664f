/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libxml/relaxng.h>
#include <string.h>

#include "common/error.h"

/* Whether the document is valid against xml/schemas/<schema>.rng; why not is on standard error. */
static inline gboolean
is_valid(const char *text, const char *schema)
{
    g_autofree char *name = g_strconcat(schema, ".rng", NULL);
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "xml", "schemas", name, NULL);
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(path);
    xmlRelaxNG *grammar = xmlRelaxNGParse(parser);
    xmlRelaxNGValidCtxt *validator = xmlRelaxNGNewValidCtxt(grammar);
    xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), "test", NULL, XML_PARSE_NONET);
    gboolean valid;

    g_assert_nonnull(grammar);
    g_assert_nonnull(doc);
    valid = xmlRelaxNGValidateDoc(validator, doc) == 0;
    xmlFreeDoc(doc);
    xmlRelaxNGFreeValidCtxt(validator);
    xmlRelaxNGFree(grammar);
    xmlRelaxNGFreeParserCtxt(parser);
    return valid;
}

static inline void
assert_valid(const char *text, const char *schema)
{
    g_assert_true(is_valid(text, schema));
}

static inline void
assert_error(GError **error, VferryError code, const char *part)
{
    g_assert_error(*error, VFERRY_ERROR, (int)code);
    if (strstr((*error)->message, part) == NULL)
        g_error("“%s” does not say “%s”", (*error)->message, part);
    g_clear_error(error);
}
