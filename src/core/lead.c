/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lead.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/eligible.h"
#include "core/procs.h"
#include "core/rejoin.h"
#include "core/writer.h"
#include "util/backoff.h"

#define LEAD_ASK_WRITER_MS 20
#define LEAD_BARRIER_RETRY_US 20000
#define LEAD_PROPOSE_RETRY_US 20000 /* the arbiter refuses at once while it is closed */
#define LEAD_BACKS_MAX 2
#define LEAD_RETRY_MIN_US 200000
#define LEAD_RETRY_MAX_US 30000000

enum lead_fact {
    F_PAUSED = 1u << 0,
    F_NO_WRITER = 1u << 1,
    F_SELF_WRITER = 1u << 2,     /* the record's writer is this node */
    F_SELF_ALIVE = 1u << 3,      /* its server answers */
    F_SELF_MEMBER = 1u << 4,     /* this node may be promoted from the in-sync set */
    F_SELF_FIRST = 1u << 5,      /* this node may be the first writer */
    F_SELF_FORCED = 1u << 6,     /* an operator named this node and accepted loss */
    F_SELF_PLANNED = 1u << 7,    /* a switchover to this node is recorded */
    F_OTHER_NAMED = 1u << 8,     /* a handover to another node is recorded */
    F_NAMED_READY = 1u << 9,     /* ... and that node can take it */
    F_WRITER_ASKED = 1u << 10,   /* the last writer was asked (or cannot be) */
    F_WRITER_HEALTHY = 1u << 11, /* ... and says it is healthy */
    F_WRITER_READY = 1u << 12,   /* ... and declares itself eligible in this term */
    F_BACKS_LEFT = 1u << 13,     /* not transferred back too often */
    F_TARGET = 1u << 14,         /* another node offers itself for the role */
    F_SELF_STARTABLE = 1u << 15, /* this node's server is down and may be started now */
    F_RESTART_TARGET = 1u << 16, /* the last writer, down, can be started on its node */
    F_HANDOVER_STALE = 1u << 17, /* a recorded handover has found nobody for too long */
    F_SELF_BARRED = 1u << 18,    /* maintenance, failed promotion, stopping */
    F_ASKING = 1u << 19,         /* the question to the last writer is under way */
    F_SELF_ENDING = 1u << 20,    /* this node's server was shut down or is on its way down */
    F_SELF_RESTING = 1u << 21,   /* its last promotion or reopening failed just now */
    F_WRITER_SOON = 1u << 22,    /* it is healthy, and the next transfer to it is due soon */
    F_GO_BETWEEN = 1u << 23,     /* a voter reaches a possible writer that this node does not */
    F_DOUBT = 1u << 24,          /* of a pair: another node may have been promoted meanwhile */
};

static const char *const lead_facts[] = {
    "paused",         "no-writer",      "self-writer",    "self-alive",  "self-member",
    "self-first",     "self-forced",    "self-planned",   "other-named", "named-ready",
    "writer-asked",   "writer-healthy", "writer-ready",   "backs-left",  "target",
    "self-startable", "restart-target", "handover-stale", "self-barred", "asking",
    "self-ending",    "self-resting",   "writer-soon",    "go-between",  "doubt",
};

static const char *const lead_verdicts[] = {
    "stay", "wait", "ask", "back", "reopen", "takeover", "transfer", "clear-handover", "start",
};

