/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest scenario that still fails in the same way: actions are left out by halves, quarters
 * and one by one, then options go back to their defaults and nodes that nothing needs are taken
 * away. Bounded by a number of runs, so that the same seed always shrinks to the same scenario.
 */
#ifndef TANDEM_SIM_SHRINK_H
#define TANDEM_SIM_SHRINK_H

#include "sim/stage.h"

#define SHRINK_RUNS_MAX 600

/* s fails with o; afterwards it is smaller and fails with the same id, and o is that failure.
 * Returns the number of runs. */
unsigned shrink(struct scenario *s, struct outcome *o);

#endif
