/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/adopt_gtid.h"
#include "core/cure.h"
#include "core/eligible.h"
#include "core/parent.h"
#include "core/procs.h"
#include "core/reclone.h"
#include "core/rejoin.h"
#include "core/repoint.h"
#include "core/repoint_match.h"
#include "core/status.h"

#define CORE_FRESH_MIN_US 300000
#define CORE_TICK_IDLE_US 50000
#define CORE_TICK_BUSY_US 5000
#define CORE_REPORT_ALL_US 100000 /* a third of what counts as fresh */
#define CORE_LINGER_US 500000
#define CORE_BY_HAND_US 20000000

void core_init(struct core *core, const struct cluster_config *cfg, unsigned self, int64_t now_us)
{
    memset(core, 0, sizeof *core);
    assert(self < cfg->n_nodes);
    core->cfg = cfg;
    core->self = self;
    core->now_us = core->started_us = now_us;
    core->leader = NODE_NONE;
    core->rank = -2;
    core->blocked = UINT32_MAX; /* what an earlier agent left is not known */
    core->role = ROLE_COUNT;
    core->link_up = true;
    record_init(&core->record);
    health_init(&core->health);
    clone_report_init(&core->clone);
    lead_init(core);
}

const char *core_name(const struct core *core, unsigned node)
{
    return node < core->cfg->n_nodes ? core->cfg->nodes[node].name : "none";
}

const struct report *core_report(const struct core *core, unsigned node)
{
    return core->view[node].have ? &core->view[node].report : NULL;
}

bool core_is_fresh(const struct core *core, unsigned node)
{
    int64_t limit_us = (int64_t)core->cfg->arbiter.heartbeat_ms * 3000;
    if (node == core->self)
        return true;
    if (limit_us < CORE_FRESH_MIN_US)
        limit_us = CORE_FRESH_MIN_US;
    return core->view[node].have && core->now_us - core->view[node].at_us <= limit_us;
}

uint32_t core_reaches(const struct core *core)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        mask |= i == core->self || (core->view[i].up && core_is_fresh(core, i)) ? 1u << i : 0;
    return mask;
}

bool core_is_member(const struct core *core, unsigned node)
{
    return (core->record.in_sync & (1u << node)) != 0;
}

bool core_may_write(const struct core *core)
{
    return core->is_leader && core->open_term == core->term && core->term != 0 &&
           core->record.writer == core->self && core->lease_until_us > core->now_us;
}

bool core_is_published(const struct core *core)
{
    return core->record.writer == core->self && core->vip_wanted && core->vip_down_us == 0 &&
           (core_may_write(core) || core->record.paused);
}

const struct rule_table *core_table(enum verdict_table table)
{
    static const struct rule_table *const tables[VERDICT_COUNT] = {&lead_table, &writer_table,
                                                                   &fence_table};
    return tables[table];
}

const struct rule_table *core_table_any(unsigned i)
{
    static const struct rule_table *const more[] = {
        &rejoin_table, &discard_table, &reclone_table, &donor_table, &cure_table,
        &parent_table, &gtid_table,    &repoint_table, &match_table, NULL};
    return i < VERDICT_COUNT ? core_table((enum verdict_table)i) : more[i - VERDICT_COUNT];
}

void core_log(struct core *core, enum log_level level, const char *id, const char *fmt, ...)
{
    struct effect *e;
    va_list ap;
    /* Rather a line less than no room for what must be done. */
    if (core->fx->count >= EFFECTS_LOG_MAX)
        return;
    e = effects_add(core->fx, EFFECT_LOG);
    e->u.log.level = level;
    e->u.log.id = id;
    va_start(ap, fmt);
    (void)vsnprintf(e->u.log.text, sizeof e->u.log.text, fmt, ap);
    va_end(ap);
}

void core_set_role(struct core *core, enum effect_role role)
{
    if (core->role == role)
        return;
    core->role = role;
    effects_add(core->fx, EFFECT_ROLE)->u.role = role;
}

/* The address stays a moment behind a closed lease: new connections that still come here are
 * refused at once instead of waiting for an answer until the new writer has announced itself. */
