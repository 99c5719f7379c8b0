/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As sim/plan.h, for two hosts with the vrrp arbiter and, mostly, an arbitration address. Faults
 * are those under which a pair keeps its promises: a host is cut off from everything or not at all,
 * and no clock is wild. What it cannot keep is in tests/scenarios/pair-split-brain.scn.
 */
#ifndef TANDEM_SIM_PAIR_PLAN_H
#define TANDEM_SIM_PAIR_PLAN_H

#include "sim/scenario.h"

void pair_plan_draw(uint64_t seed, struct scenario *ret_scenario);

#endif
