/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/arbiter.h"

#define MS INT64_C(1000)
#define T (150 * MS)
#define DELTA (20 * MS)
#define MARGIN (20 * MS)

static const struct arbiter_timing timing = {
    .election_timeout_us = T,
    .heartbeat_us = 25 * MS,
    .candidate_delta_us = DELTA,
    .margin_us = MARGIN,
    .tick_us = 5 * MS,
    .round_trip_us = 5 * MS,
};

/* A voter that started long ago and has just heard a leader. */
static struct arbiter_vote settled(unsigned rank, int64_t now_us)
{
    struct arbiter_vote v;
    arbiter_vote_init(&v, &timing, 1, now_us - 10 * T);
    arbiter_vote_load(&v, 1, 1, 0);
    v.rank = rank;
    v.is_voter = true;
    v.alive_us = now_us;
    arbiter_vote_heard(&v, now_us);
    return v;
}

static const struct arbiter_situation follower = {.state = ARBITER_FOLLOWER, .term = 1};
static const struct arbiter_echo nobody;

static enum arbiter_verdict in(const struct arbiter_vote *v, enum arbiter_kind kind, int64_t now_us)
{
    struct arbiter_message m = {.kind = kind, .term = 2};
    return arbiter_vote_incoming(v, &follower, &nobody, &m, now_us);
}

static enum arbiter_verdict ask(const struct arbiter_vote *v, int64_t now_us)
{
    struct arbiter_situation s = {.state = ARBITER_CANDIDATE, .term = 1};
    struct arbiter_message m = {.kind = ARBITER_REQUEST_VOTE, .term = 2, .pre_vote = true};
    return arbiter_vote_outgoing(v, &s, &m, now_us);
}

/* --- timing --- */

static void test_profiles_hold_the_inequalities(void **state)
{
    struct errmsg msg;
    (void)state;
    for (int p = 0; p < ARBITER_PROFILE_COUNT; p++) {
        struct arbiter_timing t = arbiter_timing_profile((enum arbiter_profile)p);
        assert_int_equal(arbiter_timing_check(&t, 7, &msg), 0);
    }
    for (int64_t ms = 500; ms <= 10000; ms += 250) {
        struct arbiter_timing t = arbiter_timing_scaled(ARBITER_PROFILE_LAN, ms * MS);
        assert_int_equal(arbiter_timing_check(&t, 7, &msg), 0);
        t = arbiter_timing_scaled(ARBITER_PROFILE_FAST, ms * MS);
        assert_int_equal(arbiter_timing_check(&t, 7, &msg), 0);
        assert_int_equal(t.heartbeat_us % MS, 0);
    }
}

static void refused(struct arbiter_timing t, unsigned candidates, const char *word)
{
    struct errmsg msg = ERRMSG_INIT;
    assert_int_equal(arbiter_timing_check(&t, candidates, &msg), ERR_INVAL);
    if (strstr(msg.text, word) == NULL)
        fail_msg("'%s' does not name %s", msg.text, word);
}

static void test_each_inequality_is_refused_one_step_beyond(void **state)
{
    struct errmsg msg;
    struct arbiter_timing t = timing;
    (void)state;
    t.margin_us = arbiter_timing_margin_min(&timing);
    assert_int_equal(arbiter_timing_check(&t, 3, &msg), 0);
    t.margin_us--;
    refused(t, 3, "margin");

    t = timing;
    t.heartbeat_us = T / 3;
    t.margin_us = T - t.heartbeat_us - t.round_trip_us - ARBITER_SLACK_MIN_US;
    assert_int_equal(arbiter_timing_check(&t, 3, &msg), 0);
    t.margin_us++;
    refused(t, 3, "healthy leader loses its lease");

    t = timing;
    t.candidate_delta_us = t.tick_us + t.round_trip_us;
    assert_int_equal(arbiter_timing_check(&t, 3, &msg), 0);
    t.candidate_delta_us--;
    refused(t, 3, "candidate_delta");

    assert_int_equal(arbiter_timing_check(&timing, 14, &msg), 0);
    refused(timing, 15, "candidates");

    t = timing;
    t.heartbeat_us = T / 3 + 1;
    refused(t, 3, "heartbeat");
    t = timing;
    t.heartbeat_us = t.tick_us - 1;
    refused(t, 3, "heartbeat");
    t = timing;
    t.tick_us = T / 10 + 1;
    refused(t, 3, "tick");
    t = timing;
    t.election_timeout_us = 100 * MS - 1;
    refused(t, 3, "election_timeout");
    t = timing;
    t.round_trip_us = -1;
    refused(t, 3, "round_trip");
}

/* --- who wins --- */

static void test_every_voter_expires_at_t_whatever_its_rank(void **state)
{
    (void)state;
    for (unsigned rank = 0; rank <= 5; rank++) {
        struct arbiter_vote v = settled(rank == 5 ? ARBITER_RANK_NONE : rank, 0);
        assert_int_equal(arbiter_vote_timer(&v, ARBITER_FOLLOWER, false, 0), T);
    }
}

