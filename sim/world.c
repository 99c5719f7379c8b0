/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, the network, the agents and their effects. */
#include "sim/world_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_story(struct world *w, const char *fmt, ...)
{
    char *line = w->story[w->n_story++ % STORY_MAX];
    va_list ap;
    int n = snprintf(line, STORY_TEXT_MAX, "%9.3f ", (double)w->now_us / 1e6);
    va_start(ap, fmt);
    (void)vsnprintf(line + n, STORY_TEXT_MAX - (size_t)n, fmt, ap);
    va_end(ap);
}

const char *sim_name(const struct world *w, unsigned node)
{
    return node < w->cfg->n_nodes ? w->cfg->nodes[node].name : "none";
}

bool sim_chance(struct world *w, unsigned permille)
{
    return permille > 0 && prng_below(&w->prng, 1000) < permille;
}

/* ---- messages ---- */

bool sim_passes(const struct world *w, unsigned from, unsigned to)
{
    return from == to || !w->cut[from][to];
}

bool sim_reaches(const struct world *w, unsigned a, unsigned b)
{
    return a == b || (!w->cut[a][b] && !w->cut[b][a]);
}

struct event *sim_event(enum event_kind kind)
{
    struct event *ev = calloc(1, sizeof *ev);
    assert(ev != NULL);
    ev->kind = kind;
    ev->from = NODE_NONE;
    return ev;
}

static struct message *post(struct world *w, unsigned to, struct event *ev, int64_t at_us)
{
    struct message *m;
    assert(w->n_queue < QUEUE_MAX);
    m = &w->queue[w->n_queue++];
    *m = (struct message){.at_us = at_us, .order = w->order++, .from = NODE_NONE, .to = to};
    m->ev = ev;
    return m;
}

void sim_post(struct world *w, unsigned to, struct event *ev, int64_t delay_us)
{
    (void)post(w, to, ev, w->now_us + delay_us);
}

/* ---- connections ---- */

static void tell_peer(struct world *w, unsigned a, unsigned b, bool up)
{
    struct event *ev;
    if (!w->host[a].agent)
        return;
    ev = sim_event(EVENT_PEER);
    ev->from = b;
    ev->u.peer_up = up;
    sim_post(w, a, ev, 0);
}

static void set_link(struct world *w, unsigned a, unsigned b, bool up)
{
    if (w->link[a][b] == up)
        return;
    w->link[a][b] = w->link[b][a] = up;
    w->connection[a][b]++;
    w->connection[b][a]++;
    tell_peer(w, a, b, up);
    tell_peer(w, b, a, up);
}

/* Made within tens of milliseconds; broken ones are noticed after some time, the end of a process
 * at once. */
static void links_run(struct world *w)
{
    for (unsigned a = 0; a < w->cfg->n_nodes; a++) {
        for (unsigned b = a + 1; b < w->cfg->n_nodes; b++) {
            bool agents = w->host[a].agent && w->host[b].agent;
            bool good = agents && sim_reaches(w, a, b);
            if (!w->link[a][b] && good && sim_chance(w, 300))
                set_link(w, a, b, true);
            else if (w->link[a][b] && (!agents || (!good && sim_chance(w, 8))))
                set_link(w, a, b, false);
        }
    }
}

static void send_frame(struct world *w, unsigned from, unsigned to, const struct effect *e)
{
    static const enum event_kind kinds[EFFECT_COUNT] = {
        [EFFECT_REQUEST] = EVENT_REQUEST, [EFFECT_ANSWER] = EVENT_ANSWER,
        [EFFECT_REPORT] = EVENT_REPORT,   [EFFECT_COMMAND] = EVENT_COMMAND,
        [EFFECT_REPLY] = EVENT_REPLY,
    };
    struct event *ev;
    struct message *m;
    int64_t at_us = w->now_us + 300 + (int64_t)prng_below(&w->prng, 700);
    if (!w->link[from][to] || w->cut[from][to])
        return;
    if (sim_chance(w, w->faults.loss)) {
        set_link(w, from, to, false);
        return;
    }
    ev = sim_event(kinds[e->kind]);
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
    if (at_us < w->arrives_us[from][to])
        at_us = w->arrives_us[from][to];
    w->arrives_us[from][to] = at_us;
    m = post(w, to, ev, at_us);
    m->from = from;
    m->connection = w->connection[from][to];
}

