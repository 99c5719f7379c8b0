/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to this node's own server: which are refused, in which order the others run, and that
 * each of them is answered exactly once. The node is m2, the leader m1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "util/prng.h"

enum { LEADER = 0, SELF = 1, OTHER = 2 };

static struct rig *follower(uint64_t term)
{
    struct rig *r = rig_new(SELF);
    struct server_facts f = rig_facts(10);
    struct event *ev;
    r->core.confirmed = true; /* its record is not of the past */
    rig_server(r, 101, &f);
    ev = rig_event(r, EVENT_LEADER);
    ev->u.leader.term = term;
    ev->u.leader.node = LEADER;
    rig_step(r);
    return r;
}

static void ask(struct rig *r, unsigned from, uint64_t term, uint64_t id, int kind)
{
    struct request *q = rig_request(r, from, kind);
    q->term = term;
    q->id = id;
    rig_step(r);
}

static const struct answer *answer(const struct rig *r)
{
    const struct effect *e = rig_effect(r, EFFECT_ANSWER, 0);
    return e != NULL ? &e->u.answer : NULL;
}

static void check_refused(const struct rig *r, uint64_t id, const char *why)
{
    const struct answer *a = answer(r);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    assert_int_equal(rig_count(r, EFFECT_ANSWER), 1);
    assert_int_equal(a->id, id);
    assert_int_equal(a->result.outcome, JOB_STALE);
    if (strstr(a->result.detail, why) == NULL)
        fail_msg("'%s' does not say '%s'", a->result.detail, why);
}

static uint64_t started(const struct rig *r, int kind)
{
    const struct effect *e = rig_effect(r, EFFECT_JOB, 0);
    assert_non_null(e);
    assert_int_equal(rig_count(r, EFFECT_JOB), 1);
    assert_int_equal(e->u.job.job.kind, kind);
    return e->u.job.id;
}

/* ---- S10 ---- */

static void test_stale_is_refused_before_it_starts(void **state)
{
    struct rig *r = follower(7);
    (void)state;
    for (int kind = JOB_NONE + 1; kind < JOB_COUNT; kind++) {
        if (!job_changes_server(kind))
            continue;
        ask(r, LEADER, 6, (uint64_t)kind, kind);
        check_refused(r, (uint64_t)kind, "newer term");
        assert_int_equal(rig_effect(r, EFFECT_ANSWER, 0)->to, LEADER);
        assert_int_equal(answer(r)->term, 6);
        assert_int_equal(answer(r)->kind, kind);
    }
    /* Reading harms nobody. */
    ask(r, LEADER, 6, 99, JOB_FACTS);
    (void)started(r, JOB_FACTS);
    rig_free(r);
}

static void test_stale_is_refused_while_it_waits(void **state)
{
    struct rig *r = follower(7);
    uint64_t seal;
    struct event *ev;
    (void)state;
    ask(r, LEADER, 7, 1, JOB_SEAL);
    seal = started(r, JOB_SEAL);
    ask(r, LEADER, 7, 2, JOB_DRAIN);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    assert_null(answer(r));
    /* The newer term appears by any message: a report here. */
    rig_report(r, OTHER)->term = 8;
    rig_step(r);
    check_refused(r, 2, "newer term");
    /* What runs has been begun: its end is told to whoever asked. */
    ev = rig_event(r, EVENT_JOB);
    ev->u.job.id = seal;
    ev->u.job.result.outcome = JOB_DONE;
    rig_step(r);
    assert_int_equal(answer(r)->id, 1);
    assert_int_equal(answer(r)->term, 7);
    assert_int_equal(answer(r)->result.outcome, JOB_DONE);
    rig_free(r);
}

/* The term of a request is itself news. */
static void test_a_request_brings_its_term(void **state)
{
    struct rig *r = follower(7);
    (void)state;
    ask(r, OTHER, 9, 1, JOB_SEAL);
    (void)started(r, JOB_SEAL);
    assert_int_equal(r->core.term, 9);
    ask(r, LEADER, 8, 2, JOB_KILL);
    check_refused(r, 2, "newer term");
    rig_free(r);
}

/* ---- order ---- */

