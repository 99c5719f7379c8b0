/* SPDX-License-Identifier: Apache-2.0 */
/* The leader's outstanding requests: every wait ends, once, and no slot is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "util/prng.h"

#define SLACK_MS 250 /* on top of the work's own limit */

static struct rig *leader(void)
{
    struct rig *r = rig_new(0);
    r->core.term = 5;
    r->core.is_leader = true;
    r->core.leader = 0;
    r->core.lead.phase = LEAD_HANDOVER; /* it does nothing by itself */
    for (unsigned i = 1; i < 5; i++)
        rig_peer(r, i, true);
    return r;
}

static struct job facts_job(void)
{
    struct job j;
    memset(&j, 0, sizeof j);
    j.kind = JOB_FACTS;
    j.timeout_ms = 1000;
    return j;
}

static int request(struct rig *r, unsigned node)
{
    struct job j = facts_job();
    rig_open_effects(r);
    return ask_send(&r->core, node, &j);
}

static void reply(struct rig *r, unsigned from, uint64_t term, uint64_t id, int outcome)
{
    struct event *ev = rig_event(r, EVENT_ANSWER);
    ev->from = from;
    ev->u.answer.term = term;
    ev->u.answer.id = id;
    ev->u.answer.kind = JOB_FACTS;
    ev->u.answer.result.outcome = outcome;
    rig_step(r);
}

static unsigned slots_used(const struct rig *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ASKS_MAX; i++)
        n += r->core.asks.list[i].state != ASK_FREE;
    return n;
}

static void test_request_and_answer(void **state)
{
    struct rig *r = leader();
    int slot = request(r, 2);
    const struct effect *e = rig_effect(r, EFFECT_REQUEST, 0);
    uint64_t id;
    (void)state;
    assert_non_null(e);
    assert_int_equal(e->to, 2);
    assert_int_equal(e->u.request.term, 5);
    assert_int_equal(e->u.request.job.kind, JOB_FACTS);
    id = e->u.request.id;
    assert_false(ask_is_over(&r->core, slot));
    assert_false(ask_is_done(&r->core, slot));
    reply(r, 2, 5, id, JOB_DONE);
    assert_true(ask_is_done(&r->core, slot));
    assert_int_equal(ask_answer(&r->core, slot)->id, id);
    /* A second answer changes nothing. */
    reply(r, 2, 5, id, JOB_FAILED);
    assert_true(ask_is_done(&r->core, slot));
    ask_drop(&r->core, &slot);
    assert_int_equal(slot, ASK_NONE);
    assert_int_equal(slots_used(r), 0);
    ask_drop(&r->core, &slot); /* nothing to drop is fine */
    assert_true(ask_is_over(&r->core, ASK_NONE));
    assert_false(ask_is_done(&r->core, ASK_NONE));
    rig_free(r);
}

static void test_a_failure_is_over_but_not_done(void **state)
{
    struct rig *r = leader();
    (void)state;
    for (int outcome = JOB_FAILED; outcome < JOB_OUTCOME_COUNT; outcome++) {
        int slot = request(r, 2);
        reply(r, 2, 5, rig_effect(r, EFFECT_REQUEST, 0)->u.request.id, outcome);
        assert_true(ask_is_over(&r->core, slot));
        assert_false(ask_is_done(&r->core, slot));
        assert_int_equal(ask_answer(&r->core, slot)->result.outcome, outcome);
        ask_drop(&r->core, &slot);
    }
    rig_free(r);
}

static void test_deadline(void **state)
{
    struct rig *r = leader();
    int slot = request(r, 2);
    uint64_t id = rig_effect(r, EFFECT_REQUEST, 0)->u.request.id;
    (void)state;
    rig_tick(r, 1000 + SLACK_MS - 1);
    assert_false(ask_is_over(&r->core, slot));
    rig_tick(r, 1);
    assert_true(ask_is_over(&r->core, slot));
    assert_int_equal(ask_answer(&r->core, slot)->result.outcome, JOB_TIMEOUT);
    assert_int_equal(ask_answer(&r->core, slot)->kind, JOB_FACTS);
    reply(r, 2, 5, id, JOB_DONE); /* too late */
    assert_false(ask_is_done(&r->core, slot));
    rig_free(r);
}

static void test_unreachable_node(void **state)
{
    struct rig *r = leader();
    int slot;
    (void)state;
    rig_peer(r, 3, false);
    slot = request(r, 3);
    assert_int_equal(rig_count(r, EFFECT_REQUEST), 0);
    assert_true(ask_is_over(&r->core, slot));
    assert_int_equal(ask_answer(&r->core, slot)->result.outcome, JOB_TIMEOUT);
    rig_free(r);
}

static void test_connection_lost(void **state)
{
    struct rig *r = leader();
    int two = request(r, 2);
    int three = request(r, 3);
    int four = request(r, 2);
    (void)state;
    reply(r, 2, 5, r->core.asks.list[four].id, JOB_DONE);
    rig_peer(r, 2, false);
    assert_int_equal(ask_answer(&r->core, two)->result.outcome, JOB_TIMEOUT);
    assert_true(ask_is_done(&r->core, four)); /* it had been answered */
    assert_false(ask_is_over(&r->core, three));
    rig_free(r);
}

static void test_answers_of_others_are_ignored(void **state)
{
    struct rig *r = leader();
    int slot = request(r, 2);
    uint64_t id = r->core.asks.list[slot].id;
    (void)state;
    reply(r, 3, 5, id, JOB_DONE); /* another node */
    reply(r, 2, 4, id, JOB_DONE); /* an older term */
    reply(r, 2, 6, id, JOB_DONE);
    reply(r, 2, 5, id + 1, JOB_DONE);
    assert_false(ask_is_over(&r->core, slot));
    reply(r, 2, 5, id, JOB_DONE);
    assert_true(ask_is_done(&r->core, slot));
    rig_free(r);
}

