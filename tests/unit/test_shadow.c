/* SPDX-License-Identifier: Apache-2.0 */
/* The shadow's mind over made-up observations: what it says, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/shadow_server.h"
#include "app/shadow_world.h"
#include "core_fixture.h"

#define SAID_MAX 400

struct stage {
    struct rig *rig;
    struct shadow_world *w;
    int64_t now_us;
    uint32_t address; /* server_id that answers there */
    struct server_facts facts[5];
    enum probe_outcome outcome[5];
    unsigned n_said;
    struct shadow_told said[SAID_MAX];
};

static void on_told(void *data, const struct shadow_told *t)
{
    struct stage *s = data;
    if (t->level == LOG_LEVEL_DEBUG)
        return;
    assert_true(s->n_said < SAID_MAX);
    s->said[s->n_said++] = *t;
}

/* The first sentence with that id, NULL if there is none. */
static const struct shadow_told *said(const struct stage *s, const char *id)
{
    for (unsigned i = 0; i < s->n_said; i++) {
        if (strcmp(s->said[i].id, id) == 0)
            return &s->said[i];
    }
    return NULL;
}

static unsigned count_of(const struct stage *s, const char *text)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n_said; i++)
        n += strstr(s->said[i].text, text) != NULL;
    return n;
}

/* A classic MariaDB pair: both writable, each follows the other, semi-sync on; m3 follows m1. */
static void holds(struct stage *s, unsigned node, unsigned number)
{
    (void)snprintf(s->facts[node].executed, sizeof s->facts[node].executed, "0-1-%u", number);
}

static void follows(struct stage *s, unsigned node, unsigned source)
{
    struct server_facts *f = &s->facts[node];
    f->channel = true;
    (void)snprintf(f->source_host, sizeof f->source_host, "%s", s->rig->cfg.nodes[source].address);
    f->source_port = 3306;
    f->io = f->sql = THREAD_RUNNING;
    f->drained = true;
}

static struct stage *open_stage(void)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->rig = rig_new(0);
    s->rig->cfg.policy.probe_interval_ms = 100;
    s->rig->cfg.policy.probe_timeout_ms = 200;
    (void)snprintf(s->rig->cfg.vips[0].address, ADDRESS_TEXT_MAX, "172.17.0.101");
    s->now_us = 1000000000;
    s->address = 1;
    for (unsigned i = 0; i < 5; i++) {
        s->facts[i] = rig_facts(100);
        s->facts[i].server_id = i + 1;
        s->facts[i].read_only = i > 1;
        s->facts[i].source_side = s->facts[i].replica_side = i < 2;
        follows(s, i, i == 0 ? 1 : i < 3 ? 0 : 2);
    }
    s->facts[1].replica_side_active = true;
    s->w = shadow_world_open(&s->rig->cfg, on_told, s);
    assert_non_null(s->w);
    return s;
}

static void close_stage(struct stage *s)
{
    shadow_world_close(s->w);
    rig_free(s->rig);
    free(s);
}

/* As the loop drives it: ticks every 10 ms, probes every 100. */
static void pass(struct stage *s, unsigned ms)
{
    for (unsigned at = 0; at < ms; at += 10) {
        s->now_us += 10000;
        shadow_world_time(s->w, s->now_us, s->now_us / 1000);
        for (unsigned i = 0; i < 5 && s->now_us % 100000 == 0; i++) {
            struct shadow_seen seen = {s->outcome[i],
                                       s->outcome[i] == PROBE_OK ? &s->facts[i] : NULL};
            shadow_world_probe(s->w, i, &seen);
        }
        if (s->now_us % 100000 == 50000)
            shadow_world_address(s->w, s->address);
        shadow_world_tick(s->w);
    }
}

static void killed(struct stage *s, unsigned node)
{
    s->outcome[node] = PROBE_REFUSED;
    if (s->address == s->facts[node].server_id)
        s->address = 0;
}

static void test_a_whole_classic_cluster_needs_few_words(void **state)
{
    struct stage *s = open_stage();
    (void)state;
    pass(s, 1000);
    assert_int_equal(shadow_world_writer(s->w), 0);
    assert_int_equal(shadow_world_in_sync(s->w), 1u << 1);
    assert_string_equal(said(s, "shadow-writer")->text,
                        "m1 is the writer: it answers at 172.17.0.101; in sync: m2");
    pass(s, 30000);
    assert_null(said(s, "shadow-lost"));
    assert_int_equal(shadow_world_state(s->w), SHADOW_WATCHING);
    assert_int_equal(shadow_world_in_sync(s->w), 1u << 1);
    assert_int_equal(s->n_said, 1);
    close_stage(s);
}

