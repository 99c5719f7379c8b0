/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas that stopped with an error: what it is called, and what is done about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cure.h"
#include "core_fixture.h"

#define NODE 3 /* m4, a replica of m3 (2) */

/* m1 is the writer; every other node replicates, each with an identity of its own. */
static struct rig *cluster(void)
{
    struct rig *r = rig_new(0);
    struct server_facts facts = rig_facts(10);
    rig_server(r, 1, &facts);
    rig_promote(r, 0, 1);
    for (unsigned i = 1; i < 5; i++) {
        struct report *report;
        rig_peer(r, i, true);
        report = rig_report(r, i);
        report->facts = rig_facts(10);
        report->facts.server_id = i + 1;
        report->facts.channel = true;
        report->facts.io = report->facts.sql = THREAD_RUNNING;
        (void)snprintf(report->facts.source_host, ADDRESS_TEXT_MAX, "172.17.0.10");
        rig_step(r);
    }
    rig_open_effects(r);
    r->core.view[0].report.facts.server_id = 1;
    r->core.lead.repair[NODE].seen = rig_facts(10); /* it was just compared with the writer */
    return r;
}

static struct server_facts *stopped(struct rig *r, uint32_t io_errno, uint32_t sql_errno)
{
    struct server_facts *f = &r->core.view[NODE].report.facts;
    f->io = io_errno != 0 ? THREAD_STOPPED : THREAD_RUNNING;
    f->sql = sql_errno != 0 ? THREAD_STOPPED : THREAD_RUNNING;
    f->io_errno = io_errno;
    f->sql_errno = sql_errno;
    return f;
}

/* What the servers say (their sources, 5.7 to 9.7 and 10.6 to 11.8), in the frame that the replica
 * puts around it. */
#define FATAL "Got fatal error 1236 from source when reading data from binary log: '"
#define PURGED FATAL "Cannot replicate because the source purged required binary logs.'"
#define TWIN                                                                                    \
    FATAL "A replica with the same server_uuid/server_id as this replica has connected to the " \
          "source; the first event 'binlog.000002' at 157'"

static struct server_facts *refused(struct rig *r, const char *error)
{
    struct server_facts *f = stopped(r, 1236, 0);
    (void)snprintf(f->error, sizeof f->error, "%s", error);
    return f;
}

static void test_names(void **state)
{
    static const struct {
        uint32_t io, sql;
        const char *name;
    } cases[] = {
        {0, 1062, "data differs"},         {0, 1032, "data differs"},
        {0, 1050, "data differs"},         {0, 1146, "data differs"},
        {0, 1452, "data differs"},         {0, 13146, "data differs"},
        {0, 1594, "relay log unreadable"}, {0, 13121, "relay log unreadable"},
        {0, 1950, "applier stopped"},      {1236, 0, "refused by its source"},
        {0, 1396, "applier stopped"},      {0, 1205, "a lock is in its way"},
        {0, 1213, "a lock is in its way"}, {1593, 0, "server_id or uuid used twice"},
    };
    struct rig *r = cluster();
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server_facts *f = stopped(r, cases[i].io, cases[i].sql);
        assert_true(cure_is_broken(f));
        assert_string_equal(cure_name(f), cases[i].name);
    }
    /* A source that cannot be reached is nothing to cure. */
    assert_false(cure_is_broken(stopped(r, 2003, 0)));
    assert_false(cure_is_broken(stopped(r, 0, 0)));
    rig_free(r);
}

