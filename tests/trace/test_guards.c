/* SPDX-License-Identifier: Apache-2.0 */
/* Second lines of defence: each was found by an error that nothing else noticed (tests/mutants). */
#include "small_cluster.h"

static struct cluster_config cfg;

static struct world *start(void)
{
    small_cluster(&cfg);
    return small_cluster_start(&cfg);
}

static bool waits_with_an_empty_set(struct world *w, void *data)
{
    (void)data;
    return world_core(w, M1)->facts.source_side && world_record(w)->in_sync == 0;
}

/* The first standby vanishes while it is taken into the set: the source side is on already, and
 * nobody is left to acknowledge. */
static void test_failed_grow_lets_the_writer_go_on(void **state)
{
    unsigned m1 = M1, m2 = M2;
    struct world *w = start();
    (void)state;
    world_kill_server(w, M2);
    check(w, world_until(w, small_cluster_is_no_member, &m2, 2000));
    world_run_ms(w, 200);
    check(w, world_until(w, waits_with_an_empty_set, NULL, 20000));
    world_cut_all(w, M2, true);
    world_run_ms(w, 6000);
    check(w, small_cluster_is_written(w, &m1));
    check(w, world_record(w)->in_sync == 0);
    small_cluster_finish(w);
}

/* The lease outlasts the detection of the lost standby: only that the smaller set cannot be
 * committed keeps the writer, cut off from everybody, from acknowledging alone. */
static void test_nothing_is_released_before_the_shrink(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    uint64_t acks;
    (void)state;
    small_cluster(&cfg);
    cfg.arbiter.election_timeout_ms = 3000;
    cfg.arbiter.margin_ms = 200;
    cfg.policy.shrink_after_ms = 200;
    w = small_cluster_start(&cfg);
    world_cut_all(w, M1, true);
    world_run_ms(w, 10);
    acks = world_acks(w);
    world_run_ms(w, 2500);
    check(w, world_acks(w) == acks);
    check(w, world_until(w, small_cluster_is_written, &m2, 5000));
    small_cluster_finish(w);
}

/* m3 has left the set, but its server goes on and nobody repairs it: m2's acknowledgement is
 * needed. */
static void test_who_has_left_acknowledges_for_nobody(void **state)
{
    struct command m = {.kind = COMMAND_MAINTENANCE, .node = M3, .flag = true};
    unsigned m3 = M3;
    struct world *w;
    uint64_t acks;
    (void)state;
    small_cluster(&cfg);
    cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    w = small_cluster_start(&cfg);
    world_command(w, M1, &m);
    check(w, world_until(w, small_cluster_is_no_member, &m3, 5000));
    world_run_ms(w, 300);
    check(w, !small_cluster_is_no_member(w, &(unsigned){M2}));
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 5);
    acks = world_acks(w);
    world_run_ms(w, 300);
    check(w, world_acks(w) == acks);
    small_cluster_finish(w);
}

/* Its commits were acknowledged to clients, with an empty set, and lost by somebody's order. They
 * are not cut as if nobody had been promised them. */
static void test_nothing_is_cut_after_a_forced_promotion(void **state)
{
    struct command m = {.kind = COMMAND_FAILOVER, .node = M2, .flag = true};
    unsigned m1 = M1, m2 = M2;
    struct world *w = start();
    (void)state;
    world_cut_all(w, M2, true);
    check(w, world_until(w, small_cluster_is_no_member, &m2, 5000));
    world_cut_sql(w, M1, M3, true); /* nobody else has its last ones */
    world_run_ms(w, 500);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_cut_all(w, M2, false);
    world_run_ms(w, 3000);
    world_command(w, M3, &m);
    check(w, world_until(w, small_cluster_is_written, &m2, 10000));
    world_start_agent(w, M1);
    check(w, world_until(w, small_cluster_is_quarantined, &m1, 20000));
    check(w, world_has_extra(w, M1));
    small_cluster_finish(w);
}

static void test_what_is_extra_is_salvaged(void **state)
{
    unsigned m2 = M2;
    struct world *w = start();
    (void)state;
    world_errant(w, M2);
    check(w, world_until(w, small_cluster_is_quarantined, &m2, 60000));
    check(w, world_until(w, small_cluster_is_salvaged, &m2, 10000));
    small_cluster_finish(w);
}

/* m4 has received nothing of what m3 holds alone, and may not stay under it. */
static void test_children_leave_a_quarantined_node(void **state)
{
    unsigned m3 = M3, m4 = M4;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    small_cluster_add(&cfg, CONFIG_ROLE_REPLICA, 0);
    cfg.nodes[M4].source = M3;
    w = small_cluster_start(&cfg);
    world_cut_sql(w, M3, M4, true);
    world_errant(w, M3);
    check(w, world_until(w, small_cluster_is_quarantined, &m3, 60000));
    check(w, world_until(w, small_cluster_is_under_m1, &m4, 2000));
    world_cut_sql(w, M3, M4, false);
    world_run_ms(w, 3000);
    check(w, small_cluster_is_under_m1(w, &m4));
    check(w, !small_cluster_is_quarantined(w, &m4));
    small_cluster_finish(w);
}

