/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vrrp arbiter of an agent (arbiter/pair_node.h): the host's clock, a disk that keeps the
 * state, the agents' transport for its messages, and datagrams for its advertisements, which are
 * lost or overtake each other as datagrams do. A witness of the cluster is the arbitration address:
 * a host that answers and runs nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world_private.h"

#define ADVERT_LEN 1 /* of a frame's bytes: an advertisement; a message is longer */
#define ADVERT_MIN_US 100
#define ADVERT_SPREAD_US 400
#define WRITE_MIN_US 200
#define WRITE_SPREAD_US 3000
#define ASK_EVERY_MAX_US 250000 /* the arbitration address and the other server */

/* An advertisement on its way. */
struct advert {
    struct sim_timer timer;
    struct world *w;
    struct sim_frame *frame;
};

static struct pair_node *node_of(const struct agent *a)
{
    return a->pair;
}

static void run_tick(struct agent *a);

static void on_tick(void *data)
{
    sim_agent_timer(data, run_tick);
}

static void arm(struct agent *a)
{
    const struct sim_clock *clock = &a->w->host[a->self].clock;
    if (!a->dead)
        sim_timer_set(&a->w->timers, &a->pair_tick,
                      sim_clock_true(clock, pair_node_deadline_us(node_of(a)) + 1));
}

/* ---- callbacks ---- */

static int64_t on_now(void *data)
{
    return sim_agent_now_us(data);
}

static void run_stored(struct agent *a)
{
    pair_node_stored(node_of(a), a->pair_err, "no space");
    arm(a);
}

/* It is on the disk before the agent gets to hear of it. */
static void on_written(void *data)
{
    struct agent *a = data;
    struct host *h = &a->w->host[a->self];
    a->pair_err = sim_disk_works(h->disk) ? 0 : ERR_NOSPC;
    if (a->pair_err == 0)
        h->pair_disk = *a->pair_next;
    free(a->pair_next);
    a->pair_next = NULL;
    sim_agent_timer(a, run_stored);
}

static int on_store(void *data, const struct pair_state *s, struct errmsg *m)
{
    struct agent *a = data;
    struct host *h = &a->w->host[a->self];
    if (a->dead || !sim_disk_works(h->disk))
        return errmsg_set(m, ERR_NOSPC, "no space");
    a->pair_next = malloc(sizeof *a->pair_next);
    assert(a->pair_next != NULL);
    *a->pair_next = *s;
    sim_timer_set(&a->w->timers, &a->pair_write,
                  sim_agent_leave_us(a) + WRITE_MIN_US + sim_disk_more_us(h->disk) +
                      (int64_t)prng_below(&a->w->prng, WRITE_SPREAD_US));
    return PAIR_STORING;
}

void sim_pair_crash(struct agent *a)
{
    if (a->pair_next != NULL && sim_chance(a->w, 500))
        a->w->host[a->self].pair_disk = *a->pair_next;
    free(a->pair_next);
    a->pair_next = NULL;
}

static void on_arrival(void *data)
{
    struct advert *d = data;
    struct world *w = d->w;
    struct agent *to = w->host[d->frame->to].process;
    if (to != NULL && sim_passes(w, d->frame->from, d->frame->to) &&
        !w->cut_adverts[d->frame->from][d->frame->to])
        sim_agent_frame(to, d->frame);
    else
        sim_frame_free(d->frame);
    free(d);
}

static int on_advertise(void *data, unsigned router, uint8_t priority, struct errmsg *m)
{
    struct agent *a = data;
    struct world *w = a->w;
    struct advert *d;
    (void)router;
    (void)m;
    if (a->dead || sim_chance(w, w->faults.loss))
        return 0;
    d = calloc(1, sizeof *d);
    assert(d != NULL);
    d->w = w;
    d->frame = sim_frame_new(a->self, node_of(a)->other, ADVERT_LEN);
    d->frame->bytes[0] = priority;
    sim_timer_init(&d->timer, on_arrival, d);
    sim_timer_set(&w->timers, &d->timer,
                  sim_agent_leave_us(a) + ADVERT_MIN_US +
                      (int64_t)prng_below(&w->prng, ADVERT_SPREAD_US));
    return 0;
}

static void on_announce(void *data)
{
    const struct agent *a = data;
    if (!a->dead && a->core->vip_wanted)
        sim_clients_hear(a->w, a->self);
}

