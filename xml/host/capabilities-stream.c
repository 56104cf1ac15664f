/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "capabilities-stream.h"

#include <glib/gi18n-lib.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

#include "capabilities-file.h"
#include "capabilities-xml.h"
#include "content-cache.h"
#include "document-text.h"
#include "element-log.h"
#include "text.h"
#include "value-xml.h"

/* What is kept of earlier documents: the bytes of models, and those of shapes. */
#define CACHE_SIZE_MAX (4 * 1024 * 1024)
/* A parser keeps every name that it has seen; after a document with many it is made anew. */
#define DICT_GROWTH_MAX (64 * 1024)
#define BUFFER_KEPT (1024 * 1024)

/* Where a parser is. What is not known is skipped and is nowhere. */
typedef enum {
    AT_DOCUMENT,
    AT_ROOT,
    AT_HOST,
    AT_MODELS,
    AT_MODEL,
    AT_PARENTS,
    AT_PARENT,
    AT_OFFER,
    AT_OFFER_PARAMETER,
    AT_DEVICES,
    AT_DEVICE,
    AT_DEVICE_PARAMETER,
    AT_MIGRATION,
    N_PLACES,
} Place;

#define LOGGED_MAX 5
#define OWN_MAX 3

static const struct {
    const char *name;
    Place parent;
    guint max;                      /* in one parent; 0: any number */
    const char *logged[LOGGED_MAX]; /* the attributes that are the element's content */
    const char *own[OWN_MAX];       /* those in which it differs from others that are alike */
} grammar[N_PLACES] = {
    [AT_ROOT] = {"capabilities", AT_DOCUMENT, 1, {NULL}, {NULL}},
    [AT_HOST] = {"host", AT_ROOT, 1, {"id", "name", "arch", "kernel"}, {NULL}},
    [AT_MODELS] = {"models", AT_ROOT, 1, {NULL}, {NULL}},
    [AT_MODEL] = {"model", AT_MODELS, 0, {NULL}, {NULL}},
    [AT_PARENTS] = {"parents", AT_ROOT, 1, {NULL}, {NULL}},
    [AT_PARENT] = {"parent", AT_PARENTS, 0, {"id", "kind", "path", "driver"}, {NULL}},
    [AT_OFFER] =
        {"offer", AT_PARENT, 0, {"model", "how", "type", "usable-by", "settable"}, {"id", "left"}},
    [AT_OFFER_PARAMETER] =
        {"parameter", AT_OFFER, VF_VALUE_XML_MAX, {"name", "value", "evidence"}, {NULL}},
    [AT_DEVICES] = {"devices", AT_ROOT, 1, {NULL}, {NULL}},
    [AT_DEVICE] = {"device", AT_DEVICES, 0, {"kind", "model", "state"}, {"id", "path", "parent"}},
    [AT_DEVICE_PARAMETER] =
        {"parameter", AT_DEVICE, VF_VALUE_XML_MAX, {"name", "value", "evidence"}, {NULL}},
    [AT_MIGRATION] =
        {"migration", AT_DEVICE, 1, {"source", "stop-copy", "p2p", "pre-copy"}, {NULL}},
};

/* The same names as the parser has them: a name is compared by its address. */
typedef struct {
    const xmlChar *name;
    const xmlChar *logged[LOGGED_MAX];
    const xmlChar *own[OWN_MAX];
} Names;

typedef struct {
    const char *name;
    guint line;
} Open;

struct VfCapabilitiesStream {
    xmlParserCtxt *context;
    gsize dict_size;
    Names names[N_PLACES];
    const xmlChar *required;
    VfContentCache *models; /* of VfModel */
    VfContentCache *shapes; /* of VfShape */
    VfElementLog log;
    GString *own[OWN_MAX];
    gboolean has_own[OWN_MAX];
    GString *buffer;            /* of a file */
    GHashTable *seen[N_PLACES]; /* the ids of the document; NULL where there are none */
    GStringChunk *ids;

    /* the document that is read */
    const char *where;
    const VfCapabilitiesVisitor *visitor;
    gpointer data;
    GError *error;
    gsize nodes_left;
    VfDocumentNamespaces namespaces;
    Place place;
    guint counts[N_PLACES]; /* in the parent that is open */
    Open open[VF_DOCUMENT_DEPTH_MAX];
    guint depth;
    guint skipped; /* how many open elements are inside of one that is not known, with itself */
    guint logged;  /* how many open elements are inside of a model, with itself */
    gsize model_bytes;
};

