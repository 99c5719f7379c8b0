/* SPDX-License-Identifier: Apache-2.0 */
#include "core/writer.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/eligible.h"
#include "core/procs.h"
#include "core/sets.h"

#define WRITER_SWITCH_RETRY_US 10000000
#define WRITER_COUNT_RETRY_US 1000000
#define WRITER_ASIDE_T 10        /* so long it does not ask for its role back */
#define WRITER_ASIDE_AGAIN_T 40  /* doubled each time, for it may be that nobody can take over */
#define WRITER_ASIDE_DOUBLINGS 6 /* with T = 1 s 40 minutes */

enum writer_fact {
    F_PAUSED = 1u << 0,
    F_DEAD = 1u << 1,        /* mysqld is gone */
    F_CLEANLY = 1u << 2,     /* it was shut down: it may have acknowledged what nobody else has */
    F_HUNG = 1u << 3,        /* it does not answer, or its disk is full */
    F_TARGET = 1u << 4,      /* a healthy member can take over */
    F_RESTARTED = 1u << 5,   /* the server is not the one that was opened, or is closed */
    F_DRIFT = 1u << 6,       /* its semi-sync settings are not those of the record */
    F_MEMBER_LOST = 1u << 7, /* a member of the in-sync set must leave it */
    F_MAY_SHRINK = 1u << 8,  /* it may: durability = available, another member stays, or it could
                                not come back otherwise */
    F_ORDERED =
        1u << 9, /* an operator asked for a switchover; maintenance of this node; the agent stops */
    F_PREEMPT = 1u << 10, /* a member of higher priority has been in sync long enough */
    F_GROW = 1u << 11,    /* a standby is caught up and not in the set */
    F_WAITING = 1u << 12, /* the failed server may not be started again yet, or the agent stops */
    F_LEASE = 1u << 13,
    F_COUNT_HIGH = 1u << 14, /* commits wait for more acknowledgements than there are members */
    F_STRANDED = 1u << 15, /* strict: commits wait for members that are cut off from this node, and
                              somebody who reaches one of them can lead */
    F_MEMBER_SLOW = 1u << 16, /* commits have waited too long for a member, for too long a time */
    F_MAY_SPARE = 1u << 17,   /* it may leave: durability = available, or another member stays */
    F_BETTER = 1u << 18,      /* MariaDB: another standby should be the only member */
};

static const char *const writer_facts[] = {
    "paused",      "dead",       "cleanly",     "hung",      "target", "restarted", "drift",
    "member-lost", "may-shrink", "ordered",     "preempt",   "grow",   "waiting",   "lease",
    "count-high",  "stranded",   "member-slow", "may-spare", "better",
};

static const char *const writer_verdicts[] = {"stay", "resign",     "restart", "reopen", "shrink",
                                              "grow", "switchover", "aside",   "move"};

static const struct rule writer_rules[] = {
    {10, F_PAUSED, 0, WRITER_STAY, "the cluster is paused"},
    {20, F_DEAD | F_CLEANLY, F_WAITING, WRITER_RESTART,
     "mysqld was shut down: it may hold commits that nobody else has, so it is started again here"},
    {30, F_DEAD | F_TARGET, F_CLEANLY, WRITER_RESIGN, "mysqld died and a member can take over"},
    {40, F_DEAD, F_WAITING, WRITER_RESTART, "mysqld died and no member can take over"},
    {50, F_DEAD, 0, WRITER_STAY, "mysqld died; waiting before it is started again"},
    {60, F_HUNG | F_TARGET, F_CLEANLY, WRITER_RESIGN,
     "mysqld does not serve and a member can take over"},
    {70, F_HUNG, 0, WRITER_STAY, "mysqld does not serve and nobody can take over"},
    {80, 0, F_LEASE, WRITER_STAY, "no lease: nothing is changed until it is back"},
    {90, F_RESTARTED, 0, WRITER_REOPEN,
     "the server is closed or was restarted behind the agent's back"},
    {100, F_MEMBER_LOST | F_MAY_SHRINK, 0, WRITER_SHRINK, "a member of the in-sync set is lost"},
    {105, F_STRANDED, 0, WRITER_ASIDE,
     "commits wait for a member that is cut off from here: who reaches it decides"},
    {110, F_COUNT_HIGH, 0, WRITER_SHRINK, "commits wait for more replicas than there are members"},
    {115, F_MEMBER_SLOW | F_MAY_SPARE, 0, WRITER_SHRINK,
     "commits wait too long for a member of the in-sync set"},
    {120, F_DRIFT, 0, WRITER_REOPEN, "the semi-sync settings differ from the record"},
    {130, F_ORDERED | F_TARGET, 0, WRITER_SWITCHOVER, "a planned handover was ordered"},
    {140, F_PREEMPT, 0, WRITER_SWITCHOVER, "a member of higher priority is in sync again"},
    {145, F_BETTER, 0, WRITER_MOVE, "a better standby takes the place of the only member"},
    {150, F_GROW, 0, WRITER_GROW, "a standby has caught up"},
    {160, 0, 0, WRITER_STAY, "nothing to do"},
};

