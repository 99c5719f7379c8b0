/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of sim/ only: the state of the world and the calls between its parts. */
#ifndef TANDEM_SIM_WORLD_PRIVATE_H
#define TANDEM_SIM_WORLD_PRIVATE_H

#include "sim/checkers/checkers.h"
#include "sim/job.h"
#include "sim/server.h"
#include "sim/world.h"
#include "util/prng.h"

#define TICK_US 1000
#define STORY_MAX 8192
#define STORY_TEXT_MAX 224
#define QUEUE_MAX 16384
#define JOBS_MAX 8
#define CLIENTS_VIP 6
#define CLIENTS_MAX (CLIENTS_VIP + NODES_MAX)
#define LIMBO_MAX 16

/* A session's other end. */
struct client {
    bool by_vip;
    unsigned host;      /* that it speaks to: its ARP entry, or its node */
    uint32_t waits_for; /* transaction; TXN_NONE */
    int64_t until_us;
    int64_t arp_us; /* age of the ARP entry */
};

struct host {
    struct core *core;
    bool agent;
    bool agent_hung;
    bool stepping;     /* its core is carrying out effects */
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
    bool have_facts; /* the adapter's, of this run of the server */
    struct server_facts facts;
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
    bool mariadb;
    struct txns txns;
    unsigned n_clients;
    struct client client[CLIENTS_MAX];
    int64_t last_ack_us;
    unsigned last_server;
    char violation[STORY_TEXT_MAX];
    struct checks checks;
    char reply[REPLY_TEXT_MAX];

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

/* One direction: packets arrive. */
bool sim_passes(const struct world *w, unsigned from, unsigned to);
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
void book_init(struct gtid_book *b, bool mariadb);
void book_free(struct gtid_book *b);
void book_add(const struct world *w, struct gtid_book *b, uint32_t id);
bool book_has(const struct world *w, const struct gtid_book *b, uint32_t id);
uint64_t book_max(const struct gtid_book *b);
bool sim_holds(const struct server *s, uint32_t id); /* committed in its engine */
bool sim_in_binlog(const struct server *s, uint32_t id);
bool sim_has(const struct server *s, uint32_t id); /* binlog or relay log */
void sim_data_add(const struct world *w, struct server *s, uint32_t id);
void sim_binlog_cut(const struct world *w, struct server *s, unsigned count);
void sim_server_free(struct server *s);

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

/* replication (sim/server_replica.c) */
void sim_replicate(struct world *w, unsigned node);
void sim_dumps_run(struct world *w, unsigned node);
void sim_disconnect(struct world *w, unsigned node, unsigned c, int64_t retry_us);
void sim_applied(struct world *w, unsigned node, unsigned c, uint32_t id);

/* statements (sim/server_sql.c) */
const char *sim_statement_text(int kind);
void sim_statement_orphan(struct world *w, unsigned node, const struct statement *st);
void sim_statements_run(struct world *w, unsigned node);
bool sim_orphans_kill(struct world *w, unsigned node);
bool sim_statement_waits(const struct world *w, unsigned node, int kind);
bool sim_applier_is_stuck(const struct server *s); /* a STOP would wait */
void sim_start_threads(struct world *w, unsigned node, bool io, bool sql);
void sim_stop_threads(struct world *w, unsigned node, unsigned c, bool io, bool sql);
void sim_relay_purge(struct world *w, unsigned node, unsigned c);

/* what the adapter reads (sim/server_facts.c): into host.facts */
void sim_facts(struct world *w, unsigned node);
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

/* arbiter (sim/world_arbiter.c) */
void sim_arbiter_run(struct world *w);
void sim_arbiter_agent_started(struct world *w, unsigned node);
void sim_propose(struct world *w, unsigned node, uint64_t id, const struct entry *e);
void sim_transfer(struct world *w, unsigned from, unsigned to);
void sim_log_apply(struct world *w, unsigned node);

/* checks (sim/world_check.c) */
void sim_check_ack(struct world *w, unsigned node, uint32_t id, bool client);
void sim_check_read(struct world *w, unsigned node, uint32_t id);
void sim_check_leader_lost(struct world *w, unsigned node);
void sim_check_entry(struct world *w, const struct entry *e); /* once, when it is committed */
void sim_check_start(struct world *w, unsigned node, bool by_agent);
void sim_check_statement(struct world *w, unsigned node, const struct statement *st, bool before);
void sim_check_by_hand(struct world *w, unsigned node);
void sim_check_vanish(struct world *w, unsigned node, uint32_t id); /* from the binlog */
void sim_check_drop(struct world *w, unsigned node, uint32_t id);   /* from a relay log */
void sim_check_connect(struct world *w, unsigned node, unsigned source, unsigned cursor);
void sim_check_apply(struct world *w, unsigned node, uint32_t id);
void sim_check_tick(struct world *w);

#endif
