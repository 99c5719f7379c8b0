/* SPDX-License-Identifier: Apache-2.0 */
/* Who is slow, and for how long: m1 is the open writer, m2 and m3 are members or follow it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/writer.h"
#include "core_fixture.h"

#define ALL UINT32_MAX
#define LOOK_MS 100

enum { M1, M2, M3 };

static struct rig *writer(uint32_t members)
{
    struct rig *r = rig_new(M1);
    struct core *core = &r->core;
    r->cfg.nodes[M3].role = CONFIG_ROLE_CANDIDATE;
    r->cfg.policy.slow_ack_ms = 1000;
    r->cfg.policy.slow_after_ms = 3000;
    core->record.writer = M1;
    core->record.in_sync = members;
    core->is_leader = true;
    core->term = core->open_term = 1;
    core->lease_until_us = INT64_MAX;
    core->have_facts = true;
    core->facts = rig_facts(100);
    return r;
}

static void hear(struct rig *r, unsigned node, unsigned received, unsigned applied)
{
    struct peer_view *v = &r->core.view[node];
    v->up = v->have = true;
    v->at_us = r->now_us;
    v->report.facts = rig_facts(applied);
    (void)snprintf(v->report.facts.received, GTID_TEXT_MAX, "0-1-%u", received);
    v->report.facts.io = THREAD_RUNNING;
    (void)snprintf(v->report.facts.source_host, ADDRESS_TEXT_MAX, "172.17.0.10");
}

/* Each look 100 ms later the writer holds 10 more; m2 and m3 are so many looks behind. */
static void run(struct rig *r, unsigned ms, int64_t beat_ms, unsigned late2, unsigned late3)
{
    for (unsigned t = 0; t < ms; t += LOOK_MS) {
        unsigned number;
        r->now_us += (int64_t)LOOK_MS * 1000;
        number = 100000 + (unsigned)(r->now_us / 10000);
        rig_open_effects(r);
        r->core.facts = rig_facts(number);
        r->core.facts.wait_sessions = beat_ms > 500;
        r->core.facts_us = r->now_us;
        hear(r, M2, number, number - 10 * late2);
        hear(r, M3, number, number - 10 * late3);
        slow_on_beat(&r->core, beat_ms * 1000);
        slow_watch(&r->core);
    }
}

static void test_only_member_is_slow_after_a_while(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 2500, 1200, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
    run(r, 1500, 1200, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), M2);
    assert_int_equal(slow_member(&r->core, ~(1u << M2)), NODE_NONE);
    rig_free(r);
}

/* Between half of the limit and the limit what has begun goes on. */
static void test_slow_begins_at_the_limit_and_ends_at_half(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 1000, 1200, 0, 0);
    run(r, 2500, 700, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), M2);
    rig_free(r);
}

/* A good moment does not make up for what was before it. */
static void test_slow_in_a_rhythm(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 2500, 1200, 0, 0);
    run(r, 300, 100, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
    run(r, 2500, 1200, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), M2);
    /* Nobody leaves in a moment in which nothing waits for him. */
    run(r, 100, 100, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
    rig_free(r);
    r = writer(1u << M2 | 1u << M3);
    for (unsigned i = 0; i < 4; i++) {
        run(r, 2500, 1500, 15, 1);
        run(r, 500, 100, 0, 0);
    }
    run(r, 2500, 1500, 15, 1);
    assert_int_equal(slow_member(&r->core, ALL), M2);
    rig_free(r);
}

static void test_hiccups_cost_nothing(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned ms = 0; ms < 2500; ms += LOOK_MS) {
            run(r, LOOK_MS, 1200, 0, 0);
            assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
        }
        run(r, 3000, 100, 0, 0);
    }
    rig_free(r);
}

/* One row that takes `wait_ms`, then quick ones, as the writer's agent sees it: of the row nothing
 * is known before it is late or over. Returns whether the member was to leave meanwhile. */