/* ---- effects ---- */

static void effect_vip(struct world *w, unsigned node, bool up)
{
    struct host *h = &w->host[node];
    h->vip = up;
    h->vip_until_us = h->core->record.paused
                          ? INT64_MAX
                          : w->now_us + (int64_t)w->cfg->policy.vip_lifetime_ms * 1000;
}

static void effect_reply(struct world *w, unsigned node, const struct effect *e)
{
    if (e->to == node) {
        memcpy(w->reply, e->u.reply.text, sizeof w->reply);
        sim_story(w, "%s: reply '%s'", sim_name(w, node), w->reply);
    } else {
        send_frame(w, node, e->to, e);
    }
}

static void effect(struct world *w, unsigned node, const struct effect *e)
{
    struct host *h = &w->host[node];
    switch (e->kind) {
    case EFFECT_LOG:
        sim_story(w, "%s: %s %s", sim_name(w, node), e->u.log.id, e->u.log.text);
        return;
    case EFFECT_JOB:
        sim_job_begin(w, node, e->u.job.id, &e->u.job.job);
        return;
    case EFFECT_REPORT:
        for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
            if ((e->mask & (1u << i)) != 0)
                send_frame(w, node, i, e);
        }
        return;
    case EFFECT_REPLY:
        effect_reply(w, node, e);
        return;
    case EFFECT_REQUEST:
    case EFFECT_ANSWER:
    case EFFECT_COMMAND:
        send_frame(w, node, e->to, e);
        return;
    case EFFECT_PROPOSE:
        sim_propose(w, node, e->u.proposal.id, &e->u.proposal.entry);
        return;
    case EFFECT_BARRIER:
        sim_propose(w, node, e->u.id, NULL);
        return;
    case EFFECT_TRANSFER:
        sim_transfer(w, node, e->to);
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
        effect_vip(w, node, e->kind == EFFECT_VIP_UP);
        return;
    case EFFECT_ANNOUNCE:
        sim_clients_hear(w, node);
        return;
    case EFFECT_BLOCK:
        h->blocked = e->mask;
        return;
    case EFFECT_QUIT:
        h->quit = true;
        return;
    default:
        return;
    }
}

static void step(struct world *w, unsigned node, struct event *ev)
{
    struct host *h = &w->host[node];
    bool crash = false;
    if (!h->agent || h->agent_hung)
        return;
    ev->now_us = w->now_us;
    ev->wall_ms = w->now_us / 1000;
    core_step(h->core, ev, w->fx);
    h->wake_us = w->fx->wake_us;
    for (unsigned i = 0; i < w->fx->count && !crash; i++) {
        effect(w, node, &w->fx->list[i]);
        crash = h->crash_in > 0 && --h->crash_in == 0;
    }
    if (crash || h->quit)
        world_kill_agent(w, node);
}

/* ---- one tick ---- */

static unsigned next_message(const struct world *w)
{
    unsigned best = w->n_queue;
    for (unsigned i = 0; i < w->n_queue; i++) {
        const struct message *m = &w->queue[i];
        const struct message *b = &w->queue[best < w->n_queue ? best : i];
        /* What was sent to a hung agent waits in its sockets. */
        if (m->at_us > w->now_us || w->host[m->to].agent_hung)
            continue;
        if (best == w->n_queue || m->at_us < b->at_us ||
            (m->at_us == b->at_us && m->order < b->order))
            best = i;
    }
    return best;
}

