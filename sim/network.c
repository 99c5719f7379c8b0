/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_MIN_US 300
#define LATENCY_SPREAD_US 700
#define HANDSHAKE_MIN_US 2000
#define HANDSHAKE_SPREAD_US 4000
#define IDLE_US 2000000
#define PING_US 200000 /* so much later an end may notice it */
#define BACKOFF_MIN_US 100000
#define BACKOFF_MAX_US 1000000
#define RETRANSMIT_MAX_US 1000000
#define QUEUE_MAX_BYTES (2u * 1024 * 1024)

enum state { STATE_GONE, STATE_DARK, STATE_RUNS, STATE_STALLS };

/* One side of a connection. */
struct end {
    bool open;
    int64_t close_us; /* it gives up then */
};

/* The connection by which `from` sends to `to`. */
struct link {
    struct sim_network *network;
    unsigned from;
    unsigned to;
    struct end out;
    struct end in;
    int64_t dial_us;  /* the next attempt of `from` */
    int64_t ready_us; /* the handshake of the one that runs is done; SIM_NEVER = none runs */
    int64_t backoff_us;
    bool is_cut; /* its frames wait */
    int64_t cut_us;
    int64_t held_until_us; /* retransmission after a cut */
    int64_t slow_us;       /* what its frames need in addition */
    struct sim_frame *first;
    struct sim_frame **last;
    int64_t last_us;
    size_t bytes;
    struct sim_timer timer;
};

struct sim_network {
    struct sim_timers *timers;
    struct prng prng;
    struct sim_network_user user;
    unsigned n_nodes;
    enum state state[NODES_MAX];
    bool told[NODES_MAX][NODES_MAX]; /* [node][peer] is up */
    struct link link[NODES_MAX][NODES_MAX];
};

static int64_t draw(struct sim_network *n, int64_t bound)
{
    return (int64_t)prng_below(&n->prng, (uint64_t)bound);
}

static int64_t now_us(const struct link *l)
{
    return l->network->timers->now_us;
}

static bool passes(const struct sim_network *n, unsigned from, unsigned to)
{
    return n->state[from] != STATE_DARK && n->state[to] != STATE_DARK &&
           n->user.passes(n->user.data, from, to);
}

static bool runs(const struct sim_network *n, unsigned node)
{
    return n->state[node] == STATE_RUNS;
}

static bool is_there(const struct sim_network *n, unsigned node)
{
    return n->state[node] == STATE_RUNS || n->state[node] == STATE_STALLS;
}

/* ---- frames ---- */

struct sim_frame *sim_frame_new(unsigned from, unsigned to, size_t len)
{
    struct sim_frame *f = malloc(sizeof *f + len);
    assert(f != NULL);
    *f = (struct sim_frame){.from = from, .to = to, .len = len};
    return f;
}

void sim_frame_free(struct sim_frame *f)
{
    free(f->event);
    free(f);
}

static void drop_frames(struct link *l)
{
    while (l->first != NULL) {
        struct sim_frame *f = l->first;
        l->first = f->next;
        sim_frame_free(f);
    }
    l->last = &l->first;
    l->bytes = 0;
}

/* What had not left its process yet, when that ends. */
static void drop_unsent(struct link *l)
{
    struct sim_frame **at = &l->first;
    while (*at != NULL && (*at)->left_us <= now_us(l))
        at = &(*at)->next;
    while (*at != NULL) {
        struct sim_frame *f = *at;
        *at = f->next;
        l->bytes -= f->len;
        sim_frame_free(f);
    }
    l->last = at;
}

static int64_t frame_due_us(const struct link *l)
{
    if (l->first == NULL || l->is_cut)
        return SIM_NEVER;
    return l->first->at_us > l->held_until_us ? l->first->at_us : l->held_until_us;
}

/* ---- up and down ---- */

static void tell(struct sim_network *n, unsigned node, unsigned peer)
{
    bool up = n->link[node][peer].out.open && n->link[peer][node].in.open;
    if (!is_there(n, node))
        up = false;
    if (n->told[node][peer] == up)
        return;
    n->told[node][peer] = up;
    if (is_there(n, node))
        n->user.peer(n->user.data, node, peer, up);
}

static void schedule(struct link *l)
{
    int64_t at_us = frame_due_us(l);
    const int64_t others[] = {l->out.open ? l->out.close_us : SIM_NEVER,
                              l->in.open ? l->in.close_us : SIM_NEVER,
                              l->out.open ? SIM_NEVER : l->dial_us, l->ready_us};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i] < at_us)
            at_us = others[i];
    sim_timer_set(l->network->timers, &l->timer, at_us);
}

/* ---- the end of a connection ---- */

