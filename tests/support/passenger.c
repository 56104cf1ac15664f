/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "passenger.h"

#include <sys/mman.h>

#include "error.h"

#define WAIT_US 2000

/* What two processes may write. */
typedef struct {
    gint running[2]; /* by VfRole */
    gint twice;
    gint sent; /* all that the source has */
    gint returns;
} Facts;

struct VfPassenger {
    VfPassengerPlan plan;
    Facts *facts;
    guint moves;
    guint loads;
    VfSessionSubject subjects[2];
};

static void
set_running(Facts *facts, VfRole role, gboolean running)
{
    g_atomic_int_set(&facts->running[role], running);
    if (running && g_atomic_int_get(&facts->running[!role]))
        g_atomic_int_set(&facts->twice, TRUE);
}

static gboolean
fail(gboolean wanted, const char *what, GError **error)
{
    if (wanted)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "the hypervisor cannot %s", what);
    return !wanted;
}

static gboolean
move(gpointer data, gboolean *done, GError **error)
{
    VfPassenger *self = data;

    g_usleep(WAIT_US);
    if (self->plan.early && self->moves == 0)
        g_atomic_int_set(&self->facts->sent, TRUE);
    if (self->moves++ < self->plan.moves)
        return TRUE;
    if (!fail(self->plan.fail_move, "move it", error))
        return FALSE;
    set_running(self->facts, VF_ROLE_SOURCE, FALSE);
    g_atomic_int_set(&self->facts->sent, TRUE);
    *done = TRUE;
    return TRUE;
}

static gboolean
check_still(gpointer data, GError **error)
{
    VfPassenger *self = data;

    return fail(self->plan.fail_check || g_atomic_int_get(&self->facts->running[VF_ROLE_SOURCE]),
                "hold it", error);
}

static gboolean
give_back(gpointer data, GError **error)
{
    VfPassenger *self = data;

    g_atomic_int_inc(&self->facts->returns);
    if (!fail(self->plan.fail_give_back, "go on with it", error))
        return FALSE;
    set_running(self->facts, VF_ROLE_SOURCE, TRUE);
    return TRUE;
}

static gboolean
load(gpointer data, gboolean *done, GError **error)
{
    VfPassenger *self = data;

    g_usleep(WAIT_US);
    if (!g_atomic_int_get(&self->facts->sent) || self->loads++ < self->plan.loads)
        return TRUE;
    *done = fail(self->plan.fail_load, "load it", error);
    return *done;
}

static gboolean
check_loaded(gpointer data, GError **error)
{
    VfPassenger *self = data;

    return fail(self->plan.fail_loaded, "keep it", error);
}

static gboolean
run(gpointer data, GError **error)
{
    VfPassenger *self = data;

    if (!fail(self->plan.fail_run, "run it", error))
        return FALSE;
    set_running(self->facts, VF_ROLE_DESTINATION, TRUE);
    return TRUE;
}

static const char *
describe_source(gpointer data)
{
    return vf_passenger_runs(data, VF_ROLE_SOURCE) ? "running" : "stopped";
}

static const char *
describe_destination(gpointer data)
{
    return vf_passenger_runs(data, VF_ROLE_DESTINATION) ? "running" : "stopped";
}

VfPassenger *
vf_passenger_new(const VfPassengerPlan *plan)
{
    VfPassenger *self = g_new0(VfPassenger, 1);

    self->plan = *plan;
    self->facts =
        mmap(NULL, sizeof *self->facts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(self->facts != MAP_FAILED);
    set_running(self->facts, VF_ROLE_SOURCE, TRUE);
    self->subjects[VF_ROLE_SOURCE] = (VfSessionSubject){.move = move,
                                                        .check_still = check_still,
                                                        .give_back = give_back,
                                                        .describe = describe_source,
                                                        .data = self};
    self->subjects[VF_ROLE_DESTINATION] = (VfSessionSubject){.load = load,
                                                             .check_loaded = check_loaded,
                                                             .run = run,
                                                             .describe = describe_destination,
                                                             .data = self};
    return self;
}

void
vf_passenger_free(VfPassenger *self)
{
    munmap(self->facts, sizeof *self->facts);
    g_free(self);
}

const VfSessionSubject *
vf_passenger_get_subject(VfPassenger *self, VfRole role)
{
    return &self->subjects[role];
}

gboolean
vf_passenger_runs(VfPassenger *self, VfRole role)
{
    return g_atomic_int_get(&self->facts->running[role]);
}

gboolean
vf_passenger_ran_twice(VfPassenger *self)
{
    return g_atomic_int_get(&self->facts->twice);
}

guint
vf_passenger_count_returns(VfPassenger *self)
{
    return (guint)g_atomic_int_get(&self->facts->returns);
}
