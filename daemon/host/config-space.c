/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "config-space.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "error.h"
#include "io.h"
#include "names.h"
#include "sysfs.h"
#include "value.h"

#define CONFIG_BYTES 4 /* the widest that a reader reads */

typedef struct {
    char *sysfs_path;
    VfModel *model;
} Request;

static void
request_free(gpointer data)
{
    Request *self = data;

    g_free(self->sysfs_path);
    vf_model_unref(self->model);
    g_free(self);
}

gboolean
vf_config_space_wanted(const VfModel *model)
{
    for (guint i = 0; i < model->parameters->len; i++)
        if (((const VfParameter *)model->parameters->pdata[i])->reader.kind == VF_READER_PCI_CONFIG)
            return TRUE;
    return FALSE;
}

/* The kernel gives the first 64 bytes to everybody and the rest to the administrator. A short read
 * is no value. */
static char *
read_number(int fd, const VfReader *reader, GError **error)
{
    guint8 bytes[CONFIG_BYTES] = {0};
    ssize_t n = fd < 0 || reader->width > sizeof bytes
                    ? -1
                    : pread(fd, bytes, reader->width, reader->offset);
    guint32 number = 0;

    if (n != (ssize_t)reader->width) {
        vf_error_errno(error, VFERRY_ERROR_DEVICE, n < 0 ? errno : ENODATA,
                       "cannot read the configuration space at %u", reader->offset);
        return NULL;
    }
    for (guint i = reader->width; i > 0; i--)
        number = number << 8 | bytes[i - 1];
    return g_strdup_printf("0x%0*x", (int)reader->width * 2, number);
}

static char *
read_value(int fd, const VfParameter *parameter)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = read_number(fd, &parameter->reader, &error);
    char *value = text ? vf_parameter_decode_attribute(parameter, text, &error) : NULL;

    if (!value)
        g_debug("parameter “%s” is unread: %s", parameter->name, error->message);
    return value;
}

static gpointer
read_in_thread(gpointer data)
{
    g_autoptr(GTask) task = data;
    const Request *request = g_task_get_task_data(task);
    vf_autofd int dir_fd = vf_sysfs_open_dir(request->sysfs_path, NULL);
    vf_autofd int fd =
        dir_fd < 0 ? -1 : openat(dir_fd, VF_SYSFS_CONFIG, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    GPtrArray *values = vf_value_list_new();

    for (guint i = 0; i < request->model->parameters->len; i++) {
        const VfParameter *parameter = request->model->parameters->pdata[i];
        g_autofree char *value = NULL;

        if (parameter->reader.kind != VF_READER_PCI_CONFIG)
            continue;
        value = read_value(fd, parameter);
        vf_value_list_set(values, parameter->name, value, VF_EVIDENCE_PCI_CONFIG);
    }
    g_task_return_pointer(task, values, (GDestroyNotify)g_ptr_array_unref);
    return NULL;
}

/* Not in GTask's pool, which a few functions that do not answer would use up. */
void
vf_config_space_read_async(const char *sysfs_path, VfModel *model, GAsyncReadyCallback callback,
                           gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Request *request = g_new0(Request, 1);
    GThread *thread;

    request->sysfs_path = g_strdup(sysfs_path);
    request->model = vf_model_ref(model);
    g_task_set_source_tag(task, vf_config_space_read_async);
    g_task_set_task_data(task, request, request_free);
    thread = g_thread_try_new("config", read_in_thread, task, NULL);
    if (thread) {
        g_thread_unref(thread);
        return;
    }
    g_task_return_pointer(task, vf_value_list_new(), (GDestroyNotify)g_ptr_array_unref);
    g_object_unref(task);
}

GPtrArray *
vf_config_space_read_finish(GAsyncResult *result)
{
    return g_task_propagate_pointer(G_TASK(result), NULL);
}
