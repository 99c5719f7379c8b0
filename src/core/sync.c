/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-sync set (docs/design/in-sync.md): who must leave it, who may join it, who is kept from
 * the server meanwhile. The procedures that change it are in sync_steps.c.
 */
#include <string.h>

#include "core/core.h"
#include "core/eligible.h"
#include "core/procs.h"
#include "core/sets.h"
#include "util/backoff.h"

#define SYNC_GROW_BACKOFF_US 1000000
#define SYNC_GROW_BACKOFF_MAX_US 15000000
#define SYNC_MOVE_DOUBLINGS 5

/* ---- watching ---- */

static void sync_beat_ended(struct core *core)
{
    struct lead *l = &core->lead;
    bool done = ask_is_done(core, l->beat);
    if (done) {
        l->beat_bad_since_us = 0;
        l->unproven = false;
        core->proven = core->incarnation;
        core->ended_cleanly = false;
    } else if (l->beat_bad_since_us == 0)
        l->beat_bad_since_us = core->asks.list[l->beat].sent_us;
    slow_on_beat(core, core->now_us - core->asks.list[l->beat].sent_us);
    health_stall(&core->health, !done && core->facts.wait_sessions == 0, core->now_us);
    ask_drop(core, &l->beat);
}

static void sync_beat(struct core *core)
{
    struct lead *l = &core->lead;
    struct job j = lead_job(core, JOB_HEARTBEAT);
    int h = core->health.state;
    if (l->beat != ASK_NONE && ask_is_over(core, l->beat))
        sync_beat_ended(core);
    if (l->beat != ASK_NONE ||
        core->now_us - l->beat_us < (int64_t)core->cfg->policy.beat_interval_ms * 1000)
        return;
    if (!core_may_write(core) || proc_is_running(&l->proc) ||
        (h != HEALTH_OK && h != HEALTH_STALLED))
        return;
    /* It could only hang, and hold its locks against the one that a grow needs. */
    if (core->cfg->policy.durability == CONFIG_DURABILITY_STRICT && lead_members(core) == 0)
        return;
    j.timeout_ms = core->cfg->policy.stall_after_ms;
    l->beat = ask_send(core, core->self, &j);
    l->beat_us = core->now_us;
}

/* FNV-1a: only whether it changes matters. */
static uint64_t sync_digest(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return h;
}

static void sync_watch_members(struct core *core)
{
    struct lead *l = &core->lead;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        uint64_t digest;
        if ((lead_members(core) & (1u << i)) == 0 || r == NULL)
            continue;
        digest = sync_digest(r->facts.received);
        if (digest != l->received[i])
            l->received_us[i] = core->now_us;
        l->received[i] = digest;
    }
}

/* Its IO thread believes to be connected, but nothing comes, and commits wait for it: a line that
 * is cut silently is noticed by the servers after their own timeouts only. */
static bool sync_is_stuck(const struct core *core, unsigned node)
{
    const struct lead *l = &core->lead;
    int64_t shrink_us = (int64_t)core->cfg->policy.shrink_after_ms * 1000;
    int64_t stall_us = (int64_t)core->cfg->policy.stall_after_ms * 1000;
    return l->beat_bad_since_us != 0 && core->facts.wait_sessions > 0 &&
           core->now_us - l->beat_bad_since_us > stall_us + shrink_us &&
           core->now_us - l->received_us[node] > stall_us + shrink_us;
}

bool sync_members_have(const struct core *core, const char *set)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if ((lead_members(core) & (1u << i)) == 0)
            continue;
        if (r == NULL || !core_is_fresh(core, i) ||
            (core_is_member(core, i) &&
             !incarnation_equal(&r->incarnation, &core->record.member[i])) ||
            !sets_cover(core->facts.flavour, sets_received(&r->facts), set))
            return false;
    }
    return true;
}

/* Under strict a member that has gone never leaves: the address is not held back for it for ever.
 */
