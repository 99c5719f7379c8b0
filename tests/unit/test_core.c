/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One core through its only door: each verdict of the tables has an executor, and what the headers
 * promise about commands, reports and histories holds. What several nodes do together is in
 * tests/trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/procs.h"
#include "core_fixture.h"

static const char *lead_verdict(const struct rig *r)
{
    const struct rule *rule = rules_find(&lead_table, r->core.verdict[VERDICT_LEAD].rule);
    return rule != NULL ? lead_table.verdict_names[rule->verdict] : "none";
}

static bool runs(const struct rig *r, const struct proc_kind *kind)
{
    return proc_is_running(&r->core.lead.proc) && r->core.lead.proc.kind == kind;
}

/* A healthy node of a cluster whose writer is `writer`, with the others' agents connected. */
static struct rig *healthy(unsigned self, unsigned writer)
{
    struct rig *r = rig_new(self);
    struct server_facts f = rig_facts(10);
    r->core.term = 5;
    rig_server(r, 100 + self, &f);
    if (writer != NODE_NONE)
        rig_promote(r, writer, 5);
    for (unsigned i = 0; i < 5; i++) {
        if (i != self)
            rig_peer(r, i, true);
    }
    return r;
}

static void offer(struct rig *r, unsigned node, enum eligibility e)
{
    rig_report(r, node)->eligible = (int)e;
    rig_step(r);
}

/* The question to the last writer is answered like this. */
static void writer_says(struct rig *r, int outcome)
{
    const struct ask *a = &r->core.asks.list[r->core.lead.ask_writer];
    struct event *ev = rig_event(r, EVENT_ANSWER);
    ev->from = a->node;
    ev->u.answer.term = r->core.term;
    ev->u.answer.id = a->id;
    ev->u.answer.kind = JOB_ASK_WRITER;
    ev->u.answer.result.outcome = outcome;
    rig_step(r);
}

/* ---- table lead ---- */

static void test_lead_asks_and_takes_over(void **state)
{
    struct rig *r = healthy(1, 0);
    (void)state;
    rig_grow(r, 1, 101);
    rig_elect(r, 6, 1000);
    assert_string_equal(lead_verdict(r), "ask");
    assert_int_equal(rig_effect(r, EFFECT_REQUEST, 0)->to, 0);
    assert_int_equal(rig_effect(r, EFFECT_REQUEST, 0)->u.request.job.kind, JOB_ASK_WRITER);
    rig_tick(r, 5);
    assert_string_equal(lead_verdict(r), "wait");
    assert_false(proc_is_running(&r->core.lead.proc));
    rig_tick(r, 20); /* no answer */
    assert_string_equal(lead_verdict(r), "takeover");
    assert_true(runs(r, &takeover_proc));
    assert_int_equal(r->core.lead.proc.history.rule, r->core.verdict[VERDICT_LEAD].rule);
    assert_int_equal(rig_effect(r, EFFECT_JOB, 0)->u.job.job.kind, JOB_SEAL);
    rig_free(r);
}

static void test_lead_gives_back(void **state)
{
    struct rig *r = healthy(1, 0);
    (void)state;
    rig_grow(r, 1, 101);
    rig_elect(r, 6, 1000);
    offer(r, 0, ELIGIBLE_WRITER);
    writer_says(r, JOB_DONE);
    assert_string_equal(lead_verdict(r), "back");
    assert_int_equal(rig_effect(r, EFFECT_TRANSFER, 0)->to, 0);
    assert_int_equal(r->core.lead.phase, LEAD_HANDOVER);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0); /* nothing was sealed */
    rig_free(r);
}

static void test_lead_transfers(void **state)
{
    struct rig *r = healthy(2, 0);
    (void)state;
    rig_grow(r, 1, 101);
    rig_elect(r, 6, 1000);
    offer(r, 1, ELIGIBLE_MEMBER);
    writer_says(r, JOB_REFUSED);
    assert_string_equal(lead_verdict(r), "transfer");
    assert_int_equal(rig_effect(r, EFFECT_TRANSFER, 0)->to, 1);
    /* It came to nothing: decided anew, and not the same again at once. */
    rig_event(r, EVENT_TRANSFER)->u.transfer_ok = false;
    rig_step(r);
    assert_int_equal(rig_count(r, EFFECT_TRANSFER), 0);
    assert_int_not_equal(r->core.lead.phase, LEAD_HANDOVER);
    rig_free(r);
}

static void test_lead_stays_as_caretaker(void **state)
{
    struct rig *r = healthy(2, 0);
    (void)state;
    rig_elect(r, 6, 1000);
    writer_says(r, JOB_REFUSED);
    assert_string_equal(lead_verdict(r), "stay");
    assert_int_equal(r->core.lead.phase, LEAD_CARETAKER);
    assert_int_equal(rig_count(r, EFFECT_LEASE), 0);
    assert_int_equal(rig_count(r, EFFECT_VIP_UP), 0);
    /* It goes on when the facts change. */
    offer(r, 1, ELIGIBLE_MEMBER);
    rig_tick(r, 300);
    offer(r, 1, ELIGIBLE_MEMBER);
    if (!ask_is_over(&r->core, r->core.lead.ask_writer))
        writer_says(r, JOB_REFUSED);
    assert_string_equal(lead_verdict(r), "transfer");
    rig_free(r);
}

