/* SPDX-License-Identifier: Apache-2.0 */
/* Each checker of sim/checkers can fire: the breach is made by hand, beside every core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/topology.h"
#include "sim/world_private.h"
#include "trace_settings.h"

enum { M1, M2, M3 };

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

static void cluster(void)
{
    memset(&cfg, 0, sizeof cfg);
    trace_settings(&cfg);
    add_node(CONFIG_ROLE_CANDIDATE, 100);
    add_node(CONFIG_ROLE_CANDIDATE, 50);
    add_node(CONFIG_ROLE_REPLICA, 0);
}

static bool is_whole(struct world *w, void *data)
{
    (void)data;
    return world_unsettled(w) == NULL;
}

static struct world *start_cluster(int flavour)
{
    struct world *w = world_new_of(&cfg, 7, flavour);
    world_write(w, true);
    assert_true(world_until(w, is_whole, NULL, 20000));
    world_run_ms(w, 500);
    assert_null(world_violation(w));
    return w;
}

static struct world *start(int flavour)
{
    cluster();
    return start_cluster(flavour);
}

/* With an arbitration address. */
static struct world *start_pair(void)
{
    struct errmsg msg = ERRMSG_INIT;
    topology_clear(&cfg);
    cfg.nodes[topology_add(&cfg, "m1", CONFIG_ROLE_CANDIDATE)].priority = 100;
    cfg.nodes[topology_add(&cfg, "m2", CONFIG_ROLE_CANDIDATE)].priority = 50;
    (void)topology_add(&cfg, "gw", CONFIG_ROLE_WITNESS);
    assert_int_equal(topology_make_pair(&cfg, &msg), 0);
    return start_cluster(SERVER_MARIADB);
}

/* The breach has been seen, under the name of its rule. */
static void fires(struct world *w, const char *rule)
{
    const char *text = world_violation(w);
    if (text == NULL || strncmp(text, rule, strlen(rule)) != 0) {
        world_dump(w);
        fail_msg("%s did not fire: %s", rule, text != NULL ? text : "nothing did");
    }
    world_free(w);
}

static void open_door(struct world *w, unsigned node)
{
    w->host[node].lease_until_us = INT64_MAX;
}

/* ---- S1 and the VIP ---- */

static void test_s1_two_open_servers(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    open_door(w, M2);
    sim_check_by_hand(w, M2);
    w->host[M2].server.read_only = false;
    world_run_ms(w, 1);
    fires(w, "S1:");
}

/* A client of the standby's own address. */
static void test_s1_acknowledged_by_another(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    (void)state;
    check_s1_ack(w, M2);
    fires(w, "S1:");
}

static void test_s1_older_epoch(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    w->checks.acker = M2;
    w->checks.acker_epoch = w->committed->epoch + 1;
    check_s1_ack(w, M1);
    fires(w, "S1:");
}

static void test_vip_on_two_hosts(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    open_door(w, M2);
    w->host[M2].vip = true;
    w->host[M2].vip_until_us = INT64_MAX;
    world_run_ms(w, 1);
    fires(w, "VIP:");
}

/* Cut off from all, it takes the address away, and somebody puts it back. */
static void test_vip_stays(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    world_cut_all(w, M1, true);
    for (unsigned ms = 0; ms < 3000; ms++) {
        w->host[M1].vip = true;
        w->host[M1].vip_until_us = INT64_MAX;
        world_run_ms(w, 1);
    }
    fires(w, "VIP:");
}

/* As long as the voters wait, without anything taken off. */
static void test_s1_lease_without_a_margin(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct arbiter_timing timing = sim_raft_timing(w->cfg);
    int64_t heard_us = w->checks.heard[M2].at_us;
    (void)state;
    assert_int_equal(w->checks.heard[M2].leader, M1);
    if (w->checks.heard[M3].at_us > heard_us)
        heard_us = w->checks.heard[M3].at_us;
    heard_us = sim_clock_local(&w->host[M1].clock, heard_us);
    check_s1_lease(w, M1, w->term, heard_us + timing.election_timeout_us - timing.margin_us);
    assert_null(world_violation(w));
    check_s1_lease(w, M1, w->term, heard_us + timing.election_timeout_us);
    fires(w, "S1:");
}

