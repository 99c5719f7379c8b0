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

#include "core/rejoin.h"
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

/* ---- the order ---- */

static void order(uint32_t flags, bool discard, const char *expect)
{
    struct rig *r = rig_new(1);
    struct command m = {.kind = COMMAND_REJOIN, .node = M1, .flag = discard};
    char text[DETAIL_TEXT_MAX];
    bool ok;
    r->core.record.flags[M1] = flags;
    rig_open_effects(r);
    ok = rejoin_order(&r->core, &m, text, sizeof text);
    assert_int_equal(ok, expect == NULL);
    if (expect != NULL && strstr(text, expect) == NULL)
        fail_msg("'%s' does not say '%s'", text, expect);
    rig_free(r);
}

static void test_orders_that_are_refused(void **state)
{
    (void)state;
    order(0, false, "nothing to decide");
    order(NODE_FORMER, false, NULL);
    order(NODE_QUARANTINED, true, "not saved yet");
    order(NODE_QUARANTINED, false, NULL);
    order(NODE_QUARANTINED | NODE_SALVAGED, false, "--discard");
    order(NODE_QUARANTINED | NODE_SALVAGED | NODE_TAIL_POSSIBLE, false, "possibly acknowledged");
    order(NODE_QUARANTINED | NODE_SALVAGED | NODE_TAIL_POSSIBLE, true, NULL);
    order(NODE_QUARANTINED | NODE_SALVAGED | NODE_TAIL_NEVER, false, NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_condition_of_the_proof),
        cmocka_unit_test(test_nothing_is_done_before_it_is_saved),
        cmocka_unit_test(test_what_waits_for_a_human),
        cmocka_unit_test(test_what_cannot_be_undone_is_made_anew),
        cmocka_unit_test(test_orders_that_are_refused),
        cmocka_unit_test(test_evidence_is_of_one_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