static bool stalls(struct rig *r, unsigned wait_ms, unsigned quick_ms)
{
    struct core *core = &r->core;
    bool leaves = false;
    core->lead.beat = 0;
    core->asks.list[0].sent_us = r->now_us;
    for (unsigned ms = 0; ms < wait_ms; ms += LOOK_MS) {
        r->now_us += (int64_t)LOOK_MS * 1000;
        rig_open_effects(r);
        core->facts.wait_sessions = 1;
        core->facts_us = r->now_us;
        hear(r, M2, 100, 100);
        slow_watch(core);
        leaves = leaves || slow_member(core, ALL) == M2;
    }
    core->lead.beat = ASK_NONE;
    slow_on_beat(core, (int64_t)wait_ms * 1000);
    run(r, quick_ms, 5, 0, 0);
    return leaves;
}

/* Two of three seconds commits wait, though that is known only in the last of the two. */
static void test_relapse_counts_from_its_beginning(void **state)
{
    struct rig *r = writer(1u << M2);
    bool leaves = false;
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        leaves = stalls(r, 2000, 1000) || leaves;
    assert_true(leaves);
    rig_free(r);
    /* Less than half of the time. */
    r = writer(1u << M2);
    for (unsigned i = 0; i < 20; i++)
        assert_false(stalls(r, 2000, 2500));
    rig_free(r);
}

/* The agent stood still: nobody knows what its members were like. */
static void test_time_without_a_look_counts_for_nobody(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 1500, 1200, 0, 0);
    r->now_us += 60000000;
    run(r, 200, 1200, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
    run(r, 2500, 1200, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), M2);
    rig_free(r);
}

static void test_limit_is_not_reached(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 10000, 900, 0, 0);
    assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
    rig_free(r);
}

/* A disk of the writer: its beats are slow, and nobody waits for an acknowledgement. */
static void test_slow_writer_blames_nobody(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        run(r, LOOK_MS, 400, 0, 0);
        slow_on_beat(&r->core, 5000000);
    }
    assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
    rig_free(r);
}

static void test_of_two_the_one_behind(void **state)
{
    struct rig *r = writer(1u << M2 | 1u << M3);
    (void)state;
    run(r, 8000, 1500, 15, 1);
    assert_int_equal(slow_member(&r->core, ALL), M2);
    rig_free(r);
    r = writer(1u << M2 | 1u << M3);
    run(r, 8000, 1500, 1, 15);
    assert_int_equal(slow_member(&r->core, ALL), M3);
    rig_free(r);
}

static void test_never_with_zero(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    r->cfg.policy.slow_after_ms = 0;
    run(r, 60000, 5000, 50, 0);
    assert_int_equal(slow_member(&r->core, ALL), NODE_NONE);
    rig_free(r);
}

static void leave(struct rig *r)
{
    assert_int_equal(slow_member(&r->core, ALL), M2);
    slow_on_shrink(&r->core, 1u << M2);
    r->core.record.in_sync &= ~(1u << M2);
    slow_on_left(&r->core, 1u << M2);
}

/* Held back while it is behind, then for slow_after; twice as long the second time. */
static void test_it_comes_back_when_it_keeps_up(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    assert_false(slow_is_held(&r->core, M2));
    run(r, 5000, 1500, 15, 0);
    leave(r);
    run(r, 20000, 1, 15, 0);
    assert_true(slow_is_held(&r->core, M2));
    run(r, 2800, 1, 1, 0);
    assert_true(slow_is_held(&r->core, M2));
    run(r, 1500, 1, 1, 0);
    assert_false(slow_is_held(&r->core, M2));
    r->core.record.in_sync |= 1u << M2;
    r->core.lead.member_since_us[M2] = r->now_us;
    run(r, 5000, 1500, 15, 0);
    leave(r);
    run(r, 5000, 1, 1, 0);
    assert_true(slow_is_held(&r->core, M2));
    run(r, 2500, 1, 1, 0);
    assert_false(slow_is_held(&r->core, M2));
    rig_free(r);
}

/* The others are not heard of, and their last reports grow old. */
static void run_unheard(struct rig *r, unsigned ms)
{
    for (unsigned t = 0; t < ms; t += LOOK_MS) {
        r->now_us += (int64_t)LOOK_MS * 1000;
        rig_open_effects(r);
        r->core.facts_us = r->now_us;
        slow_watch(&r->core);
    }
}

