/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences that once lost a commit, stopped a cluster for good or took a healthy server away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/world.h"

enum { M1, M2, M3, M4, M5 };

static struct cluster_config cfg;
static unsigned n_candidates;

static unsigned add_node(int role, uint32_t priority, unsigned source)
{
    unsigned i = cfg.n_nodes++;
    struct config_node *n = &cfg.nodes[i];
    (void)snprintf(n->name, sizeof n->name, "m%u", i + 1);
    (void)snprintf(n->address, sizeof n->address, "172.17.0.%u", 10 + i);
    n->role = role;
    n->priority = priority;
    n->source = source;
    n->mysql.port = 3306;
    return i;
}

static void policy(void)
{
    cfg.arbiter = (struct config_arbiter){
        .election_timeout_ms = 500, .heartbeat_ms = 50, .margin_ms = 60, .voters = 7};
    cfg.policy = (struct config_policy){
        .preempt_delay_ms = 2000,
        .restart_attempts = 3,
        .restart_backoff_max_ms = 10000,
        .probe_interval_ms = 100,
        .probe_timeout_ms = 200,
        .probe_fall = 2,
        .probe_rise = 2,
        .beat_interval_ms = 1000,
        .stall_after_ms = 1000,
        .shrink_after_ms = 500,
        .grow_lag_trx_max = 1000,
        .fence_kill_after_ms = 30000,
        .level_timeout_ms = 200,
        .drain_timeout_ms = 2000,
        .close_timeout_ms = 1000,
        .switchover_timeout_ms = 3000,
        .action_timeout_ms = 2000,
        .start_timeout_ms = 10000,
        .vip_lifetime_ms = 3000,
    };
    cfg.n_vips = 1;
}

/* Candidates first; the first three nodes vote. */
static void cluster(unsigned candidates, unsigned others, int role)
{
    memset(&cfg, 0, sizeof cfg);
    policy();
    n_candidates = candidates;
    for (unsigned i = 0; i < candidates; i++)
        (void)add_node(CONFIG_ROLE_CANDIDATE, 100 - 10 * i, NODE_NONE);
    for (unsigned i = 0; i < others; i++)
        (void)add_node(role, 0, NODE_NONE);
}

#define check(w, cond)             \
    do {                           \
        if (!(cond)) {             \
            world_dump(w);         \
            fail_msg("%s", #cond); \
        }                          \
    } while (0)

static bool is_settled(struct world *w, void *data)
{
    unsigned writer = *(unsigned *)data;
    const struct record *r = world_record(w);
    if (world_writer(w) != writer || r->writer != writer)
        return false;
    for (unsigned i = 0; i < cfg.n_nodes; i++) {
        if (i == writer || !config_node_has_mysql(&cfg, i))
            continue;
        if (r->flags[i] != 0 || !world_attached(w, i, writer) ||
            (i < n_candidates && (r->in_sync & (1u << i)) == 0))
            return false;
    }
    return true;
}

static bool is_written(struct world *w, void *data)
{
    return world_writer(w) == *(unsigned *)data && world_now_us(w) - world_last_ack_us(w) < 20000;
}

static bool is_whole(struct world *w, void *data)
{
    (void)data;
    return world_unsettled(w) == NULL;
}

static bool is_out(struct world *w, void *data)
{
    return (world_record(w)->flags[*(unsigned *)data] & NODE_QUARANTINED) != 0;
}

static bool is_no_member(struct world *w, void *data)
{
    return (world_record(w)->in_sync & (1u << *(unsigned *)data)) == 0;
}

static struct world *start_of(int flavour)
{
    unsigned m1 = M1;
    struct world *w = world_new_of(&cfg, 7, flavour);
    check(w, world_until(w, is_settled, &m1, 20000));
    world_write(w, true);
    check(w, world_until(w, is_written, &m1, 1000));
    world_run_ms(w, 200);
    return w;
}

static struct world *start(void)
{
    return start_of(SERVER_MYSQL);
}

static void finish(struct world *w)
{
    check(w, world_violation(w) == NULL);
    world_free(w);
}

static void order(struct world *w, unsigned at, int kind, unsigned node, bool flag)
{
    struct command m = {.kind = kind, .node = (uint8_t)node, .flag = flag};
    world_command(w, at, &m);
}

/* ---- who counts as a member ---- */

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
    w = start();
    cfg.nodes[M5].source = M4;
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
        cmocka_unit_test(test_branch_is_found_mysql),
        cmocka_unit_test(test_branch_is_found_mariadb),
        cmocka_unit_test(test_strict_lets_a_restarted_member_come_back),
        cmocka_unit_test(test_strict_takeover_quarantines_nobody),
        cmocka_unit_test(test_stalled_standby_takes_over),
        cmocka_unit_test(test_extras_are_found_in_the_subtree),
        cmocka_unit_test(test_transaction_by_hand_is_found),
        cmocka_unit_test(test_dead_writer_is_not_started_without_a_lease),
        cmocka_unit_test(test_recovered_commits_are_not_shown_alone),
        cmocka_unit_test(test_crash_after_a_shutdown_stays_in_place),
        cmocka_unit_test(test_forced_former_is_started),
        cmocka_unit_test(test_failed_switchover_goes_back),
        cmocka_unit_test(test_maintenance_without_a_standby_keeps_writing),
        cmocka_unit_test(test_agent_that_ends_without_a_standby_closes),
        cmocka_unit_test(test_agent_that_ends_alone_starts_nothing_again),
        cmocka_unit_test(test_leader_that_sees_a_newer_term_leads_no_more),
        cmocka_unit_test(test_flood_of_requests),
        cmocka_unit_test(test_term_that_cannot_be_written_is_not_told),
    };
    return cmocka_run_group_tests_name("safety", tests, NULL, NULL);
}
