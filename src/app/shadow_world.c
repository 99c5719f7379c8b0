/* SPDX-License-Identifier: Apache-2.0 */
/* Cores, the imagined arbiter between them, and the sink. */
#include "app/shadow_private.h"

#include <stdlib.h>
#include <string.h>

#define SHADOW_LEASE_US 1000000

/* ---- events ---- */

void shadow_post(struct shadow_world *w, unsigned to, const struct event *ev)
{
    struct shadow_event *e = malloc(sizeof *e);
    if (e == NULL)
        abort();
    e->next = NULL;
    e->to = to;
    e->event = *ev;
    *w->last = e;
    w->last = &e->next;
}

static void post_all(struct shadow_world *w, const struct event *ev)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (w->nodes[i].core != NULL)
            shadow_post(w, i, ev);
    }
}

static void drop_events(struct shadow_world *w)
{
    while (w->first != NULL) {
        struct shadow_event *e = w->first;
        w->first = e->next;
        free(e);
    }
    w->last = &w->first;
}

/* ---- the imagined arbiter ---- */

static void tell_leader(struct shadow_world *w)
{
    struct event ev = {.kind = EVENT_LEADER, .from = NODE_NONE};
    ev.u.leader.term = w->term;
    ev.u.leader.node = w->leader;
    post_all(w, &ev);
}

static void tell_lease(struct shadow_world *w, unsigned node, int64_t until_us)
{
    struct event ev = {.kind = EVENT_LEASE, .from = NODE_NONE};
    ev.u.lease_until_us = until_us;
    shadow_post(w, node, &ev);
}

static void elect(struct shadow_world *w, unsigned node)
{
    struct event ev = {.kind = EVENT_ELECTED, .from = NODE_NONE};
    ev.u.term = ++w->term;
    w->leader = node;
    shadow_post(w, node, &ev);
    tell_leader(w);
    w->lease_us = w->now_us;
    tell_lease(w, node, w->now_us + SHADOW_LEASE_US);
}

static void transfer(struct shadow_world *w, unsigned from, unsigned to)
{
    struct event ev = {.kind = EVENT_DEPOSED, .from = NODE_NONE};
    shadow_tell_transfer(w, from, to);
    ev.u.term = w->term;
    shadow_post(w, from, &ev);
    tell_lease(w, from, 0);
    elect(w, to);
}

void shadow_propose(struct shadow_world *w, const struct entry *e)
{
    struct event ev = {.kind = EVENT_APPLIED, .from = NODE_NONE};
    /* A refusal by the compare-and-set is one for every core alike. */
    (void)!record_apply(w->record, e);
    ev.u.entry = *e;
    post_all(w, &ev);
}

static void propose(struct shadow_world *w, unsigned from, uint64_t id, const struct entry *e)
{
    struct event ev = {.kind = EVENT_PROPOSAL, .from = NODE_NONE};
    if (e != NULL && e->kind == ENTRY_PROMOTE && !w->quiet)
        shadow_tell_promotion(w, e->node);
    if (e != NULL)
        shadow_propose(w, e);
    ev.u.proposal.id = id;
    ev.u.proposal.err = 0;
    shadow_post(w, from, &ev);
}

/* ---- jobs ---- */

static void job_over(struct shadow_world *w, unsigned node, const struct shadow_job *j,
                     const struct job_result *result)
{
    const struct shadow_server *s = &w->nodes[node].server;
    struct event ev = {.kind = EVENT_JOB, .from = NODE_NONE};
    ev.u.job.id = j->id;
    ev.u.job.result = *result;
    ev.u.job.have_facts = s->have && s->answers;
    shadow_server_facts(s, &ev.u.job.facts);
    shadow_post(w, node, &ev);
}

static void job_begins(struct shadow_world *w, unsigned node, const struct effect *e)
{
    struct shadow_node *n = &w->nodes[node];
    struct shadow_job j = {.used = true, .id = e->u.job.id, .job = e->u.job.job};
    struct job_result result;
    if (!w->quiet && job_changes_server(j.job.kind))
        shadow_tell_job(w, node, &j.job);
    shadow_server_do(&n->server, &j.job, &result);
    j.deadline_us = w->now_us + (int64_t)j.job.timeout_ms * 1000;
    for (unsigned i = 0; j.job.kind == JOB_DRAIN && result.outcome == JOB_TIMEOUT; i++) {
        if (i == LOCAL_RUNNING_MAX)
            break;
        if (n->jobs[i].used)
            continue;
        n->jobs[i] = j;
        return;
    }
    job_over(w, node, &j, &result);
}

