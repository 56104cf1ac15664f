/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "guest-look.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "json-get.h"
#include "printable.h"

#define REASON_MAX 400
#define LISTED_MAX (VF_GUEST_DEVICES_MAX * VF_GUEST_REASONS_MAX) /* each is looked for in all */
#define HYPERVISOR "qemu"
#define NO_UUID "00000000-0000-0000-0000-000000000000"
#define MACHINE_SUFFIX "-machine"
#define VFIO_CHILD "child<vfio-pci"      /* and vfio-pci-nohotplug */
#define PERIPHERAL "/machine/peripheral" /* and -anon: what somebody asked for, below it */

/* Which may have to be said while the other side waits for a hello. */
#define LOOK_MS 3000

typedef struct {
    VfGuest *guest;
    gint64 end;
    GError *broken;
} Looker;

static void
device_free(gpointer data)
{
    VfGuestDevice *self = data;

    g_free(self->guest_address);
    g_free(self->place);
    g_free(self->host_address);
    g_ptr_array_unref(self->reasons);
    g_free(self);
}

void
vf_guest_look_free(VfGuestLook *self)
{
    g_free(self->name);
    g_free(self->uuid);
    g_free(self->machine);
    g_free(self->version);
    g_ptr_array_unref(self->devices);
    g_free(self);
}

/* What QEMU does not answer, or not in time, is no look: `broken`, and nothing more is asked. */
static JsonNode *
ask(Looker *looker, const char *command, JsonObject *arguments, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    JsonNode *answer = NULL;

    if (!looker->broken && g_get_monotonic_time() >= looker->end)
        looker->broken =
            g_error_new(VFERRY_ERROR, VFERRY_ERROR_PEER,
                        _("QEMU takes more than %d ms to say what its guest is"), LOOK_MS);
    if (looker->broken) {
        g_clear_pointer(&arguments, json_object_unref);
        g_propagate_error(error, g_error_copy(looker->broken));
        return NULL;
    }
    answer = vf_qmp_call(vf_guest_get_qmp(looker->guest), command, arguments, VF_GUEST_ANSWER_MS,
                         &refusal);
    if (g_error_matches(refusal, VFERRY_ERROR, VFERRY_ERROR_PEER))
        looker->broken = g_error_copy(refusal);
    if (refusal)
        g_propagate_error(error, g_steal_pointer(&refusal));
    return answer;
}

static JsonNode *
get_property(Looker *looker, const char *path, const char *property, GError **error)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", property);
    return ask(looker, "qom-get", arguments, error);
}

/* "" where there is no such text. */
static char *
get_text_property(Looker *looker, const char *path, const char *property)
{
    g_autoptr(JsonNode) answer = get_property(looker, path, property, NULL);
    const char *text =
        answer && JSON_NODE_HOLDS_VALUE(answer) && json_node_get_value_type(answer) == G_TYPE_STRING
            ? json_node_get_string(answer)
            : "";

    return vf_printable(text, VF_GUEST_WORD_MAX);
}

/* -1 where there is no such number. */
static gint64
get_number_property(Looker *looker, const char *path, const char *property)
{
    g_autoptr(JsonNode) answer = get_property(looker, path, property, NULL);

    return answer && JSON_NODE_HOLDS_VALUE(answer) &&
                   json_node_get_value_type(answer) == G_TYPE_INT64
               ? json_node_get_int(answer)
               : -1;
}

/* The text of a member of a command's answer; "" where it is not. */
static gboolean
ask_text(Looker *looker, const char *command, const char *member, char **text, GError **error)
{
    g_autoptr(JsonNode) answer = ask(looker, command, NULL, error);
    const char *said;

    if (!answer)
        return FALSE;
    said = JSON_NODE_HOLDS_OBJECT(answer) ? vf_json_get_string(json_node_get_object(answer), member)
                                          : NULL;
    *text = vf_printable(said ? said : "", VF_GUEST_WORD_MAX);
    return TRUE;
}

static gboolean
ask_memory(Looker *looker, guint64 *memory, GError **error)
{
    g_autoptr(JsonNode) answer = ask(looker, "query-memory-size-summary", NULL, error);
    guint64 base = 0, plugged = 0;

    if (!answer)
        return FALSE;
    if (JSON_NODE_HOLDS_OBJECT(answer)) {
        vf_json_get_u64(json_node_get_object(answer), "base-memory", &base);
        vf_json_get_u64(json_node_get_object(answer), "plugged-memory", &plugged);
    }
    *memory = base + MIN(plugged, G_MAXUINT64 - base);
    return TRUE;
}

/* --- where it is in the guest --- */

