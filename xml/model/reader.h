/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How the value of a parameter is found out. Every reader looks at what the kernel or udev says of
 * this very device, and none opens it; what none of them can tell is an unread value. */

typedef enum {
    VF_READER_NONE,         /* the value is always unread */
    VF_READER_TYPE_NAME,    /* the id of the mdev type decides: type_values */
    VF_READER_ATTRIBUTE,    /* an attribute in sysfs has it as text */
    VF_READER_PCI_CONFIG,   /* the device's PCI configuration space, in the first 256 bytes */
    VF_READER_UDEV_PROPERTY /* a property that a udev rule or a hwdb gave to the device */
} VfReaderKind;

/* Whose directory in sysfs an attribute is in. */
typedef enum {
    VF_READER_OF_DEVICE,
    VF_READER_OF_PARENT, /* an mdev's parent */
    VF_READER_OF_PHYSFN, /* the physical function of a virtual one */
    VF_READER_OF_TYPE,   /* the mdev type, so that a device still to be made has it, too */
} VfReaderOf;

typedef struct {
    char *glob;  /* as GPatternSpec: * and ? */
    char *value; /* canonical */
} VfTypeValue;

typedef struct {
    VfReaderKind kind;
    GPtrArray *type_values; /* TYPE_NAME: of VfTypeValue, as written, the first match counts */
    VfReaderOf of;          /* ATTRIBUTE */
    char *attribute;        /* ATTRIBUTE: relative to that directory, e.g. "testdev/state_size" */
    char *key;           /* ATTRIBUTE, nullable: the text is a list of "key=value" or "key: value",
                            separated by commas or newlines, and this one is meant */
    char separator;      /* ATTRIBUTE, UDEV_PROPERTY: between the words of a set; ' ' is any white
                            space */
    guint offset, width; /* PCI_CONFIG: bytes; width 1, 2 or 4, little-endian */
    char *property;      /* UDEV_PROPERTY: its name */
} VfReader;

/* The mutating ones are for whoever makes a parameter. */
void vf_reader_add_type_value(VfReader *self, const char *glob, const char *value);
/* Overwrites @self without clearing it. */
void vf_reader_copy(VfReader *self, const VfReader *from);
void vf_reader_clear(VfReader *self);

/* The value that the mdev type @type gives, or NULL when the type does not say, or is empty: the
 * device has none. Stays the reader's. */
const char *vf_reader_value_from_type(const VfReader *self, const char *type);

/* What of @text, a whole attribute, is the value: all of it, or what stands behind the key. NULL
 * when the key is not there. Free with g_free(). */
char *vf_reader_pick(const VfReader *self, const char *text);

const char *vf_reader_of_to_string(VfReaderOf of);
gboolean vf_reader_of_from_string(const char *text, VfReaderOf *of);