static void core_linger(struct core *core)
{
    if (core->vip_down_us == 0) /* lost first, closed later: the moment is one */
        core->vip_down_us = core->now_us + CORE_LINGER_US;
    if (core->quitting)
        core->vip_down_us = core->now_us;
}

/* A paused cluster keeps what it has, whoever leads. */
void core_close(struct core *core, const char *why)
{
    bool had = core->open_term != 0 || core->vip_wanted;
    if (core->record.paused && core->record.writer == core->self)
        return;
    core->open_term = 0;
    core->vip_wanted = false;
    if (!had)
        return;
    effects_add(core->fx, EFFECT_LEASE_CLEAR);
    core_linger(core);
    core_log(core, LOG_LEVEL_NOTICE, "closed", "lease and VIP given up why='%s'", why);
}

void core_push_history(struct core *core, const struct history *h)
{
    if (core->n_pending_histories == CORE_HISTORIES_PENDING_MAX) {
        memmove(&core->pending_histories[0], &core->pending_histories[1],
                sizeof core->pending_histories[0] * (CORE_HISTORIES_PENDING_MAX - 1));
        core->n_pending_histories--;
    }
    core->pending_histories[core->n_pending_histories++] = *h;
}

/* Histories are no decisions: they wait until this node leads an open writer and nothing is more
 * urgent. */
static void core_flush_histories(struct core *core)
{
    struct effect *e;
    if (core->n_pending_histories == 0 || core->lead.proposal.pending ||
        core->lead.phase != LEAD_STEADY)
        return;
    e = effects_add(core->fx, EFFECT_PROPOSE);
    e->u.proposal.id = 0;
    memset(&e->u.proposal.entry, 0, sizeof e->u.proposal.entry);
    e->u.proposal.entry.kind = ENTRY_HISTORY;
    e->u.proposal.entry.history = core->pending_histories[0];
    core->n_pending_histories--;
    memmove(&core->pending_histories[0], &core->pending_histories[1],
            sizeof core->pending_histories[0] * core->n_pending_histories);
}

/* ---- events ---- */

/* A leader that sees a newer term leads no more, whatever its arbiter says yet: its requests would
 * carry a term that it never won (S10). */
static void core_see_term(struct core *core, uint64_t term)
{
    if (term <= core->term)
        return;
    lead_on_deposed(core);
    core->term = term;
    core->report_due = true;
}

/* What the agent missed while it stood still is no silence of the server. */
static bool core_is_own_silence(const struct core *core, enum probe_outcome outcome)
{
    int64_t limit_us = (int64_t)core->cfg->policy.probe_timeout_ms * 1000;
    return (outcome == PROBE_TIMEOUT || outcome == PROBE_LOST) && core->stalled_us != 0 &&
           core->now_us - core->stalled_us < limit_us;
}

static void core_on_probe(struct core *core, const struct event_probe *p)
{
    const struct config_policy *policy = &core->cfg->policy;
    struct health_limits limits = {policy->probe_fall, policy->probe_rise,
                                   (int64_t)policy->start_timeout_ms * 1000};
    int before = core->health.state;
    if (!core_is_own_silence(core, p->outcome))
        health_probe(&core->health, &limits, p->outcome, core->now_us);
    if (p->have_facts) {
        core->report_due |= core->facts.io != p->facts.io || core->facts.sql != p->facts.sql ||
                            core->facts.read_only != p->facts.read_only ||
                            core->facts.replica_side_active != p->facts.replica_side_active;
        core->facts = p->facts;
        core->have_facts = true;
        core->facts_us = core->now_us;
        core->ended_cleanly &= core->record.writer == core->self;
        health_disk(&core->health, p->disk_full, core->now_us);
    }
    if (health_is_alive(core->health.state))
        memset(&core->starts, 0, sizeof core->starts);
    if (before == core->health.state)
        return;
    core->report_due = true;
    core_log(core, health_is_alive(core->health.state) ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
             "health", "local server health changed from=%s to=%s probe=%s errno=%u",
             server_health_text(before), server_health_text(core->health.state),
             probe_outcome_text(p->outcome), p->sql_errno);
}

