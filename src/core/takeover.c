/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover and reopen (docs/design/overview.md).
 *
 * The order of the takeover is the safety argument: seal before drain (an acknowledgement given
 * after the drain's last look would be lost), drain before level and forget (both may throw the
 * relay log away), commit before open (nobody else may believe in an older writer), open before
 * publish.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/procs.h"
#include "core/sets.h"

#define TAKEOVER_SEAL_OTHERS_MS 200

/* ---- helpers shared by all procedures ---- */

void proc_ask(struct core *core, const struct job *job)
{
    ask_drop(core, &core->lead.slot);
    core->lead.slot = ask_send(core, core->self, job);
}

enum step_verdict proc_await(struct core *core, struct proc *p)
{
    const struct answer *a;
    if (!ask_is_over(core, core->lead.slot))
        return STEP_WAIT;
    a = ask_answer(core, core->lead.slot);
    if (a->result.outcome != JOB_DONE)
        return proc_fail(p, "%s %s: %.60s", job_kind_text(a->kind),
                         job_outcome_text(a->result.outcome), a->result.detail);
    return STEP_NEXT;
}

enum step_verdict proc_await_goal(struct core *core, struct proc *p)
{
    enum step_verdict v = proc_await(core, p);
    if (v == STEP_NEXT)
        memcpy(core->lead.goal, ask_answer(core, core->lead.slot)->facts.executed,
               sizeof core->lead.goal);
    return v;
}

enum step_verdict proc_commit(struct core *core, struct proc *p, struct entry *e)
{
    const struct proposal *pr = &core->lead.proposal;
    if (!core->lead.goal_set) {
        /* Repair may have one under way; it ends by itself. */
        if (lead_propose(core, e))
            core->lead.goal_set = true;
        return STEP_WAIT;
    }
    if (pr->pending)
        return STEP_WAIT;
    core->lead.goal_set = false;
    if (pr->err != 0)
        return proc_fail(p, "commit of %s: %s", entry_kind_text(e->kind), err_text(pr->err));
    if (!pr->accepted)
        return proc_fail(p, "commit of %s: another change came first", entry_kind_text(e->kind));
    return STEP_NEXT;
}

/* ---- takeover ---- */

/* A forced promotion waits until the lease of whoever led before has ended (S1 rests on clocks
 * there). */
static enum step_verdict takeover_wait(struct core *core, struct proc *p)
{
    const struct config_arbiter *a = &core->cfg->arbiter;
    int64_t until_us =
        core->lead.elected_us + (int64_t)(a->election_timeout_ms + a->margin_ms) * 1000;
    (void)p;
    if (!core->lead.forced)
        return STEP_NEXT;
    return core->now_us >= until_us ? STEP_NEXT : STEP_WAIT;
}

static bool takeover_is_direct_replica(const struct core *core, unsigned node)
{
    const struct report *r = core_report(core, node);
    unsigned old = core->record.writer;
    if (node == core->self || node == old || old == NODE_NONE || r == NULL || !core->view[node].up)
        return false;
    return health_is_good(r->health) && r->facts.channel &&
           strcmp(r->facts.source_host, core->cfg->nodes[old].address) == 0;
}

/* Whoever accepted loss has accepted that of a relay log which the server cannot apply any more. */
static enum step_verdict takeover_await(struct core *core, struct proc *p)
{
    const struct answer *a;
    bool refused;
    if (!core->lead.forced || !ask_is_over(core, core->lead.slot))
        return proc_await(core, p);
    a = ask_answer(core, core->lead.slot);
    refused = a->result.outcome == JOB_REFUSED || a->result.outcome == JOB_FAILED;
    if (!refused)
        return proc_await(core, p);
    proc_note(p, "given up: %.70s", a->result.detail);
    return STEP_NEXT;
}

/* With its source side on (somebody switched it on, or it was the writer and went into maintenance)
 * the applier would wait for acknowledgements, and neither drain nor level end. What a client of
 * its own last epoch still waits for stays, since this server becomes the writer. */
static void takeover_ask(struct core *core, int kind)
{
    const struct server_facts *f = &core->facts;
    bool stalled = core->have_facts && f->source_side && f->read_only;
    struct job j = lead_job(core, stalled ? JOB_SOURCE_SIDE : kind);
    if (j.kind == JOB_DRAIN)
        j.timeout_ms = core->cfg->policy.drain_timeout_ms;
    proc_ask(core, &j);
}

