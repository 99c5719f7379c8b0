/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the record by the node that leads: durable here, then there, then applied. */
#include <string.h>

#include "arbiter/pair_node.h"

static void pop(struct pair_node *n, int err)
{
    uint64_t id = n->open[0].id;
    n->n_open--;
    memmove(&n->open[0], &n->open[1], sizeof n->open[0] * n->n_open);
    n->cfg.callbacks.on_proposal(n->cfg.callbacks.data, id, err);
}

/* The other one is silent. Whoever takes it out of the set lets commits end that it does not have:
 * it must have given up being a member by then (the window of core/arbiter_pair.h). */
static bool may_go_alone(const struct pair_node *n, const struct entry *e)
{
    int64_t now_us = n->cfg.callbacks.now_us(n->cfg.callbacks.data);
    if (e->kind == ENTRY_SHRINK && now_us - n->peer.heard_us < n->timing.degrade_us)
        return false;
    return n->hand_term || !n->cfg.arbitrated || pair_is_reachable(n);
}

static bool peer_has(const struct pair_node *n, const struct pair_stamp *stamp)
{
    return n->peer.known && pair_stamp_compare(&n->peer.stamp, stamp) >= 0;
}

/* The two have the same record. One that is not the better one is waited for as well: its node may
 * know of members that were dropped (keep_dropped() in pair_node.c), and that makes a better one.
 */
static bool barrier_is_over(const struct pair_node *n)
{
    return !n->peer.in_touch || pair_stamp_compare(&n->peer.stamp, &n->state.stamp) == 0;
}

static void store_draft(struct pair_node *n)
{
    (void)pair_store(n, PAIR_WRITE_ENTRY, &n->draft);
}

/* If the other one has it, it may come true. */
void pair_open_stored(struct pair_node *n, int err)
{
    struct pair_open *p = &n->open[0];
    bool told = p->drafted;
    p->drafted = false;
    p->stored = err == 0;
    if (err != 0)
        pop(n, told ? ERR_CANCELED : ERR_STATE);
}

/* Who leaves the set must know it first: a record of this node that says so while the other one
 * still believes to be a member would let both go on alone, each with good reason. */
static void begin_entry(struct pair_node *n, struct pair_open *p)
{
    int err;
    n->draft = n->state;
    err = record_apply(&n->draft.record, &p->entry);
    if (err != 0) {
        /* Refused by the compare-and-set, on every node alike: applied as nothing. */
        n->cfg.callbacks.on_apply(n->cfg.callbacks.data, &p->entry);
        pop(n, 0);
        return;
    }
    p->stamp = (struct pair_stamp){n->draft.record.epoch, n->term, n->state.stamp.seq + 1};
    n->draft.stamp = p->stamp;
    if (p->entry.kind == ENTRY_SHRINK && n->peer.in_touch)
        p->drafted = n->send_due = true;
    else
        store_draft(n);
}

static void apply_entry(struct pair_node *n, const struct pair_open *p)
{
    if (!n->peer.in_touch && p->entry.kind == ENTRY_SHRINK && n->patience_us != INT64_MAX)
        LOG(&n->cfg.log, WARNING, "pair-alone",
            "the other host is silent: writes go on without it, and are lost if this host is lost "
            "silent_ms=%lld",
            (long long)((n->cfg.callbacks.now_us(n->cfg.callbacks.data) - n->peer.heard_us) /
                        1000));
    n->cfg.callbacks.on_apply(n->cfg.callbacks.data, &p->entry);
}

void pair_open_run(struct pair_node *n)
{
    while (n->n_open > 0 && n->leading) {
        struct pair_open *p = &n->open[0];
        if (p->is_barrier) {
            if (!barrier_is_over(n))
                return;
            pop(n, 0);
            continue;
        }
        if (n->writes != PAIR_WRITE_NONE || (!n->peer.in_touch && !may_go_alone(n, &p->entry)))
            return;
        if (!p->stored && !p->drafted) {
            begin_entry(n, p);
            continue;
        }
        if (n->peer.in_touch && !peer_has(n, &p->stamp))
            return;
        if (p->drafted) {
            /* Terms may have been seen since. */
            n->draft.term = n->state.term;
            store_draft(n);
            continue;
        }
        apply_entry(n, p);
        pop(n, 0);
    }
}

/* What is on the disk and was not told is told as a whole: it may come true. So it is of a write
 * that is under way, at its end. */
void pair_open_cancel(struct pair_node *n)
{
    if (n->writes == PAIR_WRITE_ENTRY)
        n->writes = PAIR_WRITE_ORPHAN;
    if (n->n_open > 0 && n->open[0].stored)
        n->cfg.callbacks.on_restore(n->cfg.callbacks.data, &n->state.record);
    while (n->n_open > 0)
        pop(n, ERR_CANCELED);
}

static void push(struct pair_node *n, uint64_t id, const struct entry *e)
{
    struct pair_open *p = &n->open[n->n_open];
    if (!n->leading || n->n_open == PAIR_OPEN_MAX) {
        n->cfg.callbacks.on_proposal(n->cfg.callbacks.data, id, ERR_STATE);
        return;
    }
    memset(p, 0, sizeof *p);
    p->id = id;
    p->is_barrier = e == NULL;
    if (e != NULL)
        p->entry = *e;
    n->n_open++;
    pair_run(n);
}

void pair_node_propose(struct pair_node *n, uint64_t id, const struct entry *e)
{
    push(n, id, e);
}

void pair_node_barrier(struct pair_node *n, uint64_t id)
{
    push(n, id, NULL);
}
