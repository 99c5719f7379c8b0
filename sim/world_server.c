/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL servers of the world: binlog, relay log, semi-sync, crash recovery. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "sim/world_private.h"

#define NET_TIMEOUT_US 8000000

static struct gtid one(unsigned server, uint64_t number)
{
    struct gtid g = {.flavour = GTID_MYSQL, .number = number};
    g.uuid[15] = (uint8_t)(server + 1);
    return g;
}

void sim_add(struct gtid_set *set, unsigned server, uint64_t number)
{
    struct gtid g = one(server, number);
    int err = gtid_add(set, &g);
    assert(err == 0);
}

bool sim_has(const struct gtid_set *set, unsigned server, uint64_t number)
{
    struct gtid g = one(server, number);
    return gtid_contains_one(set, &g);
}

bool sim_answers(const struct server *s)
{
    return s->up && !s->hung && !s->starting;
}

const struct gtid_set *sim_binlog(const struct server *s)
{
    return s->channel && !s->writes ? &s->executed : &s->received;
}

static bool is_connected(const struct world *w, unsigned replica, unsigned source)
{
    const struct server *s = &w->host[replica].server;
    return s->up && !s->starting && s->channel && s->io && s->source == source &&
           w->now_us >= s->io_retry_us && sim_reaches_sql(w, replica, source);
}

/* A cut line is noticed by neither side before its timeouts (slave_net_timeout, TCP). */
static bool seems_connected(const struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    return s->up && !s->starting && s->channel && s->io && w->now_us >= s->io_retry_us &&
           s->io_seen_us != 0 && w->now_us - s->io_seen_us < NET_TIMEOUT_US;
}

static void facts_channel(const struct world *w, unsigned node, struct server_facts *f)
{
    const struct server *s = &w->host[node].server;
    const struct server *o = &w->host[s->source].server;
    bool there =
        o->up && !o->starting && (is_connected(w, node, s->source) || seems_connected(w, node));
    f->channel = true;
    memcpy(f->source_host, w->cfg->nodes[s->source].address, sizeof f->source_host);
    f->source_port = w->cfg->nodes[s->source].mysql.port;
    f->io = !s->io ? THREAD_STOPPED : there ? THREAD_RUNNING : THREAD_CONNECTING;
    f->sql = s->sql ? THREAD_RUNNING : THREAD_STOPPED;
}

void sim_facts(const struct world *w, unsigned node, struct server_facts *f)
{
    const struct server *s = &w->host[node].server;
    int err;
    memset(f, 0, sizeof *f);
    f->flavour = SERVER_MYSQL;
    f->version = 90700;
    f->server_id = node + 1;
    (void)snprintf(f->server_uuid, sizeof f->server_uuid, "00000000-0000-0000-0000-%012x",
                   node + 1);
    f->read_only = s->read_only;
    f->source_side = s->source_side;
    f->after_sync = f->wait_no_replica = f->timeout_infinite = true;
    f->wait_count = s->wait_count;
    f->replica_side = s->replica_side;
    f->replica_side_active = s->replica_active && s->io;
    f->wait_sessions = s->n_pending;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        f->clients += i != node && w->host[i].server.replica_active &&
                      (is_connected(w, i, node) ||
                       (w->host[i].server.source == node && seems_connected(w, i)));
    if (s->channel)
        facts_channel(w, node, f);
    f->drained = gtid_equal(&s->executed, &s->received);
    err = gtid_format(&s->executed, f->executed, sizeof f->executed);
    assert(err == 0);
    err = gtid_format(&s->received, f->received, sizeof f->received);
    assert(err == 0);
    memcpy(f->applied, f->executed, sizeof f->applied);
}

struct incarnation sim_incarnation(const struct world *w, unsigned node)
{
    struct incarnation i = {.pid = w->host[node].server.pid,
                            .start_ticks = w->host[node].server.pid};
    i.boot_id[0] = (uint8_t)node;
    return i;
}

/* ---- commits ---- */

static void ack(struct world *w, unsigned node, uint64_t number)
{
    bool another = w->last_server != node;
    w->n_acks++;
    sim_add(&w->acked, node, number);
    w->last_ack_us = w->now_us;
    if (another)
        sim_story(w, "client: %s acknowledges now", sim_name(w, node));
    w->last_server = node;
    sim_check_ack(w, node, another);
}

