/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S1, before anything has gone wrong: whenever an arbiter tells the end of a lease, the kernel's
 * door closes before the other voters could elect somebody else, even if from here on the leader's
 * clock lost and theirs gained as much as they may (docs/design/arbiter.md: The lease).
 *
 * A voter waits for T by its own clock after the last frame of this leader, in this term, that it
 * has worked on; one that has had none may vote at once. Seen from outside: when frames were worked
 * on, not what the voters say of it nor what the leader makes of that. A voter that was started
 * again since is silent for longer than it would have waited. A lease is zero while the leadership
 * is handed on, which ends the waiting early.
 */
#include "sim/world_private.h"

#define MILLION 1000000

void check_s1_heard(struct world *w, unsigned node, unsigned leader, uint64_t term)
{
    w->checks.heard[node] =
        (struct heard){.leader = leader, .term = term, .at_us = w->now_us, .is_set = true};
}

/* By the cluster file that its agent has read; that of one which is down does not matter. */
static int64_t patience_us(const struct world *w, unsigned voter)
{
    const struct agent *a = w->host[voter].process;
    return a != NULL ? a->timing.election_timeout_us : sim_raft_timing(w->cfg).election_timeout_us;
}

/* When that voter may help to elect another one, at the earliest; in true time. */
static int64_t waits_until_us(const struct world *w, unsigned voter, unsigned leader, uint64_t term)
{
    const struct heard *h = &w->checks.heard[voter];
    if (!h->is_set || h->leader != leader || h->term != term)
        return w->now_us;
    return h->at_us + patience_us(w, voter) * MILLION / (MILLION + ARBITER_DRIFT_PPM / 2);
}

/* When as many of the others as are a majority may. */
static int64_t replaced_us(const struct world *w, unsigned leader, uint64_t term)
{
    unsigned needed = config_majority(w->cfg);
    int64_t best_us = INT64_MAX;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        int64_t at_us = waits_until_us(w, i, leader, term);
        unsigned ready = 0;
        for (unsigned j = 0; j < w->cfg->n_nodes; j++)
            ready += j != leader && config_node_is_voter(w->cfg, j) &&
                     waits_until_us(w, j, leader, term) <= at_us;
        if (i != leader && config_node_is_voter(w->cfg, i) && ready >= needed && at_us < best_us)
            best_us = at_us;
    }
    return best_us;
}

void check_s1_lease(struct world *w, unsigned node, uint64_t term, int64_t until_local_us)
{
    int64_t left_us = until_local_us - sim_clock_local(&w->host[node].clock, w->now_us);
    int64_t end_us =
        w->now_us + left_us * MILLION / (MILLION - ARBITER_DRIFT_PPM / 2) + ARBITER_JIFFY_US;
    int64_t other_us = replaced_us(w, node, term);
    if (w->clocks_are_wild || left_us <= 0 || end_us <= other_us)
        return;
    sim_violation(w,
                  "S1: the lease of %s may outlast by %lld us what keeps the voters from "
                  "electing another",
                  sim_name(w, node), (long long)(end_us - other_us));
}
