/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node of the vrrp arbiter: the VRRP machine (core/vrrp.h) says who is the Master, table `pair`
 * (core/arbiter_pair.h) whether the Master may lead, and the record is a state on the disk of each
 * of the two nodes, exchanged whole over the agents' connection. It tells its caller what a raft
 * node (arbiter/raft_node.h) would: elected, deposed, lease, applied, proposal. Decides nothing
 * about the cluster; reads no clock, opens nothing.
 *
 * What holds:
 *  - Leading = VRRP Master and rule `lead` at the moment of the election; it ends with another VRRP
 *    state, a higher term, a better record, or a transfer. A Master that does not lead is silent,
 *    and becomes backup as soon as it hears anybody or the other agent says that it leads.
 *  - VRRP never preempts: a planned change is a transfer. A node that is not fit (rank) or reaches
 *    nobody (isolated) is in fault; if neither is fit, one of them leads as caretaker.
 *  - Proposals. Each ends in exactly one on_proposal(): 0 = applied here, and durable on both nodes
 *    if the other is in touch; ERR_STATE = never proposed; ERR_CANCELED = outcome unknown. While
 *    the other is silent a change is made alone if an arbitration address answers (or none is
 *    configured, or the term was begun by hand); one that takes the other out of the in-sync set
 *    only when it has been silent for `degrade`.
 *  - A term begun by hand does without what proves that this host is not cut off until there is
 *    such a proof for the first time: an echo, or an answer of an arbitration address.
 *  - What the record says of this node's membership may be out of date where the order of an
 *    operator stood in for a proof, or the other node's record is known to be the better one and
 *    has not arrived: on_doubt() says so, before the barrier of the term is over.
 *  - Who leads and could not advertise for 2 A is deposed and stays unfit for PAIR_MUTE_US.
 *  - While the agents are in touch, advertisements of a third host change nothing.
 *  - on_apply() of an own change comes before its on_proposal(); a better record of the other comes
 *    as on_restore(), also at the start.
 *  - A term, and a change, is told only when it is durable here. The write may take its time: what
 *    follows from it waits, and advertisements, proofs and the lease do not. Of a higher term that
 *    is being written a leader is deposed already. A disk that fails, or that does not end a write
 *    for 10 s, makes the lease zero and the node unfit until one succeeds; it is tried again at
 *    every tick. While a leader waits for that disk the node says nothing: of a silent node the
 *    leader knows when it may go on alone.
 *
 * Callbacks come from within the calls, and may call every function of this header.
 *
 * Log ids: vrrp-state, pair-leads, pair-deposed, pair-holds, pair-record, pair-alone, pair-disk,
 * pair-mute, pair-stranger, pair-dropped.
 */
#ifndef TANDEM_ARBITER_PAIR_NODE_H
#define TANDEM_ARBITER_PAIR_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arbiter.h"
#include "util/err.h"
#include "util/log.h"
#include "wire/config.h"
#include "wire/pair_state.h"

#define PAIR_OPEN_MAX 8
#define PAIR_MUTE_US 30000000
#define PAIR_STORING 1 /* of store(): no error code; those are below 0 */

/* What a write of the state is for. */
enum pair_write {
    PAIR_WRITE_NONE,
    PAIR_WRITE_TERM,   /* a higher one was seen; or the same state again, on a disk that failed */
    PAIR_WRITE_ELECT,  /* the term in which this node will lead */
    PAIR_WRITE_ADOPT,  /* the other node's record */
    PAIR_WRITE_ENTRY,  /* the first open proposal */
    PAIR_WRITE_ORPHAN, /* ... of a term that has ended meanwhile */
};

