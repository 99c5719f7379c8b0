/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs to their adapters by executor: SQL and BEAT to the MySQL adapter, PROC to the process, STORE
 * to the files, COPY to the copying process. */
#include <stdio.h>
#include <string.h>

#include "app/agent.h"
#include "core/rejoin.h"
#include "io/store/undo_text.h"
#include "wire/gtid.h"

void agent_job_done(struct agent *a, uint64_t id, const struct job_result *result)
{
    struct agent_event *e = agent_event(a, EVENT_JOB);
    const struct server_facts *facts = a->mysql != NULL ? mysql_adapter_facts(a->mysql) : NULL;
    e->event.u.job.id = id;
    e->event.u.job.result = *result;
    e->event.u.job.have_facts = facts != NULL;
    if (facts != NULL)
        e->event.u.job.facts = *facts;
    agent_post(a, e);
}

void agent_job_failed(struct agent *a, uint64_t id, const char *why)
{
    struct job_result r;
    memset(&r, 0, sizeof r);
    r.outcome = JOB_FAILED;
    (void)snprintf(r.detail, sizeof r.detail, "%s", why);
    agent_job_done(a, id, &r);
}

/* ---- files ---- */

static enum gtid_flavour agent_text_flavour(const char *text)
{
    struct gtid_set set;
    return text[0] != '\0' && gtid_parse(text, GTID_MARIADB, &set) == 0 ? GTID_MARIADB : GTID_MYSQL;
}

void agent_store_paths(const struct agent *a, struct rewind_request *rq)
{
    const struct config_mysql *m = &a->node->mysql;
    (void)snprintf(rq->data_dir, sizeof rq->data_dir, "%s", m->data_dir);
    if (m->log_bin[0] != '\0')
        (void)snprintf(rq->binlog_index, sizeof rq->binlog_index, "%s.index", m->log_bin);
    (void)snprintf(rq->salvage_dir, sizeof rq->salvage_dir, "%s/salvage", a->node->state_dir);
    (void)snprintf(rq->error_log, sizeof rq->error_log, "%s", m->error_log);
    (void)snprintf(rq->node, sizeof rq->node, "%s", a->node->name);
}

/* A plan is asked for to learn whether all of a binlog is in a set: then there is nothing to cut.
 */
static void agent_plan_result(const struct rewind_result *r, struct job_result *out)
{
    out->count = r->plan.groups;
    if (r->plan.verdict != REWIND_REFUSE)
        return;
    out->outcome = JOB_REFUSED;
    (void)snprintf(out->detail, sizeof out->detail, "%s: %.*s", rewind_reason_id(r->plan.reason),
                   180, rewind_reason_text(r->plan.reason));
}

static void agent_store_result(struct agent *a, uint64_t id, const struct rewind_result *r,
                               bool rewind)
{
    struct job_result out;
    memset(&out, 0, sizeof out);
    out.outcome = r->err == 0 ? JOB_DONE : JOB_FAILED;
    (void)snprintf(out.path, sizeof out.path, "%.*s", PATH_TEXT_MAX - 1, r->salvage_path);
    if (r->err != 0) {
        (void)snprintf(out.detail, sizeof out.detail, "%.*s", DETAIL_TEXT_MAX - 1, r->errmsg.text);
    } else if (a->store->request.kind == REWIND_JOB_PLAN) {
        agent_plan_result(r, &out);
    } else if (rewind) {
        out.count = r->cut_done ? r->plan.groups : 0;
        out.evidence = (uint32_t)rewind_plan_class(&r->plan);
        if (r->plan.verdict == REWIND_REFUSE) {
            /* Half of a tail is not what "salvaged" may be said of. */
            if (!r->plan.whole)
                out.path[0] = '\0';
            out.outcome = JOB_REFUSED;
            (void)snprintf(out.detail, sizeof out.detail, "%s: %.*s",
                           rewind_reason_id(r->plan.reason), 180,
                           rewind_reason_text(r->plan.reason));
        }
    } else {
        out.count =
            a->store->request.kind == REWIND_JOB_INSPECT ? r->found_groups : r->salvaged_groups;
        out.evidence = r->evidence;
        if (a->store->request.kind == REWIND_JOB_INSPECT && release_is_known(a->core))
            out.evidence |= TAIL_RELEASED;
    }
    agent_job_done(a, id, &out);
}

