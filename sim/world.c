/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/prng.h"

#define TICK_US 1000
#define STORY_MAX 4096
#define STORY_TEXT_MAX 224
#define QUEUE_MAX 8192
#define STARTUP_US 400000
#define JOBS_MAX 8

struct server {
    bool up;
    bool hung;
    bool starting;
    int64_t ready_us;
    bool cleanly;
    uint32_t pid;
    bool read_only, source_side, replica_side, replica_active;
    uint32_t wait_count;
    bool io, sql, channel;
    unsigned source;
    uint64_t next; /* number of the next own transaction */
    struct gtid_set executed;
    struct gtid_set received; /* includes executed */
    uint64_t waiting;         /* own number that waits for an acknowledgement; 0 = none */
    bool waiting_client;      /* the client waits for it (not the heartbeat) */
    uint64_t beat_job;
    bool cut; /* the tail was cut while it was down */
};

struct job_running {
    bool used;
    int64_t at_us;
    int64_t until_us;
    uint64_t id;
    struct job job;
};

struct host {
    struct core *core;
    bool agent;
    bool agent_hung;
    uint64_t known_term;
    int64_t wake_us;
    int64_t probe_us;
    bool vip;
    int64_t vip_until_us;
    int64_t lease_until_us; /* kernel */
    int rank;
    struct job_running jobs[JOBS_MAX];
    struct server server;
};

struct message {
    int64_t at_us;
    uint64_t order;
    unsigned to;
    struct event *ev;
};

struct world {
    const struct cluster_config *cfg;
    struct prng prng;
    int64_t now_us;
    struct host host[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX];
    struct effects *fx;

    struct message queue[QUEUE_MAX];
    unsigned n_queue;
    uint64_t order;

    unsigned leader;
    uint64_t term;
    int64_t leaderless_us;
    unsigned transfer_to;
    struct entry *log;
    unsigned n_log;
    unsigned applied[NODES_MAX];

    bool writing;
    unsigned n_acks;
    struct world_ack acks[WORLD_ACKS_MAX];
    unsigned last_server;
    bool split;
    char reply[REPLY_TEXT_MAX];

    unsigned n_story;
    char story[STORY_MAX][STORY_TEXT_MAX];
};

static void story(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void story(struct world *w, const char *fmt, ...)
{
    char *line = w->story[w->n_story++ % STORY_MAX];
    va_list ap;
    int n = snprintf(line, STORY_TEXT_MAX, "%9.3f ", (double)w->now_us / 1e6);
    va_start(ap, fmt);
    (void)vsnprintf(line + n, STORY_TEXT_MAX - (size_t)n, fmt, ap);
    va_end(ap);
}

static const char *name(const struct world *w, unsigned node)
{
    return node < w->cfg->n_nodes ? w->cfg->nodes[node].name : "none";
}

/* ---- sets ---- */

static struct gtid one(unsigned server, uint64_t number)
{
    struct gtid g = {.flavour = GTID_MYSQL, .number = number};
    g.uuid[15] = (uint8_t)(server + 1);
    return g;
}

static void add(struct gtid_set *set, unsigned server, uint64_t number)
{
    struct gtid g = one(server, number);
    int err = gtid_add(set, &g);
    assert(err == 0);
}

static bool has(const struct gtid_set *set, unsigned server, uint64_t number)
{
    struct gtid g = one(server, number);
    return gtid_contains_one(set, &g);
}

/* ---- messages ---- */

static bool reaches(const struct world *w, unsigned a, unsigned b)
{
    return a == b || !w->cut[a][b];
}

static struct event *event_new(struct world *w, enum event_kind kind)
{
    struct event *ev = calloc(1, sizeof *ev);
    assert(ev != NULL);
    ev->kind = kind;
    ev->from = NODE_NONE;
    (void)w;
    return ev;
}

static void post(struct world *w, unsigned to, struct event *ev, int64_t delay_us)
{
    assert(w->n_queue < QUEUE_MAX);
    w->queue[w->n_queue++] = (struct message){w->now_us + delay_us, w->order++, to, ev};
}

static void step(struct world *w, unsigned node, struct event *ev);

/* ---- servers ---- */

static void facts_of(const struct world *w, unsigned node, struct server_facts *f)
{
    const struct server *s = &w->host[node].server;
    memset(f, 0, sizeof *f);
    f->flavour = SERVER_MYSQL;
    f->version = 90700;
    f->server_id = node + 1;
    f->read_only = s->read_only;
    f->source_side = s->source_side;
    f->after_sync = f->wait_no_replica = f->timeout_infinite = true;
    f->wait_count = s->wait_count;
    f->replica_side = s->replica_side;
    f->replica_side_active = s->replica_active;
    f->wait_sessions = s->waiting != 0 ? 1 : 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct server *o = &w->host[i].server;
        if (o->up && o->io && o->source == node && o->replica_active && reaches(w, node, i))
            f->clients++;
    }
    f->channel = s->channel;
    if (s->channel) {
        memcpy(f->source_host, w->cfg->nodes[s->source].address, sizeof f->source_host);
        f->source_port = w->cfg->nodes[s->source].mysql.port;
        bool there = w->host[s->source].server.up && !w->host[s->source].server.starting &&
                     reaches(w, node, s->source);
        f->io = !s->io ? THREAD_STOPPED : there ? THREAD_RUNNING : THREAD_CONNECTING;
        f->sql = s->sql ? THREAD_RUNNING : THREAD_STOPPED;
    }
    f->drained = gtid_equal(&s->executed, &s->received);
    int err = gtid_format(&s->executed, f->executed, sizeof f->executed);
    assert(err == 0);
    err = gtid_format(&s->received, f->received, sizeof f->received);
    assert(err == 0);
    memcpy(f->applied, f->executed, sizeof f->applied);
}