struct pair_callbacks {
    void *data;
    int64_t (*now_us)(void *data); /* CLOCK_BOOTTIME */
    /* 0: durable. PAIR_STORING: pair_node_stored() will say; the state stays as it is until then.
     * Else an error. */
    int (*store)(void *data, const struct pair_state *state, struct errmsg *msg);
    /* An advertisement in that router; 0 if it left. */
    int (*advertise)(void *data, unsigned router, uint8_t priority, struct errmsg *msg);
    /* Neighbours may have been told otherwise: if the addresses are here, tell them again. */
    void (*announce)(void *data);
    /* To the other agent; may be lost. Valid during the call. */
    void (*send)(void *data, const struct pair_message *m);
    void (*on_elected)(void *data, uint64_t term);
    void (*on_deposed)(void *data, uint64_t term);
    void (*on_leader)(void *data, uint64_t term, unsigned node); /* NODE_NONE: not known */
    void (*on_lease)(void *data, int64_t until_us);
    /* Whether the record may say too much of this node's membership. Only while it leads. */
    void (*on_doubt)(void *data, bool doubt);
    void (*on_apply)(void *data, const struct entry *e);
    void (*on_restore)(void *data, const struct record *r);
    void (*on_proposal)(void *data, uint64_t id, int err);
    void (*on_transfer)(void *data); /* it is not possible; else on_deposed() comes */
    void (*on_trouble)(void *data, const char *text); /* "" = over */
    /* The last word as Master is said, a goodbye included. NULL: nobody needs to know. */
    void (*on_silent)(void *data);
};

/* Copied but for what it points to. */
struct pair_config {
    const struct cluster_config *cluster;
    unsigned self;
    struct vrrp_options vrrp; /* preempt is ignored: see above */
    bool arbitrated;          /* there are arbitration addresses */
    /* What the other node advertises from, per router; all 0: not known, it may be anybody. */
    struct vrrp_address other[VRRP_ROUTERS_MAX];
    struct log log;
    struct pair_callbacks callbacks;
};

struct pair_open {
    uint64_t id;
    bool is_barrier;
    bool drafted; /* the other node was sent it; it is not on this disk */
    bool stored;
    struct pair_stamp stamp;
    struct entry entry;
};

/* What the other agent said last. */
struct pair_peer {
    bool up;       /* connected */
    bool in_touch; /* and heard lately */
    bool known;    /* its stamp is, since it came up */
    bool leads;
    uint64_t leads_term;
    bool waits; /* it leads, and has told what is not on this disk */
    bool fit;
    struct pair_stamp stamp;
    int64_t heard_us;
    int64_t nonce; /* its highest one */
    bool asked;    /* its server was tried since it fell silent */
    bool serves;   /* ... and answered */
};

/* Read what you like, change nothing. About 300 kB. */
struct pair_node {
    struct pair_config cfg;
    struct pair_timing timing;
    unsigned other;
    int64_t patience_us;      /* the own one */
    int64_t said_patience_us; /* what the other agent said last of its own; 0: nothing */
    struct vrrp vrrp;
    struct pair_state state; /* as on the disk */
    enum pair_write writes;  /* is under way */
    struct pair_state next;  /* ... and makes the state this one */
    int64_t write_us;        /* since then */
    bool holds;              /* a message counts only after it */
    struct pair_message held;
    uint64_t seen_term;  /* highest one; more than that of the state: it is to be written */
    uint64_t elect_term; /* durable, and nobody has led in it; 0: none */
    bool elect_far;      /* beyond what the other node may have led unseen */
    bool disk_failed;
    bool running; /* between start and stop */
    bool busy;    /* the run of an outer call goes on and will see what this one changed */
    bool again;

    bool leading;
    uint64_t term; /* in which it leads or led last */
    int64_t elected_us;
    bool hand_term;  /* begun by hand, and nothing has been proven since */
    bool hand_doubt; /* begun by hand without a proof of its membership; until the records met */
    bool told_doubt;
    int64_t hand_us; /* an operator's word counts until then */
    int rank;        /* of the core; -1: not to be elected */
    bool link_up;
    struct pair_peer peer;
    int64_t echoed_us; /* highest own nonce that the other has processed */
    int64_t nonce;
    int64_t arbitration_us; /* newest question that was answered */
    int64_t back_us;        /* ... and the first one behind a gap: this host was out of reach */
    int64_t master_us;      /* VRRP: the Master since */
    bool speaks;            /* has advertised, on_silent() is to come */
    int64_t advert_us;      /* last own advertisement as Master; 0: none since it is Master */
    int64_t mute_us;        /* could not advertise: unfit until then */
    char mute_text[DETAIL_TEXT_MAX]; /* what the last advertisement failed with; "" = it left */
    int64_t heard_advert_us; /* the other node's last one, or since when it leads, or the start */
    int64_t goodbye_us;      /* the other node's last goodbye */
    int64_t stranger_us;     /* last advertisement of a third host */
    uint8_t stranger_priority;
    struct vrrp_address stranger;
    unsigned stranger_router;
    enum pair_verdict verdict;
    const struct rule *rule;