static const struct rule lead_rules[] = {
    {10, F_PAUSED, 0, LEAD_STAY, "the cluster is paused"},
    {20, F_SELF_FORCED, F_SELF_RESTING, LEAD_TAKEOVER,
     "an operator ordered the promotion of this node and accepted loss"},
    {30, F_OTHER_NAMED | F_NAMED_READY, 0, LEAD_TRANSFER, "a handover to a ready node is recorded"},
    {40, F_SELF_PLANNED | F_SELF_MEMBER, 0, LEAD_TAKEOVER, "a switchover to this node is recorded"},
    {50, F_HANDOVER_STALE, 0, LEAD_CLEAR_HANDOVER, "the recorded handover finds nobody to take it"},
    {55, F_SELF_WRITER | F_DOUBT | F_SELF_STARTABLE, F_SELF_BARRED, LEAD_START,
     "the other node may have been promoted meanwhile: this server is started, not opened"},
    {60, F_SELF_WRITER | F_SELF_ALIVE, F_SELF_BARRED | F_DOUBT, LEAD_REOPEN,
     "this node is the last writer and healthy"},
    {70, F_ASKING, 0, LEAD_WAIT, "waiting for the answer of the last writer"},
    {80, 0, F_NO_WRITER | F_SELF_WRITER | F_WRITER_ASKED, LEAD_ASK,
     "the last writer must be asked first"},
    {90, F_WRITER_HEALTHY | F_WRITER_READY | F_BACKS_LEFT, 0, LEAD_BACK,
     "a healthy last writer keeps its role"},
    {100, F_WRITER_HEALTHY | F_WRITER_SOON | F_BACKS_LEFT, 0, LEAD_WAIT,
     "the healthy last writer could not take the leadership yet; it is tried again"},
    {110, F_SELF_WRITER | F_SELF_ENDING | F_SELF_STARTABLE, F_SELF_BARRED, LEAD_REOPEN,
     "mysqld was shut down: it may hold commits that nobody else has, so it is started again here"},
    {120, F_SELF_WRITER | F_SELF_ENDING, F_SELF_BARRED, LEAD_WAIT,
     "mysqld is on its way down; only its end tells what it was"},
    {130, F_SELF_MEMBER, 0, LEAD_TAKEOVER,
     "the last writer is gone and this node holds every acknowledged commit"},
    {140, F_NO_WRITER | F_SELF_FIRST, 0, LEAD_TAKEOVER,
     "no writer yet; this node holds everything"},
    {150, F_TARGET, 0, LEAD_TRANSFER, "another node may be the writer"},
    {160, F_SELF_WRITER | F_SELF_STARTABLE, F_SELF_BARRED, LEAD_REOPEN,
     "no member can take over: the last writer is started in place"},
    {165, F_SELF_WRITER | F_DOUBT, F_GO_BETWEEN, LEAD_STAY,
     "the other node may have been promoted meanwhile: only accepted loss opens this one"},
    {170, F_RESTART_TARGET, F_SELF_WRITER, LEAD_TRANSFER,
     "nobody else may be promoted: the last writer's node leads its restart"},
    {175, F_GO_BETWEEN, 0, LEAD_TRANSFER,
     "another voter reaches a node that may be the writer, and this one does not"},
    {180, 0, 0, LEAD_STAY, "no node that may be the writer can be reached"},
};

const struct rule_table lead_table = RULE_TABLE("lead", lead_rules, lead_facts, lead_verdicts);

void lead_init(struct core *core)
{
    struct lead *l = &core->lead;
    memset(l, 0, sizeof *l);
    l->phase = LEAD_FOLLOW;
    l->ask_writer = l->slot = l->slot2 = l->beat = l->ending.ask = ASK_NONE;
    l->target = l->transfer_to = l->handed_to = NODE_NONE;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        l->slots[i] = ASK_NONE;
        l->repair[i].ask = ASK_NONE;
        reclone_forget(core, i);
    }
}

void lead_enter(struct core *core, enum lead_phase phase)
{
    core->lead.phase = phase;
    core->report_due = true;
}

void lead_drop_slots(struct core *core)
{
    struct lead *l = &core->lead;
    ask_drop(core, &l->slot);
    ask_drop(core, &l->slot2);
    for (unsigned i = 0; i < NODES_MAX; i++)
        ask_drop(core, &l->slots[i]);
    l->goal[0] = '\0';
    l->goal_set = l->evicted = false;
}

/* Requests of another term are not waited for; what survives a term is only what limits retries. */
static void lead_forget_term(struct core *core)
{
    struct lead *l = &core->lead;
    asks_drop_all(core);
    l->proc_verdict = WRITER_STAY;
    l->ask_writer = l->slot = l->slot2 = l->beat = l->ending.ask = ASK_NONE;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        l->slots[i] = ASK_NONE;
        l->repair[i].ask = ASK_NONE;
        l->repair[i].stage = 0;
        reclone_forget(core, i);
        rejoin_forget(core, i);
        l->repair[i].rewound = l->repair[i].old_error = false;
        l->repair[i].purged = 0;
        l->repair[i].not_before_us = 0;
        l->repair[i].extra_since_us = 0;
        l->bad_since_us[i] = l->idle_since_us[i] = 0;
        l->member_since_us[i] = 0;
        l->fit_since_us[i] = 0;
        l->transfer_not_before_us[i] = 0;
    }
    l->writer_asked = false;
    l->proposal.pending = false;
    l->propose_not_before_us = 0;
    command_refuse_waiting(core);
    l->unresolved = 0;
    l->unproven = false;
    l->told_side = l->leaving = 0;
    l->stall_since_us = l->beat_bad_since_us = l->beat_us = 0;
    slow_forget(&l->slow);
    l->handover_since_us = 0;
    l->transfer_to = NODE_NONE;
}

