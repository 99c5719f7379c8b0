/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences that once lost a commit, stopped a cluster for good or took a healthy server away. */
#include "trace_cluster.h"

/* ---- numbers that are used again ---- */

/* m4 ran ahead of the member and is away while the old writer's tail is cut. When it returns that
 * one is the writer again and has given the same numbers to other transactions. */
static void branch_is_found(int flavour)
{
    unsigned m1 = M1, m2 = M2, m4 = M4;
    struct world *w;
    cluster(2, 1, CONFIG_ROLE_WITNESS);
    (void)add_node(CONFIG_ROLE_REPLICA, 0, NODE_NONE);
    w = start_of(flavour);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 100);
    world_power_cut(w, M4);
    world_kill_server(w, M1);
    check(w, world_until(w, is_written, &m2, 5000));
    world_cut_sql(w, M1, M2, false);
    for (unsigned ms = 0; ms < 10000 && is_no_member(w, &m1); ms++)
        world_run_ms(w, 1);
    check(w, !is_no_member(w, &m1));
    world_run_ms(w, 200);
    order(w, M2, COMMAND_SWITCHOVER, M1, false);
    check(w, world_until(w, is_written, &m1, 5000));
    world_run_ms(w, 1000);
    world_start_agent(w, M4);
    check(w, world_until(w, is_out, &m4, 20000));
    finish(w);
}

static void test_branch_is_found_mysql(void **state)
{
    (void)state;
    branch_is_found(SERVER_MYSQL);
}

static void test_branch_is_found_mariadb(void **state)
{
    (void)state;
    branch_is_found(SERVER_MARIADB);
}

/* ---- strict ---- */

static void test_strict_lets_a_restarted_member_come_back(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    cfg.policy.durability = CONFIG_DURABILITY_STRICT;
    w = start();
    world_kill_server(w, M2);
    world_run_ms(w, 300);
    check(w, !is_written(w, &m1));
    check(w, world_until(w, is_settled, &m1, 20000));
    check(w, world_until(w, is_written, &m1, 1000));
    finish(w);
}

/* The last member has gone for good, and another standby is there. */
static void test_strict_replaces_the_last_member(void **state)
{
    unsigned m1 = M1, m3 = M3;
    struct world *w;
    (void)state;
    cluster(3, 1, CONFIG_ROLE_WITNESS);
    cfg.arbiter.voters = 1u << M1 | 1u << M3 | 1u << M4;
    cfg.policy.durability = CONFIG_DURABILITY_STRICT;
    w = start();
    world_power_cut(w, M3);
    check(w, world_until(w, is_no_member, &m3, 5000));
    world_power_cut(w, M2);
    world_start_agent(w, M3);
    world_run_ms(w, 5000);
    check(w, world_until(w, is_written, &m1, 20000));
    check(w, !is_no_member(w, &m3));
    finish(w);
}

/* Until the first standby is in the set all commits of the new writer wait; the standbys have
 * received them already. */
static void test_strict_takeover_quarantines_nobody(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    cfg.policy.durability = CONFIG_DURABILITY_STRICT;
    w = start();
    world_kill_server(w, M1);
    check(w, world_until(w, is_settled, &m2, 20000));
    check(w, world_until(w, is_written, &m2, 1000));
    finish(w);
}

/* ---- a standby that waits for acknowledgements ---- */

/* Its source side was switched on by hand: its applier waits for ever, and so would the drain. */
static void stalled_standby_takes_over(int flavour)
{
    unsigned m2 = M2;
    struct world *w;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start_of(flavour);
    world_source_side(w, M2, true);
    world_source_side(w, M3, true);
    world_run_ms(w, 30);
    world_kill_server(w, M1);
    check(w, world_until(w, is_written, &m2, 5000));
    check(w, world_until(w, is_settled, &m2, 20000));
    finish(w);
}

