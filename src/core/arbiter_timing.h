/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times of the raft arbiter and the inequalities between them (docs/design/arbiter.md).
 *
 *     T          a voter that hears a leader refuses every other candidate for this long; the same
 *                on all nodes (T_min = T_max = T)
 *     heartbeat  the leader's frames are at most this far apart
 *     delta      candidates start their election this far apart, by rank
 *     margin     taken off the lease's end
 *     tick       coarseness of all timers
 *     round trip longest one between two nodes that the others allow for
 *
 * What must hold, else two nodes may hold the lease, or a healthy leader loses it:
 *  - margin >= drift * T + tick + one kernel jiffy (4 ms) + scheduling allowance: a lease ends on
 *    the leader's clock before any voter gives up on the leader by its own clock. Drift is taken as
 *    1000 ppm, 500 for each of the two clocks, the most that the kernel lets NTP slew one; the
 *    scheduling allowance is T / 20.
 *  - T - margin - heartbeat - round trip >= 50 ms: a renewed lease is that far from its end.
 *  - delta >= tick + round trip: the better candidate has won before the next one starts.
 *  - candidates * delta < 2 T: the last candidate starts before the non-candidates do, at 3 T.
 *
 * Everything in microseconds. Pure.
 */
#ifndef TANDEM_CORE_ARBITER_TIMING_H
#define TANDEM_CORE_ARBITER_TIMING_H

#include <stdint.h>

#include "util/err.h"

#define ARBITER_DRIFT_PPM 1000
#define ARBITER_JIFFY_US 4000
#define ARBITER_SLACK_MIN_US 50000

struct arbiter_timing {
    int64_t election_timeout_us; /* T */
    int64_t heartbeat_us;
    int64_t candidate_delta_us;
    int64_t margin_us;
    int64_t tick_us;
    int64_t round_trip_us;
};

/*
 * lan:  T 1000 ms. A loop that stalls for 500 ms is survived; failover in about 1.1 s.
 * fast: T 150 ms. For hosts whose loops never stall for 75 ms; failover in about 0.2 s.
 */
enum arbiter_profile { ARBITER_PROFILE_LAN, ARBITER_PROFILE_FAST, ARBITER_PROFILE_COUNT };

struct arbiter_timing arbiter_timing_profile(enum arbiter_profile profile);
/* The profile with another T: heartbeat, delta and margin keep their proportion to T; tick and
 * round trip stay, for they belong to the machines, not to T. */
struct arbiter_timing arbiter_timing_scaled(enum arbiter_profile profile,
                                            int64_t election_timeout_us);
/* 0, or ERR_INVAL with a sentence that names the value, its limit and where the limit comes from.
 */
int arbiter_timing_check(const struct arbiter_timing *timing, unsigned candidates,
                         struct errmsg *msg) NODISCARD;
/* The smallest margin that passes the check. */
int64_t arbiter_timing_margin_min(const struct arbiter_timing *timing);
/* How long a voter that may have forgotten a leader stays silent: T_max + margin. */
int64_t arbiter_timing_silence(const struct arbiter_timing *timing);

#endif
