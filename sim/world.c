/* SPDX-License-Identifier: Apache-2.0 */
/* The world itself: its clock, its hosts, what is known of them from outside. */
#include "sim/world_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIFT_PPM 500 /* of a host's clock, at most, unless somebody asks for more */
#define UP_MIN_US 10000000
#define UP_SPREAD_US 100000000000 /* since the boot of a host */

void sim_story(struct world *w, const char *fmt, ...)
{
    char *line = w->story[w->n_story++ % STORY_MAX];
    va_list ap;
    int n = snprintf(line, STORY_TEXT_MAX, "%9.3f ", (double)w->now_us / 1e6);
    va_start(ap, fmt);
    (void)vsnprintf(line + n, STORY_TEXT_MAX - (size_t)n, fmt, ap);
    va_end(ap);
    if (w->told != NULL)
        w->told(w->told_data, line);
}

const char *sim_name(const struct world *w, unsigned node)
{
    return node < w->cfg->n_nodes ? w->cfg->nodes[node].name : "none";
}

bool sim_chance(struct world *w, unsigned permille)
{
    return permille > 0 && prng_below(&w->prng, 1000) < permille;
}

/* ---- the network ---- */

static bool packets_pass(const struct world *w, unsigned from, unsigned to)
{
    return !w->cut[from][to] && !w->host[from].dark && !w->host[to].dark;
}

bool sim_passes(const struct world *w, unsigned from, unsigned to)
{
    return from == to || packets_pass(w, from, to);
}

bool sim_reaches(const struct world *w, unsigned a, unsigned b)
{
    return a == b || (packets_pass(w, a, b) && packets_pass(w, b, a));
}

static bool network_passes(void *data, unsigned from, unsigned to)
{
    const struct world *w = data;
    return packets_pass(w, from, to) && !w->cut_raft[from][to];
}

bool sim_reaches_agent(const struct world *w, unsigned a, unsigned b)
{
    return sim_reaches(w, a, b) && !w->cut_raft[a][b] && !w->cut_raft[b][a] && !w->is_slow[a][b] &&
           !w->is_slow[b][a];
}

static void network_deliver(void *data, struct sim_frame *f)
{
    struct world *w = data;
    sim_agent_frame(w->host[f->to].process, f);
}

static void network_peer(void *data, unsigned node, unsigned peer, bool up)
{
    struct event *ev = sim_event(EVENT_PEER);
    ev->from = peer;
    ev->u.peer_up = up;
    sim_post(data, node, ev, 0);
}

/* ---- events of adapters ---- */

struct event *sim_event(enum event_kind kind)
{
    struct event *ev = calloc(1, sim_event_size(kind));
    assert(ev != NULL);
    ev->kind = kind;
    ev->from = NODE_NONE;
    return ev;
}

static void release_message(struct message *m)
{
    *m->link = m->next;
    if (m->next != NULL)
        m->next->link = m->link;
    free(m->ev);
    free(m);
}

/* Not for an agent that has ended, nor for the one after it. */
static void on_message(void *data)
{
    struct message *m = data;
    struct world *w = m->w;
    struct host *h = &w->host[m->to];
    if (h->process != NULL && h->life == m->life) {
        sim_agent_event(h->process, m->ev);
        m->ev = NULL;
    }
    release_message(m);
}

void sim_post(struct world *w, unsigned to, struct event *ev, int64_t delay_us)
{
    struct message *m = calloc(1, sizeof *m);
    assert(m != NULL);
    *m = (struct message){
        .next = w->messages, .link = &w->messages, .w = w, .to = to, .life = w->host[to].life};
    m->ev = ev;
    if (m->next != NULL)
        m->next->link = &m->next;
    w->messages = m;
    sim_timer_init(&m->timer, on_message, m);
    sim_timer_set(&w->timers, &m->timer, w->now_us + delay_us);
}

/* ---- one tick ---- */

