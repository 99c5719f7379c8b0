/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of the core on the world's servers: the engine of the scripts, the heartbeat, and what
 * becomes of both when the server or the agent dies.
 */
#include <assert.h>
#include <string.h>

#include "sim/world_private.h"

#define WAIT_MAX_MS 10
#define BEAT_LOCK_US 1000000

/* ---- for scripts ---- */

static struct sql_statement *script_statement(struct job_running *run, int next, int kind)
{
    run->state = next;
    run->wants = WANTS_STATEMENT;
    run->tolerant = false;
    run->statement = (struct sql_statement){.state = STATEMENT_FREE, .kind = kind};
    return &run->statement;
}

void script_sql(struct job_running *run, int next, int kind)
{
    (void)script_statement(run, next, kind);
}

void script_flag(struct job_running *run, int next, int kind, bool flag)
{
    struct sql_statement *st = script_statement(run, next, kind);
    st->flag = flag;
    st->count = run->job.count;
}

void script_node(struct job_running *run, int next, int kind, unsigned to)
{
    script_statement(run, next, kind)->node = to;
}

void script_look(struct job_running *run, int next)
{
    run->state = next;
    run->wants = WANTS_FACTS;
}

void script_wait(struct job_running *run, int next)
{
    run->state = next;
    run->wants = WANTS_TIME;
}

void script_goto(struct world *w, unsigned node, struct job_running *run, int next)
{
    run->state = next;
    run->wants = WANTS_NOTHING;
    sim_script_step(w, node, run);
}

void script_phase(struct job_running *run, unsigned percent, int undo)
{
    run->limit_us = run->start_us + (run->until_us - run->start_us) * percent / 100;
    run->undo = undo;
}

void sim_job_end(struct world *w, unsigned node, struct job_running *run, int outcome,
                 uint32_t count)
{
    struct host *h = &w->host[node];
    struct event *ev = sim_event(EVENT_JOB);
    ev->u.job.id = run->id;
    ev->u.job.result.outcome = outcome;
    ev->u.job.result.count = count;
    ev->u.job.result.evidence = run->evidence;
    ev->u.job.have_facts = h->have_facts;
    if (h->have_facts)
        ev->u.job.facts = h->facts;
    if (run->job.kind == JOB_SALVAGE || run->job.kind == JOB_REWIND)
        memcpy(ev->u.job.result.path, "salvage", sizeof "salvage");
    sim_statement_orphan(w, node, &run->statement);
    run->used = false;
    sim_post(w, node, ev, 0);
}

void script_end(struct world *w, unsigned node, struct job_running *run, int outcome)
{
    sim_job_end(w, node, run, outcome, 0);
}

/* ---- the engine ---- */

static void script_failed(struct world *w, unsigned node, struct job_running *run, int outcome)
{
    if (run->undo == 0 || w->now_us >= run->until_us) {
        sim_job_end(w, node, run, outcome, 0);
        return;
    }
    sim_statement_orphan(w, node, &run->statement);
    run->statement.state = STATEMENT_FREE;
    run->reading.stage = 0;
    run->locked = run->locked && outcome != JOB_TIMEOUT; /* the session was dropped */
    run->noted = outcome;
    run->state = run->undo;
    run->undo = 0;
    run->limit_us = run->until_us;
    run->wait_ms = 1;
    run->wants = WANTS_NOTHING;
}

/* A look is several statements: variables first, then what is connected and waits. */
static bool look(struct world *w, unsigned node, struct job_running *run)
{
    unsigned ms = w->host[node].server.look_ms;
    if (ms == 0 && !run->looking)
        return (run->reading.stage != 0 || !sim_statement_waits(w, node, SQL_STOP)) &&
               sim_facts_read(w, node, &run->reading);
    if (ms != 0 && !run->looking) {
        sim_facts_vars(w, node, &run->vars);
        run->looking = true;
        run->at_us = w->now_us + (int64_t)ms * 1000;
    }
    if (run->at_us > w->now_us || sim_statement_waits(w, node, SQL_STOP))
        return false;
    sim_facts(w, node);
    if (run->looking)
        sim_facts_older_vars(&w->host[node].facts, &run->vars);
    run->looking = false;
    return true;
}