static void core_on_started(struct core *core, const struct incarnation *i)
{
    core->incarnation = *i;
    core->have_facts = false;
    health_started(&core->health, core->now_us);
    core->report_due = true;
    core_log(core, LOG_LEVEL_NOTICE, "server-started", "mysqld is there pid=%u", i->pid);
}

static void core_on_died(struct core *core, bool cleanly)
{
    core->ended_cleanly |= cleanly;
    core->ended_us = core->now_us;
    release_on_died(core);
    core->have_facts = false;
    core->facts.io = core->facts.sql = THREAD_STOPPED;
    core->facts.wait_sessions = core->facts.clients = 0;
    memset(&core->incarnation, 0, sizeof core->incarnation);
    health_died(&core->health, core->now_us);
    core->report_due = true;
    core_log(core, LOG_LEVEL_WARNING, "server-died", "mysqld is gone how=%s",
             cleanly ? "shutdown" : "killed");
    /* Whoever starts it: recovery commits what no member may have acknowledged, for all to see. */
    core_close(core, "mysqld is gone");
}

/* One that was killed on its way has not ended by itself. */
static void core_on_start_failed(struct core *core, const struct starts *s)
{
    uint32_t failed = core->starts.failed;
    if (local_is_running(core, JOB_KILL))
        return;
    core->starts = *s;
    core->starts.failed = failed < UINT32_MAX ? failed + 1 : failed;
    core->report_due = true;
    if (core->starts.failed != STARTS_MANY)
        return;
    core_log(core, LOG_LEVEL_ERROR, "server-does-not-start",
             "mysqld ends by itself whenever it is started failed=%u blames=%s said='%s'",
             core->starts.failed, starts_blame_text(s->blame), s->line);
}

static void core_on_applied(struct core *core, const struct entry *e)
{
    uint64_t epoch = core->record.epoch;
    bool paused = core->record.paused;
    int err = record_apply(&core->record, e);
    lead_on_applied(core, e, err);
    membership_on_applied(core, e, err);
    if (e->kind != ENTRY_HISTORY)
        core_log(core, LOG_LEVEL_INFO, "record", "entry applied kind=%s node=%s version=%llu%s",
                 entry_kind_text(e->kind), core_name(core, e->node),
                 (unsigned long long)core->record.version, err != 0 ? " refused=stale" : "");
    if (core->record.epoch != epoch && core->record.writer != core->self)
        core_close(core, "another node was promoted");
    if (core->record.epoch != epoch)
        lead_on_promoted(core);
    /* People may have done anything meanwhile: whoever leads next proves the set again. */
    if (paused && !core->record.paused)
        core->lead.reprove = core->record.in_sync != 0;
    if (paused != core->record.paused && core_may_write(core)) {
        /* Paused: neither the lease nor the address has an end, so that the agent may come and go.
         */
        effects_add(core->fx, EFFECT_LEASE)->u.until_us =
            core->record.paused ? INT64_MAX : core->lease_until_us;
        effects_add(core->fx, EFFECT_VIP_UP);
    }
    if (err == 0 && (e->kind == ENTRY_SHRINK || e->kind == ENTRY_PROMOTE))
        core->lead.reprove = false;
    if (err == 0 &&
        (e->kind == ENTRY_SHRINK || e->kind == ENTRY_PROMOTE || e->kind == ENTRY_GROW)) {
        core->aside_again_us = 0;
        core->asides = 0;
    }
    core->report_due = true;
}

static void core_on_lease(struct core *core, int64_t until_us)
{
    core->lease_until_us = until_us;
    if (core->record.paused && core->vip_wanted)
        return;
    if (core_may_write(core) && core->vip_wanted)
        effects_add(core->fx, EFFECT_LEASE)->u.until_us = until_us;
}

static void core_on_report(struct core *core, unsigned from, const struct report *r)
{
    struct peer_view *v = &core->view[from];
    if (v->have && r->seq <= v->report.seq)
        return;
    v->have = true;
    v->at_us = core->now_us;
    v->report = *r;
    core_see_term(core, r->term);
}

