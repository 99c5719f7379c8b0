/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of an agent: one thread that does one thing after the other. What arrives while it
 * stands still (stopped, or blocked in a write) waits for it, as in its sockets and timers; after a
 * standstill its core is told first of all, as app does by io/sys/loop_watch.h.
 *
 * It may die at any moment, in the middle of its own callbacks too. Then it is a corpse: nothing
 * that it does has an effect any more, and its memory is given back when it is on no stack.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world_private.h"

#define STEPS_MAX 5000            /* of a core at one moment */
#define CORE_TICK_MAX_US 60000000 /* it may want none at all */

static bool may_run(const struct agent *a)
{
    return !a->dead && !a->stands && a->busy_us <= a->w->now_us;
}

int64_t sim_agent_leave_us(const struct agent *a)
{
    return a->busy_us > a->w->now_us ? a->busy_us : a->w->now_us;
}

int64_t sim_agent_now_us(const struct agent *a)
{
    return sim_clock_local(&a->w->host[a->self].clock, sim_agent_leave_us(a));
}

/* ---- the core ---- */

static void set_core_tick(struct agent *a, int64_t wake_us)
{
    int64_t now_us = sim_agent_now_us(a);
    int64_t wait_us = wake_us - now_us > 1000 ? (wake_us - now_us) / 1000 * 1000 : 1000;
    if (wait_us > CORE_TICK_MAX_US)
        wait_us = CORE_TICK_MAX_US;
    sim_timer_set(&a->w->timers, &a->core_tick,
                  sim_clock_true(&a->w->host[a->self].clock, now_us + wait_us));
}

/* In simulated time a loop without a pause is one without an end. */
static void check_progress(struct agent *a)
{
    if (a->steps_us != a->w->now_us) {
        a->steps_us = a->w->now_us;
        a->n_steps = 0;
    }
    if (++a->n_steps < STEPS_MAX)
        return;
    sim_violation(a->w, "%s goes round in circles", sim_name(a->w, a->self));
    sim_agent_stand(a->w, a->self, true);
}

static void step(struct agent *a, struct event *ev)
{
    struct world *w = a->w;
    struct host *h = &w->host[a->self];
    bool crash = false;
    check_progress(a);
    ev->now_us = sim_agent_now_us(a);
    ev->wall_ms = sim_agent_leave_us(a) / 1000 + h->wall_ahead_ms;
    core_step(a->core, ev, w->fx);
    for (unsigned i = 0; i < w->fx->count && !crash; i++) {
        sim_effect(w, a->self, &w->fx->list[i]);
        if (w->carried_out != NULL && !a->dead)
            w->carried_out(w->carried_out_data, a->self, w->fx->list[i].kind);
        if (a->dead)
            return;
        crash = h->crash_in > 0 && --h->crash_in == 0;
    }
    if (ev->kind == EVENT_PEER && a->pair != NULL && ev->from == a->pair->other)
        sim_pair_peer(a, ev->u.peer_up);
    if (crash || h->quit)
        sim_agent_kill(w, a->self, /* power= */ false);
    else
        set_core_tick(a, w->fx->wake_us);
}

/* A standstill that is not told yet comes before everything else. */
static void look(struct agent *a)
{
    struct queued_event *q;
    int64_t stall_us = a->stall_us;
    a->stall_us = 0;
    if (stall_us * 2 <= a->timing.election_timeout_us)
        return;
    q = calloc(1, sizeof *q);
    assert(q != NULL);
    q->ev = sim_event(EVENT_STALL);
    q->ev->u.stall_us = stall_us;
    q->next = a->first;
    if (a->first == NULL)
        a->last = &q->next;
    a->first = q;
}

static void drain(struct agent *a)
{
    if (a->stepping || a->first == NULL || !may_run(a))
        return;
    look(a);
    a->stepping = true;
    while (a->first != NULL && may_run(a)) {
        struct queued_event *q = a->first;
        a->first = q->next;
        if (a->first == NULL)
            a->last = &a->first;
        step(a, q->ev);
        free(q->ev);
        free(q);
    }
    a->stepping = false;
}

