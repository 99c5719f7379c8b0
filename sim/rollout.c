/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/rollout.h"

#include "sim/stage.h"

#define STOP_LIMIT_US 60000000 /* TimeoutStopSec of packaging/tandem.service */

static void stop(struct stage *s, uint32_t nodes)
{
    struct rollout *r = &s->rollout;
    r->kill_us = world_now_us(s->w) + STOP_LIMIT_US;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((nodes & 1u << i) == 0 || !world_agent_is_up(s->w, i))
            continue;
        world_quit_agent(s->w, i);
        r->stopping |= 1u << i;
    }
}

void rollout_begin(struct stage *s, bool together, int64_t gap_ms)
{
    struct rollout *r = &s->rollout;
    uint32_t everyone = (1u << s->cfg.n_nodes) - 1;
    r->together = together;
    r->gap_us = gap_ms * 1000;
    r->next_us = world_now_us(s->w);
    r->left = together ? 0 : everyone & ~r->stopping;
    if (together)
        stop(s, everyone);
}

void rollout_only(struct stage *s, uint32_t nodes)
{
    s->rollout.left &= nodes;
    s->rollout.stopping &= nodes;
}

static void kill_late(struct stage *s)
{
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((s->rollout.stopping & 1u << i) != 0 && world_agent_is_up(s->w, i))
            world_kill_agent(s->w, i);
    }
}

static bool have_ended(const struct stage *s, uint32_t nodes)
{
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((nodes & 1u << i) != 0 && world_agent_is_up(s->w, i))
            return false;
    }
    return true;
}

static void start_ended(struct stage *s)
{
    struct rollout *r = &s->rollout;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((r->stopping & 1u << i) == 0 || world_agent_is_up(s->w, i))
            continue;
        if (!world_is_dark(s->w, i))
            world_start_agent(s->w, i);
        r->stopping &= ~(1u << i);
        r->next_us = world_now_us(s->w) + r->gap_us;
    }
}

void rollout_run(struct stage *s)
{
    struct rollout *r = &s->rollout;
    if (r->stopping != 0) {
        if (world_now_us(s->w) >= r->kill_us)
            kill_late(s);
        if (!r->together || have_ended(s, r->stopping))
            start_ended(s);
        return;
    }
    if (r->left == 0 || world_now_us(s->w) < r->next_us)
        return;
    stop(s, r->left & -r->left);
    r->left &= r->left - 1;
}