/* The slot is used again; what was meant for its former request must not fill it. */
static void test_late_answer_and_a_used_slot(void **state)
{
    struct rig *r = leader();
    int slot = request(r, 2);
    uint64_t old = r->core.asks.list[slot].id;
    int again;
    (void)state;
    ask_drop(&r->core, &slot);
    again = request(r, 2);
    assert_int_equal(again, 0);
    assert_int_not_equal(r->core.asks.list[again].id, old);
    reply(r, 2, 5, old, JOB_DONE);
    assert_false(ask_is_over(&r->core, again));
    rig_free(r);
}

/* Ids are not used again in a later term either. */
static void test_new_term(void **state)
{
    struct rig *r = leader();
    int slot = request(r, 2);
    uint64_t old = r->core.asks.list[slot].id;
    (void)state;
    asks_drop_all(&r->core);
    assert_int_equal(slots_used(r), 0);
    r->core.term = 6;
    slot = request(r, 2);
    assert_true(r->core.asks.list[slot].id > old);
    reply(r, 2, 5, old, JOB_DONE);
    assert_false(ask_is_over(&r->core, slot));
    rig_free(r);
}

/* A request to this node goes its own way, without the network. */
static void test_self(void **state)
{
    struct rig *r = leader();
    struct server_facts f = rig_facts(10);
    struct job j = facts_job();
    int slot;
    uint64_t id;
    (void)state;
    rig_server(r, 100, &f);
    rig_open_effects(r);
    slot = ask_send(&r->core, 0, &j);
    assert_int_equal(rig_count(r, EFFECT_REQUEST), 0);
    rig_tick(r, 1);
    id = rig_effect(r, EFFECT_JOB, 0)->u.job.id;
    rig_job_ended(r, id, JOB_DONE);
    assert_true(ask_is_done(&r->core, slot));
    assert_string_equal(ask_answer(&r->core, slot)->facts.executed, "0-1-10");
    assert_int_equal(ask_answer(&r->core, slot)->incarnation.pid, 100);
    rig_free(r);
}

/* An answer is newer than the node's last report, if it is of the same server. */
static void test_answer_refreshes_the_view(void **state)
{
    struct rig *r = leader();
    struct event *ev;
    int slot;
    (void)state;
    (void)rig_report(r, 2);
    rig_step(r);
    slot = request(r, 2);
    for (unsigned same = 0; same < 2; same++) {
        ev = rig_event(r, EVENT_ANSWER);
        ev->from = 2;
        ev->u.answer.term = 5;
        ev->u.answer.id = r->core.asks.list[slot].id;
        ev->u.answer.incarnation = rig_run_of(same ? 102 : 77);
        ev->u.answer.facts = rig_facts(33);
        rig_step(r);
        assert_string_equal(core_report(&r->core, 2)->facts.executed, same ? "0-1-33" : "0-1-1");
    }
    rig_free(r);
}

/* Many cycles of everything: each wait ends within its limit, no slot is lost. */
static void test_no_slot_is_lost(void **state)
{
    struct rig *r = leader();
    struct prng p = {7};
    int slots[ASKS_MAX];
    int64_t sent_us[ASKS_MAX];
    (void)state;
    for (unsigned i = 0; i < ASKS_MAX; i++)
        slots[i] = ASK_NONE;
    for (unsigned cycle = 0; cycle < 20000; cycle++) {
        unsigned i = (unsigned)prng_below(&p, ASKS_MAX);
        unsigned node = 1 + (unsigned)prng_below(&p, 4);
        if (slots[i] != ASK_NONE && !ask_is_over(&r->core, slots[i]))
            assert_true(r->now_us - sent_us[i] < (1000 + SLACK_MS) * 1000);
        switch (prng_below(&p, 5)) {
        case 0:
            ask_drop(&r->core, &slots[i]);
            slots[i] = request(r, node);
            sent_us[i] = r->now_us;
            break;
        case 1:
            if (slots[i] != ASK_NONE)
                reply(r, r->core.asks.list[slots[i]].node, 5, r->core.asks.list[slots[i]].id,
                      (int)prng_below(&p, JOB_OUTCOME_COUNT));
            break;
        case 2:
            rig_peer(r, node, prng_below(&p, 4) != 0);
            break;
        case 3:
            ask_drop(&r->core, &slots[i]);
            break;
        default:
            rig_tick(r, (int64_t)prng_below(&p, 200));
        }
    }
    rig_tick(r, 1000 + SLACK_MS);
    for (unsigned i = 0; i < ASKS_MAX; i++) {
        assert_true(ask_is_over(&r->core, slots[i]));
        ask_drop(&r->core, &slots[i]);
    }
    assert_int_equal(slots_used(r), 0);
    rig_free(r);
}

/* A procedure and repair of the largest cluster fit. */
static void test_there_are_enough_slots(void **state)
{
    (void)state;
    /* repair and the procedure: one per node each; slot, slot2, the last writer, the heartbeat */
    assert_true(ASKS_MAX >= 2 * NODES_MAX + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_a_failure_is_over_but_not_done),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_unreachable_node),
        cmocka_unit_test(test_connection_lost),
        cmocka_unit_test(test_answers_of_others_are_ignored),
        cmocka_unit_test(test_late_answer_and_a_used_slot),
        cmocka_unit_test(test_new_term),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_answer_refreshes_the_view),
        cmocka_unit_test(test_no_slot_is_lost),
        cmocka_unit_test(test_there_are_enough_slots),
    };
    return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}
