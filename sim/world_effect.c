/* SPDX-License-Identifier: Apache-2.0 */
/* What a core wants done: frames, jobs, the kernel's lease and address. As app/agent_effects.c. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world_private.h"

/* ---- frames ---- */

size_t sim_event_size(enum event_kind kind)
{
    const size_t head = offsetof(struct event, u);
    const struct event *ev = NULL;
    switch (kind) {
    case EVENT_PROBE:
        return head + sizeof ev->u.probe;
    case EVENT_JOB:
        return head + sizeof ev->u.job;
    case EVENT_REQUEST:
        return head + sizeof ev->u.request;
    case EVENT_ANSWER:
        return head + sizeof ev->u.answer;
    case EVENT_REPORT:
        return head + sizeof ev->u.report;
    case EVENT_CLONE:
        return head + sizeof ev->u.clone;
    case EVENT_APPLIED:
        return head + sizeof ev->u.entry;
    case EVENT_RESTORED:
        return sizeof *ev;
    default:
        return head + sizeof ev->u.reply; /* larger than what the others have */
    }
}

void sim_send(struct agent *a, struct sim_frame *f)
{
    struct world *w = a->w;
    if (sim_chance(w, w->faults.loss)) {
        sim_network_reset(w->network, f->from, f->to);
        sim_frame_free(f);
        return;
    }
    sim_network_send(w->network, f, sim_agent_leave_us(a));
}

static void send_event(struct agent *a, unsigned to, const struct effect *e)
{
    static const enum event_kind kinds[EFFECT_COUNT] = {
        [EFFECT_REQUEST] = EVENT_REQUEST, [EFFECT_ANSWER] = EVENT_ANSWER,
        [EFFECT_REPORT] = EVENT_REPORT,   [EFFECT_COMMAND] = EVENT_COMMAND,
        [EFFECT_REPLY] = EVENT_REPLY,
    };
    struct event *ev = sim_event(kinds[e->kind]);
    struct sim_frame *f = sim_frame_new(a->self, to, 0);
    ev->from = a->self;
    if (e->kind == EFFECT_REQUEST)
        ev->u.request = e->u.request;
    else if (e->kind == EFFECT_ANSWER)
        ev->u.answer = e->u.answer;
    else if (e->kind == EFFECT_REPORT)
        ev->u.report = e->u.report;
    else if (e->kind == EFFECT_COMMAND)
        ev->u.command = e->u.command;
    else
        ev->u.reply = e->u.reply;
    f->event = ev;
    sim_send(a, f);
}

static void send_report(struct agent *a, const struct effect *e)
{
    for (unsigned i = 0; i < a->w->cfg->n_nodes; i++) {
        if ((e->mask & (1u << i)) != 0)
            send_event(a, i, e);
    }
}

static void reply(struct agent *a, const struct effect *e)
{
    struct world *w = a->w;
    if (e->to != a->self) {
        send_event(a, e->to, e);
        return;
    }
    memcpy(w->reply, e->u.reply.text, sizeof w->reply);
    sim_story(w, "%s: reply '%s'", sim_name(w, a->self), w->reply);
}

/* ---- the kernel ---- */

static void set_lease(struct world *w, unsigned node, int64_t until_us)
{
    struct host *h = &w->host[node];
    h->lease_local_us = until_us;
    /* Its timers are as coarse as a jiffy; the end may be that late. */
    if (until_us != INT64_MAX)
        h->lease_local_us += (int64_t)prng_below(&w->prng, ARBITER_JIFFY_US);
    h->lease_until_us = sim_clock_true(&h->clock, h->lease_local_us);
}

static void clear_lease(struct world *w, unsigned node)
{
    w->host[node].lease_until_us = w->host[node].lease_local_us = 0;
}

void sim_kernel_clock_bent(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    if (h->lease_until_us > w->now_us)
        h->lease_until_us = sim_clock_true(&h->clock, h->lease_local_us);
}

static void set_vip(struct world *w, unsigned node, bool up)
{
    struct host *h = &w->host[node];
    h->vip = up;
    if (up)
        sim_check_vip_up(w, node);
    h->vip_until_us = h->core->record.paused
                          ? INT64_MAX
                          : w->now_us + (int64_t)h->process->cfg->policy.vip_lifetime_ms * 1000;
}

static void effect_kernel(struct world *w, unsigned node, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_LEASE:
        set_lease(w, node, e->u.until_us);
        return;
    case EFFECT_LEASE_CLEAR:
        clear_lease(w, node);
        return;
    case EFFECT_SHUT:
        w->host[node].shut_until_us = sim_clock_true(&w->host[node].clock, e->u.until_us);
        return;
    case EFFECT_VIP_UP:
    case EFFECT_VIP_DOWN:
        set_vip(w, node, e->kind == EFFECT_VIP_UP);
        return;
    case EFFECT_ANNOUNCE:
        sim_clients_hear(w, node);
        return;
    case EFFECT_BLOCK:
        w->host[node].blocked = e->mask;
        return;
    default:
        return;
    }
}

static void effect_raft(struct agent *a, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_PROPOSE:
        sim_raft_propose(a, e->u.proposal.id, &e->u.proposal.entry);
        return;
    case EFFECT_BARRIER:
        raft_node_barrier(a->raft, e->u.id);
        return;
    case EFFECT_TRANSFER:
        sim_raft_transfer(a, e->to);
        return;
    default:
        raft_node_set_rank(a->raft, e->u.rank < 0 ? ARBITER_RANK_NONE : (unsigned)e->u.rank);
    }
}

void sim_effect(struct world *w, unsigned node, const struct effect *e)
{
    struct host *h = &w->host[node];
    struct agent *a = h->process;
    switch (e->kind) {
    case EFFECT_LOG:
        sim_story(w, "%s: %s %s", sim_name(w, node), e->u.log.id, e->u.log.text);
        return;
    case EFFECT_JOB:
        sim_job_begin(w, node, e->u.job.id, &e->u.job.job);
        return;
    case EFFECT_REPORT:
        send_report(a, e);
        return;
    case EFFECT_REPLY:
        reply(a, e);
        return;
    case EFFECT_REQUEST:
    case EFFECT_ANSWER:
    case EFFECT_COMMAND:
        send_event(a, e->to, e);
        return;
    case EFFECT_BY_HAND:
        sim_pair_effect(a, e);
        return;
    case EFFECT_PROPOSE:
    case EFFECT_BARRIER:
    case EFFECT_TRANSFER:
    case EFFECT_RANK:
        if (a->pair != NULL)
            sim_pair_effect(a, e);
        else
            effect_raft(a, e);
        return;
    case EFFECT_RELEASE:
        h->release_disk = e->u.release;
        return;
    case EFFECT_QUIT:
        h->quit = true;
        return;
    default:
        effect_kernel(w, node, e);
    }
}
