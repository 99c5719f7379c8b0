/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The procedures that change the in-sync set (docs/design/in-sync.md). Shrinking: the smaller set
 * is committed first, then the server is told, which releases what waited. Growing: the server is
 * told first, then proven, then committed; from the call of the proposal on the node counts,
 * whatever became of it. Moving is both: a better standby takes the place of MariaDB's only member.
 */
#include <string.h>

#include "core/core.h"
#include "core/procs.h"
#include "core/sets.h"

#define SYNC_PROVE_MS 2000
#define SYNC_REACHED_MS 2000
#define SYNC_NEAR_MS 10000
#define SYNC_NEAR_AGE_US 10000
#define SYNC_NEAR_SHARE 20
#define SYNC_HELD_UP_US 300000
#define SYNC_BEAT_ROWS 16
#define SYNC_MOVE_NEAR_MS 2000

/* ---- shared steps ---- */

static enum step_verdict sync_source_side(struct core *core, struct proc *p, unsigned count)
{
    if (proc_first(p)) {
        struct job j = lead_job(core, JOB_SOURCE_SIDE);
        j.flag = count > 0 || core->cfg->policy.durability == CONFIG_DURABILITY_STRICT;
        j.count = count > 0 ? count : 1;
        proc_ask(core, &j);
    }
    return proc_await(core, p);
}

static void sync_replica_side(struct core *core, unsigned node, bool on)
{
    struct job j = lead_job(core, JOB_REPLICA_SIDE);
    j.flag = on;
    if (on)
        core->lead.told_side |= 1u << node;
    ask_drop(core, &core->lead.slots[node]);
    core->lead.slots[node] = ask_send(core, node, &j);
}

/* ---- shrink ---- */

static enum step_verdict shrink_commit(struct core *core, struct proc *p)
{
    struct entry e;
    if ((core->lead.shrink_mask & lead_members(core)) == 0 && !core->lead.goal_set)
        return STEP_NEXT; /* only the count is too high */
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_SHRINK;
    e.mask = core->lead.shrink_mask;
    return proc_commit(core, p, &e);
}

#define SYNC_EVICT_RETRY_US 500000

/* Whoever is no member loses its replica side, whatever stays: later members' commits must not end
 * by its acknowledgement. While members stay, its connection is ended as well. */
static void sync_evict(struct core *core, uint32_t mask, bool disconnect)
{
    core->lead.evict_us = core->now_us;
    core->lead.leaving &= ~mask;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        struct job j = lead_job(core, JOB_EVICT);
        if ((mask & (1u << i)) == 0)
            continue;
        if (core->view[i].up)
            sync_replica_side(core, i, /* on= */ false);
        memcpy(j.host, core->cfg->nodes[i].address, sizeof j.host);
        if (disconnect)
            proc_ask(core, &j);
    }
}

/* What became of it is seen by the next step. */
static enum step_verdict shrink_evict(struct core *core, struct proc *p)
{
    uint32_t mask = core->lead.shrink_mask | sync_surplus(core) | sync_kept_out(core);
    if (proc_first(p))
        sync_evict(core, mask, /* disconnect= */ lead_members(core) != 0);
    return ask_is_over(core, core->lead.slot) ? STEP_NEXT : STEP_WAIT;
}

/* The count goes down only when no more clients are connected than there are members. */
static enum step_verdict shrink_verify(struct core *core, struct proc *p)
{
    const struct answer *a;
    if (lead_members(core) == 0)
        return STEP_NEXT;
    if (core->lead.slot2 != ASK_NONE && !ask_is_over(core, core->lead.slot2))
        return STEP_WAIT;
    if (core->lead.slot2 != ASK_NONE) {
        a = ask_answer(core, core->lead.slot2);
        if (a->result.outcome == JOB_DONE && a->facts.clients <= lead_member_count(core))
            return STEP_NEXT;
        ask_drop(core, &core->lead.slot2);
        if (core->now_us - core->lead.evict_us > SYNC_EVICT_RETRY_US)
            sync_evict(core, core->lead.shrink_mask | sync_kept_out(core), /* disconnect= */ true);
    }
    struct job j = lead_job(core, JOB_FACTS);
    core->lead.slot2 = ask_send(core, core->self, &j);
    (void)p;
    return STEP_WAIT;
}

/* Every member that stays has received what the writer's binlog held when the others had been sent
 * away: then nothing that waits can end by an acknowledgement of theirs alone. */