static struct incarnation incarnation_of(const struct world *w, unsigned node)
{
    struct incarnation i = {.pid = w->host[node].server.pid,
                            .start_ticks = w->host[node].server.pid};
    i.boot_id[0] = (uint8_t)node;
    return i;
}

static bool answers(const struct server *s)
{
    return s->up && !s->hung && !s->starting;
}

static void ack(struct world *w, unsigned node, uint64_t number)
{
    assert(w->n_acks < WORLD_ACKS_MAX);
    w->acks[w->n_acks++] = (struct world_ack){node, number, w->now_us};
    if (w->last_server != node && w->last_server != NODE_NONE) {
        const struct host *o = &w->host[w->last_server];
        w->split |=
            o->lease_until_us > w->now_us && o->vip && !o->server.read_only && answers(&o->server);
        story(w, "client: %s acknowledges now", name(w, node));
    }
    w->last_server = node;
}

static unsigned acknowledgers(const struct world *w, unsigned node, uint64_t number)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct server *o = &w->host[i].server;
        if (i != node && answers(o) && o->io && o->source == node && o->replica_active &&
            reaches(w, node, i) && has(&o->received, node, number))
            n++;
    }
    return n;
}

static void finish(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    uint64_t number = s->waiting;
    s->waiting = 0;
    add(&s->executed, node, number);
    if (s->waiting_client)
        ack(w, node, number);
}

/* A new transaction goes to the binlog (received stands for it) and waits where semi-sync says so.
 */
static bool commit(struct world *w, unsigned node, bool client)
{
    struct server *s = &w->host[node].server;
    if (s->waiting != 0)
        return false;
    s->waiting = s->next++;
    s->waiting_client = client;
    add(&s->received, node, s->waiting);
    if (!s->source_side)
        finish(w, node);
    return true;
}

static void replicate(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    const struct server *o = &w->host[s->source].server;
    if (!answers(s) || !s->channel)
        return;
    if (s->io && answers(o) && reaches(w, node, s->source)) {
        /* A replica receives what its source has in its binlog: on a replica of a replica, what is
         * applied. */
        const struct gtid_set *binlog = o->channel ? &o->executed : &o->received;
        int err = gtid_union(&s->received, binlog, &s->received);
        assert(err == 0);
    }
    if (s->sql)
        s->executed = s->received;
}

static void server_start(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    struct event *ev;
    if (s->up)
        return;
    if (!s->cut)
        s->executed = s->received; /* recovery commits what the binlog holds */
    s->cut = false;
    s->waiting = 0;
    s->up = s->starting = true;
    s->ready_us = w->now_us + STARTUP_US;
    s->pid += 100;
    s->read_only = true;
    s->source_side = s->replica_side = s->replica_active = false;
    s->io = s->sql = false;
    s->wait_count = 1;
    story(w, "%s: mysqld starts", name(w, node));
    if (!w->host[node].agent)
        return;
    ev = event_new(w, EVENT_SERVER_STARTED);
    ev->u.server.incarnation = incarnation_of(w, node);
    post(w, node, ev, 1000);
}

