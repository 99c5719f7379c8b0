/* SPDX-License-Identifier: Apache-2.0 */
/* The reference topology in the small world: every case of the system tests, decided by the same
 * core. */
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

static void node(unsigned i, const char *name, const char *address, int role, uint32_t priority,
                 unsigned source)
{
    struct config_node *n = &cfg.nodes[i];
    memset(n, 0, sizeof *n);
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    (void)snprintf(n->address, sizeof n->address, "%s", address);
    n->role = role;
    n->priority = priority;
    n->source = source;
    n->mysql.port = 3306;
}

static void reference_topology(bool preempt)
{
    memset(&cfg, 0, sizeof cfg);
    cfg.n_nodes = 5;
    node(M1, "m1", "172.17.0.10", CONFIG_ROLE_CANDIDATE, 100, NODE_NONE);
    node(M2, "m2", "172.17.0.11", CONFIG_ROLE_CANDIDATE, 50, NODE_NONE);
    node(M3, "m3", "172.17.0.15", CONFIG_ROLE_REPLICA, 0, NODE_NONE);
    node(M4, "m4", "172.17.0.16", CONFIG_ROLE_REPLICA, 0, M3);
    node(M5, "m5", "172.17.0.17", CONFIG_ROLE_REPLICA, 0, M3);
    cfg.arbiter = (struct config_arbiter){
        .election_timeout_ms = 500, .heartbeat_ms = 50, .margin_ms = 60, .voters = 7};
    cfg.policy = (struct config_policy){
        .preempt = preempt,
        .preempt_delay_ms = 2000,
        .restart_attempts = 3,
        .restart_backoff_max_ms = 60000,
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
        .drain_timeout_ms = 5000,
        .close_timeout_ms = 2000,
        .switchover_timeout_ms = 5000,
        .action_timeout_ms = 2000,
        .start_timeout_ms = 20000,
        .vip_lifetime_ms = 3000,
    };
    cfg.n_vips = 1;
}

static bool is_settled(struct world *w, void *data)
{
    unsigned writer = *(unsigned *)data;
    unsigned standby = writer == M1 ? M2 : M1;
    const struct core *c = world_core(w, writer);
    return world_writer(w) == writer && c != NULL && c->record.writer == writer &&
           core_is_member(c, standby) && c->record.flags[standby] == 0 &&
           world_attached(w, standby, writer) && world_attached(w, M3, writer) &&
           world_attached(w, M4, M3) && world_attached(w, M5, M3);
}

static bool is_written(struct world *w, void *data)
{
    return world_writer(w) == *(unsigned *)data && world_now_us(w) - world_last_ack_us(w) < 20000;
}

static bool is_same(struct world *w, void *data)
{
    (void)data;
    return world_identical(w);
}

#define check(w, cond)             \
    do {                           \
        if (!(cond)) {             \
            world_dump(w);         \
            fail_msg("%s", #cond); \
        }                          \
    } while (0)

static struct world *start(bool preempt)
{
    unsigned m1 = M1;
    struct world *w;
    reference_topology(preempt);
    w = world_new(&cfg, 1);
    check(w, world_until(w, is_settled, &m1, 20000));
    world_write(w, true);
    check(w, world_until(w, is_written, &m1, 1000));
    world_run_ms(w, 200);
    return w;
}

static void finish(struct world *w)
{
    world_write(w, false);
    check(w, world_until(w, is_same, NULL, 20000));
    for (unsigned i = 0; i < 5; i++)
        check(w, world_lost(w, i) == 0);
    check(w, world_acks(w) > 100);
    check(w, !world_split(w));
    check(w, world_holders(w) <= 1);
    world_free(w);
}

static void test_cluster_forms(void **state)
{
    (void)state;
    finish(start(true));
}

static void test_mysqld_killed(void **state)
{
    unsigned m2 = M2;
    struct world *w = start(false);
    int64_t t;
    (void)state;
    t = world_now_us(w);
    world_kill_server(w, M1);
    check(w, world_until(w, is_written, &m2, 1000));
    check(w, world_now_us(w) - t < 200000);
    check(w, world_until(w, is_settled, &m2, 20000));
    finish(w);
}

static void test_document_test_with_preempt(void **state)
{
    unsigned m1 = M1, m2 = M2;
    struct world *w = start(true);
    (void)state;
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, is_written, &m2, 2000));
    world_run_ms(w, 3000);
    world_start_agent(w, M1);
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

static void test_mysqld_hangs(void **state)
{
    unsigned m2 = M2;
    struct world *w = start(false);
    (void)state;
    world_hang_server(w, M1, true);
    check(w, world_until(w, is_written, &m2, 2000));
    world_run_ms(w, 3000);
    world_hang_server(w, M1, false);
    check(w, world_until(w, is_settled, &m2, 30000));
    finish(w);
}

static void test_agent_killed_alone(void **state)
{
    unsigned m2 = M2;
    struct world *w = start(false);
    (void)state;
    world_kill_agent(w, M1);
    check(w, world_until(w, is_written, &m2, 2000));
    world_run_ms(w, 1000);
    world_start_agent(w, M1);
    check(w, world_until(w, is_settled, &m2, 30000));
    finish(w);
}

static void test_agent_hangs(void **state)
{
    unsigned m2 = M2;
    struct world *w = start(false);
    (void)state;
    world_hang_agent(w, M1, true);
    check(w, world_until(w, is_written, &m2, 2000));
    world_hang_agent(w, M1, false);
    check(w, world_until(w, is_settled, &m2, 30000));
    finish(w);
}