static void test_one_at_a_time_per_executor(void **state)
{
    struct rig *r = follower(7);
    uint64_t first;
    (void)state;
    ask(r, LEADER, 7, 1, JOB_SEAL);
    first = started(r, JOB_SEAL);
    ask(r, LEADER, 7, 2, JOB_DRAIN);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    ask(r, LEADER, 7, 3, JOB_FACTS);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    /* Other connections do not wait for it. */
    ask(r, LEADER, 7, 4, JOB_HEARTBEAT);
    (void)started(r, JOB_HEARTBEAT);
    ask(r, LEADER, 7, 5, JOB_KILL);
    (void)started(r, JOB_KILL);
    /* Binlog files are not touched while a process is started or killed. */
    ask(r, LEADER, 7, 6, JOB_SALVAGE);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    rig_job_ended(r, first, JOB_DONE);
    first = started(r, JOB_DRAIN); /* in the order of their coming */
    assert_int_equal(answer(r)->id, 1);
    rig_job_ended(r, first, JOB_FAILED);
    (void)started(r, JOB_FACTS);
    assert_int_equal(answer(r)->id, 2);
    assert_int_equal(answer(r)->result.outcome, JOB_FAILED);
    rig_free(r);
}

static void test_without_a_process_nothing_is_asked_of_it(void **state)
{
    struct rig *r = follower(7);
    (void)state;
    rig_died(r, /* cleanly= */ false);
    ask(r, LEADER, 7, 1, JOB_FACTS);
    check_refused(r, 1, "not running");
    ask(r, LEADER, 7, 2, JOB_START);
    (void)started(r, JOB_START);
    rig_free(r);
}

static void test_queue_is_bounded(void **state)
{
    struct rig *r = follower(7);
    (void)state;
    ask(r, LEADER, 7, 1000, JOB_SEAL);
    for (unsigned i = 0; i < LOCAL_QUEUE_MAX; i++) {
        ask(r, LEADER, 7, i, JOB_FACTS);
        assert_null(answer(r));
    }
    ask(r, LEADER, 7, 2000, JOB_FACTS);
    check_refused(r, 2000, "too many");
    /* A term that makes all of them stale in one step does not overflow the effects. */
    for (unsigned i = 0; i < r->core.local.n_queued; i++)
        r->core.local.queue[i].request.job.kind = JOB_DRAIN;
    ask(r, OTHER, 8, 3000, JOB_DRAIN);
    rig_tick(r, 10);
    assert_true(r->core.local.n_queued <= 1);
    rig_free(r);
}

/* The fence of this node does not wait in line, nor for room in it. */
static void test_own_jobs_come_first(void **state)
{
    struct rig *r = follower(7);
    struct server_facts f = rig_facts(10);
    (void)state;
    ask(r, LEADER, 7, 1000, JOB_SEAL);
    for (unsigned i = 0; i < LOCAL_QUEUE_MAX; i++)
        ask(r, LEADER, 7, i, JOB_FACTS);
    rig_promote(r, LEADER, 7);
    f.read_only = false;
    rig_probe(r, &f);
    (void)started(r, JOB_KILL);
    assert_int_equal(answer(r)->id, LOCAL_QUEUE_MAX - 1);
    assert_int_equal(answer(r)->result.outcome, JOB_STALE);
    rig_free(r);
}

/* ---- deadlines ---- */

static void test_a_job_that_never_ends(void **state)
{
    struct rig *r = follower(7);
    uint64_t lost;
    uint64_t next;
    (void)state;
    ask(r, LEADER, 7, 1, JOB_SEAL); /* 1000 ms */
    lost = started(r, JOB_SEAL);
    ask(r, LEADER, 7, 2, JOB_DRAIN);
    rig_tick(r, 2900);
    assert_null(answer(r));
    rig_tick(r, 200);
    assert_int_equal(answer(r)->id, 1);
    assert_int_equal(answer(r)->result.outcome, JOB_TIMEOUT);
    assert_true(rig_logged(r, "job-lost"));
    next = started(r, JOB_DRAIN);
    /* It ends after all: nobody is told twice, and the lane belongs to the next. */
    rig_job_ended(r, lost, JOB_DONE);
    assert_null(answer(r));
    assert_true(local_is_running(&r->core, JOB_DRAIN));
    rig_job_ended(r, next, JOB_DONE);
    assert_int_equal(answer(r)->id, 2);
    rig_free(r);
}

/* ---- S4: opening ---- */

static struct rig *writer_to_be(void)
{
    struct rig *r = follower(7);
    r->core.is_leader = true;
    r->core.leader = SELF;
    r->core.lead.phase = LEAD_HANDOVER; /* the leader itself does nothing meanwhile */
    r->core.record.writer = SELF;
    r->core.record.epoch = 7;
    r->core.lease_until_us = r->now_us + 1000000;
    return r;
}

