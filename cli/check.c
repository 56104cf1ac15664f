/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "check.h"

#include <glib/gi18n-lib.h>

#include "json.h"
#include "table.h"
#include "text-view.h"

typedef struct {
    char *what;
    char *where;
    char *code;
    char *sentence;
    VfCheckVerdict verdict;
} Line;

struct VfCheck {
    GPtrArray *lines; /* of Line */
    VfCheckVerdict verdict;
};

/* As a program reads it, as a person does, and what it looks and ends like. */
static const struct {
    const char *word;
    const char *shown;
    VfStyle style;
    VfExit status;
} verdicts[] = {
    [VF_CHECK_FITS] = {"fits", N_("fits"), VF_STYLE_GOOD, VF_EXIT_DONE},
    [VF_CHECK_UNKNOWN] = {"unknown", N_("unknown"), VF_STYLE_WARN, VF_EXIT_UNKNOWN},
    [VF_CHECK_UNFIT] = {"unfit", N_("does not fit"), VF_STYLE_BAD, VF_EXIT_FAILED},
};

static void
line_free(gpointer data)
{
    Line *line = data;

    g_free(line->what);
    g_free(line->where);
    g_free(line->code);
    g_free(line->sentence);
    g_free(line);
}

VfCheck *
vf_check_new(void)
{
    VfCheck *self = g_new0(VfCheck, 1);

    self->lines = g_ptr_array_new_with_free_func(line_free);
    return self;
}

void
vf_check_free(VfCheck *self)
{
    g_ptr_array_unref(self->lines);
    g_free(self);
}

void
vf_check_add(VfCheck *self, const char *what, const char *where, VfCheckVerdict verdict,
             const char *code, const char *sentence)
{
    Line *line = g_new0(Line, 1);

    line->what = g_strdup(what);
    line->where = g_strdup(where);
    line->verdict = verdict;
    line->code = g_strdup(code);
    line->sentence = g_strdup(sentence);
    g_ptr_array_add(self->lines, line);
    self->verdict = MAX(self->verdict, verdict);
}

VfCheckVerdict
vf_check_get_verdict(const VfCheck *self)
{
    return self->verdict;
}

static JsonNode *
format_json(const VfCheck *self, const char *guest, const char *destination)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *lines = json_array_new();

    for (guint i = 0; i < self->lines->len; i++) {
        const Line *line = self->lines->pdata[i];
        JsonObject *one = json_object_new();

        vf_json_set_text(one, "device", line->what);
        json_object_set_string_member(one, "where", line->where);
        json_object_set_string_member(one, "verdict", verdicts[line->verdict].word);
        json_object_set_string_member(one, "code", line->code);
        json_object_set_string_member(one, "sentence", line->sentence);
        json_array_add_object_element(lines, one);
    }
    json_object_set_string_member(object, "domain", guest);
    vf_json_set_text(object, "destination", destination);
    json_object_set_string_member(object, "verdict", verdicts[self->verdict].word);
    json_object_set_array_member(object, "lines", lines);
    return json_node_init_object(json_node_alloc(), object);
}

static void
print_lines(const VfCheck *self, gboolean colour)
{
    const char *titles[] = {_("IN THE GUEST"), _("WHERE"), _("VERDICT"), _("WHY"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *text = NULL;

    for (guint i = 0; i < self->lines->len; i++) {
        const Line *line = self->lines->pdata[i];

        vf_table_add(table, line->what);
        vf_table_add(table, line->where);
        vf_table_add_styled(table, _(verdicts[line->verdict].shown), verdicts[line->verdict].style);
        vf_table_add(table, line->sentence);
    }
    text = vf_table_format(table, colour);
    g_print("%s", text);
}

/* Without a destination only what speaks against any is known. */
static char *
format_summary(const VfCheck *self, const char *guest, const char *destination)
{
    if (!destination)
        return g_strdup_printf(
            self->verdict == VF_CHECK_FITS    ? _("Nothing here speaks against a migration of %s.")
            : self->verdict == VF_CHECK_UNFIT ? _("%s cannot be migrated.")
                                              : _("Whether %s can be migrated is not known."),
            guest);
    return g_strdup_printf(self->verdict == VF_CHECK_FITS    ? _("%s can go to %s.")
                           : self->verdict == VF_CHECK_UNFIT ? _("%s cannot go to %s.")
                                                             : _("Whether %s can go to %s only "
                                                                 "trying tells."),
                           guest, destination);
}

VfExit
vf_check_report(const VfCheck *self, const VfCli *cli, const char *guest, const char *destination)
{
    g_autoptr(GError) error = NULL;

    if (cli->json) {
        if (!vf_json_print(format_json(self, guest, destination), &error))
            return vf_exit_report_unanswered(error);
    } else {
        g_autofree char *summary = format_summary(self, guest, destination);
        g_autofree char *clean = vf_text_printable(summary);

        print_lines(self, cli->colour);
        g_print("%s\n", clean);
    }
    return verdicts[self->verdict].status;
}