static void test_what_a_source_refuses(void **state)
{
    static const struct {
        const char *error, *name;
        unsigned rule;
    } cases[] = {
        {PURGED " Replicate the missing transactions from elsewhere", "binlogs purged", 40},
        {FATAL "Cannot replicate because the master purged required binary logs. Replicate",
         "binlogs purged", 40},
        {FATAL "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the "
               "master has purged binary logs containing GTIDs that the slave requires.'",
         "binlogs purged", 40},
        {FATAL "Could not find GTID state requested by slave in any binlog files. Probably the "
               "slave state is too old and required binlog files have been purged.'",
         "binlogs purged", 40},
        {FATAL "Error: connecting slave requested to start from GTID 0-1-90, which is not in the "
               "master's binlog'",
         "binlogs purged", 40},
        {FATAL "Could not find first log file name in binary log index file'", "binlogs purged",
         40},
        {FATAL "Error: connecting slave requested to start from GTID 0-1-90, which is not in the "
               "master's binlog. Since the master's binlog contains GTIDs with higher sequence "
               "numbers, it probably means that the slave has div",
         "refused by its source", 90},
        {FATAL "Could not find first log file name in binary log index file while looking for the "
               "oldest binary log that contains any GTID that is not in the given gtid set'",
         "refused by its source", 90},
        {FATAL "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on "
               "source; the first event 'binlog.000002' at 157'",
         "refused by its source", 90},
        {FATAL "bogus data in log event; the first event 'binlog.000002' at 157'",
         "refused by its source", 90},
        {FATAL "Could not open log file'", "refused by its source", 90},
        {FATAL "could not find next log; the first event 'binlog.000002' at 157'",
         "refused by its source", 90},
        {"", "refused by its source", 90},
        {TWIN, "server_id or uuid used twice", 10},
        {FATAL "A slave with the same server_uuid/server_id as this slave has connected to the "
               "master'",
         "server_id or uuid used twice", 10},
        {FATAL "A slave with the same server_id is already connected'",
         "server_id or uuid used twice", 10},
    };
    struct rig *r = cluster();
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server_facts *f = refused(r, cases[i].error);
        assert_true(cure_is_broken(f));
        assert_string_equal(cure_name(f), cases[i].name);
        assert_int_equal(cure_decide(&r->core, NODE, 2)->id, cases[i].rule);
        f->io_errno = 13114;
        assert_string_equal(cure_name(f), cases[i].name);
    }
    rig_free(r);
}

static void assert_twin(const struct rig *r, const char *expected)
{
    char text[REASON_TEXT_MAX] = "";
    assert_int_equal(cure_twin_text(&r->core, NODE, text, sizeof text), expected[0] != '\0');
    assert_string_equal(text, expected);
}

/* A reader of binlogs that is no node of the cluster has the replica's server_id: nobody's data is
 * replaced for that, however many sources were asked. */
static void test_a_stranger_with_its_id_costs_no_data(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)refused(r, TWIN);
    assert_int_equal(cure_twin(&r->core, NODE), NODE_NONE);
    assert_twin(r, "somebody who is no node reads binlogs with its server_id or "
                   "server_uuid");
    r->core.lead.repair[NODE].purged = UINT32_MAX;
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_TELL);
    rig_free(r);
}

/* S8: a cause that goes away at the source, or with a stranger, must not leave the node stopped. */
static void test_what_may_pass(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)refused(r, FATAL "log event entry exceeded max_allowed_packet'");
    assert_true(cure_may_pass(&r->core, NODE));
    (void)refused(r, TWIN);
    assert_true(cure_may_pass(&r->core, NODE));
    r->core.view[NODE].report.facts.server_id = 2; /* they would only push each other out */
    assert_false(cure_may_pass(&r->core, NODE));
    r->core.view[NODE].report.facts.server_id = 4;
    (void)refused(r, PURGED);
    assert_false(cure_may_pass(&r->core, NODE));
    (void)stopped(r, 0, 1062);
    assert_false(cure_may_pass(&r->core, NODE));
    rig_free(r);
}

static void test_what_is_done(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)stopped(r, 0, 1950);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->id, 90);
    (void)stopped(r, 0, 1594);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_REFETCH);
    /* What was received and acknowledged is in that log. */
    r->core.record.in_sync = 1u << NODE;
    assert_int_equal(cure_decide(&r->core, NODE, 2)->id, 20);
    rig_free(r);
}

static unsigned rule_of(struct rig *r)
{
    return cure_decide(&r->core, NODE, 2)->id;
}

/* Started again with rests; a human is told when it got no further, and it is started all the same.
 */
static void test_lock(void **state)
{
    struct rig *r = cluster();
    struct repair *repair = &r->core.lead.repair[NODE];
    (void)state;
    (void)stopped(r, 0, 1205);
    assert_int_equal(rule_of(r), 60);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_START);
    repair->lock_rest_us = r->core.now_us + 1;
    assert_int_equal(rule_of(r), 55);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_WAIT);
    repair->lock_starts = CURE_LOCK_STARTS;
    assert_int_equal(rule_of(r), 35);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_TELL);
    repair->lock_rest_us = r->core.now_us;
    assert_int_equal(rule_of(r), 60);
    /* What it has received and acknowledged would be fetched again. */
    r->core.record.in_sync = 1u << NODE;
    assert_int_equal(rule_of(r), 20);
    r->core.record.in_sync = 0;
    /* It runs again, and the error is of the past. */
    stopped(r, 0, 1213)->sql = THREAD_RUNNING;
    assert_int_equal(rule_of(r), 90);
    rig_free(r);
}

