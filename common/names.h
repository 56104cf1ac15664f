/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every well-known string of the project, in one place. */

#define VF_BUS_NAME "org.vferry1"
#define VF_OBJECT_ROOT "/org/vferry1"
#define VF_PATH_PARENT VF_OBJECT_ROOT "/parent/"
#define VF_PATH_DEVICE VF_OBJECT_ROOT "/device/"
#define VF_PATH_MODEL VF_OBJECT_ROOT "/model/"
#define VF_PATH_LEASE VF_OBJECT_ROOT "/lease/"
#define VF_PATH_JOB VF_OBJECT_ROOT "/job/"
#define VF_PATH_DOMAIN VF_OBJECT_ROOT "/domain/"
#define VF_ERROR_PREFIX "org.vferry1.Error."

/* Annotations of a method in the interface XML; the export gate reads them. */
#define VF_ANNOTATION_ACTION "org.vferry1.Action" /* "public", or a polkit action below */
#define VF_ANNOTATION_OWNER "org.vferry1.Owner"   /* "yes": the object's owner may, too */
#define VF_ACTION_PUBLIC "public"
#define VF_ACTION_MANAGE "org.vferry1.manage-devices"
#define VF_ACTION_MIGRATE "org.vferry1.migrate"
#define VF_ACTION_OVERRIDE "org.vferry1.override"

/* Tests only: another root for state, run time and descriptors than the built-in ones. */
#define VF_ENV_STATE_DIR "VFERRY_STATE_DIR"
#define VF_ENV_RUN_DIR "VFERRY_RUN_DIR"
#define VF_ENV_CONFIG_DIR "VFERRY_CONFIG_DIR"
#define VF_ENV_MODEL_PATH "VFERRY_MODEL_PATH"   /* colon-separated, first wins */
#define VF_ENV_LIBEXEC_DIR "VFERRY_LIBEXEC_DIR" /* where vferry-mover and vferry-helper are */
#define VF_ENV_SCHEMA_DIR "VFERRY_SCHEMA_DIR"
#define VF_ENV_LOCALE_DIR "VFERRY_LOCALE_DIR"

/* udev subsystems and sysfs names; Documentation/driver-api/vfio-mediated-device.rst */
#define VF_SUBSYSTEM_MDEV "mdev"
#define VF_SUBSYSTEM_VFIO "vfio"
#define VF_SUBSYSTEM_VFIO_DEV "vfio-dev"
#define VF_SUBSYSTEM_PCI "pci"
#define VF_SYSFS_MDEV_TYPES "mdev_supported_types"
#define VF_SYSFS_MDEV_BUS_DEVICES "/sys/bus/mdev/devices"
#define VF_SYSFS_MDEV_PARENTS "/sys/class/mdev_bus"
#define VF_SYSFS_PCI_DEVICES "/sys/bus/pci/devices"
#define VF_SYSFS_SRIOV_TOTAL "sriov_totalvfs"
#define VF_SYSFS_VFIO_DEV "vfio-dev"
#define VF_SYSFS_IOMMU_GROUPS "/sys/kernel/iommu_groups"
#define VF_DEBUGFS_VFIO "/sys/kernel/debug/vfio"
#define VF_SYSFS_AVAILABLE "available_instances"
#define VF_SYSFS_DEVICE_API "device_api"
#define VF_SYSFS_CREATE "create"
#define VF_SYSFS_REMOVE "remove"
#define VF_SYSFS_NAME "name"
#define VF_SYSFS_CONFIG "config" /* the PCI configuration space */
#define VF_SYSFS_ENABLE "enable" /* how often a PCI function is enabled */
#define VF_SYSFS_MDEV_TYPE "mdev_type"
#define VF_SYSFS_PHYSFN "physfn"

/* XML namespaces; the trailing number is the schema's major version. */
#define VF_NS(document) "https://vferry.org/ns/" document "/1"
