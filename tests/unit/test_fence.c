/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a server that is writable without permission: the facts that are gathered, and
 * the jobs that follow. The table itself is in test_core_tables.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core_fixture.h"

static struct server_facts writable(bool waits)
{
    struct server_facts f = rig_facts(10);
    f.read_only = false;
    f.source_side = waits;
    f.wait_count = waits ? 1 : 0;
    return f;
}

static struct rig *node(unsigned self)
{
    struct rig *r = rig_new(self);
    r->core.confirmed = true; /* its record is not of the past */
    return r;
}

/* m1, the open writer of term 5 with m2 in the set, its lease valid for a second. */
static struct rig *open_writer(bool member)
{
    struct rig *r = node(0);
    struct server_facts f = rig_facts(10);
    rig_server(r, 100, &f);
    r->core.term = 5;
    rig_promote(r, 0, 5);
    if (member)
        rig_grow(r, 1, 101);
    r->core.is_leader = true;
    r->core.leader = 0;
    r->core.lead.phase = LEAD_HANDOVER; /* the leader itself does nothing meanwhile */
    r->core.open_term = 5;
    r->core.lease_until_us = r->now_us + 1000000;
    f = writable(member);
    rig_probe(r, &f);
    return r;
}

static unsigned verdict(const struct rig *r)
{
    const struct rule *rule = rules_find(&fence_table, r->core.verdict[VERDICT_FENCE].rule);
    assert_non_null(rule);
    return (unsigned)rule->verdict;
}

static uint64_t job(const struct rig *r, int kind)
{
    const struct effect *e = rig_effect(r, EFFECT_JOB, 0);
    assert_non_null(e);
    assert_int_equal(e->u.job.job.kind, kind);
    assert_true(e->u.job.job.timeout_ms > 0);
    assert_int_equal(rig_count(r, EFFECT_JOB), 1);
    return e->u.job.id;
}

static void test_the_open_writer_is_left_alone(void **state)
{
    struct rig *r = open_writer(true);
    (void)state;
    assert_int_equal(verdict(r), FENCE_LEAVE);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    assert_int_equal(r->core.fence.open_since_us, 0);
    rig_free(r);
}

/* 5.2: with members, commits hang and nobody is told anything: time for the lease to come back. */
static void test_lease_lost_with_a_member(void **state)
{
    struct rig *r = open_writer(true);
    (void)state;
    rig_tick(r, 1001);
    assert_int_equal(verdict(r), FENCE_HOLD);
    rig_tick(r, 20000);
    assert_int_equal(verdict(r), FENCE_HOLD);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    rig_lease(r, 1000);
    assert_int_equal(verdict(r), FENCE_LEAVE);
    /* The clock of fence_kill_after starts anew with the next loss. */
    rig_tick(r, 1001);
    rig_tick(r, 29000);
    assert_int_equal(verdict(r), FENCE_HOLD);
    rig_tick(r, 1001);
    assert_int_equal(verdict(r), FENCE_KILL);
    (void)job(r, JOB_KILL);
    rig_free(r);
}

static void test_lease_lost_without_members(void **state)
{
    struct rig *r = open_writer(false);
    uint64_t id;
    struct server_facts f = writable(false);
    (void)state;
    rig_tick(r, 1001);
    assert_int_equal(verdict(r), FENCE_CLOSE);
    id = job(r, JOB_CLOSE);
    /* One at a time. */
    rig_tick(r, 100);
    rig_probe(r, &f);
    assert_int_equal(verdict(r), FENCE_HOLD);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    /* The gentle way did not work. */
    rig_job_ended(r, id, JOB_TIMEOUT);
    assert_int_equal(verdict(r), FENCE_KILL);
    (void)job(r, JOB_KILL);
    assert_true(rig_logged(r, "fence-kill"));
    rig_died(r, /* cleanly= */ false);
    assert_int_equal(verdict(r), FENCE_LEAVE);
    assert_false(r->core.fence.close_failed);
    rig_free(r);
}