    int64_t sent_us;
    bool send_due;
    struct pair_stamp sent_stamp; /* of the record sent last on this connection */
    struct pair_stamp seen_stamp; /* the best one that the other agent ever told of */
    int64_t record_us;            /* when it was */
    int64_t said_us;              /* when the own patience was said last */
    int64_t told_lease_us;
    unsigned told_leader;
    uint64_t told_term;
    uint16_t told_rule;
    char told_trouble[DETAIL_TEXT_MAX];

    struct pair_state draft; /* what open[0] makes of the state, if that is drafted */
    unsigned n_open;
    struct pair_open open[PAIR_OPEN_MAX];
};

/* state: as it was read from the disk; pair_state_init() for a new node. */
void pair_node_init(struct pair_node *n, const struct pair_config *config,
                    const struct pair_state *state);
void pair_state_init(struct pair_state *s);
void pair_node_start(struct pair_node *n);
/* Says goodbye if it is the Master. */
void pair_node_stop(struct pair_node *n);

/* At the deadline at the latest; what has arrived must have been handed in before (core/vrrp.h). */
void pair_node_tick(struct pair_node *n);
int64_t pair_node_deadline_us(const struct pair_node *n);

/* The end of a write that store() began: 0, or ERR_* and why. Not from within a callback. */
void pair_node_stored(struct pair_node *n, int err, const char *why);

/* An accepted advertisement. */
void pair_node_advert(struct pair_node *n, unsigned router, uint8_t priority, uint16_t interval_cs,
                      const struct vrrp_address *source);
void pair_node_message(struct pair_node *n, const struct pair_message *m);
void pair_node_peer(struct pair_node *n, bool up);
/* An arbitration address has answered what it was asked at that time; asked every half interval at
 * least. */
void pair_node_arbitration(struct pair_node *n, int64_t asked_us);
/* The other host's server was tried; wanted while pair_node_wants_server(). */
void pair_node_server(struct pair_node *n, bool answers);
bool pair_node_wants_server(const struct pair_node *n);
void pair_node_link(struct pair_node *n, bool up);

/* What the core wants. */
void pair_node_rank(struct pair_node *n, int rank);
void pair_node_propose(struct pair_node *n, uint64_t id, const struct entry *e);
void pair_node_barrier(struct pair_node *n, uint64_t id);
void pair_node_transfer(struct pair_node *n, unsigned to);
/* An operator orders this node to lead, whatever cannot be proven. */
void pair_node_by_hand(struct pair_node *n);

/* For the files of the arbiter only. */
void pair_run(struct pair_node *n);
bool pair_is_mute(const struct pair_node *n);
void pair_tell_leader(struct pair_node *n);
void pair_tell_trouble(struct pair_node *n);
void pair_tell_peer(struct pair_node *n);
bool pair_is_reachable(const struct pair_node *n);
/* Nothing may be under way. true: it is durable; false: it is under way, or the disk has failed. */
bool pair_store(struct pair_node *n, enum pair_write what, const struct pair_state *next);
bool pair_raise_term(struct pair_node *n, enum pair_write what, uint64_t term); /* the same */
void pair_hold(struct pair_node *n, const struct pair_message *m);
void pair_held(struct pair_node *n, const struct pair_message *m); /* its turn has come */
void pair_keep_disk(struct pair_node *n);
void pair_open_stored(struct pair_node *n, int err);
void pair_open_run(struct pair_node *n);
void pair_open_cancel(struct pair_node *n);

#endif
