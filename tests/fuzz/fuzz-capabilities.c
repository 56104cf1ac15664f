/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "fuzz-xml.h"
#include "tests/unit/test-streamed.h"
#include "xml/host/capabilities.h"
#include "xml/text/document.h"

/* A capabilities document: what is read is written, and read again; and what makes a tree of it
 * says the same as what does not. */

static void
format_parts(const VfCapabilities *capabilities)
{
    for (guint i = 0; i < capabilities->devices->len && i < 4; i++) {
        g_autofree char *text = vf_capabilities_device_format(capabilities->devices->pdata[i]);
        FUZZ_RULE(g_utf8_validate(text, -1, NULL));
    }
    for (guint i = 0; i < capabilities->models->len && i < 4; i++) {
        const VfModel *model = capabilities->models->pdata[i];
        g_autofree char *text = vf_capabilities_model_format(model);
        FUZZ_RULE(g_utf8_validate(text, -1, NULL));
        FUZZ_RULE(vf_capabilities_find_model(capabilities, model->id) == model);
    }
}

static void
check(const VfCapabilities *capabilities)
{
    g_autofree char *once = vf_capabilities_format(capabilities);
    g_autofree char *twice = NULL;
    g_autoptr(VfCapabilities) again = NULL;

    format_parts(capabilities);
    if (strlen(once) > VF_DOCUMENT_LARGE_SIZE_MAX)
        return;
    again = vf_capabilities_parse(once, -1, NULL, NULL);
    FUZZ_RULE(again != NULL);
    twice = vf_capabilities_format(again);
    FUZZ_RULE(g_str_equal(once, twice));
}

/* @tree: what the document is, NULL when it was refused. */
static void
check_stream(VfCapabilitiesStream *stream, const char *text, gsize size, const VfCapabilities *tree)
{
    g_autoptr(VfCapabilities) streamed = vf_capabilities_new(NULL);
    g_autofree char *expected = NULL;
    g_autofree char *found = NULL;
    GError *error = NULL;

    if (!vf_capabilities_stream_read(stream, text, (gssize)size, FUZZ_WHERE, &test_streamed,
                                     streamed, &error)) {
        FUZZ_RULE(tree == NULL);
        fuzz_take_error(error, VFERRY_ERROR_INVALID_XML);
        return;
    }
    FUZZ_RULE(tree != NULL);
    expected = vf_capabilities_format(tree);
    found = vf_capabilities_format(streamed);
    FUZZ_RULE(g_str_equal(expected, found));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    const char *text = (const char *)data;
    GError *error = NULL;
    g_autoptr(VfCapabilities) capabilities =
        vf_capabilities_parse(text, (gssize)size, FUZZ_WHERE, &error);
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();

    fuzz_be_quiet();
    /* the second time it knows everything already */
    for (guint i = 0; i < 2; i++)
        check_stream(stream, text, size, capabilities);
    if (capabilities != NULL)
        check(capabilities);
    else
        fuzz_take_error(error, VFERRY_ERROR_INVALID_XML);
    return 0;
}