/* ---- jobs ---- */

static int node_of_host(const struct world *w, const char *host)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (strcmp(w->cfg->nodes[i].address, host) == 0)
            return (int)i;
    }
    return -1;
}

static bool job_attach(struct world *w, unsigned node, const struct job *j)
{
    struct server *s = &w->host[node].server;
    int source = node_of_host(w, j->host);
    if (source < 0)
        return false;
    if (!s->channel || s->source != (unsigned)source)
        s->received = s->executed; /* the relay log is thrown away */
    s->channel = s->io = s->sql = true;
    s->source = (unsigned)source;
    s->replica_active = s->replica_side = j->flag;
    return true;
}

/* Tries to do a job; false: not yet. */
static bool job_try(struct world *w, unsigned node, const struct job *j, struct job_result *r)
{
    struct server *s = &w->host[node].server;
    switch (j->kind) {
    case JOB_SEAL:
        s->io = false;
        return true;
    case JOB_DRAIN:
        return gtid_equal(&s->executed, &s->received);
    case JOB_LEVEL: {
        int from = node_of_host(w, j->host);
        const struct server *o = &w->host[from].server;
        int err;
        if (!answers(o) || !reaches(w, node, (unsigned)from))
            return false;
        err = gtid_union(&s->received, &o->executed, &s->received);
        assert(err == 0);
        s->executed = s->received;
        return true;
    }
    case JOB_FORGET:
        s->channel = s->io = s->sql = false;
        return true;
    case JOB_OPEN:
    case JOB_SOURCE_SIDE:
        s->wait_count = j->count;
        s->source_side = j->flag;
        if (!s->source_side && s->waiting != 0)
            finish(w, node);
        if (j->kind == JOB_OPEN)
            s->read_only = false;
        return true;
    case JOB_CLOSE:
        if (s->waiting != 0)
            return false;
        s->read_only = true;
        return true;
    case JOB_REPLICA_SIDE:
        s->replica_side = s->replica_active = j->flag;
        return true;
    case JOB_ATTACH:
        return job_attach(w, node, j);
    case JOB_DETACH:
        s->io = s->sql = false;
        return true;
    case JOB_HEARTBEAT:
        return false;
    default:
        (void)r;
        return true;
    }
}

static void job_end(struct world *w, unsigned node, struct job_running *run, int outcome,
                    uint32_t count)
{
    struct event *ev = event_new(w, EVENT_JOB);
    ev->u.job.id = run->id;
    ev->u.job.result.outcome = outcome;
    ev->u.job.result.count = count;
    ev->u.job.have_facts = answers(&w->host[node].server);
    if (ev->u.job.have_facts)
        facts_of(w, node, &ev->u.job.facts);
    run->used = false;
    post(w, node, ev, 0);
}

static void server_die(struct world *w, unsigned node, bool cleanly)
{
    struct server *s = &w->host[node].server;
    struct event *ev;
    if (!s->up)
        return;
    s->up = s->starting = false;
    s->hung = false;
    s->cleanly = cleanly;
    if (cleanly && s->waiting != 0)
        finish(w, node); /* SIGTERM tells waiters OK (MySQL) */
    s->waiting = 0;
    s->beat_job = 0;
    story(w, "%s: mysqld %s", name(w, node), cleanly ? "shut down" : "killed");
    if (!w->host[node].agent)
        return;
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &w->host[node].jobs[i];
        enum job_executor x = run->used ? job_executor(run->job.kind) : JOB_EXECUTOR_CORE;
        if (x == JOB_EXECUTOR_SQL || x == JOB_EXECUTOR_BEAT)
            job_end(w, node, run, JOB_FAILED, 0);
    }
    ev = event_new(w, EVENT_SERVER_DIED);
    ev->u.server.cleanly = cleanly;
    post(w, node, ev, 1000);
}