/* What the voters have heard of another term keeps them from nothing. */
static void test_s1_lease_of_another_term(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    check_s1_lease(w, M1, w->term + 1, w->host[M1].raft_lease_local_us);
    fires(w, "S1:");
}

/* The other node may lead two intervals after the last message that it has worked on. */
static void test_s1_lease_of_a_pair_without_a_margin(void **state)
{
    struct world *w = start_pair();
    int64_t interval_us = (int64_t)cfg.vrrp.advert_interval_ms * 1000;
    int64_t proof_us = sim_clock_local(&w->host[M1].clock, w->checks.pair_proof_us[M1]);
    (void)state;
    assert_int_equal(w->leader, M1);
    sim_check_pair_lease(w, M1, interval_us, proof_us + 2 * interval_us - interval_us / 10);
    assert_null(world_violation(w));
    sim_check_pair_lease(w, M1, interval_us, proof_us + 2 * interval_us);
    fires(w, "S1:");
}

/* ---- S2 ---- */

/* The server lets go what nobody else has. */
static void s2_lone_commit(int flavour)
{
    struct world *w = start(flavour);
    world_cut_sql(w, M1, M2, true);
    sim_set_source_side(&w->host[M1].server, false);
    world_run_ms(w, 50);
    fires(w, "S2:");
}

static void test_s2_lone_commit(void **state)
{
    (void)state;
    s2_lone_commit(SERVER_MYSQL);
    s2_lone_commit(SERVER_MARIADB);
}

static uint32_t lone_txn(struct world *w)
{
    return sim_txn_new(w, M1, 1000000, TXN_CLIENT);
}

static void test_s2_promotion_without_it(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct entry e = {.kind = ENTRY_PROMOTE, .node = M2, .flag = true};
    (void)state;
    sim_txn(w, lone_txn(w))->acked = true;
    check_s2_entry(w, &e, 0);
    fires(w, "S2:");
}

static void test_s2_forced_promotion_gives_up(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct entry e = {.kind = ENTRY_PROMOTE, .node = M2, .flag = false};
    (void)state;
    sim_txn(w, lone_txn(w))->acked = true;
    check_s2_entry(w, &e, 0);
    e.flag = true;
    check_s2_entry(w, &e, 0);
    assert_null(world_violation(w));
    world_free(w);
}

static void test_s2_member_without_it(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    struct entry e = {.kind = ENTRY_GROW, .node = M2};
    (void)state;
    sim_txn(w, lone_txn(w))->acked = true;
    check_s2_entry(w, &e, 0);
    fires(w, "S2:");
}

/* From the call of the proposal on it counts, until the outcome is known. */
static void test_s2_without_the_unresolved(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct entry e = {.kind = ENTRY_GROW, .node = M3, .incarnation = sim_incarnation(w, M3)};
    (void)state;
    world_cut_sql(w, M1, M3, true);
    check_s2_proposed(w, M1, 99, &e);
    check_s2_settled(w, M1, 99);
    world_run_ms(w, 50);
    assert_null(world_violation(w));
    check_s2_proposed(w, M1, 99, &e);
    world_run_ms(w, 50);
    fires(w, "S2:");
}

static void test_s2_value_that_was_read(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct entry e = {.kind = ENTRY_PROMOTE, .node = M2, .flag = true};
    (void)state;
    check_s2_read(w, M1, lone_txn(w));
    check_s2_entry(w, &e, 0);
    fires(w, "S2:");
}

/* He asks the writer again for what he was told. */
static void test_s2_client_does_not_find_it(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    uint32_t id = lone_txn(w);
    (void)state;
    check_s2_remembered(w, M1, id);
    assert_null(world_violation(w));
    sim_txn(w, id)->acked = true;
    check_s2_remembered(w, M1, id);
    fires(w, "S2: a client of m1");
}

/* A wait that is ended although nobody has it; with an empty set that is no loss yet. */
static void test_s2_strict_on_one_host(void **state)
{
    struct world *w;
    struct server *s;
    (void)state;
    cluster();
    cfg.policy.durability = CONFIG_DURABILITY_STRICT;
    w = start_cluster(SERVER_MARIADB);
    s = &w->host[M1].server;
    world_cut_sql(w, M1, M2, true);
    world_cut_sql(w, M1, M3, true);
    world_run_ms(w, 50);
    assert_true(s->n_waiters > 0);
    w->host[M2].server.pid++; /* of another run: no member any more */
    check_s2_ack(w, M1, s->binlog.id[s->binlog.count - 1]);
    fires(w, "S2: strict");
}

