/* SPDX-License-Identifier: Apache-2.0 */
/* A standby becomes a member of the in-sync set: what may happen between two of its steps. */
#include "small_cluster.h"

static struct cluster_config cfg;

/* m1 grows the set, and the procedure is at that step: data is its name. */
static bool grow_is_at(struct world *w, void *data)
{
    const struct proc *p = &world_core(w, M1)->lead.proc;
    return proc_is_running(p) && strcmp(p->kind->name, "grow") == 0 &&
           strcmp(p->kind->steps[p->step].name, data) == 0;
}

/* m2 has left the set, has come back, and is being taken in again. */
static struct world *grow_until(const char *step)
{
    unsigned m2 = M2;
    struct world *w;
    char name[16];
    (void)snprintf(name, sizeof name, "%s", step);
    small_cluster(&cfg);
    cfg.arbiter.election_timeout_ms = 3000;
    cfg.arbiter.margin_ms = 200;
    w = small_cluster_start(&cfg);
    world_kill_server(w, M2);
    check(w, world_until(w, small_cluster_is_no_member, &m2, 2000));
    world_run_ms(w, 200);
    check(w, world_until(w, grow_is_at, name, 20000));
    return w;
}

static void stays_out(struct world *w, unsigned ms)
{
    unsigned m2 = M2;
    for (unsigned i = 0; i < ms; i++) {
        world_run_ms(w, 1);
        check(w, small_cluster_is_no_member(w, &m2));
    }
}

/* What the writer acknowledged alone, a moment ago, may be lacking: a write must come through. */
static void test_newcomer_that_is_cut_off_stays_out(void **state)
{
    struct world *w = grow_until("source");
    (void)state;
    world_cut_sql(w, M1, M2, true);
    stays_out(w, 3000);
    small_cluster_finish(w);
}

/* m3 acknowledges the write, by somebody's hand, and m2 has not received it. */
static void test_nobody_acknowledges_for_the_newcomer(void **state)
{
    struct world *w = grow_until("source");
    (void)state;
    world_cut_sql(w, M1, M2, true);
    for (unsigned i = 0; i < 300; i++) {
        world_replica_side(w, M3, true);
        stays_out(w, 10);
    }
    small_cluster_finish(w);
}

/* The run that returned the write is gone; the next one has proven nothing. */
static void test_newcomer_that_restarts_proves_nothing(void **state)
{
    unsigned m2 = M2;
    struct world *w = grow_until("prove");
    (void)state;
    world_kill_server(w, M2);
    for (unsigned i = 0; i < 1800; i++) {
        world_run_ms(w, 1);
        check(w, small_cluster_is_no_member(w, &m2) || world_attached(w, M2, M1));
    }
    small_cluster_finish(w);
}

/* News of another run comes between the proof and its commit. */
static void test_the_run_that_was_proven_is_recorded(void **state)
{
    unsigned m1 = M1;
    struct world *w = grow_until("compare");
    struct event ev;
    uint32_t pid = world_core(w, M2)->incarnation.pid;
    (void)state;
    memset(&ev, 0, sizeof ev);
    ev.kind = EVENT_REPORT;
    ev.from = M2;
    ev.u.report = world_core(w, M1)->view[M2].report;
    ev.u.report.seq++;
    ev.u.report.incarnation.pid = pid + 1;
    world_inject(w, M1, &ev);
    for (unsigned i = 0; i < 50; i++) {
        world_run_ms(w, 1);
        check(w, world_record(w)->in_sync == 0 || world_record(w)->member[M2].pid == pid);
    }
    check(w, world_until(w, small_cluster_is_settled, &m1, 20000));
    small_cluster_finish(w);
}

/* Somebody writes to m2 by hand while it is taken in. */
static void test_newcomer_is_compared_last(void **state)
{
    struct world *w = grow_until("side");
    (void)state;
    world_errant(w, M2);
    stays_out(w, 3000);
    small_cluster_finish(w);
}

/* The arbiter cannot say what became of the grow, and the writer is cut off: the entry may come
 * true, so nothing is acknowledged without m2. */
static void test_grow_of_unknown_outcome_counts(void **state)
{
    struct event ev = {.kind = EVENT_PROPOSAL};
    struct world *w = grow_until("compare");
    char commit[] = "commit";
    uint64_t acks;
    (void)state;
    world_cut_all(w, M1, true);
    check(w, world_until(w, grow_is_at, commit, 1000));
    check(w, world_core(w, M1)->lead.proposal.pending);
    ev.u.proposal.id = world_core(w, M1)->lead.proposal.id;
    ev.u.proposal.err = ERR_CANCELED;
    world_inject(w, M1, &ev);
    world_run_ms(w, 5);
    acks = world_acks(w);
    world_run_ms(w, 2500);
    check(w, world_acks(w) == acks);
    world_cut_all(w, M1, false);
    small_cluster_finish(w);
}