static void test_stalled_standby_takes_over(void **state)
{
    (void)state;
    stalled_standby_takes_over(SERVER_MYSQL);
    stalled_standby_takes_over(SERVER_MARIADB);
}

/* ---- extras ---- */

/* m4 ran ahead of the member and cannot be reached at the takeover; m5 is below it. */
static void test_extras_are_found_in_the_subtree(void **state)
{
    unsigned m2 = M2, m4 = M4, m5 = M5;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_WITNESS);
    (void)add_node(CONFIG_ROLE_REPLICA, 0, NODE_NONE);
    (void)add_node(CONFIG_ROLE_REPLICA, 0, NODE_NONE);
    cfg.nodes[M5].source = M4;
    w = start();
    for (unsigned ms = 0; ms < 5000 && !world_attached(w, M5, M4); ms++)
        world_run_ms(w, 1);
    check(w, world_attached(w, M5, M4));
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 20);
    world_cut(w, M2, M4, true);
    world_cut(w, M3, M4, true);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, is_written, &m2, 5000));
    check(w, world_has_extra(w, M4) && world_has_extra(w, M5));
    world_cut(w, M2, M4, false);
    world_cut(w, M3, M4, false);
    check(w, world_until(w, is_out, &m4, 20000));
    check(w, world_until(w, is_out, &m5, 20000));
    check(w, !world_attached(w, M5, M2));
    finish(w);
}

static void test_transaction_by_hand_is_found(void **state)
{
    unsigned m3 = M3;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_errant(w, M3);
    check(w, world_until(w, is_out, &m3, 40000));
    world_run_ms(w, 1000);
    check(w, !world_attached(w, M3, M1));
    finish(w);
}

/* ---- starts and shutdowns ---- */

/* A leader that is cut off starts nothing: recovery would commit what nobody was promised. */
static void test_dead_writer_is_not_started_without_a_lease(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_cut_all(w, M1, true);
    world_run_ms(w, 460);
    world_kill_server(w, M1);
    check(w, world_until(w, is_written, &m2, 3000));
    check(w, !world_server_is_up(w, M1));
    world_cut_all(w, M1, false);
    check(w, world_until(w, is_settled, &m2, 20000));
    finish(w);
}

/* Recovery commits what waited; nobody may read it there before a member has it. */
static void test_recovered_commits_are_not_shown_alone(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    cfg.policy.shrink_after_ms = 3000;
    w = start();
    world_kill_agent(w, M2);
    world_cut_sql(w, M1, M2, true);
    world_cut_sql(w, M1, M3, true);
    world_run_ms(w, 50);
    world_kill_server(w, M1);
    world_run_ms(w, 1000);
    check(w, !world_read_only_is(w, M1) && !is_no_member(w, &m2));
    world_power_cut(w, M1);
    world_start_agent(w, M2);
    check(w, world_until(w, is_written, &m2, 5000));
    finish(w);
}

/* A shutdown told clients OK; the crash that follows it may not make a member the writer. */
static void test_crash_after_a_shutdown_stays_in_place(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 50);
    world_term_server(w, M1);
    world_run_ms(w, 10);
    world_kill_server(w, M1);
    world_cut_sql(w, M1, M2, false);
    check(w, world_until(w, is_written, &m1, 10000));
    check(w, world_until(w, is_settled, &m1, 20000));
    check(w, world_record(w)->n_promotions == 1);
    finish(w);
}

/* Forced onto a former writer whose server is down: nobody rewinds it, it is started as it is. */
static void test_forced_former_is_started(void **state)
{
    unsigned m1 = M1, m2 = M2;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, is_written, &m2, 3000));
    world_kill_server(w, M2);
    world_kill_agent(w, M2);
    world_start_agent(w, M1);
    world_run_ms(w, 5000);
    check(w, world_writer(w) == NODE_NONE);
    order(w, M3, COMMAND_FAILOVER, M1, true);
    check(w, world_until(w, is_written, &m1, 20000));
    finish(w);
}

