/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers whose books say the same hold the same: nobody diverges in silence. Two that are up,
 * follow the writer or are it, and count the same GTIDs, must have the same transactions in their
 * tables. A server that was away connects again by itself, before anybody can look at it: it has as
 * long to be found as by S7. (The other half of convergence, that all become equal when writes
 * stop, is a question of time: world_identical, and S8.)
 */
#include "sim/world_private.h"

#define DIFFERENT_US 30000000

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

/* While one of them is behind nothing can be told. */
static void check_node(struct world *w, unsigned node, unsigned writer)
{
    const struct server *s = &w->host[node].server;
    const struct server *o = &w->host[writer].server;
    int64_t *since_us = &w->checks.different_us[node];
    bool quarantined = (w->committed->flags[node] & NODE_QUARANTINED) != 0;
    bool follows =
        !quarantined && sim_answers(s) && sim_answers(o) && s->channel[0].made && s->channel[0].sql;
    if (!follows || (s->book_hash == o->book_hash && s->data_hash == o->data_hash))
        *since_us = 0;
    if (!follows || s->book_hash != o->book_hash || s->data_hash == o->data_hash)
        return;
    if (*since_us == 0)
        *since_us = w->now_us;
    if (w->now_us - *since_us > DIFFERENT_US)
        differ(w, node, writer);
}

void check_converge_tick(struct world *w)
{
    unsigned writer = w->committed->writer;
    for (unsigned i = 0; i < w->cfg->n_nodes && writer != NODE_NONE; i++) {
        if (i != writer)
            check_node(w, i, writer);
    }
}
