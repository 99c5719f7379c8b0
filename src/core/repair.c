/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reconcile: the leader compares what every node should be with what it reports and
 * makes one request per node at a time. A node is attached only after its own set and then the
 * writer's were read: what it holds alone must not be there (S7). What seems extra must persist,
 * since a report may be older than a commit that is just ending.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/cure.h"
#include "core/parent.h"
#include "core/procs.h"
#include "core/rejoin.h"
#include "core/repair.h"
#include "core/sets.h"
#include "util/backoff.h"
#include "wire/tail.h"

#define REPAIR_RETRY_US 500000
#define REPAIR_RETRY_MAX_US 30000000
#define REPAIR_RECHECK_US 20000000
#define REPAIR_FLAG_US 10000
#define REPAIR_EXTRA_US 2500000
#define REPAIR_START_RETRY_US 5000000
#define REPAIR_APPLY_TRIES 5
#define REPAIR_LOCK_REST_US 5000000
#define REPAIR_LOCK_REST_MAX_US 300000000

static struct repair *repair_of(struct core *core, unsigned node)
{
    return &core->lead.repair[node];
}

void repair_state(struct core *core, unsigned node, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(repair_of(core, node)->state, REASON_TEXT_MAX, fmt, ap);
    va_end(ap);
}

void repair_retry(struct core *core, unsigned node)
{
    struct repair *r = repair_of(core, node);
    r->not_before_us = core->now_us + backoff(REPAIR_RETRY_US, REPAIR_RETRY_MAX_US, r->failures);
    r->failures++;
    r->stage = REPAIR_IDLE;
}

void repair_ask(struct core *core, unsigned node, enum repair_stage stage, unsigned whom,
                const struct job *job)
{
    struct repair *r = repair_of(core, node);
    ask_drop(core, &r->ask);
    r->ask = ask_send(core, whom, job);
    r->stage = stage;
}

static void repair_simple(struct core *core, unsigned node, int kind, bool flag)
{
    struct job j = lead_job(core, kind);
    j.flag = flag;
    j.count = 1;
    repair_state(core, node, "%s", job_kind_text(kind));
    repair_ask(core, node, REPAIR_SIMPLE, node, &j);
}

/* ---- flags ---- */

void repair_flag(struct core *core, unsigned node, uint32_t set, uint32_t clear, const char *why)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_FLAGS;
    e.node = (uint8_t)node;
    e.set = set;
    e.clear = clear;
    (void)snprintf(e.text, sizeof e.text, "%s", why);
    if (!lead_propose(core, &e))
        return;
    repair_of(core, node)->not_before_us = core->now_us + REPAIR_RETRY_US;
    core_log(core, (set & NODE_QUARANTINED) != 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_NOTICE,
             (set & NODE_QUARANTINED) != 0 ? "quarantined" : "node-flags",
             "node=%s set=%#x clear=%#x why='%s'", core_name(core, node), set, clear, why);
}

/* ---- dead servers ---- */

static void repair_start(struct core *core, unsigned node)
{
    struct job j = lead_job(core, JOB_START);
    j.timeout_ms = core->cfg->policy.start_timeout_ms;
    repair_state(core, node, "starting mysqld");
    repair_ask(core, node, REPAIR_START, node, &j);
}

/* 5.3: the last writer of an ended epoch, killed and not started since. */
static void repair_rewind(struct core *core, unsigned node)
{
    const struct promotion *p = record_promotion_after(&core->record, node);
    struct job j = lead_job(core, JOB_REWIND);
    if (core->lead.phase != LEAD_STEADY || !core->have_facts)
        return;
    j.timeout_ms = core->cfg->policy.start_timeout_ms;
    j.flag = p != NULL && record_clean_since(&core->record, p);
    j.epoch = p != NULL ? p->old_epoch : 0;
    if (p != NULL)
        memcpy(j.gtid, p->seal, sizeof j.gtid);
    memcpy(j.gtid2, core->facts.executed, sizeof j.gtid2);
    repair_state(core, node, "rewinding the binlog");
    repair_ask(core, node, REPAIR_REWIND, node, &j);
}

