/* SPDX-License-Identifier: Apache-2.0 */
/* Commits that ended on the writer without the acknowledgement of the in-sync set: seen, kept, and
 * forgotten when it cannot matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/release.h"
#include "core_fixture.h"

#define M2 1
#define EPOCH 5

/* m1 wrote 0-1-12 in epoch 5, m2 is the member and has 0-1-10; m1 leads nothing any more. */
struct situation {
    struct rig *r;
    struct server_facts m1;
};

static void member_has(struct situation *s, unsigned number)
{
    rig_report(s->r, M2)->facts = rig_facts(number);
    rig_step(s->r);
}

static void look(struct situation *s)
{
    rig_tick(s->r, 500);
    rig_probe(s->r, &s->m1);
}

static struct situation cut_off_writer(void)
{
    struct situation s = {.r = rig_new(0), .m1 = rig_facts(12)};
    s.m1.read_only = false;
    s.m1.source_side = s.m1.after_sync = s.m1.wait_no_replica = s.m1.timeout_infinite = true;
    s.m1.wait_count = 1;
    s.m1.no_tx = 3; /* from before there was a member */
    rig_server(s.r, 100, &s.m1);
    rig_peer(s.r, M2, true);
    member_has(&s, 10);
    s.r->core.confirmed = true;
    rig_promote(s.r, 0, EPOCH);
    rig_grow(s.r, M2, 100 + M2);
    look(&s);
    assert_false(release_is_known(&s.r->core));
    return s;
}

static void lose_to_m2(struct situation *s)
{
    rig_promote(s->r, M2, EPOCH + 1);
    assert_true((s->r->core.record.flags[0] & NODE_FORMER) != 0);
}

static void test_waiters_that_were_released(void **state)
{
    struct situation s = cut_off_writer();
    (void)state;
    look(&s);
    assert_false(release_is_known(&s.r->core));
    s.m1.no_tx = 4;
    rig_tick(s.r, 500);
    rig_probe(s.r, &s.m1);
    assert_true(rig_logged(s.r, "commits-released"));
    assert_true(release_is_known(&s.r->core));
    assert_true(rig_effect(s.r, EFFECT_RELEASE, 0)->u.release.released);
    assert_int_equal(rig_effect(s.r, EFFECT_RELEASE, 0)->u.release.epoch, EPOCH);
    /* It goes on as if nothing had been, is killed, and m2 is promoted. */
    look(&s);
    rig_died(s.r, false);
    lose_to_m2(&s);
    rig_tick(s.r, 100);
    assert_true(release_is_known(&s.r->core));
    rig_free(s.r);
}

static void test_source_side_off(void **state)
{
    struct situation s = cut_off_writer();
    (void)state;
    s.m1.source_side = false;
    look(&s);
    assert_true(release_is_known(&s.r->core));
    rig_free(s.r);
}

static void test_count_too_low(void **state)
{
    struct situation s = cut_off_writer();
    (void)state;
    s.m1.wait_count = 0;
    look(&s);
    assert_false(release_is_known(&s.r->core)); /* MariaDB has no count */
    s.m1.flavour = SERVER_MYSQL;
    look(&s);
    assert_true(release_is_known(&s.r->core));
    rig_free(s.r);
}

/* A closed server may have it off: so every server starts. */
static void test_a_restarted_server_is_closed(void **state)
{
    struct situation s = cut_off_writer();
    (void)state;
    rig_died(s.r, false);
    s.m1.read_only = true;
    s.m1.source_side = false;
    s.m1.no_tx = 0;
    rig_tick(s.r, 100);
    rig_server(s.r, 200, &s.m1);
    assert_false(release_is_known(&s.r->core));
    rig_free(s.r);
}

/* It has a lease: nobody else can have been promoted. */
static void with_a_lease(struct situation *s)
{
    s->r->core.is_leader = true;
    s->r->core.term = s->r->core.open_term = 7;
    s->r->core.lease_until_us = INT64_MAX;
}

static void test_over_when_members_have_all(void **state)
{
    struct situation s = cut_off_writer();
    (void)state;
    s.m1.no_tx = 8;
    look(&s);
    look(&s);
    member_has(&s, 20); /* perhaps as the next writer, with other transactions of these numbers */
    assert_true(release_is_known(&s.r->core));
    with_a_lease(&s);
    s.m1.no_tx = 9;
    look(&s);
    member_has(&s, 12); /* what was released may not have been in the look that found it */
    assert_true(release_is_known(&s.r->core));
    (void)snprintf(s.m1.executed, sizeof s.m1.executed, "0-1-14");
    look(&s);
    member_has(&s, 13);
    assert_true(release_is_known(&s.r->core));
    /* Another run of its server may have lost it again. */
    rig_report(s.r, M2)->facts = rig_facts(14);
    s.r->ev.u.report.incarnation = rig_run_of(900);
    rig_step(s.r);
    assert_true(release_is_known(&s.r->core));
    (void)snprintf(s.m1.executed, sizeof s.m1.executed, "0-1-20");
    look(&s);
    member_has(&s, 14);
    assert_true(rig_logged(s.r, "release-over"));
    assert_false(release_is_known(&s.r->core));
    assert_false(rig_effect(s.r, EFFECT_RELEASE, 0)->u.release.released);
    rig_free(s.r);
}

