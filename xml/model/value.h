/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a parameter is, on one device: a name, a value as canonical text (see parameter.h) and how
 * it came to be known. A NULL value is a value that nothing could read; in XML it is a parameter
 * without the attribute `value`, and a comparison with it is `unknown`. Names follow the grammar of
 * a model id's segment (model-id.h), at most 128 bytes; values are UTF-8 without control
 * characters, at most 1024 bytes; evidence the same, at most 256.
 *
 * A list of values is a GPtrArray of VfValue, sorted by name, each name once, which frees its
 * elements. */

#define VF_VALUE_TEXT_MAX 1024
#define VF_VALUE_EVIDENCE_MAX 256
#define VF_VALUE_XML_MAX 256 /* values of one device, in a document */

/* What goes into evidence; text, not an enumeration, since a newer peer may know other ways. */
#define VF_EVIDENCE_MDEV_TYPE "mdev-type"
#define VF_EVIDENCE_ATTRIBUTE "sysfs-attribute"
#define VF_EVIDENCE_PCI_CONFIG "pci-config"
#define VF_EVIDENCE_UDEV "udev-property"
#define VF_EVIDENCE_VERSION "version" /* what the named version says */
#define VF_EVIDENCE_OFF "off"         /* not there, so as if switched off */

typedef struct {
    char *name;
    char *value;    /* nullable: unread */
    char *evidence; /* nullable */
} VfValue;

VfValue *vf_value_new(const char *name, const char *value, const char *evidence);
VfValue *vf_value_copy(const VfValue *self);
void vf_value_free(VfValue *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfValue, vf_value_free)

/* An empty list; free with g_ptr_array_unref(). */
GPtrArray *vf_value_list_new(void);
GPtrArray *vf_value_list_copy(GPtrArray *list);

/* Replaces a value of that name, else inserts it where it sorts. */
void vf_value_list_set(GPtrArray *list, const char *name, const char *value, const char *evidence);

/* NULL when there is none of that name. The element stays the list's. */
const VfValue *vf_value_list_find(GPtrArray *list, const char *name);
