/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas that follow by file and position, and servers whose transactions have no GTID: what the
 * leader does with them, and what it must never do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/repair.h"
#include "core_fixture.h"

#define M2 1 /* a candidate */
#define M3 2 /* a replica of the writer */

/* A node reports that it follows the server at that address, with these settings. */
static void report(struct rig *r, unsigned node, const char *source, uint32_t settings)
{
    struct report *told = rig_report(r, node);
    told->facts = rig_facts(10);
    told->facts.channel = true;
    told->facts.io = told->facts.sql = THREAD_RUNNING;
    told->facts.settings = settings;
    told->facts.source_port = r->cfg.nodes[0].mysql.port;
    (void)snprintf(told->facts.source_host, ADDRESS_TEXT_MAX, "%s", source);
    rig_step(r);
}

/* As after a look at the node and at the writer that found nothing. */
static void compared(struct rig *r, unsigned node)
{
    r->core.lead.repair[node].checked_epoch = r->core.record.epoch;
    r->core.lead.repair[node].checked_us = r->now_us;
}

static const struct repair *repair_of(const struct rig *r, unsigned node)
{
    return &r->core.lead.repair[node];
}

static void test_replica_by_position_is_looked_at(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    compared(r, M3);
    report(r, M3, r->cfg.nodes[0].address, 0);
    assert_int_equal(repair_of(r, M3)->stage, REPAIR_IDLE);
    compared(r, M3);
    report(r, M3, r->cfg.nodes[0].address, SETTING_BY_POSITION);
    assert_int_equal(repair_of(r, M3)->stage, REPAIR_CHECK_NODE);
    rig_free(r);
}

/* Stopping a member would take its acknowledgements away. */
static void test_member_by_position_is_left_alone(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    rig_grow(r, M2, 101);
    compared(r, M2);
    report(r, M2, r->cfg.nodes[0].address, SETTING_BY_POSITION);
    assert_int_equal(repair_of(r, M2)->stage, REPAIR_IDLE);
    rig_free(r);
}

/* S7: nothing tells what such a server holds. */
static void test_without_gtid_nobody_is_attached(void **state)
{
    static const struct {
        uint32_t writer, node;
        const char *named;
    } rows[] = {{0, SETTING_ANONYMOUS, "m3"}, {SETTING_ANONYMOUS, 0, "m1"}};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = rig_leader();
        r->core.facts.settings = rows[i].writer;
        report(r, M3, "172.17.0.99", rows[i].node);
        assert_int_equal(repair_of(r, M3)->stage, REPAIR_IDLE);
        assert_int_equal(rig_count(r, EFFECT_REQUEST), 0);
        assert_non_null(strstr(repair_of(r, M3)->state, rows[i].named));
        assert_non_null(strstr(repair_of(r, M3)->state, "have no GTID"));
        r->core.facts.settings = 0;
        report(r, M3, "172.17.0.99", 0);
        assert_int_equal(repair_of(r, M3)->stage, REPAIR_CHECK_NODE);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replica_by_position_is_looked_at),
        cmocka_unit_test(test_member_by_position_is_left_alone),
        cmocka_unit_test(test_without_gtid_nobody_is_attached),
    };
    return cmocka_run_group_tests_name("position", tests, NULL, NULL);
}