static void test_closed_in_time(void **state)
{
    struct rig *r = open_writer(false);
    struct server_facts f = rig_facts(10);
    struct event *ev;
    uint64_t id;
    (void)state;
    rig_tick(r, 1001);
    id = job(r, JOB_CLOSE);
    ev = rig_event(r, EVENT_JOB);
    ev->u.job.id = id;
    ev->u.job.result.outcome = JOB_DONE;
    ev->u.job.have_facts = true;
    ev->u.job.facts = f;
    rig_step(r);
    assert_int_equal(verdict(r), FENCE_LEAVE);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    /* Nobody waits for the answer of a job that the fence made itself. */
    assert_int_equal(rig_count(r, EFFECT_ANSWER), 0);
    rig_free(r);
}

/* The set says that somebody must acknowledge, the server does not wait for anybody: a commit here
 * could end. */
static void test_members_count_only_if_the_server_waits(void **state)
{
    struct rig *r = open_writer(true);
    struct server_facts f = writable(false);
    (void)state;
    rig_probe(r, &f);
    assert_int_equal(verdict(r), FENCE_LEAVE);
    rig_tick(r, 1001);
    assert_int_equal(verdict(r), FENCE_CLOSE);
    rig_free(r);
}

/* A second passes, and a probe is not answered. */
static void silence(struct rig *r)
{
    r->now_us += 1000000;
    rig_event(r, EVENT_PROBE)->u.probe.outcome = PROBE_TIMEOUT;
    rig_step(r);
}

static void maintenance(struct rig *r, bool on)
{
    struct entry *e = rig_entry(r, ENTRY_FLAGS);
    e->node = 0;
    e->set = on ? NODE_MAINTENANCE : 0;
    e->clear = on ? 0 : NODE_MAINTENANCE;
    rig_step(r);
}

/* Nobody was there to take over: who takes connections and answers none serves nobody. */
static void test_mute_server_is_ended(void **state)
{
    struct rig *r = open_writer(false);
    unsigned limit_s = r->cfg.policy.start_timeout_ms / 1000;
    uint64_t id;
    (void)state;
    r->core.lease_until_us = r->now_us + 1000000000;
    for (unsigned s = 0; s < limit_s; s++) {
        silence(r);
        assert_int_equal(verdict(r), FENCE_LEAVE);
    }
    silence(r);
    assert_int_equal(verdict(r), FENCE_KILL);
    assert_int_equal(r->core.verdict[VERDICT_FENCE].rule, 25);
    id = job(r, JOB_KILL);
    /* It waits for a disk: the next one is not at once. */
    rig_job_ended(r, id, JOB_TIMEOUT);
    silence(r);
    assert_int_equal(verdict(r), FENCE_LEAVE);
    rig_free(r);
}

/* The agent has just started, so it has never seen whether the server is writable. */
static void test_mute_server_of_a_node_in_maintenance(void **state)
{
    struct rig *r = node(0);
    (void)state;
    rig_promote(r, 1, 6);
    rig_event(r, EVENT_SERVER_STARTED)->u.server.incarnation = rig_run_of(100);
    rig_step(r);
    maintenance(r, true);
    for (unsigned s = 0; s < 2 * r->cfg.policy.start_timeout_ms / 1000; s++) {
        silence(r);
        assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    }
    assert_int_equal(r->core.health.state, HEALTH_HUNG);
    maintenance(r, false);
    (void)job(r, JOB_KILL);
    rig_free(r);
}

static void test_another_node_was_promoted(void **state)
{
    struct rig *r = open_writer(true);
    (void)state;
    rig_promote(r, 1, 6);
    assert_int_equal(verdict(r), FENCE_KILL);
    (void)job(r, JOB_KILL);
    rig_free(r);
}

/* A replica that somebody made writable is closed, not killed. */
static void test_writable_replica(void **state)
{
    struct rig *r = node(2);
    struct server_facts f = writable(false);
    (void)state;
    rig_promote(r, 0, 5);
    rig_server(r, 102, &f);
    assert_int_equal(verdict(r), FENCE_CLOSE);
    (void)job(r, JOB_CLOSE);
    rig_free(r);
}

/* Nobody was ever promoted: it stays closed until somebody is. */
static void test_new_cluster(void **state)
{
    struct rig *r = node(0);
    struct server_facts f = writable(false);
    (void)state;
    rig_server(r, 100, &f);
    assert_int_equal(verdict(r), FENCE_CLOSE);
    rig_free(r);
}

static void test_no_server(void **state)
{
    struct rig *r = node(0);
    (void)state;
    rig_tick(r, 10);
    assert_int_equal(verdict(r), FENCE_LEAVE);
    rig_free(r);
}