static void lead_barrier(struct core *core)
{
    core->lead.barrier_retry_us = 0;
    core->lead.barrier_id = ++core->lead.next_proposal_id;
    effects_add(core->fx, EFFECT_BARRIER)->u.id = core->lead.barrier_id;
}

/* failures: this one included */
static int64_t lead_backoff_us(unsigned failures)
{
    return backoff(LEAD_RETRY_MIN_US, LEAD_RETRY_MAX_US, failures > 0 ? failures - 1 : 0);
}

static void lead_transfer_failed(struct core *core, unsigned to)
{
    struct lead *l = &core->lead;
    l->handed_to = NODE_NONE;
    l->transfer_failures[to]++;
    l->transfer_not_before_us[to] = core->now_us + lead_backoff_us(l->transfer_failures[to]);
    core_log(core, LOG_LEVEL_WARNING, "transfer-failed", "transfer came to nothing to=%s",
             core_name(core, to));
}

/* The target asked for votes, which ended this node's term, and did not get them: this node leads
 * again, and nobody was promoted. Without a pause it would hand over to the same one for ever. */
static void lead_came_back(struct core *core)
{
    struct lead *l = &core->lead;
    unsigned to = l->handed_to;
    l->handed_to = NODE_NONE;
    if (to != NODE_NONE && l->handed_epoch == core->record.epoch)
        lead_transfer_failed(core, to);
}

void lead_on_elected(struct core *core, uint64_t term)
{
    struct lead *l = &core->lead;
    core->is_leader = true;
    core->term = term;
    core->open_term = 0;
    proc_abort(core, &l->proc, "a new term was won");
    lead_forget_term(core);
    lead_came_back(core);
    l->elected_us = core->now_us;
    l->barrier_done = false;
    l->told_rule = 0;
    lead_barrier(core);
    lead_enter(core, LEAD_BARRIER);
    core_log(core, LOG_LEVEL_NOTICE, "elected", "this node leads term=%llu",
             (unsigned long long)term);
}

void lead_on_deposed(struct core *core)
{
    if (!core->is_leader)
        return;
    core->is_leader = false;
    core_close(core, "not the leader any more");
    proc_abort(core, &core->lead.proc, "deposed");
    membership_on_deposed(core);
    lead_forget_term(core);
    /* Nobody writes the heartbeat row here any more, so nothing would end the verdict. */
    health_stall(&core->health, /* stalled= */ false, core->now_us);
    lead_enter(core, LEAD_FOLLOW);
    core_log(core, LOG_LEVEL_NOTICE, "deposed", "this node does not lead any more term=%llu",
             (unsigned long long)core->term);
}

bool lead_propose(struct core *core, struct entry *e)
{
    struct proposal *p = &core->lead.proposal;
    struct effect *fx;
    if (!lead_proposal_is_over(core))
        return false;
    e->version = core->record.version;
    p->id = ++core->lead.next_proposal_id;
    p->pending = true;
    p->accepted = false;
    p->err = 0;
    p->entry = *e;
    if (e->kind == ENTRY_GROW)
        core->lead.unresolved |= 1u << e->node;
    fx = effects_add(core->fx, EFFECT_PROPOSE);
    fx->u.proposal.id = p->id;
    fx->u.proposal.entry = *e;
    return true;
}

bool lead_proposal_is_over(const struct core *core)
{
    return !core->lead.proposal.pending && core->now_us >= core->lead.propose_not_before_us;
}

