/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* What bench-devices.py measures the daemon's start against: libudev finds the same mdevs and
 * parents, and every attribute and link that the daemon reads of them is read, each once, and
 * thrown away. Prints how many devices, and attributes that were there. */

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libudev.h>

#define PARENTS "/sys/class/mdev_bus"

typedef struct {
    unsigned long devices;
    unsigned long attributes;
} Tally;

static const char *const of_type[] = {"name", "device_api", "available_instances", "description"};
static const char *const of_mdev[] = {"nvidia/vgpu_params", "nvidia/current_vgpu_type"};
static const char *const of_card[] = {"numa_node", "device", "subsystem_device",
                                      "driver/module/version"};

static void
count(Tally *tally, const char *value)
{
    tally->attributes += value != NULL;
}

static void
read_attributes(struct udev_device *device, const char *const *names, size_t n, Tally *tally)
{
    for (size_t i = 0; i < n; i++)
        count(tally, udev_device_get_sysattr_value(device, names[i]));
}

/* libudev reads no link but `driver`, `subsystem` and `module`. */
static void
read_link(const char *syspath, const char *name, Tally *tally)
{
    char path[2 * PATH_MAX], target[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", syspath, name);
    count(tally, readlink(path, target, sizeof target) < 0 ? NULL : target);
}

static void
list(const char *path, Tally *tally)
{
    DIR *dir = opendir(path);

    while (dir && readdir(dir))
        tally->attributes++;
    if (dir)
        closedir(dir);
}

static void
read_type(struct udev_device *parent, const char *type, Tally *tally)
{
    for (size_t i = 0; i < sizeof of_type / sizeof *of_type; i++) {
        char name[2 * PATH_MAX];

        snprintf(name, sizeof name, "mdev_supported_types/%s/%s", type, of_type[i]);
        count(tally, udev_device_get_sysattr_value(parent, name));
    }
}

/* What it has from its type and its parent was read with them. */
static void
read_mdev(struct udev_device *device, Tally *tally)
{
    const char *syspath = udev_device_get_syspath(device);
    char path[2 * PATH_MAX];

    count(tally, udev_device_get_driver(device));
    count(tally, udev_device_get_property_value(device, "MDEV_STATE"));
    read_link(syspath, "mdev_type", tally);
    read_link(syspath, "iommu_group", tally);
    snprintf(path, sizeof path, "%s/vfio-dev", syspath);
    list(path, tally);
    read_attributes(device, of_mdev, sizeof of_mdev / sizeof *of_mdev, tally);
}

static void
read_parent(struct udev *udev, const char *name, Tally *tally)
{
    char link[PATH_MAX + 64], path[PATH_MAX];
    struct udev_device *parent;
    DIR *types;

    snprintf(link, sizeof link, PARENTS "/%s", name);
    parent = realpath(link, path) ? udev_device_new_from_syspath(udev, path) : NULL;
    if (!parent)
        return;
    tally->devices++;
    count(tally, udev_device_get_driver(parent));
    read_attributes(parent, of_card, sizeof of_card / sizeof *of_card, tally);
    snprintf(link, sizeof link, "%s/mdev_supported_types", path);
    types = opendir(link);
    for (struct dirent *entry; types && (entry = readdir(types));)
        if (entry->d_name[0] != '.')
            read_type(parent, entry->d_name, tally);
    if (types)
        closedir(types);
    udev_device_unref(parent);
}

static void
walk_parents(struct udev *udev, Tally *tally)
{
    DIR *dir = opendir(PARENTS);

    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            read_parent(udev, entry->d_name, tally);
    if (dir)
        closedir(dir);
}

static void
walk_mdevs(struct udev *udev, Tally *tally)
{
    struct udev_enumerate *enumerate = udev_enumerate_new(udev);
    struct udev_list_entry *entry;

    udev_enumerate_add_match_subsystem(enumerate, "mdev");
    udev_enumerate_add_match_subsystem(enumerate, "pci");
    udev_enumerate_scan_devices(enumerate);
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
    {
        struct udev_device *device =
            udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
        const char *subsystem = device ? udev_device_get_subsystem(device) : NULL;

        if (subsystem && strcmp(subsystem, "mdev") == 0) {
            tally->devices++;
            read_mdev(device, tally);
        }
        udev_device_unref(device);
    }
    udev_enumerate_unref(enumerate);
}

int
main(void)
{
    struct udev *udev = udev_new();
    Tally tally = {0};

    walk_parents(udev, &tally);
    walk_mdevs(udev, &tally);
    udev_unref(udev);
    printf("%lu %lu\n", tally.devices, tally.attributes);
    return 0;
}
