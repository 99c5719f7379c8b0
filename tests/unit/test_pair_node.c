/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vrrp arbiter: two nodes with everything around them in memory: advertisements, the agents'
 * connection, an arbitration address, disks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arbiter/pair_node.h"

#define MS 1000
#define NODES 2
#define FRAMES_MAX 64

static void make_cluster(struct cluster_config *c)
{
    memset(c, 0, sizeof *c);
    c->arbiter.type = CONFIG_ARBITER_VRRP;
    c->n_nodes = NODES;
    c->vrrp.version = 3;
    c->vrrp.advert_interval_ms = 1000;
    c->policy.shrink_after_ms = 10000;
    for (unsigned i = 0; i < NODES; i++) {
        (void)snprintf(c->nodes[i].name, sizeof c->nodes[i].name, "m%u", i + 1);
        c->nodes[i].role = CONFIG_ROLE_CANDIDATE;
        c->nodes[i].priority = i == 0 ? 100 : 50;
    }
}

/* ---- two nodes ---- */

struct frame {
    bool used;
    unsigned to;
    int64_t at_us;
    bool is_advert;
    uint8_t priority;
    struct pair_message *message;
};

struct world;

struct host {
    struct world *w;
    unsigned self;
    struct pair_node *node;
    struct pair_state disk;
    bool disk_fails;
    bool off;
    bool serves; /* its server greets */
    bool arbitration;
    bool mute; /* its advertisements do not leave */
    bool doubt;
    char trouble[DETAIL_TEXT_MAX];
    int64_t lease_us;
    bool leads;
    bool speaks; /* has advertised as Master since it fell silent */
    unsigned silences;
    uint64_t term;
    unsigned leader;
    unsigned restores;
    struct record record; /* as told */
    uint64_t done_id;
    int done_err;
    unsigned done;
};

struct world {
    int64_t now_us;
    struct cluster_config cluster;
    struct host host[NODES];
    bool connected;
    bool adverts;
    struct frame frames[FRAMES_MAX];
};

static int64_t on_now(void *data)
{
    return ((struct host *)data)->w->now_us;
}

static int on_store(void *data, const struct pair_state *s, struct errmsg *m)
{
    struct host *h = data;
    if (h->disk_fails)
        return errmsg_set(m, ERR_IO, "broken");
    h->disk = *s;
    return 0;
}

static struct frame *new_frame(struct host *h)
{
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        struct frame *f = &h->w->frames[i];
        if (!f->used) {
            *f = (struct frame){.used = true, .to = 1 - h->self, .at_us = h->w->now_us + MS};
            return f;
        }
    }
    fail_msg("too many frames");
    return NULL;
}

static int on_advertise(void *data, unsigned router, uint8_t priority, struct errmsg *m)
{
    struct host *h = data;
    struct frame *f;
    assert_int_equal(router, 0);
    assert_true(priority != VRRP_PRIORITY_RELEASE || h->speaks);
    h->speaks = true;
    if (h->mute)
        return errmsg_set(m, ERR_NET, "not permitted");
    if (!h->w->adverts)
        return 0;
    f = new_frame(h);
    f->is_advert = true;
    f->priority = priority;
    return 0;
}

static void on_announce(void *data)
{
    (void)data;
}

static void on_send(void *data, const struct pair_message *m)
{
    struct frame *f;
    if (!((struct host *)data)->w->connected)
        return;
    f = new_frame(data);
    f->message = malloc(sizeof *m);
    *f->message = *m;
}

static void on_elected(void *data, uint64_t term)
{
    struct host *h = data;
    assert_false(h->leads);
    assert_true(h->disk.term >= term); /* durable before it is told */
    h->leads = true;
    h->term = term;
}

static void on_deposed(void *data, uint64_t term)
{
    struct host *h = data;
    assert_true(h->leads && h->term == term);
    assert_int_equal(h->lease_us, 0);
    h->leads = false;
}

static void on_leader(void *data, uint64_t term, unsigned node)
{
    (void)term;
    ((struct host *)data)->leader = node;
}

/* S1 as far as it can be kept: never two leases. Tests that break it on purpose say so. */
static void on_lease(void *data, int64_t until_us)
{
    ((struct host *)data)->lease_us = until_us;
}