/* PCI devices below @list (query-pci), by their qdev ids. */
static void
find_addresses(JsonArray *list, guint depth, GHashTable *addresses)
{
    for (guint i = 0; i < json_array_get_length(list) && depth > 0; i++) {
        JsonNode *node = json_array_get_element(list, i);
        JsonObject *device = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        const char *id = device ? vf_json_get_string(device, "qdev_id") : NULL;
        JsonObject *bridge = device ? vf_json_get_object(device, "pci_bridge") : NULL;
        JsonArray *behind = bridge ? vf_json_get_array(bridge, "devices") : NULL;
        guint64 bus = 0, slot = 0, function = 0;

        if (!device)
            continue;
        if (id && *id && vf_json_get_u64(device, "bus", &bus) &&
            vf_json_get_u64(device, "slot", &slot) &&
            vf_json_get_u64(device, "function", &function) && bus <= 0xff && slot <= 0x1f &&
            function <= 7)
            g_hash_table_insert(
                addresses, g_strdup(id),
                g_strdup_printf("0000:%02x:%02x.%x", (guint)bus, (guint)slot, (guint)function));
        if (behind)
            find_addresses(behind, depth - 1, addresses);
    }
}

/* A root bus of another number than 0 is one more of the same domain (pxb). Where several have 0
 * there are several domains, whose numbers QEMU does not say. */
static GHashTable *
list_addresses(Looker *looker, GError **error)
{
    g_autoptr(GHashTable) addresses =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(JsonNode) answer = ask(looker, "query-pci", NULL, error);
    JsonArray *roots;
    guint n_domains = 0;

    if (!answer)
        return NULL;
    roots = JSON_NODE_HOLDS_ARRAY(answer) ? json_node_get_array(answer) : NULL;
    for (guint i = 0; roots && i < json_array_get_length(roots); i++) {
        JsonNode *node = json_array_get_element(roots, i);
        JsonObject *root = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        JsonArray *list = root ? vf_json_get_array(root, "devices") : NULL;
        guint64 number;

        n_domains += root && vf_json_get_u64(root, "bus", &number) && number == 0;
        if (list)
            find_addresses(list, VF_QMP_DEPTH_MAX, addresses);
    }
    if (n_domains > 1)
        g_hash_table_remove_all(addresses);
    return g_steal_pointer(&addresses);
}

/* The bridge that @bus ("/machine/peripheral/root1/root1") belongs to; NULL when it is a root. */
static char *
find_bridge(const char *bus)
{
    const char *end = strrchr(bus, '/');

    return g_str_has_prefix(bus, PERIPHERAL) ? g_strndup(bus, (gsize)(end - bus)) : NULL;
}

/* The slots from the root bus to it, as QEMU itself names a device in what it sends
 * (pcibus_get_dev_path() in hw/pci/pci.c). Numbers of buses are the firmware's, which has not run
 * yet in a QEMU that waits for a guest. */
static char *
find_place(Looker *looker, const char *path)
{
    g_autofree char *device = g_strdup(path);
    g_autofree char *place = g_strdup("");

    for (guint i = 0; i <= VF_GUEST_BRIDGES_MAX; i++) {
        g_autofree char *bus = get_text_property(looker, device, "parent_bus");
        gint64 addr = get_number_property(looker, device, "addr");
        g_autofree char *below = g_steal_pointer(&place);

        if (addr < 0 || addr > 0xff || *bus != '/')
            break;
        place = g_strdup_printf("%02x.%x%s%s", (guint)addr >> 3, (guint)addr & 7, *below ? "/" : "",
                                below);
        g_free(device);
        device = find_bridge(bus);
        if (!device)
            return g_strconcat(strrchr(bus, '/') + 1, "/", place, NULL);
    }
    return g_strdup(path);
}

/* --- its devices --- */

static gboolean
add_device(Looker *looker, VfGuestLook *look, GHashTable *addresses, const char *folder,
           const char *name, GError **error)
{
    g_autofree char *path = g_strconcat(folder, "/", name, NULL);
    g_autofree char *sysfs = get_text_property(looker, path, "sysfsdev");
    g_autofree char *host =
        *sysfs ? g_path_get_basename(sysfs) : get_text_property(looker, path, "host");
    const char *address = g_hash_table_lookup(addresses, name);
    VfGuestDevice *device;

    if (look->devices->len == VF_GUEST_DEVICES_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("the guest has more than %d VFIO devices"), VF_GUEST_DEVICES_MAX);
        return FALSE;
    }
    device = g_new0(VfGuestDevice, 1);
    device->guest_address = g_strdup(address ? address : path);
    device->place = find_place(looker, path);
    device->host_address = g_ascii_strdown(host, -1);
    device->reasons = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(look->devices, device);
    return TRUE;
}

