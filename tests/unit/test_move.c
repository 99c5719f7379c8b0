/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who should have the only place of MariaDB's in-sync set, and from when on. m1 is the open writer,
 * m3 has the place, m2 is preferred to it and could join.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/procs.h"
#include "core_fixture.h"

#define DELAY_MS 2000
#define LOOK_MS 100

enum { M1, M2, M3 };

static void hear(struct rig *r, unsigned node, bool replica_side)
{
    struct peer_view *v = &r->core.view[node];
    v->up = v->have = true;
    v->at_us = r->now_us;
    v->report.health = HEALTH_OK;
    v->report.term = r->core.term;
    v->report.incarnation = rig_run_of(100 + node);
    v->report.facts = rig_facts(100);
    v->report.facts.io = v->report.facts.sql = THREAD_RUNNING;
    v->report.facts.replica_side = v->report.facts.replica_side_active = replica_side;
    (void)snprintf(v->report.facts.source_host, ADDRESS_TEXT_MAX, "172.17.0.10");
}

/* m2 reports, or is silent. */
static void run(struct rig *r, unsigned ms, bool m2_reports)
{
    struct core *core = &r->core;
    for (unsigned t = 0; t < ms; t += LOOK_MS) {
        r->now_us += (int64_t)LOOK_MS * 1000;
        rig_open_effects(r);
        core->facts_us = r->now_us;
        if (m2_reports)
            hear(r, M2, (core->record.in_sync & 1u << M2) != 0);
        hear(r, M3, (core->record.in_sync & 1u << M3) != 0);
        sync_watch_fit(core);
    }
}

static struct rig *writer(unsigned member)
{
    struct rig *r = rig_leader();
    struct core *core = &r->core;
    r->cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    r->cfg.nodes[M3].priority = 25;
    r->cfg.policy.preempt_delay_ms = DELAY_MS;
    core->facts = rig_facts(100);
    core->facts.read_only = false;
    core->health.state = HEALTH_OK;
    core->lease_until_us = INT64_MAX;
    core->record.in_sync = 1u << member;
    core->record.member[member] = rig_run_of(100 + member);
    core->lead.repair[M2].checked_epoch = core->lead.repair[M3].checked_epoch = core->record.epoch;
    core->lead.member_since_us[member] = r->now_us;
    return r;
}

static void test_the_better_one_after_a_delay(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, DELAY_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    run(r, 2 * LOOK_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), M2);
    rig_free(r);
}

static void test_never_a_lesser_one(void **state)
{
    struct rig *r = writer(M2);
    (void)state;
    run(r, 10 * DELAY_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    rig_free(r);
}

/* Nor one of the same priority: they would take turns. */
static void test_never_an_equal_one(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    r->cfg.nodes[M3].priority = r->cfg.nodes[M2].priority;
    run(r, 10 * DELAY_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    rig_free(r);
}

static void test_an_ordered_one_at_once(void **state)
{
    struct rig *r = writer(M2);
    (void)state;
    run(r, LOOK_MS, true);
    assert_true(sync_may_replace(&r->core, M3));
    assert_false(sync_may_replace(&r->core, M2));
    assert_false(sync_may_replace(&r->core, M1));
    assert_false(sync_may_replace(&r->core, NODE_NONE));
    r->core.record.handover = M3;
    assert_int_equal(sync_move_candidate(&r->core), M3);
    rig_free(r);
}

/* An order for somebody else stands: the set is not changed meanwhile. */
static void test_an_order_comes_first(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, 2 * DELAY_MS, true);
    r->core.record.handover = M3;
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    rig_free(r);
}

/* MySQL waits for as many as there are members. */
static void test_never_on_mysql(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, 2 * DELAY_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), M2);
    r->core.facts.flavour = SERVER_MYSQL;
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    assert_false(sync_may_replace(&r->core, M2));
    rig_free(r);
}