/*
 * Its server ends by itself whenever it is started. True: its data is replaced, or about to be.
 * Otherwise it is started now and then for ever: whoever cures the reason need not tell anybody.
 */
static bool repair_cannot_start(struct core *core, unsigned node)
{
    const struct report *report = core_report(core, node);
    struct repair *r = repair_of(core, node);
    const struct rule *rule;
    if (!cure_does_not_start(report) || core->lead.phase != LEAD_STEADY || !core_may_write(core) ||
        node == core->record.writer)
        return false;
    rule = cure_decide_start(core, node);
    if (r->told_epoch != core->record.epoch || r->told_cure != rule->id)
        core_log(core, LOG_LEVEL_ERROR, "node-does-not-start",
                 "the server ends by itself whenever it is started node=%s failed=%u verdict=%s "
                 "rule=cure/%u why='%s' said='%s'",
                 core_name(core, node), report->starts.failed,
                 cure_table.verdict_names[rule->verdict], rule->id, rule->text,
                 report->starts.line);
    r->told_epoch = core->record.epoch;
    r->told_cure = rule->id;
    repair_state(core, node, "%s", rule->text);
    if (rule->verdict != CURE_RECLONE)
        return false;
    rejoin_reclone(core, node, &cure_table, rule, NODE_KEEP_OLD);
    return true;
}

static void repair_dead(struct core *core, unsigned node)
{
    const struct report *report = core_report(core, node);
    uint32_t flags = core->record.flags[node];
    if (core->record.handover == node && core->record.handover_forced) {
        repair_start(core, node); /* an operator wants it as it is */
        return;
    }
    if (repair_cannot_start(core, node))
        return;
    if ((flags & NODE_QUARANTINED) != 0) {
        if (rejoin_wants_start(core, node))
            repair_start(core, node);
        return;
    }
    if (node == core->record.writer)
        return; /* table `lead` decides where and how the last writer starts */
    if ((flags & NODE_FORMER) != 0 && rejoin_must_wait(core, node))
        repair_state(core, node, "rejoin = manual: waits for `tandem rejoin %s`",
                     core_name(core, node));
    else if ((flags & NODE_FORMER) != 0 && !report->ended_cleanly &&
             !repair_of(core, node)->rewound)
        repair_rewind(core, node);
    else
        repair_start(core, node);
}

/* ---- attach ---- */

/* A node that is to follow somebody else is stopped first: what it still received or applied after
 * the look would be attached unseen. */
static void repair_check(struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    bool moves = f->channel && !parent_is(core, node, parent_of(core, node)) &&
                 (f->io != THREAD_STOPPED || f->sql != THREAD_STOPPED);
    struct job j = lead_job(core, moves ? JOB_DETACH : JOB_FACTS);
    if (moves)
        parent_tell_left(core, node);
    repair_state(core, node, "comparing its transactions with the writer's");
    repair_ask(core, node, REPAIR_CHECK_NODE, node, &j);
}

/* as_it_is: nothing is wrong with what its applier has received. */
static void repair_attach(struct core *core, unsigned node, unsigned parent, bool as_it_is)
{
    struct job j = lead_job(core, JOB_ATTACH);
    j.count = as_it_is;
    memcpy(j.host, core->cfg->nodes[parent].address, sizeof j.host);
    j.port = core->cfg->nodes[parent].mysql.port;
    /* What is received and cannot be applied may be thrown away only if the source has it. */
    memcpy(j.gtid, core_report(core, parent)->facts.executed, sizeof j.gtid);
    repair_state(core, node, "attaching to %s", core_name(core, parent));
    repair_ask(core, node, REPAIR_ATTACH, node, &j);
}

/* Its source has purged what it needs: it follows another one, until it has caught up. */
static void repair_reparent(struct core *core, unsigned node, unsigned parent)
{
    repair_of(core, node)->purged |= 1u << parent;
    repair_attach(core, node, cure_source(core, node), /* as_it_is= */ false);
}

/* Whoever held the lock may be gone by now. */
static void repair_start_applier(struct core *core, unsigned node, unsigned parent)
{
    struct repair *r = repair_of(core, node);
    r->lock_rest_us =
        core->now_us + backoff(REPAIR_LOCK_REST_US, REPAIR_LOCK_REST_MAX_US, r->lock_starts);
    r->lock_starts++;
    repair_attach(core, node, parent, /* as_it_is= */ true);
}

