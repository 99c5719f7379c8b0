/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files action*.c: one function per row of sim/actions.def. */
#ifndef TANDEM_SIM_ACTION_PRIVATE_H
#define TANDEM_SIM_ACTION_PRIVATE_H

#include "sim/action.h"
#include "sim/stage.h"

/* node: one node of %n; of a WHOLE action the first of them, NODE_NONE if it names none. */
#define ACTION(name, traits, pattern, run, help) \
    bool act_##run(struct stage *s, unsigned node, const struct statement *st);
#include "sim/actions.def"
#undef ACTION

#endif
