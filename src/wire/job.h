/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a node's agent and their answers. A request carries the term of the leader that made
 * it; the agent refuses one that changes the server and is older than any term it has seen (S10).
 * Exactly one answer follows each request that arrives; its facts are those after the work, or the
 * last known.
 */
#ifndef TANDEM_WIRE_JOB_H
#define TANDEM_WIRE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "util/codec.h"
#include "wire/limits.h"
#include "wire/server.h"

enum job_executor {
    JOB_EXECUTOR_SQL,
    JOB_EXECUTOR_BEAT,
    JOB_EXECUTOR_PROC,
    JOB_EXECUTOR_STORE,
    JOB_EXECUTOR_COPY,
    JOB_EXECUTOR_UNDO,
    JOB_EXECUTOR_CORE
};

enum job_kind {
    JOB_NONE,
#define JOB(name, text, executor, changes) JOB_##name,
#include "wire/job.def"
#undef JOB
    JOB_COUNT
};

/* Arguments; a kind uses those that wire/job.def names, the others are zero. */
struct job {
    int kind; /* enum job_kind */
    bool flag;
    bool events;
    uint32_t count;
    uint32_t timeout_ms; /* the work ends, one way or the other, within it; > 0 */
    char host[ADDRESS_TEXT_MAX];
    uint16_t port;
    uint64_t epoch;
    uint16_t rule;
    char gtid[GTID_TEXT_MAX];
    char gtid2[GTID_TEXT_MAX];
};

enum job_outcome {
    JOB_DONE,    /* the state asked for holds and was read back */
    JOB_FAILED,  /* the server or the system said no; detail tells what */
    JOB_TIMEOUT, /* not done in time; whether it happened is unknown until facts are read */
    JOB_REFUSED, /* not tried, by a rule of the work itself; the same request gets the same answer
                  */
    JOB_STALE,   /* not tried: an older term, or this node has not applied what the request rests on
                  */
    JOB_OUTCOME_COUNT
};

struct job_result {
    int outcome;                  /* enum job_outcome */
    uint32_t sql_errno;           /* 0 if the server did not answer with an error */
    uint32_t count;               /* REWIND: transactions cut; SALVAGE: copied; INSPECT: found;
                                     UNDO: undone; BEYOND: not in the set; DONATE: MiB to expect */
    uint32_t evidence;            /* INSPECT: bits of enum tail_evidence; SALVAGE: TAIL_COMPLETE, if
                                     all was found; REWIND refused: the enum tail_class of the
                                     tail; ATTACH refused: 1 if nothing proves that what a REWIND
                                     has cut is not in the data */
    char detail[DETAIL_TEXT_MAX]; /* sentence for the log; REWIND refused: "reason-id: sentence" */
    char path[PATH_TEXT_MAX];     /* REWIND, SALVAGE: the salvage directory; "" if none; REWIND
                                     refused: only if all of the tail is in it */
};

struct request {
    uint64_t term;
    uint64_t id; /* unique per leader and term */
    struct job job;
};

struct answer {
    uint64_t term;
    uint64_t id;
    int kind; /* enum job_kind of the request */
    struct job_result result;
    struct incarnation incarnation; /* of the server that did the work */
    struct server_facts facts;
};

void job_codec(struct codec *c, struct job *j);
/* Decoding refuses a request for nothing or without a limit; ERR_FORMAT. */
void request_codec(struct codec *c, struct request *r);
void answer_codec(struct codec *c, struct answer *a);

const char *job_kind_text(int kind);
const char *job_outcome_text(int outcome);
enum job_executor job_executor(int kind);
bool job_changes_server(int kind);

#endif
