/* SPDX-License-Identifier: Apache-2.0 */
/* The leader replaces a node's data: what it does next, who may give, and what it must never do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/procs.h"
#include "core/reclone.h"
#include "core_fixture.h"
#include "wire/clone.h"

#define NODE 3 /* m4, a replica */

static struct report *replica(struct rig *r, unsigned node)
{
    struct report *report = rig_report(r, node);
    report->facts = rig_facts(10);
    report->facts.channel = true;
    report->facts.io = report->facts.sql = THREAD_RUNNING;
    (void)snprintf(report->facts.source_host, ADDRESS_TEXT_MAX, "172.17.0.10");
    report->facts.source_port = 3306;
    clone_report_init(&report->clone);
    return report;
}

static void all_report(struct rig *r)
{
    for (unsigned i = 1; i < 5; i++) {
        (void)replica(r, i);
        rig_step(r);
    }
    rig_open_effects(r);
}

static int verdict(struct rig *r, unsigned node)
{
    uint32_t facts;
    return reclone_decide(&r->core, node, &facts)->verdict;
}

static void ordered(struct rig *r)
{
    r->core.record.flags[NODE] |= NODE_RECLONE;
}

static struct report *view(struct rig *r)
{
    return &r->core.view[NODE].report;
}

static void test_way_of_a_copy(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    all_report(r);
    ordered(r);
    assert_int_equal(verdict(r, NODE), RECLONE_LOOK);
    r->core.lead.reclone[NODE].looked = true;
    assert_int_equal(verdict(r, NODE), RECLONE_COPY);
    r->core.lead.reclone[NODE].extra = true;
    /* Of some earlier set: this one is saved when it has been. */
    r->core.record.flags[NODE] |= NODE_SALVAGED;
    assert_int_equal(verdict(r, NODE), RECLONE_SALVAGE);
    r->core.lead.reclone[NODE].extra = false;
    assert_int_equal(verdict(r, NODE), RECLONE_COPY);
    view(r)->clone.state = CLONE_RECEIVING;
    assert_int_equal(verdict(r, NODE), RECLONE_WAIT);
    view(r)->clone.state = CLONE_READY;
    assert_int_equal(verdict(r, NODE), RECLONE_LOOK);
    r->core.lead.reclone[NODE].current = r->core.lead.reclone[NODE].extra = true;
    assert_int_equal(verdict(r, NODE), RECLONE_SALVAGE);
    r->core.lead.reclone[NODE].extra = false;
    assert_int_equal(verdict(r, NODE), RECLONE_KILL);
    view(r)->health = HEALTH_DEAD;
    assert_int_equal(verdict(r, NODE), RECLONE_PLACE);
    view(r)->clone.state = CLONE_PLACED;
    assert_int_equal(verdict(r, NODE), RECLONE_START);
    view(r)->health = HEALTH_STARTING;
    assert_int_equal(verdict(r, NODE), RECLONE_WAIT);
    view(r)->health = HEALTH_OK;
    assert_int_equal(verdict(r, NODE), RECLONE_ADOPT);
    view(r)->clone.state = CLONE_ADOPTED;
    assert_int_equal(verdict(r, NODE), RECLONE_JUDGE);
    r->core.record.flags[NODE] = NODE_RECLONE;
    r->core.lead.repair[NODE].checked_epoch = 0;
    assert_int_equal(verdict(r, NODE), RECLONE_REPAIR);
    r->core.lead.repair[NODE].checked_epoch = r->core.record.epoch;
    assert_int_equal(verdict(r, NODE), RECLONE_FINISH);
    view(r)->facts.sql_errno = 1062;
    assert_int_equal(verdict(r, NODE), RECLONE_AGAIN);
    rig_free(r);
}

static void test_dead_server_is_copied_for_at_mariadb_and_started_at_mysql(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    all_report(r);
    ordered(r);
    view(r)->health = HEALTH_DEAD;
    assert_int_equal(verdict(r, NODE), RECLONE_COPY);
    r->core.facts.flavour = SERVER_MYSQL;
    assert_int_equal(verdict(r, NODE), RECLONE_START);
    view(r)->health = HEALTH_STARTING;
    assert_int_equal(verdict(r, NODE), RECLONE_WAIT);
    rig_free(r);
}