/* The leader lost its followers for a while and opens in place: as many must acknowledge as before.
 */
static void test_reopened_writer_waits_for_all_members(void **state)
{
    struct world *w;
    uint64_t acks;
    (void)state;
    small_cluster(&cfg);
    cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    cfg.policy.shrink_after_ms = 20000;
    cfg.policy.probe_interval_ms = 1000; /* drift is seen later */
    w = small_cluster_start(&cfg);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 5);
    acks = world_acks(w);
    world_hang_agent(w, M2, true);
    world_hang_agent(w, M3, true);
    world_run_ms(w, 1500);
    world_hang_agent(w, M2, false);
    world_hang_agent(w, M3, false);
    world_run_ms(w, 5000);
    check(w, world_record(w)->writer == M1);
    check(w, world_writer(w) == M1);
    check(w, world_acks(w) == acks);
    small_cluster_finish(w);
}

static bool has_a_writer(struct world *w, void *data)
{
    (void)data;
    return world_record(w)->writer != NODE_NONE;
}

/* A cluster that never had a writer: m1 is preferred, m2 has more. */
static void test_first_writer_holds_everything(void **state)
{
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    w = world_new(&cfg, 7);
    world_start_server(w, M1);
    world_start_server(w, M2);
    world_run_ms(w, 500);
    world_errant(w, M2);
    check(w, world_until(w, has_a_writer, NULL, 20000));
    check(w, world_record(w)->writer == M2);
    small_cluster_finish(w);
}

/* Somebody made the writer read-only. */
static void test_closed_writer_is_opened_again(void **state)
{
    unsigned m1 = M1;
    struct world *w = start();
    (void)state;
    world_read_only(w, M1, true);
    world_run_ms(w, 100);
    check(w, world_until(w, small_cluster_is_written, &m1, 3000));
    small_cluster_finish(w);
}

/* m2 has heard nothing for long and would lead; only m3 holds the writer up. m3's agent is started
 * again and has forgotten whom it heard: it may not vote within the lease that it helped to make.
 */
static void test_started_voter_is_silent(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    cfg.policy.shrink_after_ms = 20000;
    w = small_cluster_start(&cfg);
    world_cut(w, M1, M2, true);
    world_run_ms(w, 1000);
    check(w, world_writer(w) == M1);
    world_cut(w, M1, M3, true);
    world_kill_agent(w, M3);
    world_start_agent(w, M3);
    check(w, world_until(w, small_cluster_is_written, &m2, 5000));
    small_cluster_finish(w);
}

/* strict: with the last standby gone, whether its agent says so or not, nothing is acknowledged. */
static void test_strict_acknowledges_nothing_alone(void **state)
{
    uint64_t acks;
    struct world *w;
    (void)state;
    for (unsigned silent = 0; silent < 2; silent++) {
        small_cluster(&cfg);
        cfg.policy.durability = CONFIG_DURABILITY_STRICT;
        w = small_cluster_start(&cfg);
        if (silent)
            world_kill_agent(w, M2);
        world_hang_server(w, M2, true);
        world_run_ms(w, 10);
        acks = world_acks(w);
        world_run_ms(w, 5000);
        check(w, world_acks(w) == acks);
        world_kill_server(w, M2);
        world_run_ms(w, 300);
        check(w, world_acks(w) == acks);
        small_cluster_finish(w);
    }
}

static bool takes_over(struct world *w, void *data)
{
    const struct proc *p = &world_core(w, M2)->lead.proc;
    return proc_is_running(p) && strcmp(p->kind->name, "takeover") == 0 &&
           strcmp(p->kind->steps[p->step].name, data) == 0;
}

/* The old writer still runs and holds what nobody was promised. Its line to m3 comes back after m2
 * has looked at what m3 received, and before m3 is told to follow m2. */
static void test_replicas_are_sealed_too(void **state)
{
    char commit[] = "commit";
    unsigned m2 = M2, m3 = M3;
    struct world *w = start();
    (void)state;
    world_cut_sql(w, M1, M2, true);
    world_cut_sql(w, M1, M3, true);
    world_run_ms(w, 20);
    world_hang_agent(w, M1, true);
    check(w, world_until(w, takes_over, commit, 5000));
    world_cut_sql(w, M1, M3, false);
    check(w, world_until(w, small_cluster_is_written, &m2, 2000));
    world_hang_agent(w, M1, false);
    world_run_ms(w, 10000);
    check(w, !small_cluster_is_quarantined(w, &m3));
    check(w, world_attached(w, M3, M2));
    small_cluster_finish(w);
}