void lead_on_proposal(struct core *core, uint64_t id, int err)
{
    struct lead *l = &core->lead;
    if (id == l->barrier_id && !l->barrier_done) {
        l->barrier_done = err == 0;
        l->barrier_retry_us = err != 0 ? core->now_us + LEAD_BARRIER_RETRY_US : 0;
        return;
    }
    if (id != l->proposal.id || !l->proposal.pending)
        return;
    l->proposal.pending = false;
    l->proposal.err = err;
    if (err != 0)
        l->propose_not_before_us = core->now_us + LEAD_PROPOSE_RETRY_US;
    /* Never proposed, or refused by the compare-and-set: it cannot come true any more. */
    if (l->proposal.entry.kind == ENTRY_GROW &&
        (err == ERR_STATE || (err == 0 && !l->proposal.accepted)))
        l->unresolved &= ~(1u << l->proposal.entry.node);
}

void lead_on_applied(struct core *core, const struct entry *e, int err)
{
    struct lead *l = &core->lead;
    if (err != 0)
        return;
    if (l->proposal.pending && l->proposal.entry.kind == e->kind &&
        l->proposal.entry.version == e->version)
        l->proposal.accepted = true;
    if (e->kind == ENTRY_GROW) {
        l->unresolved &= ~(1u << e->node);
        l->member_since_us[e->node] = core->now_us;
    }
    if (e->kind == ENTRY_SHRINK) {
        l->unresolved &= ~e->mask;
        slow_on_left(core, e->mask);
    }
    core->report_due = true;
}

void lead_on_promoted(struct core *core)
{
    core->lead.backs = 0;
    memset(core->lead.transfer_failures, 0, sizeof core->lead.transfer_failures);
}

struct job lead_job(const struct core *core, int kind)
{
    struct job j;
    memset(&j, 0, sizeof j);
    j.kind = kind;
    j.timeout_ms = core->cfg->policy.action_timeout_ms;
    j.epoch = core->record.epoch;
    return j;
}

uint32_t lead_members(const struct core *core)
{
    return core->record.in_sync | core->lead.unresolved;
}

unsigned lead_member_count(const struct core *core)
{
    return (unsigned)__builtin_popcount(lead_members(core));
}

bool lead_is_opening(const struct core *core)
{
    enum lead_phase phase = core->lead.phase;
    return core->is_leader &&
           (phase == LEAD_BARRIER || phase == LEAD_DECIDE || phase == LEAD_PROCEDURE);
}

/* ---- transfer ---- */

void lead_transfer(struct core *core, unsigned to)
{
    struct lead *l = &core->lead;
    core_close(core, "the leadership is handed on");
    l->transfer_to = l->handed_to = to;
    l->handed_epoch = core->record.epoch;
    l->transfer_us = core->now_us;
    effects_add(core->fx, EFFECT_TRANSFER)->to = to;
    lead_enter(core, LEAD_HANDOVER);
    core_log(core, LOG_LEVEL_NOTICE, "transfer", "leadership is transferred to=%s term=%llu",
             core_name(core, to), (unsigned long long)core->term);
}

/* After the call the node stays closed until a new term is won or the target has provably dropped
 * it; the arbiter says which. A transfer that came to nothing is decided anew from facts. */
void lead_on_transfer(struct core *core, bool ok)
{
    struct lead *l = &core->lead;
    unsigned to = l->transfer_to;
    if (l->phase != LEAD_HANDOVER || to == NODE_NONE)
        return;
    l->transfer_to = NODE_NONE;
    if (ok)
        return;
    lead_transfer_failed(core, to);
    l->writer_asked = false;
    lead_enter(core, LEAD_DECIDE);
}

/* ---- decide ---- */

/* A switchover that failed before the transfer goes back to normal: the same writer is opened
 * again, which clears the handover. */
static bool lead_switch_failed(const struct core *core)
{
    return core->record.writer == core->self && !core->record.handover_forced &&
           core->now_us < core->lead.switch_not_before_us && !core->quitting;
}

/* An operator named another node than the writer; a failover ordered onto the writer itself accepts
 * nothing that a third node would lose. */
static bool lead_loss_is_accepted(const struct core *core)
{
    return core->record.handover_forced && core->record.handover != core->record.writer;
}

/* Nobody may take over from a writer that was shut down, or is on its way down: it may have
 * acknowledged what nobody else has. As its agent reports it. */