/* A server for the copy fetches it: of damaged data, and where there is none yet. */
static void test_server_that_does_not_start_is_not_waited_for_at_mysql(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    all_report(r);
    ordered(r);
    r->core.facts.flavour = SERVER_MYSQL;
    view(r)->health = HEALTH_DEAD;
    view(r)->starts.failed = 1;
    assert_int_equal(verdict(r, NODE), RECLONE_START);
    view(r)->starts.failed = 2;
    assert_int_equal(verdict(r, NODE), RECLONE_COPY);
    view(r)->health = HEALTH_STARTING;
    assert_int_equal(verdict(r, NODE), RECLONE_WAIT);
    view(r)->health = HEALTH_DEAD;
    view(r)->starts.failed = 0;
    r->core.record.flags[NODE] |= NODE_FOREIGN;
    assert_int_equal(verdict(r, NODE), RECLONE_COPY);
    rig_free(r);
}

static void test_foreign_data_is_not_looked_at(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    all_report(r);
    r->core.record.flags[NODE] = NODE_RECLONE | NODE_FOREIGN;
    r->core.lead.reclone[NODE].extra = true;
    assert_int_equal(verdict(r, NODE), RECLONE_COPY);
    rig_free(r);
}

/* Whatever else holds: never the writer, never a member, never a running server's data. */
static void test_never(void **state)
{
    const struct rule_table *t = &reclone_table;
    uint32_t bit[32] = {0};
    const char *const names[] = {"writer", "member", "process", "ready", "steady", "writable"};
    (void)state;
    for (unsigned n = 0; n < sizeof names / sizeof names[0]; n++) {
        for (unsigned i = 0; i < t->n_facts; i++)
            bit[n] |= strcmp(t->fact_names[i], names[n]) == 0 ? 1u << i : 0;
        assert_int_not_equal(bit[n], 0);
    }
    for (uint32_t facts = 0; facts < 1u << t->n_facts; facts++) {
        int v = rules_decide(t, facts)->verdict;
        bool changes = v != RECLONE_WAIT && v != RECLONE_CANCEL;
        if (changes && (facts & (bit[0] | bit[1])) != 0)
            fail_msg("the writer's or a member's data is touched: %#x", facts);
        if (changes && (facts & bit[4]) == 0)
            fail_msg("without an open writer: %#x", facts);
        if (v == RECLONE_PLACE && ((facts & bit[2]) != 0 || (facts & bit[3]) == 0))
            fail_msg("placed under a running server, or half a copy: %#x", facts);
    }
}

static void test_donors(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    all_report(r);
    ordered(r);
    rig_grow(r, 1, 101);
    rig_open_effects(r);
    assert_int_equal(reclone_judge_donor(&r->core, NODE, NODE)->id, 10);
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 0)->verdict, DONOR_WRITER);
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 1)->verdict, DONOR_MEMBER);
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 2)->verdict, DONOR_REPLICA);
    assert_int_equal(reclone_donor(&r->core, NODE), 2);
    r->core.view[2].report.clone.state = CLONE_GIVING;
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 2)->id, 70);
    assert_int_equal(reclone_donor(&r->core, NODE), 4);
    r->core.view[4].report.facts.sql = THREAD_STOPPED;
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 4)->id, 90);
    assert_int_equal(reclone_donor(&r->core, NODE), 1);
    r->core.view[1].report.facts.version = 110806;
    view(r)->facts.version = 101119;
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 1)->id, 60);
    r->core.record.flags[1] |= NODE_QUARANTINED;
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 1)->id, 50);
    r->core.view[0].report.facts.version = 101119;
    assert_int_equal(reclone_donor(&r->core, NODE), 0);
    /* The one that was named, or nobody. */
    r->core.record.flags[NODE] |= 5u << NODE_DONOR_SHIFT;
    assert_int_equal(reclone_donor(&r->core, NODE), NODE_NONE);
    r->core.view[4].report.facts.sql = THREAD_RUNNING;
    r->core.view[4].report.facts.version = 101119;
    assert_int_equal(reclone_donor(&r->core, NODE), 4);
    rig_free(r);
}

