/* SPDX-License-Identifier: Apache-2.0 */
#include "core/local.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/eligible.h"

#define LOCAL_GRACE_US 2000000

static void local_answer(struct core *core, const struct local_task *t,
                         const struct job_result *result)
{
    struct answer a;
    if (t->own)
        return;
    memset(&a, 0, sizeof a);
    a.term = t->request.term;
    a.id = t->request.id;
    a.kind = t->request.job.kind;
    a.result = *result;
    a.incarnation = core->incarnation;
    if (core->have_facts)
        a.facts = core->facts;
    if (t->from == core->self) {
        ask_on_answer(core, core->self, &a);
    } else {
        struct effect *e = effects_add(core->fx, EFFECT_ANSWER);
        e->to = t->from;
        e->u.answer = a;
    }
}

static void local_refuse(struct core *core, const struct local_task *t, const char *why)
{
    struct job_result result;
    memset(&result, 0, sizeof result);
    result.outcome = JOB_STALE;
    (void)snprintf(result.detail, sizeof result.detail, "%s", why);
    core_log(core, LOG_LEVEL_NOTICE, "request-refused",
             "request refused what=%s from=%s term=%llu why='%s'",
             job_kind_text(t->request.job.kind), core_name(core, t->from),
             (unsigned long long)t->request.term, why);
    local_answer(core, t, &result);
}

/* S4: only the node that leads opens its own server, for an epoch that is committed, with a lease.
 */
static const char *local_open_forbidden(const struct core *core, const struct local_task *t)
{
    if (t->from != core->self || !core->is_leader || t->request.term != core->term)
        return "only the leader of the term opens its own server";
    if (core->record.writer != core->self)
        return "the promotion of this node is not committed";
    if (core->lease_until_us <= core->now_us)
        return "no lease";
    return NULL;
}

/* 5.3: a former writer is started after a rewind only, unless it was shut down and has nothing to
 * rewind. */
static const char *local_start_forbidden(const struct core *core, const struct local_task *t)
{
    const struct job *j = &t->request.job;
    if (core->health.process)
        return "mysqld is running";
    if (j->kind == JOB_START && core->record.writer == core->self && t->from != core->self)
        return "the last writer is started by its own leader, or after another promotion";
    if (j->kind == JOB_START && core->record.writer == core->self &&
        core->lease_until_us <= core->now_us)
        return "no lease: another node may be promoted meanwhile";
    if (j->kind == JOB_REWIND && core->record.writer == core->self)
        return "this node is the writer of the record: nothing may be cut";
    return NULL;
}

/* The last writer's data is never replaced, and no data under a running server. */
static const char *local_copy_forbidden(const struct core *core, int kind)
{
    if (core->record.writer == core->self)
        return "this node is the writer of the record: its data is not replaced";
    if ((core->record.flags[core->self] & NODE_RECLONE) == 0)
        return "no order to replace this node's data is known here";
    if (kind == JOB_PLACE && core->health.process)
        return "mysqld is running";
    if (kind == JOB_ADOPT && !core->health.process)
        return "mysqld is not running";
    return NULL;
}

static bool local_needs_server(int kind)
{
    enum job_executor x = job_executor(kind);
    return x == JOB_EXECUTOR_SQL || x == JOB_EXECUTOR_UNDO;
}

static const char *local_forbidden(const struct core *core, const struct local_task *t)
{
    int kind = t->request.job.kind;
    if (t->own)
        return NULL;
    if (kind == JOB_NONE || t->request.job.timeout_ms == 0)
        return "not a request";
    if (job_changes_server(kind) && t->request.term < core->term)
        return "a newer term has been seen";
    if (kind == JOB_OPEN)
        return local_open_forbidden(core, t);
    if (kind == JOB_SOURCE_SIDE && t->from != core->self &&
        (!core->have_facts || !core->facts.read_only))
        return "the server is writable: what waits for an acknowledgement would be committed";
    if (kind == JOB_UNBLOCK && t->from != core->self)
        return "only the leader lets commits of its own server go";
    if (kind == JOB_START || kind == JOB_REWIND)
        return local_start_forbidden(core, t);
    if (kind == JOB_FETCH || kind == JOB_PLACE || kind == JOB_ADOPT)
        return local_copy_forbidden(core, kind);
    if (kind == JOB_UNDO && core->record.writer == core->self)
        return "this node is the writer of the record: nothing is taken back";
    if (local_needs_server(kind) && !core->health.process)
        return "mysqld is not running";
    return NULL;
}

static void local_ask_writer(struct core *core, const struct local_task *t)
{
    struct job_result result;
    const char *why = eligible_writer_refusal(core, t->request.job.epoch);
    memset(&result, 0, sizeof result);
    result.outcome = why == NULL ? JOB_DONE : JOB_REFUSED;
    if (why != NULL)
        (void)snprintf(result.detail, sizeof result.detail, "%s", why);
    local_answer(core, t, &result);
}

static void local_enqueue(struct core *core, const struct local_task *t, bool first)
{
    struct local *l = &core->local;
    if (l->n_queued == LOCAL_QUEUE_MAX) {
        /* The fence finds room always. */
        struct local_task last = first ? l->queue[--l->n_queued] : *t;
        local_refuse(core, &last, "too many requests are waiting");
        if (!first)
            return;
    }
    if (first) {
        memmove(&l->queue[1], &l->queue[0], sizeof l->queue[0] * l->n_queued);
        l->queue[0] = *t;
    } else {
        l->queue[l->n_queued] = *t;
    }
    l->n_queued++;
}

