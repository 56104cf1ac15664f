/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "capabilities.h"
#include "consumer.h"
#include "vferry.h"

/* What is said of a device or a model: sentences, and of each parameter what a program wants to
 * know. */
typedef struct {
    GPtrArray *sentences;  /* of char *; one that begins with a space is about one parameter */
    JsonArray *parameters; /* of objects */
} VfExplanation;

VfExplanation *vf_explanation_new(void);
void vf_explanation_free(VfExplanation *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfExplanation, vf_explanation_free)

/* @descriptor nullable: the bus's own view of the device's model, which alone says what can be
 * read. */
void vf_explain_device(VfExplanation *self, const VfCapabilities *host,
                       const VfCapabilitiesDevice *device, VferryModel *descriptor);

void vf_explain_model(VfExplanation *self, const VfModel *model);

/* The same of one that only another daemon has. */
void vf_explain_remote_model(VfExplanation *self, VferryModel *model);