static void test_old_donor(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    (void)snprintf(r->core.facts.executed, GTID_TEXT_MAX, "0-1-5000");
    all_report(r);
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 2)->id, 100);
    assert_int_equal(reclone_donor(&r->core, NODE), 0);
    rig_free(r);
}

static void test_refusals(void **state)
{
    struct rig *r = rig_leader();
    char why[DETAIL_TEXT_MAX];
    (void)state;
    all_report(r);
    assert_null(reclone_refusal(&r->core, NODE, NODE_NONE, why, sizeof why));
    assert_non_null(reclone_refusal(&r->core, 0, NODE_NONE, why, sizeof why));
    assert_non_null(strstr(why, "m1 is the writer"));
    assert_non_null(reclone_refusal(&r->core, NODE, NODE, why, sizeof why));
    assert_non_null(strstr(why, "donor/10"));
    r->core.record.flags[NODE] = NODE_MAINTENANCE;
    assert_non_null(reclone_refusal(&r->core, NODE, NODE_NONE, why, sizeof why));
    assert_non_null(strstr(why, "maintenance"));
    ordered(r);
    r->core.record.flags[NODE] = NODE_RECLONE;
    assert_non_null(reclone_refusal(&r->core, NODE, NODE_NONE, why, sizeof why));
    assert_non_null(strstr(why, "ordered already"));
    rig_free(r);
}

/* The history has 32 bits of microseconds for each time, a copy takes hours. */
static void test_a_long_copy(void **state)
{
    struct rig *r = rig_leader();
    struct reclone *c = &r->core.lead.reclone[NODE];
    const int64_t hours_us = 3 * 3600 * INT64_C(1000000);
    struct event *ev;
    (void)state;
    all_report(r);
    ordered(r);
    c->fetched_us = r->now_us - hours_us;
    view(r)->clone.state = CLONE_READY;
    c->current = true;
    assert_int_equal(verdict(r, NODE), RECLONE_KILL);
    ask_drop(&r->core, &r->core.lead.repair[NODE].ask);
    for (unsigned n = 0; n < 20 && c->ask == ASK_NONE; n++)
        rig_tick(r, 10);
    assert_int_not_equal(c->ask, ASK_NONE);
    ev = rig_event(r, EVENT_ANSWER);
    ev->from = NODE;
    ev->u.answer.term = r->core.term;
    ev->u.answer.id = r->core.asks.list[c->ask].id;
    ev->u.answer.kind = JOB_KILL;
    rig_step(r);
    rig_tick(r, 10);
    assert_int_equal(c->history.n_steps, 2);
    assert_int_equal(c->history.steps[0].took_us, UINT32_MAX);
    assert_non_null(strstr(c->history.steps[0].note, "in 180 min"));
    assert_int_equal(c->history.took_us, UINT32_MAX);
    assert_true(c->took_us >= hours_us);
    rig_free(r);
}

/* Who was not compared reaches the writer for a copy of its data, and only while that is ordered.
 */
static void test_unseen_is_let_in_for_the_copy_alone(void **state)
{
    struct rig *r = rig_leader();
    (void)state;
    all_report(r);
    r->core.record.flags[NODE] = NODE_UNSEEN | NODE_RECLONE;
    sync_keep_out(&r->core);
    assert_int_not_equal(r->core.blocked & 1u << NODE, 0);
    r->core.lead.reclone[NODE].donor = 0;
    sync_keep_out(&r->core);
    assert_int_equal(r->core.blocked & 1u << NODE, 0);
    r->core.record.flags[NODE] = NODE_UNSEEN;
    sync_keep_out(&r->core);
    assert_int_not_equal(r->core.blocked & 1u << NODE, 0);
    rig_free(r);
}

/* Promoted by force in spite of the order: what it has is the cluster's data from then on, and is
 * not replaced when it is the writer no more. */