static bool sync_is_held_long(const struct core *core)
{
    const struct config_policy *policy = &core->cfg->policy;
    int64_t limit_us = (int64_t)(policy->stall_after_ms + policy->shrink_after_ms) * 1000;
    return policy->durability == CONFIG_DURABILITY_STRICT &&
           core->now_us - core->lead.unproven_us > limit_us;
}

void sync_watch(struct core *core)
{
    struct lead *l = &core->lead;
    sync_beat(core);
    l->unproven =
        l->unproven && !sync_members_have(core, core->facts.executed) && !sync_is_held_long(core);
    sync_watch_members(core);
    slow_watch(core);
    if (core->facts.wait_sessions == 0 && l->beat_bad_since_us == 0)
        l->stall_since_us = 0;
    else if (l->stall_since_us == 0)
        l->stall_since_us = core->now_us;
}

/* A member that is silent, detached or sick; nothing of it is proof alone (a report may be late).
 */
static bool sync_is_doubtful(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    const struct server_facts *f;
    if (r == NULL || !core_is_fresh(core, node) || !health_is_alive(r->health))
        return true;
    f = &r->facts;
    return f->io != THREAD_RUNNING || f->sql != THREAD_RUNNING || !f->replica_side ||
           strcmp(f->source_host, core->cfg->nodes[core->self].address) != 0;
}

static bool sync_is_lost_at_once(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    uint32_t flags = core->record.flags[node];
    if ((flags & (NODE_MAINTENANCE | NODE_QUARANTINED | NODE_RECLONE)) != 0)
        return true;
    if (r == NULL || !core_is_fresh(core, node) || !core_is_member(core, node))
        return false;
    return r->health == HEALTH_DEAD ||
           !incarnation_equal(&r->incarnation, &core->record.member[node]);
}

/* Doubt becomes loss after shrink_after; a silent agent alone is no loss while commits still go
 * through. */
static bool sync_is_lost(struct core *core, unsigned node)
{
    struct lead *l = &core->lead;
    bool silent = core_report(core, node) == NULL || !core_is_fresh(core, node);
    if (sync_is_stuck(core, node))
        return true;
    if (!sync_is_doubtful(core, node)) {
        l->bad_since_us[node] = 0;
        return false;
    }
    if (l->bad_since_us[node] == 0)
        l->bad_since_us[node] = core->now_us;
    if (core->now_us - l->bad_since_us[node] < (int64_t)core->cfg->policy.shrink_after_ms * 1000)
        return false;
    return !silent || l->stall_since_us != 0 || core->facts.clients < lead_member_count(core);
}

/* It comes back by way of repair only, which may throw away what it acknowledged; so it leaves
 * first, under durability = strict too. There the source side stays on with an empty set. */
static bool sync_must_leave(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    if (sync_is_lost_at_once(core, node))
        return true;
    return r != NULL && core_is_fresh(core, node) && health_is_alive(r->health) &&
           (r->facts.io == THREAD_STOPPED || r->facts.sql == THREAD_STOPPED ||
            !r->facts.replica_side);
}

/* A grow whose outcome stayed unknown: only a shrink ends it. */
static bool sync_is_unresolved(const struct core *core, unsigned node)
{
    return !core_is_member(core, node) && !core->lead.proposal.pending;
}

bool sync_is_growing(const struct core *core, unsigned node)
{
    const struct proc *p = &core->lead.proc;
    return proc_is_running(p) && (p->kind == &grow_proc || p->kind == &move_proc) &&
           core->lead.target == node;
}

/* No member any more, by a move; nobody else acknowledges yet. */
bool sync_is_leaving(const struct core *core, unsigned node)
{
    return (core->lead.leaving & (1u << node)) != 0 && lead_members(core) == 0;
}

static uint32_t sync_lost(struct core *core, uint32_t *ret_must_leave)
{
    uint32_t members = lead_members(core);
    uint32_t lost = 0;
    *ret_must_leave = core->lead.reprove ? members : 0;
    if (core->lead.reprove)
        return members;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if ((members & (1u << i)) == 0 || (sync_is_growing(core, i) && !core_is_member(core, i)))
            continue;
        if (sync_is_lost_at_once(core, i) || sync_is_lost(core, i) || sync_is_unresolved(core, i))
            lost |= 1u << i;
        if ((lost & (1u << i)) != 0 && sync_must_leave(core, i))
            *ret_must_leave |= 1u << i;
    }
    return lost;
}

