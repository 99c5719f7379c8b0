/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state on the disk. One write is under way at most, and what follows from it waits for its
 * end; everything else goes on: advertisements, proofs, the lease. What wants to write meanwhile
 * looks again when that one has ended, but a message that needs a write before it counts is kept,
 * the newest of them.
 */
#include <assert.h>

#include "arbiter/pair_node.h"

#define PAIR_WRITE_MAX_US 10000000 /* then the disk counts as failed until the write has ended */

static int64_t now_of(const struct pair_node *n)
{
    return n->cfg.callbacks.now_us(n->cfg.callbacks.data);
}

static void disk_told(struct pair_node *n, bool failed, const char *why)
{
    if (failed && !n->disk_failed)
        LOG(&n->cfg.log, ERROR, "pair-disk", "the record cannot be written error='%s'", why);
    n->disk_failed = failed;
}

/* An entry whose write ended behind its term may come true: the record is told as a whole. */
static void ended(struct pair_node *n, int err, const char *why)
{
    enum pair_write what = n->writes;
    n->writes = PAIR_WRITE_NONE;
    disk_told(n, err != 0, why);
    if (err == 0)
        n->state = n->next;
    if (n->state.term > n->seen_term)
        n->seen_term = n->state.term;
    if (what == PAIR_WRITE_ENTRY)
        pair_open_stored(n, err);
    if (n->running && err == 0 && (what == PAIR_WRITE_ADOPT || what == PAIR_WRITE_ORPHAN))
        n->cfg.callbacks.on_restore(n->cfg.callbacks.data, &n->state.record);
    n->send_due = true;
}

bool pair_store(struct pair_node *n, enum pair_write what, const struct pair_state *next)
{
    struct errmsg m = ERRMSG_INIT;
    int err;
    assert(n->writes == PAIR_WRITE_NONE);
    if (next != &n->next)
        n->next = *next;
    n->writes = what;
    n->write_us = now_of(n);
    err = n->cfg.callbacks.store(n->cfg.callbacks.data, &n->next, &m);
    if (err == PAIR_STORING)
        return false;
    ended(n, err, m.text);
    return err == 0;
}

bool pair_raise_term(struct pair_node *n, enum pair_write what, uint64_t term)
{
    if (term <= n->state.term)
        return true;
    if (n->writes != PAIR_WRITE_NONE)
        return false;
    n->next = n->state;
    n->next.term = term;
    return pair_store(n, what, &n->next);
}

void pair_hold(struct pair_node *n, const struct pair_message *m)
{
    if (n->writes == PAIR_WRITE_NONE)
        return; /* the disk has failed: lost, as a message may be */
    n->held = *m;
    n->holds = true;
}

void pair_keep_disk(struct pair_node *n)
{
    if (n->writes != PAIR_WRITE_NONE && now_of(n) - n->write_us > PAIR_WRITE_MAX_US)
        disk_told(n, true, "a write does not end");
}

void pair_node_stored(struct pair_node *n, int err, const char *why)
{
    bool holds = n->holds;
    assert(n->writes != PAIR_WRITE_NONE);
    ended(n, err, why);
    n->holds = false;
    /* On a disk that has failed it would begin the next write at once, and that one the next. */
    if (holds && err == 0)
        pair_held(n, &n->held);
    else
        pair_run(n);
}