static void test_order_for_the_writer_is_taken_back(void **state)
{
    struct rig *r = rig_leader();
    const struct effect *e = NULL;
    (void)state;
    all_report(r);
    r->core.record.flags[0] = NODE_RECLONE | NODE_FOREIGN | 5u << NODE_DONOR_SHIFT;
    for (unsigned n = 0; n < 20 && e == NULL; n++) {
        rig_tick(r, 100);
        e = rig_effect(r, EFFECT_PROPOSE, 0);
    }
    assert_non_null(e);
    assert_true(rig_logged(r, "reclone-cancelled"));
    assert_int_equal(e->u.proposal.entry.kind, ENTRY_FLAGS);
    assert_int_equal(e->u.proposal.entry.node, 0);
    assert_int_equal(e->u.proposal.entry.clear, NODE_RECLONE_ALL);
    rig_free(r);
}

/* The new data's replication stopped because it differs from the binlog as well. Once another copy
 * is made, of the writer's own data; then the order ends, and the record tells. */
static void test_a_second_copy_that_differs_is_the_last(void **state)
{
    struct rig *r = rig_leader();
    struct reclone *c = &r->core.lead.reclone[NODE];
    const struct effect *e = NULL;
    (void)state;
    all_report(r);
    ordered(r);
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 2)->verdict, DONOR_REPLICA);
    assert_int_not_equal(reclone_donor(&r->core, NODE), 0);
    view(r)->clone.state = CLONE_ADOPTED;
    view(r)->facts.sql = THREAD_STOPPED;
    view(r)->facts.sql_errno = 1032;
    assert_int_equal(verdict(r, NODE), RECLONE_AGAIN);
    c->differed = 1;
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 2)->id, 85);
    assert_int_equal(reclone_donor(&r->core, NODE), 0);
    assert_int_equal(verdict(r, NODE), RECLONE_CANCEL);
    /* What else can stop it is no reason to end. */
    view(r)->facts.sql_errno = 1950;
    assert_int_equal(verdict(r, NODE), RECLONE_AGAIN);
    /* A lock says nothing of the copy: its applier is started again. */
    view(r)->facts.sql_errno = 1205;
    assert_int_equal(verdict(r, NODE), RECLONE_REPAIR);
    view(r)->facts.sql_errno = 1032;
    /* The one that an operator named is asked again, whatever it gave. */
    r->core.record.flags[NODE] |= 3u << NODE_DONOR_SHIFT;
    assert_int_equal(reclone_donor(&r->core, NODE), 2);
    ask_drop(&r->core, &r->core.lead.repair[NODE].ask);
    for (unsigned n = 0; n < 20 && !rig_logged(r, "reclone-cancelled"); n++)
        rig_tick(r, 10);
    for (unsigned n = 0; (e = rig_effect(r, EFFECT_PROPOSE, n)) != NULL; n++) {
        if (e->u.proposal.entry.kind == ENTRY_FLAGS && e->u.proposal.entry.node == NODE)
            break;
    }
    assert_non_null(e);
    assert_int_equal(e->u.proposal.entry.clear, NODE_RECLONE_ALL);
    assert_int_not_equal(r->core.n_pending_histories, 0);
    assert_int_equal(r->core.pending_histories[r->core.n_pending_histories - 1].rule, 125);
    assert_int_equal(r->core.pending_histories[r->core.n_pending_histories - 1].to, NODE);
    rig_free(r);
}

