/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real raft nodes in one process and one loop, over a network of timers: frames arrive after
 * delay_ms in the order of sending, unless a link is cut, a filter drops them, or a frame is held.
 * For tests and benches of arbiter and io/raft.
 */
#ifndef TANDEM_TESTS_UNIT_RAFT_CLUSTER_H
#define TANDEM_TESTS_UNIT_RAFT_CLUSTER_H

#include <uv.h>

#include "arbiter/raft_node.h"

#define CLUSTER_PROPOSALS_MAX 4096
#define CLUSTER_WAIT_MS 20000

struct raft_cluster;
struct raft_packet;

/* One node and what it has told. */
struct raft_member {
    struct raft_cluster *cluster;
    struct raft_node *node; /* NULL while stopped */
    unsigned self;
    char dir[PATH_TEXT_MAX];
    uint16_t entry_format;
    unsigned rank;
    int64_t start_us;

    uint64_t leads; /* term, or 0 */
    unsigned elections;
    int64_t elected_us;
    int64_t deposed_us;
    unsigned leader;
    int64_t lease_us;
    int64_t lease_max_us;  /* the latest end that was ever told */
    int64_t lease_best_us; /* the longest one, counted from when it was told */
    int64_t lease_zero_us; /* when a lease was taken back last */

    uint64_t index; /* of the last entry or snapshot */
    uint64_t count; /* the replicated state: how many values, and a hash of them in order */
    uint64_t hash;
    unsigned restores;

    int result[CLUSTER_PROPOSALS_MAX]; /* by id: 1 = open, else the error */
    unsigned answers[CLUSTER_PROPOSALS_MAX];
    unsigned transfers;
    enum arbiter_transfer_outcome outcome;
    enum raft_trouble trouble;
    unsigned troubles[RAFT_TROUBLE_COUNT];
    unsigned lost_logged;    /* log lines raft-log-lost */
    unsigned sent_of_leader; /* frames that only leaders send */
};

/* True: drop this frame. type: enum raft_message_type. */
typedef bool (*raft_filter)(struct raft_cluster *c, unsigned from, unsigned to, int type,
                            const uint8_t *payload, size_t len);

struct raft_cluster {
    uv_loop_t loop;
    unsigned n;
    uint32_t voters;
    char root[PATH_TEXT_MAX];
    struct arbiter_timing timing;
    unsigned snapshot_threshold;
    unsigned snapshot_trailing;
    int64_t slow_disk_us;
    int64_t stalled_disk_us;
    uint64_t delay_ms;
    bool cut[NODES_MAX][NODES_MAX]; /* [from][to] */
    raft_filter filter;
    void *filter_data;
    int hold_type; /* frames of this type are kept until raft_cluster_release() */
    struct raft_packet *held;
    unsigned packets;
    unsigned stopping;
    uint64_t next_id;
    bool verbose;
    struct raft_member m[NODES_MAX];
};

/* Bootstraps n directories under a new temporary one; starts nothing. */
void raft_cluster_open(struct raft_cluster *c, unsigned n, uint32_t voters,
                       const struct arbiter_timing *timing);
/* Stops all nodes, drains the loop, asserts that nothing is left, removes the directories. */
void raft_cluster_close(struct raft_cluster *c);

/* Without a rank, like an agent that does not know yet what its server is. */
void raft_cluster_start(struct raft_cluster *c, unsigned node);
/* Starts all of them. Only the node of rank 0 gets its rank at once: the starts of the nodes are
 * further apart than the candidates' turns. */
void raft_cluster_start_all(struct raft_cluster *c, const unsigned *rank);
/* Gives every running node its rank, m[i].rank. */
void raft_cluster_rank(struct raft_cluster *c);
void raft_cluster_stop(struct raft_cluster *c, unsigned node);
void raft_cluster_cut(struct raft_cluster *c, unsigned from, unsigned to, bool cut);
/* Both ways, to and from everybody. */
void raft_cluster_isolate(struct raft_cluster *c, unsigned node, bool cut);
void raft_cluster_release(struct raft_cluster *c);

/* Runs the loop until cond() is true; false when that takes longer than timeout_ms. */
bool raft_cluster_until(struct raft_cluster *c, bool (*cond)(struct raft_cluster *c, void *data),
                        void *data, int64_t timeout_ms);
void raft_cluster_run(struct raft_cluster *c, int64_t us);
int64_t raft_cluster_now_us(void);

/* Conditions for raft_cluster_until(). data: the node, an unsigned, unless said otherwise. */
bool raft_cluster_someone_leads(struct raft_cluster *c, void *data); /* not used */
bool raft_cluster_another_leads(struct raft_cluster *c, void *data); /* somebody but that node */
bool raft_cluster_is_deposed(struct raft_cluster *c, void *data);
bool raft_cluster_has_lease(struct raft_cluster *c, void *data);
bool raft_cluster_has_no_lease(struct raft_cluster *c, void *data);
bool raft_cluster_all_have(struct raft_cluster *c, void *data); /* uint64_t: so many values */

/* The one node that leads in the highest term, NODE_NONE if none. */
unsigned raft_cluster_leader(const struct raft_cluster *c);
uint64_t raft_cluster_propose(struct raft_cluster *c, unsigned node, uint64_t value);
uint64_t raft_cluster_barrier(struct raft_cluster *c, unsigned node);
/* The leader, as soon as there is one with a lease; then every node gets its rank. */
unsigned raft_cluster_elect(struct raft_cluster *c);
/* The answer to one proposal; ERR_TIMEOUT if there is none in time. */
int raft_cluster_commit(struct raft_cluster *c, unsigned node, uint64_t value);
int raft_cluster_answer(struct raft_cluster *c, unsigned node, uint64_t id);

#endif