static void on_doubt(void *data, bool doubt)
{
    ((struct host *)data)->doubt = doubt;
}

static void on_apply(void *data, const struct entry *e)
{
    struct host *h = data;
    (void)!record_apply(&h->record, e);
}

static void on_restore(void *data, const struct record *r)
{
    struct host *h = data;
    h->record = *r;
    h->restores++;
}

static void on_proposal(void *data, uint64_t id, int err)
{
    struct host *h = data;
    h->done_id = id;
    h->done_err = err;
    h->done++;
}

static void on_transfer(void *data)
{
    (void)data;
}

static void on_trouble(void *data, const char *text)
{
    struct host *h = data;
    (void)snprintf(h->trouble, sizeof h->trouble, "%s", text);
}

/* The goodbye is said and the role is given up before. */
static void on_silent(void *data)
{
    struct host *h = data;
    assert_true(h->speaks && !h->leads);
    h->speaks = false;
    h->silences++;
}

static void start(struct world *w, unsigned i)
{
    struct host *h = &w->host[i];
    struct pair_config pc = {.cluster = &w->cluster,
                             .self = i,
                             .arbitrated = w->cluster.vrrp.arbitration[0] != '\0',
                             .callbacks = {h, on_now, on_store, on_advertise, on_announce, on_send,
                                           on_elected, on_deposed, on_leader, on_lease, on_doubt,
                                           on_apply, on_restore, on_proposal, on_transfer,
                                           on_trouble, on_silent}};
    pc.vrrp =
        (struct vrrp_options){.priority = (uint8_t)w->cluster.nodes[i].priority,
                              .interval_cs = (uint16_t)(w->cluster.vrrp.advert_interval_ms / 10),
                              .n_routers = 1};
    pc.vrrp.routers[0].version = 3;
    pc.vrrp.routers[0].own.bytes[3] = (uint8_t)(10 + i);
    memcpy(pc.other[0].bytes, (const uint8_t[]){192, 0, 2, (uint8_t)(10 + (1 - i))}, 4);
    memcpy(pc.vrrp.routers[0].own.bytes, (const uint8_t[]){192, 0, 2, (uint8_t)(10 + i)}, 4);
    h->w = w;
    h->self = i;
    h->off = false;
    h->leads = h->speaks = h->doubt = false;
    h->lease_us = 0;
    h->leader = NODE_NONE;
    pair_node_init(h->node, &pc, &h->disk);
    pair_node_start(h->node);
    pair_node_rank(h->node, (int)i + 1);
}

static struct world *make(const char *arbitration)
{
    struct world *w = calloc(1, sizeof *w);
    make_cluster(&w->cluster);
    (void)snprintf(w->cluster.vrrp.arbitration, sizeof w->cluster.vrrp.arbitration, "%s",
                   arbitration);
    w->now_us = 1000 * MS;
    w->adverts = true;
    for (unsigned i = 0; i < NODES; i++) {
        w->host[i].node = malloc(sizeof *w->host[i].node);
        w->host[i].arbitration = true;
        w->host[i].serves = true;
        pair_state_init(&w->host[i].disk);
        start(w, i);
    }
    return w;
}

static void drop_frames(struct world *w)
{
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        free(w->frames[i].message);
        w->frames[i] = (struct frame){.used = false};
    }
}

static void destroy(struct world *w)
{
    drop_frames(w);
    for (unsigned i = 0; i < NODES; i++)
        free(w->host[i].node);
    free(w);
}

static void connect_agents(struct world *w, bool up)
{
    w->connected = up;
    for (unsigned i = 0; i < NODES; i++) {
        if (!w->host[i].off)
            pair_node_peer(w->host[i].node, up);
    }
}

static void power_off(struct world *w, unsigned i)
{
    w->host[i].off = true;
    w->host[i].serves = false;
    w->host[i].leads = false;
    w->host[i].lease_us = 0;
    connect_agents(w, false);
}

