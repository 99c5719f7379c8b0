/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node of the raft arbiter: libraft over a disk (arbiter/raft_backend.h), with this project's
 * rules in front of its network, its timers and its votes (core/arbiter.h). Decides nothing about
 * the cluster; reads no clock, opens nothing.
 *
 * What holds:
 *  - Proposals. Each raft_node_propose() and raft_node_barrier() ends in exactly one on_proposal(),
 *    never inside the call: 0 (committed, and applied here before), ERR_STATE (not proposed:
 *    not leading, a transfer is prepared or open, stopped, or in trouble), ERR_CANCELED (the
 *    outcome is unknown: leadership was lost or the node stopped; it may still be committed),
 *    ERR_RANGE, ERR_NOMEM (not proposed).
 *  - Apply. on_apply() comes once per committed entry, in the order of the log, also after the
 *    arbiter was started again in place; the state must have taken the entry in when it returns,
 *    since the next on_snapshot_take() may come right away. A leader sees on_apply() of its own
 *    proposal before its on_proposal().
 *  - Roles. on_elected(term) and on_deposed(term) alternate and match. on_deposed() comes before
 *    anything that a later leader committed is applied. A term is told only when it is durable.
 *  - Lease. on_lease(until) whenever the end changes by a quarter of a heartbeat, shrinks, appears
 *    or ends; 0 = none. CLOCK_BOOTTIME. It is zero while not leading, deaf, closed for a transfer,
 *    or in trouble with the disk.
 *  - Trouble. A slow or failing disk never ends the process: it is reported by on_trouble(), the
 *    lease becomes zero, and the arbiter is started again in place (0.2 s, doubling up to 30 s)
 *    until it succeeds; RAFT_TROUBLE_NONE is reported when it works again.
 *  - A disk without a log never votes: the node reports RAFT_TROUBLE_EMPTY and stays silent. Only
 * one that joins begins without one, as a member of nothing, and waits for a leader's log.
 *
 * Callbacks may come inside libraft: they may call every function of this header but those for the
 * backend, and what those start is done after the callback has returned. After raft_node_stop()
 * only on_proposal(), on_change(), on_transfer(), on_deposed(), on_lease(0) and the stop callback
 * come.
 *
 * Frames leave through send(), which may drop them silently, and arrive by raft_node_receive(). At
 * most RAFT_NODE_FRAME_MAX bytes each. A frame of a node must not be delivered after one that the
 * node sent later.
 *
 * Log ids: raft-started, raft-elected, raft-deposed, raft-silent, raft-deaf, raft-frame-refused,
 * raft-log-lost, raft-vote-refused, raft-trouble, raft-recovered.
 */
#ifndef TANDEM_ARBITER_RAFT_NODE_H
#define TANDEM_ARBITER_RAFT_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arbiter/raft_backend.h"
#include "core/arbiter.h"
#include "util/err.h"
#include "util/log.h"
#include "wire/limits.h"

#define RAFT_NODE_ENTRY_MAX 8192     /* payload of one proposal */
#define RAFT_NODE_SNAPSHOT_MAX 65536 /* what on_snapshot_take() may return */
#define RAFT_NODE_FRAME_MAX 196608

struct raft_node;

enum raft_trouble {
    RAFT_TROUBLE_NONE,
    RAFT_TROUBLE_SLOW,          /* a write took longer than slow_disk_us; the lease goes on */
    RAFT_TROUBLE_EMPTY,         /* the disk holds no log; silent until it does */
    RAFT_TROUBLE_STALLED,       /* a write has not ended within stalled_disk_us */
    RAFT_TROUBLE_FULL,          /* no space for the log */
    RAFT_TROUBLE_IO,            /* a write failed, or the log cannot be read */
    RAFT_TROUBLE_UNKNOWN_ENTRY, /* an entry of a newer agent: nothing more is applied */
    RAFT_TROUBLE_COUNT
};

/* Kebab-case name, e.g. "empty-raft-directory". */
const char *raft_trouble_text(enum raft_trouble trouble);

