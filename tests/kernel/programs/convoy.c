/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for a management stack that moves several devices in one job: the five calls of a
 * migration, between the bus of this host and that of another, which ssh has brought here. */
#include <gio/gio.h>
#include <stdio.h>

#include "vferry.h"

#define CALL_MS 30000
#define LOOK_US (G_USEC_PER_SEC / 20)

typedef struct {
    VferryManager *here;
    VferryManager *there;
    char *uuid;
    char *answer;
    GVariant *secret;
} Convoy;

static VferryManager *
connect_to(const char *address, GError **error)
{
    g_autoptr(GDBusConnection) bus = vferry_connect_sync(address, NULL, error);

    return bus ? vferry_manager_proxy_new_sync(bus, G_DBUS_PROXY_FLAGS_NONE, VFERRY_BUS_NAME,
                                               VFERRY_OBJECT_ROOT, NULL, error)
               : NULL;
}

static GVariant *
no_options(void)
{
    return g_variant_new("a{sv}", NULL);
}

static GStrv
find_devices(VferryManager *manager, char **ids, int n, GError **error)
{
    g_autoptr(GStrvBuilder) paths = g_strv_builder_new();

    for (int i = 0; i < n; i++) {
        g_autofree char *path = NULL;

        if (!vferry_manager_call_lookup_sync(manager, ids[i], G_DBUS_CALL_FLAGS_NONE, CALL_MS,
                                             &path, NULL, error))
            return NULL;
        g_strv_builder_add(paths, path);
    }
    return g_strv_builder_end(paths);
}

static gboolean
prepare(Convoy *self, const char *const *devices, const char *address, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *cookie = NULL;
    g_autofree char *lease = NULL;

    g_variant_dict_insert(&options, "address", "s", address);
    return vferry_manager_call_begin_sync(self->here, devices, no_options(), G_DBUS_CALL_FLAGS_NONE,
                                          CALL_MS, &self->uuid, &cookie, NULL, error) &&
           vferry_manager_call_prepare_sync(self->there, cookie, g_variant_dict_end(&options),
                                            G_DBUS_CALL_FLAGS_NONE, CALL_MS, &lease, &self->answer,
                                            &self->secret, NULL, error);
}

/* Waits for the job's result; the job is there for a while after its end. */
static char *
perform(Convoy *self, GError **error)
{
    GDBusConnection *bus = g_dbus_proxy_get_connection(G_DBUS_PROXY(self->here));
    g_autofree char *path = NULL;

    if (!vferry_manager_call_perform_sync(self->here, self->uuid, self->answer, self->secret,
                                          no_options(), G_DBUS_CALL_FLAGS_NONE, CALL_MS, &path,
                                          NULL, error))
        return NULL;
    while (TRUE) {
        g_autoptr(VferryJob) job = vferry_job_proxy_new_sync(bus, G_DBUS_PROXY_FLAGS_NONE,
                                                             VFERRY_BUS_NAME, path, NULL, error);
        if (!job)
            return NULL;
        if (vferry_job_get_result(job)[0])
            return vferry_job_dup_result(job);
        g_usleep(LOOK_US); /* the scenario has a deadline */
    }
}

static gboolean
clean_up(Convoy *self, GError **error)
{
    g_autofree char *there = NULL;
    g_autofree char *here = NULL;

    return vferry_manager_call_finish_sync(self->there, self->uuid, no_options(),
                                           G_DBUS_CALL_FLAGS_NONE, CALL_MS, &there, NULL, error) &&
           vferry_manager_call_confirm_sync(self->here, self->uuid, no_options(),
                                            G_DBUS_CALL_FLAGS_NONE, CALL_MS, &here, NULL, error);
}

static gboolean
migrate(Convoy *self, int argc, char **argv, GError **error)
{
    g_auto(GStrv) devices = NULL;
    g_autofree char *result = NULL;

    self->here = connect_to(NULL, error);
    self->there = self->here ? connect_to(argv[1], error) : NULL;
    devices = self->there ? find_devices(self->here, argv + 3, argc - 3, error) : NULL;
    if (!devices || !prepare(self, (const char *const *)devices, argv[2], error))
        return FALSE;
    result = perform(self, error);
    if (!result)
        return FALSE;
    puts(result);
    return clean_up(self, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Convoy convoy = {0};
    gboolean done;

    if (argc < 4) {
        g_printerr("usage: convoy BUS-THERE ADDRESS-THERE DEVICE…\n");
        return 3;
    }
    done = migrate(&convoy, argc, argv, &error);
    if (!done)
        g_printerr("convoy: %s\n", error->message);
    g_clear_object(&convoy.here);
    g_clear_object(&convoy.there);
    g_clear_pointer(&convoy.secret, g_variant_unref);
    g_free(convoy.uuid);
    g_free(convoy.answer);
    return done ? 0 : 1;
}
