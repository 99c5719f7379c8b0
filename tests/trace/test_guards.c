/* SPDX-License-Identifier: Apache-2.0 */
/* Second lines of defence: each was found by an error that nothing else noticed (tests/mutants). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/world.h"

enum { M1, M2, M3, M4 };

static struct cluster_config cfg;

static void add_node(int role, uint32_t priority)
{
    unsigned i = cfg.n_nodes++;
    struct config_node *n = &cfg.nodes[i];
    (void)snprintf(n->name, sizeof n->name, "m%u", i + 1);
    (void)snprintf(n->address, sizeof n->address, "172.17.0.%u", 10 + i);
    n->role = role;
    n->priority = priority;
    n->source = NODE_NONE;
    n->mysql.port = 3306;
}

/* Two candidates and a replica, all of them voters. */
static void cluster(void)
{
    memset(&cfg, 0, sizeof cfg);
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
    add_node(CONFIG_ROLE_CANDIDATE, 100);
    add_node(CONFIG_ROLE_CANDIDATE, 90);
    add_node(CONFIG_ROLE_REPLICA, 0);
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
        const struct config_node *n = &cfg.nodes[i];
        if (i == writer)
            continue;
        if (r->flags[i] != 0 ||
            !world_attached(w, i, n->source == NODE_NONE ? writer : n->source) ||
            (n->role == CONFIG_ROLE_CANDIDATE && (r->in_sync & (1u << i)) == 0))
            return false;
    }
    return true;
}

static bool is_written(struct world *w, void *data)
{
    return world_writer(w) == *(unsigned *)data && world_now_us(w) - world_last_ack_us(w) < 20000;
}

static bool is_no_member(struct world *w, void *data)
{
    return (world_record(w)->in_sync & (1u << *(unsigned *)data)) == 0;
}

static bool is_quarantined(struct world *w, void *data)
{
    return (world_record(w)->flags[*(unsigned *)data] & NODE_QUARANTINED) != 0;
}

static bool is_salvaged(struct world *w, void *data)
{
    return (world_record(w)->flags[*(unsigned *)data] & NODE_SALVAGED) != 0;
}

static bool is_under_the_writer(struct world *w, void *data)
{
    return world_attached(w, *(unsigned *)data, M1);
}

/* The cluster is that of cluster(), or made from it. */
static struct world *start_it(void)
{
    unsigned m1 = M1;
    struct world *w;
    w = world_new(&cfg, 7);
    check(w, world_until(w, is_settled, &m1, 20000));
    world_write(w, true);
    check(w, world_until(w, is_written, &m1, 1000));
    world_run_ms(w, 200);
    return w;
}

static struct world *start(void)
{
    cluster();
    return start_it();
}

static void finish(struct world *w)
{
    check(w, world_violation(w) == NULL);
    world_free(w);
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
    check(w, world_until(w, is_no_member, &m2, 2000));
    world_run_ms(w, 200);
    check(w, world_until(w, waits_with_an_empty_set, NULL, 20000));
    world_cut_all(w, M2, true);
    world_run_ms(w, 6000);
    check(w, is_written(w, &m1));
    check(w, world_record(w)->in_sync == 0);
    finish(w);
}

/* The lease outlasts the detection of the lost standby: only that the smaller set cannot be committed
 * keeps the writer, cut off from everybody, from acknowledging alone. */
static void test_nothing_is_released_before_the_shrink(void **state)
{
    unsigned m2 = M2;
    struct world *w;
    uint64_t acks;
    (void)state;
    cluster();
    cfg.arbiter.election_timeout_ms = 3000;
    cfg.policy.shrink_after_ms = 200;
    w = start_it();
    world_cut_all(w, M1, true);
    world_run_ms(w, 10);
    acks = world_acks(w);
    world_run_ms(w, 2500);
    check(w, world_acks(w) == acks);
    check(w, world_until(w, is_written, &m2, 5000));
    finish(w);
}

/* m3 has left the set, but its server goes on and nobody repairs it: m2's acknowledgement is needed. */
static void test_who_has_left_acknowledges_for_nobody(void **state)
{
    struct command m = {.kind = COMMAND_MAINTENANCE, .node = M3, .flag = true};
    unsigned m3 = M3;
    struct world *w;
    uint64_t acks;
    (void)state;
    cluster();
    cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    w = start_it();
    world_command(w, M1, &m);
    check(w, world_until(w, is_no_member, &m3, 5000));
    world_run_ms(w, 300);
    check(w, !is_no_member(w, &(unsigned){M2}));
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 5);
    acks = world_acks(w);
    world_run_ms(w, 300);
    check(w, world_acks(w) == acks);
    finish(w);
}