static void test_candidates_ask_in_the_order_of_rank_and_others_after_3t(void **state)
{
    (void)state;
    for (unsigned rank = 0; rank < 5; rank++) {
        struct arbiter_vote v = settled(rank, 0);
        int64_t turn_us = T + (rank + 1) * DELTA;
        assert_int_equal(ask(&v, turn_us - 1), ARBITER_DROP_HELD_BACK);
        assert_int_equal(ask(&v, turn_us), ARBITER_PASS);
    }
    struct arbiter_vote none = settled(ARBITER_RANK_NONE, 0);
    assert_int_equal(ask(&none, 3 * T - 1), ARBITER_DROP_HELD_BACK);
    assert_int_equal(ask(&none, 3 * T), ARBITER_PASS);
}

static void test_second_round_begins_at_the_turn(void **state)
{
    (void)state;
    /* The library noticed the end of T one tick late: the turn does not move. */
    int64_t start_us = T + 5 * MS;
    struct arbiter_vote v = settled(1, 0);
    assert_int_equal(arbiter_vote_timer(&v, ARBITER_CANDIDATE, true, start_us),
                     T + 2 * DELTA - start_us);
    v = settled(ARBITER_RANK_NONE, 0);
    assert_int_equal(arbiter_vote_timer(&v, ARBITER_CANDIDATE, true, start_us), 3 * T - start_us);
    /* A rank that arrives during the election counts at once. */
    v.rank = 0;
    assert_int_equal(arbiter_vote_timer(&v, ARBITER_CANDIDATE, true, start_us),
                     T + DELTA - start_us);
}

static void test_jitter_from_the_second_round_on(void **state)
{
    int64_t seen[2][8];
    (void)state;
    for (unsigned node = 0; node < 2; node++) {
        struct arbiter_vote v = settled(0, 0);
        v.prng.state = 77 + node;
        (void)arbiter_vote_timer(&v, ARBITER_CANDIDATE, true, T);
        for (unsigned round = 0; round < 8; round++) {
            int64_t start_us = 2 * T + (int64_t)round * 10 * T;
            int64_t wait_us = arbiter_vote_timer(&v, ARBITER_CANDIDATE, true, start_us);
            assert_in_range(wait_us, T / 2, T);
            /* The same round has the same length however often it is looked at. */
            assert_int_equal(arbiter_vote_timer(&v, ARBITER_CANDIDATE, true, start_us), wait_us);
            seen[node][round] = wait_us;
        }
        /* The vote proper gets at least T. */
        assert_in_range(arbiter_vote_timer(&v, ARBITER_CANDIDATE, false, 100 * T), T, T + T / 2);
    }
    assert_memory_not_equal(seen[0], seen[1], sizeof seen[0]);
    assert_int_not_equal(seen[0][0], seen[0][1]);
}

static void test_a_vote_for_another_postpones_the_own_turn(void **state)
{
    struct arbiter_vote v = settled(0, 0);
    (void)state;
    assert_int_equal(arbiter_vote_term(&v, 2), 0);
    assert_int_equal(arbiter_vote_give(&v, 2, T), 0);
    assert_int_equal(ask(&v, 2 * T + DELTA - 1), ARBITER_DROP_HELD_BACK);
    assert_int_equal(ask(&v, 2 * T + DELTA), ARBITER_PASS);
    /* But the own vote does not, or nobody could ask after it. */
    v = settled(0, 0);
    assert_int_equal(arbiter_vote_term(&v, 2), 0);
    assert_int_equal(arbiter_vote_give(&v, 1, T + DELTA), 0);
    assert_int_equal(ask(&v, T + DELTA), ARBITER_PASS);
}

static void test_a_deposed_leader_waits_like_a_follower(void **state)
{
    struct arbiter_vote v = settled(0, -100 * T);
    (void)state;
    arbiter_vote_deposed(&v, 0);
    assert_int_equal(ask(&v, T + DELTA - 1), ARBITER_DROP_HELD_BACK);
    assert_int_equal(ask(&v, T + DELTA), ARBITER_PASS);
}

/* --- silence --- */

static void assert_silent_until(struct arbiter_vote *v, int64_t end_us)
{
    for (int64_t at_us = end_us - T; at_us < end_us; at_us += T - 1) {
        assert_true(arbiter_vote_is_silent(v, at_us));
        assert_int_equal(in(v, ARBITER_REQUEST_VOTE, at_us), ARBITER_DROP_SILENT);
        assert_int_equal(in(v, ARBITER_TIMEOUT_NOW, at_us), ARBITER_DROP_SILENT);
        assert_int_equal(ask(v, at_us), ARBITER_DROP_SILENT);
        /* Leaders are heard all the same. */
        assert_int_equal(in(v, ARBITER_APPEND_ENTRIES, at_us), ARBITER_PASS);
    }
    assert_false(arbiter_vote_is_silent(v, end_us));
    assert_int_equal(in(v, ARBITER_REQUEST_VOTE, end_us), ARBITER_PASS);
}

