/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a replica follows while the node above it is not what it should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/parent.h"
#include "core_fixture.h"

#define MIDDLE 2 /* m3, which follows the writer */
#define NODE 3   /* m4, which follows m3 */

/* All replicate, the two replicas in place. */
static struct rig *cluster(void)
{
    struct rig *r = rig_leader();
    for (unsigned i = 1; i < 5; i++) {
        struct report *report = rig_report(r, i);
        report->facts = rig_facts(10);
        report->facts.channel = true;
        report->facts.io = report->facts.sql = THREAD_RUNNING;
        report->facts.source_port = r->cfg.nodes[i].mysql.port;
        (void)snprintf(report->facts.source_host, ADDRESS_TEXT_MAX, "%s",
                       r->cfg.nodes[i < NODE ? 0 : MIDDLE].address);
        rig_step(r);
    }
    rig_open_effects(r);
    return r;
}

static struct server_facts *facts_of(struct rig *r, unsigned node)
{
    return &r->core.view[node].report.facts;
}

/* Without new reports: what the last ones said is taken for true. */
static unsigned after(struct rig *r, int64_t ms)
{
    r->now_us += ms * 1000;
    r->core.now_us = r->now_us;
    for (unsigned i = 1; i < 5; i++)
        r->core.view[i].at_us = r->core.now_us;
    parent_watch(&r->core);
    return parent_of(&r->core, NODE);
}

static unsigned rule_of(const struct rig *r)
{
    return parent_judge(&r->core, NODE, MIDDLE)->id;
}

/* It is connected all the time, and would go stale without an error of its own. */
static void test_source_that_does_not_apply(void **state)
{
    struct rig *r = cluster();
    (void)state;
    assert_int_equal(after(r, 0), MIDDLE);
    assert_int_equal(rule_of(r), 30);
    facts_of(r, MIDDLE)->sql = THREAD_STOPPED;
    facts_of(r, MIDDLE)->sql_errno = 1062;
    assert_int_equal(after(r, 1), MIDDLE);
    assert_int_equal(after(r, 2999), MIDDLE);
    assert_int_equal(after(r, 1), 0);
    assert_int_equal(rule_of(r), 20);
    rig_open_effects(r);
    parent_tell_left(&r->core, NODE);
    assert_true(rig_logged(r, "source-left"));
    /* It has moved, and does not come home before that one is whole and current. */
    (void)snprintf(facts_of(r, NODE)->source_host, ADDRESS_TEXT_MAX, "%s", r->cfg.nodes[0].address);
    assert_int_equal(after(r, 1000), 0);
    assert_int_equal(rule_of(r), 70);
    facts_of(r, MIDDLE)->sql = THREAD_RUNNING;
    facts_of(r, MIDDLE)->sql_errno = 0;
    (void)snprintf(r->core.facts.executed, GTID_TEXT_MAX, "0-1-5000");
    assert_int_equal(after(r, 1), 0);
    (void)snprintf(facts_of(r, MIDDLE)->executed, GTID_TEXT_MAX, "0-1-5000");
    assert_int_equal(after(r, 1), MIDDLE);
    assert_int_equal(rule_of(r), 60);
    rig_open_effects(r);
    parent_tell_left(&r->core, NODE);
    assert_false(rig_logged(r, "source-left")); /* the writer is left for home, not for a reason */
    rig_free(r);
}

/* Started again where it had given up at a lock, it runs for minutes and gets no further. */
static void test_source_that_tries_at_a_lock(void **state)
{
    struct rig *r = cluster();
    struct repair *repair = &r->core.lead.repair[MIDDLE];
    (void)state;
    repair->lock_starts = 1;
    (void)snprintf(repair->lock_at, sizeof repair->lock_at, "%s", facts_of(r, MIDDLE)->executed);
    assert_int_equal(after(r, 0), MIDDLE); /* who is there stays for the moment */
    assert_int_equal(rule_of(r), 30);
    (void)snprintf(facts_of(r, NODE)->source_host, ADDRESS_TEXT_MAX, "%s", r->cfg.nodes[0].address);
    assert_int_equal(after(r, 1000), 0);
    assert_int_equal(rule_of(r), 70);
    (void)snprintf(facts_of(r, MIDDLE)->executed, GTID_TEXT_MAX, "%s", r->core.facts.executed);
    (void)snprintf(repair->lock_at, sizeof repair->lock_at, "0-1-3");
    assert_int_equal(after(r, 1), MIDDLE);
    assert_int_equal(rule_of(r), 60);
    rig_free(r);
}

/* An applier that is started within the time moves nobody. */
static void test_short_stop(void **state)
{
    struct rig *r = cluster();
    (void)state;
    for (unsigned n = 0; n < 5; n++) {
        facts_of(r, MIDDLE)->sql = THREAD_STOPPED;
        (void)after(r, 1);
        assert_int_equal(after(r, 2900), MIDDLE);
        facts_of(r, MIDDLE)->sql = THREAD_RUNNING;
        assert_int_equal(after(r, 1), MIDDLE);
    }
    rig_free(r);
}

static void test_source_that_is_gone(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)after(r, 0);
    r->core.view[MIDDLE].report.health = HEALTH_DEAD;
    facts_of(r, NODE)->io = THREAD_CONNECTING;
    assert_int_equal(after(r, 1), MIDDLE);
    assert_int_equal(rule_of(r), 40);
    assert_int_equal(after(r, 3000), 0);
    assert_int_equal(rule_of(r), 50);
    /* What a quarantined one handed down is looked for at once. */
    r->core.view[MIDDLE].report.health = HEALTH_OK;
    r->core.record.flags[MIDDLE] = NODE_QUARANTINED;
    assert_int_equal(after(r, 1), 0);
    assert_int_equal(rule_of(r), 10);
    rig_free(r);
}

/* The next one up the tree, not the writer, while there is one. */
static void test_next_one_up(void **state)
{
    struct rig *r = cluster();
    (void)state;
    r->cfg.nodes[4].source = NODE;
    (void)snprintf(facts_of(r, 4)->source_host, ADDRESS_TEXT_MAX, "%s", r->cfg.nodes[NODE].address);
    facts_of(r, NODE)->sql = THREAD_STOPPED;
    (void)after(r, 1);
    (void)after(r, 3000);
    assert_int_equal(parent_of(&r->core, 4), MIDDLE);
    facts_of(r, MIDDLE)->sql = THREAD_STOPPED;
    assert_int_equal((after(r, 1), parent_of(&r->core, 4)), 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_that_does_not_apply),
        cmocka_unit_test(test_source_that_tries_at_a_lock),
        cmocka_unit_test(test_short_stop),
        cmocka_unit_test(test_source_that_is_gone),
        cmocka_unit_test(test_next_one_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