/* That was done first: now what was wanted. */
static bool takeover_asks_again(struct core *core, int kind)
{
    if (!ask_is_done(core, core->lead.slot) || ask_answer(core, core->lead.slot)->kind == kind)
        return false;
    takeover_ask(core, kind);
    return true;
}

static enum step_verdict takeover_seal(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    if (proc_first(p)) {
        struct job j = lead_job(core, JOB_SEAL);
        takeover_ask(core, JOB_SEAL);
        j.timeout_ms = TAKEOVER_SEAL_OTHERS_MS;
        for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
            if (takeover_is_direct_replica(core, i))
                l->slots[i] = ask_send(core, i, &j);
        }
    }
    return takeover_asks_again(core, JOB_SEAL) ? STEP_WAIT : takeover_await(core, p);
}

/* What was proven in the in-sync set was proven of one run of mysqld. */
static bool takeover_is_another(const struct core *core, const struct incarnation *i)
{
    return !core->lead.forced && !core->lead.first &&
           !incarnation_equal(i, &core->record.member[core->self]);
}

/* A drain is never cut short: it is asked for again as long as it makes its way. */
static enum step_verdict takeover_drain(struct core *core, struct proc *p)
{
    const struct answer *a;
    if (proc_first(p))
        takeover_ask(core, JOB_DRAIN);
    if (!ask_is_over(core, core->lead.slot) || takeover_asks_again(core, JOB_DRAIN))
        return STEP_WAIT;
    a = ask_answer(core, core->lead.slot);
    if (a->result.outcome == JOB_TIMEOUT && health_is_good(core->health.state) &&
        a->facts.sql_errno == 0) {
        core_log(core, LOG_LEVEL_WARNING, "draining",
                 "still applying what was received lag_s=%d executed=%s", a->facts.lag_s,
                 a->facts.executed);
        takeover_ask(core, JOB_DRAIN);
        return STEP_WAIT;
    }
    if (takeover_is_another(core, &a->incarnation))
        return proc_fail(p, "mysqld was restarted during the takeover");
    memcpy(core->lead.goal, a->facts.executed, sizeof core->lead.goal);
    return takeover_await(core, p);
}

static bool takeover_others_sealed(const struct core *core)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        if (!ask_is_over(core, core->lead.slots[i]))
            return false;
    }
    return true;
}

/* The sealed replica that received most beyond this node; NODE_NONE if none is ahead. */
static unsigned takeover_ahead(const struct core *core)
{
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        int slot = core->lead.slots[i];
        const struct server_facts *f;
        if (slot == ASK_NONE || !ask_is_done(core, slot))
            continue;
        f = &ask_answer(core, slot)->facts;
        if (f->flavour == core->facts.flavour &&
            !sets_cover(f->flavour, core->facts.executed, sets_received(f)))
            return i;
    }
    return NODE_NONE;
}

/* An asynchronous replica may have run ahead: what it has, nobody was promised, but it can be kept.
 * A replica that cannot be levelled in time becomes `extra` and is found by repair before it is
 * attached. */
static enum step_verdict takeover_level(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    unsigned ahead;
    if (!takeover_others_sealed(core))
        return STEP_WAIT;
    if (l->slot2 != ASK_NONE) {
        if (!ask_is_over(core, l->slot2))
            return STEP_WAIT;
        proc_note(p, "%s from %s", job_outcome_text(ask_answer(core, l->slot2)->result.outcome),
                  core_name(core, l->target));
        ask_drop(core, &l->slots[l->target]);
        ask_drop(core, &l->slot2);
    }
    ahead = takeover_ahead(core);
    if (ahead == NODE_NONE)
        return STEP_NEXT;
    struct job j = lead_job(core, JOB_LEVEL);
    j.timeout_ms = core->cfg->policy.level_timeout_ms;
    memcpy(j.host, core->cfg->nodes[ahead].address, sizeof j.host);
    j.port = core->cfg->nodes[ahead].mysql.port;
    memcpy(j.gtid, sets_received(&ask_answer(core, l->slots[ahead])->facts), sizeof j.gtid);
    l->target = ahead;
    l->slot2 = ask_send(core, core->self, &j);
    return STEP_WAIT;
}

/* Of a writer that was promoted with accepted loss a relay log may be left that its server cannot
 * apply; it would keep the channel for ever. */
