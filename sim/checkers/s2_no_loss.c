/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S2: a commit that was acknowledged while the in-sync set was not empty is on every later writer,
 * unless an operator forced a promotion and accepted loss. Looked at where it can first be seen:
 *
 *   every acknowledgement    is held, on disk, by every member of the committed set, in its run
 *   every member that joins  holds everything that was ever acknowledged
 *   every clean promotion    is of a node that holds it, and so does whoever acknowledges first
 *
 * With an empty set only the last writer itself may go on, so the same is asked of commits that
 * were acknowledged then. A value that a client of the writer has read counts like an acknowledged
 * one (AFTER_SYNC shows nothing before its acknowledgement).
 *
 * Outside: what a forced promotion gave up; what MySQL told its clients during a shutdown whose own
 * agent was gone before the server was back (replication notes T6); what an operator's hand
 * released (KILL of a session, the source side of the writer).
 */
#include <stdio.h>

#include "sim/world_private.h"

static bool is_promised(const struct txn *t)
{
    return (t->acked || t->read) && !t->excused;
}

/* Every promised transaction that `node` does not have; forced: is not promised any more, nor is
 * one in a relay log that the server could not apply. */
static void check_holds(struct world *w, unsigned node, bool forced, const char *as)
{
    const struct server *s = &w->host[node].server;
    unsigned missing = 0;
    uint32_t first = TXN_NONE;
    for (uint32_t id = 0; id < w->txns.count; id++) {
        struct txn *t = sim_txn(w, id);
        if (!is_promised(t) || sim_holds(s, id) || (!forced && sim_has(s, id)))
            continue;
        if (forced)
            t->excused = true;
        first = missing++ == 0 ? id : first;
    }
    if (missing > 0 && !forced)
        sim_violation(w, "S2: %s, %s, lacks %u acknowledged commits: %s:%llu ...",
                      sim_name(w, node), as, missing, sim_name(w, sim_txn(w, first)->server),
                      (unsigned long long)sim_txn(w, first)->number);
}

static bool is_same_run(const struct world *w, unsigned node)
{
    struct incarnation now = sim_incarnation(w, node);
    return incarnation_equal(&now, &w->committed->member[node]);
}

static void check_members(struct world *w, unsigned node, uint32_t id)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        bool member = (w->committed->in_sync & (1u << i)) != 0 && i != node;
        if (!member || !is_same_run(w, i) || sim_has(&w->host[i].server, id))
            continue;
        sim_violation(w, "S2: %s:%llu was acknowledged and is not on the member %s",
                      sim_name(w, node), (unsigned long long)sim_txn(w, id)->number,
                      sim_name(w, i));
    }
}

void check_s2_ack(struct world *w, unsigned node, uint32_t id)
{
    struct txn *t = sim_txn(w, id);
    struct checks *c = &w->checks;
    t->acked = true;
    if (w->host[node].server.by_hand)
        t->excused = true;
    if (!t->at_shutdown && !t->excused)
        check_members(w, node, id);
    if (c->acker != node)
        check_holds(w, node, /* forced= */ false, "the new writer");
}

void check_s2_read(struct world *w, unsigned node, uint32_t id)
{
    struct txn *t = sim_txn(w, id);
    if (w->committed->writer == node && !w->host[node].server.by_hand && !t->at_shutdown)
        t->read = true;
}

void check_s2_entry(struct world *w, const struct entry *e, uint32_t old_members)
{
    if (e->kind == ENTRY_PROMOTE)
        check_holds(w, e->node, /* forced= */ !e->flag, "promoted");
    if (e->kind == ENTRY_GROW && (old_members & (1u << e->node)) == 0 && is_same_run(w, e->node))
        check_holds(w, e->node, /* forced= */ false, "a new member");
}

void check_s2_leader_lost(struct world *w, unsigned node)
{
    if (node != w->committed->writer)
        return;
    for (uint32_t id = 0; id < w->txns.count; id++) {
        struct txn *t = sim_txn(w, id);
        t->excused = t->excused || t->at_shutdown;
    }
}
