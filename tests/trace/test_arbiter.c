/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who leads, and until when, where it needs a rare order of frames or a clock at its limit
 * (docs/design/arbiter.md). Each trace ends in a broken promise if one line of the arbiter is
 * missing (tests/mutants/arbiter.mut), and in none as it is.
 *
 * In all of them m1 leads and is the writer at first; m1, m2, m3 vote.
 */
#include "small_cluster.h"

#define SEEDS 20

static struct cluster_config cfg;

/* m3 is a candidate as well, and no member that is not heard leaves the set: who has the newest log
 * is not what these are about. */
static void three_candidates(void)
{
    small_cluster(&cfg);
    cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    cfg.nodes[M3].priority = 80;
    cfg.policy.shrink_after_ms = 60000;
}

static void cut_agents(struct world *w, unsigned a, unsigned b, bool cut)
{
    world_cut_raft(w, a, b, cut);
    world_cut_raft(w, b, a, cut);
}

static bool somebody_else_leads(struct world *w, void *data)
{
    unsigned leader = world_leader(w);
    return leader != NODE_NONE && leader != *(unsigned *)data;
}

static bool leads(struct world *w, void *data)
{
    return world_leader(w) == *(unsigned *)data;
}

static bool has_a_lease(struct world *w, void *data)
{
    return world_lease_end_us(w, *(unsigned *)data) > world_now_us(w);
}

static bool has_no_lease(struct world *w, void *data)
{
    return !has_a_lease(w, data);
}

/* Everybody's clock is at the limit of what the margin allows for: the writer's loses, the others'
 * gain. Only m3 holds the writer up; it gives up as early as it can, and is followed at once. */
static void test_lease_ends_before_anybody_gives_up(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    three_candidates();
    cfg.arbiter.election_timeout_ms = 20000;
    cfg.arbiter.heartbeat_ms = 50;
    cfg.arbiter.margin_ms = 1100;
    cfg.arbiter.tick_ms = 1;
    cfg.arbiter.rtt_ms = 1;
    cfg.arbiter.candidate_delta_ms = 2;
    cfg.policy.shrink_after_ms = 100000;
    w = world_new(&cfg, 7);
    world_clock_rate(w, M1, -500);
    world_clock_rate(w, M2, 500);
    world_clock_rate(w, M3, 500);
    check(w, world_until(w, small_cluster_is_settled, &m1, 100000));
    world_write(w, true);
    cut_agents(w, M1, M2, true);
    world_run_ms(w, 25000);
    check(w, world_leader(w) == M1);
    cut_agents(w, M1, M3, true);
    check(w, world_until(w, somebody_else_leads, &m1, 30000));
    world_run_ms(w, 100);
    small_cluster_finish(w);
}

/* What m3 says needs 350 ms to reach the leader. Then m3 hears it no more, and what it said before
 * goes on arriving: it tells of frames that m3 has had, not of those that were sent meanwhile. */
static void late_word_says_nothing_of_newer_frames(uint64_t seed)
{
    unsigned m1 = M1;
    struct world *w;
    three_candidates();
    w = small_cluster_start_seed(&cfg, seed);
    cut_agents(w, M1, M2, true);
    world_slow_agents(w, M3, M1, 350);
    world_run_ms(w, 2000 + 40 * (unsigned)seed);
    check(w, world_leader(w) == M1);
    world_cut_raft(w, M1, M3, true);
    check(w, world_until(w, somebody_else_leads, &m1, 5000));
    world_run_ms(w, 500);
    small_cluster_finish(w);
}

static void test_late_word_says_nothing_of_newer_frames(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed += 2) /* odd: m2 and m3 are both members */
        late_word_says_nothing_of_newer_frames(seed);
}

/* m1's host is booted anew, so that its clock counts from 0 again, and wins a later term. The
 * voters remember a frame of its first term, whose time by that clock is far ahead. */
static void test_word_of_an_earlier_term_says_nothing(void **state)
{
    struct command m = {.kind = COMMAND_SWITCHOVER, .node = M1};
    unsigned m1 = M1, next;
    struct world *w;
    (void)state;
    three_candidates();
    cfg.policy.shrink_after_ms = 500;
    w = small_cluster_start(&cfg);
    world_power_cut(w, M1);
    check(w, world_until(w, somebody_else_leads, &m1, 10000));
    next = world_leader(w);
    check(w, world_until(w, small_cluster_is_written, &next, 10000));
    world_start_agent(w, M1);
    check(w, world_until(w, small_cluster_is_settled, &next, 30000));
    world_command(w, next, &m);
    check(w, world_until(w, small_cluster_is_written, &m1, 10000));
    cut_agents(w, M1, M2, true);
    cut_agents(w, M1, M3, true);
    world_run_ms(w, 400);
    world_hang_agent(w, M1, true); /* what the kernel was given by now is not taken back */
    check(w, world_until(w, somebody_else_leads, &m1, 5000));
    world_run_ms(w, 500);
    small_cluster_finish(w);
}