struct job takeover_forget_job(const struct core *core)
{
    struct job j = lead_job(core, JOB_FORGET);
    const struct promotion *p = core->record.n_promotions == 0
                                    ? NULL
                                    : &core->record.promotions[core->record.n_promotions - 1];
    j.flag = p != NULL && p->writer == core->self && !p->clean;
    return j;
}

static enum step_verdict takeover_forget(struct core *core, struct proc *p)
{
    if (proc_first(p)) {
        struct job j = takeover_forget_job(core);
        proc_ask(core, &j);
    }
    return proc_await(core, p);
}

static enum step_verdict takeover_commit(struct core *core, struct proc *p)
{
    struct entry e;
    enum step_verdict v;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_PROMOTE;
    e.node = (uint8_t)core->self;
    e.epoch = core->term;
    e.flag = !core->lead.forced;
    /* A probe that began before the drain ended may have come since. */
    if (sets_cover(core->facts.flavour, core->facts.executed, core->lead.goal))
        memcpy(e.text, core->facts.executed, sizeof e.text);
    else
        memcpy(e.text, core->lead.goal, sizeof e.text);
    v = proc_commit(core, p, &e);
    /* The set is empty now: whatever was proposed for an older epoch is behind the compare-and-set.
     */
    if (v == STEP_NEXT)
        core->lead.unresolved = 0;
    return v;
}

/* A server that was the writer before may wait for more, some of whom have acknowledged and left
 * since; taking it down is the business of a shrink, which proves that it may. */
static unsigned takeover_count(const struct core *core, unsigned members)
{
    const struct server_facts *f = &core->facts;
    unsigned count = members > 0 ? members : 1;
    bool waits = f->source_side && f->flavour == SERVER_MYSQL && f->wait_count > count;
    return waits && members > 0 ? f->wait_count : count;
}

/* S4: wait point, timeout, count and source side as the record and every unresolved proposal
 * demand, then open. */
static enum step_verdict takeover_open(struct core *core, struct proc *p)
{
    enum step_verdict v;
    if (core->lease_until_us <= core->now_us && core->lead.slot2 == ASK_NONE) {
        proc_note(p, "waited for the lease");
        if (core->now_us - p->step_us > (int64_t)core->cfg->arbiter.election_timeout_ms * 4000)
            return proc_fail(p, "no lease: a majority of the voters does not answer");
        return STEP_WAIT;
    }
    if (core->lead.slot2 == ASK_NONE) {
        struct job j = lead_job(core, JOB_OPEN);
        unsigned members = lead_member_count(core);
        j.flag = members > 0 || core->cfg->policy.durability == CONFIG_DURABILITY_STRICT;
        j.count = takeover_count(core, members);
        j.events = true;
        core->lead.slot2 = ask_send(core, core->self, &j);
    }
    if (!ask_is_over(core, core->lead.slot2))
        return STEP_WAIT;
    ask_drop(core, &core->lead.slot);
    core->lead.slot = core->lead.slot2;
    core->lead.slot2 = ASK_NONE;
    v = proc_await(core, p);
    if (v == STEP_NEXT)
        core->open_term = core->term;
    return v;
}

static enum step_verdict takeover_publish(struct core *core, struct proc *p)
{
    (void)p;
    effects_add(core->fx, EFFECT_SHUT)->u.until_us = 0;
    effects_add(core->fx, EFFECT_LEASE)->u.until_us =
        core->record.paused ? INT64_MAX : core->lease_until_us;
    effects_add(core->fx, EFFECT_VIP_UP);
    effects_add(core->fx, EFFECT_ANNOUNCE);
    core->vip_wanted = true;
    core->vip_renew_us = core->now_us;
    core->proven = core->incarnation;
    core_set_role(core, ROLE_MASTER);
    core->report_due = true;
    return STEP_NEXT;
}

/* Recovery has committed for everybody to see what no member has acknowledged. It is shown when a
 * beat, which comes after it, is. */
static enum step_verdict reopen_publish(struct core *core, struct proc *p)
{
    if (lead_members(core) == 0 || incarnation_equal(&core->proven, &core->incarnation))
        return takeover_publish(core, p);
    proc_note(p, "when a member has what recovery committed");
    core->lead.unproven = true;
    core->lead.unproven_us = core->now_us;
    core->lead.beat_us = 0;
    return STEP_NEXT;
}