static void deliver(struct world *w)
{
    for (;;) {
        unsigned best = next_message(w);
        struct message m;
        if (best == w->n_queue)
            return;
        m = w->queue[best];
        w->queue[best] = w->queue[--w->n_queue];
        if (m.from == NODE_NONE || m.connection == w->connection[m.from][m.to])
            step(w, m.to, m.ev);
        free(m.ev);
    }
}

static void tick(struct world *w)
{
    w->now_us += TICK_US;
    sim_arbiter_run(w);
    links_run(w);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        struct host *h = &w->host[i];
        sim_server_tick(w, i);
        if (h->vip && w->now_us > h->vip_until_us)
            h->vip = false;
        if (!h->agent || h->agent_hung)
            continue;
        sim_log_apply(w, i);
        sim_jobs_run(w, i);
        sim_probe(w, i);
        if (w->now_us >= h->wake_us)
            sim_post(w, i, sim_event(EVENT_TICK), 0);
    }
    deliver(w);
    sim_clients_run(w);
    sim_check_tick(w);
}

/* ---- the interface ---- */

struct world *world_new(const struct cluster_config *cfg, uint64_t seed)
{
    return world_new_of(cfg, seed, seed % 2 == 1 ? SERVER_MYSQL : SERVER_MARIADB);
}

bool world_is_mariadb(const struct world *w)
{
    return w->mariadb;
}

struct world *world_new_of(const struct cluster_config *cfg, uint64_t seed, int flavour)
{
    struct world *w = calloc(1, sizeof *w);
    assert(w != NULL);
    w->cfg = cfg;
    w->prng.state = seed;
    w->fx = calloc(1, sizeof *w->fx);
    w->committed = calloc(1, sizeof *w->committed);
    assert(w->fx != NULL && w->committed != NULL);
    record_init(w->committed);
    w->mariadb = flavour == SERVER_MARIADB;
    w->checks.acker = w->checks.limping = NODE_NONE;
    w->leader = w->last_server = NODE_NONE;
    w->now_us = 1000000;
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        sim_server_init(w, i);
        w->host[i].rank = -1;
        world_start_agent(w, i);
    }
    sim_clients_init(w);
    return w;
}

void world_free(struct world *w)
{
    for (unsigned i = 0; i < w->n_queue; i++)
        free(w->queue[i].ev);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        free(w->host[i].core);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        sim_server_free(&w->host[i].server);
    free(w->txns.list);
    free(w->committed);
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

void world_kill_agent(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    unsigned kept = 0;
    if (!h->agent)
        return;
    h->agent = h->agent_hung = h->quit = false;
    h->crash_in = 0;
    sim_jobs_agent_died(w, node);
    free(h->core);
    h->core = NULL;
    for (unsigned i = 0; i < w->n_queue; i++) {
        if (w->queue[i].to == node)
            free(w->queue[i].ev);
        else
            w->queue[kept++] = w->queue[i];
    }
    w->n_queue = kept;
    sim_story(w, "%s: agent ends", sim_name(w, node));
    sim_check_leader_lost(w, node);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        set_link(w, node, i, false);
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
    sim_story(w, "%s: agent starts", sim_name(w, node));
    if (h->server.up) {
        ev = sim_event(EVENT_SERVER_STARTED);
        ev->u.server.incarnation = sim_incarnation(w, node);
    } else {
        ev = sim_event(EVENT_SERVER_DIED);
        ev->u.server.cleanly = h->server.cleanly;
    }
    if (config_node_has_mysql(w->cfg, node))
        sim_post(w, node, ev, 0);
    else
        free(ev);
    sim_arbiter_agent_started(w, node);
}

const struct core *world_core(const struct world *w, unsigned node)
{
    return w->host[node].core;
}

unsigned world_leader(const struct world *w)
{
    return w->leader;
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
    for (uint32_t id = 0; id < w->txns.count; id++) {
        const struct txn *t = sim_txn(w, id);
        n += t->acked && !t->excused && !sim_holds(&w->host[node].server, id);
    }
    return n;
}

uint64_t world_acks(const struct world *w)
{
    return w->n_acks;
}

int64_t world_last_ack_us(const struct world *w)
{
    return w->last_ack_us;
}

int64_t world_now_us(const struct world *w)
{
    return w->now_us;
}

bool world_identical(const struct world *w)
{
    unsigned first = NODE_NONE;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (!config_node_has_mysql(w->cfg, i))
            continue;
        if (first == NODE_NONE)
            first = i;
        if (w->host[i].server.data_hash != w->host[first].server.data_hash ||
            w->host[i].server.book_hash != w->host[first].server.book_hash)
            return false;
    }
    return true;
}

