/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way to the local server (S10): requests of a leader, checked, queued and handed to the
 * adapters one at a time per executor. A request that changes the server and is older than a term
 * seen here is refused, also when the newer term appears while it waits in the queue.
 */
#ifndef TANDEM_CORE_LOCAL_H
#define TANDEM_CORE_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/job.h"

#define LOCAL_QUEUE_MAX 24
#define LOCAL_RUNNING_MAX 4 /* SQL; BEAT; PROC and STORE together; COPY */

struct core;
struct event_job;

struct local_task {
    bool used;
    bool own; /* the fence's, nobody waits for an answer */
    unsigned from;
    struct request request;
    uint64_t job_id;
    int64_t started_us;
    struct incarnation incarnation; /* of the server when it was started */
};

struct local {
    uint64_t next_job_id;
    unsigned n_queued;
    struct local_task queue[LOCAL_QUEUE_MAX];
    struct local_task running[LOCAL_RUNNING_MAX];
};

void local_request(struct core *core, unsigned from, const struct request *r);
/* A job of this node's own fence: runs before everything queued. */
void local_own_job(struct core *core, const struct job *job);
bool local_is_running(const struct core *core, int kind);
void local_on_job(struct core *core, const struct event_job *done);
/* Starts what can be started; refuses what has become stale. */
void local_run(struct core *core);

#endif