const struct rule_table writer_table =
    RULE_TABLE("writer", writer_rules, writer_facts, writer_verdicts);

static unsigned writer_preempt_target(const struct core *core)
{
    const struct config_policy *policy = &core->cfg->policy;
    unsigned best = eligible_target(core, ELIGIBLE_MEMBER);
    if (!policy->preempt || best == NODE_NONE || core->now_us < core->lead.switch_not_before_us)
        return NODE_NONE;
    /* Somebody else is ordered, and may be about to get the only place of the set. */
    if (core->record.handover != NODE_NONE && core->record.handover != best)
        return NODE_NONE;
    if (core->cfg->nodes[best].priority <= core->cfg->nodes[core->self].priority ||
        !core_is_member(core, best))
        return NODE_NONE;
    /* The writes would stop until it has applied all: a planned change waits until that is short.
     */
    if (sets_distance(&core->facts, &core_report(core, best)->facts) >
        core->cfg->policy.grow_lag_trx_max)
        return NODE_NONE;
    if (core->now_us - core->lead.member_since_us[best] < (int64_t)policy->preempt_delay_ms * 1000)
        return NODE_NONE;
    return best;
}

static unsigned writer_ordered_target(const struct core *core)
{
    unsigned named = core->record.handover;
    bool leave = core->quitting || (core->record.flags[core->self] & NODE_MAINTENANCE) != 0;
    if (core->now_us < core->lead.switch_not_before_us && !core->quitting)
        return NODE_NONE;
    if (named != NODE_NONE && named != core->self)
        return core_is_member(core, named) ? named : NODE_NONE;
    return leave ? eligible_target(core, ELIGIBLE_MEMBER) : NODE_NONE;
}

static bool writer_drifts(const struct core *core)
{
    const struct server_facts *f = &core->facts;
    unsigned count = lead_member_count(core);
    bool strict = core->cfg->policy.durability == CONFIG_DURABILITY_STRICT;
    if (count == 0 && !strict)
        return f->source_side;
    return !f->source_side || !f->after_sync || !f->timeout_infinite || !f->wait_no_replica ||
           (f->flavour == SERVER_MYSQL && f->wait_count < (count > 0 ? count : 1));
}

static uint32_t writer_gather_server(const struct core *core)
{
    int h = core->health.state;
    uint32_t facts = 0;
    bool hung = h == HEALTH_HUNG || h == HEALTH_DISK || h == HEALTH_REFUSED;
    /* What an agent starts that can hand over to nobody, it would only close again. */
    bool ends = core->quitting && eligible_target(core, ELIGIBLE_MEMBER) == NODE_NONE;
    facts |= h == HEALTH_DEAD ? F_DEAD : 0;
    facts |= core->ended_cleanly ? F_CLEANLY : 0;
    /* A server that refuses is on its way down: only its end tells whether it was shut down. */
    facts |= hung && h != HEALTH_REFUSED ? F_HUNG : 0;
    facts |= core->now_us < core->lead.restart_not_before_us || ends ? F_WAITING : 0;
    /* Facts of before the opening say nothing about it. A closed server takes no heartbeat row, so
     * it counts as stalled when it was closed during a pause. */
    if ((health_is_good(h) || h == HEALTH_STALLED) && core->facts_us > core->lead.proc.step_us)
        facts |= core->facts.read_only && !core->quitting ? F_RESTARTED : 0;
    if (health_is_good(h) && core->facts_us > core->lead.proc.step_us) {
        facts |= writer_drifts(core) ? F_DRIFT : 0;
        facts |= core->now_us >= core->lead.count_not_before_us && sync_counts_too_many(core) &&
                         !proc_is_running(&core->lead.proc)
                     ? F_COUNT_HIGH
                     : 0;
    }
    return facts;
}

/* The member itself, where only the servers are cut from each other. */
static unsigned writer_aside_target(const struct core *core)
{
    unsigned member = eligible_target(core, ELIGIBLE_MEMBER);
    return member != NODE_NONE ? member : lead_go_between(core);
}

