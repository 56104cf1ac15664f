/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "guest-worker.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "guest-side.h"
#include "io.h"

/* Of a guest in a `result`, which is one message with everything else of it. */
#define SAID_MAX (VF_CONTROL_SIZE_MAX / 2)

static void
side_free(gpointer data)
{
    vf_guest_side_free(data);
}

static VfSession *
adopt(VfRequest *request, int *fds, guint n_fds, VfRecord *record, gpointer data, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    VfSession *session = vf_session_new(vf_devices_new(none), record);
    gboolean source =
        request->verb->needs & VF_CONFINE_CONNECT || g_str_equal(request->verb->name, "return");
    VfGuestSide *self = vf_guest_side_new(
        session, source ? vf_guest_source_get_subject() : vf_guest_destination_get_subject(), data);

    if (source) /* until it has been asked */
        self->state = "unknown";
    request->own = self;
    request->free_own = side_free;
    if (n_fds > 0)
        self->brought = vf_io_steal_fd(&fds[0]);
    return session;
}

/* --- arguments --- */

static void
take_past(VfRequest *request, VfOptions *options)
{
    VfGuestSide *self = request->own;

    self->past.resume = vf_options_take_boolean(options, "resume", FALSE);
    self->past.oob = vf_options_take_boolean(options, "oob", FALSE);
}

static gboolean
take_look(VfRequest *request, VfOptions *options, GError **error)
{
    take_past(request, options);
    return TRUE;
}

static gboolean
take_quit(VfRequest *request, VfOptions *options, GError **error)
{
    VfGuestSide *self = request->own;

    take_past(request, options);
    self->waits = vf_options_take_boolean(options, "waiting", FALSE);
    return TRUE;
}

static gboolean
take_send(VfRequest *request, VfOptions *options, GError **error)
{
    VfGuestSide *self = request->own;

    take_past(request, options);
    self->bandwidth = MIN(vf_options_take_u64(options, "bandwidth", 0), G_MAXINT64);
    return vf_guest_side_make_lane(self, error) && vf_request_take_send(request, options, error);
}

static gboolean
take_receive(VfRequest *request, VfOptions *options, GError **error)
{
    VfGuestSide *self = request->own;

    self->ask_kernel = vf_options_take_boolean(options, "accept", FALSE);
    return vf_guest_side_make_lane(self, error) && vf_request_take_receive(request, options, error);
}

static gboolean
take_return(VfRequest *request, VfOptions *options, GError **error)
{
    take_past(request, options);
    return vf_request_take_return(request, options, error);
}

static gboolean
take_start(VfRequest *request, VfOptions *options, GError **error)
{
    take_past(request, options);
    return vf_request_take_past(request, options, error);
}

/* --- what is done --- */

static gboolean
connect_guest(VfRequest *request, GError **error)
{
    VfGuestSide *self = request->own;

    return vf_guest_side_connect(self, vf_io_steal_fd(&self->brought), error);
}

static void
look(VfRequest *request, VfRequestResult *result, GError **error)
{
    VfGuestSide *self = request->own;
    g_autoptr(VfGuestLook) seen = NULL;
    g_autoptr(GVariant) said = NULL;
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    if (!connect_guest(request, error))
        return;
    seen = vf_guest_look(self->guest, error);
    if (!seen)
        return;
    said = g_variant_ref_sink(vf_guest_look_to_variant(seen));
    if (g_variant_get_size(said) > SAID_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("what is to be said of the guest has %zu bytes; at most %d are allowed"),
                    g_variant_get_size(said), SAID_MAX);
        return;
    }
    self->state = seen->run_state == VF_RUN_RUNNING ? "running" : "stopped";
    g_variant_dict_insert(&dict, "oob", "b", vf_qmp_has_oob(vf_guest_get_qmp(self->guest)));
    g_variant_dict_insert_value(&dict, "guest", said);
    result->more = g_variant_ref_sink(g_variant_dict_end(&dict));
}

static gboolean
waits_no_more(VfGuestSide *self)
{
    VfRunState state;

    return vf_guest_get_run_state(self->guest, VF_GUEST_ANSWER_MS, &state, NULL) &&
           state != VF_RUN_INCOMING;
}

static void
quit(VfRequest *request, VfRequestResult *result, GError **error)
{
    VfGuestSide *self = request->own;

    if (connect_guest(request, error) && !(self->waits && waits_no_more(self)))
        vf_guest_quit(self->guest, error);
}

/* What is left here when it runs there must never run again, and nobody is to try: it ends. */
static void
send_guest(VfRequest *request, VfRequestResult *result, GError **error)
{
    VfGuestSide *self = request->own;
    g_autoptr(GError) local = NULL;

    if (!connect_guest(request, error)) {
        result->end.untouched = TRUE;
        return;
    }
    vf_request_send(request, result, error);
    if ((result->end.kind == VF_SESSION_FAILED || result->end.kind == VF_SESSION_CANCELLED) &&
        !g_str_equal(self->state, "unknown")) /* it may not even answer */
        vf_guest_side_leave(self);
    if (result->end.kind == VF_SESSION_COMPLETED && !vf_guest_quit(self->guest, &local))
        g_message("the QEMU that the guest has left could not be told to end: %s", local->message);
}