static void test_silent_from_start_until_t_and_margin(void **state)
{
    struct arbiter_vote v;
    (void)state;
    arbiter_vote_init(&v, &timing, 1, 7000 * MS);
    assert_silent_until(&v, 7000 * MS + T + MARGIN);
}

static void test_silent_after_the_loop_stood_still(void **state)
{
    struct arbiter_vote v = settled(0, 0);
    (void)state;
    assert_false(arbiter_vote_alive(&v, T / 2));
    assert_false(arbiter_vote_is_silent(&v, T / 2));
    assert_true(arbiter_vote_alive(&v, T + 1));
    assert_silent_until(&v, T + 1 + T + MARGIN);
    /* The next sign of life is no gap. */
    assert_false(arbiter_vote_alive(&v, T + 2));
}

static void test_silent_after_becoming_a_voter(void **state)
{
    struct arbiter_vote v = settled(0, 0);
    (void)state;
    v.is_voter = false;
    assert_false(arbiter_vote_set_voter(&v, false, 5));
    assert_false(arbiter_vote_is_silent(&v, 5));
    assert_true(arbiter_vote_set_voter(&v, true, 10));
    assert_silent_until(&v, 10 + T + MARGIN);
    assert_false(arbiter_vote_set_voter(&v, true, 3 * T));
    assert_false(arbiter_vote_is_silent(&v, 3 * T));
}

static void test_the_order_of_candidates_stays_after_a_silence(void **state)
{
    struct arbiter_vote v;
    (void)state;
    arbiter_vote_init(&v, &timing, 1, 0);
    v.silent_until_us = 5 * T;
    for (unsigned rank = 0; rank < 5; rank++) {
        int64_t turn_us = 5 * T + (rank + 1) * DELTA;
        v.rank = rank;
        v.round = 0;
        assert_int_equal(arbiter_vote_timer(&v, ARBITER_CANDIDATE, true, T), turn_us - T);
        assert_int_equal(ask(&v, turn_us - 1), ARBITER_DROP_HELD_BACK);
        assert_int_equal(ask(&v, turn_us), ARBITER_PASS);
    }
    v.rank = ARBITER_RANK_NONE;
    assert_int_equal(ask(&v, 7 * T - 1), ARBITER_DROP_HELD_BACK);
    assert_int_equal(ask(&v, 7 * T), ARBITER_PASS);
}

/* --- TimeoutNow --- */

static enum arbiter_verdict timeout_now(const struct arbiter_vote *v, const struct arbiter_echo *e,
                                        uint64_t term, int64_t nonce, int64_t now_us)
{
    struct arbiter_message m = {.kind = ARBITER_TIMEOUT_NOW, .term = term, .nonce = nonce};
    struct arbiter_situation s = {.state = ARBITER_FOLLOWER, .term = 3};
    return arbiter_vote_incoming(v, &s, e, &m, now_us);
}

static void test_timeout_now_must_be_young_and_in_order(void **state)
{
    const int64_t offset_us = 987654 * MS; /* our clock is ahead of the leader's by so much */
    struct arbiter_vote v = settled(0, offset_us);
    struct arbiter_echo e = {0};
    (void)state;
    assert_int_equal(timeout_now(&v, &e, 3, 100, offset_us), ARBITER_DROP_STRANGER);
    arbiter_echo_arrived(&e, 3, 1 * MS, offset_us + 1 * MS);
    assert_int_equal(timeout_now(&v, &e, 3, 2 * MS, offset_us), ARBITER_DROP_STRANGER);
    arbiter_echo_processed(&e, 3, 1 * MS);
    assert_int_equal(timeout_now(&v, &e, 3, 2 * MS, offset_us + 2 * MS + T / 2), ARBITER_PASS);
    assert_int_equal(timeout_now(&v, &e, 3, 2 * MS, offset_us + 2 * MS + T / 2 + 1),
                     ARBITER_DROP_OLD);
    assert_int_equal(timeout_now(&v, &e, 4, 2 * MS, offset_us), ARBITER_DROP_STRANGER);
    assert_int_equal(timeout_now(&v, &e, 2, 2 * MS, offset_us), ARBITER_DROP_STRANGER);
    /* A later frame of the leader has overtaken it: the leader may believe it dropped. */
    arbiter_echo_arrived(&e, 3, 3 * MS, offset_us + 3 * MS);
    arbiter_echo_processed(&e, 3, 3 * MS);
    assert_int_equal(timeout_now(&v, &e, 3, 2 * MS, offset_us + 3 * MS), ARBITER_DROP_OLD);
}