/* What it has executed since is another place, where it may be held up anew. */
static void repair_watch_lock(struct core *core, unsigned node)
{
    struct repair *r = repair_of(core, node);
    const struct server_facts *f = &core_report(core, node)->facts;
    if (!cure_is_locked(f) || strcmp(r->lock_at, f->executed) == 0)
        return;
    _Static_assert(sizeof r->lock_at == sizeof f->executed, "one is copied into the other");
    memcpy(r->lock_at, f->executed, sizeof r->lock_at);
    r->lock_starts = 0;
    r->lock_rest_us = 0;
}

/* It seems to hold something of its own; only what persists is believed. */
static void repair_is_extra(struct core *core, unsigned node, const char *extra)
{
    struct repair *r = repair_of(core, node);
    char why[RECORD_WHY_MAX];
    if (r->extra_since_us == 0)
        r->extra_since_us = core->now_us;
    repair_state(core, node, "extra: holds %.60s, the writer does not", extra);
    if (core->now_us - r->extra_since_us > REPAIR_EXTRA_US) {
        (void)snprintf(why, sizeof why, "holds transactions that the writer lacks: %.120s", extra);
        repair_flag(core, node, NODE_QUARANTINED, 0, why);
    }
    r->not_before_us = core->now_us + REPAIR_RETRY_US;
}

/* Of a member, or one that is becoming it, nothing may be restarted. */
static bool repair_is_bound(const struct core *core, unsigned node)
{
    return sync_is_growing(core, node) || (lead_members(core) & (1u << node)) != 0;
}

/* Starting the threads again does not help, or not by itself; what is not cured is looked at again
 * in a while. */
static void repair_broken(struct core *core, unsigned node, unsigned parent)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    struct repair *r = repair_of(core, node);
    const struct rule *rule;
    unsigned number = f->sql_errno != 0 ? f->sql_errno : f->io_errno;
    char twin[REASON_TEXT_MAX];
    repair_watch_lock(core, node);
    rule = cure_decide(core, node, parent);
    if (r->told_epoch != core->record.epoch || r->told_cure != rule->id)
        core_log(core, rule->verdict == CURE_TELL ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
                 "replication-broken",
                 "replication stopped node=%s what='%s' sql_errno=%u io_errno=%u verdict=%s "
                 "rule=cure/%u error='%s'",
                 core_name(core, node), cure_name_of(core, node), f->sql_errno, f->io_errno,
                 cure_table.verdict_names[rule->verdict], rule->id, f->error);
    r->told_epoch = core->record.epoch;
    r->told_cure = rule->id;
    if (cure_twin_text(core, node, twin, sizeof twin))
        repair_state(core, node, "%s", twin);
    else
        repair_state(core, node, "replication stopped with error %u, %s: %.40s", number,
                     cure_name(f), f->error);
    r->not_before_us = core->now_us + REPAIR_START_RETRY_US;
    if (rule->verdict == CURE_REFETCH) {
        r->old_error = false; /* what stops it after this is another matter */
        repair_attach(core, node, parent, /* as_it_is= */ false);
    } else if (rule->verdict == CURE_START)
        repair_start_applier(core, node, parent);
    else if (rule->verdict == CURE_REPARENT)
        repair_reparent(core, node, parent);
    else if (rule->verdict == CURE_RECLONE)
        rejoin_reclone(core, node, &cure_table, rule,
                       cure_data_differs(f) ? (uint32_t)NODE_KEEP_OLD : 0);
    else if (cure_may_pass(core, node) && !repair_is_bound(core, node))
        repair_attach(core, node, parent, /* as_it_is= */ false);
}

/* A former writer that was found to be a subset of its successor is former no more before it
 * follows: what it would receive from then on lies behind the seal, and a rewind would refuse. */
