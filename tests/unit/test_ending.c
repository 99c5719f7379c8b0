/* SPDX-License-Identifier: Apache-2.0 */
/* A writer that was shut down and does not start: when its binary log excuses its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/ending.h"
#include "core_fixture.h"

#define M2 1 /* the member */

/* m1 leads, was shut down as the writer, and a start has failed; m2 is in sync and has 0-1-10. */
static struct rig *shut_down(void)
{
    struct rig *r = rig_new(0);
    struct server_facts facts = rig_facts(10);
    struct report *report;
    rig_server(r, 1, &facts);
    for (unsigned i = 1; i < 5; i++)
        rig_peer(r, i, true);
    rig_promote(r, 0, 1);
    rig_grow(r, M2, 100 + M2);
    rig_elect(r, 2, 60000);
    report = rig_report(r, M2);
    report->facts = rig_facts(10);
    report->eligible = ELIGIBLE_MEMBER;
    rig_step(r);
    rig_died(r, /* cleanly= */ true);
    rig_open_effects(r);
    r->core.lead.phase = LEAD_CARETAKER;
    r->core.lead.failed_count = 1;
    return r;
}

/* The request to this node that waits, NULL if there is none. */
static const struct request *asked(struct rig *r)
{
    const struct local *l = &r->core.local;
    rig_open_effects(r);
    ending_run(&r->core);
    if (r->core.lead.ending.ask == ASK_NONE)
        return NULL;
    for (unsigned i = 0; i < l->n_queued; i++) {
        if (l->queue[i].request.job.kind == JOB_BEYOND)
            return &l->queue[i].request;
    }
    return NULL;
}

static void answered(struct rig *r, int outcome, uint32_t beyond)
{
    struct ask *a = &r->core.asks.list[r->core.lead.ending.ask];
    a->state = ASK_ANSWERED;
    a->answer.result.outcome = outcome;
    a->answer.result.count = beyond;
    rig_open_effects(r);
    ending_run(&r->core);
}

static void test_all_of_it_is_on_the_member(void **state)
{
    struct rig *r = shut_down();
    const struct request *q = asked(r);
    (void)state;
    assert_non_null(q);
    assert_int_equal(q->job.kind, JOB_BEYOND);
    assert_string_equal(q->job.gtid, "0-1-10");
    answered(r, JOB_DONE, 0);
    assert_false(r->core.ended_cleanly);
    rig_free(r);
}

static void test_it_stays_in_doubt(void **state)
{
    static const struct {
        int outcome;
        uint32_t beyond;
    } rows[] = {{JOB_DONE, 1}, {JOB_REFUSED, 0}, {JOB_FAILED, 0}, {JOB_TIMEOUT, 0}};
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = shut_down();
        assert_non_null(asked(r));
        answered(r, rows[i].outcome, rows[i].beyond);
        assert_true(r->core.ended_cleanly);
        assert_null(asked(r));
        assert_int_equal(r->core.lead.ending.not_before_us, r->now_us + 1000000);
        r->core.lead.ending.not_before_us = 0;
        assert_non_null(asked(r));
        rig_free(r);
    }
}

/* Starting it is the shorter way; a server that runs is not judged; nobody could take over. */
static void test_not_looked_for(void **state)
{
    struct rig *r = shut_down();
    (void)state;
    r->core.lead.failed_count = 0;
    assert_null(asked(r));
    r->core.lead.failed_count = 1;
    r->core.health.process = true;
    assert_null(asked(r));
    r->core.health.process = false;
    r->core.view[M2].report.incarnation.pid++;
    assert_null(asked(r));
    r->core.view[M2].report.incarnation.pid--;
    r->core.record.paused = true;
    assert_null(asked(r));
    r->core.record.paused = false;
    r->core.lead.ending.not_before_us = 0;
    assert_non_null(asked(r));
    /* It came up meanwhile: what is read does not count. */
    r->core.health.process = true;
    assert_null(asked(r));
    assert_true(r->core.ended_cleanly);
    rig_free(r);
}

/* A member that has less, or is not heard, could be promoted as well. */
static void test_every_member_must_have_it(void **state)
{
    struct rig *r = shut_down();
    (void)state;
    r->core.record.in_sync |= 1u << 2;
    assert_null(asked(r));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it_is_on_the_member),
        cmocka_unit_test(test_it_stays_in_doubt),
        cmocka_unit_test(test_not_looked_for),
        cmocka_unit_test(test_every_member_must_have_it),
    };
    return cmocka_run_group_tests_name("ending", tests, NULL, NULL);
}
