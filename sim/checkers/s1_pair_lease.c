/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S1 of a pair, before anything has gone wrong: whenever an arbiter tells the end of a lease, the
 * kernel's door closes before the other node could lead, even if from here on the leader's clock
 * lost and the other one gained as much as they may (docs/design/vrrp.md: What is promised).
 *
 * With A = advertisement interval: without this node's consent the other one leads not before 2 A
 * by its own clock after the last message of this one that it has worked on, whether or not
 * advertisements arrive. Seen from outside: when it worked on messages, not what it echoed of them.
 * An answer of an arbitration address counts like such a message: what both nodes may make of one
 * is what only a quorum prevents. A term that an operator began, and a pair without such an
 * address, promise nothing of the kind.
 */
#include "sim/world_private.h"

#define MILLION 1000000
#define ORDER_US \
    31000000 /* an order is carried out within 30 s by its node's clock, or not at all */

void check_s1_pair_proven(struct world *w, unsigned node)
{
    w->checks.pair_proof_us[node] = w->now_us;
}

void check_s1_pair_ordered(struct world *w, unsigned node)
{
    w->checks.pair_order_us[node] = w->now_us;
}

void check_s1_pair_elected(struct world *w, unsigned node)
{
    int64_t order_us = w->checks.pair_order_us[node];
    w->checks.pair_by_hand[node] = order_us != 0 && w->now_us - order_us < ORDER_US;
}

void check_s1_pair_lease(struct world *w, unsigned node, int64_t interval_us,
                         int64_t until_local_us)
{
    const struct checks *c = &w->checks;
    int64_t left_us = until_local_us - sim_clock_local(&w->host[node].clock, w->now_us);
    int64_t end_us =
        w->now_us + left_us * MILLION / (MILLION - ARBITER_DRIFT_PPM / 2) + ARBITER_JIFFY_US;
    int64_t other_us =
        c->pair_proof_us[node] + 2 * interval_us * MILLION / (MILLION + ARBITER_DRIFT_PPM / 2);
    if (w->clocks_are_wild || c->pair_by_hand[node] || left_us <= 0 || end_us <= other_us)
        return;
    sim_violation(w, "S1: the lease of %s may outlast by %lld us what keeps the other node back",
                  sim_name(w, node), (long long)(end_us - other_us));
}
