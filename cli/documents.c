/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "documents.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "document.h"
#include "error.h"
#include "io.h"
#include "cookie.h"

#define CHUNK 65536

/* --- what it is --- */

static void
on_start(GMarkupParseContext *context, const char *name, const char **keys, const char **values,
         gpointer data, GError **error)
{
    const char *colon = strchr(name, ':');
    char **root = data;

    *root = g_strdup(colon ? colon + 1 : name);
    g_set_error_literal(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "seen enough");
}

VfDocumentsKind
vf_documents_sniff(const char *text, gsize size)
{
    static const GMarkupParser parser = {.start_element = on_start};
    g_autofree char *root = NULL;
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, G_MARKUP_DEFAULT_FLAGS, &root, NULL);

    (void)g_markup_parse_context_parse(context, text, (gssize)MIN(size, CHUNK), NULL);
    if (g_strcmp0(root, "requirement") == 0)
        return VF_DOCUMENT_REQUIREMENT;
    if (g_strcmp0(root, "migration") == 0)
        return VF_DOCUMENT_MIGRATION;
    return g_strcmp0(root, "capabilities") == 0 ? VF_DOCUMENT_CAPABILITIES : VF_DOCUMENT_OTHER;
}

/* --- reading --- */

static gboolean
read_all(int fd, GByteArray *bytes, const char *file, GError **error)
{
    gssize n;

    do {
        guint had = bytes->len;

        g_byte_array_set_size(bytes, had + CHUNK);
        n = read(fd, bytes->data + had, CHUNK);
        g_byte_array_set_size(bytes, had + (guint)MAX(n, 0));
        if (n < 0 && errno != EINTR)
            return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("Cannot read “%s”"), file);
        if (bytes->len > VF_DOCUMENT_LARGE_SIZE_MAX) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                        _("“%s” is larger than any document may be (%d MiB)"), file,
                        VF_DOCUMENT_LARGE_SIZE_MAX >> 20);
            return FALSE;
        }
    } while (n != 0);
    return TRUE;
}

char *
vf_documents_read(const char *file, gsize *size, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gboolean standard = g_str_equal(file, "-");
    vf_autofd int fd = standard ? vf_io_dup(STDIN_FILENO, error) : open(file, O_RDONLY | O_CLOEXEC);
    static const guint8 end = 0;

    if (fd < 0 && !standard) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("Cannot open “%s”: %s"), file,
                    g_strerror(errno));
        return NULL;
    }
    if (fd < 0 || !read_all(fd, bytes, file, error))
        return NULL;
    *size = bytes->len;
    g_byte_array_append(bytes, &end, 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

VfCapabilities *
vf_documents_ask_bus(VfBus *bus, GError **error)
{
    g_autofree char *xml = NULL;

    if (!vferry_manager_call_get_capabilities_sync(
            vf_bus_get_manager(bus), g_variant_new("a{sv}", NULL), G_DBUS_CALL_FLAGS_NONE,
            vf_bus_get_timeout(bus), &xml, NULL, error)) {
        g_dbus_error_strip_remote_error(error ? *error : NULL);
        g_prefix_error(error, "%s: ", vf_bus_get_label(bus));
        return NULL;
    }
    return vf_capabilities_parse(xml, -1, vf_bus_get_label(bus), error);
}

VfCapabilities *
vf_documents_ask_capabilities(const VfCli *cli, const char *address, GError **error)
{
    g_autoptr(VfBus) bus = vf_bus_new(cli, address, error);

    return bus ? vf_documents_ask_bus(bus, error) : NULL;
}

/* --- parts --- */

/* The only one, or the one that @id or a unique beginning of it means. */
typedef struct {
    const char *wanted; /* nullable */
    GPtrArray *matches; /* of the elements */
    GString *ids;       /* of all, for messages */
} Choice;

static void
consider(Choice *choice, const char *id, gpointer element)
{
    g_string_append_printf(choice->ids, "%s%s", choice->ids->len ? ", " : "", id);
    if (choice->wanted && !g_str_has_prefix(id, choice->wanted))
        return;
    /* a whole id is no beginning of another one */
    if (choice->wanted && g_str_equal(id, choice->wanted))
        g_ptr_array_set_size(choice->matches, 0);
    g_ptr_array_add(choice->matches, element);
}

static gpointer
choose(Choice *choice, GError **error)
{
    if (choice->matches->len == 1)
        return choice->matches->pdata[0];
    if (choice->ids->len == 0)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("there is no device in it"));
    else if (choice->matches->len == 0)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("there is no device “%s” in it; it has %s"), choice->wanted,
                    choice->ids->str);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("it has several devices (%s): name one with --device"), choice->ids->str);
    return NULL;
}