static void repair_settle(struct core *core, unsigned node, unsigned parent)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    struct repair *r = repair_of(core, node);
    r->checked_epoch = core->record.epoch;
    r->checked_us = core->now_us;
    sync_keep_out(core); /* before it is told to connect */
    if ((core->record.flags[node] & NODE_FORMER) != 0) {
        repair_flag(core, node, 0, NODE_FORMER | NODE_UNSEEN | NODE_REJOIN | NODE_DISCARD, "");
        r->not_before_us = core->now_us + REPAIR_FLAG_US;
    } else if (parent_is(core, node, parent) && cure_is_broken(f)) {
        repair_broken(core, node, parent);
    } else if ((!parent_is(core, node, parent) || f->io != THREAD_RUNNING ||
                f->sql != THREAD_RUNNING || (f->settings & SETTING_BY_POSITION) != 0) &&
               !repair_is_bound(core, node)) {
        repair_attach(core, node, parent, /* as_it_is= */ false);
    }
}

/* It holds what was cut off at a promotion that it did not see. */
static bool repair_is_branched(const struct core *core, unsigned node, char *ret_text, size_t size)
{
    const struct server_facts *seen = &core->lead.repair[node].seen;
    for (unsigned i = 0; i < core->record.n_promotions; i++) {
        const struct promotion *p = &core->record.promotions[i];
        if (p->seal[0] == '\0' || sets_on_line(seen, p->seal))
            continue;
        (void)snprintf(ret_text, size, "a branch that ended with epoch %llu, of %.200s",
                       (unsigned long long)p->old_epoch, seen->executed);
        return true;
    }
    return false;
}

/* Reads: the node first, then the writer, so that the writer can only have more; then the parent
 * likewise. */
static void repair_checked(struct core *core, unsigned node)
{
    struct repair *r = repair_of(core, node);
    unsigned parent = parent_of(core, node);
    char extra[DETAIL_TEXT_MAX];
    r->unsure = sets_extra(&r->seen, &core->facts, extra, sizeof extra);
    if (repair_is_branched(core, node, extra, sizeof extra) ||
        (r->unsure && !sets_may_wait(&core->facts, extra))) {
        repair_is_extra(core, node, extra);
        return;
    }
    r->extra_since_us = 0;
    if (parent != core->record.writer) {
        struct job j = lead_job(core, JOB_FACTS);
        repair_ask(core, node, REPAIR_CHECK_PARENT, parent, &j);
        return;
    }
    repair_settle(core, node, parent);
}

static void repair_parent_checked(struct core *core, unsigned node, const struct answer *a)
{
    unsigned parent = parent_of(core, node);
    const struct server_facts *seen = &repair_of(core, node)->seen;
    bool covers = a->result.outcome == JOB_DONE &&
                  sets_cover(seen->flavour, a->facts.executed, seen->executed);
    repair_settle(core, node, covers ? parent : core->record.writer);
}

/* A member that was restarted, stopped or repointed may not replicate before its removal is
 * committed: starting the threads may throw acknowledged events away, and the record still says
 * that it has them. */
static bool repair_must_wait_for_shrink(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    const struct server_facts *f = &r->facts;
    return (lead_members(core) & (1u << node)) != 0 &&
           (!incarnation_equal(&r->incarnation, &core->record.member[node]) ||
            f->io == THREAD_STOPPED || f->sql == THREAD_STOPPED ||
            !parent_is(core, node, core->self));
}

static bool repair_is_checked(struct core *core, unsigned node)
{
    const struct repair *r = repair_of(core, node);
    return r->checked_epoch == core->record.epoch &&
           core->now_us - r->checked_us < (r->unsure ? REPAIR_EXTRA_US : REPAIR_RECHECK_US);
}

/* It follows the right source, by file and position. Bound, it goes on like that. */
static bool repair_should_follow_by_gtid(const struct core *core, unsigned node)
{
    return (core_report(core, node)->facts.settings & SETTING_BY_POSITION) != 0 &&
           !repair_is_bound(core, node);
}

