/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule tables over every set of facts. The safety statements are written from the design, by
 * the names of the facts, and know nothing of the rows: a row that is moved, dropped or loosened
 * must break one of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"
#include "core/cure.h"

#define FACTS_MAX 25 /* 2^25 sets are looked at in about two seconds */
#define RULES_MAX 64

/* Bit of a fact by its name: the enumerators are private to the tables. */
static uint32_t bit(enum verdict_table table, const char *name)
{
    const struct rule_table *t = core_table(table);
    for (unsigned i = 0; i < t->n_facts; i++) {
        if (strcmp(t->fact_names[i], name) == 0)
            return 1u << i;
    }
    fail_msg("table %s has no fact '%s'", t->name, name);
    return 0;
}

static int verdict(enum verdict_table table, const char *name)
{
    const struct rule_table *t = core_table(table);
    for (unsigned i = 0; i < t->n_verdicts; i++) {
        if (strcmp(t->verdict_names[i], name) == 0)
            return (int)i;
    }
    fail_msg("table %s has no verdict '%s'", t->name, name);
    return -1;
}

/* ---- form ---- */

static void check_ids(const struct rule_table *t)
{
    assert_true(t->n_rules > 0 && t->n_rules <= RULES_MAX);
    for (unsigned i = 0; i < t->n_rules; i++) {
        const struct rule *r = &t->rules[i];
        /* By tens; one that came between two later has the five. */
        if (r->id == 0 || r->id % 5 != 0 || (i > 0 && r->id <= t->rules[i - 1].id))
            fail_msg("%s/%u: ids ascend by tens", t->name, r->id);
        assert_ptr_equal(rules_find(t, r->id), r);
        assert_non_null(r->text);
        assert_true(strlen(r->text) > 0 && strlen(r->text) < HISTORY_NOTE_MAX);
    }
    assert_null(rules_find(t, 0));
    assert_null(rules_find(t, 5));
}

static void check_names(const char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_non_null(names[i]);
        assert_true(names[i][0] != '\0');
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
}

static void check_conditions(const struct rule_table *t)
{
    uint32_t all = (1u << t->n_facts) - 1;
    for (unsigned i = 0; i < t->n_rules; i++) {
        const struct rule *r = &t->rules[i];
        if (((r->need | r->forbid) & ~all) != 0)
            fail_msg("%s/%u looks at a fact without a name", t->name, r->id);
        if ((r->need & r->forbid) != 0)
            fail_msg("%s/%u can never be true", t->name, r->id);
        if (r->verdict < 0 || r->verdict >= (int)t->n_verdicts)
            fail_msg("%s/%u has no verdict", t->name, r->id);
    }
    assert_int_equal(t->rules[t->n_rules - 1].need, 0);
    assert_int_equal(t->rules[t->n_rules - 1].forbid, 0);
}

/* Every rule decides at least one set of facts, every verdict is given by at least one rule. */
static void check_no_shadow(const struct rule_table *t)
{
    bool used[RULES_MAX] = {false};
    bool given[RULES_MAX] = {false};
    for (uint32_t facts = 0; facts < 1u << t->n_facts; facts++)
        used[rules_decide(t, facts) - t->rules] = true;
    for (unsigned i = 0; i < t->n_rules; i++) {
        if (!used[i])
            fail_msg("%s/%u is shadowed by the rows above it", t->name, t->rules[i].id);
        given[t->rules[i].verdict] = true;
    }
    for (unsigned i = 0; i < t->n_verdicts; i++) {
        if (!given[i])
            fail_msg("%s: no rule ever says '%s'", t->name, t->verdict_names[i]);
    }
}

static void test_form(void **state)
{
    (void)state;
    for (unsigned i = 0; core_table_any(i) != NULL; i++) {
        const struct rule_table *t = core_table_any(i);
        assert_true(t->n_facts > 0 && t->n_facts <= FACTS_MAX);
        check_ids(t);
        check_names(t->fact_names, t->n_facts);
        check_names(t->verdict_names, t->n_verdicts);
        check_conditions(t);
        check_no_shadow(t);
    }
    assert_string_equal(core_table(VERDICT_LEAD)->name, "lead");
    assert_string_equal(core_table(VERDICT_WRITER)->name, "writer");
    assert_string_equal(core_table(VERDICT_FENCE)->name, "fence");
}

/* ---- safety ---- */

struct view {
    enum verdict_table table;
    uint32_t facts;
    const struct rule *rule;
};