static void job_rewind(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    struct gtid_set seal, tail;
    int err = gtid_parse(run->job.gtid, GTID_MYSQL, &seal);
    if (err != 0 || !run->job.flag || s->cleanly) {
        job_end(w, node, run, JOB_REFUSED, 0);
        return;
    }
    err = gtid_subtract(&s->received, &seal, &tail);
    assert(err == 0);
    err = gtid_subtract(&s->received, &tail, &s->received);
    assert(err == 0);
    err = gtid_subtract(&s->executed, &tail, &s->executed);
    assert(err == 0);
    s->cut = true;
    story(w, "%s: rewound, %llu cut", name(w, node), (unsigned long long)gtid_count(&tail));
    job_end(w, node, run, JOB_DONE, 0);
}

static void job_off_line(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    switch (run->job.kind) {
    case JOB_START:
        server_start(w, node);
        if (!s->starting)
            job_end(w, node, run, JOB_DONE, 0);
        return;
    case JOB_KILL:
        server_die(w, node, false);
        job_end(w, node, run, JOB_DONE, 0);
        return;
    case JOB_REWIND:
        job_rewind(w, node, run);
        return;
    default:
        job_end(w, node, run, JOB_DONE, 1);
    }
}

static void job_beat(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    if (s->beat_job == 0 && commit(w, node, /* client= */ false))
        s->beat_job = s->next - 1;
    if (s->beat_job != 0 && has(&s->executed, node, s->beat_job)) {
        s->beat_job = 0;
        job_end(w, node, run, JOB_DONE, 0);
    }
}

static void jobs_run(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &h->jobs[i];
        struct job_result r = {0};
        enum job_executor x;
        if (!run->used || w->now_us < run->at_us)
            continue;
        x = job_executor(run->job.kind);
        if (x == JOB_EXECUTOR_PROC || x == JOB_EXECUTOR_STORE) {
            job_off_line(w, node, run);
        } else if (answers(&h->server) && x == JOB_EXECUTOR_BEAT) {
            job_beat(w, node, run);
        } else if (answers(&h->server) && job_try(w, node, &run->job, &r)) {
            job_end(w, node, run, JOB_DONE, r.count);
        }
        if (run->used && w->now_us > run->until_us) {
            if (x == JOB_EXECUTOR_BEAT)
                h->server.beat_job = 0;
            job_end(w, node, run, JOB_TIMEOUT, 0);
        }
    }
}

static void job_begin(struct world *w, unsigned node, uint64_t id, const struct job *job)
{
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &w->host[node].jobs[i];
        if (run->used)
            continue;
        *run = (struct job_running){true, w->now_us + 2000,
                                    w->now_us + (int64_t)job->timeout_ms * 1000, id, *job};
        return;
    }
    assert(!"too many jobs");
}

/* ---- the arbiter's model ---- */

static bool has_majority(const struct world *w, unsigned node)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct host *h = &w->host[i];
        if (config_node_is_voter(w->cfg, i) && h->agent && !h->agent_hung && reaches(w, node, i) &&
            reaches(w, i, node))
            n++;
    }
    return n >= config_majority(w->cfg);
}

static void tell_lease(struct world *w, unsigned node, int64_t until_us)
{
    struct event *ev = event_new(w, EVENT_LEASE);
    ev->u.lease_until_us = until_us;
    post(w, node, ev, 0);
}

static void depose(struct world *w, unsigned node)
{
    struct event *ev;
    tell_lease(w, node, 0);
    ev = event_new(w, EVENT_DEPOSED);
    ev->u.term = w->term;
    post(w, node, ev, 0);
}

static void elect(struct world *w, unsigned node)
{
    struct event *ev;
    unsigned old = w->leader;
    w->term++;
    w->leader = node;
    w->transfer_to = NODE_NONE;
    if (old != NODE_NONE && old != node && w->host[old].agent)
        depose(w, old);
    story(w, "arbiter: %s leads term %llu", name(w, node), (unsigned long long)w->term);
    ev = event_new(w, EVENT_ELECTED);
    ev->u.term = w->term;
    post(w, node, ev, 0);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i == node || !reaches(w, node, i))
            continue;
        ev = event_new(w, EVENT_LEADER);
        ev->u.leader.term = w->term;
        ev->u.leader.node = node;
        post(w, i, ev, 1000);
    }
}

static int election_key(const struct world *w, unsigned i)
{
    int rank = w->host[i].rank;
    return (rank < 0 ? 1000 : rank) * 16 + (int)i;
}