/* Every pointer may be NULL but send, on_apply, on_snapshot_take and on_snapshot_restore. */
struct raft_node_callbacks {
    void *data;
    /* The payload is valid during the call. 0 if it was taken over; the result is not told to
     * anyone: raft repeats what matters. */
    int (*send)(void *data, unsigned to, const void *payload, size_t len);
    void (*on_elected)(void *data, uint64_t term);
    void (*on_deposed)(void *data, uint64_t term);
    /* node NODE_NONE: no leader is known. */
    void (*on_leader)(void *data, uint64_t term, unsigned node);
    void (*on_lease)(void *data, int64_t until_us);
    /* Another result than 0 means that the entry is not understood: nothing more is applied, and
     * RAFT_TROUBLE_UNKNOWN_ENTRY is reported. */
    int (*on_apply)(void *data, uint64_t index, uint64_t term, const void *bytes, size_t len);
    /* Writes the state into buf (RAFT_NODE_SNAPSHOT_MAX bytes). Another result than 0: no snapshot
     * is taken now. */
    int (*on_snapshot_take)(void *data, void *buf, size_t size, size_t *ret_len);
    /* Replaces the state: it is now the one that entry `index` left. */
    int (*on_snapshot_restore)(void *data, uint64_t index, const void *bytes, size_t len);
    void (*on_proposal)(void *data, uint64_t id, int err, uint64_t index);
    void (*on_transfer)(void *data, enum arbiter_transfer_outcome outcome);
    void (*on_trouble)(void *data, enum raft_trouble trouble, const char *text);
    /* Who votes, and who receives the log (voters included), of the newest configuration in this
     * node's log, which may not be committed yet. */
    void (*on_members)(void *data, uint32_t voters, uint32_t members);
    /* The end of raft_node_change(). */
    void (*on_change)(void *data, uint64_t id, int err);
};

/* Copied by raft_node_start(); what it points to must outlive the node. */
struct raft_node_config {
    struct raft_backend backend;
    struct log log;
    unsigned self;
    unsigned n_nodes;
    struct arbiter_timing timing; /* must pass arbiter_timing_check() */
    uint16_t entry_format;        /* the newest format of entries that on_apply() understands */
    uint64_t seed;                /* of the jitter; another one on every node */
    bool joins; /* a disk without a log is right: the leader will send it, and this node never voted
                 */
    int64_t slow_disk_us;        /* 0: T / 2 */
    int64_t stalled_disk_us;     /* 0: 10 s */
    unsigned snapshot_threshold; /* 0: 1024 entries */
    unsigned snapshot_trailing;  /* 0: 256 entries */
    struct raft_node_callbacks callbacks;
};

struct raft_node_peer {
    bool is_voter;
    int64_t heard_us;      /* last frame of it; 0 = never */
    int64_t confirmed_us;  /* newest time at which it confirmed this leader; 0 = none */
    uint16_t entry_format; /* the newest that it understands, as it said last; 0 = not heard */
    uint64_t match;        /* last log index it is known to have; leader only */
};

struct raft_node_status {
    enum arbiter_state state;
    bool is_voter;
    bool is_silent;
    bool is_closed; /* a transfer is prepared or called */
    bool is_deaf;
    uint64_t term;
    unsigned leader; /* NODE_NONE = not known */
    uint64_t commit;
    uint64_t applied;
    uint64_t last_index;
    int64_t lease_until_us;
    uint32_t voters;
    enum raft_trouble trouble;
    char trouble_text[DETAIL_TEXT_MAX];
    int64_t disk_last_us; /* duration of the last write and of the longest one */
    int64_t disk_max_us;
    struct raft_node_peer peer[NODES_MAX];
};

typedef void (*raft_node_stop_cb)(void *data);

