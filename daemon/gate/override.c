/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "override.h"

#include <glib/gi18n-lib.h>
#include <pwd.h>

#include "error.h"
#include "names.h"
#include "text.h"

#define REASON_MAX 256
#define ENTRY_SIZE 16384

typedef struct {
    VfGate *gate;
    VfOverride *override;
    guint32 uid;
} Question;

void
vf_override_free(VfOverride *self)
{
    g_free(self->reason);
    g_free(self->sender);
    g_free(self->user);
    g_free(self);
}

static void
question_free(gpointer data)
{
    Question *self = data;

    g_object_unref(self->gate);
    g_clear_pointer(&self->override, vf_override_free);
    g_free(self);
}

/* A thread of its own: the name may come from a server that takes its time. */
static void
look_up_user(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Question *self = data;
    g_autofree char *buffer = g_malloc(ENTRY_SIZE);
    struct passwd entry;
    struct passwd *found = NULL;

    if (getpwuid_r(self->uid, &entry, buffer, ENTRY_SIZE, &found) == 0 && found)
        self->override->user = vf_text_clean(found->pw_name);
    g_task_return_pointer(task, g_steal_pointer(&self->override), (GDestroyNotify)vf_override_free);
}

static void
on_checked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Question *self = g_task_get_task_data(task);
    GError *error = NULL;

    if (!vf_gate_check_finish(VF_GATE(source), result, &error)) {
        g_task_return_error(task, error);
        return;
    }
    self->uid = vf_gate_get_sender_uid(self->gate, self->override->sender);
    g_task_run_in_thread(task, look_up_user);
}

static gboolean
check_reason(const char *reason, GError **error)
{
    if (*reason)
        return vf_text_check(reason, "override", REASON_MAX, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("option “override” must say why, in 1 to %d bytes"), REASON_MAX);
    return FALSE;
}

void
vf_override_ask_async(VfGate *gate, GDBusMethodInvocation *invocation, const char *reason,
                      GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Question *self = g_new0(Question, 1);
    GError *error = NULL;

    self->gate = g_object_ref(gate);
    self->override = g_new0(VfOverride, 1);
    self->override->reason = g_strdup(reason);
    self->override->sender = g_strdup(g_dbus_method_invocation_get_sender(invocation));
    g_task_set_source_tag(task, vf_override_ask_async);
    g_task_set_task_data(task, self, question_free);
    if (check_reason(reason, &error))
        vf_gate_check_async(gate, invocation, VF_ACTION_OVERRIDE, on_checked,
                            g_steal_pointer(&task));
    else
        g_task_return_error(task, error);
}

VfOverride *
vf_override_ask_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
