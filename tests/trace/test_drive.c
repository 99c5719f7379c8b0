/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the simulator: its language, that runs repeat, that what breaks is seen and shrunk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/pair_plan.h"
#include "sim/plan.h"
#include "sim/shrink.h"
#include "sim/stage.h"

#define CLUSTER "cluster m1 candidate 100, m2 candidate 50, m3 witness\n"

static struct scenario *read_text(const char *text)
{
    struct scenario *s = malloc(sizeof *s);
    struct errmsg msg = ERRMSG_INIT;
    assert_non_null(s);
    if (scenario_read(s, "x.scn", text, &msg) != 0)
        fail_msg("%s", msg.text);
    return s;
}

static char *written(const struct scenario *s)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    scenario_write(s, f);
    assert_int_equal(fclose(f), 0);
    return text;
}

/* ---- the language ---- */

static void test_what_is_written_reads_the_same(void **state)
{
    struct scenario *drawn = malloc(sizeof *drawn);
    (void)state;
    assert_non_null(drawn);
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct scenario *again;
        char *first, *second;
        if (seed <= 200)
            plan_draw(seed, drawn);
        else
            pair_plan_draw(seed, drawn);
        first = written(drawn);
        again = read_text(first);
        second = written(again);
        assert_string_equal(first, second);
        assert_memory_equal(&again->cfg, &drawn->cfg, sizeof again->cfg);
        free(again);
        free(first);
        free(second);
    }
    free(drawn);
}

static void test_every_row_is_read_as_itself(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ACTION_COUNT + CONDITION_COUNT; i++) {
        bool action = i < ACTION_COUNT;
        struct scenario *s = read_text(CLUSTER "write through the VIP\n");
        struct statement *st = scenario_add(s, action ? STATEMENT_ACTION : STATEMENT_EXPECT,
                                            action ? i : i - ACTION_COUNT);
        struct scenario *again;
        char *text;
        assert_non_null(st);
        st->args.a.kind = TARGET_WRITER;
        st->args.number = 7;
        st->args.setting.option = setting_named("preempt");
        (void)snprintf(st->args.text, sizeof st->args.text, "some words");
        text = written(s);
        again = read_text(text);
        assert_int_equal(again->n_statements, 2);
        assert_int_equal(again->statements[1].kind, st->kind);
        assert_int_equal(again->statements[1].index, st->index);
        free(text);
        free(again);
        free(s);
    }
}

static void refused(const char *text, const char *with)
{
    struct scenario *s = malloc(sizeof *s);
    struct errmsg msg = ERRMSG_INIT;
    assert_non_null(s);
    assert_int_not_equal(scenario_read(s, "x.scn", text, &msg), 0);
    if (strstr(msg.text, with) == NULL)
        fail_msg("'%s' does not say '%s'", msg.text, with);
    free(s);
}

static void test_errors_say_where_and_what_is_allowed(void **state)
{
    (void)state;
    refused(CLUSTER "arbiter vrrp\nvrrp advert_interval = 100ms\n", "x.scn:3: it belongs above");
    refused(CLUSTER "vrrp router_id = 7\n", "x.scn:2: allowed: vrrp advert_interval");
    refused(CLUSTER "arbiter vrrp\npolicy shrink_after = 4s\nswitch over\n",
            "x.scn:4: shrink_after is 4000 ms; with arbiter vrrp more than 5000 ms");
    refused(CLUSTER "kill agnet on m1\n", "x.scn:2: 'agnet' is not understood after 'kill'; "
                                          "allowed: mysqld, agent");
    refused(CLUSTER "kill agent on m9\n", "x.scn:2: 'm9' is not understood after 'on'");
    refused(CLUSTER "kill agent on m1 now\n", "the end of the line");
    refused(CLUSTER "at 2 kill agent on m1\n", "a time (250ms, 2s)");
    refused(CLUSTER "within 2s kill agent on m1\n", "allowed: expect");
    refused(CLUSTER "kill agent on m1 asked at m2\n", "orders only");
    refused(CLUSTER "policy preempt = maybe\n",
            "x.scn:2: preempt is 'maybe'; allowed: true, false");
    refused(CLUSTER "policy shrink_after = 1ms\n", "allowed: 50 to 600000 ms");
    refused(CLUSTER "arbiter margin = 1s\nwrite through the VIP\n", "x.scn:3: election_timeout");
    refused(CLUSTER "write through the VIP\npolicy preempt = true\n", "above the first statement");
    refused("kill agent on m1\n", "x.scn:1: 'kill' before there is a cluster");
    refused("cluster m1 candidate 1\nwrite through the VIP\n", "1 nodes vote");
    refused("cluster m1 candidate 1, m2 replica of m3\n", "'m3' is no node named before");
    refused("cluster writer candidate 1\n", "it is a word of the language");
    refused(CLUSTER, "nothing is done and nothing expected");
}