static void deliver(struct world *w, struct frame *f)
{
    struct host *h = &w->host[f->to];
    struct vrrp_address from = {{0}};
    struct frame got = *f;
    f->used = false;
    f->message = NULL;
    memcpy(from.bytes, (const uint8_t[]){192, 0, 2, (uint8_t)(10 + (1 - got.to))}, 4);
    if (h->off)
        ;
    else if (got.is_advert && w->adverts)
        pair_node_advert(h->node, 0, got.priority,
                         (uint16_t)(w->cluster.vrrp.advert_interval_ms / 10), &from);
    else if (!got.is_advert && w->connected)
        pair_node_message(h->node, got.message);
    free(got.message);
}

static void run_host(struct world *w, unsigned i)
{
    struct host *h = &w->host[i];
    if (h->off)
        return;
    if (w->now_us % (250 * MS) == 0) {
        if (h->arbitration && h->node->cfg.arbitrated)
            pair_node_arbitration(h->node, w->now_us - MS);
        if (pair_node_wants_server(h->node))
            pair_node_server(h->node, w->host[1 - i].serves && w->adverts);
    }
    if (w->now_us % (10 * MS) == 0)
        pair_node_tick(h->node);
}

static void run(struct world *w, int64_t ms)
{
    for (int64_t t = 0; t < ms; t++) {
        w->now_us += MS;
        for (unsigned i = 0; i < FRAMES_MAX; i++) {
            if (w->frames[i].used && w->frames[i].at_us <= w->now_us)
                deliver(w, &w->frames[i]);
        }
        for (unsigned i = 0; i < NODES; i++)
            run_host(w, i);
    }
}

static bool both_hold(const struct world *w)
{
    return w->host[0].lease_us > w->now_us && w->host[1].lease_us > w->now_us;
}

/* Runs, and fails as soon as both hold a lease. */
static void run_safely(struct world *w, int64_t ms)
{
    for (int64_t t = 0; t < ms; t++) {
        run(w, 1);
        assert_false(both_hold(w));
    }
}

static struct entry promote(const struct host *h)
{
    return (struct entry){.kind = ENTRY_PROMOTE,
                          .version = h->record.version,
                          .node = (uint8_t)h->self,
                          .epoch = h->term,
                          .flag = true};
}

static struct entry grow(const struct host *h, unsigned node)
{
    return (struct entry){.kind = ENTRY_GROW,
                          .version = h->record.version,
                          .node = (uint8_t)node,
                          .incarnation = {.pid = 1, .start_ticks = 1}};
}

static struct entry shrink(const struct host *h, unsigned node)
{
    return (struct entry){.kind = ENTRY_SHRINK, .version = h->record.version, .mask = 1u << node};
}

static void propose(struct host *h, struct entry e, uint64_t id)
{
    pair_node_propose(h->node, id, &e);
}

/* m1 leads, was promoted, m2 is in its set and both disks say so. */
static struct world *make_formed(const char *arbitration)
{
    struct world *w = make(arbitration);
    connect_agents(w, true);
    run_safely(w, 5000);
    assert_true(w->host[0].leads);
    assert_false(w->host[1].leads);
    pair_node_barrier(w->host[0].node, 1);
    run(w, 5);
    assert_int_equal(w->host[0].done_id, 1);
    propose(&w->host[0], promote(&w->host[0]), 2);
    run(w, 5);
    propose(&w->host[0], grow(&w->host[0], 1), 3);
    run(w, 5);
    assert_int_equal(w->host[0].done_id, 3);
    assert_int_equal(w->host[0].done_err, 0);
    assert_int_equal(w->host[1].record.writer, 0);
    assert_int_equal(w->host[1].record.in_sync, 2);
    assert_int_equal(w->host[1].disk.record.in_sync, 2);
    assert_int_equal(w->host[1].leader, 0);
    return w;
}

static void test_better_one_leads(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    run_safely(w, 20000);
    assert_true(w->host[0].leads && w->host[0].lease_us > w->now_us);
    destroy(w);
}

/* m1's host is lost: m2 leads after three intervals and its skew, m1's lease has ended. */
static void test_host_lost(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    int64_t lost_us = w->now_us, lease_us = w->host[0].lease_us;
    (void)state;
    power_off(w, 0);
    run(w, 2600);
    assert_false(w->host[1].leads);
    run(w, 1300);
    assert_true(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 110);
    assert_true(lease_us < lost_us + 2700 * MS);
    propose(&w->host[1], promote(&w->host[1]), 9);
    run(w, 5);
    assert_int_equal(w->host[1].done_err, 0);
    assert_int_equal(w->host[1].record.writer, 1);
    destroy(w);
}

