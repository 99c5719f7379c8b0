/* SPDX-License-Identifier: Apache-2.0 */
/* Was anybody promised what a returned node holds alone, and what is done with it: each condition
 * of the proof is taken away once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/procs.h"
#include "core/rejoin.h"
#include "core/repair.h"
#include "core_fixture.h"
#include "wire/tail.h"

#define M1 0
#define PROOF (TAIL_COMPLETE | TAIL_SUFFIX | TAIL_CRASHED)
#define UUID1 "11111111-1111-1111-1111-111111111111"
#define UUID2 "22222222-2222-2222-2222-222222222222"

struct situation {
    struct rig *r;
    struct server_facts m1; /* the returned node */
    const char *extra;
    const char *seal;
    bool clean; /* the promotion that ended its epoch */
    bool clean_later;
    bool attached; /* it was found to be a subset of its successor, and follows */
    uint32_t evidence;
    bool read;
    bool is_warned; /* a refused rewind has said so */
};

/* MariaDB: m1 wrote up to 0-1-12 in epoch 5, m2 was promoted with 0-1-10. */
static void on_mariadb(struct situation *s)
{
    s->m1 = rig_facts(12);
    s->m1.server_id = 1;
    (void)snprintf(s->m1.executed, sizeof s->m1.executed, "0-1-12");
    s->extra = "0-1-12";
    s->seal = "0-1-10";
}

static void on_mysql(struct situation *s)
{
    s->m1 = rig_facts(12);
    s->m1.flavour = SERVER_MYSQL;
    (void)snprintf(s->m1.server_uuid, sizeof s->m1.server_uuid, UUID1);
    (void)snprintf(s->m1.executed, sizeof s->m1.executed, UUID1 ":1-12");
    (void)snprintf(s->m1.applied, sizeof s->m1.applied, UUID1 ":1-12");
    s->extra = UUID1 ":11-12";
    s->seal = UUID1 ":1-10";
}

static void promote(struct rig *r, unsigned node, uint64_t epoch, bool clean, const char *seal)
{
    struct entry *e = rig_entry(r, ENTRY_PROMOTE);
    e->node = (uint8_t)node;
    e->epoch = epoch;
    e->flag = clean;
    (void)snprintf(e->text, sizeof e->text, "%s", seal);
    rig_step(r);
}

/* What m2, the leader, judges of m1. */
static int judge(const struct situation *s, uint16_t *ret_rule)
{
    struct rig *r = s->r;
    struct repair *repair = &r->core.lead.repair[M1];
    const struct rule *rule;
    r->core.term = 7;
    rig_server(r, 101, &s->m1);
    promote(r, M1, 5, true, "");
    promote(r, 1, 6, s->clean, s->seal);
    promote(r, 1, 7, s->clean_later, s->seal);
    rig_report(r, M1)->facts = s->m1;
    rig_step(r);
    if (s->attached)
        r->core.record.flags[M1] &= ~(uint32_t)NODE_FORMER;
    repair->inspected = s->read;
    repair->evidence = s->evidence;
    if (s->is_warned)
        r->core.record.flags[M1] |= NODE_TAIL_POSSIBLE;
    rule = rules_decide(&rejoin_table, rejoin_facts(&r->core, M1, s->extra));
    *ret_rule = rule->id;
    return rule->verdict;
}

static void nothing(struct situation *s)
{
    (void)s;
}
static void unreadable(struct situation *s)
{
    s->extra = "the sets cannot be compared";
}
static void attached_since(struct situation *s)
{
    s->attached = true;
}
static void foreign(struct situation *s)
{
    s->m1.server_id = 9;
    (void)snprintf(s->m1.server_uuid, sizeof s->m1.server_uuid, UUID2);
}
static void forced(struct situation *s)
{
    s->clean = false;
}
static void forced_later(struct situation *s)
{
    s->clean_later = false;
}
static void lacks_the_seal(struct situation *s)
{
    s->seal = s->m1.flavour == SERVER_MYSQL ? UUID1 ":1-10," UUID2 ":1-3" : "0-1-10,1-2-3";
}
static void in_the_seal(struct situation *s)
{
    s->seal = s->m1.flavour == SERVER_MYSQL ? UUID1 ":1-11" : "0-1-12";
}
static void not_read(struct situation *s)
{
    s->read = false;
}
static void purged(struct situation *s)
{
    s->evidence &= ~(uint32_t)TAIL_COMPLETE;
}
static void shut_down(struct situation *s)
{
    s->evidence &= ~(uint32_t)TAIL_CRASHED;
}
static void warned(struct situation *s)
{
    s->is_warned = true;
}
static void released(struct situation *s)
{
    s->evidence |= TAIL_RELEASED;
}
static void hole(struct situation *s)
{
    s->evidence &= ~(uint32_t)TAIL_SUFFIX;
}

