/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "authority.h"

#include <glib/gi18n-lib.h>
#include <polkit/polkit.h>

#include "error.h"
#include "log.h"

struct _VfAuthority {
    GObject parent;

    guint deadline_ms;
    guint deadline_interactive_ms;
    PolkitAuthority *polkit; /* NULL until it was reached once */
    gboolean silent;         /* it has not answered, and the journal knows */
};

typedef struct {
    char *sender;
    char *action;
    char *method;
    char *object;
    gboolean interactive;
    GCancellable *cancellable;
    GSource *deadline;
    gboolean answered;
} Check;

G_DEFINE_TYPE(VfAuthority, vf_authority, G_TYPE_OBJECT)

static void
check_free(gpointer data)
{
    Check *check = data;

    g_free(check->sender);
    g_free(check->action);
    g_free(check->method);
    g_free(check->object);
    g_object_unref(check->cancellable);
    g_source_destroy(check->deadline);
    g_source_unref(check->deadline);
    g_free(check);
}

/* The first answer counts; what comes after the deadline is dropped. @error NULL: yes. */
static void
answer(GTask *task, GError *error)
{
    Check *check = g_task_get_task_data(task);

    if (check->answered) {
        g_clear_error(&error);
        return;
    }
    check->answered = TRUE;
    g_source_destroy(check->deadline);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

static void
refuse(GTask *task, const char *reason)
{
    const Check *check = g_task_get_task_data(task);

    answer(task, g_error_new(VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                             _("%s needs the polkit action “%s”: %s. An administrator grants it "
                               "with a rule in /etc/polkit-1/rules.d, see vferryd(8)."),
                             check->method, check->action, reason));
}

/* Once, until it answers again: each refusal is in the journal by itself. */
static void
note_silence(GTask *task, const char *why)
{
    VfAuthority *self = g_task_get_source_object(task);
    const Check *check = g_task_get_task_data(task);

    if (!self->silent && !check->answered)
        vf_log_event(VF_EVENT_AUTHORITY_UNAVAILABLE,
                     VF_ABOUT(.sender = check->sender, .action = check->action),
                     "polkit does not answer, and everything that it would decide is refused: %s",
                     why);
    self->silent = self->silent || !check->answered;
}

static void
refuse_unreachable(GTask *task, const GError *error)
{
    g_autofree char *reason = g_strdup_printf(_("polkit cannot be asked (%s)"), error->message);

    if (error->domain != POLKIT_ERROR) /* which is an answer */
        note_silence(task, error->message);
    refuse(task, reason);
}

static const char *
describe_refusal(PolkitAuthorizationResult *result, const Check *check)
{
    if (polkit_authorization_result_get_dismissed(result))
        return _("the authentication dialogue was dismissed");
    if (polkit_authorization_result_get_is_challenge(result) && !check->interactive)
        return _("authentication is needed, and the caller did not allow a dialogue");
    if (polkit_authorization_result_get_is_challenge(result))
        return _("authentication is needed, and no agent of the caller answers");
    return _("the caller does not have it");
}

static void
on_checked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(PolkitAuthorizationResult) verdict =
        polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), result, &error);

    if (!verdict) {
        refuse_unreachable(task, error);
        return;
    }
    VF_AUTHORITY(g_task_get_source_object(task))->silent = FALSE;
    if (polkit_authorization_result_get_is_authorized(verdict))
        answer(task, NULL);
    else
        refuse(task, describe_refusal(verdict, g_task_get_task_data(task)));
}

static void
ask(VfAuthority *self, GTask *task)
{
    const Check *check = g_task_get_task_data(task);
    g_autoptr(PolkitSubject) subject = polkit_system_bus_name_new(check->sender);
    g_autoptr(PolkitDetails) details = polkit_details_new();

    polkit_details_insert(details, "method", check->method);
    polkit_details_insert(details, "object", check->object);
    polkit_authority_check_authorization(
        self->polkit, subject, check->action, details,
        check->interactive ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                           : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
        check->cancellable, on_checked, g_object_ref(task));
}

static void
on_polkit(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(PolkitAuthority) polkit = polkit_authority_get_finish(result, &error);
    VfAuthority *self = g_task_get_source_object(task);
    const Check *check = g_task_get_task_data(task);

    if (!polkit) {
        refuse_unreachable(task, error);
        return;
    }
    g_set_object(&self->polkit, polkit);
    if (!check->answered)
        ask(self, task);
}

static gboolean
on_deadline(gpointer data)
{
    g_autoptr(GTask) task = g_object_ref(data);
    Check *check = g_task_get_task_data(task);

    if (!check->interactive) /* a person may take that long */
        note_silence(task, "it took too long");
    refuse(task, _("polkit did not answer in time"));
    g_cancellable_cancel(check->cancellable); /* polkitd takes its dialogue away */
    return G_SOURCE_REMOVE;
}

static Check *
check_new(VfAuthority *self, const VfAuthorityQuestion *question)
{
    Check *check = g_new0(Check, 1);

    check->sender = g_strdup(question->sender);
    check->action = g_strdup(question->action);
    check->method = g_strdup(question->method);
    check->object = g_strdup(question->object);
    check->interactive = question->interactive;
    check->cancellable = g_cancellable_new();
    check->deadline = g_timeout_source_new(check->interactive ? self->deadline_interactive_ms
                                                              : self->deadline_ms);
    return check;
}

void
vf_authority_check_async(VfAuthority *self, const VfAuthorityQuestion *question,
                         GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(self, NULL, callback, data);
    Check *check = check_new(self, question);

    g_task_set_source_tag(task, vf_authority_check_async);
    g_task_set_task_data(task, check, check_free);
    g_source_set_callback(check->deadline, on_deadline, task, NULL);
    g_source_attach(check->deadline, g_task_get_context(task));
    if (self->polkit)
        ask(self, task);
    else
        polkit_authority_get_async(check->cancellable, on_polkit, g_object_ref(task));
}

gboolean
vf_authority_check_finish(VfAuthority *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

VfAuthority *
vf_authority_new(guint deadline_ms, guint deadline_interactive_ms)
{
    VfAuthority *self = g_object_new(VF_TYPE_AUTHORITY, NULL);

    self->deadline_ms = deadline_ms;
    self->deadline_interactive_ms = deadline_interactive_ms;
    return self;
}

static void
vf_authority_finalize(GObject *object)
{
    g_clear_object(&VF_AUTHORITY(object)->polkit);
    G_OBJECT_CLASS(vf_authority_parent_class)->finalize(object);
}

static void
vf_authority_class_init(VfAuthorityClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_authority_finalize;
}

static void
vf_authority_init(VfAuthority *self)
{
}