/* ---- orders ---- */

/* A long transaction keeps the server from being closed: back to normal, nobody is killed. */
static void test_failed_switchover_goes_back(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_busy(w, M1, true);
    order(w, M1, COMMAND_SWITCHOVER, M2, false);
    world_run_ms(w, 4000);
    check(w, is_written(w, &m1));
    check(w, world_record(w)->n_promotions == 1);
    check(w, world_record(w)->handover == NODE_NONE);
    finish(w);
}

static void writes_once_closed(void *data, unsigned node, enum effect_kind kind)
{
    if (kind != EFFECT_SHUT || node != M1)
        return;
    world_cut_sql(data, M1, M2, true);
    world_cut_sql(data, M1, M3, true);
    world_errant(data, M1);
}

/* On MariaDB an administrator's session writes until it is ended, after the server was closed too:
 * the target gets it before it is promoted, and the old writer is attached as it is. */
static void test_switchover_takes_what_an_administrator_writes(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start_of(SERVER_MARIADB);
    world_on_effect(w, writes_once_closed, w);
    order(w, M1, COMMAND_SWITCHOVER, M2, false);
    world_run_ms(w, 40);
    world_cut_sql(w, M1, M2, false);
    world_cut_sql(w, M1, M3, false);
    check(w, world_until(w, is_written, &m2, 5000));
    for (unsigned ms = 0; ms < 5000; ms++) {
        world_run_ms(w, 1);
        check(w, (world_record(w)->flags[M1] & NODE_QUARANTINED) == 0);
    }
    check(w, world_until(w, is_settled, &m2, 10000));
    finish(w);
}

static void test_maintenance_without_a_standby_keeps_writing(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    order(w, M1, COMMAND_MAINTENANCE, M1, true);
    world_run_ms(w, 1);
    world_kill_server(w, M2);
    world_kill_agent(w, M2);
    world_run_ms(w, 15000);
    check(w, (world_record(w)->flags[M1] & NODE_MAINTENANCE) != 0);
    check(w, is_written(w, &m1));
    finish(w);
}

static void test_agent_that_ends_without_a_standby_closes(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_kill_server(w, M2);
    world_kill_agent(w, M2);
    world_run_ms(w, 2000);
    check(w, is_written(w, &m1));
    world_quit_agent(w, M1);
    world_run_ms(w, 3000);
    check(w, !world_agent_is_up(w, M1));
    check(w, world_read_only_is(w, M1));
    finish(w);
}

/* Strict, and no standby: the commits that wait keep the server from being closed, so it is killed;
 * the agent that ends does not start it again only to close it again. */
static void test_agent_that_ends_alone_starts_nothing_again(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    cfg.policy.durability = CONFIG_DURABILITY_STRICT;
    w = start();
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    for (unsigned ms = 0; ms < 5000 && world_writer(w) != m2; ms++)
        world_run_ms(w, 1);
    world_run_ms(w, 1000); /* clients write, and wait */
    world_quit_agent(w, M2);
    world_run_ms(w, 5000);
    check(w, !world_agent_is_up(w, M2));
    check(w, !world_server_is_up(w, M2));
    world_start_agent(w, M1);
    world_start_agent(w, M2);
    check(w, world_until(w, is_settled, &m2, 20000));
    finish(w);
}

/* ---- terms ---- */

static void inject_report(struct world *w, unsigned to, unsigned from, uint64_t term)
{
    struct event ev;
    memset(&ev, 0, sizeof ev);
    ev.kind = EVENT_REPORT;
    ev.from = from;
    ev.u.report = world_core(w, to)->view[from].report;
    ev.u.report.seq += 1000;
    ev.u.report.term = term;
    world_inject(w, to, &ev);
}