static void run(void (*family)(struct situation *), void (*change)(struct situation *),
                uint16_t rule, int class)
{
    struct situation s = {
        .r = rig_new(1), .clean = true, .clean_later = true, .evidence = PROOF, .read = true};
    uint16_t by = 0;
    family(&s);
    change(&s);
    assert_int_equal(judge(&s, &by), class);
    assert_int_equal(by, rule);
    rig_free(s.r);
}

static void test_each_condition_of_the_proof(void **state)
{
    static void (*const families[])(struct situation *) = {on_mariadb, on_mysql};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        run(families[i], nothing, 110, TAIL_NEVER);
        run(families[i], unreadable, 10, TAIL_UNKNOWN);
        run(families[i], released, 75, TAIL_POSSIBLE);
        run(families[i], attached_since, 20, TAIL_UNKNOWN);
        run(families[i], foreign, 30, TAIL_UNKNOWN);
        run(families[i], forced, 40, TAIL_POSSIBLE);
        run(families[i], forced_later, 40, TAIL_POSSIBLE);
        run(families[i], lacks_the_seal, 50, TAIL_UNKNOWN);
        run(families[i], in_the_seal, 60, TAIL_UNKNOWN);
        run(families[i], not_read, 70, TAIL_NOT_JUDGED);
        run(families[i], purged, 80, TAIL_UNKNOWN);
        run(families[i], shut_down, 90, TAIL_POSSIBLE);
        run(families[i], warned, 95, TAIL_POSSIBLE);
        run(families[i], hole, 100, TAIL_UNKNOWN);
    }
}

/* ---- the cure ---- */

static void cure(uint32_t flags, int rejoin, int discard, int verdict)
{
    struct rig *r = rig_new(1);
    r->core.record.flags[M1] = flags | NODE_QUARANTINED;
    r->cfg.policy.rejoin = rejoin;
    r->cfg.policy.auto_discard = discard;
    assert_int_equal(rules_decide(&discard_table, rejoin_discard_facts(&r->core, M1))->verdict,
                     verdict);
    rig_free(r);
}

static void test_nothing_is_done_before_it_is_saved(void **state)
{
    (void)state;
    cure(NODE_TAIL_NEVER | NODE_DISCARD | NODE_REJOIN, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_ALL,
         DISCARD_SAVE);
}

static void test_what_waits_for_a_human(void **state)
{
    const uint32_t saved = NODE_SALVAGED;
    (void)state;
    cure(saved | NODE_TAIL_NEVER, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_PROVEN, DISCARD_UNDO);
    cure(saved | NODE_TAIL_NEVER, CONFIG_REJOIN_MANUAL, CONFIG_DISCARD_ALL, DISCARD_WAIT);
    cure(saved | NODE_TAIL_NEVER | NODE_REJOIN, CONFIG_REJOIN_MANUAL, CONFIG_DISCARD_PROVEN,
         DISCARD_UNDO);
    cure(saved | NODE_TAIL_POSSIBLE, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_PROVEN, DISCARD_WAIT);
    cure(saved | NODE_TAIL_POSSIBLE | NODE_REJOIN, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_PROVEN,
         DISCARD_WAIT);
    cure(saved | NODE_TAIL_POSSIBLE, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_ALL, DISCARD_UNDO);
    cure(saved, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_PROVEN, DISCARD_WAIT);
    cure(saved | NODE_REJOIN | NODE_DISCARD, CONFIG_REJOIN_MANUAL, CONFIG_DISCARD_PROVEN,
         DISCARD_UNDO);
}

static void test_what_cannot_be_undone_is_made_anew(void **state)
{
    const uint32_t refused = NODE_SALVAGED | NODE_UNDO_REFUSED;
    (void)state;
    cure(refused | NODE_TAIL_NEVER, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_PROVEN, DISCARD_RECLONE);
    cure(refused | NODE_TAIL_NEVER, CONFIG_REJOIN_REWIND, CONFIG_DISCARD_PROVEN, DISCARD_WAIT);
    cure(refused | NODE_TAIL_POSSIBLE, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_PROVEN, DISCARD_WAIT);
    cure(refused | NODE_TAIL_POSSIBLE, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_ALL, DISCARD_RECLONE);
    cure(refused | NODE_TAIL_POSSIBLE, CONFIG_REJOIN_REWIND, CONFIG_DISCARD_ALL, DISCARD_WAIT);
    cure(refused | NODE_REJOIN | NODE_DISCARD, CONFIG_REJOIN_REWIND, CONFIG_DISCARD_PROVEN,
         DISCARD_RECLONE);
}