/* The server tells the old error until its applier is started again: 1950 of MariaDB for a number
 * that the writer gave as well, 1062 for the row itself. */
static void test_what_was_taken_back_stops_nothing(void **state)
{
    static const uint32_t numbers[] = {1950, 1062};
    struct rig *r = cluster();
    (void)state;
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)stopped(r, 0, numbers[i]);
        r->core.lead.repair[NODE].old_error = true;
        assert_int_equal(rule_of(r), 25);
        assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_REFETCH);
        r->core.record.in_sync = 1u << NODE;
        assert_int_equal(rule_of(r), 20);
        r->core.record.in_sync = 0;
        r->core.lead.repair[NODE].old_error = false;
        assert_int_not_equal(rule_of(r), 25);
    }
    rig_free(r);
}

static void test_data_that_differs_is_replaced(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)stopped(r, 0, 1062);
    assert_int_equal(rule_of(r), 80);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_RECLONE);
    /* Not while it counts for the set. */
    r->core.record.in_sync = 1u << NODE;
    assert_int_equal(rule_of(r), 20);
    r->core.record.in_sync = 0;
    /* Not because of an error of the past. */
    stopped(r, 0, 1062)->sql = THREAD_RUNNING;
    assert_int_equal(rule_of(r), 90);
    (void)stopped(r, 0, 1032);
    for (int rejoin = CONFIG_REJOIN_REWIND; rejoin <= CONFIG_REJOIN_MANUAL; rejoin++) {
        r->cfg.policy.rejoin = rejoin;
        assert_int_equal(rule_of(r), 85);
        assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_TELL);
    }
    rig_free(r);
}

/* Whatever it may hold alone is for a human, applied or not. */
static void test_data_is_not_replaced_with_something_in_it(void **state)
{
    struct rig *r = cluster();
    struct repair *repair = &r->core.lead.repair[NODE];
    (void)state;
    (void)stopped(r, 0, 1062);
    repair->unsure = true;
    assert_int_equal(rule_of(r), 70);
    repair->unsure = false;
    (void)snprintf(repair->seen.received, sizeof repair->seen.received, "0-1-11");
    assert_int_equal(rule_of(r), 70);
    /* It waits on the writer, which has it. */
    (void)snprintf(r->core.facts.received, sizeof r->core.facts.received, "0-1-11");
    assert_int_equal(rule_of(r), 80);
    rig_free(r);
}

static void test_one_node_at_a_time(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)stopped(r, 0, 1062);
    r->core.record.flags[4] = NODE_RECLONE;
    assert_int_equal(rule_of(r), 75);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_WAIT);
    r->core.record.flags[4] = 0;
    assert_int_equal(rule_of(r), 80);
    rig_free(r);
}

static struct history *tell(struct rig *r, const char *table, unsigned rule)
{
    struct history *h = &r->core.record.histories[r->core.record.n_histories++];
    (void)snprintf(h->table, sizeof h->table, "%s", table);
    h->rule = (uint16_t)rule;
    h->to = NODE;
    h->wall_ms = r->core.wall_ms;
    return h;
}

/* The record tells that it was made anew for that, so whoever leads knows. */
static void test_data_that_differs_again_is_told(void **state)
{
    struct rig *r = cluster();
    struct history *h;
    (void)state;
    (void)stopped(r, 0, 1062);
    tell(r, "cure", 80)->to = NODE + 1;
    tell(r, "cure", 45)->wall_ms = 0;
    (void)tell(r, "reclone", 140);
    assert_int_equal(rule_of(r), 80);
    h = tell(r, "cure", 80);
    assert_int_equal(rule_of(r), 65);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_TELL);
    r->core.wall_ms += INT64_C(86400000) - 1;
    assert_int_equal(rule_of(r), 65);
    r->core.wall_ms += 1;
    assert_int_equal(rule_of(r), 80);
    /* The clock of the next leader may be behind. */
    h->wall_ms = r->core.wall_ms + INT64_C(86400000);
    assert_int_equal(rule_of(r), 65);
    h->wall_ms = 0;
    (void)tell(r, "reclone", 125);
    assert_int_equal(rule_of(r), 65);
    rig_free(r);
}