static void elect_best(struct world *w)
{
    unsigned best = NODE_NONE;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct host *h = &w->host[i];
        if (!config_node_is_voter(w->cfg, i) || !h->agent || h->agent_hung || !has_majority(w, i))
            continue;
        if (best == NODE_NONE || election_key(w, i) < election_key(w, best))
            best = i;
    }
    if (best != NODE_NONE)
        elect(w, best);
}

static void arbiter_run(struct world *w)
{
    int64_t t_us = (int64_t)w->cfg->arbiter.election_timeout_ms * 1000;
    unsigned l = w->leader;
    bool alive = l != NODE_NONE && w->host[l].agent && !w->host[l].agent_hung && has_majority(w, l);
    if (alive) {
        w->leaderless_us = w->now_us;
        if (w->now_us % ((int64_t)w->cfg->arbiter.heartbeat_ms * 1000) < TICK_US &&
            w->transfer_to == NODE_NONE)
            tell_lease(w, l, w->now_us + t_us - (int64_t)w->cfg->arbiter.margin_ms * 1000);
        return;
    }
    if (w->now_us - w->leaderless_us > t_us + 20000) {
        w->leaderless_us = w->now_us;
        if (l != NODE_NONE && w->host[l].agent)
            depose(w, l);
        w->leader = NODE_NONE;
        elect_best(w);
    }
}

static void log_append(struct world *w, unsigned node, uint64_t id, const struct entry *e)
{
    struct event *ev = event_new(w, EVENT_PROPOSAL);
    bool ok = w->leader == node && has_majority(w, node);
    ev->u.proposal.id = id;
    ev->u.proposal.err = ok ? 0 : ERR_CANCELED;
    if (ok && e != NULL) {
        w->log = realloc(w->log, sizeof *w->log * (w->n_log + 1));
        assert(w->log != NULL);
        w->log[w->n_log++] = *e;
    }
    post(w, node, ev, ok ? 3500 : 20000); /* after the entry itself was applied */
}

static void log_apply(struct world *w, unsigned node)
{
    while (w->applied[node] < w->n_log && w->host[node].agent && w->leader != NODE_NONE &&
           reaches(w, w->leader, node)) {
        struct event *ev = event_new(w, EVENT_APPLIED);
        ev->u.entry = w->log[w->applied[node]++];
        post(w, node, ev, 1000);
    }
}

/* ---- effects ---- */

static void transfer(struct world *w, unsigned from, unsigned to)
{
    struct event *ev;
    bool ok =
        w->leader == from && w->host[to].agent && !w->host[to].agent_hung && reaches(w, from, to);
    tell_lease(w, from, 0);
    if (ok) {
        elect(w, to);
        return;
    }
    ev = event_new(w, EVENT_TRANSFER);
    ev->u.transfer_ok = false;
    post(w, from, ev, 200000);
}

static void send_frame(struct world *w, unsigned from, unsigned to, const struct effect *e)
{
    static const enum event_kind kinds[EFFECT_COUNT] = {
        [EFFECT_REQUEST] = EVENT_REQUEST, [EFFECT_ANSWER] = EVENT_ANSWER,
        [EFFECT_REPORT] = EVENT_REPORT,   [EFFECT_COMMAND] = EVENT_COMMAND,
        [EFFECT_REPLY] = EVENT_REPLY,
    };
    struct event *ev = event_new(w, kinds[e->kind]);
    ev->from = from;
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
    if (!reaches(w, from, to) || !reaches(w, to, from)) {
        free(ev);
        return;
    }
    post(w, to, ev, 300 + (int64_t)prng_below(&w->prng, 700));
}