static bool writer_is_stranded(const struct core *core)
{
    return core->now_us >= core->aside_again_us && sync_is_stranded(core) &&
           writer_aside_target(core) != NODE_NONE;
}

/* Each time costs the readers their writer for as long, and helps nobody if the member is dead. */
static void writer_step_aside(struct core *core)
{
    int64_t t_us = (int64_t)core->cfg->arbiter.election_timeout_ms * 1000;
    core->aside_until_us = core->now_us + t_us * WRITER_ASIDE_T;
    core->aside_again_us = core->now_us + (t_us * WRITER_ASIDE_AGAIN_T << core->asides);
    if (core->asides < WRITER_ASIDE_DOUBLINGS)
        core->asides++;
}

/* The bit of the member that may leave for being slow. */
static uint32_t writer_gather_slow(struct core *core, uint32_t *facts)
{
    bool may_leave;
    unsigned slow = sync_slow_member(core, &may_leave);
    *facts |= slow != NODE_NONE ? F_MEMBER_SLOW : 0;
    *facts |= may_leave ? F_MAY_SPARE : 0;
    return may_leave ? 1u << slow : 0;
}

static uint32_t writer_gather(struct core *core)
{
    uint32_t facts = writer_gather_server(core);
    uint32_t may_leave;
    uint32_t lost = sync_lost_members(core, &may_leave);
    uint32_t slow = 0;
    /* A server that is on its way down loses its members by itself; without the last one nobody
     * could take over from it. It takes no commits that would wait for them. */
    if (core->health.state == HEALTH_REFUSED)
        lost = may_leave = 0;
    else
        slow = writer_gather_slow(core, &facts);
    facts |= core->record.paused ? F_PAUSED : 0;
    facts |= eligible_target(core, ELIGIBLE_MEMBER) != NODE_NONE ? F_TARGET : 0;
    facts |= lost != 0 ? F_MEMBER_LOST : 0;
    facts |= may_leave != 0 ? F_MAY_SHRINK : 0;
    facts |= writer_ordered_target(core) != NODE_NONE ? F_ORDERED : 0;
    facts |= writer_preempt_target(core) != NODE_NONE ? F_PREEMPT : 0;
    facts |= sync_grow_candidate(core) != NODE_NONE ? F_GROW : 0;
    facts |= sync_move_candidate(core) != NODE_NONE ? F_BETTER : 0;
    facts |= core->lease_until_us > core->now_us ? F_LEASE : 0;
    facts |= writer_is_stranded(core) ? F_STRANDED : 0;
    /* Where the count alone is too high nobody leaves: the slow one's turn is the next. */
    if (!proc_is_running(&core->lead.proc) || core->lead.proc_verdict != WRITER_SHRINK)
        core->lead.shrink_mask = may_leave != 0                ? may_leave
                                 : (facts & F_COUNT_HIGH) != 0 ? 0
                                                               : slow;
    return facts;
}

static const struct proc_kind *writer_proc(int verdict)
{
    switch (verdict) {
    case WRITER_RESIGN:
        return &resign_proc;
    case WRITER_ASIDE:
        return &aside_proc;
    case WRITER_SHRINK:
        return &shrink_proc;
    case WRITER_GROW:
        return &grow_proc;
    case WRITER_MOVE:
        return &move_proc;
    case WRITER_SWITCHOVER:
        return &switchover_proc;
    default:
        return &reopen_proc;
    }
}

static unsigned writer_pick_target(const struct core *core, int verdict)
{
    unsigned named = writer_ordered_target(core);
    switch (verdict) {
    case WRITER_RESIGN:
        return eligible_target(core, ELIGIBLE_MEMBER);
    case WRITER_ASIDE:
        return writer_aside_target(core);
    case WRITER_SWITCHOVER:
        return named != NODE_NONE ? named : writer_preempt_target(core);
    case WRITER_GROW:
        return sync_grow_candidate(core);
    case WRITER_MOVE:
        return sync_move_candidate(core);
    default:
        return core->self;
    }
}

static bool writer_leaves(int verdict)
{
    return verdict == WRITER_RESIGN || verdict == WRITER_ASIDE;
}

