/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/pair_care.h"

#include "sim/action.h"

#define VOUCHED_US 30000000 /* PAIR_HAND_US of arbiter/pair_node.c */

static bool is_spared(const struct stage *s)
{
    return s->scenario->drawn && config_is_pair(&s->cfg);
}

/* Both agents run and hear each other in every way. */
static bool are_in_touch(const struct stage *s)
{
    const struct world *w = s->w;
    return world_agent_goes_on(w, 0) && world_agent_goes_on(w, 1) && world_pair_is_whole(w) &&
           s->restarting == 0 && s->rollout.stopping == 0;
}

static bool is_vouched(const struct stage *s)
{
    bool fresh = s->vouched_us != 0 && world_now_us(s->w) - s->vouched_us < VOUCHED_US;
    return fresh || world_pair_newer(s->w, /* forced= */ true) != NODE_NONE;
}

static bool may_vouch(const struct stage *s, unsigned node)
{
    return node < 2 && (world_is_dark(s->w, 1 - node) || are_in_touch(s));
}

/* While the other one could be taken for dead by it. */
static bool may_boot(const struct stage *s, unsigned node)
{
    unsigned other = 1 - node;
    if (node >= 2 || !is_vouched(s) || world_pair_newer(s->w, /* forced= */ true) == node)
        return true;
    return world_agent_goes_on(s->w, other) && world_pair_is_whole(s->w) &&
           ((s->restarting | s->rollout.stopping) & 1u << other) == 0;
}

static bool parts_them(unsigned action)
{
    switch (action) {
    case ACTION_KILL_AGENT:
    case ACTION_CRASH_AGENT:
    case ACTION_HANG_AGENT:
    case ACTION_STALL_AGENT:
    case ACTION_STOP_AGENT:
    case ACTION_RESTART_AGENT:
    case ACTION_KILL_BOTH:
    case ACTION_CUT_POWER:
    case ACTION_CUT_ALL:
    case ACTION_CUT_AGENTS:
    case ACTION_CUT_ADVERTS:
    case ACTION_DISK_FULL:
    case ACTION_ROLL_OUT:
    case ACTION_CHANGE:
        return true;
    default:
        return false;
    }
}

bool pair_care_spares(const struct stage *s, unsigned node, const struct statement *st)
{
    bool both_on = !world_is_dark(s->w, 0) && !world_is_dark(s->w, 1);
    if (!is_spared(s))
        return false;
    if (parts_them(st->index) && both_on && is_vouched(s))
        return true;
    switch (st->index) {
    case ACTION_CUT_AGENTS:
        return world_adverts_are_cut(s->w);
    case ACTION_CUT_ADVERTS:
        return world_agents_are_cut(s->w);
    case ACTION_HEAL_PAIR:
    case ACTION_HEAL_NODE:
        return !world_hosts_reach(s->w, 0, 1);
    case ACTION_FAIL_OVER:
    case ACTION_FORCE:
        return !may_vouch(s, node);
    case ACTION_BOOT:
    case ACTION_START_AGENT:
        return node < 2 && world_is_dark(s->w, node) && !may_boot(s, node);
    default:
        return false;
    }
}

void pair_care_ordered(struct stage *s)
{
    if (!is_spared(s))
        return;
    s->vouched_us = world_now_us(s->w);
    for (unsigned i = 0; i < 2; i++)
        world_crash_agent(s->w, i, 0);
}