static void test_killed_writer_is_taken_over_from(void **state)
{
    struct stage *s = open_stage();
    const struct shadow_told *t;
    (void)state;
    pass(s, 2000);
    killed(s, 0);
    pass(s, 3000);
    assert_non_null(said(s, "shadow-lost"));
    t = said(s, "shadow-hands-over");
    assert_non_null(t);
    assert_int_equal(t->node, 1);
    assert_string_equal(t->table, "writer");
    assert_int_equal(t->rule, 30);
    t = said(s, "shadow-promotes");
    assert_non_null(t);
    assert_string_equal(t->table, "lead");
    assert_int_equal(t->rule, 130);
    t = said(s, "shadow-writable");
    assert_non_null(t);
    assert_true(t->after_us > 0 && t->after_us < 1000000);
    assert_int_equal(count_of(s, "would have stopped receiving from the old writer on m2"), 1);
    assert_int_equal(count_of(s, "would have made writable m2"), 1);
    assert_int_equal(shadow_world_state(s->w), SHADOW_DECIDED);
    /* The other stack does the same, later. */
    s->address = 2;
    follows(s, 2, 1);
    pass(s, 1000);
    t = said(s, "shadow-compared");
    assert_non_null(t);
    assert_non_null(strstr(t->text, "the other stack made m2 the writer; it has all that m1"));
    assert_non_null(strstr(t->text, "Tandem would have promoted it too"));
    assert_int_equal(shadow_world_writer(s->w), 1);
    assert_int_equal(shadow_world_state(s->w), SHADOW_WATCHING);
    close_stage(s);
}

static void test_a_standby_out_of_sync_is_not_promoted(void **state)
{
    struct stage *s = open_stage();
    const struct shadow_told *t;
    (void)state;
    pass(s, 2000);
    /* It lost its connection; semi-sync gave up waiting for it, and the writer went on. */
    s->facts[1].io = THREAD_CONNECTING;
    s->facts[1].replica_side_active = false;
    pass(s, 2000);
    assert_int_equal(shadow_world_in_sync(s->w), 0);
    assert_int_equal(count_of(s, "in sync with m1: nobody"), 1);
    holds(s, 0, 112);
    pass(s, 300);
    killed(s, 0);
    pass(s, 2000);
    assert_null(said(s, "shadow-promotes"));
    t = said(s, "shadow-waits");
    assert_non_null(t);
    assert_int_equal(count_of(s, "would have started mysqld on m1"), 1);
    s->address = 2;
    pass(s, 1000);
    t = said(s, "shadow-compared");
    assert_non_null(t);
    assert_non_null(strstr(t->text, "it lacks at least 12 transactions that m1 had"));
    assert_non_null(strstr(t->text, "Tandem would not have: not in the in-sync set"));
    close_stage(s);
}

static void test_an_address_that_leaves_a_healthy_server_is_no_reason(void **state)
{
    struct stage *s = open_stage();
    (void)state;
    pass(s, 2000);
    s->address = 2;
    pass(s, 2000);
    assert_int_equal(count_of(s, "for Tandem that is no reason to take over") +
                         count_of(s, "Tandem would not have: the server of m1 serves"),
                     1);
    assert_null(said(s, "shadow-promotes"));
    assert_int_equal(shadow_world_writer(s->w), 1);
    close_stage(s);
}

static void test_a_standby_that_comes_back_is_in_sync_again(void **state)
{
    struct stage *s = open_stage();
    (void)state;
    pass(s, 2000);
    killed(s, 1);
    pass(s, 2000);
    assert_int_equal(shadow_world_in_sync(s->w), 0);
    s->outcome[1] = PROBE_OK;
    pass(s, 2000);
    assert_int_equal(shadow_world_in_sync(s->w), 1u << 1);
    /* And that is meant: it would be promoted. */
    killed(s, 0);
    pass(s, 2000);
    assert_non_null(said(s, "shadow-promotes"));
    close_stage(s);
}