static void tick_host(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    sim_server_tick(w, node);
    if (h->vip && w->now_us > h->vip_until_us)
        h->vip = false;
    if (!h->agent || h->agent_hung)
        return;
    sim_jobs_run(w, node);
    sim_probe(w, node);
}

/* Agents, arbiters, disks and the network live by the microsecond, servers and clients by the
 * tick. */
static void tick(struct world *w)
{
    int64_t until_us = w->now_us + TICK_US;
    for (;;) {
        int64_t next_us = sim_timers_next_us(&w->timers);
        sim_corpses_bury(w);
        if (next_us > until_us)
            break;
        w->now_us = next_us;
        sim_timers_run_next(&w->timers);
    }
    w->now_us = until_us;
    sim_timers_run(&w->timers, until_us);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        tick_host(w, i);
    sim_clients_run(w);
    sim_check_tick(w);
}

/* ---- the interface ---- */

static void on_stall_end(void *data)
{
    const struct world_host *at = data;
    sim_agent_stand(at->w, at->node, false);
}

static void new_host(struct world *w, unsigned i, const struct raft_configuration *conf)
{
    struct host *h = &w->host[i];
    int drift = (int)prng_below(&w->prng, 2 * DRIFT_PPM + 1) - DRIFT_PPM;
    int64_t up_us = UP_MIN_US + (int64_t)prng_below(&w->prng, UP_SPREAD_US);
    sim_server_init(w, i);
    sim_clock_init(&h->clock, w->now_us, up_us, drift);
    h->disk = sim_disk_new(&w->timers, prng_next(&w->prng));
    sim_disk_bootstrap(h->disk, conf);
    h->at = (struct world_host){w, i};
    sim_timer_init(&h->stall_end, on_stall_end, &h->at);
}

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
    struct sim_network_user user = {
        .data = w, .passes = network_passes, .deliver = network_deliver, .peer = network_peer};
    struct raft_configuration conf;
    int err = raft_node_configuration(cfg->n_nodes, cfg->arbiter.voters, &conf);
    assert(w != NULL && err == 0);
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
    sim_timers_init(&w->timers, w->now_us);
    w->network = sim_network_new(&w->timers, cfg->n_nodes, prng_next(&w->prng), &user);
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        new_host(w, i, &conf);
        world_start_agent(w, i);
    }
    raft_configuration_close(&conf);
    sim_clients_init(w);
    return w;
}

void world_free(struct world *w)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        sim_agent_kill(w, i, /* power= */ true);
    sim_corpses_bury(w);
    while (w->messages != NULL) {
        sim_timer_stop(&w->timers, &w->messages->timer);
        release_message(w->messages);
    }
    if (w->held != NULL)
        sim_frame_free(w->held);
    sim_network_free(w->network);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        sim_disk_free(w->host[i].disk);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        sim_server_free(&w->host[i].server);
    free(w->txns.list);
    sim_timers_release(&w->timers);
    free(w->committed);
    free(w->leaders);
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
    sim_agent_kill(w, node, /* power= */ false);
}

void world_start_agent(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    struct event *ev;
    if (h->agent || !config_node_has_agent(w->cfg, node))
        return;
    sim_story(w, "%s: agent starts", sim_name(w, node));
    if (h->dark) /* CLOCK_BOOTTIME counts from the boot */
        sim_clock_init(&h->clock, w->now_us, UP_MIN_US, h->clock.ppm);
    h->dark = false;
    h->probe_us = w->now_us + 5000;
    sim_agent_start(w, node);
    if (!config_node_has_mysql(w->cfg, node))
        return;
    if (h->server.up) {
        ev = sim_event(EVENT_SERVER_STARTED);
        ev->u.server.incarnation = sim_incarnation(w, node);
    } else {
        ev = sim_event(EVENT_SERVER_DIED);
        ev->u.server.cleanly = h->server.cleanly;
    }
    sim_post(w, node, ev, 0);
}

const struct core *world_core(const struct world *w, unsigned node)
{
    return w->host[node].core;
}

