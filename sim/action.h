/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done to a cluster: the rows of sim/actions.def, and their execution. */
#ifndef TANDEM_SIM_ACTION_H
#define TANDEM_SIM_ACTION_H

#include <stdbool.h>

#include "sim/scenario.h"

enum action_kind {
#define ACTION(name, traits, pattern, run, help) ACTION_##name,
#include "sim/actions.def"
#undef ACTION
    ACTION_COUNT
};

enum action_trait {
    ACTION_BY_HAND = 1u << 0,
    ACTION_NOT_WRITER = 1u << 1,
    ACTION_ORDER = 1u << 2,
    ACTION_WHOLE = 1u << 3,
};

extern const char *const action_patterns[ACTION_COUNT];
extern const char *const action_helps[ACTION_COUNT];

unsigned action_traits(unsigned kind);

struct stage;
/* False if there was nothing to do it to. */
bool action_run(struct stage *stage, const struct statement *st);
/* Of the nodes that were repaired, one must be allowed to be the writer. What was proposed before
 * may come true only now and allow another one: then that is repaired as well. */
void action_keep_allowed(struct stage *stage);

#endif
