/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lease of the leader by echoed nonces (docs/design/arbiter.md).
 *
 * Every frame of the leader carries {term, nonce}. A follower echoes, in every frame back, the
 * highest one that it has processed. The nonce is the monotonic time of sending, made strictly
 * increasing: a voter that echoes it has heard this leader not earlier than that, and refuses every
 * other candidate until at least T later. Replies need no order and none is counted, so snapshots,
 * disk delays, reconnects and dropped frames cannot make the lease longer.
 *
 *     end = newest time confirmed by a majority of the voters (self: now) + T - margin
 *
 * No end (0) when not leading, in another term, or without a majority. The voters are those of the
 * newest configuration in the log; a change recomputes and may shorten.
 *
 * A leader without a lease for T / 2 is deaf: its heartbeats may still arrive and hold the others
 * off. It stops sending until it is deposed. A lease whose end has passed when it is confirmed was
 * none.
 *
 * Pure: no clock, no allocation.
 */
#ifndef TANDEM_CORE_ARBITER_LEASE_H
#define TANDEM_CORE_ARBITER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arbiter_timing.h"
#include "wire/limits.h"

struct arbiter_lease {
    struct arbiter_timing timing;
    unsigned self;
    bool is_leader;
    bool is_deaf; /* until the next term */
    uint64_t term;
    uint32_t voters;                 /* bit i: node i */
    int64_t nonce;                   /* highest one given out, in any term */
    int64_t good_us;                 /* last time at which there was a lease, or the election */
    int64_t until_us;                /* end of the last lease that there was in this term */
    int64_t sent_us[NODES_MAX];      /* highest nonce sent to that node in this term */
    int64_t confirmed_us[NODES_MAX]; /* highest nonce echoed by it in this term; 0 = none */
};

void arbiter_lease_init(struct arbiter_lease *l, const struct arbiter_timing *timing,
                        unsigned self);
/* This node won `term`. */
void arbiter_lease_elected(struct arbiter_lease *l, uint64_t term, uint32_t voters, int64_t now_us);
/* It does not lead any more, or the library is unavailable. */
void arbiter_lease_deposed(struct arbiter_lease *l);
void arbiter_lease_set_voters(struct arbiter_lease *l, uint32_t voters);

/* Nonce of a leader's frame to that node, about to be sent; > 0 and larger than all before it. */
int64_t arbiter_lease_nonce(struct arbiter_lease *l, unsigned to, int64_t now_us);
/* A frame of `from` carried this echo. Echoes of other terms and of nonces never sent to that node
 * are ignored. True if it confirmed something new. */
bool arbiter_lease_echo(struct arbiter_lease *l, unsigned from, uint64_t term, int64_t nonce);
/* End of the lease, possibly in the past; 0 = none. */
int64_t arbiter_lease_end(const struct arbiter_lease *l, int64_t now_us);
/* To be called at every tick, and when an echo has confirmed something. True from the moment at
 * which there was no lease for T / 2, until the term ends. */
bool arbiter_lease_is_deaf(struct arbiter_lease *l, int64_t now_us);

#endif