static void repair_replica(struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    unsigned parent = parent_of(core, node);
    bool growing = repair_is_bound(core, node) && (lead_members(core) & (1u << node)) == 0;
    bool checked = repair_is_checked(core, node);
    if (core->lead.phase != LEAD_STEADY || repair_must_wait_for_shrink(core, node) || growing)
        return;
    /* An old writer that is still writable: its own fence ends it. Switching its source side off
     * would commit what waits there. */
    if (!f->read_only)
        return;
    /* What waits in a replica is its applier, which would wait for ever. */
    if (f->source_side && (f->wait_sessions == 0 || (f->channel && f->sql == THREAD_RUNNING))) {
        repair_simple(core, node, JOB_SOURCE_SIDE, /* flag= */ false);
        return;
    }
    /* Before it is attached: until its side is surely off the kernel keeps it out, and it could not
     * connect. */
    if (sync_has_side(core, node) && (lead_members(core) & (1u << node)) == 0 &&
        !sync_is_leaving(core, node) && !cure_is_broken(f)) {
        repair_simple(core, node, JOB_REPLICA_SIDE, /* flag= */ false);
        return;
    }
    /* Nothing says what such a server holds, so nothing would stop it from being attached wrongly.
     */
    if (((f->settings | core->facts.settings) & SETTING_ANONYMOUS) != 0) {
        repair_state(core, node, "not attached: the transactions of %s have no GTID",
                     core_name(core, (f->settings & SETTING_ANONYMOUS) != 0 ? node : core->self));
        return;
    }
    /* A channel of an earlier epoch connects again by itself, and people write by hand: all are
     * looked at, whatever they follow. */
    if (!parent_is(core, node, parent) || !checked ||
        (core->record.flags[node] & NODE_FORMER) != 0) {
        repair_check(core, node);
        return;
    }
    if (f->io == THREAD_STOPPED || f->sql == THREAD_STOPPED || cure_is_broken(f) ||
        repair_should_follow_by_gtid(core, node) || core->lead.grow_failures[node] > 1) {
        repair_check(core, node);
        return;
    }
    /* MariaDB's twins push each other out every second and connect again, without an error that
     * anybody could read. */
    if (cure_twin(core, node) != NODE_NONE) {
        repair_broken(core, node, parent);
        return;
    }
    repair_state(core, node, "%s", "");
    repair_of(core, node)->failures = 0;
    /* It has what its own source could not give it any more. */
    if (f->io == THREAD_RUNNING && f->sql == THREAD_RUNNING &&
        sets_distance(&core->facts, f) <= core->cfg->policy.grow_lag_trx_max)
        repair_of(core, node)->purged = 0;
    /* So that a leader that starts anew need not look again; it can wait until all is attached. */
    if ((core->record.flags[node] & NODE_UNSEEN) != 0)
        repair_flag(core, node, 0, NODE_UNSEEN, core->record.why[node]);
}

static void repair_quarantined(struct core *core, unsigned node)
{
    const struct server_facts *f = &core_report(core, node)->facts;
    /* MySQL keeps a relay log that is not applied; what is in it shows, and can be copied, when it
     * is, however long that takes. One whose applier does not start stays as it is. */
    bool starts = f->sql != THREAD_STOPPED || repair_of(core, node)->failures < REPAIR_APPLY_TRIES;
    bool applies =
        f->flavour == SERVER_MYSQL && f->channel && !f->drained && f->sql_errno == 0 && starts;
    if (f->io != THREAD_STOPPED || (f->sql != THREAD_STOPPED && !applies)) {
        repair_simple(core, node, JOB_DETACH, /* flag= */ false);
        return;
    }
    if (applies) {
        repair_simple(core, node, JOB_DRAIN, /* flag= */ false);
        return;
    }
    rejoin_run(core, node);
}

/* ---- outcomes ---- */

/* What a refused rewind has saved, and its class by the reason of the refusal. A promise that may
 * have been given is one whether or not all of it could be saved. */
static uint32_t repair_refused_tail(const struct answer *a)
{
    uint32_t saved = a->result.path[0] != '\0' ? (uint32_t)NODE_SALVAGED : 0u;
    if (a->result.evidence == TAIL_POSSIBLE)
        return saved | NODE_TAIL_POSSIBLE;
    return saved != 0 && a->result.evidence == TAIL_NEVER ? saved | NODE_TAIL_NEVER : saved;
}