/* Its report may be older than what it was told, and a side that somebody has turned off goes on
 * acknowledging until its IO thread is restarted. */
bool sync_has_side(const struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    return f->replica_side || f->replica_side_active || (core->lead.told_side & (1u << node)) != 0;
}

/* Nodes that are no members and acknowledge all the same. */
uint32_t sync_surplus(const struct core *core)
{
    uint32_t surplus = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (i != core->self && (lead_members(core) & (1u << i)) == 0 && r != NULL &&
            core_is_fresh(core, i) && sync_has_side(core, i))
            surplus |= 1u << i;
    }
    return surplus;
}

/* Its old connection counts until the server notices that it is dead. */
uint32_t sync_kept_out(const struct core *core)
{
    return core->blocked == UINT32_MAX ? 0 : core->blocked;
}

/* Its agent says so, in this term. One that has started beside a server that does not answer knows
 * nothing yet. */
static bool sync_is_surely_off(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    return r != NULL && core_is_fresh(core, node) && r->term == core->term &&
           r->facts.flavour != SERVER_FLAVOUR_UNKNOWN && !sync_has_side(core, node);
}

/*
 * A candidate that is no member may have its side on as long as its agent does not say otherwise.
 * Its acknowledgement would end a commit in a member's place, and ending its connection is not
 * enough, since it connects again by itself.
 */
static bool sync_might_acknowledge(const struct core *core, unsigned node)
{
    return core->cfg->nodes[node].role == CONFIG_ROLE_CANDIDATE && !sync_is_surely_off(core, node);
}

/* It may hold what was cut here, under numbers that are in use again, and connects by itself. What
 * it holds does not matter while this server gives it a copy of its data (MySQL's CLONE). */
static bool sync_is_unseen(const struct core *core, unsigned node)
{
    uint32_t flags = core->record.flags[node];
    bool given = (flags & NODE_RECLONE) != 0 && core->lead.reclone[node].donor == core->self;
    return (flags & NODE_UNSEEN) != 0 && !given &&
           core->lead.repair[node].checked_epoch != core->record.epoch;
}

/* The kernel refuses both kinds until their agents are back. */
void sync_keep_out(struct core *core)
{
    uint32_t out = 0;
    /* A restarted agent has not replayed its log: it does not know yet that it is the writer. */
    if (!core->confirmed && core->blocked == UINT32_MAX)
        return;
    if (core->record.writer == core->self && !(core->is_leader && core->lead.barrier_done))
        return; /* as it was, until the record is known to be current or somebody else is the writer
                 */
    for (unsigned i = 0; core->record.writer == core->self && i < core->cfg->n_nodes; i++) {
        if (i != core->self && config_node_has_mysql(core->cfg, i) &&
            (sync_might_acknowledge(core, i) || sync_is_unseen(core, i)) &&
            (lead_members(core) & (1u << i)) == 0 && !sync_is_growing(core, i) &&
            !sync_is_leaving(core, i))
            out |= 1u << i;
    }
    if (out == core->blocked)
        return;
    if (out != 0 || core->blocked != UINT32_MAX)
        core_log(core, LOG_LEVEL_NOTICE, "block",
                 "nodes that might acknowledge unasked, or were not compared, are kept from the "
                 "server mask=%#x",
                 out);
    core->blocked = out;
    effects_add(core->fx, EFFECT_BLOCK)->mask = out;
}

/* A mysqld that has not come up acknowledges nothing, and comes up with its side off. */
static uint32_t sync_not_up(const struct core *core)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct report *r = core_report(core, i);
        if (r != NULL && (r->health == HEALTH_DEAD || r->health == HEALTH_STARTING))
            mask |= 1u << i;
    }
    return mask;
}