static VfCapabilitiesStream *
of(void *data)
{
    return ((xmlParserCtxt *)data)->_private;
}

static guint
line_of(const VfCapabilitiesStream *self)
{
    return (guint)MAX(xmlSAX2GetLineNumber(self->context), 0);
}

static void
take_error(VfCapabilitiesStream *self, GError *error)
{
    if (!self->error)
        self->error = error;
    else
        g_error_free(error);
    xmlStopParser(self->context);
}

static void
fail_at(VfCapabilitiesStream *self, guint line, const char *message)
{
    GError *error = NULL;

    vf_document_set_error(&error, VFERRY_ERROR_INVALID_XML, self->where, line, message);
    take_error(self, error);
}

static void G_GNUC_PRINTF(3, 4)
    fail(VfCapabilitiesStream *self, const Open *element, const char *format, ...)
{
    g_autofree char *message = NULL;
    g_autofree char *located = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    located = g_strdup_printf("<%.60s>: %s", element->name, message);
    fail_at(self, element->line, located);
}

/* libxml2 2.12 made the error constant. */
#if LIBXML_VERSION >= 21200
typedef const xmlError *XmlErrorArgument;
#else
typedef xmlError *XmlErrorArgument;
#endif

static void
on_error(void *data, XmlErrorArgument problem)
{
    VfCapabilitiesStream *self = of(data);

    if (!self->error && problem->level >= XML_ERR_ERROR)
        vf_document_set_error(&self->error, VFERRY_ERROR_INVALID_XML, self->where, problem->line,
                              problem->message ?: _("not well-formed"));
}

static void
on_doctype(void *data, const xmlChar *name, const xmlChar *id, const xmlChar *uri)
{
    VfCapabilitiesStream *self = of(data);

    fail_at(self, line_of(self), _("a document type declaration is not accepted"));
}

/* --- attributes: localname, prefix, URI, value, its end */

static const xmlChar *const *
find_attribute(const xmlChar **attributes, int n, const xmlChar *name)
{
    for (int i = 0; i < n; i++)
        if (attributes[5 * i] == name && !attributes[5 * i + 2])
            return attributes + 5 * i;
    return NULL;
}

static gsize
value_size(const xmlChar *const *attribute)
{
    return (gsize)(attribute[4] - attribute[3]);
}

static void
log_attributes(VfCapabilitiesStream *self, const xmlChar **attributes, int n)
{
    const Names *names = &self->names[self->place];

    for (guint i = 0; i < LOGGED_MAX && names->logged[i] != NULL; i++) {
        const xmlChar *const *attribute = find_attribute(attributes, n, names->logged[i]);
        if (attribute)
            vf_element_log_attribute(&self->log, (const char *)attribute[0],
                                     (const char *)attribute[3], value_size(attribute));
    }
    for (guint i = 0; i < OWN_MAX && names->own[i] != NULL; i++) {
        const xmlChar *const *attribute = find_attribute(attributes, n, names->own[i]);
        g_string_truncate(self->own[i], 0);
        self->has_own[i] = attribute != NULL;
        if (attribute)
            g_string_append_len(self->own[i], (const char *)attribute[3],
                                (gssize)value_size(attribute));
    }
}

static void
check_ignorable(VfCapabilitiesStream *self, const Open *element, const xmlChar **attributes, int n)
{
    const xmlChar *const *attribute = find_attribute(attributes, n, self->required);
    g_autofree char *value = NULL;
    GError *cause = NULL;

    if (!attribute)
        return;
    value = g_strndup((const char *)attribute[3], value_size(attribute));
    if (!vf_text_check(value, "required", VF_DOCUMENT_SIZE_MAX, &cause)) {
        fail(self, element, "%s", cause->message);
        g_error_free(cause);
    } else if (g_str_equal(value, "yes")) {
        fail(self, element,
             _("this element is required to be understood, but this version does not know it"));
    }
}

/* --- what an element is when it is whole */

/* FALSE: it was there already, which is an error now. */
static gboolean
add_id(VfCapabilitiesStream *self, Place place, const Open *element, const char *id)
{
    if (g_hash_table_contains(self->seen[place], id)) {
        fail(self, element, _("the id “%s” is there twice"), id);
        return FALSE;
    }
    g_hash_table_add(self->seen[place], g_string_chunk_insert(self->ids, id));
    return TRUE;
}

static VfDocument *
replay(VfCapabilitiesStream *self)
{
    return vf_element_log_replay(&self->log, VF_CAPABILITIES_XML_NS, self->where);
}

