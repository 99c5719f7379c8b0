/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of GTIDs only grow, except by a reported salvage: what was committed in the engine of a node
 * never leaves its binlog otherwise. A node of which a cut took committed transactions is different
 * from every other for ever, and nobody would see it.
 */
#include "sim/world_private.h"

void check_grow_only(struct world *w, unsigned node, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    if (sim_holds(&w->host[node].server, id) && !t->salvaged)
        sim_violation(w, "grow-only: %s:%llu was committed on %s and left its binlog",
                      sim_name(w, t->server), (unsigned long long)t->number, sim_name(w, node));
}
