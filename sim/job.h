/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job under way in the world, for sim/ only. Jobs on SQL are scripts of the steps that the real
 * adapter does (io/mysql/mysql_jobs_*.c): one statement, one reading of facts or one short wait at
 * a time. Each takes a millisecond; between any two the agent may die, and what it had sent is
 * executed all the same.
 */
#ifndef TANDEM_SIM_JOB_H
#define TANDEM_SIM_JOB_H

#include "sim/server.h"

enum script_wants { WANTS_NOTHING, WANTS_FACTS, WANTS_STATEMENT, WANTS_TIME };

/* A reading of facts: three queries, between which the server goes on. */
struct facts_reading {
    unsigned stage;          /* queries that were answered */
    char own[GTID_TEXT_MAX]; /* MySQL: executed or being committed, by the first query */
    struct server_facts facts;
};

struct job_running {
    bool used;
    bool begun;
    bool locked; /* the action session holds its lock */
    bool leased; /* the arbiter of the host had a lease when it began */
    int64_t at_us;
    int64_t start_us;
    int64_t until_us;
    int64_t limit_us; /* of the present phase */
    uint64_t id;
    uint64_t term; /* of the request */
    struct job job;

    /* the script */
    int state;
    int undo;  /* where to go when something fails; 0 = it ends */
    int wants; /* enum script_wants */
    bool tolerant;
    bool tried;
    int noted;         /* outcome of an undone job */
    uint32_t evidence; /* of the result */
    uint32_t wait_ms;
    struct sql_statement statement;
    struct facts_reading reading;
    char received[GTID_TEXT_MAX];
    bool looking;
    struct server_facts vars; /* as the first statement of a slow look read them */
};

struct world;

/* One state of a script: asks for exactly one thing, or ends the job. */
void sim_script_step(struct world *w, unsigned node, struct job_running *run);

/* For scripts; each is the last call of a step. `next` is the state to go on in. */
void script_sql(struct job_running *run, int next, int kind);
void script_flag(struct job_running *run, int next, int kind, bool flag);
void script_node(struct job_running *run, int next, int kind, unsigned to);
void script_look(struct job_running *run, int next);
void script_wait(struct job_running *run, int next);
void script_goto(struct world *w, unsigned node, struct job_running *run, int next);
void script_end(struct world *w, unsigned node, struct job_running *run, int outcome);
/* This share of the job's time is for what comes; then the undo state is gone to. */
void script_phase(struct job_running *run, unsigned percent, int undo);

/* sim/job_replication.c */
void script_seal(struct world *w, unsigned node, struct job_running *run);
void script_drain(struct world *w, unsigned node, struct job_running *run);
void script_forget(struct world *w, unsigned node, struct job_running *run);
void script_detach(struct world *w, unsigned node, struct job_running *run);
void script_level(struct world *w, unsigned node, struct job_running *run);
/* sim/job_attach.c */
void script_replica_side(struct world *w, unsigned node, struct job_running *run);
void script_attach(struct world *w, unsigned node, struct job_running *run);
/* sim/job_role.c */
void script_facts(struct world *w, unsigned node, struct job_running *run);
void script_source_side(struct world *w, unsigned node, struct job_running *run);
void script_open(struct world *w, unsigned node, struct job_running *run);
void script_close(struct world *w, unsigned node, struct job_running *run);
void script_close_clients(struct world *w, unsigned node, struct job_running *run);
void script_evict(struct world *w, unsigned node, struct job_running *run);
void script_unblock(struct world *w, unsigned node, struct job_running *run);
/* sim/job_copy.c */
void script_adopt(struct world *w, unsigned node, struct job_running *run);
void sim_job_copy(struct world *w, unsigned node, struct job_running *run);
void sim_copy_run(struct world *w, unsigned node);
void sim_copy_tell(struct world *w, unsigned node);
void sim_copy_agent_died(struct world *w, unsigned node);
/* sim/job_store.c: what needs no connection */
void sim_job_off_line(struct world *w, unsigned node, struct job_running *run);
/* Of it: what a returned node holds alone (job_rejoin.c). */
void sim_job_beyond(struct world *w, unsigned node, struct job_running *run);
void sim_job_inspect(struct world *w, unsigned node, struct job_running *run);
void sim_job_undo(struct world *w, unsigned node, struct job_running *run);

#endif