static bool lead_writer_is_ending(const struct core *core)
{
    unsigned w = core->record.writer;
    const struct report *r = w == NODE_NONE || w == core->self ? NULL : core_report(core, w);
    if (r == NULL || !core_is_fresh(core, w) || lead_loss_is_accepted(core))
        return false;
    return r->health == HEALTH_REFUSED || (!health_is_alive(r->health) && r->ended_cleanly);
}

/* This node was shut down as the writer and has not proven since that a member has everything: only
 * a switchover that waits for its target may end in a transfer. */
static bool lead_self_is_alone(const struct core *core)
{
    return core->record.writer == core->self && core->ended_cleanly && !lead_loss_is_accepted(core);
}

static bool lead_named_ready(const struct core *core)
{
    unsigned n = core->record.handover;
    const struct report *r = n == NODE_NONE || n == core->self ? NULL : core_report(core, n);
    int least = core->record.handover_forced ? ELIGIBLE_FORCED : ELIGIBLE_MEMBER;
    if (lead_switch_failed(core) || lead_writer_is_ending(core) || lead_self_is_alone(core))
        return false;
    return r != NULL && core_is_fresh(core, n) && r->term == core->term && r->eligible >= least &&
           core->now_us >= core->lead.transfer_not_before_us[n];
}

static bool lead_handover_is_stale(const struct core *core)
{
    int64_t limit_us = (int64_t)core->cfg->arbiter.election_timeout_ms * 2000;
    return core->record.handover != NODE_NONE && !core->record.handover_forced &&
           core->lead.handover_since_us != 0 &&
           core->now_us - core->lead.handover_since_us > limit_us;
}

/* A transfer to it came to nothing; its agent may have just started and refuse votes for a while.
 */
static bool lead_writer_is_soon(const struct core *core)
{
    unsigned w = core->record.writer;
    return w < core->cfg->n_nodes && core->now_us < core->lead.transfer_not_before_us[w];
}

static bool lead_writer_is_ready(const struct core *core)
{
    unsigned w = core->record.writer;
    const struct report *r = w == NODE_NONE || w == core->self ? NULL : core_report(core, w);
    return r != NULL && core_is_fresh(core, w) && r->term == core->term &&
           r->eligible == ELIGIBLE_WRITER && core->now_us >= core->lead.transfer_not_before_us[w] &&
           membership_is_voter(core, w);
}

static bool lead_writer_answered(const struct core *core)
{
    unsigned w = core->record.writer;
    return ask_is_done(core, core->lead.ask_writer) && w != core->self &&
           membership_is_voter(core, w) && core->now_us >= core->lead.transfer_not_before_us[w];
}

static bool lead_self_startable(const struct core *core)
{
    return !core->health.process && core->health.state == HEALTH_DEAD &&
           core->now_us >= core->lead.restart_not_before_us;
}

static unsigned lead_target(const struct core *core)
{
    return lead_writer_is_ending(core) || lead_self_is_alone(core)
               ? NODE_NONE
               : eligible_target(core, ELIGIBLE_FIRST);
}

/* Transfers back are counted within 10 T. */
static bool lead_backs_are_old(const struct core *core)
{
    int64_t window_us = (int64_t)core->cfg->arbiter.election_timeout_ms * 10000;
    return core->now_us - core->lead.back_window_us > window_us;
}

static unsigned lead_restart_target(const struct core *core)
{
    unsigned w = core->record.writer;
    const struct report *r = w == NODE_NONE || w == core->self ? NULL : core_report(core, w);
    bool there = r != NULL && core_is_fresh(core, w) && r->term == core->term &&
                 r->eligible == ELIGIBLE_RESTART;
    return there && core->now_us >= core->lead.transfer_not_before_us[w] ? w : NODE_NONE;
}

/* Who might be the writer, would it be reached. */
static uint32_t lead_wanted(const struct core *core)
{
    const struct record *r = &core->record;
    uint32_t wanted = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        bool named = r->writer == NODE_NONE || r->writer == i || core_is_member(core, i);
        if (core->cfg->nodes[i].role == CONFIG_ROLE_CANDIDATE && named)
            wanted |= 1u << i;
    }
    return wanted;
}

/* A cut between this node and a possible writer does not stop those who see both. Tried after 2 T
 * without a writer, and less and less often, for it may well be that nobody can be promoted. */
