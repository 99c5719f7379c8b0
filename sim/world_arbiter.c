/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of the arbiter. What it keeps of the real one: a new leader comes not before the lease of
 * the old one has ended; a leader that is cut off hears late that it leads no more; an entry that
 * was open when the leader was lost may come true in the next term, before the barrier, or never; a
 * transfer is refused while a proposal is open.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world_private.h"

static int64_t timeout_us(const struct world *w)
{
    return (int64_t)w->cfg->arbiter.election_timeout_ms * 1000;
}

static bool is_alive(const struct world *w, unsigned node)
{
    return w->host[node].agent && !w->host[node].agent_hung;
}

static bool has_majority(const struct world *w, unsigned node)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        n += config_node_is_voter(w->cfg, i) && is_alive(w, i) && sim_reaches(w, node, i);
    return n >= config_majority(w->cfg);
}

static void tell_lease(struct world *w, unsigned node, int64_t until_us)
{
    struct event *ev = sim_event(EVENT_LEASE);
    ev->u.lease_until_us = until_us;
    sim_post(w, node, ev, 0);
}

static void tell_proposal(struct world *w, unsigned node, uint64_t id, int err, int64_t delay_us)
{
    struct event *ev = sim_event(EVENT_PROPOSAL);
    ev->u.proposal.id = id;
    ev->u.proposal.err = err;
    sim_post(w, node, ev, delay_us);
}

static void tell_deposed(struct world *w, unsigned node)
{
    struct event *ev = sim_event(EVENT_DEPOSED);
    tell_lease(w, node, 0);
    ev->u.term = w->term;
    sim_post(w, node, ev, 0);
    w->deposed_us[node] = 0;
}

static void append(struct world *w, const struct entry *e)
{
    w->log = realloc(w->log, sizeof *w->log * (w->n_log + 1));
    assert(w->log != NULL);
    w->log[w->n_log++] = *e;
    sim_check_entry(w, e);
}

/* What was open when the leader was lost: the next one may have it, or not. */
static void settle_limbo(struct world *w)
{
    for (unsigned i = 0; i < w->n_limbo; i++) {
        const struct limbo *l = &w->limbo[i];
        bool kept = !l->barrier && sim_chance(w, 500);
        if (kept)
            append(w, &l->entry);
        if (!l->barrier && l->entry.kind != ENTRY_HISTORY)
            sim_story(w, "arbiter: open %s of %s %s", entry_kind_text(l->entry.kind),
                      sim_name(w, l->node), kept ? "comes true" : "is dropped");
        if (w->host[l->node].agent)
            tell_proposal(w, l->node, l->id, ERR_CANCELED, 0);
    }
    w->n_limbo = 0;
}

/* The old leader hears of it at once if it can, else when it notices that nobody answers. */
static void lose_leader(struct world *w, unsigned by)
{
    unsigned old = w->leader;
    settle_limbo(w);
    w->leader = NODE_NONE;
    if (old == NODE_NONE || !w->host[old].agent || old == by)
        return;
    if (by == NODE_NONE || sim_reaches(w, old, by))
        w->deposed_us[old] = w->now_us + 1000;
    else
        w->deposed_us[old] =
            w->now_us + (int64_t)prng_below(&w->prng, (uint64_t)(2 * timeout_us(w)));
}

static void tell_leader(struct world *w, unsigned to, int64_t delay_us)
{
    struct event *ev = sim_event(EVENT_LEADER);
    ev->u.leader.term = w->term;
    ev->u.leader.node = w->leader;
    sim_post(w, to, ev, delay_us);
}

static void elect(struct world *w, unsigned node)
{
    struct event *ev;
    bool again = w->leader == node || w->deposed_us[node] != 0;
    lose_leader(w, node);
    w->term++;
    if (again)
        tell_deposed(w, node);
    w->leader = node;
    sim_story(w, "arbiter: %s leads term %llu", sim_name(w, node), (unsigned long long)w->term);
    ev = sim_event(EVENT_ELECTED);
    ev->u.term = w->term;
    sim_post(w, node, ev, 0);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i != node && sim_reaches(w, node, i))
            tell_leader(w, i, 1000 + (int64_t)prng_below(&w->prng, 5000));
    }
}

