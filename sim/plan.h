/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario drawn by a seed: a topology, policies, timing, then a list of timed actions, then the
 * end that every drawn run has:
 *
 *   - only a majority of the voters with one node that may be the writer is repaired; what the
 * others suffer stays for ever. These few must be writable, attached and in sync within a bound.
 *   - everything is repaired. All nodes must hold the same within a bound, or be quarantined for a
 * reason.
 *
 * The list is drawn before anything runs. What depends on the state is said by a symbolic node, so
 * that the run can be repeated from its list, and from a part of it.
 */
#ifndef TANDEM_SIM_PLAN_H
#define TANDEM_SIM_PLAN_H

#include "sim/scenario.h"

void plan_draw(uint64_t seed, struct scenario *ret_scenario);

#endif
