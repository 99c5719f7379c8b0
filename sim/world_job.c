/* SPDX-License-Identifier: Apache-2.0 */
/* What the adapters do to the world's servers. */
#include <assert.h>
#include <string.h>

#include "sim/world_private.h"

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
    bool starts = !s->io && !s->sql;
    if (source < 0)
        return false;
    if (!s->channel || s->source != (unsigned)source || (w->faults.purge && starts))
        s->received = s->executed; /* the relay log is thrown away */
    s->channel = s->io = s->sql = true;
    s->source = (unsigned)source;
    s->writes = false;
    s->io_retry_us = s->io_seen_us = 0;
    s->replica_active = s->replica_side = j->flag;
    return true;
}

static bool job_level(struct world *w, unsigned node, const struct job *j)
{
    struct server *s = &w->host[node].server;
    int from = node_of_host(w, j->host);
    const struct server *o;
    int err;
    if (from < 0)
        return false;
    o = &w->host[from].server;
    if (!sim_answers(o) || !sim_reaches_sql(w, node, (unsigned)from))
        return false;
    err = gtid_union(&s->received, &o->executed, &s->received);
    assert(err == 0);
    s->executed = s->received;
    return true;
}

static bool job_evict(struct world *w, unsigned node, const struct job *j)
{
    int who = node_of_host(w, j->host);
    if (who >= 0 && w->host[who].server.channel && w->host[who].server.source == node)
        w->host[who].server.io_retry_us = w->now_us + 1000000;
    return true;
}

/* What a writer has in its binlog and not executed waits for acknowledgements. */
static bool is_drained(const struct server *s)
{
    return !s->channel || s->writes || gtid_equal(&s->executed, &s->received);
}

/* The applier must run; starting it while both threads are stopped may cost the relay log. */
static bool job_start_applier(struct world *w, struct server *s)
{
    if (s->sql || is_drained(s))
        return true;
    s->sql = s->io || !w->faults.purge;
    return s->sql;
}

/* Tries to do a job; false: not yet. */
static bool job_try(struct world *w, unsigned node, const struct job *j)
{
    struct server *s = &w->host[node].server;
    switch (j->kind) {
    case JOB_SEAL:
        if (!job_start_applier(w, s))
            return false;
        s->io = false;
        return true;
    case JOB_DRAIN:
        return job_start_applier(w, s) && is_drained(s);
    case JOB_LEVEL:
        return job_level(w, node, j);
    case JOB_FORGET:
        if (!is_drained(s))
            return false;
        s->channel = s->io = s->sql = false;
        return true;
    case JOB_OPEN:
    case JOB_SOURCE_SIDE:
        s->wait_count = j->count;
        s->source_side = j->flag;
        if (j->kind == JOB_OPEN) {
            s->read_only = false;
            s->writes = true;
        }
        return true;
    case JOB_CLOSE:
        s->closing_us = w->now_us + 2 * TICK_US;
        if (s->n_pending != 0 || s->busy)
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
    case JOB_EVICT:
        return job_evict(w, node, j);
    case JOB_HEARTBEAT:
        return false;
    default:
        return true;
    }
}

static void job_end(struct world *w, unsigned node, struct job_running *run, int outcome,
                    uint32_t count)
{
    struct event *ev = sim_event(EVENT_JOB);
    ev->u.job.id = run->id;
    ev->u.job.result.outcome = outcome;
    ev->u.job.result.count = count;
    ev->u.job.have_facts = sim_answers(&w->host[node].server);
    if (ev->u.job.have_facts)
        sim_facts(w, node, &ev->u.job.facts);
    run->used = false;
    sim_post(w, node, ev, 0);
}

/* The rules of the rewind planner, as far as sets can tell. */
static bool rewind_is_allowed(const struct server *s, const struct job *j,
                              const struct gtid_set *seal, const struct gtid_set *writer)
{
    struct gtid_set tail, rest;
    if (!j->flag || s->cleanly || s->up || gtid_subtract(&s->received, seal, &tail) != 0)
        return false;
    return gtid_subtract(&tail, writer, &rest) == 0 && gtid_equal(&tail, &rest);
}