static void jobs_look(struct shadow_world *w, unsigned node)
{
    struct shadow_node *n = &w->nodes[node];
    for (unsigned i = 0; i < LOCAL_RUNNING_MAX; i++) {
        struct shadow_job *j = &n->jobs[i];
        struct job_result result;
        if (!j->used)
            continue;
        shadow_server_do(&n->server, &j->job, &result);
        if (result.outcome == JOB_TIMEOUT && w->now_us < j->deadline_us)
            continue;
        j->used = false;
        job_over(w, node, j, &result);
    }
}

/* ---- the sink ---- */

static void sink_report(struct shadow_world *w, unsigned from, const struct effect *e)
{
    struct event ev = {.kind = EVENT_REPORT, .from = from};
    ev.u.report = e->u.report;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if ((e->mask & (1u << i)) != 0 && w->nodes[i].core != NULL)
            shadow_post(w, i, &ev);
    }
}

static void sink_talk(struct shadow_world *w, unsigned from, const struct effect *e)
{
    struct event ev = {.from = from};
    if (e->kind == EFFECT_REQUEST) {
        ev.kind = EVENT_REQUEST;
        ev.u.request = e->u.request;
    } else {
        ev.kind = EVENT_ANSWER;
        ev.u.answer = e->u.answer;
    }
    if (e->to < w->cfg->n_nodes && w->nodes[e->to].core != NULL)
        shadow_post(w, e->to, &ev);
}

static void sink_log(struct shadow_world *w, unsigned node, const struct effect *e)
{
    struct shadow_told t = {.level = LOG_LEVEL_DEBUG, .node = node, .lost = w->lost};
    if (!w->quiet)
        shadow_say(w, &t, "shadow-core", "%s: %s", e->u.log.id, e->u.log.text);
}

/* Every effect of every core ends here, and nowhere else: as a sentence, as an assumption, or as a
 * word between the cores. */
static void sink(struct shadow_world *w, unsigned node, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_LOG:
        sink_log(w, node, e);
        return;
    case EFFECT_JOB:
        job_begins(w, node, e);
        return;
    case EFFECT_REPORT:
        sink_report(w, node, e);
        return;
    case EFFECT_REQUEST:
    case EFFECT_ANSWER:
        sink_talk(w, node, e);
        return;
    case EFFECT_PROPOSE:
        propose(w, node, e->u.proposal.id, &e->u.proposal.entry);
        return;
    case EFFECT_BARRIER:
        propose(w, node, e->u.id, NULL);
        return;
    case EFFECT_TRANSFER:
        transfer(w, node, e->to);
        return;
    case EFFECT_VIP_UP:
        if (!w->quiet && w->lost)
            shadow_tell_open(w, node);
        w->quiet = false;
        return;
    default: /* leases, addresses, announcements, blocks, scripts: nothing follows from them here */
        return;
    }
}

static void step(struct shadow_world *w, unsigned node, struct event *ev)
{
    struct shadow_node *n = &w->nodes[node];
    ev->now_us = w->now_us;
    ev->wall_ms = w->wall_ms;
    core_step(n->core, ev, w->fx);
    n->wake_us = w->fx->wake_us;
    for (unsigned i = 0; i < w->fx->count; i++)
        sink(w, node, &w->fx->list[i]);
}

/* What follows from these events comes with the next run: between real agents there is a network,
 * and two cores that answer each other in no time would never end. */
void shadow_run(struct shadow_world *w)
{
    struct shadow_event *batch = w->first;
    w->first = NULL;
    w->last = &w->first;
    while (batch != NULL) {
        struct shadow_event *e = batch;
        batch = e->next;
        if (w->state == SHADOW_WATCHING)
            step(w, e->to, &e->event);
        free(e);
    }
}

void shadow_world_tick(struct shadow_world *w)
{
    if (w->state != SHADOW_WATCHING)
        return;
    if (w->leader != NODE_NONE && w->now_us - w->lease_us > SHADOW_LEASE_US / 4) {
        w->lease_us = w->now_us;
        tell_lease(w, w->leader, w->now_us + SHADOW_LEASE_US);
    }
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        struct event ev = {.kind = EVENT_TICK, .from = NODE_NONE};
        if (w->nodes[i].core == NULL)
            continue;
        jobs_look(w, i);
        if (w->now_us >= w->nodes[i].wake_us)
            shadow_post(w, i, &ev);
    }
    shadow_run(w);
    shadow_tell_rule(w);
    shadow_tell_in_sync(w);
}

