/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "error.h"
#include "io.h"
#include "job-keep.h"
#include "memo.h"
#include "mover-message.h"

/* What a mover says goes to the bus, to logs and to terminals, and a stranger may have taken it
 * over: everything that is not a number or a short word is refused, and prose is made fit for
 * print. */

static VfControlMessage *
message_new(const char *verb, const char *args)
{
    VfControlMessage *message = g_new0(VfControlMessage, 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) dict = g_variant_parse(G_VARIANT_TYPE_VARDICT, args, NULL, NULL, &error);

    g_assert_no_error(error);
    message->verb = g_strdup(verb);
    message->args = g_variant_dict_new(dict);
    return message;
}

#define FIVE "'stopped', 'stopped', 'stopped', 'stopped', 'failed-needs-reset'"
#define SIXTEEN "[" FIVE ", " FIVE ", " FIVE ", 'running'"

typedef struct {
    const char *name;
    const char *args;
    const char *blamed; /* NULL: it is right */
} Case;

static const Case results[] = {
    {"least", "{'outcome': <'completed'>}", NULL},
    {"all",
     "{'outcome': <'failed'>, 'error': <'org.vferry1.Error.Peer'>, 'message': <'gone'>, "
     "'device-states': <['running']>, 'statistics': <{'bytes': <uint64 5>, 'seconds': <0.5>}>, "
     "'flags': <['stop-copy', 'p2p']>, 'data-size': <uint64 7>, 'state': <'STOP_COPY'>}",
     NULL},
    {"none", "{}", "outcome"},
    {"outcome", "{'outcome': <'sunk'>}", "outcome"},
    {"outcome-number", "{'outcome': <1>}", "outcome"},
    {"device-state", "{'outcome': <'completed'>, 'device-states': <['flying']>}", "device-states"},
    {"statistics-text", "{'outcome': <'completed'>, 'statistics': <{'bytes': <'5'>}>}",
     "statistics"},
    {"statistics-key", "{'outcome': <'completed'>, 'statistics': <{'by\\ntes': <uint64 5>}>}",
     "statistics"},
    {"statistics-empty-key", "{'outcome': <'completed'>, 'statistics': <{'': <uint64 5>}>}",
     "statistics"},
    {"flag-control", "{'outcome': <'completed'>, 'flags': <['\\u001b[2J']>}", "flags"},
    {"flag-long",
     "{'outcome': <'completed'>, 'flags': "
     "<['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx']>}",
     "flags"},
    {"flags-many",
     "{'outcome': <'completed'>, 'flags': <['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', "
     "'a', 'a', 'a', 'a', 'a', 'a', 'a']>}",
     "flags"},
    {"device-states-most", "{'outcome': <'completed'>, 'device-states': <" SIXTEEN "]>}", NULL},
    {"device-states-many", "{'outcome': <'completed'>, 'device-states': <" SIXTEEN ", 'stopped']>}",
     "device-states"},
    {"state-control", "{'outcome': <'completed'>, 'state': <'RUN\\nNING'>}", "state"},
};

static void
test_result(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(VfControlMessage) message = message_new("result", c->args);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_message_parse_result(message, &error);

    if (!c->blamed) {
        g_assert_no_error(error);
        g_assert_nonnull(reply);
        return;
    }
    g_assert_null(reply);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, c->blamed));
}

static void
test_prose(void)
{
    g_autofree char *many = g_strnfill(9000, 'x');
    g_autofree char *args =
        g_strdup_printf("{'outcome': <'failed'>, 'message': <'a\\u001b[31m\\nb\\u202e%s'>}", many);
    g_autoptr(VfControlMessage) message = message_new("result", args);
    g_autoptr(VfMoverReply) reply = vf_mover_message_parse_result(message, NULL);

    g_assert_nonnull(reply);
    g_assert_true(g_str_has_prefix(reply->outcome->error->message, "a?[31m?b?x"));
    g_assert_cmpuint(strlen(reply->outcome->error->message), ==, VF_CONTROL_TEXT_MAX);
}

