/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "element-log.h"

#include <string.h>

#define CAPACITY_KEPT (256 * 1024)

typedef enum {
    MARK_START = 1,
    MARK_FOREIGN,
    MARK_ATTRIBUTE,
    MARK_TEXT,
    MARK_END,
} Mark;

void
vf_element_log_init(VfElementLog *self)
{
    *self = (VfElementLog){.lines = g_array_new(FALSE, FALSE, sizeof(guint))};
}

void
vf_element_log_clear(VfElementLog *self)
{
    g_free(self->data);
    g_array_unref(self->lines);
}

void
vf_element_log_reset(VfElementLog *self)
{
    if (self->capacity > CAPACITY_KEPT) {
        g_clear_pointer(&self->data, g_free);
        self->capacity = 0;
    }
    self->size = 0;
    self->text = 0;
    self->n_nodes = 0;
    g_array_set_size(self->lines, 0);
}

static inline void
append(VfElementLog *self, const void *bytes, gsize size)
{
    if (self->capacity - self->size < size) {
        self->capacity = MAX(self->capacity * 2, self->size + size + 1024);
        self->data = g_realloc(self->data, self->capacity);
    }
    memcpy(self->data + self->size, bytes, size);
    self->size += size;
}

static inline void
append_mark(VfElementLog *self, Mark mark)
{
    guint8 byte = (guint8)mark;

    append(self, &byte, 1);
    self->text = 0;
}

static inline void
append_size(VfElementLog *self, gsize size)
{
    guint32 number = (guint32)size;

    append(self, &number, sizeof number);
}

void
vf_element_log_start(VfElementLog *self, const char *name, gboolean foreign, guint line)
{
    append_mark(self, foreign ? MARK_FOREIGN : MARK_START);
    append(self, name, strlen(name) + 1);
    g_array_append_val(self->lines, line);
    self->n_nodes++;
}

void
vf_element_log_attribute(VfElementLog *self, const char *name, const char *value, gsize size)
{
    append_mark(self, MARK_ATTRIBUTE);
    append(self, name, strlen(name) + 1);
    append_size(self, size);
    append(self, value, size);
    self->n_nodes++;
}

/* A parser cuts text where it likes; the pieces are put together. */
void
vf_element_log_text(VfElementLog *self, const char *text, gsize size)
{
    gsize at = self->text;
    guint32 before = 0;

    if (at == 0) {
        append_mark(self, MARK_TEXT);
        at = self->size;
        append_size(self, 0);
        self->text = at;
    }
    append(self, text, size);
    memcpy(&before, self->data + at, sizeof before);
    before += (guint32)size;
    memcpy(self->data + at, &before, sizeof before);
}

void
vf_element_log_end(VfElementLog *self)
{
    append_mark(self, MARK_END);
}

/* --- back to a tree */

typedef struct {
    const guint8 *at;
    const guint8 *end;
    const guint *line;
    xmlDoc *doc;
    xmlNode *node; /* the open element; NULL: none */
    xmlNs *ns;
    const char *uri;
} Replay;

static const char *
take_name(Replay *replay)
{
    const char *name = (const char *)replay->at;

    replay->at += strlen(name) + 1;
    return name;
}

static xmlChar *
take_text(Replay *replay)
{
    guint32 size;
    xmlChar *text;

    memcpy(&size, replay->at, sizeof size);
    text = xmlStrndup(replay->at + sizeof size, (int)size);
    replay->at += sizeof size + size;
    return text;
}

static void
replay_start(Replay *replay, gboolean foreign)
{
    const char *name = take_name(replay);
    xmlNode *node = xmlNewDocNode(replay->doc, NULL, (const xmlChar *)name, NULL);

    node->line = (unsigned short)MIN(*replay->line, G_MAXUINT16);
    replay->line++;
    if (replay->node)
        xmlAddChild(replay->node, node);
    else
        xmlDocSetRootElement(replay->doc, node);
    if (!replay->ns)
        replay->ns = xmlNewNs(node, (const xmlChar *)replay->uri, NULL);
    if (!foreign)
        xmlSetNs(node, replay->ns);
    replay->node = node;
}

static void
replay_attribute(Replay *replay)
{
    const char *name = take_name(replay);
    xmlChar *value = take_text(replay);

    xmlNewProp(replay->node, (const xmlChar *)name, value);
    xmlFree(value);
}

static void
replay_text(Replay *replay)
{
    xmlChar *text = take_text(replay);

    xmlAddChild(replay->node, xmlNewDocText(replay->doc, text));
    xmlFree(text);
}

static void
replay_next(Replay *replay)
{
    Mark mark = (Mark)*replay->at++;

    switch (mark) {
    case MARK_START:
    case MARK_FOREIGN:
        replay_start(replay, mark == MARK_FOREIGN);
        break;
    case MARK_ATTRIBUTE:
        replay_attribute(replay);
        break;
    case MARK_TEXT:
        replay_text(replay);
        break;
    case MARK_END:
        replay->node = replay->node->parent;
        break;
    default:
        g_assert_not_reached();
    }
}

VfDocument *
vf_element_log_replay(const VfElementLog *self, const char *ns, const char *where)
{
    Replay replay = {self->data, self->data + self->size, (const guint *)(void *)self->lines->data,
                     xmlNewDoc((const xmlChar *)"1.0")};

    replay.uri = ns;
    while (replay.at < replay.end)
        replay_next(&replay);
    return vf_document_adopt(replay.doc, where);
}
