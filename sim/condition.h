/* SPDX-License-Identifier: Apache-2.0 */
/* What can be expected of a cluster: the rows of sim/conditions.def. */
#ifndef TANDEM_SIM_CONDITION_H
#define TANDEM_SIM_CONDITION_H

#include "sim/scenario.h"

enum condition_kind {
#define CONDITION(name, pattern, check, help) CONDITION_##name,
#include "sim/conditions.def"
#undef CONDITION
    CONDITION_COUNT
};

extern const char *const condition_patterns[CONDITION_COUNT];
extern const char *const condition_helps[CONDITION_COUNT];

struct stage;
/* NULL: it holds. Else what is wrong, a literal. */
const char *condition_check(struct stage *stage, unsigned kind, const struct phrase_args *args);

#endif
