/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard of a transfer of leadership (docs/design/arbiter.md).
 *
 * TimeoutNow makes voters break their promise to the leader, so a transfer bypasses the lease, and
 * it may arrive late. Therefore: before it this node is fenced, its lease is zero and no proposal
 * is open. It can be given up until the library has been called. From then on the node stays closed
 * (no lease, no proposal) until
 *  - a new term is won or somebody else leads, or
 *  - the library gave up before it had sent TimeoutNow, or
 *  - the target provably dropped it: it echoed a frame sent after TimeoutNow, in our term.
 * A receiver drops a TimeoutNow that a later frame has overtaken, so the proof holds across
 * reconnects. If no proof comes for 2 T the leader stops sending, so that a new term begins.
 *
 * Pure: no clock, no allocation.
 */
#ifndef TANDEM_CORE_ARBITER_TRANSFER_H
#define TANDEM_CORE_ARBITER_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arbiter_timing.h"
#include "wire/limits.h"

enum arbiter_transfer_state {
    ARBITER_TRANSFER_IDLE,
    ARBITER_TRANSFER_PREPARED, /* closed, may be aborted */
    ARBITER_TRANSFER_CALLED    /* closed, may not be aborted */
};

enum arbiter_transfer_outcome {
    ARBITER_TRANSFER_PENDING,
    ARBITER_TRANSFER_DONE,    /* the target leads */
    ARBITER_TRANSFER_LOST,    /* another node leads, or this one in a later term */
    ARBITER_TRANSFER_DROPPED, /* the target dropped it; this node leads and is open again */
    ARBITER_TRANSFER_UNSENT,  /* the target did not catch up; this node leads and is open again */
    ARBITER_TRANSFER_ABORTED  /* before the call; this node is open again */
};

struct arbiter_transfer {
    enum arbiter_transfer_state state;
    unsigned target;
    uint64_t term;
    int64_t called_us;
    int64_t nonce; /* of TimeoutNow; 0 = not sent */
};

/* Why a transfer must not be called now. */
struct arbiter_transfer_facts {
    bool is_leader;
    bool is_fenced; /* nothing on this node can acknowledge or be reached by clients */
    bool has_lease; /* one is published that has not ended */
    bool has_open_proposals;
    bool target_is_voter;
    bool target_is_eligible; /* arbiter_is_eligible() */
};

/* NULL = it may be called; else the reason, for a human. */
const char *arbiter_transfer_obstacle(const struct arbiter_transfer_facts *facts);

/* All of these: ERR_STATE if the transfer is in another state. */
int arbiter_transfer_prepare(struct arbiter_transfer *t, uint64_t term, unsigned target) NODISCARD;
int arbiter_transfer_abort(struct arbiter_transfer *t) NODISCARD;
int arbiter_transfer_called(struct arbiter_transfer *t, int64_t now_us) NODISCARD;

/* True: no lease may be published and nothing proposed. */
bool arbiter_transfer_is_closed(const struct arbiter_transfer *t);
/* TimeoutNow leaves with this nonce. */
void arbiter_transfer_sent(struct arbiter_transfer *t, unsigned to, int64_t nonce);
/* These return the outcome that the event brought; anything but PENDING ends the transfer. */
enum arbiter_transfer_outcome arbiter_transfer_echo(struct arbiter_transfer *t, unsigned from,
                                                    uint64_t term, int64_t nonce);
/* The library has no transfer open any more, and this node still leads. */
enum arbiter_transfer_outcome arbiter_transfer_expired(struct arbiter_transfer *t);
/* The term is over. leader: who is known to lead now, this node included; NODE_NONE = PENDING. */
enum arbiter_transfer_outcome arbiter_transfer_deposed(struct arbiter_transfer *t, unsigned leader);
/* True if it waits for a proof for more than 2 T: the leader must stop sending. */
bool arbiter_transfer_is_stuck(const struct arbiter_transfer *t,
                               const struct arbiter_timing *timing, int64_t now_us);

/* A node may be given the leadership only if it declared itself eligible in this term, less than
 * two heartbeats ago. */
bool arbiter_is_eligible(const struct arbiter_timing *timing, uint64_t term, uint64_t declared_term,
                         int64_t declared_us, int64_t now_us);

/* Pause after failed transfers to one target: 0.2 s, doubling up to 30 s; forgotten when the target
 * has another incarnation. Zero = nothing failed. */
struct arbiter_backoff {
    uint64_t incarnation;
    unsigned failures;
    int64_t until_us;
};

void arbiter_backoff_failed(struct arbiter_backoff *b, uint64_t incarnation, int64_t now_us);
void arbiter_backoff_clear(struct arbiter_backoff *b);
bool arbiter_backoff_is_open(const struct arbiter_backoff *b, uint64_t incarnation, int64_t now_us);

#endif
