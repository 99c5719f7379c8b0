/* SPDX-License-Identifier: Apache-2.0 */
/* The proof behind a cut (io/store/pending_cut.h): by the recovery of the start that follows, told
 * with that START; and once more before the server follows anybody, since the leader that asked for
 * the START, or the agent that made it, may be gone by then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/agent.h"

void agent_cut_path(const struct agent *a, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s/rewind.json", a->node->state_dir);
}

void agent_cut_load(struct agent *a)
{
    char path[PENDING_CUT_PATH_MAX];
    agent_cut_path(a, path, sizeof path);
    a->start.cut = pending_cut_read(path, &a->start.pending) == 0;
    a->start.cut_agrees = false;
    if (a->start.cut)
        LOG(&a->log, NOTICE, "cut-not-proven",
            "the binlog was cut and the node not attached since; that is proven first file='%s' "
            "cut=%llu",
            a->start.pending.binlog_file, (unsigned long long)a->start.pending.cut);
}

/* Of a job that found nothing more to cut an earlier cut is what has to be proven. */
void agent_cut_made(struct agent *a, const struct rewind_result *r)
{
    if (r->err != 0 || !r->cut_done)
        return;
    a->start.cut = true;
    a->start.cut_agrees = false;
    a->start.pending = r->pending;
}

void agent_cut_forget(struct agent *a)
{
    char path[PENDING_CUT_PATH_MAX];
    if (!a->start.cut)
        return;
    agent_cut_path(a, path, sizeof path);
    pending_cut_remove(path);
    a->start.cut = false;
}

/* The flag is set because of the note, and ends it: with the data replaced there is nothing left to
 * prove. Until the record is confirmed it is on its way through the past. */
void agent_cut_watch(struct agent *a)
{
    bool unproven = (a->core->record.flags[a->self] & NODE_UNPROVEN) != 0;
    if (!a->core->confirmed)
        return;
    if (a->start.unproven && !unproven)
        agent_cut_forget(a);
    a->start.unproven = unproven;
}

void agent_cut_before_start(struct agent *a)
{
    if (a->start.cut && !pending_cut_is_done(&a->start.pending))
        agent_cut_forget(a);
}

int agent_cut_look(struct agent *a)
{
    struct rewind_request *rq = calloc(1, sizeof *rq);
    int err = rq == NULL ? ERR_NOMEM : 0;
    if (err == 0) {
        agent_store_paths(a, rq);
        rq->kind = REWIND_JOB_RECOVERY;
        rq->error_log_offset = a->start.pending.error_log_offset;
        err = agent_store_recovery(a, rq);
    }
    free(rq);
    return err;
}

static void agent_cut_answer(struct agent *a, const char *why)
{
    struct job_result r;
    int err;
    a->start.attaching = false;
    if (why[0] != '\0') {
        memset(&r, 0, sizeof r);
        r.outcome = JOB_REFUSED;
        r.evidence = 1;
        (void)snprintf(r.detail, sizeof r.detail, "%s", why);
        agent_job_done(a, a->start.attach_id, &r);
        return;
    }
    if (agent_now_us() > a->start.attach_until_us) {
        agent_job_failed(a, a->start.attach_id, "the error log was not read in time");
        return;
    }
    agent_cut_forget(a);
    err = mysql_job_start(a->mysql, a->start.attach_id, &a->start.attach);
    if (err != 0)
        agent_job_failed(a, a->start.attach_id, err_text(err));
}

/* A log that cannot be read proves nothing. */
void agent_cut_recovered(struct agent *a, const struct rewind_result *r)
{
    struct agent_start *s = &a->start;
    struct recovery_report none;
    char why[DETAIL_TEXT_MAX];
    recovery_report_init(&none);
    pending_cut_judge(&s->pending, r->err == 0 ? &r->recovery : &none, why, sizeof why);
    s->cut_agrees = why[0] == '\0';
    if (s->attaching) {
        if (s->cut_agrees)
            pending_cut_compare(&s->pending, mysql_adapter_facts(a->mysql), why, sizeof why);
        agent_cut_answer(a, why);
        return;
    }
    if (!s->cut_agrees) {
        s->result.outcome = JOB_REFUSED;
        (void)snprintf(s->result.detail, sizeof s->result.detail, "%s", why);
    }
    agent_job_done(a, s->id, &s->result);
}

void agent_cut_attach(struct agent *a, uint64_t id, const struct job *job)
{
    struct agent_start *s = &a->start;
    char why[DETAIL_TEXT_MAX];
    int err;
    /* Whoever asks for it knows that the flag is gone, and this node does not yet: the note would
     * bring it back. */
    if (s->unproven) {
        agent_job_failed(a, id, "the record says here that the cut is not proven");
        return;
    }
    s->attach_id = id;
    s->attach = *job;
    s->attach_until_us = agent_now_us() + (int64_t)job->timeout_ms * 1000;
    if (s->cut_agrees) {
        pending_cut_compare(&s->pending, mysql_adapter_facts(a->mysql), why, sizeof why);
        agent_cut_answer(a, why);
        return;
    }
    err = agent_cut_look(a);
    s->attaching = err == 0;
    if (err != 0)
        agent_job_failed(a, id, err_text(err));
}