unsigned lead_go_between(const struct core *core)
{
    int64_t first_us = (int64_t)core->cfg->arbiter.election_timeout_ms * 2000;
    int64_t max_us = first_us < LEAD_RETRY_MAX_US ? LEAD_RETRY_MAX_US : first_us;
    uint32_t missed = lead_wanted(core) & ~core_reaches(core);
    unsigned best = NODE_NONE;
    int most = 0;
    if (missed == 0 ||
        core->now_us - core->lead.elected_us < backoff(first_us, max_us, core->lead.go_betweens))
        return NODE_NONE;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = i == core->self ? NULL : core_report(core, i);
        int count = r == NULL ? 0 : __builtin_popcount(r->reaches & missed);
        if (!membership_is_voter(core, i) || count <= most || !core_is_fresh(core, i) ||
            r->term != core->term || core->now_us < core->lead.transfer_not_before_us[i])
            continue;
        best = i;
        most = count;
    }
    return best;
}

/* In maintenance it stays the writer as long as nobody can take over. */
static bool lead_self_barred(const struct core *core)
{
    bool leaves = (core->record.flags[core->self] & NODE_MAINTENANCE) != 0 &&
                  (lead_target(core) != NODE_NONE || !health_is_alive(core->health.state));
    return leaves || core->quitting || core->now_us < core->lead.failed_until_us;
}

static uint32_t lead_gather_self(const struct core *core)
{
    char why[REASON_TEXT_MAX];
    const struct record *r = &core->record;
    enum eligibility e = eligible_self(core, why);
    uint32_t facts = 0;
    facts |= r->writer == core->self ? F_SELF_WRITER : 0;
    facts |= health_is_alive(core->health.state) ? F_SELF_ALIVE : 0;
    facts |= e == ELIGIBLE_MEMBER && !lead_writer_is_ending(core) ? F_SELF_MEMBER : 0;
    facts |= e == ELIGIBLE_FIRST ? F_SELF_FIRST : 0;
    facts |= e == ELIGIBLE_FORCED ? F_SELF_FORCED : 0;
    facts |= r->handover == core->self && !r->handover_forced ? F_SELF_PLANNED : 0;
    facts |= lead_self_startable(core) ? F_SELF_STARTABLE : 0;
    facts |= core->health.state == HEALTH_REFUSED ||
                     (!health_is_alive(core->health.state) && core->ended_cleanly)
                 ? F_SELF_ENDING
                 : 0;
    facts |= core->now_us < core->lead.failed_until_us ? F_SELF_RESTING : 0;
    facts |= lead_self_barred(core) ? F_SELF_BARRED : 0;
    return facts;
}

static uint32_t lead_gather(const struct core *core)
{
    const struct lead *l = &core->lead;
    const struct record *r = &core->record;
    uint32_t facts = lead_gather_self(core);
    bool asked_over = l->writer_asked && ask_is_over(core, l->ask_writer);
    facts |= r->paused ? F_PAUSED : 0;
    facts |= core->doubt ? F_DOUBT : 0;
    facts |= r->writer == NODE_NONE ? F_NO_WRITER : 0;
    facts |= r->handover != NODE_NONE && r->handover != core->self ? F_OTHER_NAMED : 0;
    facts |= lead_named_ready(core) ? F_NAMED_READY : 0;
    facts |= lead_handover_is_stale(core) ? F_HANDOVER_STALE : 0;
    facts |= asked_over ? F_WRITER_ASKED : 0;
    facts |= l->writer_asked && !asked_over ? F_ASKING : 0;
    facts |= asked_over && ask_is_done(core, l->ask_writer) ? F_WRITER_HEALTHY : 0;
    /* Its answer of this term says as much as its report would. */
    facts |= lead_writer_is_ready(core) || (asked_over && lead_writer_answered(core))
                 ? F_WRITER_READY
                 : 0;
    facts |= lead_writer_is_soon(core) ? F_WRITER_SOON : 0;
    facts |= l->backs < LEAD_BACKS_MAX || lead_backs_are_old(core) ? F_BACKS_LEFT : 0;
    facts |= lead_target(core) != NODE_NONE ? F_TARGET : 0;
    facts |= lead_restart_target(core) != NODE_NONE ? F_RESTART_TARGET : 0;
    facts |= lead_go_between(core) != NODE_NONE ? F_GO_BETWEEN : 0;
    return facts;
}