/* ---- S3, S4, S5 ---- */

static void test_s3_open_by_itself(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    world_kill_agent(w, M2);
    world_kill_server(w, M2);
    world_start_server(w, M2);
    w->host[M2].server.read_only = false;
    world_run_ms(w, 1);
    fires(w, "S3:");
}

static void test_s3_replicates_by_itself(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    (void)state;
    world_kill_agent(w, M3);
    world_kill_server(w, M3);
    world_start_server(w, M3);
    sim_start_threads(w, M3, true, true);
    world_run_ms(w, 1);
    fires(w, "S3:");
}

static void test_s3_last_writer_started_elsewhere(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    w->leader = M2;
    check_s3_start(w, M1, /* by_agent= */ true);
    fires(w, "S3:");
}

static void s4_opened(unsigned node, bool open, bool source_side)
{
    struct world *w = start(SERVER_MYSQL);
    struct sql_statement st = {
        .kind = SQL_READ_ONLY_OFF, .open = open, .leased = true, .term = w->committed->epoch};
    w->host[node].server.source_side = source_side;
    check_s4_statement(w, node, &st);
    fires(w, "S4:");
}

static void test_s4_opened_elsewhere(void **state)
{
    (void)state;
    s4_opened(M2, /* open= */ true, /* source_side= */ true);
}

static void test_s4_opened_by_another_job(void **state)
{
    (void)state;
    s4_opened(M1, /* open= */ false, /* source_side= */ true);
}

static void test_s4_opened_without_semi_sync(void **state)
{
    (void)state;
    s4_opened(M1, /* open= */ true, /* source_side= */ false);
}

static void test_s4_opened_in_an_older_term(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct sql_statement st = {.kind = SQL_READ_ONLY_OFF, .open = true, .leased = true};
    (void)state;
    check_s4_statement(w, M1, &st);
    fires(w, "S4: m1 is opened in term 0");
}

static void test_s4_opened_without_a_lease(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct sql_statement st = {
        .kind = SQL_READ_ONLY_OFF, .open = true, .term = w->committed->epoch};
    (void)state;
    check_s4_statement(w, M1, &st);
    fires(w, "S4: m1 is opened without a lease");
}

/* One member in the record, and a grow of another under way: it waits for one only. */
static void test_s4_opened_without_the_unresolved(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct entry e = {.kind = ENTRY_GROW, .node = M3, .incarnation = sim_incarnation(w, M3)};
    struct sql_statement st = {
        .kind = SQL_READ_ONLY_OFF, .open = true, .leased = true, .term = w->committed->epoch};
    (void)state;
    check_s4_statement(w, M1, &st);
    assert_null(world_violation(w));
    check_s2_proposed(w, M1, 99, &e);
    check_s4_statement(w, M1, &st);
    fires(w, "S4: m1 opens with 2 members and waits for 1");
}

static void test_s5_after_the_lease(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    (void)state;
    w->host[M1].lease_until_us = w->now_us - 1;
    check_s5_ack(w, M1);
    fires(w, "S5:");
}

static void test_s5_while_another_leads(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    w->leader = M2;
    check_s5_ack(w, M1);
    fires(w, "S5:");
}

/* ---- S6 ---- */

/* The adapter is made to cut without a copy. */
static void test_s6_cut_without_a_copy(void **state)
{
    struct world_faults faults = {.no_salvage = true};
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    world_set_faults(w, &faults);
    world_cut_sql(w, M1, M2, true);
    world_cut_sql(w, M1, M3, true);
    world_run_ms(w, 100);
    world_kill_server(w, M1);
    world_run_ms(w, 10000);
    fires(w, "S6:");
}

static void test_s6_cut_although_it_was_promised(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct entry e = {.kind = ENTRY_PROMOTE, .node = M2, .flag = false};
    uint32_t id = lone_txn(w);
    (void)state;
    check_s6_cut(w, M1, id);
    assert_null(world_violation(w));
    sim_txn(w, id)->acked = true;
    check_s2_entry(w, &e, 0);
    check_s6_cut(w, M1, id);
    fires(w, "S6:");
}

