/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"

/* The descriptors of a host: the files *.xml of a list of directories. Of several files with one
 * name the one in the first directory counts; an empty one (or a link to /dev/null) there hides the
 * others. A bad file is a problem, not an error: it is left out, and does not uncover the file of
 * the same name behind it, so that a typing mistake never silently brings back what an
 * administrator replaced. */

typedef struct {
    char *file;
    guint line; /* 0 when the problem has none */
    char *message;
    char *other;        /* the file that counts instead; NULL where that is none */
    gboolean directory; /* it is a directory that cannot be read */
} VfModelsProblem;

typedef struct {
    GPtrArray *models;   /* of VfModel, sorted by id, each id once */
    GPtrArray *problems; /* of VfModelsProblem, in the order of the file names */
    GPtrArray *ignored;  /* of VfModelsProblem: what good files have that this version does not
                            know: of a later one, or misspelt */
} VfModels;

/* /etc/vferry/models, /run/vferry/models, /usr/share/vferry/models as configured when built, or
 * $VFERRY_MODEL_PATH. Free with g_strfreev(). */
char **vf_models_default_directories(void);

/* Never fails as a whole. A directory that does not exist counts as empty; one that cannot be read
 * is a problem. Two files with the same model id, or an alias that is
 * the id or an alias of the other, are a problem of the second by name. Reads files:
 * not for a main loop with a slow disk. */
VfModels *vf_models_load(const char *const *directories);

/* The same with the files @extra before all directories, whatever they are called, as if they lay
 * in the first: for whoever wants to know whether they are good. They hide files of their names,
 * and a model that is in a file of another name, too, is a problem of both. */
VfModels *vf_models_load_with(const char *const *extra, const char *const *directories);
void vf_models_free(VfModels *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfModels, vf_models_free)

/* By id or alias; NULL when there is none. The model stays the set's: take a reference to keep it.
 */
VfModel *vf_models_find(const VfModels *self, const char *id);

/* The model of an mdev type (@driver as in VfMatch), a PCI function, or a vfio-user program. Of
 * several that match the one that does so most precisely, then the first by id. */
VfModel *vf_models_find_for_mdev(const VfModels *self, const char *driver, const char *type);
VfModel *vf_models_find_for_pci(const VfModels *self, const VfPciId *id, const char *driver);
VfModel *vf_models_find_for_program(const VfModels *self, const char *program);