static void lead_ask_writer(struct core *core)
{
    struct job j = lead_job(core, JOB_ASK_WRITER);
    j.timeout_ms = LEAD_ASK_WRITER_MS;
    ask_drop(core, &core->lead.ask_writer);
    core->lead.ask_writer = ask_send(core, core->record.writer, &j);
    /* The general slack of a request is too long here: the writer answers at once or is not there.
     */
    core->asks.list[core->lead.ask_writer].deadline_us = core->now_us + LEAD_ASK_WRITER_MS * 1000;
    core->lead.writer_asked = true;
}

static void lead_start(struct core *core, const struct proc_kind *kind, const struct rule *rule,
                       uint32_t facts)
{
    struct lead *l = &core->lead;
    char why[DETAIL_TEXT_MAX];
    lead_drop_slots(core);
    l->forced = core->record.handover == core->self && core->record.handover_forced;
    l->first = core->record.writer == NODE_NONE;
    proc_start(core, &l->proc, kind, core->record.writer, core->self);
    proc_because(&l->proc, lead_table.name, rule->id,
                 rules_facts_text(&lead_table, facts, why, sizeof why));
    lead_enter(core, LEAD_PROCEDURE);
}

static void lead_transfer_back(struct core *core)
{
    struct lead *l = &core->lead;
    if (lead_backs_are_old(core))
        l->backs = 0;
    if (l->backs++ == 0)
        l->back_window_us = core->now_us;
    lead_transfer(core, core->record.writer);
}

static void lead_transfer_best(struct core *core)
{
    unsigned to = lead_target(core);
    if (lead_named_ready(core))
        to = core->record.handover;
    if (to == NODE_NONE)
        to = lead_restart_target(core);
    if (to == NODE_NONE) {
        to = lead_go_between(core);
        core->lead.go_betweens += to != NODE_NONE;
    }
    if (to != NODE_NONE)
        lead_transfer(core, to);
}

void lead_clear_handover(struct core *core)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_HANDOVER;
    e.node = NODE_NONE;
    if (lead_propose(core, &e))
        core->lead.handover_since_us = 0;
}

static void lead_act(struct core *core, const struct rule *rule, uint32_t facts)
{
    switch (rule->verdict) {
    case LEAD_ASK:
        lead_ask_writer(core);
        return;
    case LEAD_BACK:
        lead_transfer_back(core);
        return;
    case LEAD_REOPEN:
        lead_start(core, &reopen_proc, rule, facts);
        return;
    case LEAD_TAKEOVER:
        lead_start(core, &takeover_proc, rule, facts);
        return;
    case LEAD_TRANSFER:
        lead_transfer_best(core);
        return;
    case LEAD_CLEAR_HANDOVER:
        lead_clear_handover(core);
        return;
    case LEAD_START:
        lead_start(core, &start_proc, rule, facts);
        return;
    default:
        return;
    }
}

/* A caretaker asks the last writer again and again; that it does is no news. */
static void lead_tell(struct core *core, const struct rule *rule)
{
    struct lead *l = &core->lead;
    bool asks = rule->verdict == LEAD_ASK || (rule->need & F_ASKING) != 0;
    if (l->told_rule == rule->id || (asks && l->phase == LEAD_CARETAKER))
        return;
    l->told_rule = rule->id;
    core_log(core, LOG_LEVEL_NOTICE, "decision", "leader decides %s rule=lead/%u why='%s'",
             lead_verdicts[rule->verdict], rule->id, rule->text);
}

static void lead_decide(struct core *core)
{
    struct lead *l = &core->lead;
    uint32_t facts;
    const struct rule *rule;
    if (!l->barrier_done)
        return;
    if (core->record.handover == NODE_NONE)
        l->handover_since_us = 0;
    else if (l->handover_since_us == 0)
        l->handover_since_us = core->now_us;
    facts = lead_gather(core);
    rule = rules_decide(&lead_table, facts);
    lead_tell(core, rule);
    core->verdict[VERDICT_LEAD] = (struct verdict){rule->id, facts};
    if (rule->verdict == LEAD_STAY && l->phase != LEAD_CARETAKER)
        lead_enter(core, LEAD_CARETAKER);
    lead_act(core, rule, facts);
    /* What was asked may be out of date by the next look: ask again, at the pace of the caretaker.
     */
    if (l->phase == LEAD_CARETAKER && l->writer_asked && ask_is_over(core, l->ask_writer) &&
        core->now_us - core->asks.list[l->ask_writer < 0 ? 0 : l->ask_writer].sent_us >
            LEAD_RETRY_MIN_US)
        l->writer_asked = false;
}

