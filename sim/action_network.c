/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the network, and what goes wrong by itself from time to time. */
#include <string.h>

#include "sim/action_private.h"

#define SLOW_MAX_MS 2000 /* an end gives up then */

/* The second node of a pair; NODE_NONE if it is the same one. */
static unsigned other_of(const struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = stage_node(s, &st->args.b);
    return other == node ? NODE_NONE : other;
}

bool act_cut_pair(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = other_of(s, node, st);
    if (other == NODE_NONE)
        return false;
    world_cut(s->w, node, other, /* cut= */ true);
    return true;
}

bool act_cut_all(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    world_cut_all(s->w, node, /* cut= */ true);
    return true;
}

bool act_cut_way(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = other_of(s, node, st);
    if (other == NODE_NONE)
        return false;
    world_cut_way(s->w, node, other, /* cut= */ true);
    return true;
}

bool act_cut_sql(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = other_of(s, node, st);
    if (other == NODE_NONE)
        return false;
    world_cut_sql(s->w, node, other, /* cut= */ true);
    return true;
}

bool act_cut_agents(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = other_of(s, node, st);
    if (other == NODE_NONE)
        return false;
    world_cut_raft(s->w, node, other, /* cut= */ true);
    return true;
}

bool act_cut_adverts(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = other_of(s, node, st);
    if (other == NODE_NONE)
        return false;
    world_cut_adverts(s->w, node, other, /* cut= */ true);
    return true;
}

bool act_slow_agents(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = other_of(s, node, st);
    if (other == NODE_NONE || st->args.number >= SLOW_MAX_MS)
        return false;
    world_slow_agents(s->w, node, other, (unsigned)st->args.number);
    return true;
}

void action_heal(struct stage *s, unsigned a, unsigned b)
{
    world_cut(s->w, a, b, /* cut= */ false);
    world_cut_sql(s->w, a, b, /* cut= */ false);
    world_cut_raft(s->w, a, b, /* cut= */ false);
    world_cut_raft(s->w, b, a, /* cut= */ false);
    world_cut_adverts(s->w, a, b, /* cut= */ false);
    world_cut_adverts(s->w, b, a, /* cut= */ false);
    world_slow_agents(s->w, a, b, 0);
    world_slow_agents(s->w, b, a, 0);
}

bool act_heal_pair(struct stage *s, unsigned node, const struct statement *st)
{
    unsigned other = other_of(s, node, st);
    if (other == NODE_NONE)
        return false;
    action_heal(s, node, other);
    return true;
}

bool act_heal_node(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if (i != node)
            action_heal(s, node, i);
    }
    return true;
}

bool act_heal_network(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++)
        (void)act_heal_node(s, i, st);
    return true;
}

bool act_lose_frames(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    s->faults.loss = (unsigned)st->args.number;
    world_set_faults(s->w, &s->faults);
    return true;
}

bool act_fail_starts(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    s->faults.start = (unsigned)st->args.number;
    world_set_faults(s->w, &s->faults);
    return true;
}

bool act_fail_transfers(struct stage *s, unsigned node, const struct statement *st)
{
    (void)node;
    s->faults.transfer = (unsigned)st->args.number;
    world_set_faults(s->w, &s->faults);
    return true;
}