void sim_agent_post(struct agent *a, struct event *ev)
{
    struct queued_event *q = calloc(1, sizeof *q);
    assert(q != NULL);
    q->ev = ev;
    *a->last = q;
    a->last = &q->next;
    drain(a);
}

/* ---- input ---- */

static void run_arbiter_frame(struct agent *a, const struct sim_frame *f)
{
    if (a->pair != NULL)
        sim_pair_frame(a, f);
    else
        sim_raft_receive(a, f);
}

static void run_frame(struct agent *a, struct sim_frame *f)
{
    if (f->event != NULL) {
        sim_agent_post(a, f->event);
        f->event = NULL;
    } else {
        run_arbiter_frame(a, f);
    }
    sim_frame_free(f);
}

static void release_waiting(struct waiting *i)
{
    if (i->frame != NULL)
        sim_frame_free(i->frame);
    free(i->ev);
    free(i);
}

static void run_waiting(struct agent *a, struct waiting *i)
{
    if (i->frame != NULL)
        run_frame(a, i->frame);
    else if (i->ev != NULL)
        sim_agent_post(a, i->ev);
    else
        i->fn(a);
    free(i);
}

static void go_on(struct agent *a)
{
    if (a->going_on)
        return;
    a->going_on = true;
    drain(a);
    while (a->inbox != NULL && may_run(a)) {
        struct waiting *i = a->inbox;
        a->inbox = i->next;
        if (a->inbox == NULL)
            a->inbox_last = &a->inbox;
        run_waiting(a, i);
    }
    a->going_on = false;
}

static void come_in(struct agent *a, const struct waiting *what)
{
    struct waiting *i = calloc(1, sizeof *i);
    assert(i != NULL && !a->dead);
    *i = *what;
    *a->inbox_last = i;
    a->inbox_last = &i->next;
    go_on(a);
}

void sim_agent_event(struct agent *a, struct event *ev)
{
    come_in(a, &(struct waiting){.ev = ev});
}

void sim_agent_frame(struct agent *a, struct sim_frame *frame)
{
    come_in(a, &(struct waiting){.frame = frame});
}

void sim_agent_timer(struct agent *a, void (*fn)(struct agent *a))
{
    come_in(a, &(struct waiting){.is_timer = true, .fn = fn});
}

static void run_core_tick(struct agent *a)
{
    sim_agent_post(a, sim_event(EVENT_TICK));
}

static void on_core_tick(void *data)
{
    sim_agent_timer(data, run_core_tick);
}

/* ---- standstill ---- */

static void on_gate(void *data)
{
    struct agent *a = data;
    if (may_run(a))
        go_on(a);
}

void sim_agent_block(struct agent *a, int64_t us)
{
    if (a->dead)
        return;
    a->busy_us = sim_agent_leave_us(a) + us;
    if (a->busy_us - a->w->now_us > a->stall_us)
        a->stall_us = a->busy_us - a->w->now_us;
    sim_timer_set(&a->w->timers, &a->gate, a->busy_us);
}

/* libuv may get to its timers or to its sockets first. */
static void sort_inbox(struct agent *a, bool timers_first)
{
    struct waiting *list[2] = {NULL, NULL};
    struct waiting **last[2] = {&list[0], &list[1]};
    for (struct waiting *i = a->inbox, *next; i != NULL; i = next) {
        unsigned k = i->is_timer == timers_first ? 0 : 1;
        next = i->next;
        i->next = NULL;
        *last[k] = i;
        last[k] = &i->next;
    }
    *last[0] = list[1];
    a->inbox = list[0];
    a->inbox_last = &a->inbox;
    while (*a->inbox_last != NULL)
        a->inbox_last = &(*a->inbox_last)->next;
}