static void
end_host(VfCapabilitiesStream *self)
{
    g_autoptr(VfDocument) document = replay(self);
    g_autoptr(VfCapabilities) host = vf_capabilities_new(NULL);
    GError *error = NULL;

    if (!vf_capabilities_xml_parse_host(vf_document_root(document), host, &error))
        take_error(self, error);
    else if (self->visitor->host)
        self->visitor->host(host->host_id, host->host_name, host->arch, host->kernel, self->data);
}

/* Its offers come later. */
static void
start_parent(VfCapabilitiesStream *self, const Open *element)
{
    g_autoptr(VfDocument) document = replay(self);
    g_autoptr(VfCapabilitiesParent) parent = vf_capabilities_parent_new(NULL, NULL);
    GError *error = NULL;

    if (!vf_capabilities_xml_parse_parent(vf_document_root(document), parent, &error))
        take_error(self, error);
    else if (add_id(self, AT_PARENT, element, parent->id) && self->visitor->parent)
        self->visitor->parent(parent, self->data);
}

static void
end_model(VfCapabilitiesStream *self, const Open *element)
{
    VfContent content = vf_content_cache_hash(self->models, self->log.data, self->log.size);
    VfModel *cached = vf_content_cache_find(self->models, &content);
    g_autoptr(VfModel) model = cached ? vf_model_ref(cached) : NULL;

    if (!cached) {
        g_autoptr(VfDocument) document = replay(self);
        GError *error = NULL;

        model = vf_capabilities_xml_parse_model(vf_document_root(document), &error);
        if (!model) {
            take_error(self, error);
            return;
        }
        vf_content_cache_add(self->models, &content, vf_model_ref(model));
    }
    if (add_id(self, AT_MODEL, element, model->id) && self->visitor->model)
        self->visitor->model(model, self->data);
}

static VfShape *
parse_shape(VfCapabilitiesStream *self, Place place)
{
    g_autoptr(VfDocument) document = replay(self);
    g_autoptr(VfCapabilitiesOffer) offer = vf_capabilities_offer_new(NULL);
    g_autoptr(VfCapabilitiesDevice) device = vf_capabilities_device_new(NULL, NULL);
    xmlNode *node = (xmlNode *)vf_document_root(document);
    GError *error = NULL;

    for (guint i = 0; i < OWN_MAX && grammar[place].own[i] != NULL; i++)
        if (self->has_own[i])
            xmlNewProp(node, (const xmlChar *)grammar[place].own[i],
                       (const xmlChar *)self->own[i]->str);
    if (place == AT_OFFER && vf_capabilities_xml_parse_offer(node, offer, &error))
        return vf_shape_new_for_offer(offer);
    if (place == AT_DEVICE && vf_capabilities_xml_parse_device(node, device, &error))
        return vf_shape_new_for_device(device);
    take_error(self, error);
    return NULL;
}

static gboolean
is_plain(const GString *text, gsize max)
{
    for (gsize i = 0; i < text->len; i++)
        if (text->str[i] < ' ' || text->str[i] > '~')
            return FALSE;
    return text->len > 0 && text->len <= max;
}

static gboolean
is_plain_id(const GString *text)
{
    for (gsize i = 0; i < text->len; i++)
        if (!g_ascii_isalnum(text->str[i]) && !strchr(".:_-", text->str[i]))
            return FALSE;
    return text->len > 0 && text->len <= 128;
}

static gboolean
is_plain_number(const GString *text)
{
    for (gsize i = 0; i < text->len; i++)
        if (!g_ascii_isdigit(text->str[i]))
            return FALSE;
    return text->len > 0 && text->len <= 18;
}

/* Whether a quick look says that what an element does not share with others is good. */
static gboolean
own_is_plain(const VfCapabilitiesStream *self, Place place)
{
    GString *const *own = self->own;

    if (place == AT_OFFER)
        return self->has_own[0] && is_plain(own[0], 255) && self->has_own[1] &&
               is_plain_number(own[1]);
    return self->has_own[0] && is_plain_id(own[0]) && self->has_own[1] && is_plain(own[1], 255) &&
           (!self->has_own[2] || is_plain(own[2], 255));
}

