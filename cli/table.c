/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "table.h"

#include "text-view.h"

#define GAP 2
#define LABEL_WIDTH 20

typedef struct {
    char *text;
    VfStyle style;
} Cell;

struct VfTable {
    guint n_columns;
    GArray *cells; /* of Cell; the first row is the titles */
};

static void
clear_cell(gpointer cell)
{
    g_free(((Cell *)cell)->text);
}

VfTable *
vf_table_new(const char *const *titles)
{
    VfTable *self = g_new0(VfTable, 1);

    self->cells = g_array_new(FALSE, FALSE, sizeof(Cell));
    g_array_set_clear_func(self->cells, clear_cell);
    self->n_columns = g_strv_length((char **)titles);
    for (guint i = 0; i < self->n_columns; i++)
        vf_table_add_styled(self, titles[i], VF_STYLE_BOLD);
    return self;
}

void
vf_table_free(VfTable *self)
{
    g_array_unref(self->cells);
    g_free(self);
}

void
vf_table_add_styled(VfTable *self, const char *text, VfStyle style)
{
    Cell cell = {vf_text_printable(text && text[0] ? text : "-"), style};

    g_array_append_val(self->cells, cell);
}

void
vf_table_add(VfTable *self, const char *text)
{
    vf_table_add_styled(self, text, VF_STYLE_PLAIN);
}

char *
vf_table_format(VfTable *self, gboolean colour)
{
    GString *out = g_string_new(NULL);
    g_autofree guint *widths = g_new0(guint, self->n_columns);

    for (guint i = 0; i < self->cells->len; i++) {
        guint width = vf_text_width(g_array_index(self->cells, Cell, i).text);
        guint column = i % self->n_columns;

        widths[column] = MAX(widths[column], width);
    }
    for (guint i = 0; i < self->cells->len; i++) {
        const Cell *cell = &g_array_index(self->cells, Cell, i);
        guint column = i % self->n_columns;
        guint gap = widths[column] - vf_text_width(cell->text) + GAP;

        g_string_append_printf(out, "%s%s%s", vf_terminal_begin(cell->style, colour), cell->text,
                               vf_terminal_end(cell->style, colour));
        if (column + 1 == self->n_columns)
            g_string_append_c(out, '\n');
        else
            g_string_append_printf(out, "%*s", (int)gap, "");
    }
    return g_string_free(out, FALSE);
}

void
vf_table_print_label(const char *label, const char *text, gboolean colour)
{
    g_autofree char *clean = vf_text_printable(text);
    guint width = vf_text_width(label);

    g_print("%s%s%s%*s%s\n", vf_terminal_begin(VF_STYLE_BOLD, colour), label,
            vf_terminal_end(VF_STYLE_BOLD, colour),
            width < LABEL_WIDTH ? (int)(LABEL_WIDTH - width + 2) : 2, "", clean);
}
