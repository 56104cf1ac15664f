/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "record.h"

G_BEGIN_DECLS

/* What a record says now, read in a worker thread; it stays its owner's. Free the entries with
 * g_ptr_array_unref(). */
void vf_record_reader_async(VfRecord *record, GAsyncReadyCallback callback, gpointer data);
GPtrArray *vf_record_reader_finish(GAsyncResult *result, GError **error);

G_END_DECLS