/* Cut off from everything m1's lease ends before m2's begins. */
static void test_isolated_writer(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    for (int64_t shift = 0; shift < 1000; shift += 83) {
        run_safely(w, shift);
        w->adverts = w->host[0].arbitration = false;
        w->host[0].serves = false; /* not from m2 */
        connect_agents(w, false);
        drop_frames(w);
        run_safely(w, 6000);
        assert_true(w->host[1].leads);
        assert_false(w->host[0].leads);
        w->adverts = w->host[0].arbitration = w->host[0].serves = true;
        connect_agents(w, true);
        run_safely(w, 3000);
        /* The record says m1 is the writer still: it goes back. */
        pair_node_transfer(w->host[1].node, 0);
        run_safely(w, 3000);
        assert_true(w->host[0].leads);
    }
    destroy(w);
}

static void test_nothing_from_a_silent_host_without_arbitration(void **state)
{
    struct world *w = make_formed("");
    (void)state;
    power_off(w, 0);
    run(w, 60000);
    assert_false(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 60);
    pair_node_by_hand(w->host[1].node);
    run(w, 100);
    assert_true(w->host[1].leads && w->host[1].lease_us > w->now_us);
    destroy(w);
}

/* The agent is dead, its server is not: it may be the writer. */
static void test_answering_server_is_not_taken_over(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    power_off(w, 0);
    w->host[0].serves = true;
    run(w, 30000);
    assert_false(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 80);
    destroy(w);
}

/* What the writer did after D nobody here knows: the member gives up being one before that. */
static void test_window(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    w->host[1].arbitration = false;
    power_off(w, 0);
    run(w, 12000);
    w->host[1].arbitration = true;
    run(w, 6000);
    assert_false(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 100);
    destroy(w);
}

static void test_writer_alone(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    unsigned done = h->done;
    (void)state;
    power_off(w, 1);
    run(w, 1500);
    propose(h, shrink(h, 1), 7);
    run(w, 7500);
    assert_int_equal(h->done, done);
    assert_int_equal(h->disk.record.in_sync, 2);
    run(w, 1500);
    assert_int_equal(h->done_id, 7);
    assert_int_equal(h->done_err, 0);
    assert_int_equal(h->disk.record.in_sync, 0);
    assert_true(h->leads && h->lease_us > w->now_us);
    destroy(w);
}

/* Without a witness it neither goes on alone nor keeps its lease. */
static void test_writer_alone_without_a_witness(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    (void)state;
    power_off(w, 1);
    h->arbitration = false;
    propose(h, shrink(h, 1), 7);
    run(w, 15000);
    assert_false(h->leads);
    assert_int_equal(h->lease_us, 0);
    assert_int_equal(h->done_id, 7);
    assert_int_equal(h->done_err, ERR_CANCELED);
    assert_int_equal(h->disk.record.in_sync, 2);
    destroy(w);
}

/* Two that both wrote meet: the later epoch wins on both disks, nothing is merged. */
static void test_split_brain(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *a = &w->host[0], *b = &w->host[1];
    (void)state;
    w->adverts = a->serves = b->serves = false;
    connect_agents(w, false);
    drop_frames(w);
    run(w, 5000);
    assert_true(both_hold(w)); /* what only a quorum prevents */
    propose(b, promote(b), 20);
    propose(a, shrink(a, 1), 21);
    run(w, 8000);
    assert_int_equal(a->disk.record.in_sync, 0);
    assert_int_equal(a->disk.record.writer, 0);
    assert_int_equal(b->disk.record.writer, 1);
    for (unsigned i = 0; i < 5; i++) /* more changes are not a later epoch */
        propose(a, (struct entry){.kind = ENTRY_FLAGS, .version = a->record.version, .set = 1}, 30);
    run(w, 100);
    w->adverts = a->serves = b->serves = true;
    connect_agents(w, true);
    run(w, 300);
    assert_memory_equal(&a->disk.record, &b->disk.record, sizeof a->disk.record);
    assert_int_equal(a->record.writer, 1);
    assert_true((a->record.flags[0] & NODE_FORMER) != 0);
    pair_node_rank(a->node, -1); /* as its core says of a former writer */
    run_safely(w, 8000);
    assert_true(b->leads);
    assert_false(a->leads);
    destroy(w);
}