void sim_agent_stand(struct world *w, unsigned node, bool stands)
{
    struct host *h = &w->host[node];
    struct agent *a = h->process;
    if (a == NULL || a->stands == stands)
        return;
    h->agent_hung = a->stands = stands;
    if (stands) {
        a->stands_us = w->now_us;
        sim_network_stall(w->network, node, true);
        return;
    }
    if (w->now_us - a->stands_us > a->stall_us)
        a->stall_us = w->now_us - a->stands_us;
    sort_inbox(a, sim_chance(w, 500));
    sim_network_stall(w->network, node, false);
    /* Not here: this may be the inside of some other agent's callback. */
    sim_timer_set(&w->timers, &a->gate, w->now_us);
}

/* ---- life and death ---- */

void sim_agent_start(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    struct agent *a = calloc(1, sizeof *a);
    assert(a != NULL && h->process == NULL);
    a->w = w;
    a->self = node;
    a->last = &a->first;
    a->inbox_last = &a->inbox;
    a->cfg = malloc(sizeof *a->cfg);
    a->core = malloc(sizeof *a->core);
    a->applied = malloc(sizeof *a->applied);
    assert(a->cfg != NULL && a->core != NULL && a->applied != NULL);
    *a->cfg = *w->cfg;
    a->timing = sim_raft_timing(a->cfg);
    record_init(a->applied);
    core_init(a->core, a->cfg, node, sim_agent_now_us(a));
    release_restore(a->core, &h->release_disk);
    h->process = a;
    h->core = a->core;
    h->agent = true;
    sim_timer_init(&a->gate, on_gate, a);
    sim_timer_init(&a->core_tick, on_core_tick, a);
    sim_timer_init(&a->pair_tick, on_core_tick, a);
    sim_timer_init(&a->pair_write, on_core_tick, a);
    a->stepping = true; /* events of the start wait until everything is there */
    sim_copy_tell(w, node);
    if (config_is_pair(w->cfg))
        sim_pair_start(a);
    else
        sim_raft_start(a);
    a->stepping = false;
    sim_network_start(w->network, node);
    sim_timer_set(&w->timers, &a->core_tick, w->now_us);
}

static void stop_timers(struct agent *a)
{
    struct sim_timer *const timers[] = {&a->gate,      &a->soon,       &a->retry,
                                        &a->raft_tick, &a->disk_ready, &a->core_tick,
                                        &a->pair_tick, &a->pair_write};
    for (unsigned i = 0; i < sizeof timers / sizeof timers[0]; i++)
        sim_timer_stop(&a->w->timers, timers[i]);
}

void sim_agent_kill(struct world *w, unsigned node, bool power)
{
    struct host *h = &w->host[node];
    struct agent *a = h->process;
    if (a == NULL)
        return;
    sim_story(w, "%s: agent ends", sim_name(w, node));
    a->dead = true;
    stop_timers(a);
    sim_timer_stop(&w->timers, &h->stall_end);
    h->process = NULL;
    h->core = NULL;
    h->agent = h->agent_hung = h->quit = false;
    h->crash_in = 0;
    h->life++;
    sim_jobs_agent_died(w, node);
    sim_disk_crash(h->disk, power);
    sim_pair_crash(a);
    sim_network_stop(w->network, node, power);
    if (w->leader == node)
        w->leader = NODE_NONE;
    sim_check_leader_lost(w, node);
    a->next_corpse = w->corpses;
    w->corpses = a;
}

static void bury(struct agent *a)
{
    if (a->pair != NULL)
        sim_pair_bury(a);
    else
        sim_raft_bury(a);
    while (a->inbox != NULL) {
        struct waiting *i = a->inbox;
        a->inbox = i->next;
        release_waiting(i);
    }
    while (a->first != NULL) {
        struct queued_event *q = a->first;
        a->first = q->next;
        free(q->ev);
        free(q);
    }
    free(a->core);
    free(a->cfg);
    free(a->applied);
    free(a);
}

void sim_corpses_bury(struct world *w)
{
    while (w->corpses != NULL) {
        struct agent *a = w->corpses;
        w->corpses = a->next_corpse;
        bury(a);
    }
}