/* ---- runs ---- */

static char *story(const struct scenario *s, struct outcome *o)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    stage_run(s, f, o);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void test_same_seed_same_run(void **state)
{
    struct scenario *s = malloc(sizeof *s);
    (void)state;
    assert_non_null(s);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct outcome a, b;
        char *first, *second;
        plan_draw(seed, s);
        first = story(s, &a);
        second = story(s, &b);
        assert_true(strlen(first) > 1000);
        assert_string_equal(first, second);
        assert_int_equal(a.acks, b.acks);
        free(first);
        free(second);
    }
    free(s);
}

static void test_what_does_not_come_true_fails(void **state)
{
    struct outcome o;
    struct scenario *s =
        read_text(CLUSTER "policy preempt = false\nwrite through the VIP\n"
                          "at 1s kill mysqld on m1\nwithin 5s expect writer is m2\n"
                          "within 2s expect writer is m1\n");
    (void)state;
    stage_run(s, /* trace= */ NULL, &o);
    assert_true(o.failed);
    assert_int_equal(o.statement, 3);
    assert_string_equal(o.id, "writer is %n: it is not the writer");
    free(s);
}

static void test_an_action_without_an_object_fails(void **state)
{
    struct outcome o;
    struct scenario *s = read_text(CLUSTER "kill mysqld on m3\n");
    (void)state;
    stage_run(s, /* trace= */ NULL, &o);
    assert_true(o.failed);
    assert_true(o.idle);
    free(s);
}

/* The second effect of the handover, with the target gone there: not before, not later. */
static void test_a_fault_between_two_effects(void **state)
{
    struct outcome o;
    struct scenario *s = read_text(
        CLUSTER "policy preempt = false\nwrite through the VIP\nat 1s switch over to m2\n"
                "at effect 2 kill mysqld and agent on m2\nwithin 10s expect writer is m1\n"
                "boot m2\nwithin 30s expect whole\n");
    char *text = story(s, &o);
    (void)state;
    assert_false(o.failed);
    assert_non_null(strstr(text, "at effect 2 kill mysqld and agent on m2"));
    free(text);
    free(s);
}

/* A commit by hand is found after a while; nine other things have nothing to do with it. */
static void test_shrinks_to_what_matters(void **state)
{
    struct outcome o;
    struct scenario *s = read_text(
        "drawn by 3\n"
        "cluster m1 candidate 100, m2 candidate 50, m3 replica of writer, m4 replica of writer\n"
        "policy preempt = false\n"
        "policy restart_attempts = 5\n"
        "write through the VIP\n"
        "at 500ms switch over\n"
        "at 1s kill agent on m2\n"
        "at 2s start agent on m2\n"
        "at 3s cut m1 from m2\n"
        "at 4s heal m2\n"
        "at 5s kill mysqld on m4\n"
        "at 6s commit by hand on m3\n"
        "at 8s hang agent on m4\n"
        "at 9s continue agent on m4\n"
        "repair everything\n"
        "within 60s expect whole\n");
    (void)state;
    stage_run(s, /* trace= */ NULL, &o);
    assert_true(o.failed);
    assert_true(shrink(s, &o) > 5);
    assert_true(o.failed);
    assert_int_equal(s->n_statements, 3);
    assert_int_equal(s->statements[0].index, ACTION_COMMIT);
    assert_int_equal(s->statements[1].index, ACTION_REPAIR_ALL);
    assert_int_equal(setting_get(&s->cfg, setting_named("restart_attempts")), 3);
    assert_int_equal(s->cfg.n_nodes, 3);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_reads_the_same),
        cmocka_unit_test(test_every_row_is_read_as_itself),
        cmocka_unit_test(test_errors_say_where_and_what_is_allowed),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_what_does_not_come_true_fails),
        cmocka_unit_test(test_an_action_without_an_object_fails),
        cmocka_unit_test(test_a_fault_between_two_effects),
        cmocka_unit_test(test_shrinks_to_what_matters),
    };
    return cmocka_run_group_tests_name("drive", tests, NULL, NULL);
}