/* ---- members ---- */

/* m2's mysqld was restarted: what its relay log held may be gone. Nobody is left who has
 * everything. */
static void test_restarted_member_is_not_promoted(void **state)
{
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    w = small_cluster_start(&cfg);
    world_kill_server(w, M1);
    world_kill_agent(w, M1);
    world_kill_server(w, M2);
    world_start_server(w, M2);
    world_run_ms(w, 5000);
    check(w, world_record(w)->writer == M1);
    check(w, world_writer(w) == NODE_NONE);
    small_cluster_finish(w);
}

/* Its agent was away as well, so nobody ever says that the server was dead: commits do not wait
 * until its silence is long enough. */
static void test_restarted_member_leaves_at_once(void **state)
{
    unsigned m1 = M1, m2 = M2;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    cfg.policy.shrink_after_ms = 3000;
    w = small_cluster_start(&cfg);
    world_kill_agent(w, M2);
    world_kill_server(w, M2);
    world_start_server(w, M2);
    world_run_ms(w, 20);
    world_start_agent(w, M2);
    check(w, world_until(w, small_cluster_is_no_member, &m2, 600));
    check(w, world_until(w, small_cluster_is_written, &m1, 600));
    small_cluster_finish(w);
}

/* ---- beside a member ---- */

static bool is_back(struct world *w, void *data)
{
    return !small_cluster_is_no_member(w, data);
}

/* m3 has a slow line and is hundreds of transactions behind when it may join: nobody waits for it
 * until it has come near. */
static void test_nobody_waits_for_who_is_far_behind(void **state)
{
    unsigned m3 = M3;
    struct world *w;
    int64_t last_us, longest_us = 0;
    (void)state;
    small_cluster(&cfg);
    cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    w = small_cluster_start(&cfg);
    world_cut_sql(w, M1, M3, true);
    check(w, world_until(w, small_cluster_is_no_member, &m3, 8000));
    world_slow_line(w, M3, 2);
    world_run_ms(w, 600);
    world_cut_sql(w, M1, M3, false);
    last_us = world_last_ack_us(w);
    for (unsigned ms = 0; ms < 20000 && !is_back(w, &m3); ms++) {
        world_run_ms(w, 1);
        if (world_now_us(w) - last_us > longest_us)
            longest_us = world_now_us(w) - last_us;
        last_us = world_last_ack_us(w);
    }
    check(w, is_back(w, &m3));
    check(w, longest_us < 150000);
    small_cluster_finish(w);
}

/* ---- who is no member ---- */

/* m3 dies while somebody's own semi-sync replica is connected, which is no node. As long as it is,
 * its acknowledgement could stand for m2's: the writer goes on to wait for two. */
static void test_a_stranger_acknowledges_for_nobody(void **state)
{
    unsigned m1 = M1, m3 = M3;
    struct world *w;
    (void)state;
    small_cluster(&cfg);
    cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    w = small_cluster_start(&cfg);
    world_kill_agent(w, M3);
    world_kill_server(w, M3);
    check(w, world_until(w, small_cluster_is_no_member, &m3, 8000));
    world_stranger(w, M1, true);
    world_run_ms(w, 300);
    check(w, !small_cluster_is_no_member(w, &(unsigned){M2}));
    world_cut_sql(w, M1, M2, true);
    world_run_ms(w, 300);
    world_cut_sql(w, M1, M2, false);
    world_stranger(w, M1, false);
    world_run_ms(w, 8000);
    check(w, small_cluster_is_written(w, &m1));
    small_cluster_finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newcomer_that_is_cut_off_stays_out),
        cmocka_unit_test(test_nobody_acknowledges_for_the_newcomer),
        cmocka_unit_test(test_newcomer_that_restarts_proves_nothing),
        cmocka_unit_test(test_the_run_that_was_proven_is_recorded),
        cmocka_unit_test(test_newcomer_is_compared_last),
        cmocka_unit_test(test_grow_of_unknown_outcome_counts),
        cmocka_unit_test(test_restarted_member_is_not_promoted),
        cmocka_unit_test(test_restarted_member_leaves_at_once),
        cmocka_unit_test(test_nobody_waits_for_who_is_far_behind),
        cmocka_unit_test(test_a_stranger_acknowledges_for_nobody),
    };
    return cmocka_run_group_tests_name("grow", tests, NULL, NULL);
}