/* What was cut is saved, no set tells whether it is in the data: nothing can be taken back. */
static void test_what_is_not_proven_is_made_anew(void **state)
{
    const uint32_t unproven = NODE_SALVAGED | NODE_UNPROVEN;
    (void)state;
    cure(unproven, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_PROVEN, DISCARD_RECLONE);
    cure(unproven, CONFIG_REJOIN_AUTO, CONFIG_DISCARD_ALL, DISCARD_RECLONE);
    cure(unproven, CONFIG_REJOIN_MANUAL, CONFIG_DISCARD_ALL, DISCARD_WAIT);
    cure(unproven | NODE_REJOIN, CONFIG_REJOIN_MANUAL, CONFIG_DISCARD_PROVEN, DISCARD_RECLONE);
    cure(unproven, CONFIG_REJOIN_REWIND, CONFIG_DISCARD_ALL, DISCARD_WAIT);
    cure(unproven | NODE_REJOIN | NODE_DISCARD, CONFIG_REJOIN_REWIND, CONFIG_DISCARD_PROVEN,
         DISCARD_RECLONE);
}

/* ---- the order ---- */

static void order_under(int rejoin, uint32_t flags, bool discard, const char *expect)
{
    struct rig *r = rig_new(1);
    struct command m = {.kind = COMMAND_REJOIN, .node = M1, .flag = discard};
    char text[DETAIL_TEXT_MAX];
    bool ok;
    r->core.record.flags[M1] = flags;
    r->cfg.policy.rejoin = rejoin;
    rig_open_effects(r);
    ok = rejoin_order(&r->core, &m, text, sizeof text);
    assert_int_equal(ok, expect == NULL);
    if (expect != NULL && strstr(text, expect) == NULL)
        fail_msg("'%s' does not say '%s'", text, expect);
    rig_free(r);
}

static void order(uint32_t flags, bool discard, const char *expect)
{
    order_under(CONFIG_REJOIN_AUTO, flags, discard, expect);
}

static void test_orders_that_are_refused(void **state)
{
    const uint32_t refused = NODE_QUARANTINED | NODE_SALVAGED | NODE_UNDO_REFUSED;
    (void)state;
    order(0, false, "nothing to decide");
    order(NODE_FORMER, false, NULL);
    order(NODE_QUARANTINED, true, "not saved yet");
    order(NODE_QUARANTINED, false, NULL);
    order(NODE_QUARANTINED | NODE_SALVAGED, false, "--discard");
    order(NODE_QUARANTINED | NODE_SALVAGED | NODE_TAIL_POSSIBLE, false, "possibly acknowledged");
    order(NODE_QUARANTINED | NODE_SALVAGED | NODE_TAIL_POSSIBLE, true, NULL);
    order(NODE_QUARANTINED | NODE_SALVAGED | NODE_TAIL_NEVER, false, NULL);
    order_under(CONFIG_REJOIN_MANUAL, NODE_QUARANTINED, false, NULL);
    order_under(CONFIG_REJOIN_MANUAL, NODE_QUARANTINED, true, "without --discard");
    /* What an order would not change is not said to be done. */
    order_under(CONFIG_REJOIN_REWIND, refused | NODE_TAIL_NEVER, false, "discard/60");
    order_under(CONFIG_REJOIN_REWIND, refused | NODE_TAIL_NEVER, true, NULL);
    order_under(CONFIG_REJOIN_REWIND, NODE_QUARANTINED | NODE_SALVAGED | NODE_UNPROVEN, false,
                "discard/45");
}

/* ---- what the leader remembers ---- */

/* m2 leads as the open writer and m1 is back; what it remembers is of an earlier tail of m1. */
static struct rig *remembering(uint32_t flags)
{
    struct rig *r = rig_new(1);
    struct server_facts facts = rig_facts(12);
    rig_server(r, 101, &facts);
    rig_peer(r, M1, true);
    promote(r, M1, 5, true, "");
    promote(r, 1, 6, true, "0-1-10");
    rig_elect(r, 7, 60000);
    r->core.lead.phase = LEAD_STEADY;
    r->core.record.flags[M1] = flags;
    r->core.lead.repair[M1].inspected = r->core.lead.repair[M1].undone = true;
    r->core.lead.repair[M1].evidence = PROOF;
    return r;
}