static void core_on_peer(struct core *core, unsigned node, bool up)
{
    struct peer_view *v = &core->view[node];
    v->up = up;
    if (up) {
        /* A restarted agent counts its reports anew. */
        v->report.seq = 0;
        core->report_all_us = 0;
        core->report_due = true;
    } else {
        ask_on_peer_down(core, node);
    }
}

/* Who of a pair leads cannot be asked when the other host is silent: an operator who names this
 * node is its witness. What then stands against its promotion is said when it leads. */
static bool core_takes_order(struct core *core, unsigned from, const struct command *m)
{
    bool here = from == core->self && m->kind == COMMAND_FAILOVER && m->node == core->self;
    if (!config_is_pair(core->cfg) || !here || core->leader != NODE_NONE)
        return false;
    core->by_hand = *m;
    core->by_hand_us = core->now_us;
    effects_add(core->fx, EFFECT_BY_HAND);
    return true;
}

/* True: this node leads by order, and the order is to be carried out. */
bool core_by_hand(struct core *core, struct command *ret_command)
{
    struct effect *e;
    if (core->by_hand.id == 0)
        return false;
    if (core->is_leader && core->lead.barrier_done) {
        *ret_command = core->by_hand;
        core->by_hand.id = 0;
        return true;
    }
    if (core->now_us - core->by_hand_us < CORE_BY_HAND_US)
        return false;
    e = effects_add(core->fx, EFFECT_REPLY);
    e->to = core->self;
    e->u.reply = (struct reply){.id = core->by_hand.id, .origin = (uint8_t)core->self, .ok = false};
    (void)snprintf(
        e->u.reply.text, sizeof e->u.reply.text,
        "this node did not get to lead: another one is the Master, or its network or its "
        "disk is broken; see `tandem status`");
    core->by_hand.id = 0;
    return false;
}

static void core_on_command(struct core *core, unsigned from, const struct command *m)
{
    struct effect *e;
    /* The reply goes to the origin, hence it is the sender or nobody. */
    if (m->origin != from)
        return;
    if (command_makes_two(core, m))
        return;
    if (core->is_leader) {
        command_run(core, m);
        return;
    }
    if (core_takes_order(core, from, m))
        return;
    /* One hop only: what was passed on to a node that does not lead any more is not passed on
     * again. */
    if (from == core->self && core->leader != NODE_NONE && core->leader != core->self &&
        core->view[core->leader].up) {
        e = effects_add(core->fx, EFFECT_COMMAND);
        e->to = core->leader;
        e->u.command = *m;
        return;
    }
    e = effects_add(core->fx, EFFECT_REPLY);
    e->to = m->origin;
    e->u.reply = (struct reply){.id = m->id, .origin = m->origin, .ok = false};
    if (config_is_pair(core->cfg))
        (void)snprintf(e->u.reply.text, sizeof e->u.reply.text,
                       "no leader is known here; see `tandem status`");
    else
        (void)snprintf(e->u.reply.text, sizeof e->u.reply.text,
                       "no leader is known here: fewer than %u of %u voters can be reached",
                       membership_majority(core), membership_voter_count(core));
}

static void core_on_vip(struct core *core, unsigned index, bool present)
{
    uint32_t bit = 1u << index;
    bool was = (core->vips & bit) != 0;
    core->vips = present ? core->vips | bit : core->vips & ~bit;
    if (was && !present && core->vip_wanted && (core_may_write(core) || core->record.paused)) {
        core_log(core, LOG_LEVEL_WARNING, "vip-removed",
                 "somebody removed the VIP, it is put back address=%s",
                 core->cfg->vips[index].address);
        effects_add(core->fx, EFFECT_VIP_UP);
        effects_add(core->fx, EFFECT_ANNOUNCE);
    }
    core->report_due = true;
}

static void core_on_link(struct core *core, bool up)
{
    if (core->link_up == up)
        return;
    core->link_up = up;
    core_log(core, up ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "link",
             "link of the VIP device state=%s", up ? "up" : "down");
    if (up && core->vip_wanted)
        effects_add(core->fx, EFFECT_ANNOUNCE);
    core->report_due = true;
}