static void test_age_follows_a_drifting_clock(void **state)
{
    struct arbiter_echo e = {0};
    int64_t now_us = 0;
    (void)state;
    /* The leader's clock is 500 ppm slower for an hour: 1.8 s in all, 10 ms in two windows. */
    for (unsigned i = 0; i < 36000; i++) {
        now_us += 100 * MS;
        arbiter_echo_arrived(&e, 1, now_us - now_us / 2000, now_us);
        assert_in_range(arbiter_echo_age(&e, 1, now_us - now_us / 2000, now_us), 0, 11 * MS);
    }
    assert_int_equal(arbiter_echo_age(&e, 2, now_us, now_us), -1);
    /* A frame of an older term changes nothing, one of a newer term begins anew. */
    struct arbiter_echo before = e;
    arbiter_echo_arrived(&e, 0, 5, now_us);
    assert_memory_equal(&before, &e, sizeof e);
    arbiter_echo_processed(&e, 1, 5);
    assert_int_equal(e.nonce, 5);
    arbiter_echo_processed(&e, 1, 4);
    assert_int_equal(e.nonce, 5);
    arbiter_echo_arrived(&e, 2, 9, now_us);
    assert_int_equal(e.nonce, 0);
    arbiter_echo_processed(&e, 1, 10);
    assert_int_equal(e.nonce, 0);
}

static void test_the_right_to_disrupt_is_for_one_term_and_short(void **state)
{
    struct arbiter_vote v = settled(2, 0);
    struct arbiter_situation s = {.state = ARBITER_CANDIDATE, .term = 4};
    struct arbiter_message m = {.kind = ARBITER_REQUEST_VOTE, .term = 4, .disrupt = true};
    (void)state;
    assert_int_equal(arbiter_vote_outgoing(&v, &s, &m, 10), ARBITER_DROP_DISRUPT);
    arbiter_vote_forced(&v, 3, 10);
    assert_int_equal(arbiter_vote_outgoing(&v, &s, &m, 10), ARBITER_PASS);
    assert_int_equal(arbiter_vote_outgoing(&v, &s, &m, 10 + T / 2), ARBITER_PASS);
    assert_int_equal(arbiter_vote_outgoing(&v, &s, &m, 11 + T / 2), ARBITER_DROP_DISRUPT);
    /* The library keeps the flag in its next round, which is another term. */
    m.term = 5;
    assert_int_equal(arbiter_vote_outgoing(&v, &s, &m, 20), ARBITER_DROP_DISRUPT);
}

/* --- what the library must not see --- */

static void test_results_of_a_finished_vote_are_dropped(void **state)
{
    struct arbiter_vote v = settled(0, 0);
    (void)state;
    for (int st = 0; st < ARBITER_STATE_COUNT; st++) {
        for (unsigned bits = 0; bits < 4; bits++) {
            for (uint64_t term = 4; term <= 7; term++) {
                struct arbiter_situation s = {.state = (enum arbiter_state)st, .term = 5};
                struct arbiter_message m = {.kind = ARBITER_REQUEST_VOTE_RESULT,
                                            .term = term,
                                            .pre_vote = bits & 1,
                                            .granted = bits & 2};
                bool impossible = m.granted && term > 5u + (m.pre_vote ? 1 : 0);
                enum arbiter_verdict want = st != ARBITER_CANDIDATE ? ARBITER_DROP_NOT_CANDIDATE
                                            : impossible            ? ARBITER_DROP_IMPOSSIBLE
                                                                    : ARBITER_PASS;
                assert_int_equal(arbiter_vote_incoming(&v, &s, &nobody, &m, 0), want);
            }
        }
    }
}

static void test_second_leader_and_second_snapshot_are_dropped(void **state)
{
    struct arbiter_vote v = settled(0, 0);
    struct arbiter_situation s = {.state = ARBITER_LEADER, .term = 5};
    struct arbiter_message m = {.kind = ARBITER_APPEND_ENTRIES, .term = 5};
    (void)state;
    assert_int_equal(arbiter_vote_incoming(&v, &s, &nobody, &m, 0), ARBITER_DROP_TWO_LEADERS);
    m.kind = ARBITER_INSTALL_SNAPSHOT;
    assert_int_equal(arbiter_vote_incoming(&v, &s, &nobody, &m, 0), ARBITER_DROP_TWO_LEADERS);
    m.term = 6;
    assert_int_equal(arbiter_vote_incoming(&v, &s, &nobody, &m, 0), ARBITER_PASS);
    s.state = ARBITER_FOLLOWER;
    s.snapshot_busy = true;
    assert_int_equal(arbiter_vote_incoming(&v, &s, &nobody, &m, 0), ARBITER_DROP_BUSY);
    m.kind = ARBITER_APPEND_ENTRIES;
    assert_int_equal(arbiter_vote_incoming(&v, &s, &nobody, &m, 0), ARBITER_PASS);
}

static void test_a_muted_leader_sends_nothing_of_a_leader(void **state)
{
    struct arbiter_vote v = settled(0, 0);
    struct arbiter_situation s = {.state = ARBITER_LEADER, .term = 5, .muted = true};
    (void)state;
    for (int kind = 0; kind < ARBITER_KIND_COUNT; kind++) {
        struct arbiter_message m = {.kind = (enum arbiter_kind)kind, .term = 5};
        bool leaders = kind == ARBITER_APPEND_ENTRIES || kind == ARBITER_INSTALL_SNAPSHOT ||
                       kind == ARBITER_TIMEOUT_NOW;
        enum arbiter_verdict got = arbiter_vote_outgoing(&v, &s, &m, 100 * T);
        assert_int_equal(got, leaders ? ARBITER_DROP_MUTED : ARBITER_PASS);
        assert_non_null(arbiter_verdict_text(got));
    }
}

