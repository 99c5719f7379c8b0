/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of the procedures, with steps whose verdict the test chooses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/procs.h"
#include "core_fixture.h"

/* The step functions see the core only: their verdict is in `rank`, the number of calls in
 * `report_seq`. */
static enum step_verdict scripted(struct core *core, struct proc *p)
{
    core->report_seq++;
    if (core->rank == STEP_FAIL)
        return proc_fail(p, "the %s said no", "server");
    return (enum step_verdict)core->rank;
}

static enum step_verdict once(struct core *core, struct proc *p)
{
    if (proc_first(p))
        core->report_seq += 100;
    return (enum step_verdict)core->rank;
}

static enum step_verdict noted(struct core *core, struct proc *p)
{
    (void)core;
    proc_note(p, "%d rows", 3);
    return STEP_NEXT;
}

static const struct step three[] = {
    {"one", scripted, 0},
    {"two", scripted, 100},
    {"three", noted, 0},
};
static const struct proc_kind three_proc = {"three", three, 3, /* hold= */ false};

static const struct step first[] = {{"first", once, 0}};
static const struct proc_kind first_proc = {"first", first, 1, /* hold= */ false};

static struct rig *started(struct proc *p, const struct proc_kind *kind)
{
    struct rig *r = rig_new(0);
    r->core.term = 9;
    rig_open_effects(r);
    proc_start(&r->core, p, kind, 1, 0);
    return r;
}

static enum proc_state run(struct rig *r, struct proc *p, enum step_verdict v, int64_t after_ms)
{
    r->now_us += after_ms * 1000;
    rig_open_effects(r);
    r->core.rank = (int)v;
    return proc_run(&r->core, p);
}

static void test_runs_as_far_as_it_goes(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &three_proc);
    const struct history *h = &p.history;
    (void)state;
    proc_because(&p, "lead", 120, "self-member");
    assert_true(proc_is_running(&p));
    assert_int_equal(run(r, &p, STEP_WAIT, 0), PROC_RUNNING);
    assert_int_equal(p.step, 0);
    r->core.report_seq = 0;
    assert_int_equal(run(r, &p, STEP_NEXT, 7), PROC_DONE); /* all three in one call */
    assert_int_equal(r->core.report_seq, 2);
    assert_false(proc_is_running(&p));
    assert_int_equal(r->core.n_pending_histories, 1);
    assert_memory_equal(&r->core.pending_histories[0], h, sizeof *h);
    assert_string_equal(h->kind, "three");
    assert_string_equal(h->outcome, "done");
    assert_string_equal(h->table, "lead");
    assert_int_equal(h->rule, 120);
    assert_string_equal(h->why, "self-member");
    assert_int_equal(h->term, 9);
    assert_int_equal(h->from, 1);
    assert_int_equal(h->to, 0);
    assert_int_equal(h->took_us, 7000);
    assert_int_equal(h->n_steps, 3);
    assert_string_equal(h->steps[0].name, "one");
    assert_int_equal(h->steps[0].took_us, 7000);
    assert_string_equal(h->steps[1].note, ""); /* notes belong to their step */
    assert_string_equal(h->steps[2].note, "3 rows");
    assert_int_equal(h->steps[2].at_us, 7000);
    /* An ended procedure does nothing more. */
    assert_int_equal(run(r, &p, STEP_NEXT, 1), PROC_DONE);
    assert_int_equal(r->core.n_pending_histories, 1);
    rig_free(r);
}

static void test_limit_of_a_step(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &three_proc);
    (void)state;
    assert_int_equal(run(r, &p, STEP_WAIT, 60000), PROC_RUNNING); /* the first has none */
    p.step = 1;
    p.step_us = r->now_us;
    assert_int_equal(run(r, &p, STEP_WAIT, 100), PROC_RUNNING);
    assert_int_equal(run(r, &p, STEP_WAIT, 1), PROC_FAILED);
    assert_string_equal(p.history.outcome, "two: not done within 100 ms");
    assert_int_equal(r->core.n_pending_histories, 1);
    rig_free(r);
}

/* Done in the same moment in which it would have been too late: done. */
static void test_late_but_done(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &three_proc);
    (void)state;
    p.step = 1;
    assert_int_equal(run(r, &p, STEP_NEXT, 5000), PROC_DONE);
    rig_free(r);
}

static void test_failure(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &three_proc);
    (void)state;
    assert_int_equal(run(r, &p, STEP_FAIL, 3), PROC_FAILED);
    assert_string_equal(p.history.outcome, "the server said no");
    assert_int_equal(p.history.n_steps, 1); /* where it failed */
    assert_string_equal(p.history.steps[0].name, "one");
    assert_true(rig_logged(r, "procedure-failed"));
    rig_free(r);
}

