/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of sim/ only: the state of the world and the calls between its parts. */
#ifndef TANDEM_SIM_WORLD_PRIVATE_H
#define TANDEM_SIM_WORLD_PRIVATE_H

#include "arbiter/pair_node.h"
#include "arbiter/raft_node.h"
#include "sim/checkers/checkers.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/job.h"
#include "sim/network.h"
#include "sim/server.h"
#include "sim/timers.h"
#include "sim/world.h"
#include "util/prng.h"

#define TICK_US 1000
#define STORY_MAX 8192
#define STORY_TEXT_MAX 224
#define JOBS_MAX 8
#define CLIENTS_VIP 6
#define CLIENTS_MAX (CLIENTS_VIP + NODES_MAX)

/* A session's other end. */
struct client {
    bool by_vip;
    unsigned host;      /* that it speaks to: its ARP entry, or its node */
    uint32_t waits_for; /* transaction; TXN_NONE */
    uint32_t told;      /* the newest one that it was told is committed; TXN_NONE */
    int64_t until_us;
    int64_t arp_us; /* age of the ARP entry */
};

struct agent;

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
    struct cluster_config *cfg; /* the cluster file as it was when this agent started */
    struct arbiter_timing timing;
    struct core *core;
    struct record *applied;
    struct raft_node *raft; /* the one or the other */
    struct pair_node *pair;
    struct sim_timer pair_tick;
    struct sim_timer pair_write;
    struct pair_state *pair_next; /* what is being written; NULL */
    int pair_err;                 /* how that ended */
    int64_t asked_us;             /* the arbitration address, last; by the host's clock */
    struct raft_io *io;           /* open disk; NULL */
    bool released;                /* the node has ended */
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
    int64_t wall_ahead_ms; /* of true time */
    struct sim_disk *disk;
    bool pair_made; /* of a pair: its state was written once */
    struct pair_state pair_disk;
    struct release_note release_disk;
    struct sim_timer stall_end;
    int64_t probe_us;
    uint32_t blocked; /* nodes that cannot reach the server */
    bool vip;
    int64_t vip_until_us;
    int64_t shut_until_us;       /* the kernel refuses new connections of clients */
    int64_t lease_until_us;      /* kernel */
    int64_t lease_local_us;      /* the same, by the host's clock */
    int64_t raft_lease_local_us; /* last end that its arbiter told; by the host's clock */
    struct job_running jobs[JOBS_MAX];
    struct server server;
    struct facts_reading probing;
    bool have_facts; /* the adapter's, of this run of the server */
    struct server_facts facts;
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
    bool cut[NODES_MAX][NODES_MAX];         /* [from][to]: packets do not arrive */
    bool cut_sql[NODES_MAX][NODES_MAX];     /* replication only, both ways */
    bool cut_raft[NODES_MAX][NODES_MAX];    /* [from][to]: the agents' port only */
    bool cut_adverts[NODES_MAX][NODES_MAX]; /* [from][to]: of a pair, the advertisements only */
    bool is_slow[NODES_MAX][NODES_MAX];     /* [from][to]: what agents send needs longer */
    struct sim_timers timers;
    struct sim_network *network;
    bool hold[NODES_MAX][NODES_MAX]; /* [from][to]: the next TimeoutNow is held back */
    struct sim_frame *held;
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
    struct pair_stamp committed_stamp; /* of a pair */

    struct world_faults faults;
    bool writing;
    bool writing_local;
    uint64_t n_acks;
    bool mariadb;
    struct txns txns;
    unsigned n_clients;
    struct client client[CLIENTS_MAX];
    int64_t last_ack_us;
    unsigned last_server;
    char violation[STORY_TEXT_MAX];
    struct checks checks;
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
/* Packets of servers: of one direction, of both. */
bool sim_passes(const struct world *w, unsigned from, unsigned to);
bool sim_reaches(const struct world *w, unsigned a, unsigned b);
/* And in time for a question that is not waited for long. */
bool sim_reaches_agent(const struct world *w, unsigned a, unsigned b);
/* The kernel's lease of that host, in true time. */
bool sim_lease_lives(const struct world *w, unsigned node);
int sim_node_of(const struct world *w, const char *host); /* by address; -1 */