/* The leader hears the others so late that it never has a lease, and they hear it in time. It gives
 * way; else nobody could write for as long as the lines are slow. */
static void test_deaf_leader_gives_way(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    three_candidates();
    w = small_cluster_start(&cfg);
    for (unsigned ms = 235; ms <= 470; ms += 235) { /* at no time T without a word */
        world_slow_agents(w, M2, M1, ms);
        world_slow_agents(w, M3, M1, ms);
        world_run_ms(w, 1000);
    }
    check(w, world_until(w, small_cluster_is_written, &m2, 2000));
    small_cluster_finish(w);
}

/* The order to take over is overtaken by later frames. The leader has proof that it came to nothing
 * and is open again when it arrives. */
static void test_overtaken_transfer_is_not_obeyed(void **state)
{
    struct command m = {.kind = COMMAND_SWITCHOVER, .node = M2};
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    three_candidates();
    w = small_cluster_start(&cfg);
    world_slow_agents(w, M1, M2, 20); /* it arrives before what is committed since */
    world_run_ms(w, 500);
    world_hold_transfer(w, M1, M2);
    world_command(w, M1, &m);
    check(w, world_until(w, has_no_lease, &m1, 5000));
    check(w, world_until(w, has_a_lease, &m1, 5000));
    check(w, world_release_transfer(w));
    world_run_ms(w, 50);
    check(w, world_leader(w) == M1);
    check(w, world_until(w, small_cluster_is_written, &m1, 5000));
    small_cluster_finish(w);
}

/* All voters give up at once when the leader's host is gone. The best candidate asks first and
 * wins: nobody leads before it who would have to hand over, and votes are not split. */
static void best_candidate_wins_at_once(uint64_t seed)
{
    unsigned m1 = M1, m2 = M2;
    int64_t lost_us;
    struct world *w;
    small_cluster(&cfg);
    w = small_cluster_start_seed(&cfg, seed);
    world_power_cut(w, M1);
    lost_us = world_now_us(w);
    check(w, world_until(w, somebody_else_leads, &m1, 5000));
    check(w, world_leader(w) == M2);
    check(w, world_now_us(w) - lost_us < 700000); /* T, two times delta, two round trips */
    check(w, world_until(w, small_cluster_is_written, &m2, 1000));
    small_cluster_finish(w);
}

static void test_best_candidate_wins_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        best_candidate_wins_at_once(seed);
}

/* m1 votes for m2 and is started again. m3 has not heard of that term and asks for a vote in it. */
static void test_vote_outlives_the_voter(void **state)
{
    unsigned m1 = M1, m2 = M2, m3 = M3;
    struct world *w;
    (void)state;
    three_candidates();
    w = small_cluster_start(&cfg);
    world_kill_agent(w, M1);
    cut_agents(w, M2, M3, true);
    world_cut_raft(w, M3, M1, true);
    world_start_agent(w, M1);
    check(w, world_until(w, leads, &m2, 5000));
    world_kill_agent(w, M1);
    cut_agents(w, M1, M2, true);
    world_cut_raft(w, M3, M1, false);
    world_start_agent(w, M1);
    check(w, world_until(w, somebody_else_leads, &m2, 10000));
    check(w, leads(w, &m1) || leads(w, &m3));
    small_cluster_finish(w);
}

/* The order to take over needs a while, and is obeyed. Until then nobody else opens. */
static void test_slow_transfer_finds_a_closed_leader(void **state)
{
    struct command m = {.kind = COMMAND_SWITCHOVER, .node = M2};
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    three_candidates();
    w = small_cluster_start(&cfg);
    world_slow_agents(w, M1, M2, 150);
    world_run_ms(w, 1000);
    world_command(w, M1, &m);
    check(w, world_until(w, small_cluster_is_written, &m2, 5000));
    small_cluster_finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease_ends_before_anybody_gives_up),
        cmocka_unit_test(test_late_word_says_nothing_of_newer_frames),
        cmocka_unit_test(test_word_of_an_earlier_term_says_nothing),
        cmocka_unit_test(test_deaf_leader_gives_way),
        cmocka_unit_test(test_overtaken_transfer_is_not_obeyed),
        cmocka_unit_test(test_best_candidate_wins_at_once),
        cmocka_unit_test(test_vote_outlives_the_voter),
        cmocka_unit_test(test_slow_transfer_finds_a_closed_leader),
    };
    return cmocka_run_group_tests_name("arbiter", tests, NULL, NULL);
}