static void on_send(void *data, const struct pair_message *m)
{
    struct agent *a = data;
    static uint8_t bytes[PAIR_BYTES_MAX];
    struct sim_frame *f;
    size_t len = 0;
    int err = pair_message_encode(m, bytes, sizeof bytes, &len);
    assert(err == 0);
    (void)err;
    if (a->dead)
        return;
    f = sim_frame_new(a->self, node_of(a)->other, len);
    memcpy(f->bytes, bytes, len);
    sim_send(a, f);
}

/* A change that was on one disk and told to nobody, since its agent ended, comes true later; and of
 * two that go separate ways the better one counts. What it says of members whom the writer has
 * dropped does not, where the other node has changed it since: that is lost when the two meet. */
static void see_record(struct world *w, unsigned node)
{
    const struct pair_state *s = &w->host[node].pair_disk;
    const struct record *r = &s->record;
    struct entry e = {.kind = ENTRY_PROMOTE, .node = r->writer};
    bool promoted = r->epoch > w->committed->epoch;
    unsigned changed_by = s->stamp.term % 2 != 0 ? 0 : 1; /* whose term it is */
    bool all = promoted || changed_by == r->writer;
    uint32_t members = all ? UINT32_MAX : w->committed->in_sync;
    if (pair_stamp_compare(&s->stamp, &w->committed_stamp) <= 0)
        return;
    *w->committed = *r;
    w->committed->in_sync &= members;
    w->committed_stamp = s->stamp;
    if (promoted && r->n_promotions > 0) {
        e.flag = r->promotions[r->n_promotions - 1].clean;
        check_s2_entry(w, &e, 0);
    }
}

/* The record of all and the entry make the record of the node: it has not gone ways of its own. */
static bool is_next(const struct world *w, const struct entry *e, const struct pair_state *s)
{
    struct record next = *w->committed;
    return pair_stamp_compare(&s->stamp, &w->committed_stamp) > 0 && record_apply(&next, e) == 0 &&
           memcmp(&next, &s->record, sizeof next) == 0;
}

static void on_apply(void *data, const struct entry *e)
{
    struct agent *a = data;
    const struct pair_state *s = &a->w->host[a->self].pair_disk;
    struct event *ev;
    if (a->dead)
        return;
    if (a->w->leader == a->self && is_next(a->w, e, s)) {
        sim_check_entry(a->w, e);
        a->w->committed_stamp = s->stamp;
    }
    see_record(a->w, a->self);
    ev = sim_event(EVENT_APPLIED);
    ev->u.entry = *e;
    sim_agent_post(a, ev);
}

static void on_restore(void *data, const struct record *r)
{
    struct agent *a = data;
    struct event *ev;
    if (a->dead)
        return;
    see_record(a->w, a->self);
    ev = sim_event(EVENT_RESTORED);
    ev->u.record = *r;
    sim_agent_post(a, ev);
}

static void on_elected(void *data, uint64_t term)
{
    struct agent *a = data;
    if (!a->dead)
        sim_check_pair_elected(a->w, a->self);
    sim_told_elected(a, term);
}

static void on_lease(void *data, int64_t until_us)
{
    struct agent *a = data;
    const struct pair_node *n = node_of(a);
    if (!a->dead && n->cfg.arbitrated)
        sim_check_pair_lease(a->w, a->self, n->timing.advert_us, until_us);
    sim_told_lease(a, until_us);
}

static void on_transfer(void *data)
{
    sim_told_transfer(data, false);
}

static void on_trouble(void *data, const char *text)
{
    sim_told_trouble(data, text);
}

/* ---- what the agent does by itself ---- */

static void ask_around(struct agent *a)
{
    struct world *w = a->w;
    struct pair_node *n = node_of(a);
    int64_t now_us = sim_agent_now_us(a);
    int64_t every_us = n->timing.advert_us / 2 - n->timing.heartbeat_us / 2; /* by its ticks */
    if (now_us - a->asked_us < (every_us < ASK_EVERY_MAX_US ? every_us : ASK_EVERY_MAX_US))
        return;
    a->asked_us = now_us;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (w->cfg->nodes[i].role != CONFIG_ROLE_WITNESS || !sim_reaches(w, a->self, i))
            continue;
        sim_check_pair_proven(w, a->self);
        pair_node_arbitration(n, now_us);
    }
    if (pair_node_wants_server(n))
        pair_node_server(n, sim_reaches(w, a->self, n->other) &&
                                sim_answers(&w->host[n->other].server));
}

static void run_tick(struct agent *a)
{
    ask_around(a);
    pair_node_tick(node_of(a));
    arm(a);
}

/* ---- life ---- */