/* It takes many deadlines to apply what was received; none of them ends the drain. */
static void test_drain_is_never_cut_short(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    cfg.nodes[M3].role = CONFIG_ROLE_WITNESS; /* it would have what is missing */
    cfg.policy.drain_timeout_ms = 10;
    w = small_cluster_start(&cfg);
    world_slow(w, M2, true);
    world_run_ms(w, 100);
    world_kill_server(w, M1); /* its agent hands over at once */
    check(w, world_until(w, small_cluster_is_written, &m2, 20000));
    check(w, world_lost(w, M2) == 0);
    small_cluster_finish(w);
}

/* m3 has received what m2 lacks, and the old writer is gone: it is fetched from m3. */
static void test_what_a_replica_has_ahead_is_kept(void **state)
{
    unsigned m2 = M2, m3 = M3;
    struct world *w = start();
    (void)state;
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 20);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, small_cluster_is_written, &m2, 5000));
    world_run_ms(w, 10000);
    check(w, !small_cluster_is_quarantined(w, &m3));
    check(w, world_attached(w, M3, M2));
    small_cluster_finish(w);
}

/* The same, and m2 has not applied what it has received: only behind that is there a difference to
 * fetch, and a second channel that may be made. */
static void test_what_is_ahead_is_fetched_behind_the_drain(void **state)
{
    unsigned m2 = M2, m3 = M3;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    cfg.policy.level_timeout_ms = 8000;
    cfg.policy.drain_timeout_ms = 8000;
    w = small_cluster_start(&cfg);
    world_slow(w, M2, true);
    world_run_ms(w, 100);
    world_threads(w, M2, true, false); /* the seal starts its applier again */
    world_run_ms(w, 20);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 20);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, small_cluster_is_written, &m2, 20000));
    world_slow(w, M2, false);
    world_run_ms(w, 10000);
    check(w, !small_cluster_is_quarantined(w, &m3));
    check(w, world_attached(w, M3, M2));
    check(w, world_lost(w, M2) == 0);
    small_cluster_finish(w);
}

/* m1 is started in place, since nobody else may be promoted, and is cut off before it answers: it
 * still leads for a moment when it could be opened, but has no lease. */
static void cut_off_before_it_answers(unsigned ms)
{
    unsigned m1 = M1, m2 = M2;
    struct world *w;
    small_cluster(&cfg);
    w = small_cluster_start(&cfg);
    world_kill_server(w, M2);
    world_kill_agent(w, M2);
    check(w, world_until(w, small_cluster_is_no_member, &m2, 5000));
    world_run_ms(w, 200);
    world_kill_server(w, M1);
    world_run_ms(w, ms);
    world_cut_all(w, M1, true);
    world_run_ms(w, 3000);
    world_cut_all(w, M1, false);
    check(w, world_until(w, small_cluster_is_written, &m1, 10000));
    small_cluster_finish(w);
}

static void test_who_has_no_lease_does_not_open(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 120; ms += 6)
        cut_off_before_it_answers(ms);
}

static void inject_request(struct world *w, unsigned to, unsigned from, const struct job *job)
{
    struct event ev;
    memset(&ev, 0, sizeof ev);
    ev.kind = EVENT_REQUEST;
    ev.from = from;
    ev.u.request.term = world_core(w, to)->term;
    ev.u.request.id = 1000000;
    ev.u.request.job = *job;
    world_inject(w, to, &ev);
}

/* A node opens itself or stays closed, whatever the leader of the term may ask for. */
static void test_nobody_opens_another_node(void **state)
{
    static const int kinds[] = {JOB_DETACH, JOB_FORGET, JOB_OPEN};
    struct job job = {.timeout_ms = 1000, .count = 1};
    struct world *w = start();
    (void)state;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        job.kind = kinds[i];
        inject_request(w, M2, M1, &job);
    }
    for (unsigned ms = 0; ms < 100; ms++) {
        world_run_ms(w, 1);
        check(w, world_read_only_is(w, M2));
    }
    small_cluster_finish(w);
}

/* Commits wait on the writer: to switch its source side off would end them, unacknowledged by
 * anybody else. Only the writer itself does that, after a shrink. */
static void test_nobody_releases_a_writer(void **state)
{
    struct job off = {.kind = JOB_SOURCE_SIDE, .timeout_ms = 1000, .count = 1};
    struct world *w = start();
    uint64_t acks;
    (void)state;
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 20);
    acks = world_acks(w);
    inject_request(w, M1, M3, &off);
    world_run_ms(w, 100);
    check(w, world_acks(w) == acks);
    small_cluster_finish(w);
}