/* The donor that was named is waited for, and nobody else is asked; then the order ends. */
static void test_named_donor_that_is_gone(void **state)
{
    struct rig *r = rig_leader();
    struct reclone *c = &r->core.lead.reclone[NODE];
    uint32_t facts;
    (void)state;
    all_report(r);
    ordered(r);
    r->core.record.flags[NODE] |= 5u << NODE_DONOR_SHIFT;
    r->core.view[4].report.facts.sql = THREAD_STOPPED;
    c->looked = true;
    view(r)->facts.replica_side = view(r)->facts.replica_side_active = false;
    ask_drop(&r->core, &r->core.lead.repair[NODE].ask);
    rig_tick(r, 10);
    assert_int_equal(reclone_decide(&r->core, NODE, &facts)->id, RECLONE_RULE_NO_DONOR);
    assert_int_equal(c->gone_us, r->now_us);
    assert_non_null(strstr(r->core.lead.repair[NODE].state, "waits 600 s for m5, which was named"));
    assert_non_null(strstr(r->core.lead.repair[NODE].state, "does not replicate"));
    c->gone_us = r->now_us - RECLONE_DONOR_GONE_US + 1;
    assert_int_equal(reclone_decide(&r->core, NODE, &facts)->id, RECLONE_RULE_NO_DONOR);
    c->gone_us--;
    r->core.record.flags[NODE] |= NODE_FOREIGN; /* it would be taken for one of the cluster's */
    assert_int_equal(reclone_decide(&r->core, NODE, &facts)->id, RECLONE_RULE_NO_DONOR);
    r->core.record.flags[NODE] &= ~(uint32_t)NODE_FOREIGN;
    assert_int_equal(reclone_decide(&r->core, NODE, &facts)->id, 205);
    assert_int_equal(verdict(r, NODE), RECLONE_CANCEL);
    /* It gives to somebody else, for hours perhaps. */
    r->core.view[4].report.clone.state = CLONE_GIVING;
    rig_open_effects(r);
    (void)reclone_run(&r->core, NODE);
    assert_int_equal(c->gone_us, 0);
    assert_int_equal(reclone_decide(&r->core, NODE, &facts)->id, RECLONE_RULE_NO_DONOR);
    r->core.view[4].report.clone.state = CLONE_NONE;
    (void)reclone_run(&r->core, NODE);
    c->gone_us = r->now_us - RECLONE_DONOR_GONE_US;
    assert_int_equal(verdict(r, NODE), RECLONE_CANCEL);
    /* Just then it is there again. */
    r->core.view[4].report.facts.sql = THREAD_RUNNING;
    assert_int_equal(verdict(r, NODE), RECLONE_COPY);
    rig_open_effects(r);
    (void)reclone_run(&r->core, NODE);
    assert_int_equal(c->gone_us, 0);
    rig_free(r);
}

static bool keeps_the_old(struct rig *r, uint32_t flags, bool looked, bool unseen, bool unsaved)
{
    const struct effect *e = NULL;
    all_report(r);
    r->core.record.flags[NODE] = NODE_RECLONE | flags;
    view(r)->clone.state = CLONE_ADOPTED;
    r->core.lead.repair[NODE].checked_epoch = r->core.record.epoch;
    r->core.lead.reclone[NODE].looked = r->core.lead.reclone[NODE].current = looked;
    r->core.lead.reclone[NODE].unseen = unseen;
    r->core.lead.reclone[NODE].unsaved = unsaved;
    assert_int_equal(verdict(r, NODE), RECLONE_FINISH);
    ask_drop(&r->core, &r->core.lead.repair[NODE].ask);
    for (unsigned n = 0; n < 20; n++) {
        rig_tick(r, 10);
        for (unsigned i = 0; (e = rig_effect(r, EFFECT_REQUEST, i)) != NULL; i++) {
            if (e->u.request.job.kind == JOB_CLEAR)
                return e->u.request.job.flag;
        }
    }
    fail_msg("nothing is cleared");
    return false;
}

/* S6: what nobody could look at, or no binlog tells, stays on the disk. */
static void test_what_stays_of_the_old_data(void **state)
{
    static const struct {
        uint32_t flags;
        bool looked, unseen, unsaved, keeps;
    } cases[] = {
        {0, true, false, false, false},
        {0, false, false, false, true},
        {0, true, true, false, true},
        {0, true, false, true, true},
        {NODE_KEEP_OLD, true, false, false, true},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig *r = rig_leader();
        assert_int_equal(
            keeps_the_old(r, cases[i].flags, cases[i].looked, cases[i].unseen, cases[i].unsaved),
            cases[i].keeps);
        rig_free(r);
    }
}

/* The node's agent has the last word. */
static void test_agent_of_the_writer_refuses(void **state)
{
    struct rig *r = rig_new(0);
    struct server_facts facts = rig_facts(10);
    const struct effect *answer;
    (void)state;
    rig_server(r, 1, &facts);
    rig_peer(r, 1, true);
    rig_promote(r, 0, 1);
    (void)rig_request(r, 1, JOB_FETCH);
    rig_step(r);
    answer = rig_effect(r, EFFECT_ANSWER, 0);
    assert_non_null(answer);
    assert_int_not_equal(answer->u.answer.result.outcome, JOB_DONE);
    assert_non_null(strstr(answer->u.answer.result.detail, "writer of the record"));
    rig_free(r);
}

