/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S2: a commit that was acknowledged while the in-sync set was not empty is on every later writer,
 * unless an operator forced a promotion and accepted loss. Looked at where it can first be seen:
 *
 *   every acknowledgement    is held, on disk, by every member of the committed set in its run, and
 *                            by every node whose grow the writer has proposed in this term and does
 *                            not know the end of
 *   every member that joins  holds everything that was ever acknowledged, but what a shutdown told
 *   every clean promotion    is of a node that holds it, and so does whoever acknowledges first
 *   every client             that asks through the VIP finds what it was told
 *   every acknowledgement    under `strict` is on another node as well, whoever is a member
 *
 * (What a shutdown of the writer told is its own alone; until it is back nobody is promoted.)
 *
 * Each acknowledged transaction keeps the set under which it was told, for the story.
 *
 * With an empty set only the last writer itself may go on, so the same is asked of commits that
 * were acknowledged then. A value that a client of the writer has read counts like an acknowledged
 * one (AFTER_SYNC shows nothing before its acknowledgement); what recovery has committed does not
 * under `strict`, once the members were away for longer than the door is held for them
 * (docs/design/in-sync.md).
 *
 * Outside: what a forced promotion gave up; what MySQL told its clients during a shutdown whose own
 * agent was gone before the server was back; what an operator's hand
 * released (KILL of a session, the source side of the writer).
 */
#include <stdio.h>
#include <string.h>

#include "sim/world_private.h"

static bool is_promised(const struct txn *t)
{
    return (t->acked || t->read) && !t->excused;
}

static void say_missing(struct world *w, unsigned node, const char *as, unsigned missing,
                        uint32_t first)
{
    const struct txn *t = sim_txn(w, first);
    char set[64] = "";
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        size_t len = strlen(set);
        if ((t->set & 1u << i) != 0)
            (void)snprintf(set + len, sizeof set - len, " %s", sim_name(w, i));
    }
    sim_violation(w, "S2: %s, %s, lacks %u acknowledged commits: %s:%llu (told under:%s) ...",
                  sim_name(w, node), as, missing, sim_name(w, t->server),
                  (unsigned long long)t->number, set[0] != '\0' ? set : " nobody");
}

enum demand { HOLDS_ALL, HOLDS_BUT_SHUTDOWN, GIVES_UP };

/* Every promised transaction that `node` does not have; given up: is not promised any more, nor is
 * one in a relay log that the server could not apply. */
static void check_holds(struct world *w, unsigned node, enum demand demand, const char *as)
{
    bool forced = demand == GIVES_UP;
    const struct server *s = &w->host[node].server;
    unsigned missing = 0;
    uint32_t first = TXN_NONE;
    for (uint32_t id = 0; id < w->txns.count; id++) {
        struct txn *t = sim_txn(w, id);
        if (!is_promised(t) || (demand == HOLDS_BUT_SHUTDOWN && t->at_shutdown) ||
            sim_holds(s, id) || (!forced && sim_has(s, id)))
            continue;
        if (forced)
            t->excused = t->given_up = true;
        first = missing++ == 0 ? id : first;
    }
    if (missing > 0 && !forced)
        say_missing(w, node, as, missing, first);
}

static bool is_run(const struct world *w, unsigned node, const struct incarnation *run)
{
    struct incarnation now = sim_incarnation(w, node);
    return incarnation_equal(&now, run);
}

/* ---- grows of unknown outcome ---- */

/* From the call of the proposal on. In another term a barrier tells what became of it. */
uint32_t check_s2_unresolved(const struct world *w, unsigned node)
{
    uint32_t nodes = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes && w->leader == node; i++) {
        const struct check_grow *g = &w->checks.grow[i];
        nodes |= g->id != 0 && g->by == node && g->term == w->term ? 1u << i : 0;
    }
    return nodes;
}

void check_s2_proposed(struct world *w, unsigned node, uint64_t id, const struct entry *e)
{
    if (e->kind == ENTRY_GROW && w->leader == node)
        w->checks.grow[e->node] =
            (struct check_grow){.id = id, .by = node, .term = w->term, .run = e->incarnation};
}

void check_s2_settled(struct world *w, unsigned node, uint64_t id)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (w->checks.grow[i].by == node && w->checks.grow[i].id == id)
            w->checks.grow[i].id = 0;
    }
}