static bool has_witness(const struct cluster_config *c)
{
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (c->nodes[i].role == CONFIG_ROLE_WITNESS)
            return true;
    }
    return false;
}

void sim_pair_start(struct agent *a)
{
    struct world *w = a->w;
    struct host *h = &w->host[a->self];
    struct pair_config pc = {.cluster = w->cfg,
                             .self = a->self,
                             .arbitrated = has_witness(w->cfg),
                             .log = {.fn = sim_told_log, .data = a},
                             .callbacks = {.data = a,
                                           .now_us = on_now,
                                           .store = on_store,
                                           .advertise = on_advertise,
                                           .announce = on_announce,
                                           .send = on_send,
                                           .on_elected = on_elected,
                                           .on_deposed = sim_told_deposed,
                                           .on_leader = sim_told_leader,
                                           .on_lease = on_lease,
                                           .on_doubt = sim_told_doubt,
                                           .on_apply = on_apply,
                                           .on_restore = on_restore,
                                           .on_proposal = sim_told_proposal,
                                           .on_transfer = on_transfer,
                                           .on_trouble = on_trouble}};
    pc.vrrp.priority = (uint8_t)w->cfg->nodes[a->self].priority;
    pc.vrrp.interval_cs = (uint16_t)(w->cfg->vrrp.advert_interval_ms / 10);
    pc.vrrp.n_routers = 1;
    pc.vrrp.routers[0].version = 3;
    pc.vrrp.routers[0].own.bytes[3] = (uint8_t)(10 + a->self);
    pc.other[0].bytes[3] = (uint8_t)(10 + pair_other(w->cfg, a->self));
    if (!h->pair_made)
        pair_state_init(&h->pair_disk);
    h->pair_made = true;
    a->pair = malloc(sizeof *a->pair);
    assert(a->pair != NULL);
    sim_timer_init(&a->pair_tick, on_tick, a);
    sim_timer_init(&a->pair_write, on_written, a);
    pair_node_init(a->pair, &pc, &h->pair_disk);
    pair_node_start(a->pair);
    arm(a);
}

void sim_pair_bury(struct agent *a)
{
    free(a->pair);
    a->pair = NULL;
}

void sim_pair_frame(struct agent *a, const struct sim_frame *f)
{
    struct pair_node *n = node_of(a);
    struct vrrp_address from = {{0}};
    static struct pair_message m;
    int err = 0;
    from.bytes[3] = (uint8_t)(10 + f->from);
    if (f->len == ADVERT_LEN)
        pair_node_advert(n, 0, f->bytes[0], n->cfg.vrrp.interval_cs, &from);
    else if ((err = pair_message_decode(f->bytes, f->len, &m)) == 0) {
        sim_check_pair_proven(a->w, f->from);
        pair_node_message(n, &m);
    }
    assert(err == 0);
    arm(a);
}

void sim_pair_peer(struct agent *a, bool up)
{
    pair_node_peer(node_of(a), up);
    arm(a);
}

void sim_pair_effect(struct agent *a, const struct effect *e)
{
    struct pair_node *n = node_of(a);
    switch (e->kind) {
    case EFFECT_PROPOSE:
        pair_node_propose(n, e->u.proposal.id, &e->u.proposal.entry);
        break;
    case EFFECT_BARRIER:
        pair_node_barrier(n, e->u.id);
        break;
    case EFFECT_TRANSFER:
        pair_node_transfer(n, e->to);
        break;
    case EFFECT_RANK:
        pair_node_rank(n, e->u.rank);
        break;
    case EFFECT_BY_HAND:
        sim_check_pair_ordered(a->w, a->self);
        pair_node_by_hand(n);
        break;
    default:
        break;
    }
    arm(a);
}

/* ---- the pair as seen from outside ---- */

bool world_agents_are_cut(const struct world *w)
{
    return w->cut_raft[0][1] || w->cut_raft[1][0];
}

bool world_adverts_are_cut(const struct world *w)
{
    return w->cut_adverts[0][1] || w->cut_adverts[1][0];
}

bool world_pair_is_whole(const struct world *w)
{
    return sim_reaches_agent(w, 0, 1) && !world_adverts_are_cut(w);
}

unsigned world_pair_newer(const struct world *w, bool forced)
{
    uint64_t first = w->host[0].pair_disk.record.epoch;
    uint64_t second = w->host[1].pair_disk.record.epoch;
    unsigned newer = first > second ? 0 : 1;
    const struct record *r = &w->host[newer].pair_disk.record;
    if (first == second || (forced && r->promotions[r->n_promotions - 1].clean))
        return NODE_NONE;
    return newer;
}