static void effect(struct world *w, unsigned node, const struct effect *e)
{
    struct host *h = &w->host[node];
    switch (e->kind) {
    case EFFECT_LOG:
        story(w, "%s: %s %s", name(w, node), e->u.log.id, e->u.log.text);
        return;
    case EFFECT_JOB:
        job_begin(w, node, e->u.job.id, &e->u.job.job);
        return;
    case EFFECT_REPORT:
        for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
            if ((e->mask & (1u << i)) != 0)
                send_frame(w, node, i, e);
        }
        return;
    case EFFECT_REPLY:
        if (e->to == node)
            memcpy(w->reply, e->u.reply.text, sizeof w->reply);
        else
            send_frame(w, node, e->to, e);
        return;
    case EFFECT_REQUEST:
    case EFFECT_ANSWER:
    case EFFECT_COMMAND:
        send_frame(w, node, e->to, e);
        return;
    case EFFECT_PROPOSE:
        log_append(w, node, e->u.proposal.id, &e->u.proposal.entry);
        return;
    case EFFECT_BARRIER:
        log_append(w, node, e->u.id, NULL);
        return;
    case EFFECT_TRANSFER:
        transfer(w, node, e->to);
        return;
    case EFFECT_RANK:
        h->rank = e->u.rank;
        return;
    case EFFECT_LEASE:
        h->lease_until_us = e->u.until_us;
        return;
    case EFFECT_LEASE_CLEAR:
        h->lease_until_us = 0;
        return;
    case EFFECT_VIP_UP:
    case EFFECT_VIP_DOWN:
        h->vip = e->kind == EFFECT_VIP_UP;
        h->vip_until_us = h->core->record.paused
                              ? INT64_MAX
                              : w->now_us + (int64_t)w->cfg->policy.vip_lifetime_ms * 1000;
        return;
    default:
        return;
    }
}

static void step(struct world *w, unsigned node, struct event *ev)
{
    struct host *h = &w->host[node];
    ev->now_us = w->now_us;
    ev->wall_ms = w->now_us / 1000;
    if (h->agent && !h->agent_hung) {
        core_step(h->core, ev, w->fx);
        h->wake_us = w->fx->wake_us;
        for (unsigned i = 0; i < w->fx->count; i++)
            effect(w, node, &w->fx->list[i]);
    }
}

/* ---- one tick ---- */

static void deliver(struct world *w)
{
    for (;;) {
        unsigned best = w->n_queue;
        struct message m;
        for (unsigned i = 0; i < w->n_queue; i++) {
            if (w->queue[i].at_us <= w->now_us &&
                (best == w->n_queue || w->queue[i].at_us < w->queue[best].at_us ||
                 (w->queue[i].at_us == w->queue[best].at_us &&
                  w->queue[i].order < w->queue[best].order)))
                best = i;
        }
        if (best == w->n_queue)
            return;
        m = w->queue[best];
        w->queue[best] = w->queue[--w->n_queue];
        if (w->host[m.to].agent_hung) {
            m.at_us = w->now_us + 10000;
            w->queue[w->n_queue++] = m;
            continue;
        }
        step(w, m.to, m.ev);
        free(m.ev);
    }
}

static void probe(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    struct event *ev;
    if (!h->agent || h->agent_hung || w->now_us < h->probe_us)
        return;
    h->probe_us = w->now_us + (int64_t)w->cfg->policy.probe_interval_ms * 1000;
    ev = event_new(w, EVENT_PROBE);
    if (h->server.up && h->server.starting) {
        ev->u.probe.outcome = PROBE_REFUSED;
    } else if (h->server.hung) {
        ev->u.probe.outcome = PROBE_TIMEOUT;
    } else if (!h->server.up) {
        ev->u.probe.outcome = PROBE_REFUSED;
    } else {
        ev->u.probe.outcome = PROBE_OK;
        ev->u.probe.have_facts = true;
        facts_of(w, node, &ev->u.probe.facts);
    }
    post(w, node, ev, 1000);
}

static void client(struct world *w)
{
    unsigned to = world_writer(w);
    if (w->writing && to != NODE_NONE && answers(&w->host[to].server) &&
        !w->host[to].server.read_only)
        (void)commit(w, to, /* client= */ true);
}

static void server_tick(struct world *w, unsigned i)
{
    struct server *s = &w->host[i].server;
    if (s->starting && w->now_us >= s->ready_us)
        s->starting = false;
    replicate(w, i);
    if (answers(s) && s->waiting != 0 && s->source_side &&
        acknowledgers(w, i, s->waiting) >= s->wait_count)
        finish(w, i);
}

static void tick(struct world *w)
{
    w->now_us += TICK_US;
    arbiter_run(w);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        struct host *h = &w->host[i];
        server_tick(w, i);
        if (h->vip && w->now_us > h->vip_until_us)
            h->vip = false;
        if (!h->agent || h->agent_hung)
            continue;
        log_apply(w, i);
        jobs_run(w, i);
        probe(w, i);
        if (w->now_us >= h->wake_us)
            post(w, i, event_new(w, EVENT_TICK), 0);
    }
    deliver(w);
    client(w);
}

