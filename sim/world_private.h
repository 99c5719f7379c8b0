/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of sim/ only: the state of the world and the calls between its parts. */
#ifndef TANDEM_SIM_WORLD_PRIVATE_H
#define TANDEM_SIM_WORLD_PRIVATE_H

#include "sim/world.h"
#include "util/prng.h"

#define TICK_US 1000
#define STORY_MAX 8192
#define STORY_TEXT_MAX 224
#define QUEUE_MAX 16384
#define STARTUP_US 400000
#define JOBS_MAX 8
#define PENDING_MAX 64
#define LIMBO_MAX 16

/* A transaction in the binlog whose session waits for an acknowledgement. */
struct pending {
    uint64_t number;
    bool client; /* somebody would be told (not the heartbeat) */
};

struct server {
    bool up;
    bool hung;
    bool starting;
    int64_t ready_us;
    bool cleanly;
    uint32_t pid;
    int64_t closing_us; /* read_only waits until then: new commits wait as well */
    bool read_only, source_side, replica_side, replica_active;
    uint32_t wait_count;
    bool io, sql, channel;
    bool writes; /* opened since it last followed somebody: `received` is its binlog */
    bool busy;   /* cannot be made read-only */
    bool slow;   /* the SQL thread applies now and then */
    unsigned source;
    int64_t io_seen_us;  /* its IO thread was connected last; it notices the end late */
    int64_t io_retry_us; /* its dump thread was ended: it connects again then */
    uint64_t next;       /* number of the next own transaction */
    struct gtid_set executed;
    struct gtid_set received; /* includes executed; a writer's binlog */
    unsigned n_pending;       /* oldest first */
    struct pending pending[PENDING_MAX];
    uint64_t beat_job;
    bool cut;           /* the tail was cut while it was down */
    uint32_t rollbacks; /* that recovery will report */
};

struct job_running {
    bool used;
    bool begun;
    int64_t at_us;
    int64_t until_us;
    uint64_t id;
    struct job job;
};

struct host {
    struct core *core;
    bool agent;
    bool agent_hung;
    bool stepping;     /* its core is carrying out effects */
    unsigned life;     /* of the agent: another one after each end */
    unsigned crash_in; /* effects until the agent is killed; 0 = it is not going to be */
    bool quit;
    int64_t wake_us;
    int64_t probe_us;
    uint32_t blocked; /* nodes that cannot reach the server */
    bool vip;
    int64_t vip_until_us;
    int64_t lease_until_us; /* kernel */
    int rank;
    struct job_running jobs[JOBS_MAX];
    struct server server;
};

struct message {
    int64_t at_us;
    uint64_t order;
    unsigned from; /* of a frame; NODE_NONE */
    unsigned to;
    unsigned connection; /* of the frame */
    struct event *ev;
};

struct limbo {
    unsigned node;
    uint64_t id;
    int64_t at_us; /* commits then */
    bool barrier;
    struct entry entry;
};

struct world {
    const struct cluster_config *cfg;
    struct prng prng;
    int64_t now_us;
    struct host host[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX];     /* [from][to]: frames and packets do not arrive */
    bool cut_sql[NODES_MAX][NODES_MAX]; /* replication only, both ways */
    bool link[NODES_MAX][NODES_MAX];    /* the agents are connected */
    unsigned connection[NODES_MAX][NODES_MAX];
    int64_t arrives_us[NODES_MAX][NODES_MAX]; /* of the last frame: order is kept */
    struct effects *fx;

    struct message queue[QUEUE_MAX];
    unsigned n_queue;
    uint64_t order;

    unsigned leader;
    uint64_t term;
    int64_t leaderless_us;
    struct entry *log;
    unsigned n_log;
    unsigned applied[NODES_MAX];
    struct limbo limbo[LIMBO_MAX];
    unsigned n_limbo;
    int64_t deposed_us[NODES_MAX]; /* an old leader hears of its end then; 0 = it knows */
    struct record *committed;

    struct world_faults faults;
    bool writing;
    bool writing_local;
    uint64_t n_acks;
    struct gtid_set acked; /* without what was given up at forced promotions: outside S2 */
    /* Told OK by a shutdown, which only its own agent knows of: outside S2 if the leadership is
     * lost before it was started again. */
    struct gtid_set at_shutdown;
    int64_t last_ack_us;
    unsigned last_server;
    char violation[STORY_TEXT_MAX];
    int64_t diverged_us[NODES_MAX];
    char reply[REPLY_TEXT_MAX];

    void (*told)(void *data, const char *line);
    void *told_data;
    void (*carried_out)(void *data, unsigned node, enum effect_kind kind);
    void *carried_out_data;

    unsigned n_story;
    char story[STORY_MAX][STORY_TEXT_MAX];
};

void sim_story(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Keeps the first one. */
void sim_violation(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *sim_name(const struct world *w, unsigned node);
bool sim_chance(struct world *w, unsigned permille);

struct event *sim_event(enum event_kind kind);
void sim_post(struct world *w, unsigned to, struct event *ev, int64_t delay_us);
/* Connections: packets pass both ways. */
bool sim_reaches(const struct world *w, unsigned a, unsigned b);
bool sim_reaches_sql(const struct world *w, unsigned a, unsigned b);

/* servers (sim/world_server.c) */
void sim_add(struct gtid_set *set, unsigned server, uint64_t number);
bool sim_has(const struct gtid_set *set, unsigned server, uint64_t number);
bool sim_answers(const struct server *s);
void sim_facts(const struct world *w, unsigned node, struct server_facts *f);
struct incarnation sim_incarnation(const struct world *w, unsigned node);
bool sim_commit(struct world *w, unsigned node, bool client);
void sim_server_start(struct world *w, unsigned node);
void sim_server_die(struct world *w, unsigned node, bool cleanly);
void sim_server_tick(struct world *w, unsigned node);
/* What is in its binlog, as a replica may fetch it. */
const struct gtid_set *sim_binlog(const struct server *s);

/* jobs (sim/world_job.c) */
void sim_job_begin(struct world *w, unsigned node, uint64_t id, const struct job *job);
void sim_jobs_run(struct world *w, unsigned node);
void sim_jobs_server_died(struct world *w, unsigned node);
/* The agent is gone: a statement that was sent may still be executed. */
void sim_jobs_agent_died(struct world *w, unsigned node);

/* arbiter (sim/world_arbiter.c) */
void sim_arbiter_run(struct world *w);
void sim_arbiter_agent_started(struct world *w, unsigned node);
void sim_propose(struct world *w, unsigned node, uint64_t id, const struct entry *e);
void sim_transfer(struct world *w, unsigned from, unsigned to);
void sim_log_apply(struct world *w, unsigned node);

/* checks (sim/world_check.c) */
void sim_check_ack(struct world *w, unsigned node, bool another);
void sim_check_leader_lost(struct world *w, unsigned node);
void sim_check_entry(struct world *w, const struct entry *e);
void sim_check_tick(struct world *w);

#endif