static unsigned acknowledgers(const struct world *w, unsigned node, uint64_t number)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct server *o = &w->host[i].server;
        n += i != node && sim_answers(o) && o->replica_active && is_connected(w, i, node) &&
             sim_has(&o->received, node, number);
    }
    return n;
}

/* The oldest waiting transaction ends; its client hears of it if it can be reached. */
static void finish(struct world *w, unsigned node, bool heard)
{
    struct server *s = &w->host[node].server;
    struct pending p = s->pending[0];
    s->n_pending--;
    memmove(&s->pending[0], &s->pending[1], sizeof s->pending[0] * s->n_pending);
    sim_add(&s->executed, node, p.number);
    if (p.client && heard)
        ack(w, node, p.number);
    else if (heard)
        sim_add(&w->acked, node, p.number); /* the agent was told, which counts alike */
}

/* What the kernel lets out: without a lease nothing reaches a client. */
static bool is_heard(const struct world *w, unsigned node)
{
    return w->host[node].lease_until_us > w->now_us;
}

bool sim_commit(struct world *w, unsigned node, bool client)
{
    struct server *s = &w->host[node].server;
    uint64_t number = s->next;
    if (s->n_pending == PENDING_MAX || s->closing_us > w->now_us)
        return false;
    s->next++;
    sim_add(&s->received, node, number);
    s->pending[s->n_pending++] = (struct pending){number, client};
    if (!s->source_side && s->n_pending == 1)
        finish(w, node, is_heard(w, node));
    return true;
}

/* An acknowledgement of a position is one of everything before it. */
static void release(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (!sim_answers(s))
        return;
    while (s->n_pending > 0 &&
           (!s->source_side || acknowledgers(w, node, s->pending[0].number) >= s->wait_count))
        finish(w, node, is_heard(w, node));
}

static void replicate(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    const struct server *o = &w->host[s->source].server;
    if (!sim_answers(s) || !s->channel)
        return;
    if (o->up && !o->starting && is_connected(w, node, s->source))
        s->io_seen_us = w->now_us;
    if (sim_answers(o) && is_connected(w, node, s->source)) {
        int err = gtid_union(&s->received, sim_binlog(o), &s->received);
        assert(err == 0);
    }
    if (s->sql && !s->writes && (!s->slow || sim_chance(w, 3)))
        s->executed = s->received;
}

/* ---- life ---- */

void sim_server_start(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    struct event *ev;
    if (s->up)
        return;
    if (!s->cut && (!s->channel || s->writes))
        s->executed = s->received; /* recovery commits what the binlog holds */
    s->cut = false;
    s->n_pending = 0;
    s->up = s->starting = true;
    s->ready_us = w->now_us + STARTUP_US;
    s->pid += 100;
    s->read_only = true;
    s->source_side = s->replica_side = s->replica_active = false;
    s->io = s->sql = false;
    s->wait_count = 1;
    sim_story(w, "%s: mysqld starts", sim_name(w, node));
    if (!w->host[node].agent)
        return;
    ev = sim_event(EVENT_SERVER_STARTED);
    ev->u.server.incarnation = sim_incarnation(w, node);
    sim_post(w, node, ev, 1000);
}

void sim_server_die(struct world *w, unsigned node, bool cleanly)
{
    struct server *s = &w->host[node].server;
    struct event *ev;
    if (!s->up)
        return;
    s->up = s->starting = false;
    s->hung = s->busy = false;
    s->cleanly = cleanly;
    for (unsigned i = 0; cleanly && i < s->n_pending; i++)
        sim_add(&w->at_shutdown, node, s->pending[i].number);
    while (cleanly && s->n_pending > 0)
        finish(w, node, is_heard(w, node)); /* SIGTERM tells waiters OK (MySQL) */
    s->n_pending = 0;
    s->beat_job = 0;
    s->rollbacks = 0;
    s->io_seen_us = 0;
    sim_story(w, "%s: mysqld %s", sim_name(w, node), cleanly ? "shut down" : "killed");
    if (!w->host[node].agent)
        return;
    sim_jobs_server_died(w, node);
    ev = sim_event(EVENT_SERVER_DIED);
    ev->u.server.cleanly = cleanly;
    sim_post(w, node, ev, 1000);
}

void sim_server_tick(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (s->starting && w->now_us >= s->ready_us)
        s->starting = false;
    replicate(w, node);
    release(w, node);
}