static int open_outcome(struct rig *r, unsigned from, uint64_t term)
{
    bool runs;
    ask(r, from, term, 5, JOB_OPEN);
    runs = local_is_running(&r->core, JOB_OPEN);
    rig_free(r);
    return runs;
}

static void test_open_only_by_the_leader_with_a_lease(void **state)
{
    struct rig *r;
    (void)state;
    assert_true(open_outcome(writer_to_be(), SELF, 7));
    assert_false(open_outcome(writer_to_be(), LEADER, 7));
    assert_false(open_outcome(writer_to_be(), SELF, 6));
    r = writer_to_be();
    r->core.is_leader = false;
    assert_false(open_outcome(r, SELF, 7));
    r = writer_to_be();
    r->core.record.writer = LEADER; /* its promotion is not committed */
    assert_false(open_outcome(r, SELF, 7));
    r = writer_to_be();
    r->core.lease_until_us = r->now_us;
    assert_false(open_outcome(r, SELF, 7));
    r = writer_to_be();
    r->core.lease_until_us = 0;
    assert_false(open_outcome(r, SELF, 7));
}

/* The lease ends while the opening waits behind another job. */
static void test_open_is_checked_again_when_it_starts(void **state)
{
    struct rig *r = writer_to_be();
    uint64_t first;
    (void)state;
    ask(r, SELF, 7, 1, JOB_FORGET);
    first = started(r, JOB_FORGET);
    ask(r, SELF, 7, 2, JOB_OPEN);
    rig_tick(r, 1500);
    rig_job_ended(r, first, JOB_DONE);
    assert_int_equal(rig_count(r, EFFECT_JOB), 0);
    assert_false(local_is_running(&r->core, JOB_OPEN));
    rig_free(r);
}

/* ---- 5.3: starting a mysqld that died ---- */

static bool starts(struct rig *r, unsigned from, int kind)
{
    bool runs;
    ask(r, from, 7, 5, kind);
    runs = local_is_running(&r->core, kind);
    rig_free(r);
    return runs;
}

static struct rig *dead(struct rig *r)
{
    rig_died(r, /* cleanly= */ false);
    return r;
}

static void test_start_and_rewind_guards(void **state)
{
    struct rig *r;
    (void)state;
    assert_false(starts(follower(7), LEADER, JOB_START)); /* it runs */
    assert_false(starts(follower(7), LEADER, JOB_REWIND));
    assert_true(starts(dead(follower(7)), LEADER, JOB_START));
    assert_true(starts(dead(follower(7)), LEADER, JOB_REWIND));
    /* The last writer: by its own leader with a lease only, and nothing of it is cut. */
    assert_false(starts(dead(writer_to_be()), LEADER, JOB_START));
    assert_true(starts(dead(writer_to_be()), SELF, JOB_START));
    assert_false(starts(dead(writer_to_be()), SELF, JOB_REWIND));
    assert_false(starts(dead(writer_to_be()), LEADER, JOB_REWIND));
    r = dead(writer_to_be());
    r->core.lease_until_us = 0;
    assert_false(starts(r, SELF, JOB_START));
}

/* A writable server's commits are released by nobody but its own leader. */
static void test_source_side_of_a_writable_server(void **state)
{
    struct rig *r = writer_to_be();
    struct server_facts f = rig_facts(10);
    (void)state;
    r->core.open_term = 7;
    f.read_only = false;
    rig_probe(r, &f);
    ask(r, LEADER, 7, 5, JOB_SOURCE_SIDE);
    check_refused(r, 5, "writable");
    ask(r, LEADER, 7, 6, JOB_UNBLOCK);
    check_refused(r, 6, "its own server");
    assert_true(starts(follower(7), LEADER, JOB_SOURCE_SIDE));
    rig_free(r);
}

/* ---- the question to the last writer ---- */

