/* SPDX-License-Identifier: Apache-2.0 */
/* What a node may be elected for in which situation, its rank, and whom a leader hands on to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/eligible.h"
#include "core_fixture.h"

/* A healthy m2, member of m1's in-sync set, before the situation changes it. */
static struct rig *member(void)
{
    struct rig *r = rig_new(1);
    struct server_facts f = rig_facts(10);
    r->core.term = 5;
    rig_server(r, 101, &f);
    rig_promote(r, 0, 5);
    rig_grow(r, 1, 101);
    return r;
}

static void as_writer(struct rig *r)
{
    r->core.record.writer = 1;
    r->core.record.in_sync = 0;
}

/* ---- situations ---- */

static void nothing(struct rig *r)
{
    (void)r;
}

static void maintenance(struct rig *r)
{
    r->core.record.flags[1] |= NODE_MAINTENANCE;
}

static void no_promote(struct rig *r)
{
    r->core.record.flags[1] |= NODE_NO_PROMOTE;
}

static void no_promote_in_file(struct rig *r)
{
    r->cfg.nodes[1].no_promote = true;
}

static void quarantined(struct rig *r)
{
    r->core.record.flags[1] |= NODE_QUARANTINED;
}

static void former(struct rig *r)
{
    r->core.record.flags[1] |= NODE_FORMER;
}

static void replica(struct rig *r)
{
    r->cfg.nodes[1].role = CONFIG_ROLE_REPLICA;
}

static void stopping(struct rig *r)
{
    r->core.quitting = true;
}

static void failed(struct rig *r)
{
    r->core.lead.failed_until_us = r->core.now_us + 1;
}

static void failed_before(struct rig *r)
{
    r->core.lead.failed_until_us = r->core.now_us;
}

static void dead(struct rig *r)
{
    rig_died(r, /* cleanly= */ false);
}

static void hung(struct rig *r)
{
    r->core.health.state = HEALTH_HUNG;
}

static void full(struct rig *r)
{
    r->core.health.state = HEALTH_FULL;
}

static void refused(struct rig *r)
{
    r->core.health.state = HEALTH_REFUSED;
}

static void starting(struct rig *r)
{
    r->core.health.state = HEALTH_STARTING;
}

static void no_facts(struct rig *r)
{
    r->core.have_facts = false;
}

static void restarted(struct rig *r)
{
    struct server_facts f = rig_facts(10);
    rig_died(r, /* cleanly= */ true);
    rig_server(r, 999, &f);
}

static void rebooted(struct rig *r)
{
    r->core.incarnation.boot_id[0]++;
}

static void not_in_set(struct rig *r)
{
    r->core.record.in_sync = 0;
}

static void sql_error(struct rig *r)
{
    r->core.facts.sql_errno = 1062;
}

static void no_gtid(struct rig *r)
{
    r->core.facts.settings |= SETTING_ANONYMOUS;
}

static void planned(struct rig *r)
{
    r->core.record.handover = 1;
}

static void forced(struct rig *r)
{
    r->core.record.handover = 1;
    r->core.record.handover_forced = true;
}

static void forced_other(struct rig *r)
{
    r->core.record.handover = 0;
    r->core.record.handover_forced = true;
}

static void writer(struct rig *r)
{
    as_writer(r);
}

static void writer_in_maintenance(struct rig *r)
{
    as_writer(r);
    maintenance(r);
}

struct situation {
    void (*first)(struct rig *r);
    void (*then)(struct rig *r);
    enum eligibility want;
    int rank;
    const char *why; /* part of the reason; "" = none given */
};