static void job_rewind(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    struct gtid_set seal, writer, tail, committed;
    int err = gtid_parse(run->job.gtid, GTID_MYSQL, &seal);
    if (err == 0)
        err = gtid_parse(run->job.gtid2, GTID_MYSQL, &writer);
    if (err != 0 || !rewind_is_allowed(s, &run->job, &seal, &writer)) {
        sim_story(w, "%s: rewind refused", sim_name(w, node));
        job_end(w, node, run, JOB_REFUSED, 0);
        return;
    }
    err = gtid_subtract(&s->received, &seal, &tail);
    assert(err == 0);
    err = gtid_subtract(&s->executed, &seal, &committed);
    assert(err == 0);
    err = gtid_subtract(&s->received, &tail, &s->received);
    assert(err == 0);
    s->executed = s->received;
    s->cut = true;
    s->rollbacks = (uint32_t)(gtid_count(&tail) - gtid_count(&committed));
    sim_story(w, "%s: rewound, %llu cut", sim_name(w, node), (unsigned long long)gtid_count(&tail));
    job_end(w, node, run, JOB_DONE, (uint32_t)gtid_count(&tail));
}

static void job_off_line(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    switch (run->job.kind) {
    case JOB_START:
        if (!run->begun)
            sim_server_start(w, node);
        run->begun = true;
        if (!s->up)
            job_end(w, node, run, JOB_FAILED, 0);
        else if (!s->starting)
            job_end(w, node, run, JOB_DONE, s->rollbacks);
        return;
    case JOB_KILL:
        sim_server_die(w, node, false);
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
    if (s->beat_job == 0 && !s->read_only && sim_commit(w, node, /* client= */ false))
        s->beat_job = s->next - 1;
    if (s->beat_job != 0 && sim_has(&s->executed, node, s->beat_job)) {
        s->beat_job = 0;
        job_end(w, node, run, JOB_DONE, 0);
    }
}

void sim_jobs_run(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &h->jobs[i];
        enum job_executor x;
        if (!run->used || w->now_us < run->at_us)
            continue;
        x = job_executor(run->job.kind);
        if (x == JOB_EXECUTOR_PROC || x == JOB_EXECUTOR_STORE) {
            job_off_line(w, node, run);
        } else if (sim_answers(&h->server) && x == JOB_EXECUTOR_BEAT) {
            job_beat(w, node, run);
        } else if (sim_answers(&h->server) && job_try(w, node, &run->job)) {
            job_end(w, node, run, JOB_DONE, 0);
        }
        if (run->used && w->now_us > run->until_us) {
            if (x == JOB_EXECUTOR_BEAT)
                h->server.beat_job = 0;
            job_end(w, node, run, JOB_TIMEOUT, 0);
        }
    }
}

void sim_job_begin(struct world *w, unsigned node, uint64_t id, const struct job *job)
{
    assert(job->timeout_ms > 0);
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &w->host[node].jobs[i];
        if (run->used)
            continue;
        *run = (struct job_running){.used = true,
                                    .at_us = w->now_us + 2000,
                                    .until_us = w->now_us + (int64_t)job->timeout_ms * 1000,
                                    .id = id,
                                    .job = *job};
        return;
    }
    assert(false && "too many jobs");
}

void sim_jobs_server_died(struct world *w, unsigned node)
{
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &w->host[node].jobs[i];
        enum job_executor x = run->used ? job_executor(run->job.kind) : JOB_EXECUTOR_CORE;
        if (x == JOB_EXECUTOR_SQL || x == JOB_EXECUTOR_BEAT)
            job_end(w, node, run, JOB_FAILED, 0);
    }
}

void sim_jobs_agent_died(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &h->jobs[i];
        if (run->used && job_executor(run->job.kind) == JOB_EXECUTOR_SQL &&
            sim_answers(&h->server) && sim_chance(w, 500))
            (void)job_try(w, node, &run->job);
    }
    memset(h->jobs, 0, sizeof h->jobs);
}