static void repair_rewound(struct core *core, unsigned node, const struct answer *a)
{
    struct repair *r = repair_of(core, node);
    char why[RECORD_WHY_MAX];
    if (a->result.outcome != JOB_DONE && a->result.outcome != JOB_REFUSED) {
        repair_retry(core, node);
        return;
    }
    r->stage = REPAIR_IDLE;
    if (a->result.outcome == JOB_DONE) {
        r->rewound = true;
        core_log(core, LOG_LEVEL_NOTICE, "rewound",
                 "binlog tail cut node=%s transactions=%u salvage='%s'", core_name(core, node),
                 a->result.count, a->result.path);
        repair_start(core, node);
        return;
    }
    (void)snprintf(why, sizeof why, "rewind refused: %.70s", a->result.detail);
    repair_flag(core, node, NODE_QUARANTINED | repair_refused_tail(a), 0, why);
}

/* What was cut is saved; whether it is gone from the data, no set will tell. */
static void repair_unproven(struct core *core, unsigned node, const char *detail)
{
    char why[RECORD_WHY_MAX];
    (void)snprintf(why, sizeof why, "rewind not proven: %.110s", detail);
    repair_flag(core, node, NODE_QUARANTINED | NODE_SALVAGED | NODE_UNPROVEN, 0, why);
}

static const char *repair_xa_text(const struct server_facts *f)
{
    return f->xa_prepared == XA_PREPARED_UNKNOWN
               ? "recovery-xa: whether prepared XA transactions are left is not known"
               : "recovery-xa: prepared XA transactions are left";
}

/* A start after a cut is done only if recovery proved that nothing cut had been committed. */
static void repair_started(struct core *core, unsigned node, const struct answer *a)
{
    struct repair *r = repair_of(core, node);
    bool refused = a->result.outcome == JOB_REFUSED;
    if (a->result.outcome != JOB_DONE && !refused) {
        if (core->have_facts && cure_does_not_start(core_report(core, node)))
            repair_state(core, node, "%s", cure_decide_start(core, node)->text);
        else
            repair_state(core, node, "start failed: %.60s", a->result.detail);
        repair_retry(core, node);
        return;
    }
    r->stage = REPAIR_IDLE;
    if (refused || (r->rewound && a->facts.xa_prepared != 0))
        repair_unproven(core, node, refused ? a->result.detail : repair_xa_text(&a->facts));
    r->rewound = false;
}

static void repair_attached(struct core *core, unsigned node, const struct answer *a,
                            int64_t sent_us)
{
    struct repair *r = repair_of(core, node);
    /* The leader, or the agent, that saw the start after the cut is not the one of today. */
    if (a->result.outcome == JOB_REFUSED && a->result.evidence != 0) {
        r->stage = REPAIR_IDLE;
        repair_unproven(core, node, a->result.detail);
        return;
    }
    if (a->result.outcome != JOB_DONE) {
        repair_state(core, node, "attach failed: %.60s", a->result.detail);
        repair_retry(core, node);
        return;
    }
    r->stage = REPAIR_IDLE;
    r->failures = 0;
    r->old_error = false;
    r->not_before_us = core->now_us + REPAIR_RETRY_US;
    lead_mark_tail(core, "repoint", node, sent_us, a->facts.source_host);
    core_log(core, LOG_LEVEL_NOTICE, "attached", "node follows node=%s source=%s",
             core_name(core, node), a->facts.source_host);
}

/* What lies in its relay log is applied before it moves, and may be what nobody else has. A server
 * that goes on under its own source has it from there. MariaDB has applied all when it is detached,
 * unless its applier was stopped by hand: then it can be applied no more, and what the writer lacks
 * of it came from a branch that was cut off. */
static void repair_see(struct core *core, unsigned node, const struct server_facts *f)
{
    struct server_facts *seen = &repair_of(core, node)->seen;
    bool goes_on = parent_is(core, node, parent_of(core, node)) && f->io != THREAD_STOPPED;
    bool stopped = f->io == THREAD_STOPPED && f->sql == THREAD_STOPPED && !f->drained;
    *seen = *f;
    if (!goes_on && f->flavour == SERVER_MYSQL)
        memcpy(seen->executed, sets_received(f), sizeof seen->executed);
    /* A position: its binlog state holds what it has written itself. */
    if (!goes_on && f->flavour == SERVER_MARIADB && stopped && f->received[0] != '\0')
        memcpy(seen->applied, f->received, sizeof seen->applied);
}

