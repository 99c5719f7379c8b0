/* SPDX-License-Identifier: Apache-2.0 */
/* How nodes come back: what an old writer's tail is judged by, and what a replica is looked at for
 * before it follows somebody else. */
#include "small_cluster.h"

static struct cluster_config cfg;

/* m1's lines to the others are cut and its last commits wait; then mysqld and its agent are killed.
 * m2 takes over. */
static struct world *lose_the_writer_with_a_tail(void)
{
    unsigned m2 = M2;
    struct world *w = small_cluster_start(&cfg);
    world_cut_sql(w, M1, M2, true);
    world_cut_sql(w, M1, M3, true);
    world_run_ms(w, 20);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_cut_sql(w, M1, M2, false);
    world_cut_sql(w, M1, M3, false);
    check(w, world_until(w, small_cluster_is_written, &m2, 5000));
    return w;
}

static bool is_member(struct world *w, void *data)
{
    return !small_cluster_is_no_member(w, data);
}

/* ---- the rewind ---- */

/* Somebody has the transactions of the tail skipped on the new writer, as one does with what is
 * found on one server alone: it has their numbers now, and nothing of what is in them. The tail is
 * not in the seal, so it is not on the line, and no number makes it so. */
static void test_numbers_on_the_writer_do_not_excuse_a_tail(void **state)
{
    unsigned m1 = M1;
    struct world *w;
    uint64_t first, last;
    (void)state;
    small_cluster(&cfg);
    w = lose_the_writer_with_a_tail();
    first = world_last_number(w, M2, M1) + 1;
    last = world_last_number(w, M1, M1);
    assert_true(first <= last);
    for (uint64_t n = first; n <= last; n++)
        world_commit_as(w, M2, M1, n);
    world_run_ms(w, 500);
    world_start_agent(w, M1);
    check(w, world_until(w, small_cluster_is_quarantined, &m1, 20000));
    check(w, world_until(w, small_cluster_is_salvaged, &m1, 10000));
    small_cluster_finish(w);
}

/* m1 acknowledges with an empty set; it dies, and m2 is promoted by an order that accepts the loss.
 * Another promotion follows, a clean one. m1's commits are still what clients were promised. */
static void test_a_clean_promotion_excuses_no_forced_one(void **state)
{
    struct command force = {.kind = COMMAND_FAILOVER, .node = M2, .flag = true};
    struct command on = {.kind = COMMAND_SWITCHOVER, .node = M3};
    unsigned m1 = M1, m2 = M2, m3 = M3;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    w = small_cluster_start(&cfg);
    world_cut_sql(w, M1, M2, true);
    world_cut_sql(w, M1, M3, true);
    check(w, world_until(w, small_cluster_is_no_member, &m2, 8000));
    check(w, world_until(w, small_cluster_is_no_member, &m3, 8000));
    check(w, world_until(w, small_cluster_is_written, &m1, 2000));
    world_run_ms(w, 200);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_cut_sql(w, M1, M2, false);
    world_cut_sql(w, M1, M3, false);
    world_run_ms(w, 3000);
    world_command(w, M3, &force);
    check(w, world_until(w, small_cluster_is_written, &m2, 10000));
    check(w, world_until(w, is_member, &m3, 10000));
    world_command(w, M2, &on);
    check(w, world_until(w, small_cluster_is_written, &m3, 10000));
    world_start_agent(w, M1);
    check(w, world_until(w, small_cluster_is_quarantined, &m1, 20000));
    small_cluster_finish(w);
}

/* ---- the look before a move ---- */

static bool is_compared(struct world *w, void *data)
{
    const struct core *core = world_core(w, M2);
    (void)data;
    return strncmp(core->lead.repair[M3].state, "comparing", 9) == 0;
}

/* m3's agent was not there while m2 took over, so its server was not sealed; m1, cut off, still
 * runs and holds what nobody was promised. The line between the two comes back while m3 is looked
 * at. */
