/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "record-reader.h"

#include "io.h"

static void
read_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    GError *error = NULL;
    GPtrArray *entries = vf_record_read(data, &error);

    if (entries)
        g_task_return_pointer(task, entries, (GDestroyNotify)g_ptr_array_unref);
    else
        g_task_return_error(task, error);
}

void
vf_record_reader_async(VfRecord *record, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;
    int fd = vf_io_dup(vf_record_get_fd(record), &error);

    g_task_set_source_tag(task, vf_record_reader_async);
    if (fd < 0) {
        g_task_return_error(task, error);
        return;
    }
    g_task_set_task_data(task, vf_record_new_from_fd(fd), (GDestroyNotify)vf_record_free);
    g_task_run_in_thread(task, read_in_thread);
}

GPtrArray *
vf_record_reader_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