/* transactions and books (sim/server_log.c) */
uint64_t sim_hash(uint64_t x);
uint32_t sim_txn_new(struct world *w, unsigned server, uint64_t number, int kind);
struct txn *sim_txn(const struct world *w, uint32_t id);
struct gtid sim_gtid(const struct world *w, uint32_t id);
bool bits_has(const struct bits *b, uint64_t i);
void bits_put(struct bits *b, uint64_t i, bool on);
void list_add(struct txn_list *l, uint32_t id, bool synced);
void list_cut(struct txn_list *l, unsigned count);
/* Every millisecond; true: a sync has ended. */
bool list_sync(struct txn_list *l, int64_t now_us, int64_t takes_us);
void book_init(struct gtid_book *b, bool mariadb);
void book_free(struct gtid_book *b);
void book_add(const struct world *w, struct gtid_book *b, uint32_t id);
bool book_has(const struct world *w, const struct gtid_book *b, uint32_t id);
uint64_t book_max(const struct gtid_book *b);
bool sim_holds(const struct server *s, uint32_t id); /* committed in its engine */
bool sim_in_binlog(const struct server *s, uint32_t id);
bool sim_has(const struct server *s, uint32_t id); /* binlog or relay log */
/* Everything that `s` has committed is in the binlog of `o`. */
bool sim_is_covered(const struct server *s, const struct server *o);
void sim_data_add(const struct world *w, struct server *s, uint32_t id);
void sim_data_drop(struct server *s, uint32_t id); /* before sim_binlog_cut */
void sim_binlog_cut(const struct world *w, struct server *s, unsigned count);
void sim_server_free(struct server *s);
void sim_server_replace(const struct world *w, struct server *s, const struct txn_list *data);

/* the process (sim/world_server.c) */
void sim_server_init(struct world *w, unsigned node);
bool sim_answers(const struct server *s);
bool sim_is_connected(const struct world *w, unsigned node, unsigned source);
struct incarnation sim_incarnation(const struct world *w, unsigned node);
void sim_server_start(struct world *w, unsigned node, bool by_agent);
void sim_server_die(struct world *w, unsigned node, bool cleanly);
void sim_server_power_off(struct world *w, unsigned node);
void sim_server_tick(struct world *w, unsigned node);

/* commits (sim/server_commit.c) */
uint32_t sim_commit(struct world *w, unsigned node, int kind, struct waiter by); /* TXN_NONE */
void sim_log_txn(struct world *w, unsigned node, uint32_t id, struct waiter by);
void sim_set_source_side(struct server *s, bool on);
void sim_release(struct world *w, unsigned node);
void sim_release_at_shutdown(struct world *w, unsigned node);
void sim_kill_waiter(struct world *w, unsigned node);
void sim_end_wait(struct world *w, unsigned node, uint32_t id); /* if that is the oldest */

/* replication (sim/server_replica.c) */
void sim_replicate(struct world *w, unsigned node);
void sim_dumps_run(struct world *w, unsigned node);
void sim_disconnect(struct world *w, unsigned node, unsigned c, int64_t retry_us);
void sim_applied(struct world *w, unsigned node, unsigned c, uint32_t id);

/* statements (sim/server_sql.c) */
const char *sim_statement_text(int kind);
void sim_statement_orphan(struct world *w, unsigned node, const struct sql_statement *st);
void sim_statements_run(struct world *w, unsigned node);
bool sim_orphans_kill(struct world *w, unsigned node);
bool sim_statement_waits(const struct world *w, unsigned node, int kind);
bool sim_applier_is_stuck(const struct server *s); /* a STOP would wait */
void sim_start_threads(struct world *w, unsigned node, bool io, bool sql);
void sim_stop_threads(struct world *w, unsigned node, unsigned c, bool io, bool sql);
void sim_relay_purge(struct world *w, unsigned node, unsigned c);

/* what the adapter reads (sim/server_facts.c): into host.facts */
void sim_facts(struct world *w, unsigned node);
/* Only what the first statement of a look reads; and a look whose first statement came earlier. */
void sim_facts_vars(const struct world *w, unsigned node, struct server_facts *f);
void sim_facts_older_vars(struct server_facts *f, const struct server_facts *vars);
/* The same, perhaps a query in each millisecond: false until the last. */
bool sim_facts_read(struct world *w, unsigned node, struct facts_reading *r);
void sim_probe(struct world *w, unsigned node);