static void test_lead_reopens(void **state)
{
    struct rig *r = healthy(0, 0);
    (void)state;
    rig_elect(r, 6, 1000);
    assert_string_equal(lead_verdict(r), "reopen");
    assert_true(runs(r, &reopen_proc));
    assert_true(local_is_running(&r->core, JOB_OPEN));
    rig_free(r);
}

static void test_lead_clears_a_stale_handover(void **state)
{
    struct rig *r = healthy(2, 0);
    const struct effect *e;
    (void)state;
    rig_entry(r, ENTRY_HANDOVER)->node = 1;
    rig_step(r);
    rig_elect(r, 6, 10000);
    writer_says(r, JOB_REFUSED);
    rig_tick(r, 2001);
    assert_string_equal(lead_verdict(r), "clear-handover");
    e = rig_effect(r, EFFECT_PROPOSE, 0);
    assert_int_equal(e->u.proposal.entry.kind, ENTRY_HANDOVER);
    assert_int_equal(e->u.proposal.entry.node, NODE_NONE);
    rig_free(r);
}

/* 4.1: everything of earlier terms must be applied before anything is decided. */
static void test_nothing_before_the_barrier(void **state)
{
    struct rig *r = healthy(1, 0);
    (void)state;
    rig_grow(r, 1, 101);
    rig_event(r, EVENT_ELECTED)->u.term = 6;
    rig_step(r);
    assert_int_equal(rig_count(r, EFFECT_BARRIER), 1);
    rig_lease(r, 1000);
    rig_tick(r, 500);
    assert_int_equal(r->core.lead.phase, LEAD_BARRIER);
    assert_int_equal(rig_count(r, EFFECT_REQUEST), 0);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    rig_free(r);
}

/* ---- the end of a term ---- */

static void test_deposed_writer_gives_up_everything(void **state)
{
    struct rig *r = healthy(0, 0);
    (void)state;
    rig_elect(r, 6, 1000);
    r->core.lead.phase = LEAD_STEADY;
    r->core.open_term = 6;
    r->core.vip_wanted = true;
    /* Only its own heartbeat row would have ended this. */
    health_stall(&r->core.health, /* stalled= */ true, r->now_us);
    rig_event(r, EVENT_DEPOSED)->u.term = 7;
    rig_step(r);
    assert_int_equal(rig_count(r, EFFECT_LEASE_CLEAR), 1);
    assert_false(core_may_write(&r->core));
    assert_false(proc_is_running(&r->core.lead.proc));
    assert_int_equal(r->core.health.state, HEALTH_OK);
    for (unsigned i = 0; i < ASKS_MAX; i++)
        assert_int_equal(r->core.asks.list[i].state, ASK_FREE);
    rig_free(r);
}

/* ---- commands ---- */

static struct command *command(struct rig *r, unsigned from, unsigned origin)
{
    struct event *ev = rig_event(r, EVENT_COMMAND);
    ev->from = from;
    ev->u.command.id = 77;
    ev->u.command.origin = (uint8_t)origin;
    ev->u.command.kind = COMMAND_SWITCHOVER;
    ev->u.command.node = 1;
    return &ev->u.command;
}

static void test_command_is_passed_on_once(void **state)
{
    struct rig *r = healthy(1, 0);
    struct event *ev = rig_event(r, EVENT_LEADER);
    (void)state;
    ev->u.leader.term = 6;
    ev->u.leader.node = 0;
    rig_step(r);
    (void)command(r, 1, 1);
    rig_step(r);
    assert_int_equal(rig_effect(r, EFFECT_COMMAND, 0)->to, 0);
    assert_int_equal(rig_effect(r, EFFECT_COMMAND, 0)->u.command.id, 77);
    /* Passed on by another node, which is behind: not passed on again, but answered. */
    (void)command(r, 2, 2);
    rig_step(r);
    assert_int_equal(rig_count(r, EFFECT_COMMAND), 0);
    assert_int_equal(rig_effect(r, EFFECT_REPLY, 0)->to, 2);
    assert_false(rig_effect(r, EFFECT_REPLY, 0)->u.reply.ok);
    rig_free(r);
}

/* A reply goes to whoever sent the command; a frame cannot send it elsewhere. */
static void test_command_of_a_false_origin(void **state)
{
    struct rig *r = healthy(0, 0);
    (void)state;
    for (unsigned leads = 0; leads < 2; leads++) {
        (void)command(r, 2, 9);
        rig_step(r);
        assert_int_equal(rig_count(r, EFFECT_REPLY), 0);
        (void)command(r, 2, 0);
        rig_step(r);
        assert_int_equal(rig_count(r, EFFECT_REPLY), 0);
        if (leads == 0)
            rig_elect(r, 6, 1000);
    }
    rig_free(r);
}

