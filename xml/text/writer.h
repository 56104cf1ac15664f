/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The one way in which a value becomes XML: UTF-8, elements indented by two spaces. Text is cleaned
 * (text.h), so that what comes out always parses. Running out of memory aborts, as it does in GLib.
 */
typedef struct VfWriter VfWriter;

/* With the XML declaration and the start of the root element. @indent FALSE: no white space between
 * elements. */
VfWriter *vf_writer_new(const char *root, const char *ns, gboolean indent);
void vf_writer_free(VfWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfWriter, vf_writer_free)

/* @ns nullable: the namespace in force. */
void vf_writer_start(VfWriter *self, const char *name, const char *ns);
void vf_writer_end(VfWriter *self);

/* A NULL @value writes nothing. */
void vf_writer_attribute(VfWriter *self, const char *name, const char *value);
void vf_writer_attribute_u64(VfWriter *self, const char *name, guint64 value);
void vf_writer_attribute_i64(VfWriter *self, const char *name, gint64 value);
/* Joined by spaces; nothing for NULL or an empty list. */
void vf_writer_attribute_words(VfWriter *self, const char *name, char *const *words);

void vf_writer_text(VfWriter *self, const char *text);

/* An element with @text, white space collapsed; nothing for NULL. */
void vf_writer_prose(VfWriter *self, const char *name, const char *text);

/* Ends what is open. Free the text with g_free(). */
char *vf_writer_finish(VfWriter *self);