static void test_a_restart_in_place_is_seen_as_another_run(void **state)
{
    struct stage *s = open_stage();
    (void)state;
    pass(s, 2000);
    killed(s, 0);
    pass(s, 200);
    s->outcome[0] = PROBE_OK;
    s->address = 1;
    pass(s, 3000);
    assert_int_equal(shadow_world_writer(s->w), 0);
    assert_int_equal(shadow_world_state(s->w), SHADOW_WATCHING);
    assert_int_equal(count_of(s, "m1 serves again"), 1);
    close_stage(s);
}

/* The source died within a transaction: what was received of it is never applied. */
static void test_a_drain_ends_when_nothing_is_applied_any_more(void **state)
{
    struct stage *s = open_stage();
    (void)state;
    pass(s, 2000);
    s->facts[1].drained = false;
    killed(s, 0);
    for (unsigned i = 1; i <= 5; i++) {
        holds(s, 1, 100 + i);
        pass(s, 100);
    }
    assert_null(said(s, "shadow-promotes"));
    pass(s, 500);
    assert_non_null(said(s, "shadow-promotes"));
    close_stage(s);
}

static void test_a_hung_writer_is_taken_over_from(void **state)
{
    struct stage *s = open_stage();
    (void)state;
    pass(s, 2000);
    s->outcome[0] = PROBE_TIMEOUT;
    s->address = 0;
    pass(s, 4000);
    assert_non_null(said(s, "shadow-promotes"));
    assert_int_equal(said(s, "shadow-hands-over")->rule, 60);
    close_stage(s);
}

static void test_every_job_is_an_assumption(void **state)
{
    struct shadow_server s = {.have = true, .answers = true};
    struct server_facts f;
    (void)state;
    s.seen = rig_facts(7);
    shadow_server_assume(&s, SHADOW_MEMBER, 1);
    for (int kind = JOB_NONE + 1; kind < JOB_COUNT; kind++) {
        struct job j = {.kind = kind, .timeout_ms = 1000, .flag = true, .count = 1, .port = 3306};
        struct job_result r;
        struct server_facts before = s.seen;
        char text[SHADOW_TEXT_MAX];
        shadow_server_do(&s, &j, &r);
        assert_memory_equal(&before, &s.seen, sizeof before);
        assert_non_null(strstr(shadow_job_text(&j, "m2", text, sizeof text), "m2"));
        if (job_executor(kind) != JOB_EXECUTOR_SQL && job_executor(kind) != JOB_EXECUTOR_BEAT)
            assert_int_equal(r.outcome, JOB_FAILED);
    }
    shadow_server_facts(&s, &f);
    assert_string_equal(f.executed, s.seen.executed);
}

/* Over IPv6 the Master's address is of no node, and over both families it is told once of each. */
static void test_who_advertises(void **state)
{
    struct stage *s = open_stage();
    struct shadow_advert four = {.node = 0, .priority = 100, .source = "172.17.0.10"};
    struct shadow_advert six = {
        .ipv6 = true, .node = NODE_NONE, .priority = 100, .source = "fe80::1"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        shadow_world_vrrp(s->w, &four);
        shadow_world_vrrp(s->w, &six);
    }
    assert_int_equal(count_of(s, "m1 is the Master by VRRP, with priority 100"), 1);
    assert_int_equal(
        count_of(s, "fe80::1, an address of no node, is the Master by VRRP, with priority 100"), 1);
    four.priority = six.priority = 0;
    shadow_world_vrrp(s->w, &six);
    assert_int_equal(count_of(s, "gives up"), 1);
    shadow_world_vrrp(s->w, &four);
    shadow_world_vrrp(s->w, &four);
    assert_int_equal(count_of(s, "m1 gives up being the Master by VRRP"), 1);
    assert_int_equal(count_of(s, "by VRRP"), 4);
    close_stage(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_classic_cluster_needs_few_words),
        cmocka_unit_test(test_killed_writer_is_taken_over_from),
        cmocka_unit_test(test_a_standby_out_of_sync_is_not_promoted),
        cmocka_unit_test(test_an_address_that_leaves_a_healthy_server_is_no_reason),
        cmocka_unit_test(test_a_standby_that_comes_back_is_in_sync_again),
        cmocka_unit_test(test_a_restart_in_place_is_seen_as_another_run),
        cmocka_unit_test(test_a_drain_ends_when_nothing_is_applied_any_more),
        cmocka_unit_test(test_a_hung_writer_is_taken_over_from),
        cmocka_unit_test(test_every_job_is_an_assumption),
        cmocka_unit_test(test_who_advertises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