/* What it asked for from then on would carry a term that it never won. */
static void test_leader_that_sees_a_newer_term_leads_no_more(void **state)
{
    struct event old = {.kind = EVENT_ELECTED};
    struct world *w;
    uint64_t term;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    term = world_core(w, M1)->term;
    inject_report(w, M1, M3, term + 5);
    world_run_ms(w, 2);
    check(w, !world_core(w, M1)->is_leader);
    check(w, world_holders(w) == 0);
    old.u.term = term + 1;
    world_inject(w, M1, &old);
    world_run_ms(w, 2);
    check(w, !world_core(w, M1)->is_leader);
    check(w, world_core(w, M1)->term == term + 5);
    finish(w);
}

/* More requests than a step has room for, all stale at once. */
static void test_flood_of_requests(void **state)
{
    struct event ev;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    w = start();
    world_hang_server(w, M3, true);
    memset(&ev, 0, sizeof ev);
    ev.kind = EVENT_REQUEST;
    ev.from = M1;
    ev.u.request.term = world_core(w, M3)->term;
    ev.u.request.job.kind = JOB_DETACH;
    ev.u.request.job.timeout_ms = 5000;
    for (unsigned i = 0; i < 60; i++) {
        ev.u.request.id = 1000000 + i;
        world_inject(w, M3, &ev);
    }
    ev.u.request.job.timeout_ms = 0;
    world_inject(w, M3, &ev);
    world_run_ms(w, 10);
    inject_report(w, M3, M2, ev.u.request.term + 1);
    world_run_ms(w, 100);
    check(w, world_core(w, M3)->local.n_queued == 0);
    finish(w);
}

/* ---- the arbiter's disk ---- */

/* m2 is given the leadership and cannot write its term: that term has never been, and nobody may
 * hear of it, or m1 believes that it is deposed and still leads. */
static void test_term_that_cannot_be_written_is_not_told(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    (void)state;
    cluster(2, 1, CONFIG_ROLE_REPLICA);
    for (unsigned seed = 1; seed <= 8; seed++) {
        w = world_new(&cfg, seed);
        check(w, world_until(w, is_settled, &m1, 20000));
        world_write(w, true);
        check(w, world_until(w, is_written, &m1, 1000));
        world_disk_fail(w, M2, true);
        world_kill_server(w, M1);
        world_run_ms(w, 100);
        check(w, world_until(w, is_written, &m1, 20000));
        finish(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_branch_is_found_mysql),
        cmocka_unit_test(test_branch_is_found_mariadb),
        cmocka_unit_test(test_strict_lets_a_restarted_member_come_back),
        cmocka_unit_test(test_strict_replaces_the_last_member),
        cmocka_unit_test(test_strict_takeover_quarantines_nobody),
        cmocka_unit_test(test_stalled_standby_takes_over),
        cmocka_unit_test(test_extras_are_found_in_the_subtree),
        cmocka_unit_test(test_transaction_by_hand_is_found),
        cmocka_unit_test(test_dead_writer_is_not_started_without_a_lease),
        cmocka_unit_test(test_recovered_commits_are_not_shown_alone),
        cmocka_unit_test(test_crash_after_a_shutdown_stays_in_place),
        cmocka_unit_test(test_forced_former_is_started),
        cmocka_unit_test(test_failed_switchover_goes_back),
        cmocka_unit_test(test_switchover_takes_what_an_administrator_writes),
        cmocka_unit_test(test_maintenance_without_a_standby_keeps_writing),
        cmocka_unit_test(test_agent_that_ends_without_a_standby_closes),
        cmocka_unit_test(test_agent_that_ends_alone_starts_nothing_again),
        cmocka_unit_test(test_leader_that_sees_a_newer_term_leads_no_more),
        cmocka_unit_test(test_flood_of_requests),
        cmocka_unit_test(test_term_that_cannot_be_written_is_not_told),
    };
    return cmocka_run_group_tests_name("safety", tests, NULL, NULL);
}