/* What the last step asked for is there; false: not yet, or the job has ended. */
static bool script_is_ready(struct world *w, unsigned node, struct job_running *run)
{
    switch (run->wants) {
    case WANTS_STATEMENT:
        if (run->statement.state == STATEMENT_FREE) {
            run->statement.state = STATEMENT_SENT;
            run->statement.at_us = w->now_us + TICK_US;
            run->statement.term = run->term;
            run->statement.open = run->job.kind == JOB_OPEN;
            run->statement.leased = run->leased;
            return false;
        }
        if (run->statement.state == STATEMENT_SENT)
            return false;
        if (run->statement.state == STATEMENT_ERROR && !run->tolerant) {
            run->statement.state = STATEMENT_FREE;
            script_failed(w, node, run, JOB_FAILED);
            return run->used;
        }
        run->statement.state = STATEMENT_FREE;
        return true;
    case WANTS_FACTS:
        return look(w, node, run);
    case WANTS_TIME:
        if (run->at_us > w->now_us)
            return false;
        if (run->at_us == 0) {
            run->at_us = w->now_us + (int64_t)run->wait_ms * 1000;
            run->wait_ms = run->wait_ms * 2 < WAIT_MAX_MS ? run->wait_ms * 2 : WAIT_MAX_MS;
            return false;
        }
        return true;
    default:
        return true;
    }
}

static void script_run(struct world *w, unsigned node, struct job_running *run)
{
    if (w->now_us > run->limit_us) {
        script_failed(w, node, run, JOB_TIMEOUT);
        return;
    }
    if (!sim_answers(&w->host[node].server))
        return;
    /* Nothing of an older session may happen any more (S10). */
    if (!run->locked && !w->faults.no_lock && !sim_orphans_kill(w, node))
        return;
    run->locked = true;
    if (!script_is_ready(w, node, run))
        return;
    run->wants = WANTS_NOTHING;
    run->at_us = 0;
    sim_script_step(w, node, run);
}

void sim_script_step(struct world *w, unsigned node, struct job_running *run)
{
    static void (*const scripts[JOB_COUNT])(struct world *, unsigned, struct job_running *) = {
        [JOB_FACTS] = script_facts,
        [JOB_SEAL] = script_seal,
        [JOB_DRAIN] = script_drain,
        [JOB_LEVEL] = script_level,
        [JOB_FORGET] = script_forget,
        [JOB_OPEN] = script_open,
        [JOB_CLOSE] = script_close,
        [JOB_CLOSE_CLIENTS] = script_close_clients,
        [JOB_SOURCE_SIDE] = script_source_side,
        [JOB_REPLICA_SIDE] = script_replica_side,
        [JOB_ATTACH] = script_attach,
        [JOB_DETACH] = script_detach,
        [JOB_EVICT] = script_evict,
        [JOB_ADOPT] = script_adopt,
        [JOB_UNBLOCK] = script_unblock,
    };
    assert(scripts[run->job.kind] != NULL);
    scripts[run->job.kind](w, node, run);
}

/* ---- the heartbeat: a connection of its own, never killed ---- */