/* The news of an election is older than what the node has heard since. */
static void test_election_of_the_past_is_no_election(void **state)
{
    struct event report, elected = {.kind = EVENT_ELECTED};
    struct world *w = start();
    uint64_t term = world_core(w, M3)->term;
    (void)state;
    memset(&report, 0, sizeof report);
    report.kind = EVENT_REPORT;
    report.from = M2;
    report.u.report = world_core(w, M3)->view[M2].report;
    report.u.report.seq += 1000;
    report.u.report.term = term + 5;
    world_inject(w, M3, &report);
    elected.u.term = term + 1;
    world_inject(w, M3, &elected);
    world_run_ms(w, 1);
    check(w, world_core(w, M3)->term == term + 5);
    check(w, !world_core(w, M3)->is_leader);
    small_cluster_finish(w);
}

static bool flags_are_proposed(struct world *w, void *data)
{
    const struct proposal *p = &world_core(w, M1)->lead.proposal;
    (void)data;
    return p->pending && p->entry.kind == ENTRY_FLAGS && (p->entry.set & NODE_QUARANTINED) != 0;
}

/* The writer is lost in the moment in which its only member is found to hold something of its own.
 * True if the member was still in the set then: a millisecond later it has been taken out. */
static bool lose_the_writer_of_a_quarantined_member(uint64_t seed)
{
    unsigned m2 = M2;
    struct world *w;
    bool was_member;
    small_cluster(&cfg);
    w = small_cluster_start_seed(&cfg, seed);
    world_errant(w, M2);
    check(w, world_until(w, flags_are_proposed, NULL, 60000));
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    was_member = world_until(w, small_cluster_is_quarantined, &m2, 5000) &&
                 !small_cluster_is_no_member(w, &m2);
    world_run_ms(w, 5000);
    check(w, !was_member || world_record(w)->writer == M1);
    small_cluster_finish(w);
    return was_member;
}

static void test_quarantined_member_is_not_promoted(void **state)
{
    unsigned met = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        met += lose_the_writer_of_a_quarantined_member(seed);
    assert_true(met > 0);
}

/* An agent that has just started reads in the log, one after the other, who was the writer once. */
static void test_started_agent_spares_its_writer(void **state)
{
    struct command m = {.kind = COMMAND_SWITCHOVER, .node = M2};
    unsigned m1 = M1, m2 = M2;
    struct world *w = start();
    (void)state;
    world_command(w, M1, &m);
    check(w, world_until(w, small_cluster_is_settled, &m2, 10000));
    world_run_ms(w, 100); /* until the nodes know, too */
    m.node = M1;
    world_command(w, M1, &m);
    check(w, world_until(w, small_cluster_is_settled, &m1, 20000));
    world_kill_agent(w, M1);
    world_run_ms(w, 20);
    world_start_agent(w, M1);
    for (unsigned ms = 0; ms < 400; ms++) {
        world_run_ms(w, 1);
        check(w, world_server_is_up(w, M1));
        check(w, !world_read_only_is(w, M1));
    }
    small_cluster_finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_grow_lets_the_writer_go_on),
        cmocka_unit_test(test_nothing_is_released_before_the_shrink),
        cmocka_unit_test(test_who_has_left_acknowledges_for_nobody),
        cmocka_unit_test(test_nothing_is_cut_after_a_forced_promotion),
        cmocka_unit_test(test_what_is_extra_is_salvaged),
        cmocka_unit_test(test_children_leave_a_quarantined_node),
        cmocka_unit_test(test_reopened_writer_waits_for_all_members),
        cmocka_unit_test(test_first_writer_holds_everything),
        cmocka_unit_test(test_closed_writer_is_opened_again),
        cmocka_unit_test(test_started_voter_is_silent),
        cmocka_unit_test(test_strict_acknowledges_nothing_alone),
        cmocka_unit_test(test_replicas_are_sealed_too),
        cmocka_unit_test(test_drain_is_never_cut_short),
        cmocka_unit_test(test_what_a_replica_has_ahead_is_kept),
        cmocka_unit_test(test_what_is_ahead_is_fetched_behind_the_drain),
        cmocka_unit_test(test_who_has_no_lease_does_not_open),
        cmocka_unit_test(test_nobody_opens_another_node),
        cmocka_unit_test(test_nobody_releases_a_writer),
        cmocka_unit_test(test_election_of_the_past_is_no_election),
        cmocka_unit_test(test_quarantined_member_is_not_promoted),
        cmocka_unit_test(test_started_agent_spares_its_writer),
    };
    return cmocka_run_group_tests_name("guards", tests, NULL, NULL);
}
