/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "fuzz-xml.h"
#include "xml/capabilities.h"
#include "xml/document.h"

/* A capabilities document: what is read is written, and read again. */

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

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    GError *error = NULL;
    g_autoptr(VfCapabilities) capabilities =
        vf_capabilities_parse((const char *)data, (gssize)size, FUZZ_WHERE, &error);

    fuzz_be_quiet();
    if (capabilities != NULL)
        check(capabilities);
    else
        fuzz_take_error(error);
    return 0;
}