static void broken(const struct view *v, const char *what)
{
    const struct rule_table *t = core_table(v->table);
    char text[512];
    fail_msg("%s\n  %s/%u says %s over: %s", what, t->name, v->rule->id,
             t->verdict_names[v->rule->verdict], rules_facts_text(t, v->facts, text, sizeof text));
}

#define never(v, cond)                  \
    do {                                \
        if (cond)                       \
            broken(v, "never: " #cond); \
    } while (0)

/* `a` implies `b`. */
#define must(v, a, b)                       \
    do {                                    \
        if ((a) && !(b))                    \
            broken(v, #a " must mean " #b); \
    } while (0)

/* The facts of one set, by name; read once per table, since there are millions of sets. */
#define HAS(f) ((v->facts & b->f) != 0)

struct lead_bits {
    uint32_t paused, no_writer, self_writer, alive, member, first, forced, planned, other_named,
        named_ready, asked, healthy, ready, backs, target, startable, restart_target, go_between,
        stale, barred, asking, ending, soon, resting, doubt;
};

static struct lead_bits lead_bits(void)
{
    enum verdict_table t = VERDICT_LEAD;
    return (struct lead_bits){
        .paused = bit(t, "paused"),
        .no_writer = bit(t, "no-writer"),
        .self_writer = bit(t, "self-writer"),
        .alive = bit(t, "self-alive"),
        .member = bit(t, "self-member"),
        .first = bit(t, "self-first"),
        .forced = bit(t, "self-forced"),
        .planned = bit(t, "self-planned"),
        .other_named = bit(t, "other-named"),
        .named_ready = bit(t, "named-ready"),
        .asked = bit(t, "writer-asked"),
        .healthy = bit(t, "writer-healthy"),
        .ready = bit(t, "writer-ready"),
        .backs = bit(t, "backs-left"),
        .target = bit(t, "target"),
        .startable = bit(t, "self-startable"),
        .restart_target = bit(t, "restart-target"),
        .go_between = bit(t, "go-between"),
        .stale = bit(t, "handover-stale"),
        .barred = bit(t, "self-barred"),
        .asking = bit(t, "asking"),
        .ending = bit(t, "self-ending"),
        .soon = bit(t, "writer-soon"),
        .resting = bit(t, "self-resting"),
        .doubt = bit(t, "doubt"),
    };
}

/* S2, S4: who may be promoted, and who may open. */
static void check_lead_promotes(const struct view *v, const struct lead_bits *b)
{
    int d = v->rule->verdict;
    bool named = HAS(other_named) && HAS(named_ready);
    bool ordered = HAS(forced) || (HAS(planned) && HAS(member));
    must(v, HAS(paused), d == LEAD_STAY);
    must(v, d == LEAD_TAKEOVER, HAS(member) || HAS(forced) || (HAS(first) && HAS(no_writer)));
    must(v, d == LEAD_REOPEN, HAS(self_writer) && !HAS(barred));
    must(v, d == LEAD_REOPEN, HAS(alive) || HAS(startable));
    /* What its record says of a last writer may be out of date: it is started, not opened. */
    never(v, d == LEAD_REOPEN && HAS(doubt));
    must(v, d == LEAD_START, HAS(self_writer) && HAS(doubt) && HAS(startable) && !HAS(barred));
    /* A healthy last writer keeps its role: it is asked, and if it is healthy it gets it back. */
    never(v, d == LEAD_TAKEOVER && !ordered && !HAS(no_writer) && !HAS(self_writer) && !HAS(asked));
    never(v, d == LEAD_TRANSFER && !named && !HAS(no_writer) && !HAS(self_writer) && !HAS(asked));
    never(v, d == LEAD_TAKEOVER && !ordered && HAS(healthy) && HAS(ready) && HAS(backs));
    must(v, d == LEAD_BACK, HAS(healthy) && HAS(ready) && HAS(backs));
    must(v, d == LEAD_ASK, !HAS(asked) && !HAS(no_writer) && !HAS(self_writer));
}

static void check_lead_hands_on(const struct view *v, const struct lead_bits *b)
{
    int d = v->rule->verdict;
    bool named = HAS(other_named) && HAS(named_ready);
    bool ordered = HAS(forced) || (HAS(planned) && HAS(member));
    must(v, d == LEAD_TRANSFER, named || HAS(target) || HAS(restart_target) || HAS(go_between));
    must(v, d == LEAD_CLEAR_HANDOVER, HAS(stale));
    /* Notes T6: a mysqld that was shut down may have acknowledged what nobody else has. */
    never(v, HAS(self_writer) && HAS(ending) && !HAS(barred) && !ordered && !named &&
                 (d == LEAD_TAKEOVER || d == LEAD_TRANSFER));
    /* A healthy writer does not give its role away by itself. */
    never(v, HAS(self_writer) && HAS(alive) && !HAS(barred) && !ordered && !named && !HAS(stale) &&
                 !HAS(doubt) && d != LEAD_REOPEN && !HAS(paused));
    never(v, HAS(self_writer) && d == LEAD_TRANSFER && !HAS(target) && !named && !HAS(go_between));
}

/* S8: what can be done is done. */
static void check_lead_goes_on(const struct view *v, const struct lead_bits *b)
{
    int d = v->rule->verdict;
    bool named = HAS(other_named) && HAS(named_ready);
    bool ordered = HAS(forced) || named || HAS(planned) || HAS(stale);
    bool other_writer = !HAS(no_writer) && !HAS(self_writer);
    bool dead_writer = HAS(self_writer) && !HAS(alive) && !HAS(barred);
    if (HAS(paused))
        return;
    /* Between two tries the forced node rests; nothing else is decided for good meanwhile. */
    must(v, HAS(forced) && !HAS(resting), d == LEAD_TAKEOVER);
    must(v, named && !HAS(forced), d == LEAD_TRANSFER);
    must(v, HAS(planned) && HAS(member) && !named && !HAS(forced), d == LEAD_TAKEOVER);
    if (ordered)
        return;
    must(v, other_writer && HAS(asking) && !HAS(asked), d == LEAD_WAIT);
    must(v, dead_writer && !HAS(asking) && HAS(ending) && HAS(startable) && !HAS(healthy),
         d == (HAS(doubt) ? LEAD_START : LEAD_REOPEN));
    never(v, d == LEAD_STAY && (HAS(member) || HAS(target)));
    never(v, d == LEAD_STAY && HAS(no_writer) && HAS(first));
    never(v, d == LEAD_STAY && HAS(self_writer) && HAS(startable) && !HAS(barred));
    never(v, d == LEAD_STAY && HAS(restart_target) && !HAS(self_writer));
    never(v, d == LEAD_STAY && HAS(go_between) && !HAS(paused));
    /* Nobody waits for the end of a server that may not be started here. */
    never(v, d == LEAD_WAIT && !HAS(asking) && (HAS(barred) || !HAS(self_writer)) &&
                 !(HAS(healthy) && HAS(soon) && HAS(backs)));
}

static void test_lead_safety(void **state)
{
    const struct lead_bits bits = lead_bits();
    const struct rule_table *t = core_table(VERDICT_LEAD);
    (void)state;
    for (uint32_t facts = 0; facts < 1u << t->n_facts; facts++) {
        const struct view v = {VERDICT_LEAD, facts, rules_decide(t, facts)};
        check_lead_promotes(&v, &bits);
        check_lead_hands_on(&v, &bits);
        check_lead_goes_on(&v, &bits);
    }
}

struct writer_bits {
    uint32_t paused, dead, cleanly, hung, target, restarted, drift, lost, may_shrink, ordered,
        preempt, grow, waiting, lease, count_high, slow, may_spare, better;
};

static struct writer_bits writer_bits(void)
{
    enum verdict_table t = VERDICT_WRITER;
    return (struct writer_bits){
        .paused = bit(t, "paused"),
        .dead = bit(t, "dead"),
        .cleanly = bit(t, "cleanly"),
        .hung = bit(t, "hung"),
        .target = bit(t, "target"),
        .restarted = bit(t, "restarted"),
        .drift = bit(t, "drift"),
        .lost = bit(t, "member-lost"),
        .may_shrink = bit(t, "may-shrink"),
        .ordered = bit(t, "ordered"),
        .preempt = bit(t, "preempt"),
        .grow = bit(t, "grow"),
        .waiting = bit(t, "waiting"),
        .lease = bit(t, "lease"),
        .count_high = bit(t, "count-high"),
        .slow = bit(t, "member-slow"),
        .may_spare = bit(t, "may-spare"),
        .better = bit(t, "better"),
    };
}

/* 5.1: the in-sync set is changed by a leader with a lease, with a server that serves, and a lost
 * member goes before anything else is done with the set. */
static void check_writer_sets(const struct view *v, const struct writer_bits *b)
{
    int d = v->rule->verdict;
    bool changes = d == WRITER_GROW || d == WRITER_MOVE;
    bool sick = HAS(dead) || HAS(hung);
    must(v, HAS(paused), d == WRITER_STAY);
    must(v, !HAS(lease), d == WRITER_STAY || d == WRITER_RESIGN || d == WRITER_RESTART);
    must(v, d == WRITER_SHRINK,
         (HAS(lost) && HAS(may_shrink)) || HAS(count_high) || (HAS(slow) && HAS(may_spare)));
    /* One that only is slow leaves before a newcomer, or a handover, waits for it. */
    never(v, (changes || d == WRITER_SWITCHOVER) && HAS(slow) && HAS(may_spare));
    must(v, d == WRITER_GROW, HAS(grow));
    must(v, d == WRITER_MOVE, HAS(better));
    /* A handover needs the member that a move takes out. */
    never(v, d == WRITER_MOVE && ((HAS(ordered) && HAS(target)) || HAS(preempt)));
    must(v, sick, d == WRITER_STAY || d == WRITER_RESIGN || d == WRITER_RESTART);
    never(v, changes && HAS(lost) && HAS(may_shrink));
    never(v, changes && (HAS(restarted) || HAS(drift) || HAS(count_high)));
    never(v, d == WRITER_SWITCHOVER && ((HAS(lost) && HAS(may_shrink)) || HAS(restarted)));
    must(v, d == WRITER_SWITCHOVER, (HAS(ordered) && HAS(target)) || HAS(preempt));
}

static void check_writer_leaves(const struct view *v, const struct writer_bits *b)
{
    int d = v->rule->verdict;
    bool sick = HAS(dead) || HAS(hung);
    must(v, d == WRITER_RESIGN, HAS(target) && (HAS(dead) || HAS(hung)));
    must(v, d == WRITER_RESTART, HAS(dead) && !HAS(waiting));
    /* Notes T6, as in the other table. Not while it may not be started again either, else the wait
     * would hand over what must not be. */
    never(v, d == WRITER_RESIGN && HAS(dead) && HAS(cleanly));
    must(v, HAS(dead) && HAS(cleanly) && !HAS(waiting) && !HAS(paused), d == WRITER_RESTART);
    /* Liveness. */
    never(v, d == WRITER_STAY && HAS(dead) && !HAS(waiting) && !HAS(paused));
    never(v, d == WRITER_STAY && HAS(hung) && HAS(target) && !HAS(dead) && !HAS(cleanly) &&
                 !HAS(paused));
    must(v, HAS(dead) && !HAS(cleanly) && HAS(target) && !HAS(paused), d == WRITER_RESIGN);
    must(v, d == WRITER_REOPEN, HAS(restarted) || HAS(drift));
    never(v, d == WRITER_STAY && !sick && HAS(lease) && !HAS(paused) &&
                 ((HAS(ordered) && HAS(target)) || HAS(preempt) || HAS(grow)));
}

static void test_writer_safety(void **state)
{
    const struct writer_bits bits = writer_bits();
    const struct rule_table *t = core_table(VERDICT_WRITER);
    (void)state;
    for (uint32_t facts = 0; facts < 1u << t->n_facts; facts++) {
        const struct view v = {VERDICT_WRITER, facts, rules_decide(t, facts)};
        check_writer_sets(&v, &bits);
        check_writer_leaves(&v, &bits);
    }
}

struct fence_bits {
    uint32_t paused, process, may_write, writable, other_epoch, alone, close_failed, overdue,
        candidate, busy, opening, unknown, mute, maintenance;
};

static struct fence_bits fence_bits(void)
{
    enum verdict_table t = VERDICT_FENCE;
    return (struct fence_bits){
        .paused = bit(t, "paused"),
        .process = bit(t, "process"),
        .may_write = bit(t, "may-write"),
        .writable = bit(t, "writable"),
        .other_epoch = bit(t, "other-epoch"),
        .alone = bit(t, "alone"),
        .close_failed = bit(t, "close-failed"),
        .overdue = bit(t, "overdue"),
        .candidate = bit(t, "candidate"),
        .busy = bit(t, "busy"),
        .opening = bit(t, "opening"),
        .unknown = bit(t, "unknown"),
        .mute = bit(t, "mute"),
        .maintenance = bit(t, "maintenance"),
    };
}

static void check_fence(const struct view *v, const struct fence_bits *b)
{
    int d = v->rule->verdict;
    bool acts = d == FENCE_CLOSE || d == FENCE_KILL;
    bool keeps = HAS(paused) && !HAS(other_epoch);
    bool loose = HAS(process) && HAS(writable) && !HAS(may_write) && !HAS(opening) && !keeps &&
                 (!HAS(unknown) || HAS(overdue));
    /* It serves nobody, whatever it may: only a server that somebody works at is left alone. */
    bool ended = HAS(process) && HAS(mute) && !HAS(maintenance) && !keeps && !HAS(busy);
    must(v, ended, d == FENCE_KILL);
    if (ended)
        return;
    /* What may be open is left alone. */
    never(v, acts && (HAS(may_write) || HAS(opening) || keeps));
    never(v, acts && (!HAS(process) || !HAS(writable)));
    /* A record of the past fences nobody. */
    never(v, acts && HAS(unknown) && !HAS(overdue));
    /* One close or kill at a time. */
    never(v, acts && HAS(busy));
    /* What may not be open is not overlooked (S1, S5). */
    never(v, loose && d == FENCE_LEAVE);
    must(v, loose && HAS(other_epoch) && HAS(candidate) && !HAS(busy), d == FENCE_KILL);
    never(v, loose && HAS(alone) && !HAS(busy) && d == FENCE_HOLD);
    never(v, loose && HAS(overdue) && !HAS(busy) && d != FENCE_KILL);
    must(v, loose && HAS(alone) && HAS(close_failed) && !HAS(busy), d == FENCE_KILL);
    never(v, loose && HAS(other_epoch) && !HAS(busy) && d == FENCE_HOLD);
    /* 5.2: SIGKILL only for a higher epoch, an empty set, or after fence_kill_after. */
    must(v, d == FENCE_KILL, HAS(other_epoch) || HAS(alone) || HAS(overdue));
    /* Members keep commits from ending: time for the lease to come back. */
    must(v, loose && !HAS(other_epoch) && !HAS(alone) && !HAS(overdue), d == FENCE_HOLD);
}

static void test_fence_safety(void **state)
{
    const struct fence_bits bits = fence_bits();
    const struct rule_table *t = core_table(VERDICT_FENCE);
    (void)state;
    for (uint32_t facts = 0; facts < 1u << t->n_facts; facts++) {
        const struct view v = {VERDICT_FENCE, facts, rules_decide(t, facts)};
        check_fence(&v, &bits);
    }
}

/* The texts are the ones that the enumerators mean, for `explain` and the logs. */
static void test_verdict_names(void **state)
{
    (void)state;
    assert_int_equal(verdict(VERDICT_LEAD, "stay"), LEAD_STAY);
    assert_int_equal(verdict(VERDICT_LEAD, "wait"), LEAD_WAIT);
    assert_int_equal(verdict(VERDICT_LEAD, "ask"), LEAD_ASK);
    assert_int_equal(verdict(VERDICT_LEAD, "back"), LEAD_BACK);
    assert_int_equal(verdict(VERDICT_LEAD, "reopen"), LEAD_REOPEN);
    assert_int_equal(verdict(VERDICT_LEAD, "takeover"), LEAD_TAKEOVER);
    assert_int_equal(verdict(VERDICT_LEAD, "transfer"), LEAD_TRANSFER);
    assert_int_equal(verdict(VERDICT_LEAD, "clear-handover"), LEAD_CLEAR_HANDOVER);
    assert_int_equal(verdict(VERDICT_WRITER, "stay"), WRITER_STAY);
    assert_int_equal(verdict(VERDICT_WRITER, "resign"), WRITER_RESIGN);
    assert_int_equal(verdict(VERDICT_WRITER, "restart"), WRITER_RESTART);
    assert_int_equal(verdict(VERDICT_WRITER, "reopen"), WRITER_REOPEN);
    assert_int_equal(verdict(VERDICT_WRITER, "shrink"), WRITER_SHRINK);
    assert_int_equal(verdict(VERDICT_WRITER, "grow"), WRITER_GROW);
    assert_int_equal(verdict(VERDICT_WRITER, "move"), WRITER_MOVE);
    assert_int_equal(verdict(VERDICT_WRITER, "switchover"), WRITER_SWITCHOVER);
    assert_int_equal(verdict(VERDICT_FENCE, "leave"), FENCE_LEAVE);
    assert_int_equal(verdict(VERDICT_FENCE, "hold"), FENCE_HOLD);
    assert_int_equal(verdict(VERDICT_FENCE, "close"), FENCE_CLOSE);
    assert_int_equal(verdict(VERDICT_FENCE, "kill"), FENCE_KILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),         cmocka_unit_test(test_verdict_names),
        cmocka_unit_test(test_lead_safety),  cmocka_unit_test(test_writer_safety),
        cmocka_unit_test(test_fence_safety),
    };
    return cmocka_run_group_tests_name("core_tables", tests, NULL, NULL);
}
