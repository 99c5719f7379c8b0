/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_remote.h"

#include <stdio.h>
#include <string.h>

#include "io/config/secret.h"

struct agent_remote {
    struct agent *agent;
    unsigned node;
    struct core core;
    struct effects effects;
    struct mysql_adapter *mysql;
    uv_timer_t tick;
    bool stepping;
    struct agent_event *first;
    struct agent_event **last;
};

static void remote_post(struct agent_remote *r, struct agent_event *e);

/* ---- effects ---- */

static void remote_job_failed(struct agent_remote *r, uint64_t id, const char *why)
{
    struct agent_event *e = agent_event(r->agent, EVENT_JOB);
    memset(&e->event.u.job, 0, sizeof e->event.u.job);
    e->event.u.job.id = id;
    e->event.u.job.result.outcome = JOB_FAILED;
    (void)snprintf(e->event.u.job.result.detail, sizeof e->event.u.job.result.detail, "%s", why);
    remote_post(r, e);
}

static void remote_job(struct agent_remote *r, uint64_t id, const struct job *job)
{
    enum job_executor x = job_executor(job->kind);
    int err;
    if (x != JOB_EXECUTOR_SQL && x != JOB_EXECUTOR_BEAT) {
        remote_job_failed(r, id, "there is no agent on that host");
        return;
    }
    if (job_changes_server(job->kind) && !r->agent->core->is_leader) {
        remote_job_failed(r, id, "this host does not lead");
        return;
    }
    err = mysql_job_start(r->mysql, id, job);
    if (err != 0)
        remote_job_failed(r, id, err_text(err));
}

static void remote_effect(struct agent_remote *r, const struct effect *e)
{
    struct agent *a = r->agent;
    struct agent_event *ev;
    switch (e->kind) {
    case EFFECT_LOG:
        if (a->log.fn != NULL && e->u.log.level >= LOG_LEVEL_NOTICE)
            a->log.fn(a->log.data, e->u.log.level, e->u.log.id, "%s remote=%s", e->u.log.text,
                      a->cfg->nodes[r->node].name);
        return;
    case EFFECT_JOB:
        remote_job(r, e->u.job.id, &e->u.job.job);
        return;
    case EFFECT_ANSWER:
        ev = agent_event(a, EVENT_ANSWER);
        ev->event.u.answer = e->u.answer;
        break;
    case EFFECT_REPORT:
        ev = agent_event(a, EVENT_REPORT);
        ev->event.u.report = e->u.report;
        break;
    default: /* addresses, leases, elections: it has none */
        return;
    }
    ev->event.from = r->node;
    agent_post(a, ev);
}

/* ---- events ---- */

static void remote_on_tick(uv_timer_t *timer);

static void remote_step(struct agent_remote *r, struct event *ev)
{
    int64_t wait_us;
    ev->now_us = agent_now_us();
    ev->wall_ms = r->agent->core->wall_ms;
    core_step(&r->core, ev, &r->effects);
    for (unsigned i = 0; i < r->effects.count; i++)
        remote_effect(r, &r->effects.list[i]);
    wait_us = r->effects.wake_us - agent_now_us();
    if (!r->agent->stopping)
        (void)uv_timer_start(&r->tick, remote_on_tick,
                             wait_us > 1000 ? (uint64_t)wait_us / 1000 : 1, 0);
}

/* As agent_post(), for this core. */
static void remote_post(struct agent_remote *r, struct agent_event *e)
{
    *r->last = e;
    r->last = &e->next;
    if (r->stepping)
        return;
    r->stepping = true;
    while (r->first != NULL) {
        struct agent_event *now = r->first;
        r->first = now->next;
        if (r->first == NULL)
            r->last = &r->first;
        if (!r->agent->stopping)
            remote_step(r, &now->event);
        free(now);
    }
    r->stepping = false;
}

static void remote_on_tick(uv_timer_t *timer)
{
    struct agent_remote *r = timer->data;
    remote_post(r, agent_event(r->agent, EVENT_TICK));
}

static void remote_on_probe(void *data, const struct mysql_probe *probe)
{
    struct agent_remote *r = data;
    struct agent_event *e = agent_event(r->agent, EVENT_PROBE);
    struct event_probe *p = &e->event.u.probe;
    p->outcome = probe->outcome;
    p->sql_errno = probe->sql_errno;
    p->have_facts = probe->outcome == PROBE_OK && probe->facts != NULL;
    p->disk_full = false;
    if (p->have_facts)
        p->facts = *probe->facts;
    remote_post(r, e);
}

static void remote_on_job(void *data, uint64_t id, const struct job_result *result,
                          const struct server_facts *facts)
{
    struct agent_remote *r = data;
    struct agent_event *e = agent_event(r->agent, EVENT_JOB);
    e->event.u.job.id = id;
    e->event.u.job.result = *result;
    e->event.u.job.have_facts = facts->flavour != SERVER_FLAVOUR_UNKNOWN;
    e->event.u.job.facts = *facts;
    remote_post(r, e);
}