void local_request(struct core *core, unsigned from, const struct request *r)
{
    struct local_task t = {.used = true, .from = from, .request = *r};
    if (r->job.kind == JOB_ASK_WRITER)
        local_ask_writer(core, &t);
    else
        local_enqueue(core, &t, /* first= */ false);
}

void local_own_job(struct core *core, const struct job *job)
{
    struct local_task t = {.used = true, .own = true, .from = core->self};
    t.request.term = core->term;
    t.request.job = *job;
    local_enqueue(core, &t, /* first= */ true);
}

bool local_is_running(const struct core *core, int kind)
{
    for (unsigned i = 0; i < LOCAL_RUNNING_MAX; i++) {
        if (core->local.running[i].used && core->local.running[i].request.job.kind == kind)
            return true;
    }
    for (unsigned i = 0; i < core->local.n_queued; i++) {
        if (core->local.queue[i].request.job.kind == kind && core->local.queue[i].own)
            return true;
    }
    return false;
}

static unsigned local_lane(int kind)
{
    switch (job_executor(kind)) {
    case JOB_EXECUTOR_SQL:
    case JOB_EXECUTOR_UNDO:
        return 0;
    case JOB_EXECUTOR_BEAT:
        return 1;
    case JOB_EXECUTOR_COPY:
        return 3;
    default:
        return 2;
    }
}

static struct local_task *local_find(struct core *core, uint64_t id)
{
    for (unsigned i = 0; i < LOCAL_RUNNING_MAX; i++) {
        struct local_task *t = &core->local.running[i];
        if (t->used && t->job_id == id)
            return t;
    }
    return NULL;
}

/* Statements of one run of mysqld prove nothing about the next. */
static bool local_is_of_another(const struct core *core, const struct local_task *t)
{
    int kind = t->request.job.kind;
    return (local_needs_server(kind) || job_executor(kind) == JOB_EXECUTOR_BEAT) &&
           !incarnation_equal(&t->incarnation, &core->incarnation);
}

static void local_ended(struct core *core, struct local_task *t, const struct job_result *result)
{
    const char *kind = job_kind_text(t->request.job.kind);
    t->used = false;
    core_log(core, LOG_LEVEL_DEBUG, "job", "job ended what=%s outcome=%s took_us=%lld", kind,
             job_outcome_text(result->outcome), (long long)(core->now_us - t->started_us));
    if (result->outcome != JOB_DONE)
        core_log(core, LOG_LEVEL_WARNING, "job-failed",
                 "job failed what=%s outcome=%s errno=%u detail='%s'", kind,
                 job_outcome_text(result->outcome), result->sql_errno, result->detail);
    fence_on_job(core, t, result);
    local_answer(core, t, result);
    core->report_due = true;
}

void local_on_job(struct core *core, const struct event_job *done)
{
    struct local_task *t = local_find(core, done->id);
    struct job_result result = done->result;
    if (t == NULL)
        return;
    if (local_is_of_another(core, t)) {
        result.outcome = JOB_FAILED;
        (void)snprintf(result.detail, sizeof result.detail, "mysqld was restarted meanwhile");
    } else if (done->have_facts) {
        core->facts = done->facts;
        core->have_facts = true;
        core->facts_us = core->now_us;
    }
    local_ended(core, t, &result);
}

static void local_start(struct core *core, const struct local_task *t)
{
    struct local_task *r = &core->local.running[local_lane(t->request.job.kind)];
    struct effect *e = effects_add(core->fx, EFFECT_JOB);
    *r = *t;
    r->job_id = ++core->local.next_job_id;
    r->started_us = core->now_us;
    r->incarnation = core->incarnation;
    e->u.job.id = r->job_id;
    e->u.job.job = t->request.job;
}

/* An adapter that never ends a job would hold its lane for ever. */
static void local_on_time(struct core *core)
{
    for (unsigned i = 0; i < LOCAL_RUNNING_MAX; i++) {
        struct local_task *t = &core->local.running[i];
        int64_t limit_us = (int64_t)t->request.job.timeout_ms * 1000 + LOCAL_GRACE_US;
        struct job_result result;
        if (!t->used || core->now_us - t->started_us < limit_us)
            continue;
        memset(&result, 0, sizeof result);
        result.outcome = JOB_TIMEOUT;
        (void)snprintf(result.detail, sizeof result.detail, "the adapter did not end it");
        core_log(core, LOG_LEVEL_ERROR, "job-lost", "a job was never ended what=%s",
                 job_kind_text(t->request.job.kind));
        t->used = false;
        local_answer(core, t, &result);
    }
}

void local_run(struct core *core)
{
    struct local *l = &core->local;
    local_on_time(core);
    /* What does not fit into this step is done in the next one, at once. */
    for (unsigned i = 0; i < l->n_queued && core->fx->count < EFFECTS_MAX / 2;) {
        struct local_task t = l->queue[i];
        const char *why = local_forbidden(core, &t);
        bool busy = l->running[local_lane(t.request.job.kind)].used;
        if (why == NULL && busy) {
            i++;
            continue;
        }
        memmove(&l->queue[i], &l->queue[i + 1], sizeof l->queue[0] * (l->n_queued - i - 1));
        l->n_queued--;
        if (why != NULL)
            local_refuse(core, &t, why);
        else
            local_start(core, &t);
    }
}
