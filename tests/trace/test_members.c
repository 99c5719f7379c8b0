/* SPDX-License-Identifier: Apache-2.0 */
/* Who counts as a member of the in-sync set, and whose acknowledgement as a member's. */
#include "trace_cluster.h"

/* m3 left the set while it was in maintenance; its acknowledgement may not stand for m2's. */
static void test_left_member_acknowledges_no_more(void **state)
{
    unsigned m2 = M2, m3 = M3;
    struct world *w;
    (void)state;
    cluster(3, 0, 0);
    w = start();
    world_kill_server(w, M2);
    check(w, world_until(w, is_no_member, &m2, 2000));
    order(w, M1, COMMAND_MAINTENANCE, M3, true);
    check(w, world_until(w, is_no_member, &m3, 2000));
    for (unsigned ms = 0; ms < 10000 && is_no_member(w, &m2); ms++)
        world_run_ms(w, 1);
    check(w, !is_no_member(w, &m2));
    world_run_ms(w, 100);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 200);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, is_written, &m2, 5000));
    finish(w);
}

static bool counts_two(struct world *w, void *data)
{
    (void)data;
    return world_core(w, M1)->facts.wait_count == 2 && world_record(w)->in_sync == 1u << M2;
}

/* The count is up for m3, which dies before it joins: commits wait for two, and there is one. */
static void test_failed_grow_takes_the_count_down(void **state)
{
    unsigned m1 = M1, m3 = M3;
    struct world *w;
    (void)state;
    cluster(3, 0, 0);
    w = start();
    world_kill_server(w, M3);
    check(w, world_until(w, is_no_member, &m3, 2000));
    world_run_ms(w, 200);
    check(w, world_until(w, counts_two, NULL, 10000));
    world_cut_all(w, M3, true);
    world_run_ms(w, 5000);
    check(w, is_written(w, &m1));
    check(w, world_record(w)->in_sync == 1u << M2);
    finish(w);
}

/* m3 has acknowledged what m2 has not received yet, and dies. MySQL keeps its acknowledgement and
 * would count it as soon as commits wait for one member only. */
static void test_acknowledgement_of_a_lost_member_counts_no_more(void **state)
{
    unsigned m1 = M1, m2 = M2, m3 = M3;
    struct world *w;
    (void)state;
    cluster(3, 0, 0);
    w = start();
    check(w, !is_no_member(w, &m3));
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 100);
    world_kill_server(w, M3);
    world_run_ms(w, 300);
    check(w, is_no_member(w, &m3) && !is_no_member(w, &m2));
    check(w, world_violation(w) == NULL);
    world_cut_sql(w, M1, M2, false);
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

/* m3 could not be told that it has left, and its side is still on when it is back: it may not
 * acknowledge for m2 before commits wait for both. */
static void returning_member(unsigned after_ms)
{
    unsigned m1 = M1, m3 = M3;
    struct world *w;
    cluster(3, 0, 0);
    w = start();
    world_cut_all(w, M3, true);
    check(w, world_until(w, is_no_member, &m3, 5000));
    world_run_ms(w, after_ms);
    world_cut_all(w, M3, false);
    world_run_ms(w, 700);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 800);
    check(w, world_violation(w) == NULL);
    world_cut_sql(w, M1, M2, false);
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

static void test_returning_member_does_not_stand_for_another(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 120; ms += 10)
        returning_member(ms);
}

/* A writer that is cut off cannot commit the smaller set, so it may not release what waits. */
static void test_cut_off_writer_acknowledges_nothing_alone(void **state)
{
    struct world *w;
    uint64_t acks;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    cfg.policy.shrink_after_ms = 100;
    w = start();
    world_cut_all(w, M1, true);
    world_run_ms(w, 10);
    acks = world_acks(w);
    world_run_ms(w, 500);
    check(w, world_acks(w) == acks);
    /* What it had proposed may have come true: then only it can be the writer. */
    world_cut_all(w, M1, false);
    check(w, world_until(w, is_whole, NULL, 10000));
    finish(w);
}

/* The line of the replication is cut silently: both servers believe to be connected for long. */
static void test_silent_line_does_not_stop_writes(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 1000);
    check(w, !is_written(w, &m1));
    check(w, world_until(w, is_written, &m1, 4000));
    world_cut_sql(w, M1, M2, false);
    check(w, world_until(w, is_settled, &m1, 20000));
    finish(w);
}