void agent_remotes_tell(struct agent *a, const struct event *ev)
{
    for (unsigned i = 0; i < a->cfg->n_nodes; i++) {
        struct agent_event *e;
        if (a->remote[i] == NULL)
            continue;
        e = agent_event(a, ev->kind);
        e->event = *ev;
        remote_post(a->remote[i], e);
    }
}

bool agent_remote_request(struct agent *a, unsigned node, const struct request *request)
{
    struct agent_event *e;
    if (a->remote[node] == NULL)
        return false;
    e = agent_event(a, EVENT_REQUEST);
    e->event.from = a->self;
    e->event.u.request = *request;
    remote_post(a->remote[node], e);
    return true;
}

void agent_remotes_report(struct agent *a, const struct report *report, uint32_t mask)
{
    for (unsigned i = 0; i < a->cfg->n_nodes; i++) {
        struct agent_event *e;
        if (a->remote[i] == NULL || (mask & (1u << i)) == 0)
            continue;
        e = agent_event(a, EVENT_REPORT);
        e->event.from = a->self;
        e->event.u.report = *report;
        remote_post(a->remote[i], e);
    }
}

/* ---- start and stop ---- */

static int remote_start_mysql(struct agent_remote *r, struct errmsg *m)
{
    struct agent *a = r->agent;
    const struct config_node *n = &a->cfg->nodes[r->node];
    const struct config_mysql *own = &a->node->mysql; /* the files are on this host */
    struct mysql_config mc = {.loop = &a->loop, .log = a->log, .port = n->mysql.port};
    int err;
    (void)snprintf(mc.host, sizeof mc.host, "%s", n->address);
    (void)snprintf(mc.report_name, sizeof mc.report_name, "%s", n->name);
    (void)snprintf(mc.agent_user, sizeof mc.agent_user, "%s", n->mysql.agent_user);
    (void)snprintf(mc.replication_user, sizeof mc.replication_user, "%s",
                   n->mysql.replication_user);
    err = secret_read(own->agent_password_file, mc.agent_password, sizeof mc.agent_password, m);
    if (err == 0)
        err = secret_read(own->replication_password_file, mc.replication_password,
                          sizeof mc.replication_password, m);
    mc.probe_interval_ms = a->cfg->policy.probe_interval_ms;
    mc.probe_timeout_ms = a->cfg->policy.probe_timeout_ms;
    mc.on_demand = true;
    mc.callbacks = (struct mysql_callbacks){r, remote_on_probe, remote_on_job};
    return err != 0 ? err : mysql_adapter_start(&mc, m, &r->mysql);
}

/* Its process cannot be seen from here: it counts as there, and as the same one. */
static void remote_introduce(struct agent_remote *r)
{
    struct agent *a = r->agent;
    struct agent_event *e = agent_event(a, EVENT_SERVER_STARTED);
    memset(&e->event.u.server, 0, sizeof e->event.u.server);
    e->event.u.server.incarnation.pid = 1;
    remote_post(r, e);
    e = agent_event(a, EVENT_PEER);
    e->event.from = a->self;
    e->event.u.peer_up = true;
    remote_post(r, e);
    e = agent_event(a, EVENT_PEER);
    e->event.from = r->node;
    e->event.u.peer_up = true;
    agent_post(a, e);
}

int agent_remotes_start(struct agent *a, struct errmsg *m)
{
    for (unsigned i = 0; i < a->cfg->n_nodes; i++) {
        struct agent_remote *r;
        int err;
        if (config_node_has_agent(a->cfg, i))
            continue;
        r = calloc(1, sizeof *r);
        if (r == NULL)
            return errmsg_set(m, ERR_NOMEM, "out of memory");
        r->agent = a;
        r->node = i;
        r->last = &r->first;
        core_init(&r->core, a->cfg, i, agent_now_us());
        (void)uv_timer_init(&a->loop, &r->tick);
        r->tick.data = r;
        (void)uv_timer_start(&r->tick, remote_on_tick, 1, 0);
        a->remote[i] = r;
        err = remote_start_mysql(r, m);
        if (err != 0)
            return err;
        remote_introduce(r);
    }
    return 0;
}

static void remote_stopped(void *data)
{
    (void)data;
}

void agent_remotes_stop(struct agent *a)
{
    for (unsigned i = 0; i < a->cfg->n_nodes; i++) {
        struct agent_remote *r = a->remote[i];
        if (r == NULL)
            continue;
        if (r->mysql != NULL)
            mysql_adapter_stop(r->mysql, remote_stopped, r);
        uv_close((uv_handle_t *)&r->tick, NULL);
    }
}

void agent_remotes_free(struct agent *a)
{
    for (unsigned i = 0; i < a->cfg->n_nodes; i++) {
        struct agent_remote *r = a->remote[i];
        while (r != NULL && r->first != NULL) {
            struct agent_event *e = r->first;
            r->first = e->next;
            free(e);
        }
        free(r);
    }
}