static void test_grow_only(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    (void)state;
    check_grow_only(w, M3, w->host[M3].server.binlog.id[0]);
    fires(w, "grow-only:");
}

/* ---- S7 ---- */

/* MariaDB's position is ahead of what is really there (T10). */
static void test_s7_position_that_skips(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    struct server *s = &w->host[M3].server;
    (void)state;
    world_kill_agent(w, M3);
    sim_stop_threads(w, M3, 0, true, true);
    world_run_ms(w, 100);
    s->slave_pos = sim_gtid(w, w->host[M1].server.binlog.id[w->host[M1].server.committed - 1]);
    sim_start_threads(w, M3, true, true);
    world_run_ms(w, 100);
    fires(w, "S7:");
}

static void test_s7_attached_with_more(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct server *s = &w->host[M3].server;
    struct sql_statement st = {.kind = SQL_CHANGE, .node = M1, .term = w->committed->epoch};
    (void)state;
    check_s7_statement(w, M3, &st);
    assert_null(world_violation(w));
    sim_data_add(w, s, lone_txn(w));
    check_s7_statement(w, M3, &st);
    fires(w, "S7:");
}

/* By hand, with a GTID of its own: it can be seen as soon as somebody has looked. */
static void test_s7_attached_with_more_by_hand(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct server *s = &w->host[M3].server;
    struct sql_statement st = {.kind = SQL_CHANGE, .node = M1, .term = w->committed->epoch};
    uint32_t id = sim_txn_new(w, M3, 1, TXN_HAND);
    (void)state;
    sim_data_add(w, s, id);
    check_s7_statement(w, M3, &st);
    assert_null(world_violation(w));
    w->now_us += 5000001;
    check_s7_statement(w, M3, &st);
    assert_null(world_violation(w)); /* not in its books: a rewind has cut it there */
    book_add(w, &s->book, id);
    check_s7_statement(w, M3, &st);
    fires(w, "S7:");
}

static void test_s7_applied_twice(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    (void)state;
    check_s7_apply(w, M3, w->host[M3].server.binlog.id[0]);
    fires(w, "S7:");
}

/* MySQL accepts a replica with a transaction of its own (T11); here nobody looks. */
static void test_s7_extra_stays_attached(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    for (unsigned i = 0; i < cfg.n_nodes; i++)
        world_kill_agent(w, i);
    world_errant(w, M3);
    world_run_ms(w, 31000);
    fires(w, "S7:");
}

/* ---- S8, S9, S10, convergence ---- */

static void test_s8_never_whole(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    world_kill_agent(w, M2);
    world_kill_server(w, M2);
    world_freeze(w, 1000);
    world_run_ms(w, 1100);
    fires(w, "S8:");
}

static void test_s8_whole_in_time(void **state)
{
    struct world *w = start(SERVER_MARIADB);
    (void)state;
    world_kill_server(w, M2);
    world_freeze(w, 20000);
    world_run_ms(w, 21000);
    assert_null(world_violation(w));
    world_free(w);
}

/* An agent dies, and no client is served any more though nothing else is wrong. */
static void test_s9_outage(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    (void)state;
    world_kill_agent(w, M3);
    world_run_ms(w, 200);
    w->n_clients = 0;
    world_run_ms(w, 9000);
    fires(w, "S9:");
}

/* The writer's own agent is waited for; beside a dead one of the other host writes go on. */
static void s9_outage_of_a_pair(unsigned node, const char *rule)
{
    struct world *w = start_pair();
    assert_int_equal(w->committed->writer, M1);
    world_kill_agent(w, node);
    world_run_ms(w, 200);
    w->n_clients = 0;
    world_run_ms(w, 9000);
    if (rule != NULL) {
        fires(w, rule);
        return;
    }
    assert_null(world_violation(w));
    world_free(w);
}

static void test_s9_outage_of_a_pair(void **state)
{
    (void)state;
    s9_outage_of_a_pair(M1, NULL);
    s9_outage_of_a_pair(M2, "S9:");
}

/* CLOSE waits behind a long transaction when its agent dies; the next one does not wait for its
 * end. */