/* m2's agent is gone, its server is not: it left the set and connects again, its side still on. */
static void test_left_member_without_an_agent_is_kept_out(void **state)
{
    unsigned m2 = M2, m3 = M3;
    struct world *w;
    (void)state;
    cluster(3, 1, CONFIG_ROLE_WITNESS);
    cfg.arbiter.voters = 1u << M1 | 1u << M3 | 1u << M4;
    w = start();
    world_kill_agent(w, M2);
    world_cut_sql(w, M1, M2, true);
    check(w, world_until(w, is_no_member, &m2, 10000));
    world_cut_sql(w, M1, M2, false);
    world_run_ms(w, 3000);
    world_cut_sql(w, M1, M3, true);
    world_run_ms(w, 200);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, is_written, &m3, 5000));
    finish(w);
}

/* The writer's agent starts anew: what its predecessor told the kernel stands until it knows
 * better.
 */
static void test_restarted_agent_keeps_others_out(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    cluster(3, 1, CONFIG_ROLE_WITNESS);
    cfg.arbiter.voters = 1u << M1 | 1u << M3 | 1u << M4;
    w = start();
    world_kill_agent(w, M2);
    world_cut_sql(w, M1, M2, true);
    check(w, world_until(w, is_no_member, &m2, 10000));
    world_run_ms(w, 100);
    world_cut_sql(w, M1, M2, false);
    order(w, M1, COMMAND_PAUSE, NODE_NONE, false);
    world_run_ms(w, 9000); /* it has given its connection up and dials */
    world_kill_agent(w, M1);
    world_run_ms(w, 100);
    world_cut_sql(w, M1, M3, true);
    world_start_agent(w, M1);
    world_run_ms(w, 1000);
    finish(w);
}

/* A member whose threads were stopped by hand holds acknowledged events in its relay log alone;
 * starting both throws them away. */
static void test_stopped_member_is_not_attached(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_WITNESS);
    w = start_of(SERVER_MARIADB);
    world_slow(w, M2, true);
    world_run_ms(w, 100);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 5);
    world_threads(w, M2, false, false);
    world_run_ms(w, 350);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_run_ms(w, 3000);
    check(w, world_violation(w) == NULL);
    world_cut_sql(w, M1, M2, false);
    world_start_agent(w, M1);
    check(w, world_until(w, is_written, &m1, 10000));
    world_slow(w, M2, false);
    check(w, world_until(w, is_settled, &m1, 20000));
    finish(w);
}

static void test_resume_proves_the_set(void **state)
{
    unsigned m1 = M1, m2 = M2;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    order(w, M2, COMMAND_PAUSE, NODE_NONE, false);
    world_run_ms(w, 500);
    world_kill_agent(w, M1); /* another node leads when it is resumed */
    world_run_ms(w, 2000);
    world_start_agent(w, M1);
    world_run_ms(w, 1000);
    order(w, M2, COMMAND_RESUME, NODE_NONE, false);
    check(w, world_until(w, is_no_member, &m2, 5000));
    check(w, world_until(w, is_settled, &m1, 20000));
    finish(w);
}

static bool is_limited(struct world *w, void *data)
{
    (void)data;
    return !world_record(w)->endless;
}

/* The pause gave the writer a lease without end and its agent died: nobody takes over by itself
 * before that agent has taken the lease back. */
static void test_lease_without_end_outlives_its_agent(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    order(w, M2, COMMAND_PAUSE, NODE_NONE, false);
    world_run_ms(w, 500);
    world_kill_agent(w, M1);
    world_run_ms(w, 2000);
    order(w, M2, COMMAND_RESUME, NODE_NONE, false);
    world_run_ms(w, 5000);
    check(w, !world_record(w)->paused);
    check(w, world_violation(w) == NULL);
    check(w, world_writer(w) == M1);
    world_start_agent(w, M1);
    check(w, world_until(w, is_limited, NULL, 20000));
    world_run_ms(w, 1000); /* the set is proven again */
    check(w, world_until(w, is_settled, &m1, 20000));
    world_run_ms(w, 500); /* what was a member before the pause is proven again */
    check(w, world_until(w, is_settled, &m1, 20000));
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_run_ms(w, 3000);
    check(w, world_writer(w) == M2);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_member_acknowledges_no_more),
        cmocka_unit_test(test_acknowledgement_of_a_lost_member_counts_no_more),
        cmocka_unit_test(test_returning_member_does_not_stand_for_another),
        cmocka_unit_test(test_failed_grow_takes_the_count_down),
        cmocka_unit_test(test_cut_off_writer_acknowledges_nothing_alone),
        cmocka_unit_test(test_silent_line_does_not_stop_writes),
        cmocka_unit_test(test_left_member_without_an_agent_is_kept_out),
        cmocka_unit_test(test_restarted_agent_keeps_others_out),
        cmocka_unit_test(test_stopped_member_is_not_attached),
        cmocka_unit_test(test_resume_proves_the_set),
        cmocka_unit_test(test_lease_without_end_outlives_its_agent),
    };
    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