static void forget_grows(struct world *w, uint32_t nodes)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if ((nodes & 1u << i) != 0)
            w->checks.grow[i].id = 0;
    }
}

/* ---- what happens ---- */

static void check_members(struct world *w, unsigned node, uint32_t id)
{
    uint32_t unresolved = check_s2_unresolved(w, node);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        bool member = (w->committed->in_sync & (1u << i)) != 0 && i != node;
        bool holds = sim_has(&w->host[i].server, id);
        if ((unresolved & 1u << i) != 0 && is_run(w, i, &w->checks.grow[i].run) && !holds)
            sim_violation(w,
                          "S2: %s:%llu was acknowledged, and %s, whose grow may come true, "
                          "lacks it",
                          sim_name(w, node), (unsigned long long)sim_txn(w, id)->number,
                          sim_name(w, i));
        if (!member || !is_run(w, i, &w->committed->member[i]) || holds)
            continue;
        sim_violation(w, "S2: %s:%llu was acknowledged and is not on the member %s",
                      sim_name(w, node), (unsigned long long)sim_txn(w, id)->number,
                      sim_name(w, i));
    }
}

/* What `strict` promises beside S2, with an empty set too: what is acknowledged is on two hosts. */
static void check_on_two(struct world *w, unsigned node, uint32_t id)
{
    const struct host *h = &w->host[node];
    const struct cluster_config *cfg = h->process != NULL ? h->process->cfg : w->cfg;
    if (cfg->policy.durability != CONFIG_DURABILITY_STRICT || !h->server.source_side ||
        h->server.stranger)
        return;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i != node && sim_has(&w->host[i].server, id))
            return;
    }
    sim_violation(w, "S2: strict, and %s:%llu was acknowledged and is on no other node",
                  sim_name(w, node), (unsigned long long)sim_txn(w, id)->number);
}

void check_s2_ack(struct world *w, unsigned node, uint32_t id)
{
    struct txn *t = sim_txn(w, id);
    struct checks *c = &w->checks;
    t->acked = true;
    t->set = (uint16_t)(w->committed->in_sync | check_s2_unresolved(w, node));
    if (w->host[node].server.by_hand)
        t->excused = true;
    if (!t->at_shutdown && !t->excused) {
        check_members(w, node, id);
        check_on_two(w, node, id);
    }
    if (c->acker != node)
        check_holds(w, node, HOLDS_ALL, "the new writer");
}

static bool is_shown_unproven(const struct world *w, unsigned node, const struct txn *t)
{
    const struct config_policy *p = &w->cfg->policy;
    int64_t held_us = (int64_t)(p->stall_after_ms + p->shrink_after_ms) * 1000;
    return t->recovered && p->durability == CONFIG_DURABILITY_STRICT &&
           w->now_us - w->host[node].server.ready_us > held_us;
}

void check_s2_read(struct world *w, unsigned node, uint32_t id)
{
    struct txn *t = sim_txn(w, id);
    if (w->committed->writer == node && !w->host[node].server.by_hand && !t->at_shutdown &&
        !is_shown_unproven(w, node, t))
        t->read = true;
}

void check_s2_remembered(struct world *w, unsigned node, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    if (is_promised(t) && !sim_holds(&w->host[node].server, id))
        sim_violation(w, "S2: a client of %s does not find %s:%llu, which it was told is committed",
                      sim_name(w, node), sim_name(w, t->server), (unsigned long long)t->number);
}

void check_s2_entry(struct world *w, const struct entry *e, uint32_t old_members)
{
    if (e->kind == ENTRY_PROMOTE)
        check_holds(w, e->node, e->flag ? HOLDS_ALL : GIVES_UP, "promoted");
    if (e->kind == ENTRY_GROW && (old_members & (1u << e->node)) == 0 &&
        is_run(w, e->node, &w->committed->member[e->node]))
        check_holds(w, e->node, HOLDS_BUT_SHUTDOWN, "a new member");
    if (e->kind == ENTRY_PROMOTE || e->kind == ENTRY_SHRINK)
        forget_grows(w, e->kind == ENTRY_SHRINK ? e->mask : UINT32_MAX);
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
