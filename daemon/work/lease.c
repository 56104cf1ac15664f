/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lease.h"

#include <glib/gi18n-lib.h>

#include "error.h"

struct _VfLease {
    GObject parent_instance;
    char *id;
    VfJob *job;
    VfLeaseState state;
    gint64 deadline;
    gint64 ends;
    char *adopter;
    GPtrArray *makings;
    GPtrArray *devices;
};

enum { PROP_STATE = 1 };

G_DEFINE_FINAL_TYPE(VfLease, vf_lease, G_TYPE_OBJECT)

static const char *const state_names[] = {
    [VF_LEASE_RESERVED] = "reserved", [VF_LEASE_READY] = "ready",
    [VF_LEASE_ATTACHED] = "attached", [VF_LEASE_LOADED] = "loaded",
    [VF_LEASE_ADOPTED] = "adopted",   [VF_LEASE_UNDOING] = "undoing",
    [VF_LEASE_STUCK] = "stuck",       [VF_LEASE_GONE] = "gone",
};

#define TO(state) (1u << (state))

/* Row: from; bits: to. What runs here (loaded, adopted) is never undone. */
static const guint moves[] = {
    [VF_LEASE_RESERVED] = TO(VF_LEASE_READY) | TO(VF_LEASE_UNDOING),
    [VF_LEASE_READY] = TO(VF_LEASE_ATTACHED) | TO(VF_LEASE_LOADED) | TO(VF_LEASE_UNDOING),
    [VF_LEASE_ATTACHED] = TO(VF_LEASE_LOADED) | TO(VF_LEASE_UNDOING),
    [VF_LEASE_LOADED] = TO(VF_LEASE_ADOPTED),
    [VF_LEASE_ADOPTED] = TO(VF_LEASE_GONE),
    [VF_LEASE_UNDOING] = TO(VF_LEASE_STUCK) | TO(VF_LEASE_GONE),
    [VF_LEASE_STUCK] = TO(VF_LEASE_UNDOING),
    [VF_LEASE_GONE] = 0,
};

static void
vf_lease_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_int(value, (gint)VF_LEASE(object)->state);
}

static void
vf_lease_finalize(GObject *object)
{
    VfLease *self = VF_LEASE(object);

    g_ptr_array_unref(self->makings);
    g_ptr_array_unref(self->devices);
    g_clear_object(&self->job);
    g_free(self->id);
    g_free(self->adopter);
    G_OBJECT_CLASS(vf_lease_parent_class)->finalize(object);
}

static void
vf_lease_class_init(VfLeaseClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->get_property = vf_lease_get_property;
    object_class->finalize = vf_lease_finalize;
    g_object_class_install_property(
        object_class, PROP_STATE,
        g_param_spec_int("state", NULL, NULL, 0, VF_LEASE_GONE, 0,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY));
    g_signal_new("changed", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, 0);
}

static void
vf_lease_init(VfLease *self)
{
    self->id = g_uuid_string_random();
    self->makings = g_ptr_array_new_with_free_func(g_object_unref);
    self->devices = g_ptr_array_new_with_free_func(g_object_unref);
}

VfLease *
vf_lease_new(VfJob *job)
{
    VfLease *self = g_object_new(VF_TYPE_LEASE, NULL);

    self->job = g_object_ref(job);
    return self;
}

static VfLeaseState
find_state(const char *name)
{
    VfLeaseState state = VF_LEASE_READY;

    while (state < VF_LEASE_GONE && !g_str_equal(name, state_names[state]))
        state++;
    return state;
}

gboolean
vf_lease_is_state(const char *name)
{
    return find_state(name) != VF_LEASE_GONE;
}

VfLease *
vf_lease_new_again(VfJob *job, const char *id, const char *state)
{
    VfLease *self = vf_lease_new(job);

    g_free(self->id);
    self->id = g_strdup(id);
    self->state = find_state(state);
    return self;
}

const char *
vf_lease_get_id(VfLease *self)
{
    return self->id;
}

VfJob *
vf_lease_get_job(VfLease *self)
{
    return self->job;
}

VfLeaseState
vf_lease_get_state(VfLease *self)
{
    return self->state;
}

const char *
vf_lease_get_state_name(VfLease *self)
{
    return state_names[self->state];
}