/* Whoever leads under another arbiter cannot be asked: an order that goes over proofs is refused,
 * on the node that heard that agent and on a leader that was told of it. */
static void test_no_order_beside_another_arbiter(void **state)
{
    struct rig *r = rig_leader();
    struct event *ev;
    (void)state;
    rig_report(r, 1)->other_arbiters = 1u << 2;
    rig_step(r);
    command(r, 0, 0)->kind = COMMAND_FAILOVER;
    rig_step(r);
    assert_false(rig_effect(r, EFFECT_REPLY, 0)->u.reply.ok);
    assert_non_null(strstr(rig_effect(r, EFFECT_REPLY, 0)->u.reply.text,
                           "the agent of m3 runs with another arbiter, as it told m2"));
    rig_report(r, 1)->other_arbiters = 0;
    rig_step(r);
    command(r, 0, 0)->kind = COMMAND_FAILOVER;
    rig_step(r);
    /* It is heard again with this one: the order is judged by what it is. */
    assert_non_null(strstr(rig_effect(r, EFFECT_REPLY, 0)->u.reply.text, "not in the in-sync set"));
    rig_free(r);
    r = healthy(1, 0);
    for (unsigned leads = 0; leads < 2; leads++) {
        ev = rig_event(r, EVENT_ARBITERS);
        ev->u.other_arbiters = 1u << 0;
        rig_step(r);
        command(r, 1, 1)->kind = leads == 0 ? COMMAND_FAILOVER : COMMAND_REPLACE;
        rig_step(r);
        assert_non_null(strstr(rig_effect(r, EFFECT_REPLY, 0)->u.reply.text,
                               "the agent of m1 runs with another arbiter, as it told m2"));
        /* One that asks for every proof is not. */
        (void)command(r, 1, 1);
        rig_step(r);
        assert_true(rig_count(r, EFFECT_REPLY) == 0 ||
                    strstr(rig_effect(r, EFFECT_REPLY, 0)->u.reply.text, "arbiter") == NULL);
        rig_elect(r, 7, 1000);
    }
    rig_free(r);
}

/* ---- reports ---- */

static void test_older_reports_are_ignored(void **state)
{
    struct rig *r = healthy(0, 0);
    struct report *p;
    (void)state;
    p = rig_report(r, 1);
    p->seq = 10;
    p->health = HEALTH_OK;
    rig_step(r);
    p = rig_report(r, 1);
    p->seq = 9;
    p->health = HEALTH_DEAD;
    rig_step(r);
    assert_int_equal(core_report(&r->core, 1)->health, HEALTH_OK);
    /* A restarted agent counts anew. */
    rig_peer(r, 1, false);
    rig_peer(r, 1, true);
    p = rig_report(r, 1);
    p->seq = 1;
    p->health = HEALTH_HUNG;
    rig_step(r);
    assert_int_equal(core_report(&r->core, 1)->health, HEALTH_HUNG);
    rig_free(r);
}

static void test_a_report_is_fresh_for_a_while(void **state)
{
    struct rig *r = healthy(0, 0);
    (void)state;
    assert_false(core_is_fresh(&r->core, 1)); /* none yet */
    assert_true(core_is_fresh(&r->core, 0));
    (void)rig_report(r, 1);
    rig_step(r);
    rig_tick(r, 300);
    assert_true(core_is_fresh(&r->core, 1));
    rig_tick(r, 1);
    assert_false(core_is_fresh(&r->core, 1));
    rig_free(r);
}

/* ---- may it write ---- */

static void test_may_write_needs_everything(void **state)
{
    struct rig *r = healthy(0, 0);
    (void)state;
    r->core.is_leader = true;
    r->core.open_term = 5;
    r->core.lease_until_us = r->core.now_us + 1;
    assert_true(core_may_write(&r->core));
    r->core.lease_until_us = r->core.now_us;
    assert_false(core_may_write(&r->core));
    r->core.lease_until_us++;
    r->core.is_leader = false;
    assert_false(core_may_write(&r->core));
    r->core.is_leader = true;
    r->core.open_term = 4;
    assert_false(core_may_write(&r->core));
    r->core.open_term = 5;
    r->core.record.writer = 1;
    assert_false(core_may_write(&r->core));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lead_asks_and_takes_over),
        cmocka_unit_test(test_lead_gives_back),
        cmocka_unit_test(test_lead_transfers),
        cmocka_unit_test(test_lead_stays_as_caretaker),
        cmocka_unit_test(test_lead_reopens),
        cmocka_unit_test(test_lead_clears_a_stale_handover),
        cmocka_unit_test(test_nothing_before_the_barrier),
        cmocka_unit_test(test_deposed_writer_gives_up_everything),
        cmocka_unit_test(test_command_is_passed_on_once),
        cmocka_unit_test(test_command_of_a_false_origin),
        cmocka_unit_test(test_no_order_beside_another_arbiter),
        cmocka_unit_test(test_older_reports_are_ignored),
        cmocka_unit_test(test_a_report_is_fresh_for_a_while),
        cmocka_unit_test(test_may_write_needs_everything),
    };
    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