/* It was away with a member in the set: that one may have been promoted, and be away now. */
static void test_returned_writer(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    power_off(w, 0);
    run(w, 5000);
    assert_true(w->host[1].leads);
    power_off(w, 1);
    start(w, 0);
    run(w, 60000);
    assert_false(w->host[0].leads);
    assert_int_equal(w->host[0].node->rule->id, 95);
    w->host[0].disk.record.in_sync = 0; /* had it been alone */
    start(w, 0);
    run(w, 6000);
    assert_true(w->host[0].leads);
    destroy(w);
}

/* Whoever leaves the set has it on its disk before anybody goes on without it. */
static void test_leaving_member_knows_first(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    w->host[1].disk_fails = true;
    propose(&w->host[0], shrink(&w->host[0], 1), 12);
    run(w, 50);
    assert_int_not_equal(w->host[0].done_id, 12);
    assert_int_equal(w->host[0].disk.record.in_sync, 2);
    w->host[1].disk_fails = false;
    run(w, 1500);
    assert_int_equal(w->host[0].done_id, 12);
    assert_int_equal(w->host[0].done_err, 0);
    assert_int_equal(w->host[1].disk.record.in_sync, 0);
    destroy(w);
}

/* Its agent stands still until the lease has ended: whatever it finds then, it leads no more. */
static void test_lease_that_ended(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    uint64_t term = h->term;
    (void)state;
    h->off = true;
    run(w, 2500);
    h->off = false;
    run(w, 20);
    assert_true(!h->leads || h->term > term);
    run_safely(w, 10000);
    assert_true(w->host[0].leads || w->host[1].leads);
    destroy(w);
}

static void test_transfer(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    assert_int_equal(w->host[0].silences, 0);
    pair_node_transfer(w->host[0].node, 1);
    assert_false(w->host[0].leads);
    assert_false(w->host[0].speaks);
    assert_int_equal(w->host[0].silences, 1);
    run_safely(w, 820); /* one skew time of priority 50 and the way */
    assert_true(w->host[1].leads);
    assert_true(w->host[1].speaks);
    run_safely(w, 20000); /* the better one does not preempt */
    assert_true(w->host[1].leads);
    assert_int_equal(w->host[0].silences, 1);
    pair_node_stop(w->host[1].node);
    assert_int_equal(w->host[1].silences, 1);
    destroy(w);
}

/* A returned node that is not fit neither waits nor speaks, whatever its priority. */
static void test_unfit_is_silent(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    power_off(w, 0);
    run(w, 5000);
    assert_true(w->host[1].leads);
    w->host[0].serves = true;
    start(w, 0);
    pair_node_rank(w->host[0].node, -1);
    connect_agents(w, true);
    run_safely(w, 20000);
    assert_true(w->host[1].leads);
    assert_int_equal(w->host[0].node->vrrp.state, VRRP_FAULT);
    destroy(w);
}

static void test_failing_disk(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    (void)state;
    h->disk_fails = true;
    propose(h, shrink(h, 1), 11);
    run(w, 20);
    /* Not here; but the other one was told, and has it. */
    assert_int_equal(h->done_err, ERR_CANCELED);
    assert_int_equal(h->record.in_sync, 2);
    assert_int_equal(w->host[1].disk.record.in_sync, 0);
    run(w, 5000);
    assert_false(h->leads);
    assert_true(w->host[1].leads);
    h->disk_fails = false;
    run_safely(w, 2000);
    assert_int_equal(h->disk.term, w->host[1].term);
    destroy(w);
}

/* Adverts are lost (a switch without multicast), the agents are in touch: one leads. */
static void test_lost_advertisements(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    w->adverts = false;
    run_safely(w, 30000);
    assert_true(w->host[0].leads);
    assert_int_not_equal(w->host[0].lease_us, 0);
    destroy(w);
}