static void test_never_two_different_votes_in_one_term(void **state)
{
    struct arbiter_vote v = settled(0, 0);
    (void)state;
    arbiter_vote_load(&v, 1, 7, 2);
    assert_int_equal(arbiter_vote_give(&v, 3, 0), ERR_REFUSED);
    assert_int_equal(arbiter_vote_give(&v, 1, 0), ERR_REFUSED);
    assert_int_equal(arbiter_vote_give(&v, 2, 0), ERR_EXISTS);
    /* Writing the same term again would erase the vote on the disk. */
    assert_int_equal(arbiter_vote_term(&v, 7), ERR_EXISTS);
    assert_int_equal(v.voted_for, 2);
    assert_int_equal(arbiter_vote_term(&v, 6), ERR_STALE);
    assert_int_equal(arbiter_vote_term(&v, 8), 0);
    assert_int_equal(arbiter_vote_give(&v, 3, 0), 0);
    assert_int_equal(arbiter_vote_give(&v, 2, 0), ERR_REFUSED);
}

/* --- lease --- */

static struct arbiter_lease leading(uint32_t voters, int64_t now_us)
{
    struct arbiter_lease l;
    arbiter_lease_init(&l, &timing, 0);
    arbiter_lease_elected(&l, 5, voters, now_us);
    return l;
}

/* Exhaustive: each of four others confirmed never, or at one of three times; five-node voters. */
static void test_lease_is_what_a_majority_confirmed(void **state)
{
    (void)state;
    for (uint32_t voters = 1; voters < 32; voters += 2) {
        for (unsigned code = 0; code < 256; code++) {
            struct arbiter_lease l = leading(voters, 100);
            int64_t now_us = 5000, want = 0;
            int64_t at[5] = {now_us};
            for (unsigned i = 1; i < 5; i++) {
                at[i] = (int64_t)(code >> (2 * (i - 1)) & 3) * 1000;
                if (at[i] == 0)
                    continue;
                l.sent_us[i] = at[i]; /* in an order that arbiter_lease_nonce() would not allow */
                assert_true(arbiter_lease_echo(&l, i, 5, at[i]));
            }
            for (int64_t time = now_us; time > 0 && want == 0; time -= 1000) {
                int have = 0;
                for (unsigned i = 0; i < 5; i++)
                    have += (voters >> i & 1) != 0 && at[i] >= time;
                if (2 * have > __builtin_popcount(voters))
                    want = time + T - MARGIN;
            }
            assert_int_equal(arbiter_lease_end(&l, now_us), want);
        }
    }
}

static void test_lease_counts_from_sending_not_from_the_reply(void **state)
{
    struct arbiter_lease l = leading(7, 0);
    int64_t n1 = arbiter_lease_nonce(&l, 1, 1000 * MS);
    int64_t n2 = arbiter_lease_nonce(&l, 1, 1000 * MS); /* same instant: still increasing */
    (void)state;
    assert_true(n2 > n1);
    assert_int_equal(arbiter_lease_end(&l, 1001 * MS), 0);
    assert_true(arbiter_lease_echo(&l, 1, 5, n1));
    assert_int_equal(arbiter_lease_end(&l, 1100 * MS), 1000 * MS + T - MARGIN);
    /* Not later than now, though nonces run ahead of the clock. */
    assert_true(arbiter_lease_echo(&l, 1, 5, n2));
    assert_int_equal(arbiter_lease_end(&l, 1000 * MS), 1000 * MS + T - MARGIN);
}

static void test_echoes_that_prove_nothing_are_ignored(void **state)
{
    struct arbiter_lease l = leading(7, 0);
    int64_t nonce = arbiter_lease_nonce(&l, 1, 1000 * MS);
    (void)state;
    assert_false(arbiter_lease_echo(&l, 1, 4, nonce));     /* older term */
    assert_false(arbiter_lease_echo(&l, 1, 6, nonce));     /* newer term */
    assert_false(arbiter_lease_echo(&l, 1, 5, nonce + 1)); /* never sent */
    assert_false(arbiter_lease_echo(&l, 2, 5, nonce));     /* never sent to this node */
    assert_int_equal(arbiter_lease_end(&l, 1000 * MS), 0);
    assert_true(arbiter_lease_echo(&l, 1, 5, nonce));
    assert_false(arbiter_lease_echo(&l, 1, 5, nonce));     /* nothing new */
    assert_false(arbiter_lease_echo(&l, 1, 5, nonce - 1)); /* late */
    /* A non-voter never counts. */
    l = leading(7, 0);
    nonce = arbiter_lease_nonce(&l, 3, 1000 * MS);
    assert_true(arbiter_lease_echo(&l, 3, 5, nonce));
    assert_int_equal(arbiter_lease_end(&l, 1000 * MS), 0);
}