static void repair_answered(struct core *core, unsigned node, int slot)
{
    struct repair *r = repair_of(core, node);
    const struct answer *a = ask_answer(core, slot);
    struct job facts = lead_job(core, JOB_FACTS);
    switch (r->stage) {
    case REPAIR_CHECK_NODE:
        repair_see(core, node, &a->facts);
        if (a->result.outcome != JOB_DONE)
            repair_retry(core, node);
        else
            repair_ask(core, node, REPAIR_CHECK_WRITER, core->self, &facts);
        return;
    case REPAIR_CHECK_WRITER:
        r->stage = REPAIR_IDLE;
        if (a->result.outcome != JOB_DONE)
            repair_retry(core, node);
        else
            repair_checked(core, node);
        return;
    case REPAIR_CHECK_PARENT:
        r->stage = REPAIR_IDLE;
        repair_parent_checked(core, node, a);
        return;
    case REPAIR_ATTACH:
        repair_attached(core, node, a, core->asks.list[slot].sent_us);
        return;
    case REPAIR_REWIND:
        repair_rewound(core, node, a);
        return;
    case REPAIR_START:
        repair_started(core, node, a);
        return;
    case REPAIR_INSPECT:
    case REPAIR_SALVAGE:
    case REPAIR_UNDO:
        rejoin_answered(core, node, r->stage, a);
        return;
    default:
        r->stage = REPAIR_IDLE;
        if (a->result.outcome != JOB_DONE)
            repair_retry(core, node);
        else
            r->not_before_us = core->now_us + REPAIR_RETRY_US;
    }
}

/* ---- the loop ---- */

static void repair_self(struct core *core)
{
    struct repair *r = repair_of(core, core->self);
    if (core->health.state == HEALTH_DEAD && core->lead.phase == LEAD_CARETAKER) {
        repair_dead(core, core->self);
        return;
    }
    if (core->lead.phase != LEAD_STEADY || !core_may_write(core) || core->now_us < r->not_before_us)
        return;
    if (core->facts.channel)
        repair_simple(core, core->self, JOB_FORGET, takeover_forget_job(core).flag);
    else if (core->facts.replica_side)
        repair_simple(core, core->self, JOB_REPLICA_SIDE, /* flag= */ false);
    else
        repair_state(core, core->self, "%s", "");
}

static void repair_node(struct core *core, unsigned node)
{
    const struct report *report = core_report(core, node);
    if (report == NULL || !core_is_fresh(core, node) || report->term != core->term)
        return;
    if ((core->record.flags[node] & NODE_MAINTENANCE) != 0) {
        repair_state(core, node, "in maintenance");
        return;
    }
    if ((core->record.flags[node] & NODE_QUARANTINED) == 0)
        rejoin_forget(core, node);
    if (report->health == HEALTH_DEAD)
        repair_dead(core, node);
    else if (!health_is_good(report->health) || node == core->record.writer)
        return;
    else if ((core->record.flags[node] & NODE_QUARANTINED) != 0)
        repair_quarantined(core, node);
    else
        repair_replica(core, node);
}

/* Of the open writer itself too: it may have been promoted by force in spite of such an order. */
static bool repair_is_recloned(struct core *core, unsigned node)
{
    return (node != core->self || core->lead.phase == LEAD_STEADY) && reclone_run(core, node);
}

void repair_run(struct core *core)
{
    if (core->record.paused)
        return;
    parent_watch(core);
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        struct repair *r = repair_of(core, i);
        if (!config_node_has_mysql(core->cfg, i) ||
            (r->ask != ASK_NONE && !ask_is_over(core, r->ask)))
            continue;
        if (r->ask != ASK_NONE) {
            /* Kept until it is judged: what follows may send the next request at once. */
            int slot = r->ask;
            r->ask = ASK_NONE;
            repair_answered(core, i, slot);
            ask_drop(core, &slot);
            continue;
        }
        if (repair_is_recloned(core, i))
            continue;
        if (core->now_us < r->not_before_us)
            continue;
        if (i == core->self)
            repair_self(core);
        else
            repair_node(core, i);
    }
}
