/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "consumer.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "report.h"
#include "text.h"

#define VERSION_PARTS 4

static const char *const kind_names[] = {
    [VF_CONSUMER_VFIO] = "vfio",
    [VF_CONSUMER_QEMU] = "qemu",
    [VF_CONSUMER_LIBVIRT] = "libvirt",
};

static const char *const titles[] = {
    [VF_CONSUMER_VFIO] = "VFIO",
    [VF_CONSUMER_QEMU] = "QEMU",
    [VF_CONSUMER_LIBVIRT] = "libvirt",
};

/* From which version on a consumer migrates devices of a kind; NULL: in no version that is known.
 *
 * QEMU, mdev and pci: vfio-pci migrates with the kernel's second protocol since 8.0, and not only
 * as an experiment, with blockers that say why, since 8.1 (hw/vfio/migration.c). vfio-user-pci
 * (10.1 and later) has no migration: hw/vfio-user/pci.c and container.c of 10.2.
 *
 * libvirt: since 8.6 it asks QEMU's blocked-reasons of query-migrate instead of refusing host
 * devices by their kind (qemuMigrationSrcIsAllowed() in src/qemu/qemu_migration.c). It has no
 * vfio-user. */
static const struct {
    VfConsumerKind consumer;
    const char *kind;
    const char *since;
} rules[] = {
    {VF_CONSUMER_VFIO, "mdev", "0"},          {VF_CONSUMER_VFIO, "pci", "0"},
    {VF_CONSUMER_VFIO, "vfio-user", "0"},     {VF_CONSUMER_QEMU, "mdev", "8.1"},
    {VF_CONSUMER_QEMU, "pci", "8.1"},         {VF_CONSUMER_QEMU, "vfio-user", NULL},
    {VF_CONSUMER_LIBVIRT, "mdev", "8.6"},     {VF_CONSUMER_LIBVIRT, "pci", "8.6"},
    {VF_CONSUMER_LIBVIRT, "vfio-user", NULL},
};

/* Devices of these never migrate: the kernel's drivers vfio_ap and vfio_ccw have no migration
 * (drivers/s390), and QEMU marks both as unmigratable (hw/vfio/ap.c, hw/vfio/ccw.c). */
static const struct {
    const char *device_api;
    const char *type_prefix; /* of the mdev type, where the API is not known */
} unmigratable[] = {
    {"vfio-ap", "vfio_ap-"},
    {"vfio-ccw", "vfio_ccw-"},
};

/* FALSE when @text is no version: numbers and dots. */
static gboolean
parse_version(const char *text, guint64 parts[VERSION_PARTS])
{
    g_auto(GStrv) words = g_strsplit(text, ".", -1);

    memset(parts, 0, VERSION_PARTS * sizeof *parts);
    for (guint i = 0; words[i] != NULL; i++)
        if (i >= VERSION_PARTS ||
            !g_ascii_string_to_unsigned(words[i], 10, 0, G_MAXUINT32, &parts[i], NULL))
            return FALSE;
    return words[0] != NULL;
}

static gboolean
is_older(const char *version, const char *than)
{
    guint64 left[VERSION_PARTS], right[VERSION_PARTS];

    if (!parse_version(version, left) || !parse_version(than, right))
        return FALSE;
    for (guint i = 0; i < VERSION_PARTS; i++)
        if (left[i] != right[i])
            return left[i] < right[i];
    return FALSE;
}

static VfConsumer *
consumer_new(VfConsumerKind kind, const char *version)
{
    VfConsumer *self = g_new0(VfConsumer, 1);

    self->kind = kind;
    self->version = g_strdup(version);
    return self;
}

VfConsumer *
vf_consumer_parse(const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "=", 2);
    const char *version = parts[0] ? parts[1] : NULL;
    guint64 numbers[VERSION_PARTS];
    g_autofree char *shown = NULL;

    for (gsize i = 0; parts[0] != NULL && i < G_N_ELEMENTS(kind_names); i++)
        if (g_str_equal(parts[0], kind_names[i]) && (!version || parse_version(version, numbers)))
            return consumer_new((VfConsumerKind)i, version);
    shown = vf_text_excerpt(text, 60);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("who is to use it is “%.60s”, but must be vfio, qemu or libvirt, with a version "
                  "behind “=” where it is known, as in qemu=10.0"),
                shown);
    return NULL;
}