static bool shrink_all_have(struct core *core)
{
    struct lead *l = &core->lead;
    struct job j = lead_job(core, JOB_FACTS);
    bool all = true;
    for (unsigned i = 0; i < core->cfg->n_nodes; i++) {
        const struct answer *a = NULL;
        if ((lead_members(core) & (1u << i)) == 0)
            continue;
        if (ask_is_done(core, l->slots[i]))
            a = ask_answer(core, l->slots[i]);
        if (a != NULL && incarnation_equal(&a->incarnation, &core->record.member[i]) &&
            sets_cover(a->facts.flavour, sets_received(&a->facts), l->goal))
            continue;
        all = false;
        if (l->slots[i] != ASK_NONE && !ask_is_over(core, l->slots[i]))
            continue;
        ask_drop(core, &l->slots[i]);
        l->slots[i] = ask_send(core, i, &j);
    }
    return all;
}

/* MySQL keeps the acknowledgements of a replica that has gone, and counts them when fewer are asked
 * for: what waits would be released although no member has it. */
static enum step_verdict shrink_reached(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    if (lead_members(core) == 0 || core->facts.flavour != SERVER_MYSQL)
        return STEP_NEXT;
    if (proc_first(p)) {
        struct job j = lead_job(core, JOB_FACTS);
        for (unsigned i = 0; i < core->cfg->n_nodes; i++)
            ask_drop(core, &l->slots[i]);
        l->goal[0] = '\0';
        proc_ask(core, &j);
    }
    if (l->goal[0] == '\0') {
        if (!ask_is_over(core, l->slot))
            return STEP_WAIT;
        if (!ask_is_done(core, l->slot))
            return proc_fail(p, "the writer's facts cannot be read");
        memcpy(l->goal, sets_received(&ask_answer(core, l->slot)->facts), sizeof l->goal);
    }
    return shrink_all_have(core) ? STEP_NEXT : STEP_WAIT;
}

static enum step_verdict shrink_release(struct core *core, struct proc *p)
{
    return sync_source_side(core, p, lead_member_count(core));
}

static const struct step shrink_steps[] = {
    {"commit", shrink_commit, 5000}, {"evict", shrink_evict, 0},
    {"verify", shrink_verify, 5000}, {"reached", shrink_reached, SYNC_REACHED_MS},
    {"release", shrink_release, 0},
};

const struct proc_kind shrink_proc = {
    "shrink", shrink_steps, sizeof shrink_steps / sizeof shrink_steps[0], /* hold= */ false};

/* ---- grow ---- */

/* With members in the set the count goes up first, or the newcomer's acknowledgement would replace
 * theirs. With an empty set the source side is off and nothing counts: the newcomer's side first,
 * so that commits do not wait for a replica that is not yet listening. */
static bool grow_is_first(const struct core *core)
{
    return lead_members(core) == 0;
}

static bool grow_has_goal(const struct core *core)
{
    const struct lead *l = &core->lead;
    const struct answer *a = ask_answer(core, l->slot2);
    return a->result.outcome == JOB_DONE && sets_cover(a->facts.flavour, sets_received(&a->facts),
                                                       ask_answer(core, l->slot)->facts.executed);
}

/* From the next steps on commits wait for the newcomer: it must have arrived at where the writer
 * was a moment ago, or they would wait for all that it is behind. The longer that takes, the longer
 * the moment; one that never comes near is taken as it is: only waiting for it lets it keep up. */
static enum step_verdict grow_near(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    struct job j = lead_job(core, JOB_FACTS);
    int64_t age_us = SYNC_NEAR_AGE_US + (core->now_us - p->step_us) / SYNC_NEAR_SHARE;
    bool late = core->now_us - p->step_us > (int64_t)SYNC_NEAR_MS * 1000;
    if (proc_first(p))
        proc_ask(core, &j);
    if (!ask_is_over(core, l->slot) || (l->slot2 != ASK_NONE && !ask_is_over(core, l->slot2)))
        return STEP_WAIT;
    if (!ask_is_done(core, l->slot))
        return proc_fail(p, "the writer's facts cannot be read");
    if (l->slot2 != ASK_NONE && grow_has_goal(core)) {
        bool recent = core->now_us - core->asks.list[l->slot].sent_us < age_us;
        ask_drop(core, &l->slot2);
        if (recent || late)
            return STEP_NEXT;
        proc_ask(core, &j);
        return STEP_WAIT;
    }
    if (l->slot2 != ASK_NONE && late)
        return proc_fail(p, "%s does not catch up", core_name(core, l->target));
    ask_drop(core, &l->slot2);
    l->slot2 = ask_send(core, l->target, &j);
    return STEP_WAIT;
}

static enum step_verdict grow_count(struct core *core, struct proc *p)
{
    if (grow_is_first(core))
        return STEP_NEXT;
    return sync_source_side(core, p, lead_member_count(core) + 1);
}