/* ---- the beginning ---- */

static void anchor_record(struct shadow_world *w, unsigned writer, uint32_t in_sync)
{
    struct record *r = w->record;
    struct promotion *p = &r->promotions[0];
    record_init(r);
    r->version = 1;
    r->writer = (uint8_t)writer;
    r->epoch = ++w->term;
    r->in_sync = in_sync;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if ((in_sync & (1u << i)) != 0)
            r->member[i] = w->nodes[i].server.incarnation;
    }
    memset(p, 0, sizeof *p);
    p->epoch = r->epoch;
    p->writer = (uint8_t)writer;
    p->old_writer = NODE_NONE;
    p->clean = true;
    memcpy(p->seal, w->nodes[writer].server.seen.executed, sizeof p->seal);
    r->n_promotions = 1;
}

static void introduce(struct shadow_world *w, unsigned node)
{
    const struct shadow_server *s = &w->nodes[node].server;
    struct event ev = {.from = node};
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i == node || w->nodes[i].core == NULL)
            continue;
        ev.kind = EVENT_PEER;
        ev.from = i;
        ev.u.peer_up = true;
        shadow_post(w, node, &ev);
    }
    ev.from = NODE_NONE;
    ev.kind = EVENT_RESTORED;
    ev.u.record = *w->record;
    shadow_post(w, node, &ev);
    if (!s->alive)
        return;
    ev.kind = EVENT_SERVER_STARTED;
    ev.u.server.incarnation = s->incarnation;
    ev.u.server.cleanly = false;
    shadow_post(w, node, &ev);
    if (!s->answers || !s->have)
        return;
    ev.kind = EVENT_PROBE;
    ev.u.probe = (struct event_probe){.outcome = PROBE_OK, .have_facts = true};
    shadow_server_facts(s, &ev.u.probe.facts);
    shadow_post(w, node, &ev);
}

void shadow_anchor(struct shadow_world *w, unsigned writer, uint32_t in_sync)
{
    unsigned members = (unsigned)__builtin_popcount(in_sync);
    drop_events(w);
    anchor_record(w, writer, in_sync);
    w->state = SHADOW_WATCHING;
    w->writer = writer;
    w->quiet = true;
    w->told_in_sync = in_sync;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        struct shadow_node *n = &w->nodes[i];
        enum shadow_part part = (in_sync & (1u << i)) != 0 ? SHADOW_MEMBER : SHADOW_OTHER;
        if (n->core == NULL)
            continue;
        memset(n->jobs, 0, sizeof n->jobs);
        shadow_server_assume(&n->server, i == writer ? SHADOW_WRITER : part, members);
        core_init(n->core, w->cfg, i, w->now_us);
        introduce(w, i);
    }
    elect(w, writer);
    shadow_run(w);
}

struct shadow_world *shadow_world_open(const struct cluster_config *cfg, shadow_tell_fn tell,
                                       void *data)
{
    struct shadow_world *w = calloc(1, sizeof *w);
    bool good = w != NULL;
    if (w == NULL)
        return NULL;
    w->cfg = cfg;
    w->tell = tell;
    w->data = data;
    w->last = &w->first;
    w->leader = w->writer = w->holder = w->choice = NODE_NONE;
    w->fx = malloc(sizeof *w->fx);
    w->record = malloc(sizeof *w->record);
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        if (!config_node_has_mysql(cfg, i))
            continue;
        w->nodes[i].core = malloc(sizeof *w->nodes[i].core);
        good &= w->nodes[i].core != NULL;
    }
    if (good && w->fx != NULL && w->record != NULL)
        return w;
    shadow_world_close(w);
    return NULL;
}

void shadow_world_close(struct shadow_world *w)
{
    if (w == NULL)
        return;
    drop_events(w);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        free(w->nodes[i].core);
    free(w->fx);
    free(w->record);
    free(w);
}

void shadow_world_time(struct shadow_world *w, int64_t now_us, int64_t wall_ms)
{
    w->now_us = now_us;
    w->wall_ms = wall_ms;
}