/* An offer or a device. */
static void
end_shape(VfCapabilitiesStream *self, Place place, const Open *element)
{
    VfContent content = vf_content_cache_hash(self->shapes, self->log.data, self->log.size);
    VfShape *cached = vf_content_cache_find(self->shapes, &content);
    g_autoptr(VfShape) shape =
        cached && own_is_plain(self, place) ? vf_shape_ref(cached) : parse_shape(self, place);
    const char *id = self->own[0]->str;

    if (!shape)
        return;
    if (!cached)
        vf_content_cache_add(self->shapes, &content, vf_shape_ref(shape));
    if (!add_id(self, place, element, id))
        return;

    if (place == AT_OFFER && self->visitor->offer)
        self->visitor->offer(id, g_ascii_strtoull(self->own[1]->str, NULL, 10), shape, self->data);
    if (place == AT_DEVICE && self->visitor->device)
        self->visitor->device(id, self->own[1]->str, self->has_own[2] ? self->own[2]->str : NULL,
                              shape, self->data);
}

/* --- events */

static void
log_model_start(VfCapabilitiesStream *self, const Open *element, gboolean foreign,
                const xmlChar **attributes, int n)
{
    if (self->logged == 0) {
        vf_element_log_reset(&self->log);
        self->model_bytes = 0;
    }
    vf_element_log_start(&self->log, element->name, foreign, element->line);
    for (int i = 0; i < n; i++) {
        const xmlChar *const *attribute = attributes + 5 * i;
        if (attribute[2])
            continue;
        self->model_bytes += value_size(attribute);
        vf_element_log_attribute(&self->log, (const char *)attribute[0], (const char *)attribute[3],
                                 value_size(attribute));
    }
}

static void
check_model_size(VfCapabilitiesStream *self)
{
    /* the element that is to blame is the model, but where it began is no matter any more */
    if (self->log.n_nodes > VF_CAPABILITIES_XML_MODEL_NODES ||
        self->model_bytes > VF_CAPABILITIES_XML_MODEL_BYTES)
        fail(self, &self->open[2], _("the model is larger than any descriptor can be"));
}

static Place
find_place(const VfCapabilitiesStream *self, const xmlChar *name, const xmlChar *uri)
{
    if (!uri || !g_str_equal(uri, VF_CAPABILITIES_XML_NS))
        return AT_DOCUMENT;
    for (Place place = self->place + 1; place < N_PLACES; place++)
        if (grammar[place].parent == self->place && self->names[place].name == name)
            return place;
    return AT_DOCUMENT;
}

static void
enter(VfCapabilitiesStream *self, Place place, const Open *element, const xmlChar **attributes,
      int n)
{
    gboolean alone =
        place == AT_HOST || place == AT_PARENT || place == AT_OFFER || place == AT_DEVICE;

    if (grammar[place].max > 0 && self->counts[place] >= grammar[place].max) {
        fail(self, element, _("at most %u of these are accepted here"), grammar[place].max);
        return;
    }
    self->counts[place]++;
    for (Place child = place + 1; child < N_PLACES; child++)
        if (grammar[child].parent == place)
            self->counts[child] = 0;
    self->place = place;
    if (alone)
        vf_element_log_reset(&self->log);
    if (alone || grammar[place].logged[0]) {
        vf_element_log_start(&self->log, element->name, FALSE, element->line);
        log_attributes(self, attributes, n);
    }
    if (place == AT_PARENT)
        start_parent(self, element);
}

/* An element that is not inside of one that is skipped or logged as it is. */
static void
start_element(VfCapabilitiesStream *self, const Open *element, const xmlChar *uri,
              const xmlChar **attributes, int n)
{
    Place place = find_place(self, (const xmlChar *)element->name, uri);

    if (place == AT_DOCUMENT && self->place == AT_DOCUMENT) {
        fail(self, element, _("the root element must be <%s> in the namespace %s"),
             grammar[AT_ROOT].name, VF_CAPABILITIES_XML_NS);
    } else if (place == AT_DOCUMENT) {
        check_ignorable(self, element, attributes, n);
        self->skipped = 1;
    } else if (place == AT_MODEL) {
        log_model_start(self, element, FALSE, attributes, n);
        self->logged = 1;
    } else {
        enter(self, place, element, attributes, n);
    }
}

/* Of another namespace the element is kept, which may be required, but not what is in it. */
static void
start_in_model(VfCapabilitiesStream *self, const Open *element, const xmlChar *uri,
               const xmlChar **attributes, int n)
{
    gboolean foreign = !uri || !g_str_equal(uri, VF_CAPABILITIES_XML_NS);

    log_model_start(self, element, foreign, attributes, n);
    check_model_size(self);
    self->logged++;
    if (foreign)
        self->skipped = 1;
}