static void beat_run(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    struct waiter by = {.kind = WAITER_BEAT};
    bool locked = false;
    if (w->now_us > run->until_us) {
        s->beat_txn = TXN_NONE; /* left to itself */
        sim_job_end(w, node, run, JOB_TIMEOUT, 0);
        return;
    }
    if (!sim_answers(s))
        return;
    if (run->begun) {
        if (sim_holds(s, s->beat_txn)) {
            s->beat_txn = TXN_NONE;
            sim_facts(w, node);
            sim_job_end(w, node, run, JOB_DONE, 0);
        }
        return;
    }
    if (s->read_only) {
        sim_job_end(w, node, run, JOB_REFUSED, 0);
        return;
    }
    /* The row is locked by a beat that still waits for its acknowledgement. */
    for (unsigned i = 0; i < s->n_waiters; i++)
        locked = locked || s->waiter[i].kind == WAITER_BEAT;
    if (locked && w->now_us - run->start_us > BEAT_LOCK_US)
        sim_job_end(w, node, run, JOB_FAILED, 0);
    if (locked)
        return;
    s->beat_txn = w->txns.count;
    run->begun = sim_commit(w, node, TXN_BEAT, by) != TXN_NONE;
    if (!run->begun)
        s->beat_txn = TXN_NONE;
}

/* ---- all jobs ---- */

void sim_jobs_run(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    sim_copy_run(w, node);
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &h->jobs[i];
        if (!run->used || w->now_us < run->start_us + TICK_US)
            continue;
        switch (job_executor(run->job.kind)) {
        case JOB_EXECUTOR_SQL:
            script_run(w, node, run);
            break;
        case JOB_EXECUTOR_BEAT:
            beat_run(w, node, run);
            break;
        case JOB_EXECUTOR_COPY:
            sim_job_copy(w, node, run);
            break;
        default:
            sim_job_off_line(w, node, run);
            if (run->used && w->now_us > run->until_us)
                sim_job_end(w, node, run, JOB_TIMEOUT, 0);
        }
    }
}

static uint64_t term_of_job(const struct world *w, unsigned node, uint64_t id)
{
    const struct core *c = w->host[node].core;
    for (unsigned i = 0; i < LOCAL_RUNNING_MAX; i++) {
        const struct local_task *t = &c->local.running[i];
        if (t->used && t->job_id == id)
            return t->request.term;
    }
    return c->term;
}

/* Of the arbiter; the kernel's door is opened later. */
static bool has_lease(const struct host *h, int64_t now_us)
{
    return sim_clock_local(&h->clock, now_us) < h->raft_lease_local_us;
}

void sim_job_begin(struct world *w, unsigned node, uint64_t id, const struct job *job)
{
    const struct host *h = &w->host[node];
    int64_t until_us = w->now_us + (int64_t)job->timeout_ms * 1000;
    assert(job->timeout_ms > 0);
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &w->host[node].jobs[i];
        if (run->used)
            continue;
        *run = (struct job_running){.used = true,
                                    .leased = has_lease(h, w->now_us),
                                    .start_us = w->now_us,
                                    .until_us = until_us,
                                    .limit_us = until_us,
                                    .id = id,
                                    .term = term_of_job(w, node, id),
                                    .job = *job,
                                    .noted = JOB_DONE,
                                    .wait_ms = 1};
        if (job->kind == JOB_START) /* a process is made at once */
            sim_job_off_line(w, node, run);
        return;
    }
    assert(false && "too many jobs");
}

void sim_jobs_server_died(struct world *w, unsigned node)
{
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job_running *run = &w->host[node].jobs[i];
        enum job_executor x = run->used ? job_executor(run->job.kind) : JOB_EXECUTOR_CORE;
        run->statement.state = STATEMENT_FREE;
        if (x == JOB_EXECUTOR_SQL || x == JOB_EXECUTOR_BEAT)
            sim_job_end(w, node, run, JOB_FAILED, 0);
    }
}

void sim_jobs_agent_died(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (h->jobs[i].used)
            sim_statement_orphan(w, node, &h->jobs[i].statement);
    }
    memset(h->jobs, 0, sizeof h->jobs);
    h->probing.stage = 0;
    sim_copy_agent_died(w, node);
    h->server.beat_txn = TXN_NONE;
    h->server.cut = false; /* what the cut has to be proven by is forgotten with the agent */
    h->have_facts = false;
}

int sim_node_of(const struct world *w, const char *host)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (strcmp(w->cfg->nodes[i].address, host) == 0)
            return (int)i;
    }
    return -1;
}
