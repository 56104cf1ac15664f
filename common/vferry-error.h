/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VFERRY_ERROR:
 *
 * The one error domain of vferry. On the bus each code is `org.vferry1.Error.<Code>`.
 */
#define VFERRY_ERROR (vferry_error_quark())

/**
 * VferryError:
 * @VFERRY_ERROR_FAILED: something failed that no other code describes
 * @VFERRY_ERROR_INVALID_ARGUMENT: an argument or an option has a value that is never valid
 * @VFERRY_ERROR_INVALID_XML: a document does not parse, or breaks its schema or a limit
 * @VFERRY_ERROR_UNKNOWN_OPTION: an option key that this daemon does not know
 * @VFERRY_ERROR_NOT_FOUND: no such device, parent, lease, job or model
 * @VFERRY_ERROR_NOT_SUPPORTED: the device, its driver or this build cannot do it
 * @VFERRY_ERROR_NOT_AUTHORIZED: polkit, or the ownership of a lease or job, says no
 * @VFERRY_ERROR_BUSY: somebody else holds it, or the operation still runs
 * @VFERRY_ERROR_NO_ROOM: no instance, port or slot is left
 * @VFERRY_ERROR_INCOMPATIBLE: the destination cannot be what the source is
 * @VFERRY_ERROR_UNKNOWN: cannot be known without trying
 * @VFERRY_ERROR_PEER: the other side of a migration failed, vanished or broke the protocol
 * @VFERRY_ERROR_DEVICE: the device or its kernel driver refused or failed
 * @VFERRY_ERROR_CANCELLED: somebody cancelled it
 * @VFERRY_ERROR_IN_DOUBT: which side may run is not decided, and nobody may guess
 * @VFERRY_ERROR_LIMIT_EXCEEDED: larger, longer or more than this daemon accepts
 *
 * Values are stable; new ones are added at the end.
 */
typedef enum {
    VFERRY_ERROR_FAILED,
    VFERRY_ERROR_INVALID_ARGUMENT,
    VFERRY_ERROR_INVALID_XML,
    VFERRY_ERROR_UNKNOWN_OPTION,
    VFERRY_ERROR_NOT_FOUND,
    VFERRY_ERROR_NOT_SUPPORTED,
    VFERRY_ERROR_NOT_AUTHORIZED,
    VFERRY_ERROR_BUSY,
    VFERRY_ERROR_NO_ROOM,
    VFERRY_ERROR_INCOMPATIBLE,
    VFERRY_ERROR_UNKNOWN,
    VFERRY_ERROR_PEER,
    VFERRY_ERROR_DEVICE,
    VFERRY_ERROR_CANCELLED,
    VFERRY_ERROR_IN_DOUBT,
    VFERRY_ERROR_LIMIT_EXCEEDED,
} VferryError;

/**
 * vferry_error_quark:
 *
 * Also registers the bus names of the codes with GDBus, once.
 *
 * Returns: the quark of %VFERRY_ERROR
 */
GQuark vferry_error_quark(void);

G_END_DECLS
