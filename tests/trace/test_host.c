/* SPDX-License-Identifier: Apache-2.0 */
/* Faults below the agents: power, raft disks, clocks, standstill, the agents' lines. Three
 * candidates, all of them vote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/world_private.h"
#include "trace_settings.h"

enum { M1, M2, M3, NODES };

static struct cluster_config cfg;

#define check(w, cond)             \
    do {                           \
        if (!(cond)) {             \
            world_dump(w);         \
            fail_msg("%s", #cond); \
        }                          \
    } while (0)

static void configure(void)
{
    memset(&cfg, 0, sizeof cfg);
    for (unsigned i = 0; i < NODES; i++) {
        struct config_node *n = &cfg.nodes[cfg.n_nodes++];
        (void)snprintf(n->name, sizeof n->name, "m%u", i + 1);
        (void)snprintf(n->address, sizeof n->address, "172.17.0.%u", 10 + i);
        n->role = CONFIG_ROLE_CANDIDATE;
        n->priority = 100 - 10 * i;
        n->source = NODE_NONE;
        n->mysql.port = 3306;
    }
    trace_settings(&cfg);
}

static bool is_written(struct world *w, void *data)
{
    return world_writer(w) == *(unsigned *)data && world_now_us(w) - world_last_ack_us(w) < 20000;
}

static bool is_whole(struct world *w, void *data)
{
    const struct record *r = world_record(w);
    unsigned writer = r->writer;
    (void)data;
    if (writer == NODE_NONE || !is_written(w, &writer))
        return false;
    for (unsigned i = 0; i < NODES; i++) {
        if (i != writer &&
            (r->flags[i] != 0 || !world_attached(w, i, writer) || (r->in_sync & (1u << i)) == 0))
            return false;
    }
    return true;
}

/* By whichever of the others: they may have heard the last heartbeat one interval apart, which is
 * as much as the better rank is worth. */
static bool is_taken_over(struct world *w, void *data)
{
    unsigned writer = world_record(w)->writer;
    (void)data;
    return writer != NODE_NONE && writer != M1 && is_written(w, &writer);
}

static struct world *start(uint64_t seed)
{
    unsigned m1 = M1;
    struct world *w;
    configure();
    w = world_new_of(&cfg, seed, SERVER_MYSQL);
    world_write(w, true);
    check(w, world_until(w, is_whole, NULL, 20000));
    check(w, is_written(w, &m1));
    world_run_ms(w, 200);
    return w;
}

static bool is_same(struct world *w, void *data)
{
    (void)data;
    return world_identical(w);
}

/* Whole again, and the same everywhere. */
static void finish(struct world *w)
{
    check(w, world_until(w, is_whole, NULL, 60000));
    world_write(w, false);
    check(w, world_until(w, is_same, NULL, 20000));
    check(w, world_violation(w) == NULL);
    world_free(w);
}

/* ---- the world itself ---- */

static struct world *story_of(uint64_t seed)
{
    struct world_faults faults = {.loss = 5, .transfer = 200};
    struct world *w = start(seed);
    world_set_faults(w, &faults);
    world_disk_slow(w, M2, 30);
    world_power_cut(w, M1);
    world_run_ms(w, 3000);
    world_start_agent(w, M1);
    world_stall_agent(w, M2, 700);
    world_cut_raft(w, M3, M2, true);
    world_run_ms(w, 5000);
    return w;
}

/* Nothing but the seed decides: no address, no clock, nothing that was not set. */
static void test_the_same_seed_tells_the_same_story(void **state)
{
    struct world *a = story_of(11), *b = story_of(11), *c = story_of(12);
    (void)state;
    assert_true(a->n_story > 200 && a->n_story < STORY_MAX);
    assert_int_equal(a->n_story, b->n_story);
    for (unsigned i = 0; i < a->n_story; i++)
        assert_string_equal(a->story[i], b->story[i]);
    assert_int_not_equal(memcmp(a->story, c->story, sizeof a->story), 0);
    world_free(a);
    world_free(b);
    world_free(c);
}

/* ---- power ---- */

static void test_power_cut_of_the_writer(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct world *w = start(seed);
        world_power_cut(w, M1);
        check(w, world_until(w, is_taken_over, NULL, 3000));
        world_start_agent(w, M1);
        finish(w);
    }
}

/* Everybody's log and everybody's vote come from the disks. */
static void test_power_cut_of_all(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct world *w = start(seed);
        uint64_t epoch = world_record(w)->epoch;
        uint64_t term = w->term;
        for (unsigned i = 0; i < NODES; i++)
            world_power_cut(w, i);
        world_run_ms(w, 1000);
        check(w, world_writer(w) == NODE_NONE);
        for (unsigned i = 0; i < NODES; i++)
            world_start_agent(w, i);
        check(w, world_until(w, is_whole, NULL, 20000));
        check(w, world_record(w)->epoch >= epoch && w->term > term);
        finish(w);
    }
}