static const struct situation situations[] = {
    {nothing, nothing, ELIGIBLE_MEMBER, 2, ""},
    {planned, nothing, ELIGIBLE_MEMBER, 2, ""},
    {former, nothing, ELIGIBLE_MEMBER, 2, ""},
    {failed_before, nothing, ELIGIBLE_MEMBER, 2, ""},
    {forced_other, nothing, ELIGIBLE_MEMBER, 2, ""},
    /* a member that must not be promoted */
    {maintenance, nothing, ELIGIBLE_NONE, -1, "maintenance"},
    {no_promote, nothing, ELIGIBLE_NONE, -1, "not to be promoted"},
    {no_promote_in_file, nothing, ELIGIBLE_NONE, -1, "not to be promoted"},
    {quarantined, nothing, ELIGIBLE_NONE, -1, "quarantined"},
    {replica, nothing, ELIGIBLE_NONE, -1, "not a candidate"},
    {stopping, nothing, ELIGIBLE_NONE, -1, "stopping"},
    {failed, nothing, ELIGIBLE_NONE, -1, "failed"},
    {dead, nothing, ELIGIBLE_NONE, -1, "not healthy"},
    {hung, nothing, ELIGIBLE_NONE, -1, "not healthy"},
    {full, nothing, ELIGIBLE_NONE, -1, "not healthy"},
    {no_facts, nothing, ELIGIBLE_NONE, -1, "not healthy"},
    {sql_error, nothing, ELIGIBLE_NONE, -1, "SQL thread"},
    {no_gtid, nothing, ELIGIBLE_NONE, -1, "have no GTID"},
    {not_in_set, nothing, ELIGIBLE_NONE, -1, "in-sync set"},
    /* S2: another run of mysqld may have thrown its relay log away */
    {restarted, nothing, ELIGIBLE_NONE, -1, "restarted"},
    {rebooted, nothing, ELIGIBLE_NONE, -1, "restarted"},
    /* an order that accepts loss */
    {forced, nothing, ELIGIBLE_FORCED, 0, ""},
    {forced, not_in_set, ELIGIBLE_FORCED, 0, ""},
    {forced, restarted, ELIGIBLE_FORCED, 0, ""},
    {forced, failed, ELIGIBLE_FORCED, 0, ""},
    {forced, dead, ELIGIBLE_NONE, -1, "not healthy"},
    {forced, hung, ELIGIBLE_NONE, -1, "not healthy"},
    /* a planned switchover is no order to lose something */
    {planned, not_in_set, ELIGIBLE_NONE, -1, "in-sync set"},
    {planned, restarted, ELIGIBLE_NONE, -1, "restarted"},
    /* the last writer */
    {writer, nothing, ELIGIBLE_WRITER, 0, ""},
    {writer, full, ELIGIBLE_WRITER, 0, ""},
    {writer, no_facts, ELIGIBLE_WRITER, 0, ""},
    {writer, failed, ELIGIBLE_WRITER, 0, ""},
    {writer, dead, ELIGIBLE_RESTART, 6, ""},
    {writer, starting, ELIGIBLE_RESTART, 6, ""},
    {writer, hung, ELIGIBLE_NONE, -1, "does not answer"},
    {writer, refused, ELIGIBLE_NONE, -1, "does not answer"},
    /* it keeps the role until somebody takes it, but it is not started for it */
    {writer, maintenance, ELIGIBLE_WRITER, 0, ""},
    {writer_in_maintenance, dead, ELIGIBLE_NONE, -1, "maintenance"},
    {writer_in_maintenance, hung, ELIGIBLE_NONE, -1, "maintenance"},
    {writer, stopping, ELIGIBLE_NONE, -1, "stopping"},
};

static void test_situations(void **state)
{
    char why[REASON_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof situations / sizeof situations[0]; i++) {
        const struct situation *s = &situations[i];
        struct rig *r = member();
        enum eligibility e;
        s->first(r);
        s->then(r);
        memset(why, '#', sizeof why);
        e = eligible_self(&r->core, why);
        if (e != s->want)
            fail_msg("situation %zu: %s, not %s (%s)", i, eligibility_text((int)e),
                     eligibility_text((int)s->want), why);
        if (s->why[0] == '\0' ? why[0] != '\0' : strstr(why, s->why) == NULL)
            fail_msg("situation %zu: '%s' does not say '%s'", i, why, s->why);
        assert_int_equal(eligible_rank(&r->core, e), s->rank);
        rig_free(r);
    }
}