static void core_on_leader(struct core *core, uint64_t term, unsigned node)
{
    core_see_term(core, term);
    if (core->leader == node)
        return;
    core->leader = node;
    core->report_due = true;
    if (node != NODE_NONE && node == core->lead.handed_to)
        core->lead.handed_to = NODE_NONE; /* it got there */
    core_log(core, LOG_LEVEL_INFO, "leader", "leader node=%s term=%llu", core_name(core, node),
             (unsigned long long)term);
}

static void core_on_server_event(struct core *core, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_PROBE:
        core_on_probe(core, &ev->u.probe);
        return;
    case EVENT_SERVER_STARTED:
        core_on_started(core, &ev->u.server.incarnation);
        return;
    case EVENT_SERVER_DIED:
        core_on_died(core, ev->u.server.cleanly);
        return;
    case EVENT_START_FAILED:
        core_on_start_failed(core, &ev->u.start);
        return;
    case EVENT_JOB:
        local_on_job(core, &ev->u.job);
        return;
    case EVENT_VIP:
        core_on_vip(core, ev->u.vip.index, ev->u.vip.present);
        return;
    case EVENT_LINK:
        core_on_link(core, ev->u.link_up);
        return;
    case EVENT_CLONE:
        core->clone = ev->u.clone;
        core->report_due = true;
        return;
    case EVENT_HOST:
        core->host = ev->u.host;
        return;
    case EVENT_ARBITERS:
        core->other_arbiters = ev->u.other_arbiters;
        core->report_due = true;
        return;
    case EVENT_TROUBLE:
        memcpy(core->trouble, ev->u.trouble, sizeof core->trouble);
        core->report_due = true;
        return;
    default:
        return;
    }
}

static void core_on_node_event(struct core *core, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_REQUEST:
        core_see_term(core, ev->u.request.term);
        local_request(core, ev->from, &ev->u.request);
        return;
    case EVENT_ANSWER:
        ask_on_answer(core, ev->from, &ev->u.answer);
        return;
    case EVENT_REPORT:
        core_on_report(core, ev->from, &ev->u.report);
        return;
    case EVENT_PEER:
        core_on_peer(core, ev->from, ev->u.peer_up);
        return;
    case EVENT_COMMAND:
        core_on_command(core, ev->from, &ev->u.command);
        return;
    case EVENT_REPLY: {
        struct effect *e = effects_add(core->fx, EFFECT_REPLY);
        e->to = core->self;
        e->u.reply = ev->u.reply;
        return;
    }
    default:
        return;
    }
}

static void core_on_arbiter_event(struct core *core, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_ELECTED:
        if (ev->u.term < core->term)
            return; /* somebody has won a newer one */
        core->leader = core->self;
        lead_on_elected(core, ev->u.term);
        return;
    case EVENT_DEPOSED:
        lead_on_deposed(core);
        core_see_term(core, ev->u.term);
        return;
    case EVENT_LEADER:
        core_on_leader(core, ev->u.leader.term, ev->u.leader.node);
        return;
    case EVENT_LEASE:
        core_on_lease(core, ev->u.lease_until_us);
        return;
    case EVENT_DOUBT:
        core->doubt = ev->u.doubt;
        core->report_due = true;
        return;
    case EVENT_APPLIED:
        core_on_applied(core, &ev->u.entry);
        return;
    case EVENT_RESTORED:
        core->record = ev->u.record;
        core->report_due = true;
        return;
    case EVENT_PROPOSAL:
        lead_on_proposal(core, ev->u.proposal.id, ev->u.proposal.err);
        return;
    case EVENT_TRANSFER:
        lead_on_transfer(core, ev->u.transfer_ok);
        return;
    case EVENT_MEMBERS:
        membership_on_members(core, ev->u.members.voters, ev->u.members.members);
        return;
    case EVENT_CHANGE:
        membership_on_change(core, ev->u.change.id, ev->u.change.err);
        return;
    case EVENT_STALL:
        core->stalled_us = core->now_us;
        return;
    case EVENT_QUIT:
        core->quitting = true;
        core->report_due = true;
        return;
    default:
        return;
    }
}

