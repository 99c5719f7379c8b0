/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of struct raft_node, shared by the files of this folder.
 *
 * The backend fills `io`; then raft_io.c puts its own functions in front of it and keeps the
 * originals in `disk`. So the disk's own use of the struct goes on working.
 *
 * Rules for every path into libraft:
 *  - `enter` before, `leave` after: the loop's gaps are noticed, and consequences are published.
 *  - libraft asserts that its io never fails; as distributed it does not even check, and goes on
 *    after half a step. A failed disk operation therefore returns success and sets `failed`: from
 *    then on nothing leaves, nothing enters, and as soon as no libraft function is on the stack the
 *    instance is closed and made anew from the disk.
 */
#ifndef TANDEM_ARBITER_RAFT_IMPL_H
#define TANDEM_ARBITER_RAFT_IMPL_H

#include <raft.h>

#include "arbiter/raft_codec.h"
#include "arbiter/raft_node.h"

#define RAFT_SENDS_MAX 256

enum raft_phase {
    RAFT_PHASE_DOWN, /* no libraft; the backend is asked to call raft_node_retry() */
    RAFT_PHASE_UP,
    RAFT_PHASE_CLOSING,
    RAFT_PHASE_GONE /* the backend is released */
};

/* One append on its way to the disk. */
struct raft_write {
    struct raft_io_append req;
    struct raft_io_append *outer;
    raft_io_append_cb cb;
    struct raft_node *node;
    int64_t start_us;
    bool failed; /* the disk has answered; libraft is told when it is closed */
    struct raft_write *next;
};

/* The one snapshot on its way to the disk. */
struct raft_put {
    struct raft_io_snapshot_put req;
    struct raft_io_snapshot_put *outer;
    raft_io_snapshot_put_cb cb;
    int64_t start_us;
    bool busy;
    bool failed;
};

struct raft_open_proposal {
    struct raft_apply apply;
    struct raft_barrier barrier;
    struct raft_node *node;
    uint64_t id;
    bool is_barrier;
    int err;                /* of a proposal that libraft never got */
    struct raft_buffer buf; /* until libraft has taken it */
    struct raft_open_proposal *next;
};

struct raft_node {
    struct raft_node_config cfg;
    enum raft_phase phase;
    bool stopping;
    bool closed; /* libraft has finished closing */
    raft_node_stop_cb stop_cb;
    void *stop_data;
    unsigned failures; /* in a row; for the pause before the next start */

    struct raft_io io;
    struct raft_io disk;
    struct raft_fsm fsm;
    struct raft raft;
    raft_io_tick_cb raft_tick;
    raft_io_recv_cb raft_recv;
    struct raft_transfer raft_transfer;
    char address[NODES_MAX][16];

    struct arbiter_vote vote;
    struct arbiter_lease lease;
    struct arbiter_transfer transfer;
    struct arbiter_echo echo[NODES_MAX];
    uint64_t durable_term; /* highest one written or read by this process */
    unsigned rank;
    bool stepping_down; /* in this term */
    bool transfer_due;  /* give it to libraft */

    bool failed;
    bool halted; /* an entry was not understood */
    enum raft_trouble trouble;
    char trouble_text[DETAIL_TEXT_MAX];
    int64_t trouble_us; /* last time that it was seen */
    int64_t up_us;      /* when libraft was started */
    int64_t space_us;   /* last look at the free space */
    int64_t low_us;     /* since when no segment is prepared; 0 = one is */
    int64_t disk_last_us;
    int64_t disk_max_us;

    /* What was told to the callbacks. */
    bool told_leading;
    uint64_t told_term;
    uint64_t told_leader_term;
    unsigned told_leader;
    int64_t told_lease_us;
    uint32_t told_voters;
    uint32_t told_members;
    uint64_t delivered; /* index of the last entry or snapshot handed to the callbacks */

    uint64_t load_index; /* of the snapshot that raft_start() is about to restore */
    struct {
        bool active;
        unsigned from;
        uint64_t term;
        int64_t nonce;
    } receiving; /* the leader's frame that libraft is working on */
    struct {
        uint64_t index;
        uint64_t term;
    } snapshot_read; /* the one last read for a peer */
    int64_t heard_us[NODES_MAX];
    uint16_t entry_format[NODES_MAX];
    uint64_t lost_term[NODES_MAX]; /* in which it was logged that the node lost entries */
    int64_t refused_us;            /* last log line about a refused frame */
    unsigned refused;              /* since then */