static void test_another_release_starts_anew(void **state)
{
    struct situation s = cut_off_writer();
    (void)state;
    s.m1.no_tx = 9;
    look(&s);
    look(&s);
    s.m1.no_tx = 10;
    (void)snprintf(s.m1.executed, sizeof s.m1.executed, "0-1-14");
    look(&s);
    member_has(&s, 12);
    assert_true(release_is_known(&s.r->core));
    rig_free(s.r);
}

static void test_over_when_the_set_is_emptied(void **state)
{
    struct situation s = cut_off_writer();
    struct entry *e;
    (void)state;
    s.m1.no_tx = 9;
    look(&s);
    e = rig_entry(s.r, ENTRY_SHRINK);
    e->mask = 1u << M2;
    rig_step(s.r);
    assert_false(release_is_known(&s.r->core));
    /* What is released while nobody is to acknowledge was promised by nobody. */
    s.m1.no_tx = 12;
    s.m1.source_side = false;
    look(&s);
    rig_grow(s.r, M2, 100 + M2);
    s.m1.source_side = true;
    look(&s);
    assert_false(release_is_known(&s.r->core));
    rig_free(s.r);
}

static void test_kept_over_a_restart_of_the_agent(void **state)
{
    struct situation s = cut_off_writer();
    struct release_note note = {.epoch = EPOCH, .run = rig_run_of(100), .no_tx = 3};
    struct rig *again = rig_new(0);
    (void)state;
    s.m1.no_tx = 4;
    look(&s);
    assert_true(release_is_known(&s.r->core));
    /* The record that it starts with may be of the past. */
    release_restore(&again->core, &s.r->core.release.note);
    rig_tick(again, 10);
    assert_true(release_is_known(&again->core));
    rig_promote(again, 0, EPOCH); /* and has no member yet */
    assert_true(release_is_known(&again->core));
    assert_int_equal(rig_count(again, EFFECT_RELEASE), 0);
    rig_grow(again, M2, 100 + M2);
    rig_promote(again, M2, EPOCH + 1);
    again->core.confirmed = true;
    rig_tick(again, 10);
    assert_true(release_is_known(&again->core));
    rig_free(again);
    /* What happened in between shows in the server's number, if it is the same run. */
    again = rig_new(0);
    release_restore(&again->core, &note);
    rig_server(again, 100, &s.m1);
    rig_tick(again, 10);
    assert_true(release_is_known(&again->core));
    rig_free(again);
    again = rig_new(0);
    release_restore(&again->core, &note);
    rig_server(again, 101, &s.m1);
    rig_tick(again, 10);
    assert_false(release_is_known(&again->core));
    rig_free(again);
    rig_free(s.r);
}

/* A file that cannot be read may be about the epoch that ended. */
static void test_an_unreadable_file(void **state)
{
    struct situation s = cut_off_writer();
    struct release_note note = {.released = true};
    (void)state;
    s.r->core.release.note = note;
    rig_died(s.r, false);
    lose_to_m2(&s);
    assert_true(release_is_known(&s.r->core));
    rig_free(s.r);
}

static void test_of_another_epoch(void **state)
{
    struct situation s = cut_off_writer();
    (void)state;
    s.m1.no_tx = 9;
    look(&s);
    lose_to_m2(&s);
    assert_true(release_is_known(&s.r->core));
    rig_promote(s.r, 0, EPOCH + 2);
    rig_grow(s.r, M2, 100 + M2);
    assert_false(release_is_known(&s.r->core));
    rig_free(s.r);
}

/* A server that answers others and not the agent, for long before its end, may have told anything;
 * one that answers nobody has told nobody. */
static void test_unread_before_the_end(void **state)
{
    static const struct {
        enum probe_outcome outcome;
        int64_t ms;
        bool known;
    } cases[] = {{PROBE_DENIED, 6000, true},
                 {PROBE_FULL, 6000, true},
                 {PROBE_DENIED, 1000, false},
                 {PROBE_TIMEOUT, 6000, false}};
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct situation s = cut_off_writer();
        rig_event(s.r, EVENT_PROBE)->u.probe.outcome = cases[i].outcome;
        rig_step(s.r);
        rig_tick(s.r, cases[i].ms);
        rig_died(s.r, false);
        assert_int_equal(release_is_known(&s.r->core), cases[i].known);
        rig_free(s.r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiters_that_were_released),
        cmocka_unit_test(test_source_side_off),
        cmocka_unit_test(test_count_too_low),
        cmocka_unit_test(test_a_restarted_server_is_closed),
        cmocka_unit_test(test_over_when_members_have_all),
        cmocka_unit_test(test_another_release_starts_anew),
        cmocka_unit_test(test_over_when_the_set_is_emptied),
        cmocka_unit_test(test_kept_over_a_restart_of_the_agent),
        cmocka_unit_test(test_an_unreadable_file),
        cmocka_unit_test(test_of_another_epoch),
        cmocka_unit_test(test_unread_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
