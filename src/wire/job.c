/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/job.h"

#include <assert.h>

#include "util/err.h"

struct job_row {
    const char *text;
    enum job_executor executor;
    bool changes;
};

static const struct job_row job_rows[JOB_COUNT] = {
    [JOB_NONE] = {"none", JOB_EXECUTOR_SQL, false},
#define JOB(name, text, executor, changes) [JOB_##name] = {text, JOB_EXECUTOR_##executor, changes},
#include "wire/job.def"
#undef JOB
};

static const struct job_row *job_row(int kind)
{
    assert(kind >= 0 && kind < JOB_COUNT);
    return &job_rows[kind];
}

const char *job_kind_text(int kind)
{
    return job_row(kind)->text;
}

enum job_executor job_executor(int kind)
{
    return job_row(kind)->executor;
}

bool job_changes_server(int kind)
{
    return job_row(kind)->changes;
}

const char *job_outcome_text(int outcome)
{
    static const char *const texts[JOB_OUTCOME_COUNT] = {"done", "failed", "timeout", "refused",
                                                         "stale"};
    assert(outcome >= 0 && outcome < JOB_OUTCOME_COUNT);
    return texts[outcome];
}

void job_codec(struct codec *c, struct job *j)
{
    codec_enum(c, &j->kind, JOB_COUNT);
    codec_bool(c, &j->flag);
    codec_bool(c, &j->events);
    codec_u32(c, &j->count);
    codec_u32(c, &j->timeout_ms);
    codec_text(c, j->host, sizeof j->host);
    codec_u16(c, &j->port);
    codec_u64(c, &j->epoch);
    codec_u16(c, &j->rule);
    codec_text(c, j->gtid, sizeof j->gtid);
    codec_text(c, j->gtid2, sizeof j->gtid2);
}

void request_codec(struct codec *c, struct request *r)
{
    codec_u64(c, &r->term);
    codec_u64(c, &r->id);
    job_codec(c, &r->job);
    if (!c->encode && c->err == 0 && (r->job.kind == JOB_NONE || r->job.timeout_ms == 0))
        c->err = ERR_FORMAT;
}

void answer_codec(struct codec *c, struct answer *a)
{
    codec_u64(c, &a->term);
    codec_u64(c, &a->id);
    codec_enum(c, &a->kind, JOB_COUNT);
    codec_enum(c, &a->result.outcome, JOB_OUTCOME_COUNT);
    codec_u32(c, &a->result.sql_errno);
    codec_u32(c, &a->result.count);
    codec_u32(c, &a->result.evidence);
    codec_text(c, a->result.detail, sizeof a->result.detail);
    codec_text(c, a->result.path, sizeof a->result.path);
    incarnation_codec(c, &a->incarnation);
    server_facts_codec(c, &a->facts);
}