    struct raft_io_send *sends[RAFT_SENDS_MAX]; /* done, to be completed */
    unsigned n_sends;
    struct raft_write *writes;
    struct raft_put put;
    struct raft_open_proposal *queue; /* not yet given to libraft */
    struct raft_open_proposal *open;  /* given to libraft */
    struct {
        bool active;
        bool given; /* libraft works on one step of it */
        bool begun; /* a step was given to it */
        struct raft_change req;
        uint64_t id;
        unsigned target;
        enum raft_membership wanted;
        int64_t deadline_us;
    } change;
    uint8_t frame[RAFT_NODE_FRAME_MAX];
};

#define RAFT_CALL(node, callback, ...)                                               \
    do {                                                                             \
        if ((node)->cfg.callbacks.callback != NULL)                                  \
            (node)->cfg.callbacks.callback((node)->cfg.callbacks.data, __VA_ARGS__); \
    } while (0)

int64_t raft_now_us(const struct raft_node *node);
bool raft_is_up(const struct raft_node *node);

/* raft_node.c */
void raft_node_enter(struct raft_node *node);
void raft_node_refresh(struct raft_node *node);
void raft_node_publish(struct raft_node *node);
/* raft_node_wake() will come: for work that must not be done inside libraft. */
void raft_node_soon(struct raft_node *node);
/* The timer of the election as the arbiter wants it; call before each look of libraft at it. */
void raft_node_arm(struct raft_node *node);
struct arbiter_situation raft_node_situation(const struct raft_node *node);
/* libraft follows the sender of the frame that it is working on: it counts as processed. */
void raft_node_processed(struct raft_node *node);
/* libraft is going down: whatever was open will not be told any more. */
void raft_node_transfer_lost(struct raft_node *node);
/* Gives a transfer that is due to libraft; only from raft_node_wake(). */
void raft_node_transfer_run(struct raft_node *node);
/* libraft calls it after each of its steps. */
void raft_node_step_cb(struct raft *raft);

/* raft_proposal.c */
void raft_proposals_run(struct raft_node *node);
/* libraft has ended some that are not answered yet. */
bool raft_proposals_are_due(const struct raft_node *node);
/* Answers them; only from raft_node_wake(). */
void raft_proposals_complete(struct raft_node *node);
void raft_proposals_cancel(struct raft_node *node);

/* raft_change.c */
void raft_change_run(struct raft_node *node); /* only from raft_node_wake() */
/* Something may have moved that it waits for: look again, at every tick. */
bool raft_change_is_waiting(const struct raft_node *node);
void raft_change_completed(struct raft_node *node, int status);
void raft_change_tell(struct raft_node *node);

/* raft_io.c */
struct arbiter_message raft_io_describe(const struct raft_message *message);
void raft_io_decorate(struct raft_node *node);
void raft_io_complete_sends(struct raft_node *node, int status);

/* raft_fsm.c */
void raft_fsm_init(struct raft_node *node);
/* An entry as it is stored, raft_malloc()ed; the term is stamped when libraft gets it. */
int raft_fsm_entry(uint16_t format, const void *bytes, size_t len, struct raft_buffer *ret_buf);
void raft_fsm_stamp(struct raft_buffer *buf, uint64_t term);

/* raft_life.c */
void raft_life_init(struct raft_node *node);
void raft_life_stop(struct raft_node *node);
/* Closes libraft if that is due; only from raft_node_wake(). */
void raft_life_run(struct raft_node *node);
/* The disk (or an entry) has failed: see above. */
void raft_life_fail(struct raft_node *node, enum raft_trouble trouble, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void raft_life_trouble(struct raft_node *node, enum raft_trouble trouble, const char *text);
/* Looks after the disk, at every tick. */
void raft_life_watch(struct raft_node *node, int64_t now_us);
void raft_life_wrote(struct raft_node *node, int64_t start_us);

#endif