static void test_writer_cut_off(void **state)
{
    unsigned m2 = M2;
    struct world *w = start(false);
    (void)state;
    world_cut_all(w, M1, true);
    check(w, world_until(w, is_written, &m2, 3000));
    world_run_ms(w, 2000);
    world_cut_all(w, M1, false);
    check(w, world_until(w, is_settled, &m2, 30000));
    finish(w);
}

static void test_candidates_cut_off_from_each_other(void **state)
{
    unsigned m1 = M1;
    struct world *w = start(false);
    (void)state;
    world_cut(w, M1, M2, true);
    world_run_ms(w, 3000);
    check(w, is_written(w, &m1));
    check(w, !core_is_member(world_core(w, M1), M2));
    world_cut(w, M1, M2, false);
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

static void test_standby_dies(void **state)
{
    unsigned m1 = M1;
    struct world *w = start(false);
    int64_t t;
    (void)state;
    t = world_now_us(w);
    world_kill_server(w, M2);
    world_run_ms(w, 50);
    check(w, is_written(w, &m1));
    check(w, world_now_us(w) - t < 100000);
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

static bool children_on_writer(struct world *w, void *data)
{
    (void)data;
    return world_attached(w, M4, M1) && world_attached(w, M5, M1);
}

static void test_middle_node_dies(void **state)
{
    unsigned m1 = M1;
    struct world *w = start(false);
    (void)state;
    world_kill_agent(w, M3);
    world_kill_server(w, M3);
    check(w, world_until(w, children_on_writer, NULL, 10000));
    world_start_agent(w, M3);
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

static void test_switchover_and_back(void **state)
{
    unsigned m1 = M1, m2 = M2;
    struct command m = {.kind = COMMAND_SWITCHOVER, .node = M2};
    struct world *w = start(false);
    (void)state;
    world_command(w, M4, &m);
    check(w, world_until(w, is_settled, &m2, 10000));
    m.node = M1;
    world_command(w, M1, &m);
    check(w, world_until(w, is_settled, &m1, 10000));
    finish(w);
}

static void test_power_cut(void **state)
{
    unsigned m1 = M1;
    struct world *w = start(false);
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        world_kill_server(w, i);
        world_kill_agent(w, i);
    }
    world_run_ms(w, 1000);
    for (unsigned i = 5; i > 0; i--)
        world_start_agent(w, i - 1);
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

static void test_shutdown_of_the_writer_restarts_in_place(void **state)
{
    unsigned m1 = M1;
    struct world *w = start(false);
    (void)state;
    world_term_server(w, M1);
    check(w, world_until(w, is_written, &m1, 5000));
    check(w, world_until(w, is_settled, &m1, 30000));
    finish(w);
}

static void test_hiccup_is_no_takeover(void **state)
{
    unsigned m1 = M1;
    struct world *w = start(false);
    (void)state;
    world_hang_agent(w, M1, true);
    world_run_ms(w, 150);
    world_hang_agent(w, M1, false);
    world_run_ms(w, 1000);
    check(w, is_settled(w, &m1));
    check(w, world_core(w, M1)->record.n_promotions == 1);
    finish(w);
}

static void test_pause_and_resume(void **state)
{
    unsigned m1 = M1;
    struct command m = {.kind = COMMAND_PAUSE, .node = NODE_NONE};
    struct world *w = start(false);
    (void)state;
    world_command(w, M2, &m);
    world_run_ms(w, 200);
    check(w, world_core(w, M1)->record.paused);
    world_kill_agent(w, M1);
    world_run_ms(w, 2500);
    check(w, is_written(w, &m1));
    world_start_agent(w, M1);
    world_run_ms(w, 2000);
    check(w, is_written(w, &m1));
    m.kind = COMMAND_RESUME;
    world_command(w, M2, &m);
    check(w, world_until(w, is_settled, &m1, 20000));
    finish(w);
}

static void test_forced_failover(void **state)
{
    unsigned m2 = M2;
    struct command m = {.kind = COMMAND_FAILOVER, .node = M2};
    struct world *w = start(false);
    (void)state;
    /* m2 leaves the set, then the writer is gone for good: nobody may be promoted by itself. */
    world_kill_server(w, M2);
    world_run_ms(w, 100);
    world_kill_agent(w, M1);
    world_kill_server(w, M1);
    world_run_ms(w, 5000);
    check(w, world_writer(w) == NODE_NONE);
    world_command(w, M3, &m);
    world_run_ms(w, 200);
    check(w, strstr(world_last_reply(w), "--accept-data-loss") != NULL);
    m.flag = true;
    world_command(w, M3, &m);
    check(w, world_until(w, is_written, &m2, 10000));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_forms),
        cmocka_unit_test(test_mysqld_killed),
        cmocka_unit_test(test_document_test_with_preempt),
        cmocka_unit_test(test_mysqld_hangs),
        cmocka_unit_test(test_agent_killed_alone),
        cmocka_unit_test(test_agent_hangs),
        cmocka_unit_test(test_writer_cut_off),
        cmocka_unit_test(test_candidates_cut_off_from_each_other),
        cmocka_unit_test(test_standby_dies),
        cmocka_unit_test(test_middle_node_dies),
        cmocka_unit_test(test_switchover_and_back),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_shutdown_of_the_writer_restarts_in_place),
        cmocka_unit_test(test_hiccup_is_no_takeover),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_forced_failover),
    };
    return cmocka_run_group_tests_name("failover", tests, NULL, NULL);
}