static void
on_start_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                 int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
                 const xmlChar **attributes)
{
    VfCapabilitiesStream *self = of(data);
    gsize cost = 1 + (gsize)n_namespaces + (gsize)n_attributes;
    Open *element;

    if (self->error)
        return;
    if (self->depth >= VF_DOCUMENT_DEPTH_MAX) {
        fail_at(self, line_of(self), _("elements are nested deeper than 32"));
        return;
    }
    if (!vf_document_namespaces_enter(&self->namespaces, self->depth, (guint)n_namespaces)) {
        fail_at(self, line_of(self), _("more than 64 namespaces are in force"));
        return;
    }
    if (cost > self->nodes_left) {
        fail_at(self, line_of(self),
                _("there are too many elements and attributes for a document of its kind"));
        return;
    }
    self->nodes_left -= cost;
    element = &self->open[self->depth++];
    *element = (Open){(const char *)name, line_of(self)};
    if (self->skipped > 0)
        self->skipped++;
    else if (self->logged > 0)
        start_in_model(self, element, uri, attributes, n_attributes);
    else
        start_element(self, element, uri, attributes, n_attributes);
}

static void
leave(VfCapabilitiesStream *self, const Open *element)
{
    Place place = self->place;

    if (place == AT_OFFER_PARAMETER || place == AT_DEVICE_PARAMETER || place == AT_MIGRATION)
        vf_element_log_end(&self->log);
    if (place == AT_HOST)
        end_host(self);
    if (place == AT_OFFER || place == AT_DEVICE)
        end_shape(self, place, element);
    if (place == AT_ROOT && self->counts[AT_HOST] == 0)
        fail(self, element, _("the element <%s> is missing in it"), "host");
    self->place = grammar[place].parent;
}

static void
on_end_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    VfCapabilitiesStream *self = of(data);
    const Open *element;

    if (self->error)
        return;
    element = &self->open[--self->depth];
    if (self->skipped > 0) {
        self->skipped--;
        if (self->skipped > 0 || self->logged == 0)
            return;
    }
    if (self->logged == 0) {
        leave(self, element);
        return;
    }
    vf_element_log_end(&self->log);
    if (--self->logged == 0)
        end_model(self, element);
}

static gboolean
is_blank(const xmlChar *text, int size)
{
    for (int i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\n' && text[i] != '\t' && text[i] != '\r')
            return FALSE;
    return TRUE;
}

static void
on_text(void *data, const xmlChar *text, int size)
{
    VfCapabilitiesStream *self = of(data);
    const Open *element;

    if (self->error)
        return;
    element = &self->open[self->depth - 1];
    if (self->skipped > 0)
        return;
    if (self->logged > 0) {
        self->model_bytes += (gsize)size;
        vf_element_log_text(&self->log, (const char *)text, (gsize)size);
        check_model_size(self);
    } else if (!is_blank(text, size)) {
        fail(self, element, _("text is not accepted between its elements"));
    }
}

/* --- documents */

static const xmlChar *
intern(VfCapabilitiesStream *self, const char *name)
{
    return name ? xmlDictLookup(self->context->dict, (const xmlChar *)name, -1) : NULL;
}

static void
make_parser(VfCapabilitiesStream *self)
{
    xmlParserCtxt *context;

    g_clear_pointer(&self->context, xmlFreeParserCtxt);
    context = self->context = xmlNewParserCtxt();
    if (!context)
        g_error("out of memory");
    context->_private = self;
    memset(context->sax, 0, sizeof *context->sax);
    context->sax->initialized = XML_SAX2_MAGIC;
    context->sax->serror = on_error;
    context->sax->internalSubset = on_doctype;
    context->sax->externalSubset = on_doctype;
    context->sax->startElementNs = on_start_element;
    context->sax->endElementNs = on_end_element;
    context->sax->characters = on_text;
    context->sax->ignorableWhitespace = on_text;
    context->sax->cdataBlock = on_text;
    for (guint i = AT_ROOT; i < N_PLACES; i++) {
        self->names[i].name = intern(self, grammar[i].name);
        for (guint j = 0; j < LOGGED_MAX; j++)
            self->names[i].logged[j] = intern(self, grammar[i].logged[j]);
        for (guint j = 0; j < OWN_MAX; j++)
            self->names[i].own[j] = intern(self, grammar[i].own[j]);
    }
    self->required = intern(self, "required");
    self->dict_size = xmlDictGetUsage(context->dict);
}

VfCapabilitiesStream *
vf_capabilities_stream_new(void)
{
    static const Place with_ids[] = {AT_MODEL, AT_PARENT, AT_OFFER, AT_DEVICE};
    VfCapabilitiesStream *self = g_new0(VfCapabilitiesStream, 1);

    xmlInitParser();
    self->models = vf_content_cache_new(CACHE_SIZE_MAX, (GDestroyNotify)vf_model_unref);
    self->shapes = vf_content_cache_new(CACHE_SIZE_MAX, (GDestroyNotify)vf_shape_unref);
    vf_element_log_init(&self->log);
    for (guint i = 0; i < OWN_MAX; i++)
        self->own[i] = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(with_ids); i++)
        self->seen[with_ids[i]] = g_hash_table_new(g_str_hash, g_str_equal);
    self->ids = g_string_chunk_new(4096);
    self->buffer = g_string_new(NULL);
    make_parser(self);
    return self;
}

