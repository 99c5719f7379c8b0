/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arbiter_transfer.h"

#include <assert.h>
#include <string.h>

#include "util/backoff.h"

#define BACKOFF_MIN_US 200000
#define BACKOFF_MAX_US 30000000

const char *arbiter_transfer_obstacle(const struct arbiter_transfer_facts *f)
{
    if (!f->is_leader)
        return "this node does not lead";
    if (!f->target_is_voter)
        return "the target is not a voter";
    if (!f->target_is_eligible)
        return "the target has not declared itself eligible in this term";
    if (!f->is_fenced)
        return "this node is not fenced";
    if (f->has_lease)
        return "this node's lease has not ended";
    if (f->has_open_proposals)
        return "a proposal is open";
    return NULL;
}

int arbiter_transfer_prepare(struct arbiter_transfer *t, uint64_t term, unsigned target)
{
    assert(target < NODES_MAX);
    if (t->state != ARBITER_TRANSFER_IDLE)
        return ERR_STATE;
    memset(t, 0, sizeof *t);
    t->state = ARBITER_TRANSFER_PREPARED;
    t->term = term;
    t->target = target;
    return 0;
}

int arbiter_transfer_abort(struct arbiter_transfer *t)
{
    if (t->state != ARBITER_TRANSFER_PREPARED)
        return ERR_STATE;
    t->state = ARBITER_TRANSFER_IDLE;
    return 0;
}

int arbiter_transfer_called(struct arbiter_transfer *t, int64_t now_us)
{
    if (t->state != ARBITER_TRANSFER_PREPARED)
        return ERR_STATE;
    t->state = ARBITER_TRANSFER_CALLED;
    t->called_us = now_us;
    return 0;
}

bool arbiter_transfer_is_closed(const struct arbiter_transfer *t)
{
    return t->state != ARBITER_TRANSFER_IDLE;
}

void arbiter_transfer_sent(struct arbiter_transfer *t, unsigned to, int64_t nonce)
{
    if (t->state == ARBITER_TRANSFER_CALLED && to == t->target)
        t->nonce = nonce;
}

static enum arbiter_transfer_outcome finish(struct arbiter_transfer *t,
                                            enum arbiter_transfer_outcome outcome)
{
    t->state = ARBITER_TRANSFER_IDLE;
    return outcome;
}

enum arbiter_transfer_outcome arbiter_transfer_echo(struct arbiter_transfer *t, unsigned from,
                                                    uint64_t term, int64_t nonce)
{
    if (t->state != ARBITER_TRANSFER_CALLED || from != t->target || term != t->term ||
        t->nonce == 0 || nonce <= t->nonce)
        return ARBITER_TRANSFER_PENDING;
    return finish(t, ARBITER_TRANSFER_DROPPED);
}

enum arbiter_transfer_outcome arbiter_transfer_expired(struct arbiter_transfer *t)
{
    if (t->state != ARBITER_TRANSFER_CALLED || t->nonce != 0)
        return ARBITER_TRANSFER_PENDING;
    return finish(t, ARBITER_TRANSFER_UNSENT);
}

enum arbiter_transfer_outcome arbiter_transfer_deposed(struct arbiter_transfer *t, unsigned leader)
{
    if (t->state == ARBITER_TRANSFER_PREPARED)
        return finish(t, ARBITER_TRANSFER_ABORTED);
    if (t->state != ARBITER_TRANSFER_CALLED || leader == NODE_NONE)
        return ARBITER_TRANSFER_PENDING;
    return finish(t, leader == t->target ? ARBITER_TRANSFER_DONE : ARBITER_TRANSFER_LOST);
}

bool arbiter_transfer_is_stuck(const struct arbiter_transfer *t,
                               const struct arbiter_timing *timing, int64_t now_us)
{
    return t->state == ARBITER_TRANSFER_CALLED &&
           now_us - t->called_us > 2 * timing->election_timeout_us;
}

bool arbiter_is_eligible(const struct arbiter_timing *timing, uint64_t term, uint64_t declared_term,
                         int64_t declared_us, int64_t now_us)
{
    return declared_term == term && now_us - declared_us < 2 * timing->heartbeat_us;
}

void arbiter_backoff_failed(struct arbiter_backoff *b, uint64_t incarnation, int64_t now_us)
{
    if (b->incarnation != incarnation)
        arbiter_backoff_clear(b);
    b->incarnation = incarnation;
    b->until_us = now_us + backoff(BACKOFF_MIN_US, BACKOFF_MAX_US, b->failures);
    b->failures++;
}

void arbiter_backoff_clear(struct arbiter_backoff *b)
{
    memset(b, 0, sizeof *b);
}

bool arbiter_backoff_is_open(const struct arbiter_backoff *b, uint64_t incarnation, int64_t now_us)
{
    return b->failures == 0 || b->incarnation != incarnation || now_us >= b->until_us;
}