/* Silence is no calm: a short one does not count, a long one begins it anew. */
static void test_silence_is_no_calm(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 5000, 1500, 15, 0);
    leave(r);
    run(r, 2000, 1, 1, 0);
    run_unheard(r, 900);
    run(r, 500, 1, 1, 0);
    assert_true(slow_is_held(&r->core, M2));
    run(r, 1000, 1, 1, 0);
    assert_false(slow_is_held(&r->core, M2));
    rig_free(r);
    r = writer(1u << M2);
    run(r, 5000, 1500, 15, 0);
    leave(r);
    run(r, 2800, 1, 1, 0);
    run_unheard(r, 10000);
    run(r, 2800, 1, 1, 0);
    assert_true(slow_is_held(&r->core, M2));
    run(r, 500, 1, 1, 0);
    assert_false(slow_is_held(&r->core, M2));
    rig_free(r);
}

static void test_long_membership_is_forgiven(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 5000, 1500, 15, 0);
    leave(r);
    run(r, 8000, 1, 1, 0);
    r->core.record.in_sync |= 1u << M2;
    r->core.lead.member_since_us[M2] = r->now_us;
    run(r, 29000, 1, 1, 0);
    assert_int_equal(r->core.lead.slow.drops[M2], 1);
    run(r, 2000, 1, 1, 0);
    assert_int_equal(r->core.lead.slow.drops[M2], 0);
    rig_free(r);
}

/* Who left for something else is not held back. */
static void test_other_shrinks_hold_nobody(void **state)
{
    struct rig *r = writer(1u << M2);
    (void)state;
    run(r, 5000, 1500, 15, 0);
    slow_on_shrink(&r->core, 0);
    slow_on_left(&r->core, 1u << M2);
    assert_false(slow_is_held(&r->core, M2));
    rig_free(r);
}

static unsigned writer_rule(bool surplus, uint32_t *ret_mask)
{
    struct rig *r = writer(1u << M2);
    struct core *core = &r->core;
    unsigned rule;
    run(r, 5000, 1500, 15, 0);
    assert_int_equal(slow_member(core, ALL), M2);
    core->health.state = HEALTH_OK;
    core->lead.phase = LEAD_STEADY;
    core->facts.read_only = false;
    core->facts.source_side = true;
    for (unsigned i = M2; i <= M3; i++) {
        core->view[i].report.health = HEALTH_OK;
        core->view[i].report.facts.sql = THREAD_RUNNING;
        core->view[i].report.facts.replica_side = i == M2 || surplus;
    }
    rig_open_effects(r);
    writer_run(core);
    rule = core->verdict[VERDICT_WRITER].rule;
    assert_int_equal(core->lead.proc_verdict, WRITER_SHRINK);
    *ret_mask = core->lead.shrink_mask;
    rig_free(r);
    return rule;
}

/* Who acknowledges and is no member goes first; the slow one leaves for its own rule, or it would
 * not be held back. */
static void test_count_is_put_right_first(void **state)
{
    uint32_t mask;
    (void)state;
    assert_int_equal(writer_rule(/* surplus= */ false, &mask), 115);
    assert_int_equal(mask, 1u << M2);
    assert_int_equal(writer_rule(/* surplus= */ true, &mask), 110);
    assert_int_equal(mask, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_member_is_slow_after_a_while),
        cmocka_unit_test(test_slow_begins_at_the_limit_and_ends_at_half),
        cmocka_unit_test(test_slow_in_a_rhythm),
        cmocka_unit_test(test_hiccups_cost_nothing),
        cmocka_unit_test(test_relapse_counts_from_its_beginning),
        cmocka_unit_test(test_time_without_a_look_counts_for_nobody),
        cmocka_unit_test(test_limit_is_not_reached),
        cmocka_unit_test(test_slow_writer_blames_nobody),
        cmocka_unit_test(test_of_two_the_one_behind),
        cmocka_unit_test(test_never_with_zero),
        cmocka_unit_test(test_it_comes_back_when_it_keeps_up),
        cmocka_unit_test(test_silence_is_no_calm),
        cmocka_unit_test(test_long_membership_is_forgiven),
        cmocka_unit_test(test_other_shrinks_hold_nobody),
        cmocka_unit_test(test_count_is_put_right_first),
    };
    return cmocka_run_group_tests_name("slow", tests, NULL, NULL);
}