VfConsumer *
vf_consumer_copy(const VfConsumer *self)
{
    return consumer_new(self->kind, self->version);
}

void
vf_consumer_free(VfConsumer *self)
{
    g_free(self->version);
    g_free(self);
}

char *
vf_consumer_format(const VfConsumer *self)
{
    return g_strconcat(kind_names[self->kind], self->version ? "=" : NULL, self->version, NULL);
}

const char *
vf_consumer_kind_to_string(VfConsumerKind kind)
{
    return kind_names[kind];
}

/* What a hypervisor shows to a guest: of all the kernel's interfaces QEMU migrates only PCI
 * devices. Not known: it is one. */
static gboolean
is_for_guests(VfConsumerKind consumer, const char *device_api)
{
    return consumer == VF_CONSUMER_VFIO || !device_api || g_str_equal(device_api, "vfio-pci");
}

static const char *
unmigratable_api(const char *type, const char *device_api)
{
    for (gsize i = 0; i < G_N_ELEMENTS(unmigratable); i++) {
        const char *api = unmigratable[i].device_api;
        if (device_api ? g_str_equal(device_api, api)
                       : type && g_str_has_prefix(type, unmigratable[i].type_prefix))
            return api;
    }
    return NULL;
}

/* From which version on; NULL: in no version, or nothing is known about devices of this kind. */
static const char *
migrates_since(VfConsumerKind consumer, const char *kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
        if (rules[i].consumer == consumer && g_str_equal(rules[i].kind, kind))
            return rules[i].since;
    return NULL;
}

const char *
vf_consumer_check(const VfConsumer *self, const VfConsumerDevice *device, char **sentence)
{
    const char *title = titles[self->kind];
    const char *api = unmigratable_api(device->type, device->device_api);
    gboolean said = device->usable_by &&
                    g_strv_contains((const char *const *)device->usable_by, kind_names[self->kind]);
    const char *since = migrates_since(self->kind, device->kind);
    if (api) {
        *sentence = g_strdup_printf(_("No device with the interface %s can be migrated."), api);
    } else if (!is_for_guests(self->kind, device->device_api)) {
        *sentence = g_strdup_printf(_("%s cannot migrate devices with the interface %s."), title,
                                    device->device_api);
    } else if (device->usable_by && !said) {
        g_autofree char *others = g_strjoinv(", ", (char **)device->usable_by);
        *sentence = g_strdup_printf(_("Its host says that %s cannot use it (but: %s)."), title,
                                    others[0] != '\0' ? others : "-");
    } else if (!since && !said) {
        /* a newer host may know of a version that we do not know of */
        *sentence =
            g_strdup_printf(_("%s cannot migrate devices of the kind %s."), title, device->kind);
    } else if (since && self->version && is_older(self->version, since)) {
        *sentence = g_strdup_printf(_("%s migrates devices of the kind %s from version %s on; this "
                                      "is %s."),
                                    title, device->kind, since, self->version);
        return VF_REPORT_CODE_CONSUMER_TOO_OLD;
    } else {
        return NULL;
    }
    return VF_REPORT_CODE_CONSUMER_CANNOT_USE;
}

/* QEMU refuses to migrate several devices one of which lacks the P2P states
 * (vfio_block_multiple_devices_migration() in hw/vfio/common.c), and libvirt leaves it to QEMU. */
gboolean
vf_consumer_needs_p2p(const VfConsumer *self)
{
    return self->kind != VF_CONSUMER_VFIO;
}

char **
vf_consumer_list(const char *kind, const char *type, const char *device_api)
{
    /* sorted */
    static const VfConsumerKind all[] = {VF_CONSUMER_LIBVIRT, VF_CONSUMER_QEMU, VF_CONSUMER_VFIO};
    const VfConsumerDevice device = {kind, type, device_api, NULL};
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        const VfConsumer consumer = {all[i], NULL};
        g_autofree char *sentence = NULL;
        if (!vf_consumer_check(&consumer, &device, &sentence))
            g_strv_builder_add(names, kind_names[all[i]]);
    }
    return g_strv_builder_end(names);
}