/* Deposed: the permission ends with the term, whatever the lease said. */
static void test_deposed(void **state)
{
    struct rig *r = open_writer(false);
    (void)state;
    rig_event(r, EVENT_DEPOSED)->u.term = 6;
    rig_step(r);
    assert_int_equal(verdict(r), FENCE_CLOSE);
    assert_true(rig_count(r, EFFECT_LEASE_CLEAR) == 1);
    rig_free(r);
}

/* A node that won again and has not yet opened is about to: nothing is closed under it. */
static void test_about_to_open(void **state)
{
    static const enum lead_phase opening[] = {LEAD_BARRIER, LEAD_DECIDE, LEAD_PROCEDURE};
    (void)state;
    for (size_t i = 0; i < sizeof opening / sizeof opening[0]; i++) {
        struct rig *r = open_writer(false);
        r->core.lead.phase = LEAD_HANDOVER;
        r->core.open_term = 0;
        r->core.lead.phase = opening[i];
        rig_open_effects(r);
        fence_run(&r->core);
        assert_int_equal(verdict(r), FENCE_LEAVE);
        r->core.lead.phase = LEAD_CARETAKER;
        rig_open_effects(r);
        fence_run(&r->core);
        assert_int_equal(verdict(r), FENCE_CLOSE);
        rig_free(r);
    }
}

static void test_paused(void **state)
{
    struct rig *r = open_writer(false);
    (void)state;
    rig_entry(r, ENTRY_PAUSE)->flag = true;
    rig_step(r);
    rig_tick(r, 60000);
    assert_int_equal(verdict(r), FENCE_LEAVE);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    /* A forced promotion of another node before the pause was seen here: two writers are worse. */
    r->core.record.writer = 1;
    rig_tick(r, 10);
    assert_int_equal(verdict(r), FENCE_KILL);
    rig_free(r);
}

/* An agent that has just started knows the past only. */
static void test_record_of_the_past(void **state)
{
    struct rig *r = rig_new(0);
    struct server_facts f = writable(false);
    (void)state;
    rig_promote(r, 1, 5);
    rig_server(r, 100, &f);
    assert_int_equal(verdict(r), FENCE_HOLD);
    rig_tick(r, 29000);
    assert_int_equal(verdict(r), FENCE_HOLD);
    rig_tick(r, 1001); /* ... but not for ever */
    assert_int_equal(verdict(r), FENCE_KILL);
    rig_free(r);
}

/* The record counts once it is as new as that of a leader who has applied everything. */
static void test_record_is_confirmed_by_a_settled_leader(void **state)
{
    struct rig *r = rig_new(0);
    struct server_facts f = writable(false);
    struct event *ev;
    (void)state;
    rig_promote(r, 1, 5);
    rig_server(r, 100, &f);
    ev = rig_event(r, EVENT_LEADER);
    ev->u.leader.term = 6;
    ev->u.leader.node = 1;
    rig_step(r);
    (void)rig_report(r, 1); /* it leads, but has not settled */
    rig_step(r);
    assert_int_equal(verdict(r), FENCE_HOLD);
    rig_report(r, 1)->settled = true;
    r->ev.u.report.version++; /* and knows more than is applied here */
    rig_step(r);
    assert_int_equal(verdict(r), FENCE_HOLD);
    rig_report(r, 1)->settled = true;
    rig_step(r);
    assert_int_equal(verdict(r), FENCE_KILL);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_open_writer_is_left_alone),
        cmocka_unit_test(test_lease_lost_with_a_member),
        cmocka_unit_test(test_lease_lost_without_members),
        cmocka_unit_test(test_closed_in_time),
        cmocka_unit_test(test_members_count_only_if_the_server_waits),
        cmocka_unit_test(test_another_node_was_promoted),
        cmocka_unit_test(test_mute_server_is_ended),
        cmocka_unit_test(test_mute_server_of_a_node_in_maintenance),
        cmocka_unit_test(test_writable_replica),
        cmocka_unit_test(test_new_cluster),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_deposed),
        cmocka_unit_test(test_about_to_open),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_record_of_the_past),
        cmocka_unit_test(test_record_is_confirmed_by_a_settled_leader),
    };
    return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}
