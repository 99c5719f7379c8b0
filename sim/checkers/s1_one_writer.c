/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S1: at most one node acknowledges writes at any moment, clients that connect to a node's own
 * address included. An acknowledgement counts when it reaches its client. So: whoever acknowledges
 * is the writer of the committed record, no older epoch acknowledges after a newer one, and no two
 * servers are writable behind an open door at once.
 *
 * Outside: a writer whose agent was gone when a pause ended keeps a lease without end. Nobody is
 * promoted over it but by an operator who forces that, and accepts what it goes on doing.
 */
#include "sim/world_private.h"

bool check_is_abandoned(const struct world *w, unsigned node)
{
    return (w->checks.abandoned & 1u << node) != 0 && w->host[node].lease_local_us == INT64_MAX;
}

void check_s1_entry(struct world *w, const struct entry *e)
{
    bool forced = e->kind == ENTRY_PROMOTE && !e->flag;
    if (e->kind == ENTRY_PROMOTE)
        w->checks.abandoned &= ~(1u << e->node);
    for (unsigned i = 0; i < w->cfg->n_nodes && forced; i++)
        if (i != e->node && w->host[i].lease_local_us == INT64_MAX)
            w->checks.abandoned |= 1u << i;
}

void check_s1_ack(struct world *w, unsigned node)
{
    struct checks *c = &w->checks;
    uint64_t epoch = w->committed->epoch;
    if (check_is_abandoned(w, node))
        return;
    if (w->committed->writer != node)
        sim_violation(w, "S1: %s acknowledged, but the writer of the record is %s",
                      sim_name(w, node), sim_name(w, w->committed->writer));
    if (c->acker != node && c->acker_epoch >= epoch && c->acker_epoch != 0)
        sim_violation(w, "S1: %s acknowledged in epoch %llu, %s has in the same or a newer one",
                      sim_name(w, node), (unsigned long long)epoch, sim_name(w, c->acker));
    c->acker = node;
    c->acker_epoch = epoch;
}

static bool is_open(const struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    return sim_lease_lives(w, node) && !check_is_abandoned(w, node) && s->up && !s->starting &&
           !s->read_only;
}

void check_s1_tick(struct world *w)
{
    unsigned open = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        open += is_open(w, i);
    if (open > 1)
        sim_violation(w, "S1: %u servers are open", open);
}