bool sync_counts_too_many(const struct core *core)
{
    unsigned count = lead_member_count(core);
    if (count == 0 || !core->facts.source_side)
        return false;
    return (sync_surplus(core) & ~sync_not_up(core)) != 0 ||
           (core->facts.flavour == SERVER_MYSQL && core->facts.wait_count > count);
}

/* It follows and could join, however far it is behind; a pause after a failure, or a look at it
 * that is under way, aside. */
static bool sync_is_fit(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    const struct server_facts *f;
    uint32_t bad =
        NODE_MAINTENANCE | NODE_QUARANTINED | NODE_NO_PROMOTE | NODE_FORMER | NODE_RECLONE;
    if (node == core->self || core->cfg->nodes[node].role != CONFIG_ROLE_CANDIDATE ||
        core->cfg->nodes[node].no_promote || (lead_members(core) & (1u << node)) != 0 ||
        (core->record.flags[node] & bad) != 0)
        return false;
    if (r == NULL || !core_is_fresh(core, node) || !health_is_good(r->health) ||
        slow_is_held(core, node) || core->lead.repair[node].checked_epoch != core->record.epoch)
        return false;
    /* It would acknowledge in a member's place before the count goes up: its side goes off first.
     */
    if (lead_members(core) != 0 && sync_has_side(core, node))
        return false;
    f = &r->facts;
    return f->io == THREAD_RUNNING && f->sql == THREAD_RUNNING &&
           f->flavour == core->facts.flavour &&
           strcmp(f->source_host, core->cfg->nodes[core->self].address) == 0 &&
           (f->settings & (SETTING_SEMI_SYNC | SETTING_ANONYMOUS | SETTING_BY_POSITION)) == 0 &&
           (core->facts.settings & SETTING_ANONYMOUS) == 0;
}

/* What has arrived is what counts for safety; what is not applied yet only makes a takeover longer.
 * Under load it is now near, now a little further away. */
static bool sync_is_near(const struct core *core, unsigned node)
{
    return sets_distance_received(&core->facts, &core_report(core, node)->facts) <=
           core->cfg->policy.grow_lag_trx_max;
}

static bool sync_may_grow(const struct core *core, unsigned node)
{
    return sync_is_fit(core, node) && sync_is_near(core, node) &&
           core->now_us >= core->lead.grow_not_before_us[node] &&
           core->lead.repair[node].ask == ASK_NONE;
}

/* Under strict the last member leaves only for another that can take its place at once: it cannot
 * join beside one that has gone, since commits would wait for both. */
static bool sync_has_heir(const struct core *core)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (sync_may_grow(core, i))
            return true;
    }
    return false;
}

bool sync_is_stranded(const struct core *core)
{
    bool stuck = core->cfg->policy.durability == CONFIG_DURABILITY_STRICT &&
                 lead_members(core) != 0 && !sync_has_heir(core);
    for (unsigned i = 0; i < core->cfg->n_nodes; i++)
        stuck = stuck && ((lead_members(core) & (1u << i)) == 0 || sync_is_stuck(core, i));
    return stuck;
}

uint32_t sync_lost_members(struct core *core, uint32_t *ret_may_leave)
{
    uint32_t must_leave;
    uint32_t lost = sync_lost(core, &must_leave);
    bool strict = core->cfg->policy.durability == CONFIG_DURABILITY_STRICT;
    bool last = (lead_members(core) & ~lost) == 0;
    *ret_may_leave = strict && last && !sync_has_heir(core) ? must_leave : lost;
    return lost;
}

unsigned sync_slow_member(struct core *core, bool *ret_may_leave)
{
    uint32_t may_leave;
    uint32_t lost = sync_lost_members(core, &may_leave);
    unsigned slow = slow_member(core, core->record.in_sync & ~lost);
    bool strict = core->cfg->policy.durability == CONFIG_DURABILITY_STRICT;
    *ret_may_leave = slow != NODE_NONE && (!strict || sync_has_heir(core) ||
                                           (lead_members(core) & ~lost & ~(1u << slow)) != 0);
    return slow;
}