static void test_no_lease_in_another_term_or_without_leadership(void **state)
{
    struct arbiter_lease l = leading(7, 0);
    int64_t nonce = arbiter_lease_nonce(&l, 1, 10 * MS);
    (void)state;
    assert_true(arbiter_lease_echo(&l, 1, 5, nonce));
    assert_int_not_equal(arbiter_lease_end(&l, 11 * MS), 0);
    arbiter_lease_deposed(&l);
    assert_int_equal(arbiter_lease_end(&l, 11 * MS), 0);
    assert_false(arbiter_lease_echo(&l, 1, 5, nonce));
    arbiter_lease_elected(&l, 7, 7, 12 * MS);
    assert_int_equal(arbiter_lease_end(&l, 12 * MS), 0);
    assert_false(arbiter_lease_echo(&l, 1, 5, nonce));
    assert_true(arbiter_lease_nonce(&l, 1, 1 * MS) > nonce);
}

static void test_a_change_of_voters_recomputes_and_may_shorten(void **state)
{
    struct arbiter_lease l = leading(7, 0);
    int64_t first = arbiter_lease_nonce(&l, 3, 10 * MS);
    int64_t late = arbiter_lease_nonce(&l, 1, 50 * MS);
    (void)state;
    assert_true(arbiter_lease_echo(&l, 3, 5, first));
    assert_true(arbiter_lease_echo(&l, 1, 5, late));
    assert_int_equal(arbiter_lease_end(&l, 60 * MS), 50 * MS + T - MARGIN);
    arbiter_lease_set_voters(&l, 0x1f); /* five voters: three needed, the third is older */
    assert_int_equal(arbiter_lease_end(&l, 60 * MS), 10 * MS + T - MARGIN);
    arbiter_lease_set_voters(&l, 1u << 1 | 1u << 2 | 1u << 3); /* the leader itself is removed */
    assert_int_equal(arbiter_lease_end(&l, 60 * MS), 10 * MS + T - MARGIN);
    arbiter_lease_set_voters(&l, 0);
    assert_int_equal(arbiter_lease_end(&l, 60 * MS), 0);
    arbiter_lease_set_voters(&l, 1); /* alone: always */
    assert_int_equal(arbiter_lease_end(&l, 60 * MS), 60 * MS + T - MARGIN);
}

static void test_deaf_after_half_t_without_a_lease_until_the_term_ends(void **state)
{
    struct arbiter_lease l = leading(7, 0);
    int64_t nonce, end_us;
    (void)state;
    assert_false(arbiter_lease_is_deaf(&l, T / 2));
    nonce = arbiter_lease_nonce(&l, 1, T / 2);
    assert_true(arbiter_lease_echo(&l, 1, 5, nonce));
    end_us = arbiter_lease_end(&l, T / 2);
    assert_false(arbiter_lease_is_deaf(&l, T / 2));
    assert_false(arbiter_lease_is_deaf(&l, end_us));
    assert_false(arbiter_lease_is_deaf(&l, end_us + T / 2));
    assert_true(arbiter_lease_is_deaf(&l, end_us + T / 2 + 1));
    /* It stays so, even if an echo comes after all. */
    assert_int_equal(arbiter_lease_nonce(&l, 1, end_us + T), end_us + T);
    assert_true(arbiter_lease_echo(&l, 1, 5, end_us + T));
    assert_true(arbiter_lease_is_deaf(&l, end_us + T));
    arbiter_lease_elected(&l, 6, 7, 10 * T);
    assert_false(arbiter_lease_is_deaf(&l, 10 * T));
    /* Never confirmed by anybody: counted from the election. */
    assert_true(arbiter_lease_is_deaf(&l, 10 * T + T / 2 + 1));
    arbiter_lease_deposed(&l);
    assert_false(arbiter_lease_is_deaf(&l, 20 * T));
}

/* Each echo comes when the lease that it confirms is over: there never is one, and it is no news
 * that there would have been. */
static void test_deaf_if_every_echo_comes_too_late(void **state)
{
    struct arbiter_lease l = leading(7, 0);
    const int64_t late_us = T - MARGIN + 10 * MS;
    bool deaf = false;
    (void)state;
    for (int64_t now_us = late_us; now_us < 3 * T && !deaf; now_us += 50 * MS) {
        (void)arbiter_lease_nonce(&l, 1, now_us - late_us + 1);
        assert_true(arbiter_lease_echo(&l, 1, 5, now_us - late_us + 1));
        deaf = arbiter_lease_is_deaf(&l, now_us);
    }
    assert_true(deaf);
}

/* The claim behind the margin: whatever the clocks do within the drift, the lease has ended before
 * the first voter of its majority may vote for another. */
