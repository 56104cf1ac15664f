/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices of a dead mover, each brought back for itself. */
#include "config.h"

#include <sys/mman.h>

#include "io.h"
#include "past.h"
#include "request.h"
#include "session-case.h"

#define N_DEVICES 3

typedef struct {
    VfMemory *devices[N_DEVICES];
    int record;
} Fixture;

static void
add_device(Fixture *fixture, guint index, const VfMemoryOptions *options, VfMigrationState state)
{
    g_autoptr(VfBackend) backend = NULL;

    fixture->devices[index] = vf_memory_new(options);
    backend = vf_memory_open(fixture->devices[index]);
    if (state != VF_STATE_RUNNING)
        g_assert_true(vf_backend_set_state(backend, VF_STATE_RUNNING, state, NULL));
}

static void
fixture_init(Fixture *fixture, const VfMemoryOptions *odd, VfMigrationState state)
{
    static const VfMemoryOptions usual = {ALL, 64 * KIB};

    for (guint i = 0; i < N_DEVICES; i++)
        add_device(fixture, i, i == 0 ? odd : &usual, state);
    fixture->record = memfd_create("vferry-test-record", MFD_CLOEXEC);
    g_assert_cmpint(fixture->record, >=, 0);
}

static void
fixture_clear(Fixture *fixture)
{
    for (guint i = 0; i < N_DEVICES; i++)
        vf_memory_free(fixture->devices[i]);
    vf_io_clear_fd(&fixture->record);
}

static VfDevices *
open_devices(Fixture *fixture)
{
    g_autoptr(GPtrArray) backends = g_ptr_array_new();

    for (guint i = 0; i < N_DEVICES; i++)
        g_ptr_array_add(backends, vf_memory_open(fixture->devices[i]));
    return vf_devices_new(backends);
}

/* What a mover of its own makes of the devices and of what the record says. */
static VfRequestResult *
obtain(Fixture *fixture)
{
    static const VfVerb verb = {.name = "return", .perform = vf_request_return};
    g_autoptr(VfRequest) request = g_new0(VfRequest, 1);
    VfRequestResult *result = vf_request_result_new();
    g_autoptr(GError) error = NULL;

    request->verb = &verb;
    request->session = vf_session_new(open_devices(fixture),
                                      vf_record_new_from_fd(vf_io_dup(fixture->record, NULL)));
    vf_past_recall(request->session, FALSE, &error);
    g_assert_no_error(error);
    vf_request_result_obtain(result, request);
    return result;
}

static void
assert_states(Fixture *fixture, VfMigrationState odd, VfMigrationState usual)
{
    for (guint i = 0; i < N_DEVICES; i++)
        g_assert_cmpint(vf_memory_get_state(fixture->devices[i]), ==, i == 0 ? odd : usual);
}

/* One that does not say what it can. */
static void
test_mute(void)
{
    Fixture fixture = {0};
    g_autoptr(VfRequestResult) result = NULL;

    /* it has no RUNNING_P2P, and nobody asks it for that */
    fixture_init(&fixture, &(VfMemoryOptions){STOP_COPY, 64 * KIB, .mute = TRUE}, VF_STATE_STOP);
    result = obtain(&fixture);
    g_assert_cmpint(result->end.kind, ==, VF_SESSION_COMPLETED);
    assert_states(&fixture, VF_STATE_RUNNING, VF_STATE_RUNNING);
    fixture_clear(&fixture);
}

/* One that does not run either: its error is the one to be said. */
static void
test_mute_and_stuck(void)
{
    Fixture fixture = {0};
    g_autoptr(VfRequestResult) result = NULL;

    fixture_init(&fixture,
                 &(VfMemoryOptions){ALL, 64 * KIB, .mute = TRUE, .refuse = BIT(VF_STATE_RUNNING)},
                 VF_STATE_STOP);
    result = obtain(&fixture);
    g_assert_error(result->end.error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
    g_assert_nonnull(strstr(result->end.error->message,
                            "device 0: reading what it can: Input/output error; device 0: change"));
    g_assert_cmpstr(result->end.device_states[0], ==, "failed-needs-reset");
    assert_states(&fixture, VF_STATE_STOP, VF_STATE_RUNNING);
    fixture_clear(&fixture);
}

/* The daemon takes no longer one, and a cut character would be no text. */
static void
test_long_message(void)
{
    g_autoptr(VfRequestResult) result = vf_request_result_new();
    g_autoptr(GString) text = g_string_new("x");
    g_autoptr(GVariant) args = NULL;
    const char *said = NULL;

    while (g_utf8_strlen(text->str, -1) <= 2 * VF_CONTROL_TEXT_MAX)
        g_string_append(text, "€");
    vf_request_result_fail(result,
                           g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED, text->str));
    args = g_variant_ref_sink(vf_request_result_to_variant(result));
    g_assert_true(g_variant_lookup(args, "message", "&s", &said));
    g_assert_true(g_str_has_prefix(text->str, said));
    g_assert_cmpint(g_utf8_strlen(said, -1), ==, VF_CONTROL_TEXT_MAX);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* what a mover warns of is part of what is tested here */
    g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
    g_test_add_func("/engine/devices/long-message", test_long_message);
    g_test_add_func("/engine/devices/mute", test_mute);
    g_test_add_func("/engine/devices/mute-and-stuck", test_mute_and_stuck);
    return g_test_run();
}