static gboolean
list_devices_in(Looker *looker, VfGuestLook *look, GHashTable *addresses, const char *folder,
                GError **error)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) answer = NULL;
    JsonArray *list;

    json_object_set_string_member(arguments, "path", folder);
    answer = ask(looker, "qom-list", arguments, error);
    if (!answer)
        return FALSE;
    list = JSON_NODE_HOLDS_ARRAY(answer) ? json_node_get_array(answer) : NULL;
    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *each = json_array_get_element(list, i);
        JsonObject *entry = JSON_NODE_HOLDS_OBJECT(each) ? json_node_get_object(each) : NULL;
        const char *type = entry ? vf_json_get_string(entry, "type") : NULL;
        const char *name = entry ? vf_json_get_string(entry, "name") : NULL;

        if (type && name && g_str_has_prefix(type, VFIO_CHILD) &&
            vf_printable_is_word(name, VF_GUEST_WORD_MAX) &&
            !add_device(looker, look, addresses, folder, name, error))
            return FALSE;
    }
    return TRUE;
}

/* QEMU begins a device's reason with what it calls it, which is its name at the host. */
static gboolean
is_about(const char *reason, const VfGuestDevice *device)
{
    g_autofree char *lower = g_ascii_strdown(reason, -1);

    return *device->host_address && strstr(lower, device->host_address) != NULL;
}

static void
add_reason(VfGuestLook *look, const char *words)
{
    g_autofree char *reason = vf_printable(words, REASON_MAX);
    gboolean about_one = FALSE;

    for (guint i = 0; i < look->devices->len; i++)
        about_one = about_one || is_about(reason, look->devices->pdata[i]);
    for (guint i = 0; i < look->devices->len; i++) {
        VfGuestDevice *device = look->devices->pdata[i];

        if ((!about_one || is_about(reason, device)) && device->reasons->len < VF_GUEST_REASONS_MAX)
            g_ptr_array_add(device->reasons, g_strdup(reason));
    }
}

/* query-migrate has them, before anything was asked, too. */
static gboolean
take_reasons(Looker *looker, VfGuestLook *look, GError **error)
{
    g_autoptr(JsonNode) answer = ask(looker, "query-migrate", NULL, error);
    g_auto(VfMigrateInfo) info = {0};
    JsonArray *reasons;

    if (!answer || !vf_migrate_info_parse(answer, &info, error))
        return FALSE;
    look->migrate_state = info.state;
    reasons = vf_json_get_array(json_node_get_object(answer), "blocked-reasons");
    for (guint i = 0; reasons && i < MIN(json_array_get_length(reasons), LISTED_MAX); i++) {
        JsonNode *each = json_array_get_element(reasons, i);

        if (JSON_NODE_HOLDS_VALUE(each) && json_node_get_value_type(each) == G_TYPE_STRING)
            add_reason(look, json_node_get_string(each));
    }
    return TRUE;
}

static VfGuestLook *
look(Looker *looker, GError **error)
{
    g_autoptr(VfGuestLook) self = g_new0(VfGuestLook, 1);
    const VfQmpVersion *version = vf_qmp_get_version(vf_guest_get_qmp(looker->guest));
    g_autoptr(GHashTable) addresses = NULL;
    g_autoptr(JsonNode) status = NULL;

    self->devices = g_ptr_array_new_with_free_func(device_free);
    self->version = g_strdup_printf("%u.%u.%u", version->major, version->minor, version->micro);
    if (!ask_text(looker, "query-name", "name", &self->name, error) ||
        !ask_text(looker, "query-uuid", "UUID", &self->uuid, error) ||
        !ask_memory(looker, &self->memory, error) ||
        !(status = ask(looker, "query-status", NULL, error)) ||
        !vf_run_state_parse(status, &self->run_state, error))
        return NULL;
    if (g_str_equal(self->uuid, NO_UUID))
        *self->uuid = '\0';
    self->machine = get_text_property(looker, "/machine", "type");
    if (g_str_has_suffix(self->machine, MACHINE_SUFFIX))
        self->machine[strlen(self->machine) - strlen(MACHINE_SUFFIX)] = '\0';
    addresses = list_addresses(looker, error);
    if (!addresses || !list_devices_in(looker, self, addresses, PERIPHERAL, error) ||
        !list_devices_in(looker, self, addresses, PERIPHERAL "-anon", error) ||
        !take_reasons(looker, self, error))
        return NULL;
    return g_steal_pointer(&self);
}

VfGuestLook *
vf_guest_look(VfGuest *guest, GError **error)
{
    Looker looker = {.guest = guest, .end = g_get_monotonic_time() + LOOK_MS * 1000};
    VfGuestLook *seen = look(&looker, error);

    g_clear_error(&looker.broken);
    return seen;
}