static void writer_start(struct core *core, const struct rule *rule, uint32_t facts)
{
    struct lead *l = &core->lead;
    char why[DETAIL_TEXT_MAX];
    core_log(core, LOG_LEVEL_INFO, "decision", "writer decides %s rule=writer/%u why='%s'",
             writer_verdicts[rule->verdict], rule->id, rule->text);
    lead_drop_slots(core);
    l->target = writer_pick_target(core, rule->verdict);
    l->proc_verdict = (enum writer_verdict)rule->verdict;
    l->forced = l->first = false;
    if (rule->verdict == WRITER_RESTART || writer_leaves(rule->verdict))
        core_close(core, rule->text);
    if (rule->verdict == WRITER_ASIDE)
        writer_step_aside(core);
    if (rule->verdict == WRITER_SHRINK || rule->verdict == WRITER_MOVE)
        slow_on_shrink(core, (rule->need & F_MEMBER_SLOW) != 0 ? l->shrink_mask : 0);
    /* After a move that failed it acknowledges until the next grow: strict has nobody else. */
    if (rule->verdict != WRITER_GROW)
        l->leaving = rule->verdict == WRITER_MOVE ? core->record.in_sync : 0;
    proc_start(core, &l->proc, writer_proc(rule->verdict), core->self, l->target);
    proc_because(&l->proc, writer_table.name, rule->id,
                 rules_facts_text(&writer_table, facts, why, sizeof why));
    if (rule->verdict == WRITER_RESTART || rule->verdict == WRITER_REOPEN)
        lead_enter(core, LEAD_PROCEDURE);
}

/* What is running gives way to something more urgent: everything above it in the table. */
static bool writer_gives_way(const struct lead *l, int verdict)
{
    if (verdict == WRITER_STAY || verdict == (int)l->proc_verdict)
        return false;
    switch (l->proc_verdict) {
    case WRITER_RESIGN:
    case WRITER_ASIDE:
        return false;
    case WRITER_SWITCHOVER:
    case WRITER_SHRINK:
        return verdict == WRITER_RESIGN || verdict == WRITER_RESTART;
    case WRITER_GROW:
    case WRITER_MOVE:
        return verdict == WRITER_RESIGN || verdict == WRITER_RESTART || verdict == WRITER_SHRINK;
    default:
        return true;
    }
}

static void writer_ended(struct core *core, enum proc_state s)
{
    struct lead *l = &core->lead;
    enum writer_verdict v = l->proc_verdict;
    lead_drop_slots(core);
    if (v == WRITER_GROW || v == WRITER_MOVE)
        sync_grow_ended(core, s == PROC_DONE);
    if (lead_members(core) != 0)
        l->leaving = 0;
    if (v == WRITER_SHRINK)
        l->count_not_before_us = core->now_us + WRITER_COUNT_RETRY_US;
    if (v == WRITER_SWITCHOVER && s == PROC_FAILED)
        l->switch_not_before_us = core->now_us + WRITER_SWITCH_RETRY_US;
    if ((v == WRITER_SWITCHOVER || writer_leaves(v)) && s == PROC_FAILED && l->phase == LEAD_STEADY)
        lead_enter(core, LEAD_DECIDE);
    l->proc_verdict = WRITER_STAY;
}

/* An order that nobody can take is forgotten: it must not come true hours later. A forced one
 * stands until a writer is open: then nobody needs data to be lost. */
static void writer_drop_order(struct core *core)
{
    struct lead *l = &core->lead;
    int64_t limit_us = (int64_t)core->cfg->policy.switchover_timeout_ms * 2000;
    bool serves = core_may_write(core) && health_is_alive(core->health.state);
    if (core->record.handover == NODE_NONE || (core->record.handover_forced && !serves) ||
        proc_is_running(&l->proc) || core->record.paused) {
        l->order_since_us = 0;
        return;
    }
    if (l->order_since_us == 0)
        l->order_since_us = core->now_us;
    if (core->now_us - l->order_since_us > limit_us)
        lead_clear_handover(core);
}

void writer_run(struct core *core)
{
    struct lead *l = &core->lead;
    uint32_t facts;
    const struct rule *rule;
    sync_watch(core);
    sync_watch_fit(core);
    writer_drop_order(core);
    facts = writer_gather(core);
    rule = rules_decide(&writer_table, facts);
    core->verdict[VERDICT_WRITER] = (struct verdict){rule->id, facts};
    if (proc_is_running(&l->proc) && writer_gives_way(l, rule->verdict)) {
        proc_abort(core, &l->proc, rule->text);
        writer_ended(core, PROC_FAILED);
        if (l->phase != LEAD_STEADY)
            return;
    }
    if (!proc_is_running(&l->proc) && rule->verdict != WRITER_STAY)
        writer_start(core, rule, facts);
    if (proc_is_running(&l->proc) && l->phase == LEAD_STEADY) {
        enum proc_state s = proc_run(core, &l->proc);
        if (s != PROC_RUNNING)
            writer_ended(core, s);
    }
}