gboolean
vf_lease_move(VfLease *self, VfLeaseState state, GError **error)
{
    if (!(moves[self->state] & TO(state))) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                    _("lease %s is %s and cannot become %s"), self->id, state_names[self->state],
                    state_names[state]);
        return FALSE;
    }
    self->state = state;
    g_object_notify(G_OBJECT(self), "state");
    vf_lease_save(self);
    return TRUE;
}

void
vf_lease_save(VfLease *self)
{
    g_signal_emit_by_name(self, "changed");
}

gint64
vf_lease_get_deadline(VfLease *self)
{
    return vf_lease_is_revocable(self) ? self->deadline : 0;
}

gint64
vf_lease_get_ends(VfLease *self)
{
    return self->ends;
}

void
vf_lease_set_deadline(VfLease *self, gint64 deadline, gint64 ends)
{
    self->deadline = deadline;
    self->ends = ends;
}

void
vf_lease_renew(VfLease *self, guint seconds)
{
    gint64 left = (gint64)seconds * G_USEC_PER_SEC;

    vf_lease_set_deadline(self, g_get_real_time() + left, g_get_monotonic_time() + left);
    vf_lease_save(self);
}

gboolean
vf_lease_is_revocable(VfLease *self)
{
    return (self->state == VF_LEASE_RESERVED || self->state == VF_LEASE_READY) &&
           !vf_job_is_in_doubt(self->job);
}

const char *
vf_lease_get_adopter(VfLease *self)
{
    return self->adopter;
}

void
vf_lease_set_adopter(VfLease *self, const char *name)
{
    g_free(self->adopter);
    self->adopter = g_strdup(name);
    vf_lease_save(self);
}

GPtrArray *
vf_lease_get_makings(VfLease *self)
{
    return self->makings;
}

GPtrArray *
vf_lease_get_devices(VfLease *self)
{
    return self->devices;
}

void
vf_lease_add_device(VfLease *self, VfDevice *device)
{
    g_ptr_array_add(self->devices, g_object_ref(device));
    g_signal_connect_object(device, "notify::gone", G_CALLBACK(vf_lease_save), self,
                            G_CONNECT_SWAPPED);
    if (self->state != VF_LEASE_ADOPTED) /* else it is the adopter's */
        vf_device_set_state(device, VF_DEVICE_LEASED);
    vf_lease_save(self);
}

/* What Resolve alone decides, nobody else has a say in. */
static gboolean
check_no_doubt(VfLease *self, GError **error)
{
    if (!vf_job_is_in_doubt(self->job))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT,
                _("job %s is in doubt: resolve it first"), vf_job_get_uuid(self->job));
    return FALSE;
}

/* Who has asked for the end of it is not called back. */
gboolean
vf_lease_check_renew(VfLease *self, guint seconds, GError **error)
{
    if (seconds < VF_LEASE_SECONDS_MIN || seconds > VF_LEASE_SECONDS_MAX)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("%u seconds are not between %d and %d"), seconds, VF_LEASE_SECONDS_MIN,
                    VF_LEASE_SECONDS_MAX);
    else if (!check_no_doubt(self, error))
        return FALSE;
    else if (!vf_lease_is_revocable(self))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("lease %s is %s: no deadline counts"),
                    self->id, state_names[self->state]);
    else if (vf_job_get_cancel_reason(self->job) || vf_job_get_outcome(self->job))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                    _("lease %s is being released, or its deadline has passed"), self->id);
    else
        return TRUE;
    return FALSE;
}

gboolean
vf_lease_check_release(VfLease *self, GError **error)
{
    if (!check_no_doubt(self, error))
        return FALSE;
    if (vf_lease_is_revocable(self) || self->state == VF_LEASE_UNDOING ||
        self->state == VF_LEASE_STUCK)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                self->state == VF_LEASE_ATTACHED
                    ? _("lease %s is %s: cancel the job, or resolve it when it is in doubt")
                    : _("lease %s is %s: its devices run here"),
                self->id, state_names[self->state]);
    return FALSE;
}

gboolean
vf_lease_check_adopt(VfLease *self, const char *name, gboolean again, GError **error)
{
    if (!check_no_doubt(self, error))
        return FALSE;
    if (self->state != VF_LEASE_LOADED)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("lease %s is %s, not loaded"),
                    self->id, state_names[self->state]);
    else if (self->adopter && !g_str_equal(self->adopter, name) && !again)
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
            _("the devices of lease %s were sent to %s, and vferryd ended before it knew that they "
              "arrived: if nobody has them, say so with the option “again”"),
            self->id, self->adopter);
    else
        return TRUE;
    return FALSE;
}