/* More entries than the log keeps: who was away gets a snapshot, and starts from its own later. */
static void test_snapshots_are_taken_sent_and_read(void **state)
{
    struct command m = {.kind = COMMAND_NO_PROMOTE, .node = M3};
    struct world *w = start(3);
    (void)state;
    world_kill_agent(w, M3);
    world_kill_server(w, M3);
    for (unsigned i = 0; i < 60; i++) {
        m.flag = i % 2 == 0;
        world_command(w, M1, &m);
        world_run_ms(w, 50);
    }
    check(w, sim_disk_snapshot_index(w->host[M1].disk) > 24);
    check(w, sim_disk_first_index(w->host[M1].disk) > sim_disk_last_index(w->host[M3].disk));
    world_start_agent(w, M3);
    check(w, world_until(w, is_whole, NULL, 20000));
    check(w, sim_disk_snapshot_index(w->host[M3].disk) > 24);
    world_power_cut(w, M3);
    world_run_ms(w, 1000);
    world_start_agent(w, M3);
    finish(w);
}

/* ---- raft disks ---- */

static void test_slow_raft_disk_costs_no_role(void **state)
{
    unsigned m1 = M1;
    struct world *w = start(1);
    (void)state;
    world_disk_slow(w, M1, 200);
    world_run_ms(w, 5000);
    check(w, is_written(w, &m1));
    check(w, world_record(w)->n_promotions == 1);
    world_disk_slow(w, M1, 0);
    finish(w);
}

static void lose_raft_disk(void (*fault)(struct world *w, unsigned node, bool bad))
{
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct command m = {.kind = COMMAND_NO_PROMOTE, .node = M3, .flag = true};
        unsigned m2 = M2;
        struct world *w = start(seed);
        fault(w, M1, true);
        world_command(w, M1, &m); /* something to write */
        check(w, world_until(w, is_written, &m2, 10000));
        world_run_ms(w, 2000);
        check(w, world_leader(w) != M1);
        fault(w, M1, false);
        world_run_ms(w, 1000);
        m.flag = false;
        world_command(w, M2, &m);
        finish(w);
    }
}

static void test_full_raft_disk_hands_the_role_over(void **state)
{
    (void)state;
    lose_raft_disk(world_disk_full);
}

static void test_failing_raft_disk_hands_the_role_over(void **state)
{
    (void)state;
    lose_raft_disk(world_disk_fail);
}

/* ---- lines ---- */

/* Replication goes on, so commits could be acknowledged; the lease is what stops them. */
static void test_agents_cut_off_while_replication_lives(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct world *w = start(seed);
        bool one_way = seed % 2 == 0;
        for (unsigned i = M2; i < NODES; i++) {
            world_cut_raft(w, M1, i, true);
            world_cut_raft(w, i, M1, !one_way);
        }
        check(w, world_until(w, is_taken_over, NULL, 5000));
        for (unsigned i = M2; i < NODES; i++) {
            world_cut_raft(w, M1, i, false);
            world_cut_raft(w, i, M1, false);
        }
        finish(w);
    }
}

/* ---- time ---- */

static void test_short_standstill_costs_no_role(void **state)
{
    unsigned m1 = M1;
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct world *w = start(seed);
        world_stall_agent(w, M1, 200);
        world_run_ms(w, 2000);
        check(w, is_written(w, &m1));
        check(w, world_record(w)->n_promotions == 1);
        finish(w);
    }
}

/* The old writer's agent wakes up in the term of another one. */
static void test_long_standstill_of_the_writers_agent(void **state)
{
    unsigned m2 = M2;
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct world *w = start(seed);
        world_stall_agent(w, M1, 3000);
        check(w, world_until(w, is_written, &m2, 2000));
        finish(w);
    }
}

/* The writer's clock is as slow, the others' as fast as is allowed for: its lease ends in time. */
static void test_leases_hold_with_clocks_at_their_limits(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        struct world *w = start(seed);
        world_clock_rate(w, M1, -500);
        world_clock_rate(w, M2, 500);
        world_clock_rate(w, M3, 500);
        world_run_ms(w, 1000);
        world_cut_all(w, M1, true);
        check(w, world_until(w, is_taken_over, NULL, 5000));
        world_cut_all(w, M1, false);
        finish(w);
    }
}

/* Beyond it the promise ends: the checks would see it. The writer's agent is stopped, so that
 * nothing but the kernel's lease closes its server. */
static void test_a_wild_clock_is_found_out(void **state)
{
    unsigned broken = 0;
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        struct world *w = start(seed);
        world_clock_rate(w, M1, -400000);
        world_run_ms(w, 1000);
        world_hang_agent(w, M1, true);
        world_run_ms(w, 3000);
        broken += world_violation(w) != NULL;
        world_free(w);
    }
    assert_true(broken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_seed_tells_the_same_story),
        cmocka_unit_test(test_power_cut_of_the_writer),
        cmocka_unit_test(test_power_cut_of_all),
        cmocka_unit_test(test_snapshots_are_taken_sent_and_read),
        cmocka_unit_test(test_slow_raft_disk_costs_no_role),
        cmocka_unit_test(test_full_raft_disk_hands_the_role_over),
        cmocka_unit_test(test_failing_raft_disk_hands_the_role_over),
        cmocka_unit_test(test_agents_cut_off_while_replication_lives),
        cmocka_unit_test(test_short_standstill_costs_no_role),
        cmocka_unit_test(test_long_standstill_of_the_writers_agent),
        cmocka_unit_test(test_leases_hold_with_clocks_at_their_limits),
        cmocka_unit_test(test_a_wild_clock_is_found_out),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
