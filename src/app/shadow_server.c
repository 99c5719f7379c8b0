/* SPDX-License-Identifier: Apache-2.0 */
#include "app/shadow_server.h"

#include <stdio.h>
#include <string.h>

void shadow_server_assume(struct shadow_server *s, enum shadow_part part, unsigned members)
{
    s->part = part;
    s->read_only = part != SHADOW_WRITER;
    s->source_side = part == SHADOW_WRITER && members > 0;
    s->replica_side = part == SHADOW_MEMBER;
    s->count = members > 0 ? members : 1;
    s->forgotten = part == SHADOW_WRITER;
    s->sealed = s->moved = false;
}

static void dress_channel(const struct shadow_server *s, struct server_facts *f)
{
    if (s->forgotten) {
        f->channel = false;
        f->source_host[0] = '\0';
        f->source_port = 0;
        f->io = f->sql = THREAD_STOPPED;
        f->io_errno = f->sql_errno = 0;
        f->received[0] = '\0';
    } else if (s->moved) {
        f->channel = true;
        memcpy(f->source_host, s->host, sizeof f->source_host);
        f->source_port = s->port;
        f->io = f->sql = THREAD_RUNNING;
        f->io_errno = f->sql_errno = 0;
    }
    if (s->sealed)
        f->io = THREAD_STOPPED;
    f->foreign_channels = false;
}

void shadow_server_facts(const struct shadow_server *s, struct server_facts *ret_facts)
{
    struct server_facts *f = ret_facts;
    memset(f, 0, sizeof *f);
    if (!s->have)
        return;
    *f = s->seen;
    f->read_only = s->read_only;
    f->source_side = s->source_side;
    f->after_sync = f->wait_no_replica = f->timeout_infinite = true;
    f->wait_count = s->count;
    f->clients = s->source_side ? s->count : 0;
    f->wait_sessions = 0;
    /* A member is one for as long as its real semi-sync acknowledges. */
    f->replica_side = s->replica_side && s->seen.replica_side;
    f->replica_side_active = s->replica_side && s->seen.replica_side_active;
    f->events_on = false;
    /* Who is in sync is what the real semi-sync says; the core adds nobody by a proof that it
     * cannot make here (core/sync.c asks for the plugins first). */
    f->settings = SETTING_SEMI_SYNC;
    dress_channel(s, f);
}

static void result_is(struct job_result *r, enum job_outcome outcome, const char *detail)
{
    r->outcome = (int)outcome;
    (void)snprintf(r->detail, sizeof r->detail, "%s", detail);
}

static void assume_attached(struct shadow_server *s, const struct job *job)
{
    bool there = s->seen.channel && s->seen.source_port == job->port &&
                 strcmp(s->seen.source_host, job->host) == 0;
    s->forgotten = s->sealed = false;
    s->moved = !there;
    memcpy(s->host, job->host, sizeof s->host);
    s->port = job->port;
    s->replica_side = job->flag;
}

static void assume_role(struct shadow_server *s, const struct job *job)
{
    switch (job->kind) {
    case JOB_OPEN:
        s->source_side = job->flag;
        s->count = job->count;
        s->read_only = false;
        s->forgotten = true;
        return;
    case JOB_SOURCE_SIDE:
        s->source_side = job->flag;
        s->count = job->count;
        return;
    case JOB_REPLICA_SIDE:
        s->replica_side = job->flag;
        return;
    case JOB_CLOSE:
        s->read_only = true;
        return;
    case JOB_FORGET:
        s->forgotten = true;
        return;
    case JOB_ATTACH:
        assume_attached(s, job);
        return;
    case JOB_SEAL:
    case JOB_DETACH:
        s->sealed = true;
        return;
    default:
        return;
    }
}

/* A drain is over when all is applied; or when nothing is applied any more: the end of a
 * transaction that was cut off with its source never comes, and a real seal would have thrown its
 * beginning away.
 */
void shadow_server_do(struct shadow_server *s, const struct job *job, struct job_result *ret_result)
{
    enum job_executor x = job_executor(job->kind);
    memset(ret_result, 0, sizeof *ret_result);
    if ((x != JOB_EXECUTOR_SQL && x != JOB_EXECUTOR_BEAT) || job->kind == JOB_ADOPT) {
        result_is(ret_result, JOB_FAILED, "a shadow does nothing");
    } else if (!s->answers) {
        result_is(ret_result, x == JOB_EXECUTOR_BEAT ? JOB_TIMEOUT : JOB_FAILED,
                  "the server does not answer");
    } else if (job->kind == JOB_DRAIN && s->seen.channel && !s->seen.drained && !s->rests) {
        result_is(ret_result, JOB_TIMEOUT, "it still applies what it received");
    } else {
        result_is(ret_result, JOB_DONE, "");
        assume_role(s, job);
    }
}

static const char *const job_phrases[JOB_COUNT] = {
    [JOB_SEAL] = "would have stopped receiving from the old writer on",
    [JOB_DRAIN] = "would have let everything received be applied on",
    [JOB_LEVEL] = "would have fetched what another replica has received more, to",
    [JOB_FORGET] = "would have removed the replication channels of",
    [JOB_OPEN] = "would have made writable",
    [JOB_CLOSE] = "would have made read-only",
    [JOB_CLOSE_CLIENTS] = "would have ended the clients' sessions on",
    [JOB_SOURCE_SIDE] = "would have set the semi-sync source side of",
    [JOB_REPLICA_SIDE] = "would have set the semi-sync replica side of",
    [JOB_DETACH] = "would have stopped the replication of",
    [JOB_EVICT] = "would have ended a replica's connection to",
    [JOB_UNBLOCK] = "would have let go a commit that the newcomer has received, on",
    [JOB_START] = "would have started mysqld on",
    [JOB_REWIND] = "would have looked for what nobody was promised, to cut it, on",
    [JOB_KILL] = "would have killed mysqld on",
};

const char *shadow_job_text(const struct job *job, const char *name, char *buf, size_t size)
{
    const char *phrase = job_phrases[job->kind];
    if (job->kind == JOB_ATTACH)
        (void)snprintf(buf, size, "would have made %s follow %s:%u by GTID", name, job->host,
                       job->port);
    else if (phrase != NULL)
        (void)snprintf(buf, size, "%s %s", phrase, name);
    else
        (void)snprintf(buf, size, "would have done '%s' on %s", job_kind_text(job->kind), name);
    return buf;
}
