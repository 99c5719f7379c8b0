/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arbiter_timing.h"

#include <assert.h>

#define MS 1000

/*
 * lan: margin 100 ms >= 1 + 5 + 4 + 50 ms; slack 1000 - 100 - 100 - 20 = 780 ms; delta 100 ms is
 * five times what it must be, so that a candidate whose loop stalls shortly still keeps its turn.
 * fast: margin 20 ms >= 0.15 + 5 + 4 + 7.5 ms; slack 150 - 20 - 25 - 5 = 100 ms; delta 20 ms is
 * twice what it must be.
 */
struct arbiter_timing arbiter_timing_profile(enum arbiter_profile profile)
{
    static const struct arbiter_timing profiles[] = {
        [ARBITER_PROFILE_LAN] = {.election_timeout_us = 1000 * MS,
                                 .heartbeat_us = 100 * MS,
                                 .candidate_delta_us = 100 * MS,
                                 .margin_us = 100 * MS,
                                 .tick_us = 5 * MS,
                                 .round_trip_us = 20 * MS},
        [ARBITER_PROFILE_FAST] = {.election_timeout_us = 150 * MS,
                                  .heartbeat_us = 25 * MS,
                                  .candidate_delta_us = 20 * MS,
                                  .margin_us = 20 * MS,
                                  .tick_us = 5 * MS,
                                  .round_trip_us = 5 * MS},
    };
    assert(profile < ARBITER_PROFILE_COUNT);
    return profiles[profile];
}

struct arbiter_timing arbiter_timing_scaled(enum arbiter_profile profile,
                                            int64_t election_timeout_us)
{
    struct arbiter_timing t = arbiter_timing_profile(profile);
    int64_t old_us = t.election_timeout_us;
    assert(election_timeout_us > 0);
    /* Whole milliseconds: so coarse are the library's timers. */
    t.heartbeat_us = t.heartbeat_us * election_timeout_us / old_us / MS * MS;
    t.candidate_delta_us = t.candidate_delta_us * election_timeout_us / old_us;
    t.margin_us = t.margin_us * election_timeout_us / old_us;
    t.election_timeout_us = election_timeout_us;
    return t;
}

int64_t arbiter_timing_margin_min(const struct arbiter_timing *t)
{
    return t->election_timeout_us * ARBITER_DRIFT_PPM / 1000000 + t->tick_us + ARBITER_JIFFY_US +
           t->election_timeout_us / 20;
}

int64_t arbiter_timing_silence(const struct arbiter_timing *t)
{
    return t->election_timeout_us + t->margin_us;
}

/* Milliseconds for a sentence. */
static double shown(int64_t us)
{
    return (double)us / MS;
}

static int check_ranges(const struct arbiter_timing *t, struct errmsg *msg)
{
    if (t->election_timeout_us < 100 * MS || t->election_timeout_us > 60000 * MS)
        return errmsg_set(msg, ERR_INVAL,
                          "election_timeout is %.0f ms, allowed are 100 to 60000 ms",
                          shown(t->election_timeout_us));
    if (t->tick_us < MS || t->tick_us > t->election_timeout_us / 10)
        return errmsg_set(msg, ERR_INVAL,
                          "tick is %.1f ms, allowed are 1 ms to a tenth of election_timeout "
                          "(%.1f ms)",
                          shown(t->tick_us), shown(t->election_timeout_us / 10));
    if (t->heartbeat_us < t->tick_us || t->heartbeat_us > t->election_timeout_us / 3)
        return errmsg_set(msg, ERR_INVAL,
                          "heartbeat is %.1f ms, allowed are one tick (%.1f ms) to a third of "
                          "election_timeout (%.1f ms): one lost frame must not cost the lease",
                          shown(t->heartbeat_us), shown(t->tick_us),
                          shown(t->election_timeout_us / 3));
    if (t->round_trip_us < 0)
        return errmsg_set(msg, ERR_INVAL, "round_trip is negative");
    return 0;
}

int arbiter_timing_check(const struct arbiter_timing *t, unsigned candidates, struct errmsg *msg)
{
    int64_t slack_us = t->election_timeout_us - t->margin_us - t->heartbeat_us - t->round_trip_us;
    int err = check_ranges(t, msg);
    if (err != 0)
        return err;
    if (t->margin_us < arbiter_timing_margin_min(t))
        return errmsg_set(msg, ERR_INVAL,
                          "margin is %.1f ms and must be at least %.1f ms: clock drift over "
                          "election_timeout, one tick, 4 ms of the kernel's timers and %.1f ms for "
                          "scheduling; with less, two nodes may hold the lease",
                          shown(t->margin_us), shown(arbiter_timing_margin_min(t)),
                          shown(t->election_timeout_us / 20));
    if (slack_us < ARBITER_SLACK_MIN_US)
        return errmsg_set(msg, ERR_INVAL,
                          "election_timeout - margin - heartbeat - round_trip is %.1f ms and must "
                          "be at least %.0f ms: raise election_timeout or lower the others; with "
                          "less, a healthy leader loses its lease",
                          shown(slack_us), shown(ARBITER_SLACK_MIN_US));
    if (t->candidate_delta_us < t->tick_us + t->round_trip_us)
        return errmsg_set(msg, ERR_INVAL,
                          "candidate_delta is %.1f ms and must be at least tick + round_trip "
                          "(%.1f ms); with less, a worse candidate may win",
                          shown(t->candidate_delta_us), shown(t->tick_us + t->round_trip_us));
    if (t->candidate_delta_us * (int64_t)candidates >= 2 * t->election_timeout_us)
        return errmsg_set(msg, ERR_INVAL,
                          "candidate_delta (%.1f ms) times %u candidates must be less than twice "
                          "election_timeout (%.0f ms); with more, a node that is no candidate may "
                          "win",
                          shown(t->candidate_delta_us), candidates,
                          shown(2 * t->election_timeout_us));
    return 0;
}