static void
choice_clear(Choice *choice)
{
    g_ptr_array_unref(choice->matches);
    g_string_free(choice->ids, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Choice, choice_clear)

static Choice
choice_new(const char *wanted)
{
    return (Choice){wanted, g_ptr_array_new(), g_string_new(NULL)};
}

const VfCapabilitiesDevice *
vf_documents_find_device(const VfCapabilities *capabilities, const char *id, GError **error)
{
    g_auto(Choice) choice = choice_new(id);

    for (guint i = 0; i < capabilities->devices->len; i++) {
        VfCapabilitiesDevice *device = capabilities->devices->pdata[i];
        consider(&choice, device->id, device);
    }
    return choose(&choice, error);
}

VfRequirement *
vf_documents_take_requirement(const VfCapabilities *capabilities, const char *id, GError **error)
{
    const VfCapabilitiesDevice *device = vf_documents_find_device(capabilities, id, error);
    VfModel *model;

    if (!device)
        return NULL;
    model = device->model ? vf_capabilities_find_model(capabilities, device->model) : NULL;
    if (model)
        return vf_requirement_new_for_device(model, device->values);
    if (device->being_removed)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("device %s is being removed: it goes when whoever has it open closes it"),
                    device->id);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN,
                    _("nobody there knows what model the device %s is"), device->id);
    return NULL;
}

static VfRequirement *
take_from_migration(const VfMigration *cookie, const char *id, GError **error)
{
    g_auto(Choice) choice = choice_new(id);
    const VfMigrationDevice *device;

    for (guint i = 0; i < cookie->devices->len; i++) {
        VfMigrationDevice *one = cookie->devices->pdata[i];
        consider(&choice, one->ref, one);
    }
    device = choose(&choice, error);
    return device ? vf_requirement_ref(device->requirement) : NULL;
}

static VfRequirement *
take_from_text(const char *text, gsize size, const char *where, const char *device, guint *together,
               GError **error)
{
    g_autoptr(VfCapabilities) capabilities = NULL;
    g_autoptr(VfMigration) cookie = NULL;
    VfDocumentsKind kind = vf_documents_sniff(text, size);
    VfRequirement *requirement;

    if (kind == VF_DOCUMENT_MIGRATION) {
        cookie = vf_migration_parse(text, (gssize)size, where, error);
        requirement = cookie ? take_from_migration(cookie, device, error) : NULL;
        *together = cookie ? cookie->devices->len : 1;
    } else if (kind == VF_DOCUMENT_CAPABILITIES) {
        capabilities = vf_capabilities_parse(text, (gssize)size, where, error);
        requirement =
            capabilities ? vf_documents_take_requirement(capabilities, device, error) : NULL;
    } else {
        return vf_requirement_parse(text, (gssize)size, where, error);
    }
    if (!requirement && (cookie || capabilities))
        g_prefix_error(error, "%s: ", where);
    return requirement;
}

/* --- what a user names --- */

static VfRequirement *
ask_for_device(const VfCli *cli, const char *id, GError **error)
{
    g_autoptr(VfBus) bus = vf_bus_new(cli, NULL, error);
    g_autoptr(GDBusProxy) device = bus ? vf_bus_find(bus, id, VF_KIND_DEVICE, error) : NULL;
    g_autoptr(VfCapabilities) capabilities = NULL;

    if (!device)
        return NULL;
    capabilities = vf_documents_ask_bus(bus, error);
    return capabilities ? vf_documents_take_requirement(
                              capabilities, vferry_device_get_id(VFERRY_DEVICE(device)), error)
                        : NULL;
}

/* A path is a file, if one in sysfs is none that exists as a plain one. */
static gboolean
is_file(const char *argument)
{
    return g_str_equal(argument, "-") || g_file_test(argument, G_FILE_TEST_IS_REGULAR) ||
           g_str_has_suffix(argument, ".xml") ||
           (strchr(argument, '/') && !g_str_has_prefix(argument, "/sys/"));
}

VfRequirement *
vf_documents_load_requirement(const VfCli *cli, const char *argument, const char *device,
                              guint *together, GError **error)
{
    g_autofree char *text = NULL;
    gsize size;

    *together = 1;
    if (!is_file(argument)) {
        if (!device)
            return ask_for_device(cli, argument, error);
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("--device belongs to a document, and “%s” is none"), argument);
        return NULL;
    }
    text = vf_documents_read(argument, &size, error);
    if (!text)
        return NULL;
    return take_from_text(text, size, g_str_equal(argument, "-") ? _("standard input") : argument,
                          device, together, error);
}