void
vf_capabilities_stream_free(VfCapabilitiesStream *self)
{
    xmlFreeParserCtxt(self->context);
    vf_content_cache_free(self->models);
    vf_content_cache_free(self->shapes);
    vf_element_log_clear(&self->log);
    for (guint i = 0; i < OWN_MAX; i++)
        g_string_free(self->own[i], TRUE);
    for (guint i = 0; i < N_PLACES; i++)
        g_clear_pointer(&self->seen[i], g_hash_table_unref);
    g_string_chunk_free(self->ids);
    g_string_free(self->buffer, TRUE);
    g_free(self);
}

static void
forget_document(VfCapabilitiesStream *self)
{
    for (guint i = 0; i < N_PLACES; i++)
        if (self->seen[i])
            g_hash_table_remove_all(self->seen[i]);
    g_string_chunk_clear(self->ids);
    vf_element_log_reset(&self->log);
    memset(self->counts, 0, sizeof self->counts);
    self->nodes_left = VF_DOCUMENT_LARGE_SIZE_MAX / VF_DOCUMENT_BYTES_PER_NODE;
    self->place = AT_DOCUMENT;
    self->depth = self->skipped = self->logged = 0;
    if (xmlDictGetUsage(self->context->dict) > self->dict_size + DICT_GROWTH_MAX)
        make_parser(self);
}

/* text[size] is NUL. */
static gboolean
read_text(VfCapabilitiesStream *self, const char *text, gsize size, GError **error)
{
    forget_document(self);
    if (!vf_document_text_check(&text, &size, VF_DOCUMENT_LARGE_SIZE_MAX, self->where, NULL, error))
        return FALSE;

    /* the encoding has been checked; there are no entities but XML's own, which are to be replaced
     */
    xmlCtxtReadMemory(self->context, text, (int)size, NULL, NULL,
                      XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_BIG_LINES | XML_PARSE_HUGE |
                          XML_PARSE_IGNORE_ENC);
    if (!self->error && !self->context->wellFormed)
        vf_document_set_error(&self->error, VFERRY_ERROR_INVALID_XML, self->where, 0,
                              _("the document is not well-formed"));
    if (!self->error)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&self->error));
    return FALSE;
}

gboolean
vf_capabilities_stream_read(VfCapabilitiesStream *self, const char *text, gssize size,
                            const char *where, const VfCapabilitiesVisitor *visitor, gpointer data,
                            GError **error)
{
    gsize length = size < 0 ? strlen(text) : (gsize)size;
    g_autofree char *copy = NULL;

    self->where = where ?: "capabilities";
    self->visitor = visitor;
    self->data = data;
    if (size >= 0 && length <= VF_DOCUMENT_LARGE_SIZE_MAX + 3)
        text = copy = g_strndup(text, length);
    return read_text(self, text, length, error);
}

gboolean
vf_capabilities_stream_read_file(VfCapabilitiesStream *self, const char *path,
                                 const VfCapabilitiesVisitor *visitor, gpointer data,
                                 GError **error)
{
    gboolean good;

    self->where = path;
    self->visitor = visitor;
    self->data = data;
    good = vf_capabilities_file_read(path, self->buffer, error) &&
           read_text(self, self->buffer->str, self->buffer->len, error);
    /* one large document must not cost its size for as long as the others are read */
    if (self->buffer->allocated_len > BUFFER_KEPT) {
        g_string_free(self->buffer, TRUE);
        self->buffer = g_string_new(NULL);
    }
    return good;
}
