/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

typedef struct {
    int done; /* } VfOptions; */
} VfProgress;

typedef void (*VfCall)(int done);
