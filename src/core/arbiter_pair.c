/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arbiter_pair.h"

#include "core/arbiter_timing.h"

#define PAIR_FENCE_US 1000000 /* closing a server that may not be open; as long as core/fence.c */
#define PAIR_SILENCE_MIN_US 200000
#define PAIR_SILENCE_MAX_US 1000000
#define PAIR_HEARTBEAT_MAX_US 100000
#define PAIR_MARGIN_SHARE 20
#define PAIR_STALL_US 50000 /* of a loop on a busy host */

static const char *const pair_facts[] = {
    "master",    "peer-up",     "peer-leads",  "by-hand",     "arbitrated",
    "reachable", "self-writer", "peer-asked",  "peer-serves", "window",
    "sole",      "confirmed",   "other-lease",
};

static const char *const pair_verdicts[] = {"follow", "hold", "lead"};

static const struct rule pair_rules[] = {
    {10, 0, PAIR_F_MASTER, PAIR_FOLLOW, "by VRRP this node is not the Master"},
    {20, PAIR_F_PEER_UP | PAIR_F_PEER_LEADS, 0, PAIR_HOLD,
     "the other agent still leads, as it says over the agents' connection"},
    {25, PAIR_F_PEER_UP, PAIR_F_CONFIRMED, PAIR_HOLD,
     "the other agent is asked first; it may have fallen silent just now"},
    {30, PAIR_F_PEER_UP, 0, PAIR_LEAD, "the Master leads; both agents are in touch"},
    {35, PAIR_F_OTHER_LEASE, 0, PAIR_HOLD,
     "the other agent fell silent just now, or could not be heard: its lease may not have ended"},
    {40, PAIR_F_BY_HAND, 0, PAIR_LEAD, "an operator ordered it"},
    {50, PAIR_F_ARBITRATED, PAIR_F_REACHABLE, PAIR_HOLD,
     "neither the other agent nor an arbitration address answers: this host may be cut off"},
    {60, 0, PAIR_F_ARBITRATED | PAIR_F_SELF_WRITER, PAIR_HOLD,
     "the other agent is silent and there is no arbitration address: taken over by hand only"},
    {70, 0, PAIR_F_PEER_ASKED, PAIR_HOLD, "the other host's server is being tried"},
    {80, PAIR_F_PEER_SERVES, 0, PAIR_HOLD,
     "the other agent is silent but its server answers: it may be the writer"},
    {90, PAIR_F_SELF_WRITER | PAIR_F_SOLE, 0, PAIR_LEAD,
     "the last writer leads; the other node was not in sync and cannot have been promoted"},
    {95, PAIR_F_SELF_WRITER, 0, PAIR_HOLD,
     "the other node was in sync and may have been promoted meanwhile"},
    {100, 0, PAIR_F_WINDOW, PAIR_HOLD,
     "the writer may have gone on alone before it fell silent: taken over by hand only"},
    {110, 0, 0, PAIR_LEAD, "the other host is silent in every way and arbitration answers"},
};

const struct rule_table pair_table = RULE_TABLE("pair", pair_rules, pair_facts, pair_verdicts);

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
    if (v < min)
        return min;
    return v > max ? max : v;
}

struct pair_timing pair_timing_of(const struct cluster_config *c)
{
    int64_t a = (int64_t)c->vrrp.advert_interval_ms * 1000;
    return (struct pair_timing){
        .advert_us = a,
        .degrade_us = (int64_t)c->policy.shrink_after_ms * 1000,
        .margin_us =
            3 * a / PAIR_MARGIN_SHARE + 2 * ARBITER_JIFFY_US + 3 * a * ARBITER_DRIFT_PPM / 1000000,
        .silence_us = clamp(2 * a, PAIR_SILENCE_MIN_US, PAIR_SILENCE_MAX_US),
        .heartbeat_us = clamp(a / 4, ARBITER_JIFFY_US, PAIR_HEARTBEAT_MAX_US),
        .gap_us = a / 2 + (a / 4 > PAIR_STALL_US ? a / 4 : PAIR_STALL_US),
    };
}

/* The longest that the lesser of the two can wait: its skew time is nearly A, in version 2 nearly a
 * second. */
int pair_timing_check(const struct cluster_config *c, struct errmsg *msg)
{
    struct pair_timing t = pair_timing_of(c);
    int64_t skew_us = c->vrrp.version == 2 ? 1000000 : t.advert_us;
    int64_t least_us = 3 * t.advert_us + skew_us + PAIR_FENCE_US;
    if (c->policy.durability == CONFIG_DURABILITY_STRICT || t.degrade_us > least_us)
        return 0;
    return errmsg_set(
        msg, ERR_INVAL,
        "shrink_after is %lld ms; with arbiter vrrp more than %lld ms: three advertisements, the "
        "skew time and 1000 ms for the fence. Else the writer goes on alone while the other host "
        "takes over",
        (long long)(t.degrade_us / 1000), (long long)(least_us / 1000));
}

unsigned pair_other(const struct cluster_config *c, unsigned self)
{
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (i != self && c->nodes[i].role == CONFIG_ROLE_CANDIDATE &&
            c->nodes[self].role == CONFIG_ROLE_CANDIDATE)
            return i;
    }
    return NODE_NONE;
}

int64_t pair_lease_end(const struct pair_timing *t, int64_t advert_us, int64_t proof_us)
{
    int64_t end_us = advert_us + 3 * t->advert_us;
    if (advert_us == 0 || proof_us == 0)
        return 0;
    if (proof_us != INT64_MAX && proof_us + 2 * t->advert_us < end_us)
        end_us = proof_us + 2 * t->advert_us;
    return end_us - t->margin_us;
}

int64_t pair_patience_us(const struct cluster_config *c)
{
    bool strict = c->policy.durability == CONFIG_DURABILITY_STRICT;
    return strict ? INT64_MAX : (int64_t)c->policy.shrink_after_ms * 1000;
}

int64_t pair_window_end(const struct pair_timing *t, int64_t patience_us, int64_t echoed_us)
{
    if (echoed_us == 0)
        return 0;
    return patience_us == INT64_MAX ? INT64_MAX : echoed_us + patience_us - t->margin_us;
}

int64_t pair_other_lease_end(const struct pair_timing *t, bool arbitrated, int64_t heard_us)
{
    return heard_us + (arbitrated ? 2 : 3) * t->advert_us;
}

uint64_t pair_next_term(uint64_t seen, bool second)
{
    uint64_t term = seen + 1;
    return term % 2 == (second ? 0u : 1u) ? term : term + 1;
}