/* It had one when it was looked at, or has been given one since by somebody else. */
static gboolean
has_another_guest(VfGuestSide *self)
{
    return self->guest && !self->asked && waits_no_more(self);
}

/* What it holds when it comes to nothing is a copy that must never run, and keeps the devices open:
 * it ends. In doubt it stays, and so does one that has another guest. */
static void
receive_guest(VfRequest *request, VfRequestResult *result, GError **error)
{
    VfGuestSide *self = request->own;
    g_autoptr(GError) local = NULL;

    vf_request_receive(request, result, error);
    if (result->end.kind == VF_SESSION_COMPLETED || result->end.kind == VF_SESSION_IN_DOUBT)
        return;
    if (has_another_guest(self)) {
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&dict, "another-guest", "b", TRUE);
        result->more = g_variant_ref_sink(g_variant_dict_end(&dict));
    } else if (self->waits && !vf_guest_quit(self->guest, &local)) {
        g_message("QEMU could not be told to end: %s", local->message);
    }
}

static void
return_guest(VfRequest *request, VfRequestResult *result, GError **error)
{
    VfGuestSide *self = request->own;
    VfRunState state;

    if (!connect_guest(request, error))
        return;
    vf_request_return(request, result, error);
    if (!request->session->touched && !*error &&
        vf_guest_get_run_state(self->guest, VF_GUEST_ANSWER_MS, &state, NULL))
        self->state = state == VF_RUN_RUNNING ? "running" : "stopped";
}

static void
start_guest(VfRequest *request, VfRequestResult *result, GError **error)
{
    if (connect_guest(request, error))
        vf_request_start(request, result, error);
}

/* --- what it is told --- */

/* Who is to receive the guest, in place of whoever was to before; without a descriptor nobody is,
 * and a session that has begun with it is called off. */
static gboolean
take_guest(VfRequest *request, VfControlMessage *message)
{
    VfGuestSide *self = request->own;

    if (message->n_fds > 1 || (self->met && message->n_fds == 1))
        return FALSE;
    if (self->met) {
        vf_cancel_trigger(request->session->cancel, VF_CANCEL_ASKED);
        return TRUE;
    }
    vf_io_clear_fd(&self->brought);
    g_variant_dict_lookup(message->args, "resume", "b", &self->past.resume);
    g_variant_dict_lookup(message->args, "oob", "b", &self->past.oob);
    self->brought = vf_control_message_steal_fd(message, 0);
    return TRUE;
}

static gboolean
hear(VfRequest *request, VfControlMessage *message)
{
    VfGuestSide *self = request->own;
    gboolean taken = FALSE;

    g_mutex_lock(&self->lock);
    if (g_str_equal(message->verb, "guest")) {
        taken = take_guest(request, message);
    } else if (g_str_equal(message->verb, "accepted") && self->asking && !self->verdict) {
        taken = self->verdict = TRUE;
    } else if (g_str_equal(message->verb, "refused") && self->asking && !self->verdict) {
        g_autofree char *words = NULL;

        g_variant_dict_lookup(message->args, "message", "s", &words);
        self->refusal = g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                                            words ? words : _("the kernel refuses the state"));
        taken = self->verdict = TRUE;
    }
    g_cond_signal(&self->told);
    g_mutex_unlock(&self->lock);
    return taken;
}

void
vf_guest_worker_init(VfWorker *worker, const VfGuestPatience *patience)
{
    static const VfVerb verbs[] = {
        {"look", VF_REQUEST_ONE_FD, VF_CONFINE_MONITOR, FALSE, take_look, look},
        {"quit", VF_REQUEST_ONE_FD, VF_CONFINE_MONITOR, FALSE, take_quit, quit},
        {"return", VF_REQUEST_RECORD_LAST, VF_CONFINE_MONITOR | VF_CONFINE_RECORD, FALSE,
         take_return, return_guest},
        {"start", VF_REQUEST_RECORD_LAST, VF_CONFINE_MONITOR | VF_CONFINE_RECORD, FALSE, take_start,
         start_guest},
        {"send", VF_REQUEST_RECORD_FIRST,
         VF_CONFINE_MONITOR | VF_CONFINE_RECORD | VF_CONFINE_CONNECT, TRUE, take_send, send_guest},
        {"receive", VF_REQUEST_RECORD_ALONE,
         VF_CONFINE_MONITOR | VF_CONFINE_RECORD | VF_CONFINE_LISTEN, TRUE, take_receive,
         receive_guest, hear},
    };

    *worker = (VfWorker){.program = "vferry-guest",
                         .verbs = verbs,
                         .n_verbs = G_N_ELEMENTS(verbs),
                         .adopt = adopt,
                         .data = (gpointer)patience,
                         .confine = vf_confine_to};
}