static enum step_verdict grow_side(struct core *core, struct proc *p)
{
    int slot;
    if (proc_first(p))
        sync_replica_side(core, core->lead.target, /* on= */ true);
    slot = core->lead.slots[core->lead.target];
    if (!ask_is_over(core, slot))
        return STEP_WAIT;
    if (!ask_is_done(core, slot))
        return proc_fail(p, "replica side of %s: %.60s", core_name(core, core->lead.target),
                         ask_answer(core, slot)->result.detail);
    return STEP_NEXT;
}

/* Every connected replica with its side on counts. One that is no member would acknowledge in a
 * member's place: its side goes off, and the grow waits until nobody else is connected. */
static enum step_verdict grow_alone(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    unsigned allowed = lead_member_count(core) + 1;
    const struct answer *a;
    if (core->now_us - p->step_us > (int64_t)SYNC_PROVE_MS * 1000)
        return proc_fail(p, "more semi-sync replicas are connected than members");
    if (l->slot2 != ASK_NONE && !ask_is_over(core, l->slot2))
        return STEP_WAIT;
    if (l->slot2 != ASK_NONE) {
        a = ask_answer(core, l->slot2);
        if (a->result.outcome == JOB_DONE && a->facts.clients <= allowed) {
            ask_drop(core, &l->slot2);
            return STEP_NEXT;
        }
        if (a->result.outcome == JOB_DONE && !l->evicted)
            sync_evict(core, (sync_surplus(core) | sync_kept_out(core)) & ~(1u << l->target),
                       /* disconnect= */ true);
        l->evicted = a->result.outcome == JOB_DONE;
        ask_drop(core, &l->slot2);
    }
    struct job j = lead_job(core, JOB_FACTS);
    l->slot2 = ask_send(core, core->self, &j);
    return STEP_WAIT;
}

/* Its IO thread was restarted with the side and has fallen behind again. Where the count went up
 * before, commits wait for it already. */
static enum step_verdict grow_again(struct core *core, struct proc *p)
{
    return grow_is_first(core) ? grow_near(core, p) : STEP_NEXT;
}

static enum step_verdict grow_source(struct core *core, struct proc *p)
{
    if (!grow_is_first(core))
        return STEP_NEXT;
    return sync_source_side(core, p, 1);
}

/* The writer does it only if the newcomer has received all that is in its binlog: what is let go is
 * on both. */
static void grow_send_unblock(struct core *core)
{
    struct lead *l = &core->lead;
    struct job j = lead_job(core, JOB_UNBLOCK);
    memcpy(j.gtid, sets_received(&ask_answer(core, l->slot2)->facts), sizeof j.gtid);
    l->slots[core->self] = ask_send(core, core->self, &j);
    core_log(core, LOG_LEVEL_NOTICE, "commits-held-up",
             "commits wait for %s, which has them already, and hold up all others; the first is "
             "let go if it has all that was written received='%s'",
             core_name(core, l->target), j.gtid);
}

/*
 * MariaDB sends nothing anew: what the newcomer had received before its side went on it never
 * acknowledges, and two groups of such commits keep everything later out of the binlog, the
 * heartbeat row included. One wait that ends lets the next group in, and its acknowledgement ends
 * the others.
 */
static void grow_unblock(struct core *core, const struct proc *p)
{
    struct lead *l = &core->lead;
    struct job j = lead_job(core, JOB_FACTS);
    int *told = &l->slots[core->self];
    if (core->facts.flavour != SERVER_MARIADB || !grow_is_first(core) ||
        core->now_us - p->step_us < SYNC_HELD_UP_US)
        return;
    if (*told != ASK_NONE && (!ask_is_over(core, *told) || ask_is_done(core, *told)))
        return;
    ask_drop(core, told);
    if (l->slot2 == ASK_NONE || (ask_is_over(core, l->slot2) && !ask_is_done(core, l->slot2))) {
        ask_drop(core, &l->slot2);
        l->slot2 = ask_send(core, l->target, &j);
    } else if (ask_is_over(core, l->slot2)) {
        grow_send_unblock(core);
        ask_drop(core, &l->slot2);
    }
}

/* A write that returned needed the newcomer's acknowledgement. */
static enum step_verdict grow_beat(struct core *core, struct proc *p)
{
    if (proc_first(p)) {
        struct job j = lead_job(core, JOB_HEARTBEAT);
        j.timeout_ms = SYNC_PROVE_MS;
        /* A row of its own: a beat that waits for an acknowledgement holds its row's lock. */
        j.count = 1 + core->lead.grow_failures[core->lead.target] % SYNC_BEAT_ROWS;
        ask_drop(core, &core->lead.slots[core->self]);
        ask_drop(core, &core->lead.slot2);
        proc_ask(core, &j);
    }
    if (!ask_is_over(core, core->lead.slot)) {
        grow_unblock(core, p);
        return STEP_WAIT;
    }
    ask_drop(core, &core->lead.slots[core->self]);
    ask_drop(core, &core->lead.slot2);
    return proc_await_goal(core, p);
}