static void s10_late_statement(bool no_lock)
{
    struct world_faults faults = {.no_lock = no_lock};
    struct world *w = start(SERVER_MYSQL);
    struct event ev = {.kind = EVENT_REQUEST, .from = M1};
    world_set_faults(w, &faults);
    world_busy(w, M3, true);
    ev.u.request.term = world_core(w, M3)->term;
    ev.u.request.id = 1000000;
    ev.u.request.job = (struct job){.kind = JOB_CLOSE, .timeout_ms = 5000};
    world_inject(w, M3, &ev);
    world_run_ms(w, 10);
    world_kill_agent(w, M3);
    world_start_agent(w, M3);
    world_run_ms(w, 100);
    ev.u.request.term += 5;
    ev.u.request.job.kind = JOB_DETACH;
    world_inject(w, M3, &ev);
    world_run_ms(w, 100);
    world_busy(w, M3, false);
    world_run_ms(w, 100);
    if (no_lock) {
        fires(w, "S10:");
        return;
    }
    assert_null(world_violation(w));
    world_free(w);
}

static void test_s10_late_statement(void **state)
{
    (void)state;
    s10_late_statement(/* no_lock= */ false);
    s10_late_statement(/* no_lock= */ true);
}

static void test_converge_same_books_other_data(void **state)
{
    struct world *w = start(SERVER_MYSQL);
    struct server *s = &w->host[M3].server;
    uint32_t id = s->binlog.id[0];
    (void)state;
    world_write(w, false);
    world_run_ms(w, 300);
    bits_put(&s->data, id, false);
    s->data_hash ^= sim_hash(id + 1);
    for (unsigned i = 0; i < cfg.n_nodes; i++)
        world_kill_agent(w, i);
    world_run_ms(w, 31000);
    fires(w, "converge:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_two_open_servers),
        cmocka_unit_test(test_s1_acknowledged_by_another),
        cmocka_unit_test(test_s1_older_epoch),
        cmocka_unit_test(test_vip_on_two_hosts),
        cmocka_unit_test(test_vip_stays),
        cmocka_unit_test(test_s1_lease_without_a_margin),
        cmocka_unit_test(test_s1_lease_of_another_term),
        cmocka_unit_test(test_s1_lease_of_a_pair_without_a_margin),
        cmocka_unit_test(test_s2_lone_commit),
        cmocka_unit_test(test_s2_promotion_without_it),
        cmocka_unit_test(test_s2_forced_promotion_gives_up),
        cmocka_unit_test(test_s2_member_without_it),
        cmocka_unit_test(test_s2_without_the_unresolved),
        cmocka_unit_test(test_s2_value_that_was_read),
        cmocka_unit_test(test_s2_client_does_not_find_it),
        cmocka_unit_test(test_s2_strict_on_one_host),
        cmocka_unit_test(test_s3_open_by_itself),
        cmocka_unit_test(test_s3_replicates_by_itself),
        cmocka_unit_test(test_s3_last_writer_started_elsewhere),
        cmocka_unit_test(test_s4_opened_elsewhere),
        cmocka_unit_test(test_s4_opened_by_another_job),
        cmocka_unit_test(test_s4_opened_without_semi_sync),
        cmocka_unit_test(test_s4_opened_in_an_older_term),
        cmocka_unit_test(test_s4_opened_without_a_lease),
        cmocka_unit_test(test_s4_opened_without_the_unresolved),
        cmocka_unit_test(test_s5_after_the_lease),
        cmocka_unit_test(test_s5_while_another_leads),
        cmocka_unit_test(test_s6_cut_without_a_copy),
        cmocka_unit_test(test_s6_cut_although_it_was_promised),
        cmocka_unit_test(test_grow_only),
        cmocka_unit_test(test_s7_position_that_skips),
        cmocka_unit_test(test_s7_attached_with_more),
        cmocka_unit_test(test_s7_attached_with_more_by_hand),
        cmocka_unit_test(test_s7_applied_twice),
        cmocka_unit_test(test_s7_extra_stays_attached),
        cmocka_unit_test(test_s8_never_whole),
        cmocka_unit_test(test_s8_whole_in_time),
        cmocka_unit_test(test_s9_outage),
        cmocka_unit_test(test_s9_outage_of_a_pair),
        cmocka_unit_test(test_s10_late_statement),
        cmocka_unit_test(test_converge_same_books_other_data),
    };
    return cmocka_run_group_tests_name("checkers", tests, NULL, NULL);
}