static void lead_procedure(struct core *core)
{
    struct lead *l = &core->lead;
    enum proc_state s = proc_run(core, &l->proc);
    if (s == PROC_RUNNING)
        return;
    lead_drop_slots(core);
    if (s == PROC_DONE) {
        l->failed_count = 0;
        l->go_betweens = 0;
        l->restarts = 0;
        lead_enter(core, l->proc.kind == &start_proc ? LEAD_DECIDE : LEAD_STEADY);
        return;
    }
    l->failed_count++;
    l->failed_until_us = core->now_us + lead_backoff_us(l->failed_count);
    l->writer_asked = false;
    lead_enter(core, LEAD_DECIDE);
}

/* ---- the timeline after a takeover ---- */

#define LEAD_TAIL_US 5000000

static void lead_flush_tail(struct core *core)
{
    struct lead *l = &core->lead;
    if (l->tail_us == 0)
        return;
    l->tail_us = 0;
    core_push_history(core, &l->tail);
}

void lead_hold_tail(struct core *core, const struct proc *p)
{
    lead_flush_tail(core);
    core->lead.tail = p->history;
    core->lead.tail_us = core->now_us;
    core->lead.tail_started_us = p->started_us;
}

void lead_mark_tail(struct core *core, const char *name, unsigned node, int64_t since_us,
                    const char *note)
{
    struct history_step *s;
    if (core->lead.tail_us == 0)
        return;
    s = history_add(&core->lead.tail, name, node);
    if (s == NULL)
        return;
    s->at_us = history_us(since_us - core->lead.tail_started_us);
    s->took_us = history_us(core->now_us - since_us);
    (void)snprintf(s->note, sizeof s->note, "%s", note);
}

/* After a pause nobody takes over by itself before the writer's agent has taken its lease back. */
static void lead_end_pause(struct core *core)
{
    unsigned w = core->record.writer;
    const struct report *r = w == NODE_NONE ? NULL : core_report(core, w);
    struct entry e;
    bool back = w == core->self ? core->lease_known
                                : r != NULL && core_is_fresh(core, w) && r->term == core->term &&
                                      r->version >= core->record.version && !r->endless;
    if (core->record.paused || !core->record.endless || !back)
        return;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_PAUSE;
    (void)lead_propose(core, &e);
}

void lead_run(struct core *core)
{
    struct lead *l = &core->lead;
    struct command order;
    if (l->tail_us != 0 && (!core->is_leader || core->now_us - l->tail_us > LEAD_TAIL_US))
        lead_flush_tail(core);
    if (!core->is_leader) {
        (void)core_by_hand(core, &order);
        return;
    }
    if (l->phase == LEAD_BARRIER && l->barrier_retry_us != 0 && core->now_us >= l->barrier_retry_us)
        lead_barrier(core);
    if (l->phase == LEAD_BARRIER && l->barrier_done && membership_is_settled(core))
        lead_enter(core, LEAD_DECIDE);
    command_run_waiting(core);
    if (l->barrier_done)
        ending_run(core);
    if (core_by_hand(core, &order))
        command_run(core, &order);
    if (l->phase == LEAD_PROCEDURE)
        lead_procedure(core);
    if (l->phase == LEAD_STEADY)
        writer_run(core);
    if (l->phase == LEAD_DECIDE || l->phase == LEAD_CARETAKER)
        lead_decide(core);
    /* A procedure that was started just now makes its first requests in the same step. */
    if (l->phase == LEAD_PROCEDURE && !l->proc.entered && l->proc.step == 0)
        lead_procedure(core);
    if (l->barrier_done)
        lead_end_pause(core);
    if (l->barrier_done && (l->phase == LEAD_STEADY || l->phase == LEAD_CARETAKER))
        repair_run(core);
}