static const struct step takeover_steps[] = {
    {"wait", takeover_wait, 0},        {"seal", takeover_seal, 0},
    {"drain", takeover_drain, 0},      {"level", takeover_level, 0},
    {"commit", takeover_commit, 5000}, {"open", takeover_open, 0},
    {"publish", takeover_publish, 0},
};

const struct proc_kind takeover_proc = {"takeover", takeover_steps,
                                        sizeof takeover_steps / sizeof takeover_steps[0],
                                        /* hold= */ true};

/* ---- reopen: the last writer, in place ---- */

static enum step_verdict reopen_clear(struct core *core, struct proc *p)
{
    struct entry e;
    if (core->record.handover == NODE_NONE && !core->lead.goal_set)
        return STEP_NEXT;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_HANDOVER;
    e.node = NODE_NONE;
    return proc_commit(core, p, &e);
}

/* Fast attempts first, then with back-off, for ever (S8). */
static void reopen_count_start(struct core *core)
{
    const struct config_policy *policy = &core->cfg->policy;
    int64_t wait_us = 0;
    core->lead.restarts++;
    if (core->lead.restarts >= policy->restart_attempts) {
        unsigned doublings = core->lead.restarts - policy->restart_attempts;
        wait_us = 1000000LL << (doublings < 10 ? doublings : 10);
        if (wait_us > (int64_t)policy->restart_backoff_max_ms * 1000)
            wait_us = (int64_t)policy->restart_backoff_max_ms * 1000;
    }
    core->lead.restart_not_before_us = core->now_us + wait_us;
}

static enum step_verdict reopen_start(struct core *core, struct proc *p)
{
    enum step_verdict v;
    /* Another run shows what its recovery commits: the door that a switchover left open closes. */
    if (core->vip_wanted &&
        !(core->health.process && incarnation_equal(&core->proven, &core->incarnation)))
        core_close(core, "what recovery commits is not shown before a member has it");
    if (core->health.process && core->lead.slot == ASK_NONE)
        return STEP_NEXT;
    /* Its recovery commits what nobody else may have: only while nobody else can be promoted. */
    if (core->lead.slot == ASK_NONE && core->lease_until_us <= core->now_us) {
        proc_note(p, "waited for the lease");
        return STEP_WAIT;
    }
    if (core->lead.slot == ASK_NONE) {
        struct job j = lead_job(core, JOB_START);
        j.timeout_ms = core->cfg->policy.start_timeout_ms;
        reopen_count_start(core);
        proc_ask(core, &j);
    }
    v = proc_await(core, p);
    if (v != STEP_WAIT)
        ask_drop(core, &core->lead.slot);
    return v;
}

static enum step_verdict reopen_healthy(struct core *core, struct proc *p)
{
    if (health_is_alive(core->health.state) && core->have_facts)
        return STEP_NEXT;
    if (core->health.state == HEALTH_DEAD)
        return proc_fail(p, "mysqld ended again while it was starting; see its error log");
    if (core->now_us - p->step_us > (int64_t)core->cfg->policy.start_timeout_ms * 1000)
        return proc_fail(p, "mysqld does not answer (%s)", server_health_text(core->health.state));
    return STEP_WAIT;
}

/* A writer follows nobody: a channel left from before (or made by hand) must be gone before it is
 * opened. */
static enum step_verdict reopen_forget(struct core *core, struct proc *p)
{
    if (!core->facts.channel && core->lead.slot == ASK_NONE)
        return STEP_NEXT;
    return takeover_forget(core, p);
}

static const struct step reopen_steps[] = {
    {"clear-handover", reopen_clear, 5000},
    {"start", reopen_start, 0},
    {"healthy", reopen_healthy, 0},
    {"forget", reopen_forget, 0},
    {"open", takeover_open, 0},
    {"publish", reopen_publish, 0},
};

static const struct step start_steps[] = {
    {"start", reopen_start, 0},
    {"healthy", reopen_healthy, 0},
};

const struct proc_kind start_proc = {"start", start_steps,
                                     sizeof start_steps / sizeof start_steps[0],
                                     /* hold= */ false};

const struct proc_kind reopen_proc = {"reopen", reopen_steps,
                                      sizeof reopen_steps / sizeof reopen_steps[0],
                                      /* hold= */ false};