/* The set has to be as recorded: what may still come true could be the second member. */
static void test_not_while_a_grow_is_unresolved(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, 2 * DELAY_MS, true);
    r->core.lead.unresolved = 1u << M2;
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    rig_free(r);
}

static void test_silence_begins_anew(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, DELAY_MS - LOOK_MS, true);
    run(r, 30000, false);
    run(r, DELAY_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    run(r, 2 * LOOK_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), M2);
    rig_free(r);
}

/* However long m2 could have joined: one move after the other would be flapping. */
static void test_member_has_its_time(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, 5 * DELAY_MS, true);
    r->core.lead.member_since_us[M3] = r->now_us;
    run(r, DELAY_MS - LOOK_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    run(r, LOOK_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), M2);
    rig_free(r);
}

static void test_not_while_commits_wait(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, 2 * DELAY_MS, true);
    r->core.lead.beat_bad_since_us = r->now_us;
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    r->core.lead.beat_bad_since_us = 0;
    r->core.lead.slow.waits = true;
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    r->core.lead.slow.waits = false;
    assert_int_equal(sync_move_candidate(&r->core), M2);
    rig_free(r);
}

static void test_failure_doubles_the_delay(void **state)
{
    struct rig *r = writer(M3);
    (void)state;
    run(r, 2 * DELAY_MS, true);
    r->core.lead.target = M2;
    sync_grow_ended(&r->core, false);
    run(r, 2 * DELAY_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), NODE_NONE);
    run(r, 2 * LOOK_MS, true);
    assert_int_equal(sync_move_candidate(&r->core), M2);
    rig_free(r);
}

/* It is let in only as long as nobody is recorded. */
static void test_old_member_is_let_in_while_the_set_is_empty(void **state)
{
    struct rig *r = writer(M3);
    struct core *core = &r->core;
    (void)state;
    run(r, LOOK_MS, true);
    core->lead.told_side = 1u << M3;
    core->record.in_sync = 0;
    sync_keep_out(core);
    assert_int_not_equal(core->blocked & 1u << M3, 0);
    core->lead.leaving = 1u << M3;
    sync_keep_out(core);
    assert_int_equal(core->blocked & 1u << M3, 0);
    core->lead.unresolved = 1u << M2;
    sync_keep_out(core);
    assert_int_not_equal(core->blocked & 1u << M3, 0);
    rig_free(r);
}

/* It was told to acknowledge in its last run, and could not be told otherwise before it is up. */
static void test_who_is_not_up_does_not_count(void **state)
{
    struct rig *r = writer(M3);
    struct core *core = &r->core;
    (void)state;
    run(r, LOOK_MS, true);
    core->facts.source_side = true;
    core->lead.told_side = 1u << M2;
    assert_true(sync_counts_too_many(core));
    core->view[M2].report.health = HEALTH_HUNG;
    assert_true(sync_counts_too_many(core));
    core->view[M2].report.health = HEALTH_STARTING;
    assert_false(sync_counts_too_many(core));
    core->view[M2].report.health = HEALTH_DEAD;
    assert_false(sync_counts_too_many(core));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_better_one_after_a_delay),
        cmocka_unit_test(test_never_a_lesser_one),
        cmocka_unit_test(test_never_an_equal_one),
        cmocka_unit_test(test_an_ordered_one_at_once),
        cmocka_unit_test(test_an_order_comes_first),
        cmocka_unit_test(test_never_on_mysql),
        cmocka_unit_test(test_not_while_a_grow_is_unresolved),
        cmocka_unit_test(test_silence_begins_anew),
        cmocka_unit_test(test_member_has_its_time),
        cmocka_unit_test(test_not_while_commits_wait),
        cmocka_unit_test(test_failure_doubles_the_delay),
        cmocka_unit_test(test_old_member_is_let_in_while_the_set_is_empty),
        cmocka_unit_test(test_who_is_not_up_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
