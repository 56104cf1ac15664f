/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "hosts.h"

#include "bus.h"

/* As many ssh at a time: more would wait for the network, or for somebody's login limit. */
#define PARALLEL 16

typedef struct {
    const VfCli *cli;
    const char *address;
    VfHostAnswer *answer;
} Question;

static void
answer_free(gpointer data)
{
    VfHostAnswer *self = data;

    g_free(self->label);
    g_free(self->capabilities);
    g_clear_error(&self->error);
    g_free(self);
}

/* In a thread of its own, with connections of its own. */
static void
ask(gpointer data, gpointer unused)
{
    g_autofree Question *question = data;
    VfHostAnswer *answer = question->answer;
    g_autoptr(VfBus) bus = vf_bus_new(question->cli, question->address, &answer->error);

    if (!bus)
        return;
    g_free(answer->label);
    answer->label = g_strdup(vf_bus_get_label(bus));
    vferry_manager_call_get_capabilities_sync(vf_bus_get_manager(bus), g_variant_new("a{sv}", NULL),
                                              G_DBUS_CALL_FLAGS_NONE, vf_bus_get_timeout(bus),
                                              &answer->capabilities, NULL, &answer->error);
}

static Question *
question_new(const VfCli *cli, const char *address, GPtrArray *answers)
{
    Question *question = g_new0(Question, 1);

    question->cli = cli;
    question->address = address;
    question->answer = g_new0(VfHostAnswer, 1);
    question->answer->label = g_strdup(address);
    g_ptr_array_add(answers, question->answer);
    return question;
}

GPtrArray *
vf_hosts_ask(const VfCli *cli, char *const *addresses)
{
    GPtrArray *answers = g_ptr_array_new_with_free_func(answer_free);
    VfCli quiet = *cli;
    GThreadPool *pool;

    if (!addresses || !addresses[0] || !addresses[1]) {
        ask(question_new(cli, addresses ? addresses[0] : NULL, answers), NULL);
        return answers;
    }
    quiet.interactive = FALSE; /* sixteen questions on one terminal have no answer */
    pool = g_thread_pool_new(ask, NULL, PARALLEL, FALSE, NULL);
    for (char *const *address = addresses; *address; address++)
        g_thread_pool_push(pool, question_new(&quiet, *address, answers), NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    return answers;
}

void
vf_hosts_name_error(VfHostAnswer *self)
{
    if (!self->label)
        return;
    g_dbus_error_strip_remote_error(self->error);
    g_prefix_error(&self->error, "%s: ", self->label);
}
