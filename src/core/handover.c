/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switchover (planned) and resign (unplanned). Both end with the transfer of the leadership; the
 * target then takes over by itself (core/takeover.c). Up to the call of the transfer everything can
 * be taken back by reopening; after it only a new term tells.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/eligible.h"
#include "core/procs.h"
#include "core/sets.h"

#define SWITCH_CLIENTS_MS 200
#define SWITCH_SHUT_US 2000000 /* ends by itself: the agent may not live to end it */

static enum step_verdict switch_record(struct core *core, struct proc *p)
{
    struct entry e;
    if (core->record.handover == core->lead.target && !core->lead.goal_set)
        return STEP_NEXT;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_HANDOVER;
    e.node = (uint8_t)core->lead.target;
    return proc_commit(core, p, &e);
}

static enum step_verdict switch_close(struct core *core, struct proc *p)
{
    if (proc_first(p)) {
        struct job j = lead_job(core, JOB_CLOSE);
        j.timeout_ms = core->cfg->policy.close_timeout_ms;
        proc_ask(core, &j);
    }
    return proc_await_goal(core, p);
}

/* The target has applied everything that this node ever wrote. */
static enum step_verdict switch_catch_up(struct core *core, struct proc *p)
{
    struct lead *l = &core->lead;
    const struct answer *a;
    if (core->now_us - p->step_us > (int64_t)core->cfg->policy.switchover_timeout_ms * 1000)
        return proc_fail(p, "%s did not catch up in time", core_name(core, l->target));
    if (l->slot2 != ASK_NONE && !ask_is_over(core, l->slot2))
        return STEP_WAIT;
    if (l->slot2 != ASK_NONE) {
        a = ask_answer(core, l->slot2);
        if (a->result.outcome == JOB_DONE &&
            sets_cover(a->facts.flavour, a->facts.executed, l->goal))
            return STEP_NEXT;
        if (!core->view[l->target].up)
            return proc_fail(p, "the agent of %s is gone", core_name(core, l->target));
        ask_drop(core, &l->slot2);
    }
    struct job j = lead_job(core, JOB_FACTS);
    l->slot2 = ask_send(core, l->target, &j);
    return STEP_WAIT;
}

/* An administrator's session on MariaDB writes on a closed server until it is ended: all of that is
 * for the target too, or this node would hold it alone. Nothing of the kind: the answer that has
 * shown the rest shows this. */
static enum step_verdict switch_late(struct core *core, struct proc *p)
{
    const struct answer *a = ask_answer(core, core->lead.slot);
    if (a->result.outcome != JOB_DONE)
        return STEP_NEXT;
    memcpy(core->lead.goal, a->facts.executed, sizeof core->lead.goal);
    return switch_catch_up(core, p);
}

/* Sessions that stay would find a closed server; ended, they reconnect to the new writer. Not
 * waited for longer than it is worth: the lease ends their traffic anyway. New ones are refused
 * first: one that came in between would be silenced with the lease, and its client wait for its
 * whole time-out. */
static enum step_verdict switch_clients(struct core *core, struct proc *p)
{
    if (proc_first(p)) {
        struct job j = lead_job(core, JOB_CLOSE_CLIENTS);
        effects_add(core->fx, EFFECT_SHUT)->u.until_us = core->now_us + SWITCH_SHUT_US;
        j.timeout_ms = SWITCH_CLIENTS_MS;
        proc_ask(core, &j);
    }
    return ask_is_over(core, core->lead.slot) ? switch_late(core, p) : STEP_WAIT;
}

static enum step_verdict handover_target_ready(struct core *core, struct proc *p)
{
    const struct report *r = core_report(core, core->lead.target);
    if (r == NULL || !core_is_fresh(core, core->lead.target) || r->term != core->term ||
        r->eligible < ELIGIBLE_MEMBER)
        return proc_fail(p, "%s does not offer itself any more",
                         core_name(core, core->lead.target));
    return STEP_NEXT;
}

/* No proposal may be open when the transfer is called. */
static enum step_verdict handover_transfer(struct core *core, struct proc *p)
{
    (void)p;
    if (!lead_proposal_is_over(core))
        return STEP_WAIT;
    lead_transfer(core, core->lead.target);
    return STEP_NEXT;
}

static const struct step switchover_steps[] = {
    {"target", handover_target_ready, 0},
    {"record", switch_record, 5000},
    {"close", switch_close, 0},
    {"catch-up", switch_catch_up, 0},
    {"clients", switch_clients, 1000},
    {"ready", handover_target_ready, 0},
    {"transfer", handover_transfer, 2000},
};

const struct proc_kind switchover_proc = {"switchover", switchover_steps,
                                          sizeof switchover_steps / sizeof switchover_steps[0],
                                          /* hold= */ false};

/* Lease and VIP were taken away when the decision was made (core_close). With members in the set a
 * hung server cannot acknowledge anything alone; a dead one needs no fence. */
static const struct step resign_steps[] = {
    {"target", handover_target_ready, 0},
    {"transfer", handover_transfer, 2000},
};

static const struct step aside_steps[] = {
    {"transfer", handover_transfer, 2000},
};

const struct proc_kind aside_proc = {"aside", aside_steps,
                                     sizeof aside_steps / sizeof aside_steps[0], /* hold= */ false};

const struct proc_kind resign_proc = {
    "resign", resign_steps, sizeof resign_steps / sizeof resign_steps[0], /* hold= */ false};
