/* SPDX-License-Identifier: Apache-2.0 */
#include "pair_fixture.h"

void pair_make_cluster(struct cluster_config *c)
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

static int64_t on_now(void *data)
{
    return ((struct host *)data)->w->now_us;
}

static int on_store(void *data, const struct pair_state *s, struct errmsg *m)
{
    struct host *h = data;
    if (h->disk_fails)
        return errmsg_set(m, ERR_IO, "broken");
    if (h->disk_waits) {
        h->written = s;
        return PAIR_STORING;
    }
    h->disk = *s;
    return 0;
}

void pair_end_write(struct host *h, int err)
{
    assert_non_null(h->written);
    if (err == 0)
        h->disk = *h->written;
    h->written = NULL;
    pair_node_stored(h->node, err, "broken");
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

void pair_start(struct world *w, unsigned i)
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

struct world *pair_make(const char *arbitration)
{
    struct world *w = calloc(1, sizeof *w);
    pair_make_cluster(&w->cluster);
    (void)snprintf(w->cluster.vrrp.arbitration, sizeof w->cluster.vrrp.arbitration, "%s",
                   arbitration);
    w->now_us = 1000 * MS;
    w->adverts = true;
    for (unsigned i = 0; i < NODES; i++) {
        w->host[i].node = malloc(sizeof *w->host[i].node);
        w->host[i].arbitration = true;
        w->host[i].serves = true;
        pair_state_init(&w->host[i].disk);
        pair_start(w, i);
    }
    return w;
}

void pair_drop_frames(struct world *w)
{
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        free(w->frames[i].message);
        w->frames[i] = (struct frame){.used = false};
    }
}

void pair_destroy(struct world *w)
{
    pair_drop_frames(w);
    for (unsigned i = 0; i < NODES; i++)
        free(w->host[i].node);
    free(w);
}

void pair_connect_agents(struct world *w, bool up)
{
    w->connected = up;
    for (unsigned i = 0; i < NODES; i++) {
        if (!w->host[i].off)
            pair_node_peer(w->host[i].node, up);
    }
}

void pair_power_off(struct world *w, unsigned i)
{
    w->host[i].off = true;
    w->host[i].serves = false;
    w->host[i].leads = false;
    w->host[i].lease_us = 0;
    pair_connect_agents(w, false);
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

void pair_run_world(struct world *w, int64_t ms)
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

bool pair_both_hold(const struct world *w)
{
    return w->host[0].lease_us > w->now_us && w->host[1].lease_us > w->now_us;
}

/* Runs, and fails as soon as both hold a lease. */
void pair_run_safely(struct world *w, int64_t ms)
{
    for (int64_t t = 0; t < ms; t++) {
        pair_run_world(w, 1);
        assert_false(pair_both_hold(w));
    }
}

struct entry pair_promote(const struct host *h)
{
    return (struct entry){.kind = ENTRY_PROMOTE,
                          .version = h->record.version,
                          .node = (uint8_t)h->self,
                          .epoch = h->term,
                          .flag = true};
}

struct entry pair_grow(const struct host *h, unsigned node)
{
    return (struct entry){.kind = ENTRY_GROW,
                          .version = h->record.version,
                          .node = (uint8_t)node,
                          .incarnation = {.pid = 1, .start_ticks = 1}};
}

struct entry pair_shrink(const struct host *h, unsigned node)
{
    return (struct entry){.kind = ENTRY_SHRINK, .version = h->record.version, .mask = 1u << node};
}

void pair_propose(struct host *h, struct entry e, uint64_t id)
{
    pair_node_propose(h->node, id, &e);
}

/* m1 leads, was promoted, m2 is in its set and both disks say so. */
struct world *pair_make_formed(const char *arbitration)
{
    struct world *w = pair_make(arbitration);
    pair_connect_agents(w, true);
    pair_run_safely(w, 5000);
    assert_true(w->host[0].leads);
    assert_false(w->host[1].leads);
    pair_node_barrier(w->host[0].node, 1);
    pair_run_world(w, 5);
    assert_int_equal(w->host[0].done_id, 1);
    pair_propose(&w->host[0], pair_promote(&w->host[0]), 2);
    pair_run_world(w, 5);
    pair_propose(&w->host[0], pair_grow(&w->host[0], 1), 3);
    pair_run_world(w, 5);
    assert_int_equal(w->host[0].done_id, 3);
    assert_int_equal(w->host[0].done_err, 0);
    assert_int_equal(w->host[1].record.writer, 0);
    assert_int_equal(w->host[1].record.in_sync, 2);
    assert_int_equal(w->host[1].disk.record.in_sync, 2);
    assert_int_equal(w->host[1].leader, 0);
    return w;
}

struct world *pair_make_electing(void)
{
    struct world *w = pair_make_formed("192.0.2.1");
    w->host[1].disk_waits = true;
    pair_power_off(w, 0);
    pair_run_safely(w, 8000);
    assert_non_null(w->host[1].written);
    return w;
}

void pair_check_window_is_over(struct world *w)
{
    w->host[1].arbitration = false;
    pair_power_off(w, 0);
    pair_run_world(w, 12000);
    w->host[1].arbitration = true;
    pair_run_world(w, 6000);
    assert_false(w->host[1].leads);
    assert_int_equal(w->host[1].node->rule->id, 100);
}