/* The newcomer itself, in this incarnation, reports having everything. */
static enum step_verdict grow_prove(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    const struct answer *a;
    if (core->now_us - p->step_us > (int64_t)SYNC_PROVE_MS * 1000)
        return proc_fail(p, "%s does not report what was written", core_name(core, l->target));
    if (l->slot2 != ASK_NONE && !ask_is_over(core, l->slot2))
        return STEP_WAIT;
    if (l->slot2 != ASK_NONE) {
        a = ask_answer(core, l->slot2);
        if (a->result.outcome == JOB_DONE && a->facts.replica_side_active &&
            sets_cover(a->facts.flavour, sets_received(&a->facts), l->goal))
            return STEP_NEXT;
        ask_drop(core, &l->slot2);
    }
    struct job j = lead_job(core, JOB_FACTS);
    l->slot2 = ask_send(core, l->target, &j);
    return STEP_WAIT;
}

/* S7: a standby that holds something of its own may not be promoted. The writer is read after the
 * node; what a commit is just ending there may still be missing, so only what persists counts. */
static enum step_verdict grow_compare(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    struct job j = lead_job(core, JOB_FACTS);
    char extra[DETAIL_TEXT_MAX] = "its facts cannot be read";
    if (proc_first(p))
        proc_ask(core, &j);
    if (!ask_is_over(core, l->slot))
        return STEP_WAIT;
    if (ask_is_done(core, l->slot) &&
        !sets_extra(&ask_answer(core, l->slot2)->facts, &ask_answer(core, l->slot)->facts, extra,
                    sizeof extra))
        return STEP_NEXT;
    if (core->now_us - p->step_us > (int64_t)SYNC_PROVE_MS * 1000)
        return proc_fail(p, "%s holds what the writer lacks: %.50s", core_name(core, l->target),
                         extra);
    proc_ask(core, &j);
    return STEP_WAIT;
}

static enum step_verdict grow_commit(struct core *core, struct proc *p)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_GROW;
    e.node = (uint8_t)core->lead.target;
    e.incarnation = ask_answer(core, core->lead.slot2)->incarnation;
    return proc_commit(core, p, &e);
}

static const struct step grow_steps[] = {
    {"near", grow_near, 0},        {"count", grow_count, 0}, {"side", grow_side, 0},
    {"alone", grow_alone, 0},      {"again", grow_again, 0}, {"source", grow_source, 0},
    {"beat", grow_beat, 0},        {"prove", grow_prove, 0}, {"compare", grow_compare, 0},
    {"commit", grow_commit, 5000},
};

const struct proc_kind grow_proc = {"grow", grow_steps, sizeof grow_steps / sizeof grow_steps[0],
                                    /* hold= */ false};

/* ---- move ---- */

/*
 * MariaDB counts one acknowledgement, whoever gives it, so both of them acknowledge for a while:
 * as long as the set is empty nobody may be promoted, whatever only one of them has. The source
 * side stays on, under durability = available too: each commit is on one of them at least, none
 * waits for an IO thread that starts, and the newcomer has something to acknowledge when the old
 * member's side goes off.
 */
static enum step_verdict move_leave(struct core *core, struct proc *p)
{
    struct entry e;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_SHRINK;
    e.mask = core->lead.leaving;
    return proc_commit(core, p, &e);
}

/* Whatever the count of connections says: the newcomer's may not be among them yet. */
static enum step_verdict move_off(struct core *core, struct proc *p)
{
    uint32_t mask = core->lead.leaving;
    if (proc_first(p)) {
        core->lead.leaving = 0;
        sync_keep_out(core); /* before its connection is ended, since it connects again by itself */
        sync_evict(core, mask, /* disconnect= */ true);
    }
    return ask_is_over(core, core->lead.slot) ? STEP_NEXT : STEP_WAIT;
}

static const struct step move_steps[] = {
    {"near", grow_near, 0},        {"leave", move_leave, 5000},
    {"side", grow_side, 0},        {"again", grow_near, SYNC_MOVE_NEAR_MS},
    {"off", move_off, 0},          {"alone", grow_alone, 0},
    {"source", grow_source, 0},    {"beat", grow_beat, 0},
    {"prove", grow_prove, 0},      {"compare", grow_compare, 0},
    {"commit", grow_commit, 5000},
};

const struct proc_kind move_proc = {"move", move_steps, sizeof move_steps / sizeof move_steps[0],
                                    /* hold= */ false};