/* ---- the interface ---- */

struct world *world_new(const struct cluster_config *cfg, uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    assert(w != NULL);
    w->cfg = cfg;
    w->prng.state = seed;
    w->fx = calloc(1, sizeof *w->fx);
    w->leader = w->last_server = w->transfer_to = NODE_NONE;
    w->now_us = 1000000;
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        struct server *s = &w->host[i].server;
        s->pid = 1000 + i;
        s->next = 1;
        s->cleanly = true;
        gtid_init(&s->executed, GTID_MYSQL);
        gtid_init(&s->received, GTID_MYSQL);
        w->host[i].rank = -1;
        world_start_agent(w, i);
    }
    return w;
}

void world_free(struct world *w)
{
    for (unsigned i = 0; i < w->n_queue; i++)
        free(w->queue[i].ev);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        free(w->host[i].core);
    free(w->log);
    free(w->fx);
    free(w);
}

void world_run_ms(struct world *w, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++)
        tick(w);
}

bool world_until(struct world *w, bool (*cond)(struct world *w, void *data), void *data,
                 unsigned limit_ms)
{
    for (unsigned i = 0; i < limit_ms; i++) {
        if (cond(w, data))
            return true;
        tick(w);
    }
    return cond(w, data);
}

void world_kill_server(struct world *w, unsigned node)
{
    server_die(w, node, false);
}

void world_term_server(struct world *w, unsigned node)
{
    server_die(w, node, true);
}

void world_hang_server(struct world *w, unsigned node, bool hang)
{
    w->host[node].server.hung = hang;
    story(w, "%s: mysqld %s", name(w, node), hang ? "hangs" : "goes on");
}

void world_kill_agent(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    unsigned kept = 0;
    h->agent = false;
    h->agent_hung = false;
    memset(h->jobs, 0, sizeof h->jobs);
    free(h->core);
    h->core = NULL;
    for (unsigned i = 0; i < w->n_queue; i++) {
        if (w->queue[i].to == node)
            free(w->queue[i].ev);
        else
            w->queue[kept++] = w->queue[i];
    }
    w->n_queue = kept;
    story(w, "%s: agent killed", name(w, node));
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i != node && w->host[i].agent) {
            struct event *ev = event_new(w, EVENT_PEER);
            ev->from = node;
            ev->u.peer_up = false;
            post(w, i, ev, 1000);
        }
    }
}

static void tell_peer(struct world *w, unsigned a, unsigned b, bool up)
{
    struct event *ev;
    if (!w->host[a].agent || !w->host[b].agent || a == b)
        return;
    ev = event_new(w, EVENT_PEER);
    ev->from = b;
    ev->u.peer_up = up;
    post(w, a, ev, up ? 2000 : 100000);
}

void world_start_agent(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    struct event *ev;
    if (h->agent)
        return;
    h->core = malloc(sizeof *h->core);
    assert(h->core != NULL);
    core_init(h->core, w->cfg, node, w->now_us);
    h->agent = true;
    h->rank = -1;
    h->wake_us = w->now_us;
    h->probe_us = w->now_us + 5000;
    w->applied[node] = 0;
    story(w, "%s: agent starts", name(w, node));
    if (h->server.up) {
        ev = event_new(w, EVENT_SERVER_STARTED);
        ev->u.server.incarnation = incarnation_of(w, node);
    } else {
        ev = event_new(w, EVENT_SERVER_DIED);
        ev->u.server.cleanly = h->server.cleanly;
    }
    post(w, node, ev, 0);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (reaches(w, node, i) && reaches(w, i, node)) {
            tell_peer(w, node, i, true);
            tell_peer(w, i, node, true);
        }
    }
    if (w->leader != NODE_NONE && w->leader != node) {
        ev = event_new(w, EVENT_LEADER);
        ev->u.leader.term = w->term;
        ev->u.leader.node = w->leader;
        post(w, node, ev, 5000);
    }
    /* A leader that restarted has lost its role. */
    if (w->leader == node)
        w->leader = NODE_NONE;
}

void world_hang_agent(struct world *w, unsigned node, bool hang)
{
    w->host[node].agent_hung = hang;
    story(w, "%s: agent %s", name(w, node), hang ? "hangs" : "goes on");
}