static void test_lease_ends_before_the_voters_promise(void **state)
{
    (void)state;
    for (int p = 0; p < ARBITER_PROFILE_COUNT; p++) {
        struct arbiter_timing t = arbiter_timing_profile((enum arbiter_profile)p);
        for (int ppm = -ARBITER_DRIFT_PPM; ppm <= ARBITER_DRIFT_PPM; ppm += 100) {
            int64_t lease_us = t.election_timeout_us - t.margin_us;
            /* The voter's T, in the leader's time, counted from the sending at the earliest. */
            int64_t promise_us = t.election_timeout_us - t.election_timeout_us * ppm / 1000000;
            /* One tick until the loop sees it, a jiffy until the kernel does, and scheduling. */
            assert_true(lease_us + t.tick_us + ARBITER_JIFFY_US + t.election_timeout_us / 20 <=
                        promise_us);
        }
    }
}

/* --- transfer --- */

static void test_every_obstacle_of_a_transfer(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++) {
        struct arbiter_transfer_facts f = {
            .is_leader = bits & 1,
            .is_fenced = bits & 2,
            .has_lease = bits & 4,
            .has_open_proposals = bits & 8,
            .target_is_voter = bits & 16,
            .target_is_eligible = bits & 32,
        };
        bool allowed = bits == (1 | 2 | 16 | 32);
        if (allowed)
            assert_null(arbiter_transfer_obstacle(&f));
        else
            assert_non_null(arbiter_transfer_obstacle(&f));
    }
}

static void test_abort_only_before_the_call(void **state)
{
    struct arbiter_transfer t = {0};
    (void)state;
    assert_int_equal(arbiter_transfer_abort(&t), ERR_STATE);
    assert_int_equal(arbiter_transfer_called(&t, 0), ERR_STATE);
    assert_false(arbiter_transfer_is_closed(&t));
    assert_int_equal(arbiter_transfer_prepare(&t, 5, 1), 0);
    assert_int_equal(arbiter_transfer_prepare(&t, 5, 2), ERR_STATE);
    assert_true(arbiter_transfer_is_closed(&t));
    assert_int_equal(arbiter_transfer_abort(&t), 0);
    assert_false(arbiter_transfer_is_closed(&t));
    assert_int_equal(arbiter_transfer_prepare(&t, 5, 1), 0);
    assert_int_equal(arbiter_transfer_called(&t, 0), 0);
    assert_int_equal(arbiter_transfer_abort(&t), ERR_STATE);
    assert_int_equal(arbiter_transfer_called(&t, 0), ERR_STATE);
    assert_true(arbiter_transfer_is_closed(&t));
}

static struct arbiter_transfer called(int64_t now_us)
{
    struct arbiter_transfer t = {0};
    assert_int_equal(arbiter_transfer_prepare(&t, 5, 1), 0);
    assert_int_equal(arbiter_transfer_called(&t, now_us), 0);
    return t;
}

static void test_closed_until_proof_or_another_term(void **state)
{
    struct arbiter_transfer t = called(0);
    (void)state;
    /* Not sent yet: the library giving up is enough. */
    assert_int_equal(arbiter_transfer_expired(&t), ARBITER_TRANSFER_UNSENT);
    assert_false(arbiter_transfer_is_closed(&t));

    t = called(0);
    assert_int_equal(arbiter_transfer_echo(&t, 1, 5, 1000), ARBITER_TRANSFER_PENDING);
    arbiter_transfer_sent(&t, 2, 50); /* to somebody else: not ours */
    arbiter_transfer_sent(&t, 1, 100);
    assert_int_equal(arbiter_transfer_expired(&t), ARBITER_TRANSFER_PENDING);
    assert_int_equal(arbiter_transfer_echo(&t, 1, 5, 100), ARBITER_TRANSFER_PENDING);
    assert_int_equal(arbiter_transfer_echo(&t, 2, 5, 101), ARBITER_TRANSFER_PENDING);
    assert_int_equal(arbiter_transfer_echo(&t, 1, 4, 101), ARBITER_TRANSFER_PENDING);
    assert_int_equal(arbiter_transfer_deposed(&t, NODE_NONE), ARBITER_TRANSFER_PENDING);
    assert_true(arbiter_transfer_is_closed(&t));
    assert_int_equal(arbiter_transfer_echo(&t, 1, 5, 101), ARBITER_TRANSFER_DROPPED);
    assert_false(arbiter_transfer_is_closed(&t));

    t = called(0);
    arbiter_transfer_sent(&t, 1, 100);
    assert_int_equal(arbiter_transfer_deposed(&t, 1), ARBITER_TRANSFER_DONE);
    t = called(0);
    arbiter_transfer_sent(&t, 1, 100);
    assert_int_equal(arbiter_transfer_deposed(&t, 2), ARBITER_TRANSFER_LOST);
    t = called(0);
    assert_int_equal(arbiter_transfer_deposed(&t, 0), ARBITER_TRANSFER_LOST);
    assert_false(arbiter_transfer_is_closed(&t));
    memset(&t, 0, sizeof t);
    assert_int_equal(arbiter_transfer_prepare(&t, 5, 1), 0);
    assert_int_equal(arbiter_transfer_deposed(&t, NODE_NONE), ARBITER_TRANSFER_ABORTED);
}