/* ---- what follows from every event ---- */

/* After a start the log is replayed: on the way the record names writers of the past, and a
 * snapshot may be old. Nothing is fenced or opened by it before a leader's record was reached once.
 */
static void core_confirm(struct core *core)
{
    const struct report *r = core->leader == NODE_NONE ? NULL : core_report(core, core->leader);
    if (core->confirmed)
        return;
    if (core->is_leader)
        core->confirmed = core->lead.barrier_done;
    else if (r != NULL && core_is_fresh(core, core->leader))
        core->confirmed = r->settled && r->term == core->term && r->version <= core->record.version;
}

/* A restarted agent finds the writer of a paused cluster open: it keeps the VIP and the door open.
 */
static void core_keep_paused(struct core *core)
{
    bool writer = core->confirmed && core->record.paused && core->record.writer == core->self &&
                  core->have_facts && !core->facts.read_only;
    if (!writer || core->vip_wanted)
        return;
    effects_add(core->fx, EFFECT_LEASE)->u.until_us = INT64_MAX;
    effects_add(core->fx, EFFECT_VIP_UP);
    effects_add(core->fx, EFFECT_ANNOUNCE);
    core->vip_wanted = true;
    core->vip_renew_us = core->now_us;
}

/* An agent that ended during a pause left a lease without end: nothing else takes it back. */
static void core_know_lease(struct core *core, bool may)
{
    bool left = core->record.paused && core->record.writer == core->self && !core->vip_wanted;
    if (core->lease_known || !core->confirmed || left)
        return;
    core->lease_known = true;
    if (may || core->vip_wanted)
        return;
    effects_add(core->fx, EFFECT_LEASE_CLEAR);
    effects_add(core->fx, EFFECT_VIP_DOWN);
}

static void core_keep_vip(struct core *core)
{
    int64_t third_us = (int64_t)core->cfg->policy.vip_lifetime_ms * 1000 / 3;
    bool may = core_may_write(core) || (core->record.paused && core->record.writer == core->self);
    core_keep_paused(core);
    core_know_lease(core, may);
    if (core->vip_wanted)
        core->vip_down_us = 0;
    if (core->vip_down_us != 0 && core->now_us >= core->vip_down_us) {
        core->vip_down_us = 0;
        effects_add(core->fx, EFFECT_VIP_DOWN);
    }
    if (!core->vip_wanted)
        return;
    if (!may && core->lease_until_us <= core->now_us) {
        /* Stage 1 of the fence: the kernel's lease has ended by itself; the address follows. */
        core->vip_wanted = false;
        effects_add(core->fx, EFFECT_LEASE_CLEAR);
        core_linger(core);
        core_log(core, LOG_LEVEL_WARNING, "lease-lost",
                 "lease lost: the VIP is taken down, nothing is acknowledged here");
        return;
    }
    if (may && core->now_us - core->vip_renew_us >= third_us) {
        core->vip_renew_us = core->now_us;
        effects_add(core->fx, EFFECT_VIP_UP);
    }
}

/* The lease came back within the term, or what the server holds is proven: the door opens. */
static void core_regain(struct core *core)
{
    if (core->vip_wanted || !core_may_write(core) || core->lead.phase != LEAD_STEADY ||
        core->lead.unproven)
        return;
    effects_add(core->fx, EFFECT_SHUT)->u.until_us = 0;
    effects_add(core->fx, EFFECT_LEASE)->u.until_us = core->lease_until_us;
    effects_add(core->fx, EFFECT_VIP_UP);
    effects_add(core->fx, EFFECT_ANNOUNCE);
    core->vip_wanted = true;
    core->vip_renew_us = core->now_us;
    core_log(core, LOG_LEVEL_NOTICE, "lease-regained", "lease regained: the VIP is back");
}

static void core_keep_role(struct core *core)
{
    if (core->quit_done)
        return;
    if (core->vip_wanted)
        core_set_role(core, ROLE_MASTER);
    else if (!core->link_up)
        core_set_role(core, ROLE_FAULT);
    else if (health_is_alive(core->health.state) || !config_node_has_mysql(core->cfg, core->self))
        core_set_role(core, ROLE_BACKUP);
    else if (core->health.state != HEALTH_UNKNOWN)
        core_set_role(core, ROLE_FAULT);
}

