/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "constraint.h"
#include "parameter.h"
#include "value.h"
#include "version.h"

/* A device model: an id, its parameters, and, when it comes from a descriptor, which devices it is
 * about. Immutable and reference-counted; safe to share between threads. docs/descriptors.md
 * describes the file format.
 *
 * The digest is "sha256:" and 64 lower-case hexadecimal digits over the Canonical XML 1.0 form of
 * the schema alone: id, description, aliases, parameters with their types, units, values and
 * comparison rules, constraints and versions; not where it came from, what it matches, how values
 * are read or applied. Two hosts with the same digest mean the same by every value. */

typedef enum {
    VF_MATCH_MDEV,
    VF_MATCH_PCI,
    VF_MATCH_VFIO_USER,
} VfMatchKind;

/* An id that may be anything is -1. */
typedef struct {
    int vendor, device, subsystem_vendor, subsystem_device;
} VfPciId;

typedef struct {
    VfMatchKind kind;
    char *driver;  /* MDEV: what the mdev core puts before the '-' of a type's id: the parent's
                      driver, else its subsystem. PCI, nullable: the driver that is bound */
    char *type;    /* MDEV: glob over the type's id, e.g. "mtty-*" */
    VfPciId pci;   /* PCI */
    char *program; /* VFIO_USER: glob over the base name of the program */
} VfMatch;

/* What a model's source may be. */
#define VF_MODEL_SOURCE_DESCRIPTOR "descriptor"
#define VF_MODEL_SOURCE_KERNEL "kernel"   /* sysfs: migration_info.json, migration_device_models */
#define VF_MODEL_SOURCE_PROGRAM "program" /* --print-migration-info-json */

typedef struct {
    char *id;
    char *digest;
    char *source;      /* VF_MODEL_SOURCE_... */
    char *file;        /* nullable: where the descriptor was */
    char *extends;     /* nullable: the id of the model that this one adds to; NULL once resolved */
    char *description; /* nullable; English */
    char **aliases;    /* nullable; sorted: other ids under which a source may know it */
    char *not_migratable;    /* nullable; English: why no device of this model migrates */
    GPtrArray *matches;      /* of VfMatch; empty for a model from a capabilities document */
    GPtrArray *parameters;   /* of VfParameter, sorted by name, each name once */
    GPtrArray *constraints;  /* of VfConstraint (constraint.h), as written */
    GPtrArray *versions;     /* of VfVersion, oldest first, each name once */
    char *version_parameter; /* nullable: the parameter, an enum, whose values are the versions */
    char *select_attribute;  /* nullable: a new device is made one of this model by writing the id
                                there, before any parameter */
} VfModel;

VfModel *vf_model_ref(VfModel *self);
void vf_model_unref(VfModel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfModel, vf_model_unref)

/* For whoever makes one out of something that is no descriptor: without an id, to be filled, then
 * finished with vf_model_complete() (model-make.h). */
VfModel *vf_model_new(const char *source);
/* Takes ownership; the name must not be there yet. */
void vf_model_add_parameter(VfModel *self, VfParameter *parameter);

/* NULL when the model has no such parameter. */
const VfParameter *vf_model_find_parameter(const VfModel *self, const char *name);

/* Whether @id names the model: its id or an alias. */
gboolean vf_model_is(const VfModel *self, const char *id);

/* How precisely a match of the model is about the device, 0: not at all; the more the better.
 * mdev: a device, or a type that a parent can create, of type id @type; @driver as in VfMatch.
 * PCI: @driver nullable. */
guint vf_model_matches_mdev(const VfModel *self, const char *driver, const char *type);
guint vf_model_matches_pci(const VfModel *self, const VfPciId *id, const char *driver);
guint vf_model_matches_program(const VfModel *self, const char *program);

/* NULL when there is none. */
const VfVersion *vf_model_find_version(const VfModel *self, const char *name);

/* Whether the version @destination, a value of the version parameter, loads what @source saved. */
gboolean vf_model_version_loads(const VfModel *self, const char *destination, const char *source);

/* The value of a constraint's parameter among @values (a list): its own, else its off value. */
VfTruth vf_model_check_constraint(const VfModel *self, const VfConstraint *constraint,
                                  GPtrArray *values);

/* What is known from the type's id alone: a list of values (value.h) with evidence mdev-type. A
 * parameter that is read otherwise, or that no rule covers, is absent. Free with
 * g_ptr_array_unref(). */
GPtrArray *vf_model_values_from_type(const VfModel *self, const char *type);

/* Names of the parameters that can be given to a new device, sorted. Free with g_strfreev(). */
char **vf_model_settable_names(const VfModel *self);
