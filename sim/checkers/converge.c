/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers whose books say the same hold the same: nobody diverges in silence. Two that are up,
 * follow the writer or are it, and count the same GTIDs, must have the same transactions in their
 * tables. (The other half of convergence, that all become equal when writes stop, is a question of
 * time: world_identical, and S8.)
 */
#include "sim/world_private.h"

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
            sim_violation(w, "converge: %s and %s count the same GTIDs and hold other data",
                          sim_name(w, i), sim_name(w, writer));
    }
}