/* Last writer before members, members by priority, a restart last of all. */
static void test_ranks(void **state)
{
    struct rig *one = rig_new(0);
    struct rig *two = rig_new(1);
    (void)state;
    assert_int_equal(eligible_rank(&one->core, ELIGIBLE_WRITER), 0);
    assert_int_equal(eligible_rank(&one->core, ELIGIBLE_MEMBER), 1);
    assert_int_equal(eligible_rank(&two->core, ELIGIBLE_WRITER), 0);
    assert_int_equal(eligible_rank(&two->core, ELIGIBLE_MEMBER), 2);
    assert_int_equal(eligible_rank(&two->core, ELIGIBLE_FIRST), 2);
    assert_true(eligible_rank(&one->core, ELIGIBLE_RESTART) >
                eligible_rank(&two->core, ELIGIBLE_MEMBER));
    assert_int_equal(eligible_rank(&one->core, ELIGIBLE_NONE), -1);
    rig_free(one);
    rig_free(two);
}

/* The rank reaches the arbiter when it changes, and only then. */
static void test_rank_is_told(void **state)
{
    struct rig *r = member();
    (void)state;
    assert_int_equal(rig_effect(r, EFFECT_RANK, 0)->u.rank, 2);
    rig_tick(r, 10);
    assert_int_equal(rig_count(r, EFFECT_RANK), 0);
    rig_died(r, /* cleanly= */ false);
    assert_int_equal(rig_effect(r, EFFECT_RANK, 0)->u.rank, -1);
    rig_free(r);
}

/* ---- the first writer ---- */

static struct rig *new_cluster(unsigned self, unsigned number)
{
    struct rig *r = rig_new(self);
    struct server_facts f = rig_facts(number);
    rig_server(r, 100 + self, &f);
    return r;
}

static void tell(struct rig *r, unsigned node, unsigned number)
{
    struct report *p = rig_report(r, node);
    p->facts = rig_facts(number);
    rig_step(r);
}

static void check_first(struct rig *r, bool want, const char *why)
{
    char text[REASON_TEXT_MAX] = "";
    bool first = eligible_first(&r->core, text);
    assert_int_equal(first, want);
    assert_int_equal(eligible_self(&r->core, text), want ? ELIGIBLE_FIRST : ELIGIBLE_NONE);
    if (strstr(text, why) == NULL)
        fail_msg("'%s' does not say '%s'", text, why);
}

static void test_first_writer(void **state)
{
    struct rig *r = new_cluster(0, 5);
    (void)state;
    check_first(r, false, "waiting for candidate m2");
    tell(r, 1, 3);
    check_first(r, true, "");
    tell(r, 1, 5);
    check_first(r, true, ""); /* equal: the higher priority */
    tell(r, 2, 7);
    check_first(r, false, "more data is on m3"); /* also of a node that is no candidate */
    tell(r, 2, 5);
    check_first(r, true, "");
    tell(r, 1, 6);
    check_first(r, false, "more data is on m2");
    rig_report(r, 1)->health = HEALTH_HUNG;
    rig_step(r);
    check_first(r, false, "waiting for candidate m2");
    rig_free(r);
}

/* Two servers whose transactions have no GTID hold the same as far as sets tell. */
static void test_first_writer_wants_gtid(void **state)
{
    struct rig *r = new_cluster(0, 5);
    (void)state;
    tell(r, 1, 5);
    check_first(r, true, "");
    r->core.view[1].report.facts.settings = SETTING_ANONYMOUS;
    check_first(r, false, "GTID is off on m2");
    r->core.view[1].report.facts.settings = 0;
    r->core.facts.settings |= SETTING_ANONYMOUS;
    check_first(r, false, "GTID is off on m1");
    rig_free(r);
}

static void test_first_writer_prefers_the_priority(void **state)
{
    struct rig *r = new_cluster(1, 5);
    (void)state;
    tell(r, 0, 5);
    check_first(r, false, "preferred is m1");
    tell(r, 0, 4); /* it has less */
    check_first(r, true, "");
    tell(r, 0, 5);
    r->core.record.flags[0] = NODE_NO_PROMOTE;
    check_first(r, true, "");
    r->core.record.flags[0] = NODE_MAINTENANCE;
    check_first(r, true, "");
    r->core.record.flags[0] = 0;
    check_first(r, false, "preferred is m1");
    rig_free(r);
}