static void test_purged_sources_are_tried_in_turn(void **state)
{
    struct rig *r = cluster();
    uint32_t *asked = &r->core.lead.repair[NODE].purged;
    (void)state;
    (void)refused(r, PURGED);
    *asked = 1u << 2;
    assert_int_equal(cure_source(&r->core, NODE), 0);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->verdict, CURE_REPARENT);
    *asked |= 1u << 0;
    assert_int_equal(cure_source(&r->core, NODE), 1);
    r->core.record.flags[1] = NODE_MAINTENANCE;
    assert_int_equal(cure_source(&r->core, NODE), 4);
    /* Its own replica, or one that holds less, cannot help. */
    (void)snprintf(r->core.view[4].report.facts.source_host, ADDRESS_TEXT_MAX, "172.17.0.16");
    assert_int_equal(cure_source(&r->core, NODE), NODE_NONE);
    assert_int_equal(cure_decide(&r->core, NODE, 0)->verdict, CURE_RECLONE);
    r->cfg.policy.rejoin = CONFIG_REJOIN_REWIND;
    assert_int_equal(cure_decide(&r->core, NODE, 0)->verdict, CURE_TELL);
    assert_int_equal(cure_decide(&r->core, NODE, 0)->id, 50);
    r->core.record.flags[1] = 0;
    r->core.view[1].report.facts = rig_facts(9);
    assert_int_equal(cure_source(&r->core, NODE), NODE_NONE);
    rig_free(r);
}

/* The writer itself may be the one that has purged them. */
static void test_the_writer_has_purged_first(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)refused(r, PURGED);
    assert_int_equal(cure_decide(&r->core, NODE, 0)->verdict, CURE_REPARENT);
    rig_free(r);
}

/* Whoever follows the node over another one has nothing that would not come from the node itself.
 */
static void test_who_depends_on_the_node_cannot_help(void **state)
{
    struct rig *r = cluster();
    (void)state;
    (void)refused(r, PURGED);
    r->core.lead.repair[NODE].purged = 1u << 0 | 1u << 1;
    assert_int_equal(cure_source(&r->core, NODE), 2);
    (void)snprintf(r->core.view[4].report.facts.source_host, ADDRESS_TEXT_MAX, "172.17.0.16");
    (void)snprintf(r->core.view[2].report.facts.source_host, ADDRESS_TEXT_MAX, "172.17.0.17");
    assert_int_equal(cure_source(&r->core, NODE), NODE_NONE);
    rig_free(r);
}

static void test_twins(void **state)
{
    struct rig *r = cluster();
    (void)state;
    assert_int_equal(cure_twin(&r->core, NODE), NODE_NONE);
    assert_twin(r, "");
    r->core.view[NODE].report.facts.server_id = 2;
    assert_int_equal(cure_twin(&r->core, NODE), 1);
    assert_twin(r, "has the server_id of m2: give it its own in my.cnf, restart it");
    (void)refused(r, PURGED);
    assert_int_equal(cure_decide(&r->core, NODE, 2)->id, 10);
    r->core.view[NODE].report.facts.server_id = 4;
    memset(r->core.view[2].report.facts.server_uuid, 'a', UUID_TEXT_MAX - 1);
    memset(r->core.view[NODE].report.facts.server_uuid, 'a', UUID_TEXT_MAX - 1);
    assert_int_equal(cure_twin(&r->core, NODE), 2);
    assert_twin(r, "has the server_uuid of m3: stop it, remove auto.cnf, start it");
    rig_free(r);
}

/* ---- a server that does not start ---- */

static void does_not_start(struct rig *r)
{
    struct report *report = &r->core.view[NODE].report;
    report->health = HEALTH_DEAD;
    report->starts.failed = STARTS_MANY;
    report->starts.blame = STARTS_BLAME_DATA;
    report->facts.io = report->facts.sql = THREAD_STOPPED;
}

static unsigned start_rule_of(struct rig *r)
{
    return cure_decide_start(&r->core, NODE)->id;
}

static void test_some_starts_prove_nothing(void **state)
{
    struct rig *r = cluster();
    struct report *report = &r->core.view[NODE].report;
    (void)state;
    does_not_start(r);
    assert_true(cure_does_not_start(report));
    report->starts.failed = STARTS_MANY - 1;
    assert_false(cure_does_not_start(report));
    report->starts.failed = STARTS_MANY;
    report->health = HEALTH_STARTING;
    assert_false(cure_does_not_start(report));
    rig_free(r);
}

static void test_damaged_data_is_replaced(void **state)
{
    struct rig *r = cluster();
    (void)state;
    does_not_start(r);
    assert_int_equal(start_rule_of(r), 160);
    assert_int_equal(cure_decide_start(&r->core, NODE)->verdict, CURE_RECLONE);
    for (int rejoin = CONFIG_REJOIN_REWIND; rejoin <= CONFIG_REJOIN_MANUAL; rejoin++) {
        r->cfg.policy.rejoin = rejoin;
        assert_int_equal(start_rule_of(r), 170);
        assert_int_equal(cure_decide_start(&r->core, NODE)->verdict, CURE_TELL);
    }
    rig_free(r);
}