unsigned sync_grow_candidate(const struct core *core)
{
    unsigned best = NODE_NONE;
    /* MariaDB waits for one acknowledgement, whoever gives it: one member at a time. */
    if (core->facts.flavour != SERVER_MYSQL && lead_members(core) != 0)
        return NODE_NONE;
    if (!core_may_write(core) || !health_is_good(core->health.state))
        return NODE_NONE;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (sync_may_grow(core, i) &&
            (best == NODE_NONE || core->cfg->nodes[i].priority > core->cfg->nodes[best].priority))
            best = i;
    }
    return best;
}

/* ---- the only member's place ---- */

void sync_watch_fit(struct core *core)
{
    struct lead *l = &core->lead;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (!sync_is_fit(core, i))
            l->fit_since_us[i] = 0;
        else if (l->fit_since_us[i] == 0)
            l->fit_since_us[i] = core->now_us;
    }
}

static unsigned sync_only_member(const struct core *core)
{
    uint32_t members = lead_members(core);
    if (core->facts.flavour != SERVER_MARIADB || members != core->record.in_sync ||
        __builtin_popcount(members) != 1)
        return NODE_NONE;
    return (unsigned)__builtin_ctz(members);
}

bool sync_may_replace(const struct core *core, unsigned node)
{
    unsigned member = sync_only_member(core);
    return member != NODE_NONE && node != member && node < core->cfg->n_nodes &&
           sync_is_fit(core, node) && sync_is_near(core, node);
}

/* For a moment nobody could take over: not while commits wait, nor twice in short order. */
static bool sync_is_calm(const struct core *core, unsigned member)
{
    const struct lead *l = &core->lead;
    int64_t delay_us = (int64_t)core->cfg->policy.preempt_delay_ms * 1000;
    return l->beat_bad_since_us == 0 && !l->slow.waits &&
           core->now_us - l->member_since_us[member] >= delay_us;
}

/* Twice as long after each attempt that failed. */
static bool sync_is_fit_long(const struct core *core, unsigned node)
{
    const struct lead *l = &core->lead;
    unsigned times =
        l->grow_failures[node] < SYNC_MOVE_DOUBLINGS ? l->grow_failures[node] : SYNC_MOVE_DOUBLINGS;
    int64_t delay_us = (int64_t)core->cfg->policy.preempt_delay_ms * 1000 << times;
    return l->fit_since_us[node] != 0 && core->now_us - l->fit_since_us[node] >= delay_us;
}

unsigned sync_move_candidate(const struct core *core)
{
    const struct config_node *nodes = core->cfg->nodes;
    unsigned member = sync_only_member(core);
    unsigned named = core->record.handover;
    unsigned best = member;
    if (member == NODE_NONE || !core_may_write(core) || !health_is_good(core->health.state))
        return NODE_NONE;
    if (named != NODE_NONE && named != core->self)
        return sync_may_replace(core, named) && sync_may_grow(core, named) ? named : NODE_NONE;
    if (core->quitting || !sync_is_calm(core, member))
        return NODE_NONE;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (sync_may_grow(core, i) && sync_is_fit_long(core, i) &&
            nodes[i].priority > nodes[best].priority)
            best = i;
    }
    return best != member ? best : NODE_NONE;
}

void sync_grow_ended(struct core *core, bool ok)
{
    struct lead *l = &core->lead;
    unsigned n = l->target;
    int64_t wait_us;
    if (ok) {
        l->grow_failures[n] = 0;
        return;
    }
    wait_us = backoff(SYNC_GROW_BACKOFF_US, SYNC_GROW_BACKOFF_MAX_US, l->grow_failures[n]);
    l->grow_failures[n]++;
    l->grow_not_before_us[n] = core->now_us + wait_us;
    l->fit_since_us[n] = 0;
    /* Not a member and nothing proposed: nobody may wait for it. The side on the node is put right
     * by repair, the writer's by table `writer` (drift, or a count that is too high). */
}