static void test_without_proof_the_leader_gives_up_its_term(void **state)
{
    struct arbiter_transfer t = called(1000);
    (void)state;
    arbiter_transfer_sent(&t, 1, 1000);
    assert_false(arbiter_transfer_is_stuck(&t, &timing, 1000 + 2 * T));
    assert_true(arbiter_transfer_is_stuck(&t, &timing, 1001 + 2 * T));
    assert_int_equal(arbiter_transfer_echo(&t, 1, 5, 1001), ARBITER_TRANSFER_DROPPED);
    assert_false(arbiter_transfer_is_stuck(&t, &timing, 100 * T));
}

static void test_eligible_in_this_term_for_two_heartbeats(void **state)
{
    (void)state;
    assert_true(arbiter_is_eligible(&timing, 5, 5, 1000, 1000 + 50 * MS - 1));
    assert_false(arbiter_is_eligible(&timing, 5, 5, 1000, 1000 + 50 * MS));
    assert_false(arbiter_is_eligible(&timing, 5, 4, 1000, 1000));
}

static void test_backoff_per_target_and_incarnation(void **state)
{
    struct arbiter_backoff b = {0};
    int64_t now_us = 0, want_us = 200 * MS;
    (void)state;
    assert_true(arbiter_backoff_is_open(&b, 1, 0));
    for (unsigned i = 0; i < 100; i++) {
        arbiter_backoff_failed(&b, 1, now_us);
        assert_false(arbiter_backoff_is_open(&b, 1, now_us + want_us - 1));
        assert_true(arbiter_backoff_is_open(&b, 1, now_us + want_us));
        assert_true(arbiter_backoff_is_open(&b, 2, now_us));
        now_us += want_us;
        want_us = want_us * 2 > 30000 * MS ? 30000 * MS : want_us * 2;
    }
    arbiter_backoff_failed(&b, 2, now_us);
    assert_true(arbiter_backoff_is_open(&b, 2, now_us + 200 * MS));
    arbiter_backoff_clear(&b);
    assert_true(arbiter_backoff_is_open(&b, 2, now_us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles_hold_the_inequalities),
        cmocka_unit_test(test_each_inequality_is_refused_one_step_beyond),
        cmocka_unit_test(test_every_voter_expires_at_t_whatever_its_rank),
        cmocka_unit_test(test_candidates_ask_in_the_order_of_rank_and_others_after_3t),
        cmocka_unit_test(test_second_round_begins_at_the_turn),
        cmocka_unit_test(test_jitter_from_the_second_round_on),
        cmocka_unit_test(test_a_vote_for_another_postpones_the_own_turn),
        cmocka_unit_test(test_a_deposed_leader_waits_like_a_follower),
        cmocka_unit_test(test_silent_from_start_until_t_and_margin),
        cmocka_unit_test(test_silent_after_the_loop_stood_still),
        cmocka_unit_test(test_silent_after_becoming_a_voter),
        cmocka_unit_test(test_the_order_of_candidates_stays_after_a_silence),
        cmocka_unit_test(test_timeout_now_must_be_young_and_in_order),
        cmocka_unit_test(test_age_follows_a_drifting_clock),
        cmocka_unit_test(test_the_right_to_disrupt_is_for_one_term_and_short),
        cmocka_unit_test(test_results_of_a_finished_vote_are_dropped),
        cmocka_unit_test(test_second_leader_and_second_snapshot_are_dropped),
        cmocka_unit_test(test_a_muted_leader_sends_nothing_of_a_leader),
        cmocka_unit_test(test_never_two_different_votes_in_one_term),
        cmocka_unit_test(test_lease_is_what_a_majority_confirmed),
        cmocka_unit_test(test_lease_counts_from_sending_not_from_the_reply),
        cmocka_unit_test(test_echoes_that_prove_nothing_are_ignored),
        cmocka_unit_test(test_no_lease_in_another_term_or_without_leadership),
        cmocka_unit_test(test_a_change_of_voters_recomputes_and_may_shorten),
        cmocka_unit_test(test_deaf_after_half_t_without_a_lease_until_the_term_ends),
        cmocka_unit_test(test_deaf_if_every_echo_comes_too_late),
        cmocka_unit_test(test_lease_ends_before_the_voters_promise),
        cmocka_unit_test(test_every_obstacle_of_a_transfer),
        cmocka_unit_test(test_abort_only_before_the_call),
        cmocka_unit_test(test_closed_until_proof_or_another_term),
        cmocka_unit_test(test_without_proof_the_leader_gives_up_its_term),
        cmocka_unit_test(test_eligible_in_this_term_for_two_heartbeats),
        cmocka_unit_test(test_backoff_per_target_and_incarnation),
    };
    return cmocka_run_group_tests_name("arbiter", tests, NULL, NULL);
}