static void test_first_writer_waits_for_fresh_reports(void **state)
{
    struct rig *r = new_cluster(0, 5);
    (void)state;
    tell(r, 1, 5);
    tell(r, 2, 9);
    r->now_us += 2000000;
    tell(r, 1, 5);
    check_first(r, true, ""); /* m3's word is old: a replica is not waited for */
    rig_tick(r, 2000);
    check_first(r, false, "waiting for candidate m2");
    rig_free(r);
}

/* ---- the question of a new leader ---- */

static void check_refusal(struct rig *r, void (*change)(struct rig *r), const char *want)
{
    const char *why;
    change(r);
    why = eligible_writer_refusal(&r->core, 5);
    if (want == NULL)
        assert_null(why);
    else
        assert_string_equal(why, want);
    rig_free(r);
}

static struct rig *last_writer(void)
{
    struct rig *r = member();
    as_writer(r);
    return r;
}

static void test_answer_to_a_new_leader(void **state)
{
    (void)state;
    check_refusal(last_writer(), nothing, NULL);
    check_refusal(last_writer(), full, NULL); /* alive is enough: another writer helps nobody */
    check_refusal(member(), nothing, "not the last writer");
    check_refusal(last_writer(), planned, "a handover is recorded");
    check_refusal(last_writer(), forced_other, "a handover is recorded");
    check_refusal(last_writer(), stopping, "its agent is stopping");
    check_refusal(last_writer(), maintenance, "in maintenance");
    check_refusal(last_writer(), dead, "its mysqld is not healthy");
    check_refusal(last_writer(), hung, "its mysqld is not healthy");
}

/* ---- whom to hand on to ---- */

static struct rig *leader_of_three(void)
{
    struct rig *r = rig_new(2);
    r->core.term = 5;
    rig_report(r, 0)->eligible = ELIGIBLE_MEMBER;
    rig_step(r);
    rig_report(r, 1)->eligible = ELIGIBLE_MEMBER;
    rig_step(r);
    return r;
}

static void test_target(void **state)
{
    struct rig *r = leader_of_three();
    (void)state;
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), 0); /* priority */
    rig_report(r, 1)->eligible = ELIGIBLE_WRITER;
    rig_step(r);
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), 1); /* what it offers first */
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_WRITER), 1);
    rig_report(r, 1)->eligible = ELIGIBLE_FORCED;
    rig_step(r);
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), 0);
    rig_report(r, 0)->eligible = ELIGIBLE_NONE;
    rig_step(r);
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), NODE_NONE);
    rig_free(r);
}

/* 4.1: declared in this term, less than some heartbeats ago, by a voter, not refused just now. */
static void test_target_must_have_declared_itself(void **state)
{
    struct rig *r = leader_of_three();
    (void)state;
    r->core.lead.transfer_not_before_us[0] = r->now_us + 1;
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), 1);
    r->core.lead.transfer_not_before_us[0] = r->now_us;
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), 0);
    r->cfg.arbiter.voters = 6;
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), 1);
    r->cfg.arbiter.voters = 7;
    r->core.term = 6; /* both declared in the term before */
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), NODE_NONE);
    r->core.term = 5;
    rig_tick(r, 300);
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), 0);
    rig_tick(r, 1);
    assert_int_equal(eligible_target(&r->core, ELIGIBLE_MEMBER), NODE_NONE);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_situations),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_rank_is_told),
        cmocka_unit_test(test_first_writer),
        cmocka_unit_test(test_first_writer_wants_gtid),
        cmocka_unit_test(test_first_writer_prefers_the_priority),
        cmocka_unit_test(test_first_writer_waits_for_fresh_reports),
        cmocka_unit_test(test_answer_to_a_new_leader),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_target_must_have_declared_itself),
    };
    return cmocka_run_group_tests_name("eligible", tests, NULL, NULL);
}