static void test_abort(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &three_proc);
    (void)state;
    (void)run(r, &p, STEP_WAIT, 1);
    proc_abort(&r->core, &p, "deposed");
    assert_int_equal(p.state, PROC_FAILED);
    assert_string_equal(p.history.outcome, "aborted at one: deposed");
    assert_int_equal(r->core.n_pending_histories, 1);
    proc_abort(&r->core, &p, "again");
    assert_int_equal(r->core.n_pending_histories, 1);
    assert_string_equal(p.history.outcome, "aborted at one: deposed");
    rig_free(r);
}

static void test_abort_of_nothing(void **state)
{
    struct rig *r = rig_new(0);
    struct proc p;
    (void)state;
    memset(&p, 0, sizeof p);
    rig_open_effects(r);
    proc_abort(&r->core, &p, "deposed");
    assert_int_equal(p.state, PROC_IDLE);
    assert_int_equal(r->core.n_pending_histories, 0);
    assert_int_equal(r->fx.count, 0);
    rig_free(r);
}

static void test_first_call_of_a_step(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &first_proc);
    (void)state;
    r->core.report_seq = 0;
    (void)run(r, &p, STEP_WAIT, 1);
    (void)run(r, &p, STEP_WAIT, 1);
    (void)run(r, &p, STEP_NEXT, 1);
    assert_int_equal(r->core.report_seq, 100);
    rig_free(r);
}

static void test_timeline_is_bounded(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &three_proc);
    (void)state;
    for (unsigned i = 0; i < HISTORY_STEPS_MAX + 10; i++) {
        rig_open_effects(r);
        proc_mark(&r->core, &p, "repoint", i % 5, r->now_us);
    }
    assert_int_equal(p.history.n_steps, HISTORY_STEPS_MAX);
    assert_null(history_add(&p.history, "more", 0));
    assert_int_equal(run(r, &p, STEP_NEXT, 1), PROC_DONE); /* and it goes on all the same */
    assert_int_equal(p.history.n_steps, HISTORY_STEPS_MAX);
    rig_free(r);
}

static void test_long_texts_are_cut(void **state)
{
    struct proc p;
    struct rig *r = started(&p, &three_proc);
    char text[4096];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    proc_because(&p, text, 1, text);
    proc_note(&p, "%s", text);
    assert_int_equal(proc_fail(&p, "%s", text), STEP_FAIL);
    proc_abort(&r->core, &p, text);
    assert_int_equal(strlen(p.history.table), HISTORY_NAME_MAX - 1);
    assert_int_equal(strlen(p.history.why), DETAIL_TEXT_MAX - 1);
    assert_int_equal(strlen(p.history.outcome), HISTORY_NOTE_MAX - 1);
    rig_free(r);
}

/* The oldest of too many goes; what waits is bounded. */
static void test_pending_histories_are_bounded(void **state)
{
    struct rig *r = rig_new(0);
    struct history h;
    (void)state;
    memset(&h, 0, sizeof h);
    for (unsigned i = 0; i < CORE_HISTORIES_PENDING_MAX + 3; i++) {
        h.rule = (uint16_t)i;
        core_push_history(&r->core, &h);
    }
    assert_int_equal(r->core.n_pending_histories, CORE_HISTORIES_PENDING_MAX);
    assert_int_equal(r->core.pending_histories[0].rule, 3);
    rig_free(r);
}

/* Every procedure's names fit the timeline. */
static void test_names_fit(void **state)
{
    static const struct proc_kind *const kinds[] = {&takeover_proc, &reopen_proc, &switchover_proc,
                                                    &resign_proc,   &shrink_proc, &grow_proc};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_true(kinds[i]->n_steps > 0 && kinds[i]->n_steps < HISTORY_STEPS_MAX);
        assert_true(strlen(kinds[i]->name) < HISTORY_NAME_MAX);
        for (unsigned k = 0; k < kinds[i]->n_steps; k++) {
            assert_non_null(kinds[i]->steps[k].run);
            assert_true(strlen(kinds[i]->steps[k].name) < HISTORY_NAME_MAX);
        }
    }
}

/* 5.1: the order of the takeover is the safety argument. */
static void test_order_of_the_takeover(void **state)
{
    static const char *const order[] = {"seal", "drain", "level", "commit", "open", "publish"};
    unsigned at = 0;
    (void)state;
    for (unsigned k = 0; k < takeover_proc.n_steps && at < 6; k++)
        at += strcmp(takeover_proc.steps[k].name, order[at]) == 0;
    assert_int_equal(at, 6);
    assert_string_equal(takeover_proc.steps[takeover_proc.n_steps - 1].name, "publish");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_as_far_as_it_goes),
        cmocka_unit_test(test_limit_of_a_step),
        cmocka_unit_test(test_late_but_done),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_abort_of_nothing),
        cmocka_unit_test(test_first_call_of_a_step),
        cmocka_unit_test(test_timeline_is_bounded),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_pending_histories_are_bounded),
        cmocka_unit_test(test_names_fit),
        cmocka_unit_test(test_order_of_the_takeover),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