/* The script is made: it is carried out, or there is a reason why it cannot be. */
static void agent_undo_planned(struct agent *a, const struct rewind_result *r)
{
    struct job_result out;
    int err = r->err;
    if (err == 0 && r->undo != NULL) {
        a->undo_script = r->undo;
        err = mysql_undo_start(a->mysql, a->undo_id, &a->undo, a->undo_script);
        if (err == 0)
            return;
        agent_undo_ended(a, a->undo_id);
    }
    memset(&out, 0, sizeof out);
    out.outcome = err != 0 ? JOB_FAILED : JOB_REFUSED;
    if (err != 0)
        (void)snprintf(out.detail, sizeof out.detail, "%.*s", DETAIL_TEXT_MAX - 1,
                       r->err != 0 && r->errmsg.text[0] != '\0' ? r->errmsg.text : err_text(err));
    else
        (void)snprintf(out.detail, sizeof out.detail, "%s: %.80s%s%.90s",
                       undo_reason_id(r->undo_reason), undo_reason_text(r->undo_reason),
                       r->undo_detail[0] != '\0' ? ": " : "", r->undo_detail);
    agent_job_done(a, a->undo_id, &out);
}

void agent_undo_ended(struct agent *a, uint64_t id)
{
    if (a->undo_script == NULL || id != a->undo_id)
        return;
    undo_script_free(a->undo_script);
    a->undo_script = NULL;
}

static void agent_on_store(void *data, const struct rewind_result *r)
{
    struct agent *a = data;
    if (a->stopping) { /* the adapter for its result may be gone */
        undo_script_free(r->undo);
        return;
    }
    if (a->store->request.kind == REWIND_JOB_UNDO) {
        agent_undo_planned(a, r);
    } else if (a->store_recovery) {
        agent_cut_recovered(a, r);
    } else if (a->store->request.kind == REWIND_JOB_CUT) {
        agent_cut_made(a, r);
        agent_store_result(a, a->store_id, r, /* rewind= */ true);
    } else {
        a->store_late = r->err == 0 && agent_now_us() > a->store_until_us;
        agent_store_result(a, a->store_id, r, /* rewind= */ false);
    }
}

/* The leader's judgement goes into the manifest in its own words. */
static void agent_judged(struct rewind_request *rq, const struct job *job)
{
    const struct rule *rule = rules_find(&rejoin_table, job->rule);
    rq->tail_class = (int)job->count;
    (void)snprintf(rq->judged_by, sizeof rq->judged_by, "%s/%u", rejoin_table.name, job->rule);
    (void)snprintf(rq->judged_why, sizeof rq->judged_why, "%s", rule != NULL ? rule->text : "");
}

/*
 * Reading may take longer than anybody waits. Asked again, the job that is still at it goes on for
 * whoever asks now, and a result that came too late is the answer: begun anew each time it would
 * never end, and leave a copy each time. Not over a restart of mysqld, after which the same numbers
 * may be other transactions.
 */
static bool agent_store_goes_on(struct agent *a, uint64_t id, const struct rewind_request *rq)
{
    bool there = a->store->busy ? !atomic_load(&a->store->cancel) : a->store_late;
    if (!there || !rewind_is_same(&a->store->request, rq) ||
        !incarnation_equal(&a->store_run, &a->core->incarnation))
        return false;
    a->store_id = id;
    if (!a->store->busy)
        agent_store_result(a, id, &a->store->result, /* rewind= */ false);
    a->store_late = false;
    return true;
}

/* Nobody waits for what is read there any more, or its answer would have come first. */
static void agent_store_busy(struct agent *a, uint64_t id)
{
    int kind = a->store->request.kind;
    struct job_result r;
    if (kind == REWIND_JOB_EXTRACT || kind == REWIND_JOB_INSPECT)
        rewind_job_cancel(a->store);
    memset(&r, 0, sizeof r);
    r.outcome = JOB_STALE;
    (void)snprintf(r.detail, sizeof r.detail, "another job on the binlog files is running");
    agent_job_done(a, id, &r);
}