static int election_key(const struct world *w, unsigned i)
{
    int rank = w->host[i].rank;
    return (rank < 0 ? 1000 : rank) * 16 + (int)i;
}

static void elect_best(struct world *w)
{
    unsigned best = NODE_NONE;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (!config_node_is_voter(w->cfg, i) || !is_alive(w, i) || !has_majority(w, i))
            continue;
        if (best == NODE_NONE || election_key(w, i) < election_key(w, best))
            best = i;
    }
    if (best != NODE_NONE)
        elect(w, best);
}

static void commit_due(struct world *w)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < w->n_limbo; i++) {
        struct limbo *l = &w->limbo[i];
        if (l->at_us > w->now_us) {
            w->limbo[kept++] = *l;
            continue;
        }
        if (!l->barrier)
            append(w, &l->entry);
        tell_proposal(w, l->node, l->id, 0, 2500); /* after the entry itself was applied */
    }
    w->n_limbo = kept;
}

void sim_arbiter_run(struct world *w)
{
    unsigned l = w->leader;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (w->deposed_us[i] != 0 && w->now_us >= w->deposed_us[i] && w->host[i].agent)
            tell_deposed(w, i);
    }
    if (l != NODE_NONE && is_alive(w, l) && has_majority(w, l)) {
        w->leaderless_us = w->now_us;
        commit_due(w);
        if (w->now_us % ((int64_t)w->cfg->arbiter.heartbeat_ms * 1000) < TICK_US)
            tell_lease(w, l, w->now_us + timeout_us(w) - (int64_t)w->cfg->arbiter.margin_ms * 1000);
        return;
    }
    if (w->now_us - w->leaderless_us > timeout_us(w) + 20000) {
        w->leaderless_us = w->now_us;
        elect_best(w);
        if (l != NODE_NONE &&
            (!is_alive(w, l) || w->leader == NODE_NONE || !sim_reaches(w, w->leader, l)))
            sim_check_leader_lost(w, l);
        if (w->leader == l)
            lose_leader(w, NODE_NONE);
    }
}

void sim_propose(struct world *w, unsigned node, uint64_t id, const struct entry *e)
{
    struct limbo *l;
    if (w->leader != node || w->n_limbo == LIMBO_MAX) {
        tell_proposal(w, node, id, w->leader != node ? ERR_CANCELED : ERR_STATE, 20000);
        return;
    }
    l = &w->limbo[w->n_limbo++];
    l->node = node;
    l->id = id;
    l->at_us = w->now_us + 1000;
    l->barrier = e == NULL;
    if (e != NULL)
        l->entry = *e;
}

void sim_transfer(struct world *w, unsigned from, unsigned to)
{
    struct event *ev;
    bool possible = w->leader == from && w->n_limbo == 0;
    bool done = possible && is_alive(w, to) && sim_reaches(w, from, to) && has_majority(w, to) &&
                !sim_chance(w, w->faults.transfer);
    tell_lease(w, from, 0);
    if (done) {
        elect(w, to);
        return;
    }
    sim_story(w, "arbiter: transfer from %s to %s comes to nothing", sim_name(w, from),
              sim_name(w, to));
    ev = sim_event(EVENT_TRANSFER);
    ev->u.transfer_ok = false;
    sim_post(w, from, ev, possible ? 200000 : 0);
}

/* An old leader applies nothing of its successor before it knows. */
void sim_log_apply(struct world *w, unsigned node)
{
    while (w->applied[node] < w->n_log && w->leader != NODE_NONE && w->deposed_us[node] == 0 &&
           sim_reaches(w, w->leader, node)) {
        struct event *ev = sim_event(EVENT_APPLIED);
        ev->u.entry = w->log[w->applied[node]++];
        sim_post(w, node, ev, 1000);
    }
}

void sim_arbiter_agent_started(struct world *w, unsigned node)
{
    w->applied[node] = 0;
    w->deposed_us[node] = 0;
    /* Nobody is left who would know the number. */
    for (unsigned i = 0; i < w->n_limbo; i++)
        w->limbo[i].id = w->limbo[i].node == node ? 0 : w->limbo[i].id;
    /* A leader that restarted has lost its role. */
    if (w->leader == node)
        lose_leader(w, node);
    else if (w->leader != NODE_NONE && sim_reaches(w, w->leader, node))
        tell_leader(w, node, 5000);
}