/* clients (sim/clients.c) */
void sim_clients_init(struct world *w);
void sim_clients_run(struct world *w);
void sim_clients_hear(struct world *w, unsigned node); /* an announcement of the VIP */
void sim_clients_drop(struct world *w, unsigned node);
void sim_client_told(struct world *w, unsigned node, unsigned session, uint32_t id);

/* jobs (sim/world_job.c) */
void sim_job_begin(struct world *w, unsigned node, uint64_t id, const struct job *job);
void sim_job_end(struct world *w, unsigned node, struct job_running *run, int outcome,
                 uint32_t count);
void sim_jobs_run(struct world *w, unsigned node);
void sim_jobs_server_died(struct world *w, unsigned node);
/* The agent is gone: a statement that was sent may still be executed. */
void sim_jobs_agent_died(struct world *w, unsigned node);

/* agents (sim/world_agent.c) */
/* It reads the cluster file as it is now. */
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
/* A frame of another node's. */
void sim_raft_receive(struct agent *a, const struct sim_frame *f);
/* The file's own times, or those of profile `lan` in proportion to T; aborts if they are none. */
struct arbiter_timing sim_raft_timing(const struct cluster_config *cfg);
/* Gives the memory of a dead agent's node back. */
void sim_raft_bury(struct agent *a);
void sim_raft_propose(struct agent *a, uint64_t id, const struct entry *e);
void sim_raft_transfer(struct agent *a, unsigned to);

void sim_raft_see_elected(struct agent *a, uint64_t term);

/* what either arbiter tells (sim/world_told.c); `agent` is a struct agent */
void sim_told_elected(void *agent, uint64_t term);
void sim_told_deposed(void *agent, uint64_t term);
void sim_told_leader(void *agent, uint64_t term, unsigned node);
void sim_told_lease(void *agent, int64_t until_us);
void sim_told_doubt(void *agent, bool doubt);
void sim_told_proposal(void *agent, uint64_t id, int err);
void sim_told_transfer(struct agent *a, bool ok);
void sim_told_trouble(struct agent *a, const char *text);
void sim_told_log(void *agent, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* the other arbiter (sim/world_pair.c) */
void sim_pair_start(struct agent *a);
/* It is gone: what it was writing is on the disk, or is not. */
void sim_pair_crash(struct agent *a);
void sim_pair_bury(struct agent *a);
void sim_pair_frame(struct agent *a, const struct sim_frame *f);
void sim_pair_peer(struct agent *a, bool up);
void sim_pair_effect(struct agent *a, const struct effect *e);

/* checks (sim/world_check.c) */
void sim_check_ack(struct world *w, unsigned node, uint32_t id, bool client);
/* A node has worked on a frame of its leader; an arbiter tells a lease, by its host's clock. */
void sim_check_heard(struct world *w, unsigned node, unsigned leader, uint64_t term);
void sim_check_lease(struct world *w, unsigned node, uint64_t term, int64_t until_local_us);
/* Of a pair: the other node has worked on a message of this one, or an arbitration address has
 * answered it; an operator orders it to lead; it is elected; its arbiter tells a lease, for which a
 * proof is asked. */
void sim_check_pair_proven(struct world *w, unsigned node);
void sim_check_pair_ordered(struct world *w, unsigned node);
void sim_check_pair_elected(struct world *w, unsigned node);
void sim_check_pair_lease(struct world *w, unsigned node, int64_t interval_us,
                          int64_t until_local_us);
void sim_check_vip_up(struct world *w, unsigned node); /* by its agent */
void sim_check_read(struct world *w, unsigned node, uint32_t id);
/* A client asks, through the VIP, for what it was told is committed. */
void sim_check_remembered(struct world *w, unsigned node, uint32_t id);
void sim_check_leader_lost(struct world *w, unsigned node);
void sim_check_entry(struct world *w, const struct entry *e); /* once, when it is committed */
void sim_check_start(struct world *w, unsigned node, bool by_agent);
void sim_check_statement(struct world *w, unsigned node, const struct sql_statement *st,
                         bool before);
void sim_check_by_hand(struct world *w, unsigned node);
void sim_check_vanish(struct world *w, unsigned node, uint32_t id); /* from the binlog */
void sim_check_drop(struct world *w, unsigned node, uint32_t id);   /* from a relay log */
void sim_check_connect(struct world *w, unsigned node, unsigned source, unsigned cursor);
void sim_check_apply(struct world *w, unsigned node, uint32_t id);
void sim_check_tick(struct world *w);

#endif