/* An order bridges what cannot be proven until the first proof, not for the rest of the term. */
static void test_order_ends_with_a_proof(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *h = &w->host[0];
    (void)state;
    power_off(w, 0);
    power_off(w, 1);
    start(w, 0);
    h->serves = true;
    h->arbitration = false;
    run(w, 6000);
    assert_false(h->leads);
    pair_node_by_hand(h->node);
    run(w, 6000);
    assert_true(h->leads && h->lease_us > w->now_us); /* nobody answers, and it leads */
    start(w, 1);
    w->host[1].serves = true;
    h->arbitration = true;
    connect_agents(w, true);
    run_safely(w, 60000);
    assert_true(h->leads);
    w->adverts = h->arbitration = h->serves = false;
    connect_agents(w, false);
    drop_frames(w);
    run_safely(w, 30000);
    assert_false(h->leads);
    assert_true(w->host[1].leads);
    destroy(w);
}

/* Beyond the window the record of a member proves nothing, whoever orders it to lead. */
static void test_order_beyond_the_window(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *h = &w->host[1];
    (void)state;
    power_off(w, 0);
    w->host[0].serves = true;
    run(w, 6000);
    assert_int_equal(h->node->rule->id, 80);
    pair_node_by_hand(h->node);
    run(w, 10);
    assert_true(h->leads && !h->doubt); /* within it the record does */
    destroy(w);
    w = make_formed("192.0.2.1");
    h = &w->host[1];
    h->arbitration = false;
    power_off(w, 0);
    run(w, 12000);
    pair_node_by_hand(h->node);
    run(w, 5000);
    assert_true(h->leads && h->doubt);
    h->arbitration = true;
    run(w, 20000);
    assert_true(h->leads && h->doubt);
    /* The other one comes back, and has no better record. */
    start(w, 0);
    connect_agents(w, true);
    run(w, 1000);
    assert_true(h->leads && !h->doubt);
    destroy(w);
}

/* A change of durability is rolled out: the writer is less patient than the member's file says. */
static void test_least_patience_counts(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    w->cluster.policy.durability = CONFIG_DURABILITY_STRICT;
    start(w, 1);
    connect_agents(w, true);
    run_safely(w, 3000);
    assert_int_equal(w->host[1].node->patience_us, INT64_MAX);
    assert_int_equal(w->host[1].node->said_patience_us, 10000 * MS);
    assert_int_equal(w->host[0].node->said_patience_us, INT64_MAX);
    w->host[1].arbitration = false;
    power_off(w, 0);
    run(w, 12000);
    w->host[1].arbitration = true;
    run(w, 6000);
    assert_false(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 100);
    destroy(w);
}

/* No advertisement is heard, so m2 has been a Master that waits for long: m1's lease still ends
 * first. */
static void test_isolated_writer_that_is_not_heard(void **state)
{
    (void)state;
    for (int64_t shift = 0; shift < 4000; shift += 173) {
        struct world *w = make_formed("192.0.2.1");
        w->adverts = false;
        run_safely(w, 8000 + shift);
        assert_non_null(strstr(w->host[1].trouble, "its advertisements are not heard"));
        w->host[0].arbitration = false;
        connect_agents(w, false);
        drop_frames(w);
        w->host[0].serves = false;
        run_safely(w, 9000);
        assert_true(w->host[1].leads);
        destroy(w);
    }
}

/* Its advertisements do not leave: it gives the other one way, and says why. */
static void test_mute_leader_gives_up(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    w->host[0].mute = true;
    run_safely(w, 9000);
    assert_true(w->host[1].leads);
    assert_non_null(strstr(w->host[0].trouble, "cannot advertise: not permitted"));
    destroy(w);
    w = make("192.0.2.1");
    w->host[0].mute = true;
    connect_agents(w, true);
    run_safely(w, 15000);
    assert_true(w->host[1].leads && w->host[1].lease_us > w->now_us);
    w->host[0].mute = false;
    run_safely(w, 40000);
    assert_string_equal(w->host[0].trouble, "");
    destroy(w);
}