void world_cut(struct world *w, unsigned a, unsigned b, bool cut)
{
    if (w->cut[a][b] == cut)
        return;
    w->cut[a][b] = w->cut[b][a] = cut;
    story(w, "network: %s and %s %s", name(w, a), name(w, b), cut ? "cut" : "healed");
    tell_peer(w, a, b, !cut);
    tell_peer(w, b, a, !cut);
}

void world_cut_all(struct world *w, unsigned node, bool cut)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i != node)
            world_cut(w, node, i, cut);
    }
}

void world_write(struct world *w, bool on)
{
    w->writing = on;
}

void world_command(struct world *w, unsigned node, const struct command *m)
{
    struct event *ev = event_new(w, EVENT_COMMAND);
    ev->from = node;
    ev->u.command = *m;
    ev->u.command.origin = (uint8_t)node;
    w->reply[0] = '\0';
    post(w, node, ev, 0);
}

const struct core *world_core(const struct world *w, unsigned node)
{
    return w->host[node].core;
}

unsigned world_writer(const struct world *w)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        const struct host *h = &w->host[i];
        if (h->vip && h->lease_until_us > w->now_us && h->server.up)
            return i;
    }
    return NODE_NONE;
}

unsigned world_holders(const struct world *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        n += w->host[i].vip && w->host[i].lease_until_us > w->now_us;
    return n;
}

unsigned world_lost(const struct world *w, unsigned node)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->n_acks; i++)
        n += !has(&w->host[node].server.executed, w->acks[i].server, w->acks[i].number);
    return n;
}

uint64_t world_acks(const struct world *w)
{
    return w->n_acks;
}

int64_t world_last_ack_us(const struct world *w)
{
    return w->n_acks == 0 ? 0 : w->acks[w->n_acks - 1].at_us;
}

int64_t world_now_us(const struct world *w)
{
    return w->now_us;
}

bool world_identical(const struct world *w)
{
    for (unsigned i = 1; i < w->cfg->n_nodes; i++) {
        if (!gtid_equal(&w->host[i].server.executed, &w->host[0].server.executed))
            return false;
    }
    return true;
}

bool world_attached(const struct world *w, unsigned node, unsigned source)
{
    const struct server *s = &w->host[node].server;
    return answers(s) && s->channel && s->io && s->sql && s->source == source;
}

bool world_split(const struct world *w)
{
    return w->split;
}

const char *world_last_reply(const struct world *w)
{
    return w->reply;
}

static void dump_node(const struct world *w, unsigned i)
{
    const struct core *c = w->host[i].core;
    const struct server *s = &w->host[i].server;
    char executed[GTID_TEXT_MAX] = "";
    if (gtid_format(&s->executed, executed, sizeof executed) != 0)
        (void)snprintf(executed, sizeof executed, "a set too long to print");
    fprintf(stderr,
            "%s: up=%d read_only=%d source=%s io=%d sql=%d source_side=%d replica_side=%d "
            "waiting=%llu %s\n",
            name(w, i), s->up, s->read_only, s->channel ? name(w, s->source) : "-", s->io, s->sql,
            s->source_side, s->replica_active, (unsigned long long)s->waiting, executed);
    if (c == NULL)
        return;
    fprintf(stderr, "    phase=%s term=%llu health=%s in_sync=%#x rules=%u/%u/%u\n",
            core_phase_text(c), (unsigned long long)c->term,
            server_health_text((int)c->health.state), c->record.in_sync, c->verdict[0].rule,
            c->verdict[1].rule, c->verdict[2].rule);
    for (unsigned n = 0; c->is_leader && n < w->cfg->n_nodes; n++)
        fprintf(stderr, "    repair %s: stage=%d flags=%#x fresh=%d term=%llu '%s'\n", name(w, n),
                c->lead.repair[n].stage, c->record.flags[n], core_is_fresh(c, n),
                (unsigned long long)c->view[n].report.term, c->lead.repair[n].state);
}

void world_dump(const struct world *w)
{
    unsigned from = w->n_story > STORY_MAX ? w->n_story - STORY_MAX : 0;
    for (unsigned i = from; i < w->n_story; i++)
        fprintf(stderr, "%s\n", w->story[i % STORY_MAX]);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        dump_node(w, i);
}