static void agent_store_request(const struct agent *a, const struct job *job,
                                struct rewind_request *rq)
{
    agent_store_paths(a, rq);
    rq->epoch = job->epoch;
    if (job->kind == JOB_REWIND) {
        rq->kind = REWIND_JOB_CUT;
        rq->flavour = agent_text_flavour(job->gtid2);
        (void)snprintf(rq->seal, sizeof rq->seal, "%s", job->gtid);
        (void)snprintf(rq->writer, sizeof rq->writer, "%s", job->gtid2);
        (void)snprintf(rq->note, sizeof rq->note, "rewind before recovery");
        agent_cut_path(a, rq->pending_path, sizeof rq->pending_path);
        /* A clean promotion was made from the in-sync set: its member had everything when it
         * joined, so what is not in its seal came after, while the set was not empty. */
        rq->facts = (struct rewind_facts){
            .promotions_clean = job->flag,
            .in_sync_non_empty = job->flag,
            .ended_by_crash = !a->core->ended_cleanly,
            .not_started_since = !a->core->health.process,
            .no_local_release = !release_is_known(a->core),
            /* As the run that ended told it. What an agent that came later does not know, the
             * proof after the start does. */
            .xa_is_told = a->core->facts.xa_prepared != XA_PREPARED_UNKNOWN,
        };
    } else if (job->kind == JOB_BEYOND) {
        rq->kind = REWIND_JOB_PLAN;
        rq->flavour = agent_text_flavour(job->gtid);
        (void)snprintf(rq->seal, sizeof rq->seal, "%s", job->gtid);
        (void)snprintf(rq->writer, sizeof rq->writer, "%s", job->gtid);
    } else {
        rq->kind = job->kind == JOB_INSPECT ? REWIND_JOB_INSPECT : REWIND_JOB_EXTRACT;
        agent_judged(rq, job);
        rq->flavour = agent_text_flavour(job->gtid);
        (void)snprintf(rq->extra, sizeof rq->extra, "%s", job->gtid);
        (void)snprintf(rq->since, sizeof rq->since, "%s", job->gtid2);
        (void)snprintf(rq->note, sizeof rq->note, "held by this node alone");
    }
}

static void agent_store_job(struct agent *a, uint64_t id, const struct job *job)
{
    struct rewind_request *rq = calloc(1, sizeof *rq);
    if (rq == NULL) {
        agent_job_failed(a, id, "out of memory");
        return;
    }
    agent_store_request(a, job, rq);
    if (agent_store_goes_on(a, id, rq)) {
        a->store_until_us = agent_now_us() + (int64_t)job->timeout_ms * 1000;
    } else if (a->store->busy) {
        agent_store_busy(a, id);
    } else {
        a->store_id = id;
        a->store_recovery = a->store_late = false;
        a->store_run = a->core->incarnation;
        a->store_until_us = agent_now_us() + (int64_t)job->timeout_ms * 1000;
        if (rewind_job_start(a->store, &a->loop, rq, agent_on_store, a) != 0)
            agent_job_failed(a, id, "out of memory");
    }
    free(rq);
}

int agent_store_recovery(struct agent *a, const struct rewind_request *rq)
{
    int err = rewind_job_start(a->store, &a->loop, rq, agent_on_store, a);
    if (err == 0)
        a->store_recovery = true;
    return err;
}

static void agent_undo_job(struct agent *a, uint64_t id, const struct job *job)
{
    struct rewind_request *rq = calloc(1, sizeof *rq);
    int err = rq == NULL ? ERR_NOMEM : 0;
    if (err == 0) {
        agent_store_paths(a, rq);
        rq->kind = REWIND_JOB_UNDO;
        rq->flavour = agent_text_flavour(job->gtid);
        (void)snprintf(rq->extra, sizeof rq->extra, "%s", job->gtid);
        (void)snprintf(rq->since, sizeof rq->since, "%s", job->gtid2);
        err = rewind_job_start(a->store, &a->loop, rq, agent_on_store, a);
    }
    free(rq);
    if (err != 0) {
        agent_job_failed(a, id, err_text(err));
        return;
    }
    a->undo = *job;
    a->undo_id = id;
    a->store_recovery = false;
}

/* ---- process ---- */

static void agent_tell_start(struct agent *a)
{
    struct agent_event *e = agent_event(a, EVENT_START_FAILED);
    memset(&e->event.u.start, 0, sizeof e->event.u.start);
    process_start_words(a->process, &e->event.u.start);
    agent_post(a, e);
}

static void agent_start_over(struct agent *a, enum job_outcome outcome, const char *why)
{
    a->start.waiting = false;
    if (outcome == JOB_FAILED)
        agent_tell_start(a);
    a->start.result.outcome = (int)outcome;
    if (why[0] != '\0')
        (void)snprintf(a->start.result.detail, sizeof a->start.result.detail, "%s", why);
    /* Busy: it is judged before the node is attached. */
    if (outcome == JOB_DONE && a->start.cut && agent_cut_look(a) == 0)
        return;
    agent_job_done(a, a->start.id, &a->start.result);
}