static void forgotten(struct rig *r)
{
    assert_false(r->core.lead.repair[M1].inspected);
    assert_false(r->core.lead.repair[M1].undone);
    assert_int_equal(r->core.lead.repair[M1].evidence, 0);
    rig_free(r);
}

/* That an earlier run of its server was killed proves nothing about the one that wrote the next
 * tail, and what was taken back then says nothing about what stands against it by then. */
static void test_evidence_is_of_one_tail(void **state)
{
    struct rig *r = remembering(NODE_FORMER);
    (void)state;
    rig_report(r, M1)->facts = rig_facts(12);
    rig_step(r);
    forgotten(r);
    r = remembering(NODE_FORMER | NODE_QUARANTINED);
    rig_elect(r, 8, 60000);
    forgotten(r);
    r = remembering(NODE_FORMER | NODE_QUARANTINED);
    rig_report(r, M1)->facts = rig_facts(12);
    rig_step(r);
    assert_true(r->core.lead.repair[M1].inspected);
    rig_free(r);
}

/* ---- what was saved is one set ---- */

/* m2 leads, under `manual` m1 is ordered to come back; 0-1-13 of it was judged and saved. */
static struct rig *saved(uint32_t flags)
{
    struct rig *r = remembering(NODE_FORMER | NODE_QUARANTINED | NODE_SALVAGED | flags);
    struct repair *repair = &r->core.lead.repair[M1];
    r->cfg.policy.rejoin = CONFIG_REJOIN_MANUAL;
    repair->undone = false;
    (void)snprintf(repair->saved, sizeof repair->saved, "0-1-13");
    repair->is_saved = true;
    return r;
}

/* m1 runs, stopped and read-only, with so many transactions. Time for what follows; the request
 * that was made of it. */
static int asked(struct rig *r, unsigned number)
{
    rig_report(r, M1)->facts = rig_facts(number);
    rig_step(r);
    for (unsigned n = 0; n < 20; n++) {
        const struct effect *e;
        for (unsigned i = 0; (e = rig_effect(r, EFFECT_REQUEST, i)) != NULL; i++) {
            if (e->to == M1)
                return e->u.request.job.kind;
        }
        if (r->core.lead.proposal.pending)
            return JOB_NONE;
        rig_tick(r, 10);
    }
    return JOB_NONE;
}

static void test_what_was_saved_is_taken_back(void **state)
{
    struct rig *r = saved(NODE_TAIL_NEVER | NODE_REJOIN);
    (void)state;
    assert_int_equal(asked(r, 13), JOB_UNDO);
    rig_free(r);
}

/* A row was written there by hand since: it is in no file, nobody judged it, and the order was
 * given for something else. */
static void test_what_was_written_since_voids_all(void **state)
{
    struct rig *r = saved(NODE_TAIL_NEVER | NODE_REJOIN | NODE_DISCARD | NODE_UNDO_REFUSED);
    const struct entry *e = &r->core.lead.proposal.entry;
    (void)state;
    assert_int_equal(asked(r, 14), JOB_NONE);
    assert_true(r->core.lead.proposal.pending);
    assert_int_equal(e->kind, ENTRY_FLAGS);
    assert_int_equal(e->node, M1);
    assert_int_equal(e->set, 0);
    assert_int_equal(e->clear, NODE_CURED & ~(uint32_t)NODE_QUARANTINED);
    assert_false(r->core.lead.repair[M1].inspected);
    rig_free(r);
}

/* A leader that has not seen it saved saves it once more, before an order is carried out. */
static void test_another_leader_saves_again(void **state)
{
    struct rig *r = saved(NODE_TAIL_POSSIBLE | NODE_REJOIN | NODE_DISCARD);
    struct command m = {.kind = COMMAND_REJOIN, .node = M1, .flag = true};
    char text[DETAIL_TEXT_MAX];
    (void)state;
    rejoin_forget(&r->core, M1);
    assert_int_equal(asked(r, 13), JOB_SALVAGE);
    assert_false(rejoin_order(&r->core, &m, text, sizeof text));
    assert_non_null(strstr(text, "not saved yet"));
    rig_free(r);
}

/* ---- a server that is down ---- */

