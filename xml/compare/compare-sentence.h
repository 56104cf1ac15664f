/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compare-parameter.h"

/* What a report says of a parameter, in the language of whoever asked. */

#define VF_SENTENCES_MAX 32

/* Translations that were looked up for one report; begins as all zeros. */
typedef struct {
    const char *translated[VF_SENTENCES_MAX];
} VfSentences;

/* Free with g_free(). */
char *vf_pair_sentence(const VfPair *self, VfSentences *cache);