void agent_jobs_on_process(struct agent *a, uint64_t id, const struct job_result *result)
{
    if (!a->start.waiting || id != a->start.id) {
        agent_job_done(a, id, result);
        return;
    }
    a->start.result = *result;
    if (result->outcome != JOB_DONE)
        agent_start_over(a, (enum job_outcome)result->outcome, "");
}

void agent_jobs_on_probe(struct agent *a, enum probe_outcome outcome)
{
    bool answers = outcome == PROBE_OK || outcome == PROBE_FULL || outcome == PROBE_DENIED ||
                   outcome == PROBE_ERROR;
    if (a->start.waiting && a->start.result.outcome == JOB_DONE && answers)
        agent_start_over(a, JOB_DONE, "");
}

/* The process that the start command made is gone again: there is no answer to wait for. */
void agent_jobs_on_death(struct agent *a)
{
    if (a->start.waiting && a->start.result.outcome == JOB_DONE)
        agent_start_over(a, JOB_FAILED, "mysqld ended while it was starting; see its error log");
}

void agent_jobs_on_time(struct agent *a)
{
    if (a->start.waiting && agent_now_us() > a->start.deadline_us)
        agent_start_over(a, JOB_TIMEOUT, "mysqld was started but does not answer");
}

static void agent_process_job(struct agent *a, uint64_t id, const struct job *job)
{
    int err;
    if (job->kind == JOB_START) {
        memset(&a->start.result, 0, sizeof a->start.result);
        a->start.result.outcome = JOB_OUTCOME_COUNT; /* the process has not reported yet */
        a->start.waiting = true;
        a->start.id = id;
        a->start.deadline_us = agent_now_us() + (int64_t)job->timeout_ms * 1000;
        agent_cut_before_start(a);
    }
    err = process_job_start(a->process, id, job);
    if (err == 0)
        return;
    if (job->kind == JOB_START)
        a->start.waiting = false;
    agent_job_failed(a, id, err_text(err));
}

/* A seal must not wait for a source that has vanished (net_refuse_peer tells why it would). */
static void agent_seal_begins(struct agent *a, uint64_t id)
{
    const struct server_facts *f = mysql_adapter_facts(a->mysql);
    struct errmsg m = ERRMSG_INIT;
    if (f == NULL || f->source_host[0] == '\0')
        return;
    a->seal_id = id;
    (void)snprintf(a->seal_source, sizeof a->seal_source, "%s", f->source_host);
    if (net_refuse_peer(a->net, a->seal_source, /* refused= */ true, &m) != 0)
        LOG(&a->log, NOTICE, "refuse-failed",
            "connections to the source are not refused error='%s'", m.text);
}

void agent_seal_ended(struct agent *a, uint64_t id)
{
    struct errmsg m = ERRMSG_INIT;
    if (a->seal_id == 0 || a->seal_id != id)
        return;
    a->seal_id = 0;
    if (net_refuse_peer(a->net, a->seal_source, /* refused= */ false, &m) != 0)
        LOG(&a->log, NOTICE, "refuse-failed",
            "connections to the source stay refused for a while error='%s'", m.text);
}

void agent_job(struct agent *a, uint64_t id, const struct job *job)
{
    int err;
    if (a->mysql == NULL) {
        agent_job_failed(a, id, "a witness has no server");
        return;
    }
    switch (job_executor(job->kind)) {
    case JOB_EXECUTOR_SQL:
    case JOB_EXECUTOR_BEAT:
        if (job->kind == JOB_SEAL)
            agent_seal_begins(a, id);
        if (job->kind == JOB_ADOPT)
            agent_clone_adopts(a, id);
        if (job->kind == JOB_OPEN)
            agent_cut_forget(a);
        if (job->kind == JOB_ATTACH && a->start.cut) {
            agent_cut_attach(a, id, job);
            return;
        }
        err = mysql_job_start(a->mysql, id, job);
        if (err != 0)
            agent_job_failed(a, id, err_text(err));
        return;
    case JOB_EXECUTOR_PROC:
        agent_process_job(a, id, job);
        return;
    case JOB_EXECUTOR_UNDO:
        agent_undo_job(a, id, job);
        return;
    case JOB_EXECUTOR_STORE:
        agent_store_job(a, id, job);
        return;
    case JOB_EXECUTOR_COPY:
        if (job->kind == JOB_PLACE)
            agent_cut_forget(a);
        agent_clone_job(a, id, job);
        return;
    default:
        agent_job_failed(a, id, "not a job of an adapter");
    }
}