static void move_while_the_old_line_heals(unsigned ms)
{
    unsigned m2 = M2;
    struct world *w;
    small_cluster(&cfg);
    small_cluster_add(&cfg, CONFIG_ROLE_WITNESS, 0);
    small_cluster_add(&cfg, CONFIG_ROLE_WITNESS, 0);
    cfg.arbiter.voters = 31;
    w = small_cluster_start(&cfg);
    world_cut_sql(w, M1, M2, true);
    world_cut_sql(w, M1, M3, true);
    world_run_ms(w, 20);
    world_hang_agent(w, M1, true);
    world_kill_agent(w, M3);
    check(w, world_until(w, small_cluster_is_written, &m2, 5000));
    world_run_ms(w, 200);
    world_start_agent(w, M3);
    check(w, world_until(w, is_compared, NULL, 5000));
    world_run_ms(w, ms);
    world_cut_sql(w, M1, M3, false);
    world_run_ms(w, 2000);
    small_cluster_finish(w);
}

static void test_who_is_to_move_is_stopped_first(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 20; ms++)
        move_while_the_old_line_heals(ms);
}

/* m3 has received the tail of an old writer and not applied it; its agent was not there while m2
 * took over, so nobody has fetched it. What lies in its relay log would be applied before it moves.
 */
static void test_what_is_not_applied_is_looked_for_too(void **state)
{
    unsigned m2 = M2, m3 = M3;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    small_cluster_add(&cfg, CONFIG_ROLE_WITNESS, 0);
    small_cluster_add(&cfg, CONFIG_ROLE_WITNESS, 0);
    cfg.arbiter.voters = 31;
    w = small_cluster_start(&cfg);
    world_kill_agent(w, M3);
    world_threads(w, M3, true, false);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 20);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    check(w, world_until(w, small_cluster_is_written, &m2, 5000));
    world_start_agent(w, M3);
    check(w, world_until(w, small_cluster_is_quarantined, &m3, 20000));
    check(w, world_until(w, small_cluster_is_salvaged, &m3, 20000));
    small_cluster_finish(w);
}

static bool is_looked_at(struct world *w, void *data)
{
    (void)data;
    return strncmp(world_core(w, M1)->lead.repair[M3].state, "comparing", 9) == 0;
}

/* m3 has received and applied what still waits on the writer. While the writer is looked at the
 * wait ends: it was read before that it lacks them, and after it that nothing waits. */
static void test_a_look_that_comes_between_is_no_reason(void **state)
{
    unsigned m3 = M3;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    w = small_cluster_start(&cfg);
    world_slow_look(w, M1, 40);
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 20);
    world_threads(w, M3, false, true);
    check(w, world_until(w, is_looked_at, NULL, 5000));
    world_run_ms(w, 20);
    world_write(w, false);
    world_cut_sql(w, M1, M2, false);
    for (unsigned ms = 0; ms < 5000; ms++) {
        world_run_ms(w, 1);
        check(w, !small_cluster_is_quarantined(w, &m3));
    }
    check(w, world_attached(w, M3, M1));
    small_cluster_finish(w);
}

/* ---- twins ---- */

static bool is_named(struct world *w, void *data)
{
    const struct lead *l = &world_core(w, M1)->lead;
    (void)data;
    return strncmp(l->repair[M3].state, "has the server_id of m4", 23) == 0 &&
           strncmp(l->repair[M4].state, "has the server_id of m3", 23) == 0;
}

static bool is_named_no_more(struct world *w, void *data)
{
    const struct lead *l = &world_core(w, M1)->lead;
    (void)data;
    return l->repair[M3].state[0] == '\0' && l->repair[M4].state[0] == '\0';
}

/* m4's my.cnf has the server_id of m3. Their servers tell no error, so only the two numbers do. */
static void test_twins_without_an_error_are_named(void **state)
{
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    small_cluster_add(&cfg, CONFIG_ROLE_REPLICA, 0);
    w = small_cluster_start(&cfg);
    world_server_id(w, M4, M3 + 1);
    check(w, world_until(w, is_named, NULL, 5000));
    check(w, world_core(w, M1)->record.flags[M3] == 0 && world_core(w, M1)->record.flags[M4] == 0);
    world_server_id(w, M4, M4 + 1);
    check(w, world_until(w, is_named_no_more, NULL, 10000));
    small_cluster_finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_on_the_writer_do_not_excuse_a_tail),
        cmocka_unit_test(test_a_clean_promotion_excuses_no_forced_one),
        cmocka_unit_test(test_who_is_to_move_is_stopped_first),
        cmocka_unit_test(test_what_is_not_applied_is_looked_for_too),
        cmocka_unit_test(test_a_look_that_comes_between_is_no_reason),
        cmocka_unit_test(test_twins_without_an_error_are_named),
    };
    return cmocka_run_group_tests_name("return", tests, NULL, NULL);
}
