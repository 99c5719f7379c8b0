/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ask.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"

/* On top of the work's own deadline: the way there and back. */
#define ASK_SLACK_US 250000

static struct ask *ask_at(struct core *core, int slot)
{
    assert(slot >= 0 && slot < ASKS_MAX);
    return &core->asks.list[slot];
}

static void ask_fail(struct ask *a, const char *why)
{
    a->state = ASK_ANSWERED;
    memset(&a->answer, 0, sizeof a->answer);
    a->answer.id = a->id;
    a->answer.kind = a->kind;
    a->answer.result.outcome = JOB_TIMEOUT;
    (void)snprintf(a->answer.result.detail, sizeof a->answer.result.detail, "%s", why);
}

static int ask_free_slot(struct core *core)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        if (core->asks.list[i].state == ASK_FREE)
            return i;
    }
    assert(false && "more requests outstanding than procedures can make");
    return 0;
}

int ask_send(struct core *core, unsigned node, const struct job *job)
{
    int slot = ask_free_slot(core);
    struct ask *a = ask_at(core, slot);
    struct request r = {.term = core->term, .id = ++core->asks.next_id, .job = *job};
    assert(job->timeout_ms > 0);
    a->state = ASK_WAITING;
    a->id = r.id;
    a->node = node;
    a->kind = job->kind;
    a->sent_us = core->now_us;
    a->deadline_us = core->now_us + (int64_t)job->timeout_ms * 1000 + ASK_SLACK_US;
    if (node == core->self) {
        local_request(core, core->self, &r);
    } else if (!core->view[node].up) {
        ask_fail(a, "the node's agent cannot be reached");
    } else {
        struct effect *e = effects_add(core->fx, EFFECT_REQUEST);
        e->to = node;
        e->u.request = r;
    }
    return slot;
}

bool ask_is_over(const struct core *core, int slot)
{
    return slot == ASK_NONE || core->asks.list[slot].state != ASK_WAITING;
}

const struct answer *ask_answer(const struct core *core, int slot)
{
    assert(slot >= 0 && slot < ASKS_MAX);
    assert(core->asks.list[slot].state == ASK_ANSWERED);
    return &core->asks.list[slot].answer;
}

bool ask_is_done(const struct core *core, int slot)
{
    return slot != ASK_NONE && ask_is_over(core, slot) &&
           ask_answer(core, slot)->result.outcome == JOB_DONE;
}

void ask_drop(struct core *core, int *slot)
{
    if (*slot != ASK_NONE)
        ask_at(core, *slot)->state = ASK_FREE;
    *slot = ASK_NONE;
}

void asks_drop_all(struct core *core)
{
    for (int i = 0; i < ASKS_MAX; i++)
        core->asks.list[i].state = ASK_FREE;
}

void ask_on_answer(struct core *core, unsigned from, const struct answer *answer)
{
    struct report *report = &core->view[from].report;
    if (answer->kind == JOB_REPLICA_SIDE && answer->result.outcome == JOB_DONE &&
        answer->term == core->term && !answer->facts.replica_side &&
        !answer->facts.replica_side_active)
        core->lead.told_side &= ~(1u << from);
    for (int i = 0; i < ASKS_MAX; i++) {
        struct ask *a = ask_at(core, i);
        if (a->state != ASK_WAITING || a->id != answer->id || a->node != from ||
            answer->term != core->term)
            continue;
        a->answer = *answer;
        a->state = ASK_ANSWERED;
    }
    /* Fresher than the node's last report; core/lead judges by the view. */
    if (core->view[from].have && incarnation_equal(&report->incarnation, &answer->incarnation))
        report->facts = answer->facts;
}

void ask_on_time(struct core *core)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        struct ask *a = ask_at(core, i);
        if (a->state == ASK_WAITING && core->now_us >= a->deadline_us)
            ask_fail(a, "no answer in time");
    }
}

void ask_on_peer_down(struct core *core, unsigned node)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        struct ask *a = ask_at(core, i);
        if (a->state == ASK_WAITING && a->node == node)
            ask_fail(a, "the connection to the node's agent was lost");
    }
}