/* Its commits were acknowledged to clients, with an empty set, and lost by somebody's order. They are not
 * cut as if nobody had been promised them. */
static void test_nothing_is_cut_after_a_forced_promotion(void **state)
{
    struct command m = {.kind = COMMAND_FAILOVER, .node = M2, .flag = true};
    unsigned m1 = M1, m2 = M2;
    struct world *w = start();
    (void)state;
    world_cut_all(w, M2, true);
    check(w, world_until(w, is_no_member, &m2, 5000));
    world_run_ms(w, 500);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_cut_all(w, M2, false);
    world_run_ms(w, 3000);
    world_command(w, M3, &m);
    check(w, world_until(w, is_written, &m2, 10000));
    world_start_agent(w, M1);
    check(w, world_until(w, is_quarantined, &m1, 20000));
    check(w, world_has_extra(w, M1));
    finish(w);
}

static void test_what_is_extra_is_salvaged(void **state)
{
    unsigned m2 = M2;
    struct world *w = start();
    (void)state;
    world_errant(w, M2);
    check(w, world_until(w, is_quarantined, &m2, 60000));
    check(w, world_until(w, is_salvaged, &m2, 10000));
    finish(w);
}

/* m4 has received nothing of what m3 holds alone, and may not stay under it. */
static void test_children_leave_a_quarantined_node(void **state)
{
    unsigned m3 = M3, m4 = M4;
    struct world *w;
    (void)state;
    cluster();
    add_node(CONFIG_ROLE_REPLICA, 0);
    cfg.nodes[M4].source = M3;
    w = start_it();
    world_cut_sql(w, M3, M4, true);
    world_errant(w, M3);
    check(w, world_until(w, is_quarantined, &m3, 60000));
    check(w, world_until(w, is_under_the_writer, &m4, 2000));
    world_cut_sql(w, M3, M4, false);
    world_run_ms(w, 3000);
    check(w, is_under_the_writer(w, &m4));
    check(w, !is_quarantined(w, &m4));
    finish(w);
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
    struct job open = {.kind = JOB_OPEN, .timeout_ms = 1000, .count = 1};
    struct world *w = start();
    (void)state;
    inject_request(w, M2, M1, &open);
    for (unsigned ms = 0; ms < 100; ms++) {
        world_run_ms(w, 1);
        check(w, world_read_only_is(w, M2));
    }
    finish(w);
}

/* Commits wait on the writer: to switch its source side off would end them, unacknowledged by anybody
 * else. Only the writer itself does that, after a shrink. */
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
    finish(w);
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
    finish(w);
}

/* The writer is lost in the moment in which its only member is found to hold something of its own:
 * the member is still in the set. */
static void test_quarantined_member_is_not_promoted(void **state)
{
    unsigned m2 = M2;
    struct world *w = start();
    (void)state;
    world_errant(w, M2);
    check(w, world_until(w, is_quarantined, &m2, 60000));
    check(w, !is_no_member(w, &m2));
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_run_ms(w, 5000);
    check(w, world_record(w)->writer == M1);
    finish(w);
}

/* An agent that has just started reads in the log, one after the other, who was the writer once. */
static void test_started_agent_spares_its_writer(void **state)
{
    struct command m = {.kind = COMMAND_SWITCHOVER, .node = M2};
    unsigned m1 = M1, m2 = M2;
    struct world *w = start();
    (void)state;
    world_command(w, M1, &m);
    check(w, world_until(w, is_settled, &m2, 10000));
    m.node = M1;
    world_command(w, M1, &m);
    check(w, world_until(w, is_settled, &m1, 20000));
    world_kill_agent(w, M1);
    world_run_ms(w, 20);
    world_start_agent(w, M1);
    for (unsigned ms = 0; ms < 400; ms++) {
        world_run_ms(w, 1);
        check(w, world_server_is_up(w, M1));
    }
    finish(w);
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
        cmocka_unit_test(test_nobody_opens_another_node),
        cmocka_unit_test(test_nobody_releases_a_writer),
        cmocka_unit_test(test_election_of_the_past_is_no_election),
        cmocka_unit_test(test_quarantined_member_is_not_promoted),
        cmocka_unit_test(test_started_agent_spares_its_writer),
    };
    return cmocka_run_group_tests_name("guards", tests, NULL, NULL);
}