static void test_agent_without_an_order_refuses(void **state)
{
    static const int kinds[] = {JOB_FETCH, JOB_PLACE, JOB_ADOPT};
    (void)state;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rig *r = rig_new(NODE);
        struct server_facts facts = rig_facts(10);
        const struct effect *answer;
        rig_server(r, 1, &facts);
        rig_peer(r, 0, true);
        rig_promote(r, 0, 1);
        (void)rig_request(r, 0, kinds[i]);
        rig_step(r);
        answer = rig_effect(r, EFFECT_ANSWER, 0);
        assert_non_null(answer);
        assert_non_null(strstr(answer->u.answer.result.detail, "no order"));
        r->core.record.flags[NODE] = NODE_RECLONE;
        (void)rig_request(r, 0, JOB_PLACE);
        rig_step(r);
        answer = rig_effect(r, EFFECT_ANSWER, 0);
        assert_non_null(answer);
        assert_non_null(strstr(answer->u.answer.result.detail, "mysqld is running"));
        rig_free(r);
    }
}

/* Refused by name: CLONE would be tried, and fail, for ever. */
static void test_mysql_without_clone_is_made_anew_by_hand(void **state)
{
    struct rig *r = rig_leader();
    char why[DETAIL_TEXT_MAX];
    (void)state;
    all_report(r);
    r->core.facts.flavour = SERVER_MYSQL;
    r->core.facts.version = 80016;
    for (unsigned i = 0; i < 5; i++) {
        r->core.view[i].report.facts.flavour = SERVER_MYSQL;
        r->core.view[i].report.facts.version = 80016;
    }
    assert_non_null(reclone_refusal(&r->core, NODE, NODE_NONE, why, sizeof why));
    assert_non_null(strstr(why, "no CLONE"));
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 2)->id, 65);
    assert_int_equal(reclone_donor(&r->core, NODE), NODE_NONE);
    /* An order that stands all the same waits. */
    ordered(r);
    r->core.lead.reclone[NODE].looked = true;
    assert_int_equal(verdict(r, NODE), RECLONE_WAIT);
    r->core.record.flags[NODE] = 0;
    /* Of one that has never answered the others' version is taken. */
    view(r)->facts.flavour = SERVER_FLAVOUR_UNKNOWN;
    view(r)->facts.version = 0;
    assert_non_null(reclone_refusal(&r->core, NODE, NODE_NONE, why, sizeof why));
    r->core.view[2].report.facts.version = 80017;
    assert_null(reclone_refusal(&r->core, NODE, NODE_NONE, why, sizeof why));
    assert_int_not_equal(reclone_judge_donor(&r->core, NODE, 2)->id, 65);
    assert_int_equal(reclone_judge_donor(&r->core, NODE, 1)->id, 65);
    for (unsigned i = 0; i < 5; i++)
        r->core.view[i].report.facts.version = 80017;
    r->core.facts.version = 80017;
    assert_null(reclone_refusal(&r->core, NODE, NODE_NONE, why, sizeof why));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mysql_without_clone_is_made_anew_by_hand),
        cmocka_unit_test(test_way_of_a_copy),
        cmocka_unit_test(test_dead_server_is_copied_for_at_mariadb_and_started_at_mysql),
        cmocka_unit_test(test_server_that_does_not_start_is_not_waited_for_at_mysql),
        cmocka_unit_test(test_foreign_data_is_not_looked_at),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_donors),
        cmocka_unit_test(test_old_donor),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_long_copy),
        cmocka_unit_test(test_unseen_is_let_in_for_the_copy_alone),
        cmocka_unit_test(test_order_for_the_writer_is_taken_back),
        cmocka_unit_test(test_a_second_copy_that_differs_is_the_last),
        cmocka_unit_test(test_named_donor_that_is_gone),
        cmocka_unit_test(test_what_stays_of_the_old_data),
        cmocka_unit_test(test_agent_of_the_writer_refuses),
        cmocka_unit_test(test_agent_without_an_order_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