/* libraft's id and address of a node. The address is only a name: frames leave by callback. */
raft_id raft_node_id(unsigned node);
void raft_node_address(unsigned node, char *buf, size_t size);
/* The configuration that every log of a new cluster begins with; bit i of voters: node i votes, the
 * others receive the log. ERR_NOMEM. The caller closes *ret_conf. */
int raft_node_configuration(unsigned n_nodes, uint32_t voters,
                            struct raft_configuration *ret_conf) NODISCARD;

/* ERR_INVAL with what is wrong. */
int raft_node_config_check(const struct raft_node_config *config, struct errmsg *msg) NODISCARD;
/*
 * Joins; the disk is opened soon, not in this call. ERR_INVAL (configuration), ERR_NOMEM. A disk
 * that cannot be read or holds no log is no failure but a reported trouble. On success the caller
 * owns *ret_node until the callback of raft_node_stop().
 */
int raft_node_start(const struct raft_node_config *config, struct raft_node **ret_node,
                    struct errmsg *msg) NODISCARD;
/* cb(data) comes once, later, when the backend is released and the node has been freed. Call once.
 */
void raft_node_stop(struct raft_node *node, raft_node_stop_cb cb, void *data);

/* A frame that `from` (proven by the transport) has sent. Malformed ones are logged and dropped. */
void raft_node_receive(struct raft_node *node, unsigned from, const void *payload, size_t len);

/* format: of these bytes, at most raft_node_entry_format(). */
void raft_node_propose(struct raft_node *node, uint64_t id, uint16_t format, const void *bytes,
                       size_t len);
/* An entry that is not applied: when it is committed, everything before it has been applied here,
 * and this node led at that moment. */
void raft_node_barrier(struct raft_node *node, uint64_t id);
/* The newest format that all nodes of the configuration have said they understand; a node that was
 * never heard does not count, since it will stop at the entry and say so. */
uint16_t raft_node_entry_format(const struct raft_node *node);

/* ARBITER_RANK_NONE: not a candidate. Takes effect in the election that runs, too. */
void raft_node_set_rank(struct raft_node *node, unsigned rank);

/*
 * Transfer of leadership (core/arbiter_transfer.h), in two steps:
 *  - prepare closes this node; the lease becomes zero (on_lease() comes inside the call). It may be
 *    given up by abort, and ends with on_transfer(ABORTED) if the leadership is lost meanwhile.
 *  - The caller fences its server and makes sure that the target is eligible; by calling
 *    raft_node_transfer() it asserts both. From then on there is no way back, and on_transfer()
 *    comes once.
 * ERR_STATE with the obstacle in msg.
 */
int raft_node_transfer_prepare(struct raft_node *node, unsigned to, struct errmsg *msg) NODISCARD;
int raft_node_transfer_abort(struct raft_node *node) NODISCARD;
int raft_node_transfer(struct raft_node *node, struct errmsg *msg) NODISCARD;
/* Stops sending until deposed: libraft cannot give up a term by itself. Lease zero at once. */
void raft_node_step_down(struct raft_node *node);

/*
 * Makes node `target` that in the quorum, by as many single changes as it takes. One at a time
 * (asserted). on_change() comes once, never inside the call: 0 also if there was nothing to do;
 * ERR_STATE: not leading, closed for a transfer, or libraft refuses; ERR_TIMEOUT: it does not catch
 * up, but receives the log from now on; ERR_CANCELED: the leadership was lost on the way, what was
 * reached is unknown; ERR_NOMEM.
 */
enum raft_membership { RAFT_MEMBER_NONE, RAFT_MEMBER_LEARNER, RAFT_MEMBER_VOTER };
void raft_node_change(struct raft_node *node, uint64_t id, unsigned target,
                      enum raft_membership wanted, int64_t timeout_us);
bool raft_node_is_changing(const struct raft_node *node);

void raft_node_status(const struct raft_node *node, struct raft_node_status *ret_status);

/* For the backend only; see there. */
void raft_node_wake(struct raft_node *node);
void raft_node_retry(struct raft_node *node);
void raft_node_released(struct raft_node *node);

#endif