unsigned world_leader(const struct world *w)
{
    return w->leader;
}

int64_t world_lease_end_us(const struct world *w, unsigned node)
{
    const struct host *h = &w->host[node];
    return h->raft_lease_local_us == 0 ? 0 : sim_clock_true(&h->clock, h->raft_lease_local_us);
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
            w->host[i].server.book_hash != w->host[first].server.book_hash ||
            w->host[i].server.differs != w->host[first].server.differs)
            return false;
    }
    return true;
}

uint64_t world_last_number(const struct world *w, unsigned node, unsigned server)
{
    const struct server *s = &w->host[node].server;
    uint64_t last = 0;
    for (unsigned i = 0; i < s->binlog.count; i++) {
        const struct txn *t = sim_txn(w, s->binlog.id[i]);
        last = t->server == server && t->number > last ? t->number : last;
    }
    return last;
}

static bool some_are_extra(const struct server *o, const struct txn_list *l, unsigned from)
{
    for (unsigned i = from; i < l->count; i++) {
        if (!sim_in_binlog(o, l->id[i]))
            return true;
    }
    return false;
}

bool world_has_extra(const struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    unsigned writer = w->committed->writer;
    const struct server *o = writer == NODE_NONE ? NULL : &w->host[writer].server;
    if (o == NULL)
        return false;
    for (unsigned c = 0; c < CHANNELS; c++) {
        if (some_are_extra(o, &s->channel[c].relay, s->channel[c].applied))
            return true;
    }
    return !sim_is_covered(s, o) || some_are_extra(o, &s->binlog, s->committed);
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

bool world_server_runs(const struct world *w, unsigned node)
{
    return w->host[node].server.up;
}

void world_on_story(struct world *w, void (*told)(void *data, const char *line), void *data)
{
    w->told = told;
    w->told_data = data;
}

void world_on_effect(struct world *w,
                     void (*carried_out)(void *data, unsigned node, enum effect_kind kind),
                     void *data)
{
    w->carried_out = carried_out;
    w->carried_out_data = data;
}

bool world_read_only_is(const struct world *w, unsigned node)
{
    return w->host[node].server.read_only;
}

bool world_agent_is_up(const struct world *w, unsigned node)
{
    return w->host[node].agent;
}

bool world_is_dark(const struct world *w, unsigned node)
{
    return w->host[node].dark;
}

bool world_agent_goes_on(const struct world *w, unsigned node)
{
    return w->host[node].agent && !w->host[node].agent_hung;
}

bool world_hosts_reach(const struct world *w, unsigned a, unsigned b)
{
    return sim_reaches(w, a, b);
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

static void dump_arbiter(const struct world *w, unsigned i)
{
    static const char *const states[ARBITER_STATE_COUNT] = {"unavailable", "follower", "candidate",
                                                            "leader"};
    const struct agent *a = w->host[i].process;
    struct raft_node_status s;
    if (a->pair != NULL) {
        fprintf(stderr, "    arbiter: %s leads=%d term=%llu rule=%u in_touch=%d rank=%d\n",
                vrrp_state_text(a->pair->vrrp.state), a->pair->leading,
                (unsigned long long)a->pair->state.term, a->pair->rule->id, a->pair->peer.in_touch,
                a->pair->rank);
        return;
    }
    raft_node_status(a->raft, &s);
    fprintf(stderr,
            "    arbiter: %s term=%llu leader=%s log=%llu/%llu/%llu disk=%llu silent=%d closed=%d "
            "deaf=%d rank=%u trouble=%s\n",
            states[s.state], (unsigned long long)s.term, sim_name(w, s.leader),
            (unsigned long long)s.applied, (unsigned long long)s.commit,
            (unsigned long long)s.last_index, sim_disk_last_index(w->host[i].disk), s.is_silent,
            s.is_closed, s.is_deaf, a->core->rank, raft_trouble_text(s.trouble));
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
    dump_arbiter(w, i);
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