/* --- what is said of it --- */

static const char *
run_state_to_string(VfRunState state)
{
    static const char *const words[] = {
        [VF_RUN_RUNNING] = "running", [VF_RUN_INCOMING] = "incoming", [VF_RUN_MOVED] = "moved",
        [VF_RUN_MOVING] = "moving",   [VF_RUN_STOPPED] = "paused",
    };

    return words[state];
}

GVariant *
vf_guest_look_to_variant(const VfGuestLook *self)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    g_auto(GVariantBuilder) devices = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(ssas)"));

    for (guint i = 0; i < self->devices->len; i++) {
        const VfGuestDevice *device = self->devices->pdata[i];

        g_variant_builder_open(&devices, G_VARIANT_TYPE("(ssas)"));
        g_variant_builder_add(&devices, "s", device->guest_address);
        g_variant_builder_add(&devices, "s", device->host_address);
        g_variant_builder_open(&devices, G_VARIANT_TYPE_STRING_ARRAY);
        for (guint j = 0; j < device->reasons->len; j++)
            g_variant_builder_add(&devices, "s", device->reasons->pdata[j]);
        g_variant_builder_close(&devices);
        g_variant_builder_close(&devices);
    }
    g_variant_dict_insert(&dict, "name", "s", self->name);
    g_variant_dict_insert(&dict, "uuid", "s", self->uuid);
    g_variant_dict_insert(&dict, "machine", "s", self->machine);
    g_variant_dict_insert(&dict, "version", "s", self->version);
    g_variant_dict_insert(&dict, "memory", "t", self->memory);
    g_variant_dict_insert(&dict, "run-state", "s", run_state_to_string(self->run_state));
    g_variant_dict_insert(&dict, "migrating", "b",
                          self->migrate_state == VF_MIGRATE_UNDER_WAY ||
                              self->migrate_state == VF_MIGRATE_WAITING);
    g_variant_dict_insert_value(&dict, "vfio-devices", g_variant_builder_end(&devices));
    return g_variant_dict_end(&dict);
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted: that the two QEMUs list them in another order means nothing. */
static char **
list_places(const VfGuestLook *self)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    for (guint i = 0; i < self->devices->len; i++)
        g_ptr_array_add(list, g_strdup(((VfGuestDevice *)self->devices->pdata[i])->place));
    g_ptr_array_sort(list, compare_texts);
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

GVariant *
vf_guest_look_introduce(const VfGuestLook *self, const char *const *capabilities)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    g_auto(GStrv) places = list_places(self);

    g_variant_dict_insert(&dict, "hypervisor", "s", HYPERVISOR);
    g_variant_dict_insert(&dict, "version", "s", self->version);
    g_variant_dict_insert(&dict, "machine", "s", self->machine);
    g_variant_dict_insert(&dict, "memory", "t", self->memory);
    g_variant_dict_insert(&dict, "vfio-devices", "^as", places);
    g_variant_dict_insert(&dict, "capabilities", "^as", capabilities);
    return g_variant_dict_end(&dict);
}

static gboolean
same_text(const char *what, const char *here, const char *there, GError **error)
{
    g_autofree char *shown = vf_printable(there, VF_GUEST_WORD_MAX);

    if (g_str_equal(here, there))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                _("%s is “%s” here and “%s” at the other side: both QEMUs must be started with the "
                  "same"),
                what, here, shown);
    return FALSE;
}

gboolean
vf_guest_look_meet(const VfGuestLook *self, GVariant *other, GError **error)
{
    g_auto(GStrv) here = list_places(self);
    g_auto(GStrv) there = NULL;
    g_autofree char *listed_here = g_strjoinv(" ", here);
    g_autofree char *listed_there = NULL;
    const char *hypervisor, *machine;
    guint64 memory;

    if (!g_variant_lookup(other, "hypervisor", "&s", &hypervisor) ||
        !g_variant_lookup(other, "machine", "&s", &machine) ||
        !g_variant_lookup(other, "memory", "t", &memory) ||
        !g_variant_lookup(other, "vfio-devices", "^as", &there)) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                            _("what the other side says of its guest lacks something"));
        return FALSE;
    }
    listed_there = g_strjoinv(" ", there);
    if (!same_text(_("the hypervisor"), HYPERVISOR, hypervisor, error) ||
        !same_text(_("the machine type"), self->machine, machine, error) ||
        !same_text(_("the list of the VFIO devices' places in the guest"), listed_here,
                   listed_there, error))
        return FALSE;
    if (memory == self->memory)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                _("the guest has %" PRIu64 " bytes of memory here and %" PRIu64
                  " at the other side: both QEMUs must be started with the same"),
                self->memory, memory);
    return FALSE;
}