/* Only its own words about its data, whatever else keeps it from starting. */
static void test_what_is_no_damage_costs_no_data(void **state)
{
    struct rig *r = cluster();
    (void)state;
    does_not_start(r);
    for (int blame = 0; blame < STARTS_BLAME_COUNT; blame++) {
        r->core.view[NODE].report.starts.blame = blame;
        assert_int_equal(start_rule_of(r), blame == STARTS_BLAME_DATA ? 160 : 100);
    }
    r->core.view[NODE].report.starts.blame = STARTS_BLAME_HOST;
    assert_int_equal(cure_decide_start(&r->core, NODE)->verdict, CURE_TELL);
    rig_free(r);
}

static void test_damaged_data_that_somebody_counts_on(void **state)
{
    struct rig *r = cluster();
    struct server_facts *f = &r->core.view[NODE].report.facts;
    (void)state;
    does_not_start(r);
    r->core.record.in_sync = 1u << NODE;
    assert_int_equal(start_rule_of(r), 20);
    r->core.record.in_sync = 0;
    r->core.record.flags[NODE] = NODE_QUARANTINED;
    assert_int_equal(start_rule_of(r), 110);
    r->core.record.flags[NODE] = NODE_FORMER;
    assert_int_equal(start_rule_of(r), 110);
    /* Its tail was cut and saved: what its server told before is of no account. */
    r->core.lead.repair[NODE].rewound = true;
    (void)snprintf(f->received, sizeof f->received, "0-1-11");
    assert_int_equal(start_rule_of(r), 160);
    r->core.record.flags[NODE] = 0;
    assert_int_equal(start_rule_of(r), 120);
    f->flavour = SERVER_FLAVOUR_UNKNOWN; /* its agent was restarted */
    assert_int_equal(start_rule_of(r), 160);
    rig_free(r);
}

static void test_damaged_data_again_and_in_turn(void **state)
{
    struct rig *r = cluster();
    (void)state;
    does_not_start(r);
    r->core.record.flags[4] = NODE_RECLONE;
    assert_int_equal(start_rule_of(r), 150);
    assert_int_equal(cure_decide_start(&r->core, NODE)->verdict, CURE_WAIT);
    (void)tell(r, "cure", 160);
    assert_int_equal(start_rule_of(r), 130);
    assert_int_equal(cure_decide_start(&r->core, NODE)->verdict, CURE_TELL);
    r->core.record.flags[4] = 0;
    r->core.wall_ms += INT64_C(86400000);
    assert_int_equal(start_rule_of(r), 160);
    rig_free(r);
}

/* Its server cannot copy: one that is started for the copy does. */
static void test_damaged_data_of_mysql(void **state)
{
    struct rig *r = cluster();
    (void)state;
    does_not_start(r);
    r->core.facts.flavour = SERVER_MYSQL;
    r->core.view[NODE].report.facts.flavour = SERVER_FLAVOUR_UNKNOWN;
    assert_int_equal(start_rule_of(r), 160);
    assert_int_equal(cure_decide_start(&r->core, NODE)->verdict, CURE_RECLONE);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_a_source_refuses),
        cmocka_unit_test(test_a_stranger_with_its_id_costs_no_data),
        cmocka_unit_test(test_what_may_pass),
        cmocka_unit_test(test_what_is_done),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_what_was_taken_back_stops_nothing),
        cmocka_unit_test(test_data_that_differs_is_replaced),
        cmocka_unit_test(test_data_is_not_replaced_with_something_in_it),
        cmocka_unit_test(test_one_node_at_a_time),
        cmocka_unit_test(test_data_that_differs_again_is_told),
        cmocka_unit_test(test_purged_sources_are_tried_in_turn),
        cmocka_unit_test(test_the_writer_has_purged_first),
        cmocka_unit_test(test_who_depends_on_the_node_cannot_help),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_some_starts_prove_nothing),
        cmocka_unit_test(test_damaged_data_is_replaced),
        cmocka_unit_test(test_what_is_no_damage_costs_no_data),
        cmocka_unit_test(test_damaged_data_that_somebody_counts_on),
        cmocka_unit_test(test_damaged_data_again_and_in_turn),
        cmocka_unit_test(test_damaged_data_of_mysql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
