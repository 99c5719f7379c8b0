/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of sim/ only: the state of the world and the calls between its parts. */
#ifndef TANDEM_SIM_WORLD_PRIVATE_H
#define TANDEM_SIM_WORLD_PRIVATE_H

#include "arbiter/raft_node.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/network.h"
#include "sim/timers.h"
#include "sim/world.h"
#include "util/prng.h"

#define TICK_US 1000
#define STORY_MAX 8192
#define STORY_TEXT_MAX 224
#define STARTUP_US 400000
#define JOBS_MAX 8
#define PENDING_MAX 64

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

struct agent;

struct job_running {
    bool used;
    bool begun;
    int64_t at_us;
    int64_t until_us;
    uint64_t id;
    struct job job;
};

/* Something that waits for its agent to run. */
struct waiting {
    struct waiting *next;
    bool is_timer;
    void (*fn)(struct agent *a);
    struct sim_frame *frame;
    struct event *ev;
};

struct queued_event {
    struct queued_event *next;
    struct event *ev;
};

/*
 * The process of an agent: what app/agent.h is in the real one. It lives on as a corpse after its
 * death until nothing of it is on the stack any more.
 */
struct agent {
    struct world *w;
    unsigned self;
    bool dead;
    struct core *core;
    struct record *applied;
    struct raft_node *raft;
    struct raft_io *io; /* open disk; NULL */
    bool released;      /* the node has ended */
    bool soon_due;

    int64_t steps_us; /* of the last step of its core */
    unsigned n_steps; /* at that moment */
    bool stepping;    /* its core judges an event, or its effects are carried out */
    struct queued_event *first;
    struct queued_event **last;

    bool stands; /* stopped from outside */
    int64_t stands_us;
    int64_t busy_us;  /* blocked in a write until then */
    int64_t stall_us; /* it stood still for so long, which the core does not know yet */
    struct waiting *inbox;
    struct waiting **inbox_last;
    bool going_on;

    struct sim_timer gate; /* the end of a blocking write */
    struct sim_timer soon;
    struct sim_timer retry;
    struct sim_timer raft_tick;
    int64_t raft_tick_us; /* period; 0 = none */
    struct sim_timer disk_ready;
    struct sim_timer core_tick;
    struct agent *next_corpse;
};

/* For timers of a host. */
struct world_host {
    struct world *w;
    unsigned node;
};

struct host {
    struct world_host at;
    struct agent *process; /* NULL: none runs */
    struct core *core;     /* of the process */
    bool agent;            /* it runs */
    bool agent_hung;       /* or rather it stands still */
    unsigned life;         /* of the agent: another one after each end */
    unsigned crash_in;     /* effects until the agent is killed; 0 = it is not going to be */
    bool quit;
    bool dark; /* without power */
    struct sim_clock clock;
    struct sim_disk *disk;
    struct sim_timer stall_end;
    int64_t probe_us;
    uint32_t blocked; /* nodes that cannot reach the server */
    bool vip;
    int64_t vip_until_us;
    int64_t lease_until_us;      /* kernel */
    int64_t lease_local_us;      /* the same, by the host's clock */
    int64_t raft_lease_local_us; /* last end that its arbiter told; by the host's clock */
    struct job_running jobs[JOBS_MAX];
    struct server server;
};

/* An event of an adapter on its way to the agent of its host. */
struct message {
    struct message *next;
    struct message **link;
    struct sim_timer timer;
    struct world *w;
    unsigned to;
    unsigned life;
    struct event *ev;
};

/* An entry as the first node applied it. */
struct committed {
    uint64_t hash;          /* of term and bytes; 0: nothing was applied at that index */
    uint64_t snapshot_hash; /* of the state that it left, as a snapshot; 0: none was taken */
};

struct world {
    const struct cluster_config *cfg;
    struct prng prng;
    int64_t now_us;
    struct host host[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX];      /* [from][to]: packets do not arrive */
    bool cut_sql[NODES_MAX][NODES_MAX];  /* replication only, both ways */
    bool cut_raft[NODES_MAX][NODES_MAX]; /* [from][to]: the agents' port only */
    struct sim_timers timers;
    struct sim_network *network;
    struct arbiter_timing timing;
    struct effects *fx;
    struct agent *corpses;
    struct message *messages;

    unsigned leader; /* of the newest term that somebody was told to have won; NODE_NONE */
    uint64_t term;
    struct committed *log; /* by index of the arbiter's log */
    uint64_t log_size;
    uint64_t log_index; /* the highest one that was applied */
    uint8_t *leaders;   /* by term: node + 1 */
    uint64_t leaders_size;
    bool clocks_are_wild; /* beyond what the lease allows for */
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
/* Connections of servers: packets pass both ways. */
bool sim_reaches(const struct world *w, unsigned a, unsigned b);
bool sim_reaches_agent(const struct world *w, unsigned a, unsigned b);
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

/* agents (sim/world_agent.c) */
void sim_agent_start(struct world *w, unsigned node);
void sim_agent_kill(struct world *w, unsigned node, bool power);
void sim_agent_stand(struct world *w, unsigned node, bool stands);
/* Input: handled now, or when the agent runs again. These take event and frame over. */
void sim_agent_event(struct agent *a, struct event *ev);
void sim_agent_frame(struct agent *a, struct sim_frame *frame);
void sim_agent_timer(struct agent *a, void (*fn)(struct agent *a));
/* To the core, in order; from inside of the agent. Takes ev over. */
void sim_agent_post(struct agent *a, struct event *ev);
/* The agent does nothing else for so long. */
void sim_agent_block(struct agent *a, int64_t us);
/* What its clock shows, the end of a blocking write if it is in one. */
int64_t sim_agent_now_us(const struct agent *a);
/* When it gets to do something: now, or after that write. */
int64_t sim_agent_leave_us(const struct agent *a);
/* A frame to another agent; takes it over. */
void sim_send(struct agent *a, struct sim_frame *frame);
void sim_corpses_bury(struct world *w);

/* effects of cores (sim/world_effect.c) */
void sim_effect(struct world *w, unsigned node, const struct effect *e);
size_t sim_event_size(enum event_kind kind);
/* The host's clock has bent: the kernel's timers end at other times. */
void sim_kernel_clock_bent(struct world *w, unsigned node);

/* arbiter (sim/world_raft.c) */
void sim_raft_start(struct agent *a);
/* Gives the memory of a dead agent's node back. */
void sim_raft_bury(struct agent *a);
void sim_raft_propose(struct agent *a, uint64_t id, const struct entry *e);
void sim_raft_transfer(struct agent *a, unsigned to);

/* checks (sim/world_check.c) */
void sim_check_ack(struct world *w, unsigned node, bool another);
void sim_check_leader_lost(struct world *w, unsigned node);
void sim_check_entry(struct world *w, const struct entry *e);
void sim_check_tick(struct world *w);

#endif
