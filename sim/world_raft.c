/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arbiter of an agent: a real raft node (arbiter/raft_node.h) over the host's simulated disk
 * and clock, as app/agent_raft.c has one over real ones. And what the world knows of the log: the
 * first node that applies an index says what is there.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world_private.h"

#define SNAPSHOT_THRESHOLD 24 /* small: runs are short */
#define SNAPSHOT_TRAILING 8
#define TERM_OFFSET 3  /* of a leader's frame, arbiter/raft_codec.h */
#define KIND_OFFSET 35 /* of a frame's message type, arbiter/raft_codec.h */

/* ---- what the world sees ---- */

static uint64_t hash_of(uint64_t term, const void *bytes, size_t len)
{
    uint64_t h = 14695981039346656037u + term;
    for (size_t i = 0; i < len; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return h | 1;
}

static void grow_log(struct world *w, uint64_t index)
{
    uint64_t size = w->log_size;
    if (index < size)
        return;
    w->log_size = 2 * index + 256;
    w->log = realloc(w->log, w->log_size * sizeof *w->log);
    assert(w->log != NULL);
    memset(w->log + size, 0, (w->log_size - size) * sizeof *w->log);
}

/* What a server that was shut down told its clients only its own agent knows. If that cannot be
 * asked when somebody else takes over, it is outside S2. */
static void see_unheard(struct world *w, unsigned old, unsigned by)
{
    const struct agent *a = old == NODE_NONE ? NULL : w->host[old].process;
    if (old == NODE_NONE || old == by)
        return;
    if (a == NULL || a->stands || a->busy_us > w->now_us || !sim_reaches_agent(w, by, old))
        sim_check_leader_lost(w, old);
}

static void see_applied(struct agent *a, uint64_t index, uint64_t hash, const struct entry *e)
{
    struct world *w = a->w;
    grow_log(w, index);
    if (index > w->log_index) {
        w->log_index = index;
        w->log[index].hash = hash;
        if (e->kind == ENTRY_PROMOTE)
            see_unheard(w, w->committed->writer, e->node);
        sim_check_entry(w, e);
    } else if (w->log[index].hash != hash) {
        sim_violation(w, "raft: log divergence: %s applies another entry at index %llu",
                      sim_name(w, a->self), (unsigned long long)index);
    }
}

/* A snapshot is what the entries up to there have made, on every node alike. */
static void see_snapshot(struct agent *a, uint64_t index, const void *bytes, size_t len, bool taken)
{
    struct world *w = a->w;
    uint64_t hash = hash_of(index, bytes, len);
    grow_log(w, index);
    if (taken && w->log[index].snapshot_hash == 0)
        w->log[index].snapshot_hash = hash;
    if (w->log[index].snapshot_hash != hash)
        sim_violation(w, "raft: snapshot divergence: %s has another state at index %llu",
                      sim_name(w, a->self), (unsigned long long)index);
}

static void see_no_lease(struct agent *a, const char *what)
{
    struct world *w = a->w;
    for (unsigned i = 0; i < w->cfg->n_nodes && !w->clocks_are_wild; i++) {
        const struct host *h = &w->host[i];
        if (i != a->self && sim_clock_local(&h->clock, w->now_us) < h->raft_lease_local_us)
            sim_violation(w, "raft: %s %s while the lease of %s lasts", sim_name(w, a->self), what,
                          sim_name(w, i));
    }
}

void sim_raft_see_elected(struct agent *a, uint64_t term)
{
    struct world *w = a->w;
    unsigned old = w->leader;
    uint64_t size = w->leaders_size;
    if (term >= size) {
        w->leaders_size = 2 * term + 64;
        w->leaders = realloc(w->leaders, w->leaders_size);
        assert(w->leaders != NULL);
        memset(w->leaders + size, 0, w->leaders_size - size);
    }
    if (w->leaders[term] != 0 && w->leaders[term] != a->self + 1)
        sim_violation(w, "raft: %s and %s lead term %llu", sim_name(w, w->leaders[term] - 1u),
                      sim_name(w, a->self), (unsigned long long)term);
    w->leaders[term] = (uint8_t)(a->self + 1);
    /* Votes that were counted late: a leader of the past, whom nobody follows. */
    if (term < w->term)
        return;
    if (a->pair == NULL) /* nothing of a pair promises that */
        see_no_lease(a, "is elected");
    w->term = term;
    w->leader = a->self;
    sim_story(w, "arbiter: %s leads term %llu", sim_name(w, a->self), (unsigned long long)term);
    see_unheard(w, old, a->self);
}

/* The node follows the leader whose frame it has worked on. It may have died of that, behind its
 * answer. */
static void see_heard(struct agent *a, const struct sim_frame *f)
{
    struct raft_node_status s;
    bool leaders = f->len > KIND_OFFSET && (f->bytes[KIND_OFFSET] == RAFT_APPEND_ENTRIES ||
                                            f->bytes[KIND_OFFSET] == RAFT_INSTALL_SNAPSHOT);
    uint64_t term = 0;
    if (!leaders)
        return;
    for (unsigned i = 0; i < sizeof term; i++)
        term |= (uint64_t)f->bytes[TERM_OFFSET + i] << 8 * i;
    raft_node_status(a->raft, &s);
    if (s.state == ARBITER_FOLLOWER && s.leader == f->from && s.term == term)
        sim_check_heard(a->w, a->self, f->from, term);
}

void sim_raft_receive(struct agent *a, const struct sim_frame *f)
{
    raft_node_receive(a->raft, f->from, f->bytes, f->len);
    see_heard(a, f);
}

/* ---- callbacks of the node ---- */

static int on_send(void *data, unsigned to, const void *payload, size_t len)
{
    struct agent *a = data;
    struct world *w = a->w;
    struct sim_frame *f;
    bool transfers =
        len > KIND_OFFSET && ((const uint8_t *)payload)[KIND_OFFSET] == RAFT_TIMEOUT_NOW;
    if (a->dead || (transfers && sim_chance(w, w->faults.transfer)))
        return 0;
    f = sim_frame_new(a->self, to, len);
    memcpy(f->bytes, payload, len);
    if (transfers && w->hold[a->self][to] && w->held == NULL) {
        w->hold[a->self][to] = false;
        w->held = f;
        return 0;
    }
    sim_send(a, f);
    return 0;
}

static void on_lease(void *data, int64_t until_us)
{
    struct agent *a = data;
    struct raft_node_status s;
    if (until_us != 0 && !a->dead) {
        raft_node_status(a->raft, &s);
        see_no_lease(a, "has a lease");
        sim_check_lease(a->w, a->self, s.term, until_us);
    }
    sim_told_lease(a, until_us);
}

static int on_apply(void *data, uint64_t index, uint64_t term, const void *bytes, size_t len)
{
    struct agent *a = data;
    struct event *ev = sim_event(EVENT_APPLIED);
    int err = record_replay(a->applied, bytes, len, &ev->u.entry);
    if (err != 0 || a->dead) {
        free(ev);
        return err;
    }
    see_applied(a, index, hash_of(term, bytes, len), &ev->u.entry);
    sim_agent_post(a, ev);
    return 0;
}

static int on_snapshot_take(void *data, void *buf, size_t size, size_t *ret_len)
{
    struct agent *a = data;
    struct raft_node_status s;
    int err = record_encode(a->applied, buf, size, ret_len);
    if (err != 0 || a->dead)
        return err;
    raft_node_status(a->raft, &s);
    see_snapshot(a, s.applied, buf, *ret_len, /* taken= */ true);
    return 0;
}

static int on_snapshot_restore(void *data, uint64_t index, const void *bytes, size_t len)
{
    struct agent *a = data;
    struct event *ev = sim_event(EVENT_RESTORED);
    int err = record_decode(bytes, len, &ev->u.record);
    if (err != 0 || a->dead) {
        free(ev);
        return err;
    }
    *a->applied = ev->u.record;
    see_snapshot(a, index, bytes, len, /* taken= */ false);
    sim_agent_post(a, ev);
    return 0;
}

static void on_proposal(void *data, uint64_t id, int err, uint64_t index)
{
    struct agent *a = data;
    (void)index;
    if (!a->dead && (err == 0 || err == ERR_STATE))
        check_s2_settled(a->w, a->self, id);
    sim_told_proposal(a, id, err);
}

static void on_transfer(void *data, enum arbiter_transfer_outcome outcome)
{
    sim_told_transfer(data, outcome == ARBITER_TRANSFER_DONE || outcome == ARBITER_TRANSFER_LOST);
}

static void on_trouble(void *data, enum raft_trouble trouble, const char *text)
{
    char said[TROUBLE_TEXT_MAX] = "";
    if (trouble != RAFT_TROUBLE_NONE)
        (void)snprintf(said, sizeof said, "%s: %.*s", raft_trouble_text(trouble),
                       TROUBLE_TEXT_MAX - 40, text);
    sim_told_trouble(data, said);
}

/* ---- the outside of the node ---- */

static int64_t backend_now_us(void *data)
{
    return sim_agent_now_us(data);
}

static void backend_soon(void *data)
{
    struct agent *a = data;
    a->soon_due = true;
    if (!a->dead)
        sim_timer_set(&a->w->timers, &a->soon, a->w->timers.now_us);
}

static void backend_retry(void *data, int64_t after_ms)
{
    struct agent *a = data;
    const struct sim_clock *clock = &a->w->host[a->self].clock;
    if (after_ms < 0 || a->dead)
        sim_timer_stop(&a->w->timers, &a->retry);
    else
        sim_timer_set(&a->w->timers, &a->retry,
                      sim_clock_true(clock, sim_agent_now_us(a) + after_ms * 1000));
}

static void disk_block(void *data, int64_t us)
{
    sim_agent_block(data, us);
}

static void disk_ready(void *data)
{
    struct agent *a = data;
    sim_timer_set(&a->w->timers, &a->disk_ready, a->w->timers.now_us);
}

static void set_raft_tick(struct agent *a)
{
    const struct sim_clock *clock = &a->w->host[a->self].clock;
    sim_timer_set(&a->w->timers, &a->raft_tick,
                  sim_clock_true(clock, sim_agent_now_us(a) + a->raft_tick_us));
}

static void disk_ticks(void *data, unsigned every_ms)
{
    struct agent *a = data;
    a->raft_tick_us = (int64_t)every_ms * 1000;
    if (every_ms == 0)
        sim_timer_stop(&a->w->timers, &a->raft_tick);
    else
        set_raft_tick(a);
}

static int backend_open(void *data, struct raft_io *io, struct errmsg *msg)
{
    struct agent *a = data;
    struct sim_disk_user user = {
        .data = a, .block = disk_block, .ready = disk_ready, .ticks = disk_ticks};
    int err = a->dead ? ERR_IO : sim_disk_open(a->w->host[a->self].disk, &user, io, msg);
    if (err == 0)
        a->io = io;
    return err;
}

static void backend_close(void *data, struct raft_io *io)
{
    struct agent *a = data;
    sim_timer_stop(&a->w->timers, &a->disk_ready);
    sim_disk_close(io);
    a->io = NULL;
}

static bool backend_has_space(void *data, uint64_t bytes)
{
    const struct agent *a = data;
    (void)bytes;
    return sim_disk_has_space(a->w->host[a->self].disk);
}

static void backend_release(void *data)
{
    struct agent *a = data;
    a->released = true;
}

/* ---- timers of the node ---- */

static void run_soon(struct agent *a)
{
    a->soon_due = false;
    raft_node_wake(a->raft);
}

static void run_retry(struct agent *a)
{
    raft_node_retry(a->raft);
}

static void run_disk(struct agent *a)
{
    if (a->io != NULL)
        sim_disk_deliver(a->io);
}

static void run_tick(struct agent *a)
{
    if (a->io == NULL || a->raft_tick_us == 0)
        return;
    sim_disk_tick(a->io);
    if (!a->dead && a->raft_tick_us != 0)
        set_raft_tick(a);
}

static void on_soon(void *data)
{
    sim_agent_timer(data, run_soon);
}

static void on_retry(void *data)
{
    sim_agent_timer(data, run_retry);
}

static void on_disk(void *data)
{
    sim_agent_timer(data, run_disk);
}

static void on_tick(void *data)
{
    sim_agent_timer(data, run_tick);
}

/* ---- life ---- */

struct arbiter_timing sim_raft_timing(const struct cluster_config *cfg)
{
    const struct config_arbiter *a = &cfg->arbiter;
    struct arbiter_timing t =
        arbiter_timing_scaled(ARBITER_PROFILE_LAN, (int64_t)a->election_timeout_ms * 1000);
    struct errmsg msg = ERRMSG_INIT;
    t.heartbeat_us = (int64_t)a->heartbeat_ms * 1000;
    t.margin_us = (int64_t)a->margin_ms * 1000;
    if (a->candidate_delta_ms != 0)
        t.candidate_delta_us = (int64_t)a->candidate_delta_ms * 1000;
    if (a->tick_ms != 0)
        t.tick_us = (int64_t)a->tick_ms * 1000;
    if (a->rtt_ms != 0)
        t.round_trip_us = (int64_t)a->rtt_ms * 1000;
    if (arbiter_timing_check(&t, 0, &msg) != 0) {
        fprintf(stderr, "%s\n", msg.text);
        abort();
    }
    return t;
}

void sim_raft_start(struct agent *a)
{
    struct world *w = a->w;
    struct errmsg msg = ERRMSG_INIT;
    struct raft_node_config config = {.backend = {.data = a,
                                                  .where = sim_name(w, a->self),
                                                  .now_us = backend_now_us,
                                                  .soon = backend_soon,
                                                  .retry = backend_retry,
                                                  .open = backend_open,
                                                  .close = backend_close,
                                                  .has_space = backend_has_space,
                                                  .release = backend_release},
                                      .log = {.fn = sim_told_log, .data = a},
                                      .self = a->self,
                                      .n_nodes = w->cfg->n_nodes,
                                      .timing = a->timing,
                                      .entry_format = RECORD_FORMAT,
                                      .seed = prng_next(&w->prng),
                                      .snapshot_threshold = SNAPSHOT_THRESHOLD,
                                      .snapshot_trailing = SNAPSHOT_TRAILING,
                                      .callbacks = {.data = a,
                                                    .send = on_send,
                                                    .on_elected = sim_told_elected,
                                                    .on_deposed = sim_told_deposed,
                                                    .on_leader = sim_told_leader,
                                                    .on_lease = on_lease,
                                                    .on_apply = on_apply,
                                                    .on_snapshot_take = on_snapshot_take,
                                                    .on_snapshot_restore = on_snapshot_restore,
                                                    .on_proposal = on_proposal,
                                                    .on_transfer = on_transfer,
                                                    .on_trouble = on_trouble}};
    int err;
    sim_timer_init(&a->soon, on_soon, a);
    sim_timer_init(&a->retry, on_retry, a);
    sim_timer_init(&a->disk_ready, on_disk, a);
    sim_timer_init(&a->raft_tick, on_tick, a);
    err = raft_node_start(&config, &a->raft, &msg);
    if (err != 0)
        fprintf(stderr, "the arbiter of %s cannot start: %s\n", sim_name(w, a->self), msg.text);
    assert(err == 0);
}

/* Stopped in order, but nothing of that leaves it: its callbacks are deaf, its disk is gone. */
void sim_raft_bury(struct agent *a)
{
    a->soon_due = true;
    raft_node_stop(a->raft, NULL, NULL);
    while (!a->released) {
        if (!a->soon_due) /* it died while it closed its disk */
            sim_disk_deliver(a->io);
        assert(a->soon_due);
        a->soon_due = false;
        raft_node_wake(a->raft);
    }
    raft_node_released(a->raft);
    a->raft = NULL;
}

/* ---- what the core wants ---- */

void sim_raft_propose(struct agent *a, uint64_t id, const struct entry *e)
{
    uint8_t buf[RAFT_NODE_ENTRY_MAX];
    size_t len = 0;
    int err = entry_encode(e, buf, sizeof buf, &len);
    assert(err == 0);
    check_s2_proposed(a->w, a->self, id, e);
    raft_node_propose(a->raft, id, RECORD_FORMAT, buf, len);
}

void sim_raft_transfer(struct agent *a, unsigned to)
{
    struct errmsg m = ERRMSG_INIT;
    int err = raft_node_transfer_prepare(a->raft, to, &m);
    if (err == 0) {
        err = raft_node_transfer(a->raft, &m);
        if (err != 0 && raft_node_transfer_abort(a->raft) == 0)
            sim_story(a->w, "%s: transfer given up before the call", sim_name(a->w, a->self));
    }
    if (err == 0)
        return;
    sim_story(a->w, "%s: transfer to %s is not possible: %s", sim_name(a->w, a->self),
              sim_name(a->w, to), m.text);
    sim_told_transfer(a, false);
}