bool world_has_extra(const struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    unsigned writer = w->committed->writer;
    for (uint32_t id = 0; writer != NODE_NONE && id < w->txns.count; id++) {
        if (sim_has(s, id) && !sim_in_binlog(&w->host[writer].server, id))
            return true;
    }
    return false;
}

bool world_attached(const struct world *w, unsigned node, unsigned source)
{
    const struct server *s = &w->host[node].server;
    const struct channel *ch = &s->channel[0];
    return sim_answers(s) && ch->made && ch->io && ch->sql && ch->source == source;
}

bool world_server_is_up(const struct world *w, unsigned node)
{
    return sim_answers(&w->host[node].server);
}

bool world_read_only_is(const struct world *w, unsigned node)
{
    return w->host[node].server.read_only;
}

bool world_agent_is_up(const struct world *w, unsigned node)
{
    return w->host[node].agent;
}

const struct record *world_record(const struct world *w)
{
    return w->committed;
}

const char *world_violation(const struct world *w)
{
    return w->violation[0] != '\0' ? w->violation : NULL;
}

bool world_split(const struct world *w)
{
    return w->violation[0] != '\0';
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
    const struct channel *ch = &s->channel[0];
    if (gtid_format(&s->book.set, executed, sizeof executed) != 0)
        (void)snprintf(executed, sizeof executed, "a set too long to print");
    fprintf(stderr,
            "%s: up=%d read_only=%d source=%s io=%d/%u sql=%d/%u source_side=%d count=%u "
            "replica_side=%d/%d waiters=%u binlog=%u/%u unapplied=%u %s\n",
            sim_name(w, i), s->up, s->read_only, ch->made ? sim_name(w, ch->source) : "-", ch->io,
            ch->io_errno, ch->sql, ch->sql_errno, s->source_side, s->wait_count, s->replica_side,
            ch->io_semi, s->n_waiters, s->committed, s->binlog.count, ch->relay.count - ch->applied,
            executed);
    if (c == NULL)
        return;
    fprintf(stderr, "    phase=%s term=%llu health=%s writer=%s in_sync=%#x rules=%u/%u/%u\n",
            core_phase_text(c), (unsigned long long)c->term,
            server_health_text((int)c->health.state), core_name(c, c->record.writer),
            c->record.in_sync, c->verdict[0].rule, c->verdict[1].rule, c->verdict[2].rule);
    for (unsigned n = 0; c->is_leader && n < w->cfg->n_nodes; n++)
        fprintf(stderr, "    repair %s: stage=%d flags=%#x fresh=%d term=%llu '%s'\n",
                sim_name(w, n), c->lead.repair[n].stage, c->record.flags[n], core_is_fresh(c, n),
                (unsigned long long)c->view[n].report.term, c->lead.repair[n].state);
}

void world_dump(const struct world *w)
{
    unsigned from = w->n_story > STORY_MAX ? w->n_story - STORY_MAX : 0;
    for (unsigned i = from; i < w->n_story; i++)
        fprintf(stderr, "%s\n", w->story[i % STORY_MAX]);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        dump_node(w, i);
    if (w->violation[0] != '\0')
        fprintf(stderr, "VIOLATION %s\n", w->violation);
}