/* While the agents are in touch a third one neither deposes nor wakes anybody. */
static void test_third_speaker(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    const struct vrrp_address third = {{192, 0, 2, 99}};
    uint64_t term = w->host[0].term;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        run_safely(w, 100);
        for (unsigned k = 0; k < NODES; k++)
            pair_node_advert(w->host[k].node, 0, i % 2 == 0 ? 254 : VRRP_PRIORITY_RELEASE, 100,
                             &third);
    }
    assert_true(w->host[0].leads && w->host[0].term == term);
    for (unsigned k = 0; k < NODES; k++)
        assert_non_null(strstr(w->host[k].trouble, "192.0.2.99 advertises with priority"));
    run_safely(w, 31000);
    assert_string_equal(w->host[0].trouble, "");
    /* Alone with it a node gives way: it may be the other one, of which nothing is known. */
    connect_agents(w, false);
    w->adverts = false;
    drop_frames(w);
    pair_node_advert(w->host[0].node, 0, 254, 100, &third);
    assert_false(w->host[0].leads);
    destroy(w);
}

/* m1 went on alone; m2, which knows nothing of it, led in a later term and changed a flag. */
static void test_dropped_member_stays_dropped(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    struct host *a = &w->host[0], *b = &w->host[1];
    (void)state;
    power_off(w, 1);
    run(w, 12000);
    propose(a, shrink(a, 1), 7);
    run(w, 10);
    assert_int_equal(a->disk.record.in_sync, 0);
    power_off(w, 0);
    start(w, 1);
    b->record = b->disk.record;
    run(w, 6000);
    pair_node_by_hand(b->node);
    run(w, 10);
    assert_true(b->leads && b->doubt);
    for (unsigned i = 0; i < 5; i++)
        propose(b, (struct entry){.kind = ENTRY_FLAGS, .version = b->record.version, .set = 1}, 30);
    run(w, 10);
    assert_true(pair_stamp_compare(&b->disk.stamp, &a->disk.stamp) > 0);
    start(w, 0);
    connect_agents(w, true);
    run_safely(w, 300);
    assert_int_equal(a->disk.record.in_sync, 0);
    assert_memory_equal(&a->disk.record, &b->disk.record, sizeof a->disk.record);
    assert_int_equal(pair_stamp_compare(&a->disk.stamp, &b->disk.stamp), 0);
    assert_true(b->disk.record.flags[0] != 0 ||
                b->disk.record.version > 5); /* nothing else is lost */
    destroy(w);
}

/* That a server greets is an error of this host there: it is tried only when it matters. */
static void test_server_is_tried_when_it_matters(void **state)
{
    struct world *w = make_formed("192.0.2.1");
    (void)state;
    run(w, 5000);
    connect_agents(w, false); /* advertisements arrive */
    for (unsigned i = 0; i < 5000; i++) {
        run(w, 1);
        assert_false(pair_node_wants_server(w->host[1].node));
    }
    w->adverts = false;
    run(w, 2200);
    assert_true(pair_node_wants_server(w->host[1].node));
    pair_node_rank(w->host[1].node, -1);
    run(w, 20);
    assert_int_equal(w->host[1].node->vrrp.state, VRRP_FAULT);
    assert_false(pair_node_wants_server(w->host[1].node));
    destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_better_one_leads),
        cmocka_unit_test(test_host_lost),
        cmocka_unit_test(test_isolated_writer),
        cmocka_unit_test(test_nothing_from_a_silent_host_without_arbitration),
        cmocka_unit_test(test_answering_server_is_not_taken_over),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_writer_alone),
        cmocka_unit_test(test_writer_alone_without_a_witness),
        cmocka_unit_test(test_split_brain),
        cmocka_unit_test(test_returned_writer),
        cmocka_unit_test(test_leaving_member_knows_first),
        cmocka_unit_test(test_lease_that_ended),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_unfit_is_silent),
        cmocka_unit_test(test_failing_disk),
        cmocka_unit_test(test_lost_advertisements),
        cmocka_unit_test(test_order_ends_with_a_proof),
        cmocka_unit_test(test_order_beyond_the_window),
        cmocka_unit_test(test_least_patience_counts),
        cmocka_unit_test(test_isolated_writer_that_is_not_heard),
        cmocka_unit_test(test_mute_leader_gives_up),
        cmocka_unit_test(test_third_speaker),
        cmocka_unit_test(test_dropped_member_stays_dropped),
        cmocka_unit_test(test_server_is_tried_when_it_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