static void test_ask_writer_is_answered_at_once(void **state)
{
    struct rig *r = follower(7);
    struct request *q;
    (void)state;
    ask(r, LEADER, 7, 1, JOB_ASK_WRITER);
    assert_int_equal(answer(r)->result.outcome, JOB_REFUSED);
    assert_string_equal(answer(r)->result.detail, "not the last writer");
    rig_promote(r, SELF, 7);
    q = rig_request(r, LEADER, JOB_ASK_WRITER);
    q->job.epoch = 6;
    rig_step(r);
    assert_string_equal(answer(r)->result.detail, "another epoch");
    q = rig_request(r, LEADER, JOB_ASK_WRITER);
    q->job.epoch = 7;
    rig_step(r);
    assert_int_equal(answer(r)->result.outcome, JOB_DONE);
    rig_entry(r, ENTRY_HANDOVER)->node = LEADER;
    rig_step(r);
    q = rig_request(r, LEADER, JOB_ASK_WRITER);
    q->job.epoch = 7;
    rig_step(r);
    assert_string_equal(answer(r)->result.detail, "a handover is recorded");
    rig_free(r);
}

/* ---- exactly one answer each ---- */

#define RANDOM_REQUESTS 5000

struct tally {
    unsigned answers[RANDOM_REQUESTS + 1];
    uint64_t running[64];
    unsigned n_running;
};

static void count(struct rig *r, struct tally *t)
{
    const struct effect *e;
    for (unsigned i = 0; (e = rig_effect(r, EFFECT_ANSWER, i)) != NULL; i++) {
        assert_in_range(e->u.answer.id, 1, RANDOM_REQUESTS);
        t->answers[e->u.answer.id]++;
    }
    for (unsigned i = 0; (e = rig_effect(r, EFFECT_JOB, i)) != NULL; i++) {
        assert_true(t->n_running < 64);
        t->running[t->n_running++] = e->u.job.id;
    }
    for (unsigned i = 0; i < LOCAL_RUNNING_MAX; i++) {
        for (unsigned k = 0; k < i; k++) {
            const struct local_task *a = &r->core.local.running[i];
            const struct local_task *b = &r->core.local.running[k];
            assert_false(a->used && b->used && a->job_id == b->job_id);
        }
    }
}

static void end_one(struct rig *r, struct tally *t, uint64_t random)
{
    unsigned k;
    if (t->n_running == 0) {
        rig_tick(r, 1);
        return;
    }
    k = (unsigned)(random % t->n_running);
    rig_job_ended(r, t->running[k], (int)(random % JOB_OUTCOME_COUNT));
    t->running[k] = t->running[--t->n_running];
}

static void test_every_request_is_answered_once(void **state)
{
    static struct tally t;
    struct rig *r = follower(1);
    struct prng p = {42};
    uint64_t id = 0;
    (void)state;
    memset(&t, 0, sizeof t);
    while (id < RANDOM_REQUESTS) {
        uint64_t random = prng_next(&p);
        unsigned what = (unsigned)(random >> 56);
        if (what < 150)
            ask(r, LEADER, r->core.term - (random % 5 == 0), ++id,
                1 + (int)(random / 5 % (JOB_COUNT - 1)));
        else if (what < 230)
            end_one(r, &t, random / 7);
        else if (what < 250)
            rig_tick(r, (int64_t)(random % 900)); /* now and then a job is lost */
        else
            ask(r, OTHER, r->core.term + 1, ++id, JOB_DRAIN);
        count(r, &t);
        if (what == 255) {
            rig_died(r, /* cleanly= */ true);
            count(r, &t);
            rig_event(r, EVENT_SERVER_STARTED)->u.server.incarnation = rig_run_of(7);
            rig_step(r);
            count(r, &t);
        }
    }
    for (unsigned i = 0; i < 200; i++) {
        rig_tick(r, 1000);
        count(r, &t);
    }
    for (unsigned i = 1; i <= RANDOM_REQUESTS; i++) {
        if (t.answers[i] != 1)
            fail_msg("request %u was answered %u times", i, t.answers[i]);
    }
    assert_int_equal(r->core.local.n_queued, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stale_is_refused_before_it_starts),
        cmocka_unit_test(test_stale_is_refused_while_it_waits),
        cmocka_unit_test(test_a_request_brings_its_term),
        cmocka_unit_test(test_one_at_a_time_per_executor),
        cmocka_unit_test(test_without_a_process_nothing_is_asked_of_it),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_own_jobs_come_first),
        cmocka_unit_test(test_a_job_that_never_ends),
        cmocka_unit_test(test_open_only_by_the_leader_with_a_lease),
        cmocka_unit_test(test_open_is_checked_again_when_it_starts),
        cmocka_unit_test(test_start_and_rewind_guards),
        cmocka_unit_test(test_source_side_of_a_writable_server),
        cmocka_unit_test(test_ask_writer_is_answered_at_once),
        cmocka_unit_test(test_every_request_is_answered_once),
    };
    return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