static int asked_of_the_dead(struct rig *r)
{
    struct report *report = rig_report(r, M1);
    report->health = HEALTH_DEAD;
    report->facts = rig_facts(13);
    rig_step(r);
    for (unsigned n = 0; n < 20; n++) {
        const struct effect *e = rig_effect(r, EFFECT_REQUEST, 0);
        if (e != NULL)
            return e->u.request.job.kind;
        rig_tick(r, 10);
    }
    return JOB_NONE;
}

/* Its rewind was refused and nothing could be saved: only when it runs can it be looked at. */
static void test_dead_one_is_started_to_be_saved(void **state)
{
    struct rig *r = remembering(NODE_FORMER | NODE_QUARANTINED);
    (void)state;
    r->cfg.policy.rejoin = CONFIG_REJOIN_AUTO;
    assert_int_equal(asked_of_the_dead(r), JOB_START);
    rig_free(r);
    r = remembering(NODE_FORMER | NODE_QUARANTINED | NODE_REJOIN);
    r->cfg.policy.rejoin = CONFIG_REJOIN_MANUAL;
    assert_int_equal(asked_of_the_dead(r), JOB_START);
    rig_free(r);
    r = remembering(NODE_FORMER | NODE_QUARANTINED);
    r->cfg.policy.rejoin = CONFIG_REJOIN_MANUAL;
    assert_int_equal(asked_of_the_dead(r), JOB_NONE);
    rig_free(r);
}

/* ---- a cut that is not proven ---- */

/* MariaDB's set does not show what the engine has kept. */
static void test_nothing_seen_is_no_proof_after_a_cut(void **state)
{
    struct rig *r = remembering(NODE_QUARANTINED | NODE_SALVAGED | NODE_UNPROVEN);
    (void)state;
    r->cfg.policy.rejoin = CONFIG_REJOIN_AUTO;
    assert_int_equal(asked(r, 12), JOB_NONE);
    assert_true(r->core.lead.proposal.pending);
    assert_int_equal(r->core.lead.proposal.entry.set, NODE_RECLONE);
    rig_free(r);
}

static void test_end_of_maintenance_proves_nothing(void **state)
{
    struct rig *r =
        remembering(NODE_QUARANTINED | NODE_SALVAGED | NODE_UNPROVEN | NODE_MAINTENANCE);
    struct command m = {.kind = COMMAND_MAINTENANCE, .node = M1, .flag = false};
    (void)state;
    rig_open_effects(r);
    command_run(&r->core, &m);
    assert_true(r->core.lead.proposal.pending);
    assert_int_equal(r->core.lead.proposal.entry.clear, NODE_MAINTENANCE);
    rig_free(r);
    r = remembering(NODE_QUARANTINED | NODE_SALVAGED | NODE_MAINTENANCE);
    rig_open_effects(r);
    command_run(&r->core, &m);
    assert_int_equal(r->core.lead.proposal.entry.clear, NODE_MAINTENANCE | NODE_CURED);
    rig_free(r);
}

/* ---- other data was put in place by hand ---- */

static bool replaced(struct rig *r)
{
    struct command m = {.kind = COMMAND_DATA_REPLACED, .node = M1};
    rig_open_effects(r);
    command_run(&r->core, &m);
    return r->core.lead.proposal.pending;
}

static const char *reply(struct rig *r)
{
    for (unsigned i = 0; i < r->core.fx->count; i++) {
        if (r->core.fx->list[i].kind == EFFECT_REPLY)
            return r->core.fx->list[i].u.reply.text;
    }
    return "";
}

static struct rig *unproven(uint32_t flags, unsigned number)
{
    struct rig *r =
        remembering(NODE_QUARANTINED | NODE_SALVAGED | NODE_UNPROVEN | NODE_FORMER | flags);
    r->cfg.policy.rejoin = CONFIG_REJOIN_MANUAL; /* nothing is ordered meanwhile */
    rig_report(r, M1)->facts = rig_facts(number);
    rig_step(r);
    return r;
}

