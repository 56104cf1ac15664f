/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xxhash.h>

#include "error.h"
#include "fuzz.h"
#include "io.h"
#include "record.h"

/* A record that says anything, as it is (0) or with the checksum of each line made right. It is
 * read, or refused; what is added behind is found again. */

static void
write_right_lines(int fd, const char *text, gsize size)
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        gsize n = end ? (gsize)(end - text) : size;
        g_autofree char *hash =
            g_strdup_printf(" %016" G_GINT64_MODIFIER "x\n", (guint64)XXH3_64bits(text, n));

        FUZZ_RULE(vf_io_write_all(fd, text, n, NULL));
        FUZZ_RULE(vf_io_write_all(fd, hash, strlen(hash), NULL));
        text += n + (end != NULL);
        size -= n + (end != NULL);
    }
}

static void
append(VfRecord *record, guint before)
{
    g_autoptr(GPtrArray) entries = NULL;
    const VfRecordEntry *last;

    FUZZ_RULE(vf_record_lock(record, NULL));
    FUZZ_RULE(vf_record_append(record, "commit", NULL, NULL));
    entries = vf_record_read(record, NULL);
    FUZZ_RULE(entries && entries->len == before + 1);
    last = vf_record_find(entries, "commit");
    FUZZ_RULE(last == entries->pdata[before]);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    FuzzBytes bytes = {data, size};
    guint8 how = fuzz_take_u8(&bytes);
    int fd = memfd_create("record", MFD_CLOEXEC);
    g_autoptr(VfRecord) record = vf_record_new_from_fd(fd);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = NULL;

    fuzz_be_quiet();
    if (how & 1)
        write_right_lines(fd, (const char *)bytes.at, bytes.left);
    else
        FUZZ_RULE(vf_io_write_all(fd, bytes.at, bytes.left, NULL));
    entries = vf_record_read(record, &error);
    FUZZ_RULE((entries == NULL) == (error != NULL));
    if (entries)
        append(record, entries->len);
    return 0;
}
