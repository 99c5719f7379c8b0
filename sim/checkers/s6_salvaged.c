/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S6: nothing is discarded silently. A transaction that vanishes from a node's disk was written to
 * a salvage directory first, or is on the writer of the record, or on the way to it (nobody wrote
 * yet, and a node that may become the writer has it).
 *
 * And a rewind or an undo takes back only what nobody was promised. What a forced promotion has
 * given up was promised: whether it is lost for good is for people to say, who find it where it was
 * until they have.
 */
#include "sim/world_private.h"

static bool is_elsewhere(const struct world *w, unsigned node, uint32_t id)
{
    unsigned writer = w->committed->writer;
    if (writer != NODE_NONE && writer != node)
        return sim_has(&w->host[writer].server, id);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i != node && sim_has(&w->host[i].server, id))
            return true;
    }
    return false;
}

/* An operator, or the policy, has given it up for good. */
static bool is_discarded(const struct world *w, unsigned node)
{
    return (w->committed->flags[node] & NODE_DISCARD) != 0 ||
           w->cfg->policy.auto_discard == CONFIG_DISCARD_ALL;
}

void check_s6_cut(struct world *w, unsigned node, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    if (t->given_up && !is_discarded(w, node))
        sim_violation(w, "S6: %s:%llu was acknowledged, given up by force, and is cut from %s",
                      sim_name(w, t->server), (unsigned long long)t->number, sim_name(w, node));
}

void check_s6_vanish(struct world *w, unsigned node, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    if (t->salvaged || t->excused || is_elsewhere(w, node, id))
        return;
    sim_violation(w, "S6: %s:%llu vanished from %s unsalvaged", sim_name(w, t->server),
                  (unsigned long long)t->number, sim_name(w, node));
}
