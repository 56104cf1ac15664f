/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"

/* Elements as they come out of a SAX parser, in one run of bytes: two elements with the same
 * content have the same bytes, wherever they stand, and a tree can be made of them, which is how
 * they get to the parsers that work on trees. */

typedef struct {
    guint8 *data;
    gsize size;
    gsize capacity;
    gsize text;    /* where the length of the text is that was written last; 0: something else */
    GArray *lines; /* of guint: of each element */
    guint n_nodes; /* elements and attributes */
} VfElementLog;

void vf_element_log_init(VfElementLog *self);
void vf_element_log_clear(VfElementLog *self);

/* Begins again; keeps the memory unless it is much. */
void vf_element_log_reset(VfElementLog *self);

/* @foreign: the element is not in the namespace that the tree is made with. */
void vf_element_log_start(VfElementLog *self, const char *name, gboolean foreign, guint line);
void vf_element_log_attribute(VfElementLog *self, const char *name, const char *value, gsize size);
void vf_element_log_text(VfElementLog *self, const char *text, gsize size);
void vf_element_log_end(VfElementLog *self);

/* The tree of a log in which every element has ended but the first, which may have. */
VfDocument *vf_element_log_replay(const VfElementLog *self, const char *ns, const char *where);