static void
check_text(const char *text, gboolean right)
{
    g_autofree char *args = g_strdup_printf("{'phase': <'%s'>}", text);
    g_autoptr(VfControlMessage) message = message_new("phase", args);
    g_autoptr(GError) error = NULL;
    g_autofree char *parsed = vf_mover_message_parse_text(message, "phase", &error);

    g_assert_true((parsed != NULL) == right);
    if (!right)
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
}

static void
test_text(void)
{
    g_autofree char *many = g_strnfill(65, 'x');

    check_text("pre-copy", TRUE);
    check_text("fe80::1%eth0", TRUE);
    check_text(many + 1, TRUE);
    check_text(many, FALSE);
    check_text("", FALSE);
    check_text("two words", FALSE);
    check_text("line\\n", FALSE);
    check_text("\\u00e9", FALSE);
}

static VfControlMessage *
message_with_statistics(guint n)
{
    g_autoptr(GString) statistics = g_string_new(NULL);
    g_autofree char *args = NULL;
    g_autoptr(GString) prose = g_string_new(NULL);

    for (guint i = 0; i < n; i++)
        g_string_append_printf(statistics, "%s'%064u': <uint64 %u>", i > 0 ? ", " : "", i, i);
    while (prose->len < 4 * (VF_CONTROL_TEXT_MAX + 1))
        g_string_append(prose, "😀"); /* as many bytes as a character can have */
    args =
        g_strdup_printf("{'outcome': <'in-doubt'>, 'error': <'org.vferry1.Error.InDoubt'>, "
                        "'message': <'%s'>, 'device-states': <" SIXTEEN "]>, 'statistics': <{%s}>}",
                        prose->str, statistics->str);
    return message_new("result", args);
}

static VfJob *
job_that_ended(const VfOutcome *outcome)
{
    VfJob *job = vf_job_new(VF_JOB_DESTINATION, "11111111-2222-4333-8444-555555555555", 7, ":1.9");
    GVariantDict said;

    g_variant_dict_init(&said, NULL);
    g_variant_dict_insert_value(&said, "said", vf_outcome_to_variant(outcome));
    vf_job_set_driver_state(job, g_variant_dict_end(&said));
    vf_job_complete(job, vf_outcome_copy(outcome));
    return job;
}

/* Whatever a mover says, its job is there for the next daemon: what the result takes leaves half of
 * the memo to the rest. */
static void
test_largest_is_kept(void)
{
    g_autoptr(VfControlMessage) most = message_with_statistics(32);
    g_autoptr(VfControlMessage) more = message_with_statistics(33);
    g_autoptr(VfMoverReply) reply = vf_mover_message_parse_result(most, NULL);
    g_autoptr(GVariant) kept = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfJob) job = NULL;
    vf_autofd int memo = vf_memo_new("test", NULL);
    GVariantDict state;

    g_assert_null(vf_mover_message_parse_result(more, NULL));
    g_assert_nonnull(reply);
    job = job_that_ended(reply->outcome);
    g_variant_dict_init(&state, NULL);
    vf_job_keep_fill(job, &state);
    kept = g_variant_ref_sink(g_variant_dict_end(&state));
    g_assert_cmpuint(g_variant_get_size(kept), <, VF_MEMO_SIZE_MAX / 2);
    g_assert_true(vf_memo_write(memo, kept, &error));
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
        g_autofree char *path = g_strdup_printf("/daemon/mover-message/%s", results[i].name);
        g_test_add_data_func(path, &results[i], test_result);
    }
    g_test_add_func("/daemon/mover-message/prose", test_prose);
    g_test_add_func("/daemon/mover-message/largest-is-kept", test_largest_is_kept);
    g_test_add_func("/daemon/mover-message/text", test_text);
    return g_test_run();
}
