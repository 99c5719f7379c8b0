/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_timing.h"

#include "core/arbiter_pair.h"

struct arbiter_timing config_timing(const struct cluster_config *c)
{
    const struct config_arbiter *a = &c->arbiter;
    return (struct arbiter_timing){
        .election_timeout_us = (int64_t)a->election_timeout_ms * 1000,
        .heartbeat_us = (int64_t)a->heartbeat_ms * 1000,
        .candidate_delta_us = (int64_t)a->candidate_delta_ms * 1000,
        .margin_us = (int64_t)a->margin_ms * 1000,
        .tick_us = (int64_t)a->tick_ms * 1000,
        .round_trip_us = (int64_t)a->rtt_ms * 1000,
    };
}

static int pair_sentence(const struct cluster_config *c, struct errmsg *ret_sentence)
{
    struct pair_timing t = pair_timing_of(c);
    int err = pair_timing_check(c, ret_sentence);
    if (err == 0)
        (void)errmsg_set(ret_sentence, 0,
                         "silent host given up after %.1f s, lease %.1f s, alone after %.1f s",
                         (double)(4 * t.advert_us) / 1e6,
                         (double)(2 * t.advert_us - t.margin_us) / 1e6, (double)t.degrade_us / 1e6);
    return err;
}

int config_timing_check(const struct cluster_config *c, struct errmsg *ret_sentence)
{
    struct arbiter_timing t = config_timing(c);
    unsigned candidates = 0;
    int64_t slack_us = t.election_timeout_us - t.margin_us - t.heartbeat_us - t.round_trip_us;
    int err;
    if (config_is_pair(c))
        return pair_sentence(c, ret_sentence);
    for (unsigned i = 0; i < c->n_nodes; i++)
        candidates += c->nodes[i].role == CONFIG_ROLE_CANDIDATE;
    err = arbiter_timing_check(&t, candidates, ret_sentence);
    if (err != 0)
        return err;
    (void)errmsg_set(ret_sentence, 0,
                     "margin %.1f ms (needs %.1f), slack of the lease %.1f ms (needs %.1f)",
                     (double)t.margin_us / 1000.0, (double)arbiter_timing_margin_min(&t) / 1000.0,
                     (double)slack_us / 1000.0, (double)ARBITER_SLACK_MIN_US / 1000.0);
    return 0;
}