/* The last word of a step: an arbiter may take the leadership away on hearing it, and what a leader
 * ordered in the same step must not begin after that. */
static void core_keep_rank(struct core *core)
{
    char why[REASON_TEXT_MAX];
    int rank = eligible_rank(core, eligible_self(core, why));
    if (rank == core->rank)
        return;
    core->rank = rank;
    core->report_due = true;
    effects_add(core->fx, EFFECT_RANK)->u.rank = rank;
}

static void core_send_reports(struct core *core)
{
    bool all = core->now_us - core->report_all_us >= CORE_REPORT_ALL_US;
    bool due = core->report_due ||
               core->now_us - core->report_us >= (int64_t)core->cfg->arbiter.heartbeat_ms * 1000;
    uint32_t mask = 0;
    struct effect *e;
    if (!all && !due)
        return;
    status_fill_report(core, &core->view[core->self].report);
    core->view[core->self].have = true;
    core->view[core->self].at_us = core->now_us;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (i != core->self && core->view[i].up && (all || core->report_due || i == core->leader))
            mask |= 1u << i;
    }
    core->report_us = core->now_us;
    if (all || core->report_due)
        core->report_all_us = core->now_us;
    core->report_due = false;
    if (mask == 0)
        return;
    e = effects_add(core->fx, EFFECT_REPORT);
    e->mask = mask;
    e->u.report = core->view[core->self].report;
}

/* Stopping as the writer: hand over first, if somebody can take it; else close, and say so. */
static void core_quit(struct core *core)
{
    bool leaving = core->is_leader && core->record.writer == core->self &&
                   core->lead.phase == LEAD_STEADY &&
                   eligible_target(core, ELIGIBLE_MEMBER) != NODE_NONE;
    bool handing = core->lead.phase == LEAD_HANDOVER && core->is_leader;
    bool busy = proc_is_running(&core->lead.proc) && core->is_leader;
    if (!core->quitting || core->quit_done)
        return;
    if (!core->record.paused && (leaving || handing || busy))
        return;
    core_close(core, "the agent stops");
    if (core->vip_down_us != 0) {
        core->vip_down_us = 0;
        effects_add(core->fx, EFFECT_VIP_DOWN);
    }
    /* The fence closes the server first; a leader whose members hold every commit need not wait. */
    if (!core->record.paused && core->have_facts && !core->facts.read_only &&
        (!core->is_leader || fence_is_alone(core)))
        return;
    core->quit_done = true;
    /* Paused, everything stays where it is while the agent is away. */
    if (!core->record.paused)
        core_set_role(core, ROLE_STOP);
    effects_add(core->fx, EFFECT_QUIT);
}

static void core_settle(struct core *core)
{
    core_confirm(core);
    stake_watch(core);
    release_run(core);
    ask_on_time(core);
    fence_run(core);
    sync_keep_out(core);
    lead_run(core);
    local_run(core);
    core_keep_vip(core);
    core_regain(core);
    core_keep_role(core);
    core_flush_histories(core);
    core_quit(core);
    core_keep_rank(core);
    core_send_reports(core);
}

void core_step(struct core *core, const struct event *ev, struct effects *fx)
{
    bool busy;
    fx->count = 0;
    core->fx = fx;
    core->now_us = ev->now_us;
    core->wall_ms = ev->wall_ms;
    core_on_server_event(core, ev);
    core_on_node_event(core, ev);
    core_on_arbiter_event(core, ev);
    core_settle(core);
    busy =
        core->is_leader && (proc_is_running(&core->lead.proc) || core->lead.phase != LEAD_STEADY);
    fx->wake_us = core->now_us + (busy ? CORE_TICK_BUSY_US : CORE_TICK_IDLE_US);
    if (fx->count >= EFFECTS_MAX / 2)
        fx->wake_us = core->now_us;
    core->fx = NULL;
}
