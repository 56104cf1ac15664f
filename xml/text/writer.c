/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "writer.h"

#include <libxml/xmlwriter.h>

#include "text.h"

struct VfWriter {
    xmlBuffer *buffer;
    xmlTextWriter *writer;
};

/* The functions fail only without memory: names are ours and text is clean. */
static void
check(int result)
{
    if (result < 0)
        g_error("libxml2 could not write to memory");
}

VfWriter *
vf_writer_new(const char *root, const char *ns, gboolean indent)
{
    VfWriter *self = g_new0(VfWriter, 1);

    self->buffer = xmlBufferCreate();
    self->writer = self->buffer ? xmlNewTextWriterMemory(self->buffer, 0) : NULL;
    if (!self->writer)
        g_error("libxml2 could not make a writer");
    check(xmlTextWriterSetIndent(self->writer, indent));
    check(xmlTextWriterSetIndentString(self->writer, (const xmlChar *)"  "));
    check(xmlTextWriterStartDocument(self->writer, NULL, "UTF-8", NULL));
    vf_writer_start(self, root, ns);
    return self;
}

void
vf_writer_free(VfWriter *self)
{
    g_clear_pointer(&self->writer, xmlFreeTextWriter);
    g_clear_pointer(&self->buffer, xmlBufferFree);
    g_free(self);
}

void
vf_writer_start(VfWriter *self, const char *name, const char *ns)
{
    check(xmlTextWriterStartElement(self->writer, (const xmlChar *)name));
    vf_writer_attribute(self, "xmlns", ns);
}

void
vf_writer_end(VfWriter *self)
{
    check(xmlTextWriterEndElement(self->writer));
}

void
vf_writer_attribute(VfWriter *self, const char *name, const char *value)
{
    g_autofree char *clean = value ? vf_text_clean(value) : NULL;

    if (clean)
        check(xmlTextWriterWriteAttribute(self->writer, (const xmlChar *)name,
                                          (const xmlChar *)clean));
}

void
vf_writer_attribute_u64(VfWriter *self, const char *name, guint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);
    vf_writer_attribute(self, name, text);
}

void
vf_writer_attribute_i64(VfWriter *self, const char *name, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    vf_writer_attribute(self, name, text);
}

void
vf_writer_attribute_words(VfWriter *self, const char *name, char *const *words)
{
    g_autofree char *text = NULL;

    if (!words || !words[0])
        return;
    text = g_strjoinv(" ", (char **)words);
    vf_writer_attribute(self, name, text);
}

void
vf_writer_text(VfWriter *self, const char *text)
{
    g_autofree char *clean = vf_text_clean(text);
    check(xmlTextWriterWriteString(self->writer, (const xmlChar *)clean));
}

void
vf_writer_prose(VfWriter *self, const char *name, const char *text)
{
    g_autofree char *collapsed = text ? vf_text_collapse(text) : NULL;

    if (!collapsed)
        return;
    vf_writer_start(self, name, NULL);
    vf_writer_text(self, collapsed);
    vf_writer_end(self);
}

char *
vf_writer_finish(VfWriter *self)
{
    check(xmlTextWriterEndDocument(self->writer));
    check(xmlTextWriterFlush(self->writer));
    return g_strdup((const char *)xmlBufferContent(self->buffer));
}
