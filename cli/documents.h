/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "capabilities.h"
#include "requirement.h"

/* What a user names when a document is wanted: files as they come from virtually anywhere, or
 * devices of this host. */

typedef enum {
    VF_DOCUMENT_OTHER,
    VF_DOCUMENT_REQUIREMENT,
    VF_DOCUMENT_MIGRATION, /* a cookie: it has requirements */
    VF_DOCUMENT_CAPABILITIES,
} VfDocumentsKind;

/* What the first element says. Looks no further. */
VfDocumentsKind vf_documents_sniff(const char *text, gsize size);

/* A file, "-" is standard input. INVALID_ARGUMENT, without reading all of it, when it is larger
 * than any document may be. Free with g_free(). */
char *vf_documents_read(const char *file, gsize *size, GError **error);

/* Of a requirement, or of a device in a cookie or in capabilities: @device (its id, or the unique
 * beginning of one) says which, and may be NULL where there is only one. @argument is a file, "-",
 * or a device of this host (@cli's, whatever its --host). *@together is how many devices its cookie
 * migrates at once; 1 for what is no cookie. */
VfRequirement *vf_documents_load_requirement(const VfCli *cli, const char *argument,
                                             const char *device, guint *together, GError **error);

/* The device of @capabilities that @id, or a unique beginning of it, means; NULL: the only one.
 * NOT_FOUND, INVALID_ARGUMENT. */
const VfCapabilitiesDevice *vf_documents_find_device(const VfCapabilities *capabilities,
                                                     const char *id, GError **error);

/* What takes over the state of the device with this id must be able to be: of @host, the
 * capabilities of where it is. NOT_FOUND; UNKNOWN when nobody knows its model. */
VfRequirement *vf_documents_take_requirement(const VfCapabilities *host, const char *id,
                                             GError **error);

/* Of a daemon that we are connected with. */
VfCapabilities *vf_documents_ask_bus(VfBus *bus, GError **error);

/* Of the daemon at @address; NULL: this host's. */
VfCapabilities *vf_documents_ask_capabilities(const VfCli *cli, const char *address,
                                              GError **error);
