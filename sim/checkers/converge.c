/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers whose books say the same hold the same: nobody diverges in silence. Two that are up,
 * follow the writer or are it, and count the same GTIDs, must have the same transactions in their
 * tables. (The other half of convergence, that all become equal when writes stop, is a question of
 * time: world_identical, and S8.)
 */
#include "sim/world_private.h"

/* The first that one of them lacks. */
static uint32_t first_difference(const struct world *w, unsigned a, unsigned b)
{
    uint32_t id = 0;
    while (id < w->txns.count &&
           sim_holds(&w->host[a].server, id) == sim_holds(&w->host[b].server, id))
        id++;
    return id;
}

static void differ(struct world *w, unsigned a, unsigned b)
{
    const struct txn *t = sim_txn(w, first_difference(w, a, b));
    sim_violation(w, "converge: %s and %s count the same GTIDs and hold other data: %s:%llu",
                  sim_name(w, a), sim_name(w, b), sim_name(w, t->server),
                  (unsigned long long)t->number);
}

void check_converge_tick(struct world *w)
{
    unsigned writer = w->committed->writer;
    const struct server *o;
    if (writer == NODE_NONE)
        return;
    o = &w->host[writer].server;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct server *s = &w->host[i].server;
        bool quarantined = (w->committed->flags[i] & NODE_QUARANTINED) != 0;
        if (i == writer || quarantined || !sim_answers(s) || !sim_answers(o) ||
            !s->channel[0].made || !s->channel[0].sql)
            continue;
        if (s->book_hash == o->book_hash && s->data_hash != o->data_hash)
            differ(w, i, writer);
    }
}