static void redial_later(struct link *l)
{
    l->ready_us = SIM_NEVER;
    l->dial_us = now_us(l) + l->backoff_us / 2 + draw(l->network, l->backoff_us / 2);
    if (l->backoff_us < BACKOFF_MAX_US)
        l->backoff_us *= 2;
}

static void close_end(struct link *l, struct end *end)
{
    struct sim_network *n = l->network;
    bool is_out = end == &l->out;
    struct end *other = is_out ? &l->in : &l->out;
    unsigned self = is_out ? l->from : l->to;
    unsigned peer = is_out ? l->to : l->from;
    if (!end->open)
        return;
    end->open = false;
    if (!is_out)
        drop_frames(l); /* nobody reads any more */
    else if (is_there(n, l->from))
        redial_later(l);
    /* A goodbye, if it gets through; after the frames that were sent before it. */
    if (other->open && passes(n, self, peer)) {
        int64_t at_us = now_us(l) + LATENCY_MIN_US + draw(n, LATENCY_SPREAD_US);
        if (is_out && l->first != NULL && l->last_us > at_us)
            at_us = l->last_us;
        if (at_us < other->close_us)
            other->close_us = at_us;
    }
    tell(n, self, peer);
    schedule(l);
}

/* ---- a new one ---- */

static void dial_now(struct link *l)
{
    struct sim_network *n = l->network;
    bool answers = runs(n, l->from) && runs(n, l->to) && passes(n, l->from, l->to) &&
                   passes(n, l->to, l->from);
    l->dial_us = SIM_NEVER;
    if (answers)
        l->ready_us = now_us(l) + HANDSHAKE_MIN_US + draw(n, HANDSHAKE_SPREAD_US);
    else if (is_there(n, l->from))
        redial_later(l);
}

static void set_impaired(struct link *l);

static void establish(struct link *l)
{
    struct sim_network *n = l->network;
    struct link *back = &n->link[l->to][l->from];
    l->ready_us = SIM_NEVER;
    if (!runs(n, l->from) || !runs(n, l->to) || !passes(n, l->from, l->to) ||
        !passes(n, l->to, l->from)) {
        redial_later(l);
        return;
    }
    if (l->in.open) { /* replaced by the newer one */
        l->in.open = false;
        tell(n, l->to, l->from);
    }
    drop_frames(l);
    l->out = l->in = (struct end){.open = true, .close_us = SIM_NEVER};
    l->dial_us = SIM_NEVER;
    l->backoff_us = BACKOFF_MIN_US;
    l->held_until_us = 0;
    set_impaired(l);
    /* Who has just reached us can be reached; what we had to an earlier life of it is dead. */
    if (back->out.open && !back->in.open)
        close_end(back, &back->out);
    if (!back->out.open && back->ready_us == SIM_NEVER) {
        dial_now(back);
        schedule(back);
    }
    tell(n, l->from, l->to);
    tell(n, l->to, l->from);
}

/* ---- what the world does to it ---- */

static void impair(struct link *l, struct end *end, bool bad)
{
    if (!end->open)
        return;
    if (bad && end->close_us == SIM_NEVER)
        end->close_us = now_us(l) + IDLE_US + draw(l->network, PING_US);
    else if (!bad && (end == &l->out ? l->in.open : l->out.open))
        end->close_us = SIM_NEVER;
    else if (!bad) /* the other end's goodbye gets through now */
        end->close_us = now_us(l) + LATENCY_MIN_US;
}

static void set_impaired(struct link *l)
{
    struct sim_network *n = l->network;
    bool there = passes(n, l->from, l->to);
    bool both = there && passes(n, l->to, l->from);
    impair(l, &l->out, !both || !runs(n, l->to));
    impair(l, &l->in, !both || !runs(n, l->from));
    if (l->is_cut && there) {
        int64_t longest_us = now_us(l) - l->cut_us;
        if (longest_us > RETRANSMIT_MAX_US)
            longest_us = RETRANSMIT_MAX_US;
        l->held_until_us = now_us(l) + draw(n, longest_us + 1);
    }
    if (!l->is_cut && !there)
        l->cut_us = now_us(l);
    l->is_cut = !there;
    schedule(l);
}

void sim_network_changed(struct sim_network *n)
{
    for (unsigned i = 0; i < n->n_nodes; i++)
        for (unsigned j = 0; j < n->n_nodes; j++)
            if (i != j)
                set_impaired(&n->link[i][j]);
}

void sim_network_start(struct sim_network *n, unsigned node)
{
    n->state[node] = STATE_RUNS;
    for (unsigned i = 0; i < n->n_nodes; i++) {
        struct link *l = &n->link[node][i];
        l->backoff_us = BACKOFF_MIN_US;
        l->dial_us = n->timers->now_us;
    }
    sim_network_changed(n);
}