/* A word that only a human can give; what can be seen of it is looked at. */
static void test_data_replaced_by_hand_is_judged_anew(void **state)
{
    struct rig *r = unproven(NODE_MAINTENANCE, 12);
    (void)state;
    assert_true(replaced(r));
    assert_int_equal(r->core.lead.proposal.entry.clear,
                     NODE_MAINTENANCE | NODE_CURED | NODE_FORMER | NODE_UNPROVEN);
    assert_int_equal(r->core.lead.proposal.entry.set, 0);
    rig_free(r);
    r = unproven(0, 12);
    assert_false(replaced(r));
    assert_non_null(strstr(reply(r), "not in maintenance"));
    rig_free(r);
    r = unproven(NODE_MAINTENANCE, 13);
    assert_false(replaced(r));
    assert_non_null(strstr(reply(r), "no copy"));
    rig_free(r);
    r = unproven(NODE_MAINTENANCE, 12);
    r->core.view[M1].report.health = HEALTH_DEAD;
    assert_false(replaced(r));
    assert_non_null(strstr(reply(r), "must run"));
    rig_free(r);
    r = unproven(NODE_MAINTENANCE, 12);
    r->core.lead.phase = LEAD_CARETAKER;
    assert_false(replaced(r));
    assert_non_null(strstr(reply(r), "no open writer"));
    rig_free(r);
}

/* Without CLONE an order to make it anew is refused, and nothing is ordered for it. */
static void test_without_clone_nothing_is_ordered(void **state)
{
    struct rig *r = unproven(0, 12);
    struct command m = {.kind = COMMAND_REJOIN, .node = M1, .flag = true};
    char text[DETAIL_TEXT_MAX];
    (void)state;
    r->cfg.policy.rejoin = CONFIG_REJOIN_AUTO;
    assert_true(rejoin_order(&r->core, &m, text, sizeof text));
    r->core.facts.flavour = SERVER_MYSQL;
    r->core.facts.version = 50744;
    (void)snprintf(r->core.facts.executed, sizeof r->core.facts.executed, UUID1 ":1-12");
    r->core.view[M1].report.facts = r->core.facts;
    assert_false(rejoin_order(&r->core, &m, text, sizeof text));
    assert_non_null(strstr(text, "no CLONE"));
    rejoin_run(&r->core, M1);
    assert_false(r->core.lead.proposal.pending);
    assert_non_null(strstr(r->core.lead.repair[M1].state, "no CLONE"));
    rig_free(r);
}

/* ---- reading that takes long ---- */

static void answered(struct rig *r, int outcome)
{
    struct answer a;
    memset(&a, 0, sizeof a);
    a.result.outcome = outcome;
    a.result.evidence = PROOF;
    rig_open_effects(r);
    r->core.lead.repair[M1].inspected = false;
    rejoin_answered(&r->core, M1, REPAIR_INSPECT, &a);
}

/* Nobody has looked yet: that is no proof against it, and is asked again. */
static void test_binlogs_that_were_not_read_in_time_are_read_on(void **state)
{
    struct rig *r = remembering(NODE_FORMER | NODE_QUARANTINED);
    (void)state;
    answered(r, JOB_TIMEOUT);
    assert_false(r->core.lead.repair[M1].inspected);
    assert_true(r->core.lead.repair[M1].not_before_us > r->core.now_us);
    answered(r, JOB_STALE);
    assert_false(r->core.lead.repair[M1].inspected);
    answered(r, JOB_FAILED); /* they cannot be read */
    assert_true(r->core.lead.repair[M1].inspected);
    assert_int_equal(r->core.lead.repair[M1].evidence, 0);
    answered(r, JOB_DONE);
    assert_true(r->core.lead.repair[M1].inspected);
    assert_int_equal(r->core.lead.repair[M1].evidence, PROOF);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_condition_of_the_proof),
        cmocka_unit_test(test_nothing_is_done_before_it_is_saved),
        cmocka_unit_test(test_what_waits_for_a_human),
        cmocka_unit_test(test_what_cannot_be_undone_is_made_anew),
        cmocka_unit_test(test_what_is_not_proven_is_made_anew),
        cmocka_unit_test(test_orders_that_are_refused),
        cmocka_unit_test(test_evidence_is_of_one_tail),
        cmocka_unit_test(test_what_was_saved_is_taken_back),
        cmocka_unit_test(test_what_was_written_since_voids_all),
        cmocka_unit_test(test_another_leader_saves_again),
        cmocka_unit_test(test_dead_one_is_started_to_be_saved),
        cmocka_unit_test(test_nothing_seen_is_no_proof_after_a_cut),
        cmocka_unit_test(test_end_of_maintenance_proves_nothing),
        cmocka_unit_test(test_data_replaced_by_hand_is_judged_anew),
        cmocka_unit_test(test_without_clone_nothing_is_ordered),
        cmocka_unit_test(test_binlogs_that_were_not_read_in_time_are_read_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
