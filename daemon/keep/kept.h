/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fd-store.h"

G_BEGIN_DECLS

/* What of one thing (a loan, a lease, a side of a job) outlives this process: its description
 * and its open files, in systemd's store under “<kind>.<id>.<part>”. */
typedef struct VfKept VfKept;

#define VF_KEPT_LOAN "loan"
#define VF_KEPT_LEASE "lease"
#define VF_KEPT_SOURCE "source" /* jobs */
#define VF_KEPT_DESTINATION "destination"

/* Nothing is in the store before something is put or written. @id has no '.' in it. */
VfKept *vf_kept_new(VfFdStore *store, const char *kind, const char *id);
/* What is in the store stays there. */
void vf_kept_free(VfKept *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfKept, vf_kept_free)

const char *vf_kept_get_id(const VfKept *self);

/* Promises places for @n parts in all, put already or later; 0: no more will come. LIMIT_EXCEEDED
 * when the store has not that many left. */
gboolean vf_kept_reserve(VfKept *self, guint n, GError **error);

/* The description, in place of the one before. Takes @state; its key `version` is set here. */
void vf_kept_write(VfKept *self, GVariantDict *state);
void vf_kept_put(VfKept *self, const char *part, int fd); /* a copy */
void vf_kept_drop(VfKept *self, const char *part);        /* none is no mistake */
/* All of it; it can be used again. */
void vf_kept_forget(VfKept *self);

/* What an earlier daemon kept of that kind, each in a VfKept. Free with g_ptr_array_unref(). */
GPtrArray *vf_kept_list(VfFdStore *store, const char *kind);
/* The description: a{sv}, or NULL with NOT_SUPPORTED when this daemon cannot read it. */
GVariant *vf_kept_read(VfKept *self, GError **error);
/* The caller's; the store has it still. -1 when there is none. */
int vf_kept_take(VfKept *self, const char *part);

G_END_DECLS