static void stop_end(struct link *l, struct end *end, bool host_is_dark)
{
    if (host_is_dark)
        end->open = false;
    else
        close_end(l, end);
}

void sim_network_stop(struct sim_network *n, unsigned node, bool host_is_dark)
{
    n->state[node] = host_is_dark ? STATE_DARK : STATE_GONE;
    for (unsigned i = 0; i < n->n_nodes; i++) {
        struct link *out = &n->link[node][i];
        struct link *in = &n->link[i][node];
        if (i == node)
            continue;
        n->told[node][i] = false;
        out->dial_us = out->ready_us = SIM_NEVER;
        drop_unsent(out);
        if (host_is_dark) {
            drop_frames(out);
            drop_frames(in);
        }
        stop_end(out, &out->out, host_is_dark);
        stop_end(in, &in->in, host_is_dark);
    }
    sim_network_changed(n);
}

void sim_network_stall(struct sim_network *n, unsigned node, bool stalls)
{
    if (!is_there(n, node))
        return;
    n->state[node] = stalls ? STATE_STALLS : STATE_RUNS;
    sim_network_changed(n);
}

void sim_network_reset(struct sim_network *n, unsigned from, unsigned to)
{
    struct link *l = &n->link[from][to];
    drop_frames(l);
    close_end(l, &l->out);
}

bool sim_network_slow(struct sim_network *n, unsigned from, unsigned to, int64_t us)
{
    int64_t before_us = n->link[from][to].slow_us;
    assert(us >= 0 && us < IDLE_US);
    n->link[from][to].slow_us = us;
    return us != before_us;
}

void sim_network_send(struct sim_network *n, struct sim_frame *f, int64_t leave_us)
{
    struct link *l = &n->link[f->from][f->to];
    if (!l->out.open || l->bytes + f->len > QUEUE_MAX_BYTES) {
        sim_frame_free(f);
        return;
    }
    if (leave_us < n->timers->now_us)
        leave_us = n->timers->now_us;
    f->left_us = leave_us;
    f->at_us = leave_us + LATENCY_MIN_US + draw(n, LATENCY_SPREAD_US) + l->slow_us;
    if (f->at_us < l->last_us)
        f->at_us = l->last_us;
    l->last_us = f->at_us;
    f->next = NULL;
    *l->last = f;
    l->last = &f->next;
    l->bytes += f->len;
    if (l->first == f)
        schedule(l);
}

/* ---- time ---- */

static void deliver_due(struct link *l)
{
    while (frame_due_us(l) <= now_us(l)) {
        struct sim_frame *f = l->first;
        l->first = f->next;
        if (l->first == NULL)
            l->last = &l->first;
        l->bytes -= f->len;
        f->next = NULL;
        if (l->in.open && is_there(l->network, l->to))
            l->network->user.deliver(l->network->user.data, f);
        else
            sim_frame_free(f);
    }
}

/* An agent that stands still gives nothing up before it goes on. */
static void close_due(struct link *l, struct end *end)
{
    unsigned self = end == &l->out ? l->from : l->to;
    if (!end->open || end->close_us > now_us(l))
        return;
    if (l->network->state[self] == STATE_STALLS)
        end->close_us = now_us(l) + PING_US;
    else
        close_end(l, end);
}

static void on_time(void *data)
{
    struct link *l = data;
    deliver_due(l);
    close_due(l, &l->in);
    close_due(l, &l->out);
    if (l->ready_us <= now_us(l))
        establish(l);
    else if (!l->out.open && l->dial_us <= now_us(l))
        dial_now(l);
    schedule(l);
}

struct sim_network *sim_network_new(struct sim_timers *timers, unsigned n_nodes, uint64_t seed,
                                    const struct sim_network_user *user)
{
    struct sim_network *n = calloc(1, sizeof *n);
    assert(n != NULL && n_nodes <= NODES_MAX);
    n->timers = timers;
    n->prng.state = seed;
    n->user = *user;
    n->n_nodes = n_nodes;
    for (unsigned i = 0; i < n_nodes; i++) {
        for (unsigned j = 0; j < n_nodes; j++) {
            struct link *l = &n->link[i][j];
            *l = (struct link){.network = n,
                               .from = i,
                               .to = j,
                               .dial_us = SIM_NEVER,
                               .ready_us = SIM_NEVER,
                               .backoff_us = BACKOFF_MIN_US};
            l->last = &l->first;
            sim_timer_init(&l->timer, on_time, l);
        }
    }
    return n;
}

void sim_network_free(struct sim_network *n)
{
    for (unsigned i = 0; i < n->n_nodes; i++) {
        for (unsigned j = 0; j < n->n_nodes; j++) {
            drop_frames(&n->link[i][j]);
            sim_timer_stop(n->timers, &n->link[i][j].timer);
        }
    }
    free(n);
}
