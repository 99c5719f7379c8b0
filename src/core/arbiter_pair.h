/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions of the vrrp arbiter (docs/design/vrrp.md): two hosts, no quorum.
 *
 * VRRP says which of the two is the Master; table `pair` says whether the Master may lead. A Master
 * that may not lead yet (HOLD) is silent: it advertises nothing and opens nothing.
 *
 * Times. With A = advertisement interval and D = degrade (policy shrink_after):
 *
 *   lease   min(last advertisement sent + 3 A, last proof + 2 A) - margin. Proof: the other agent's
 *           echo of something sent at that time, or the answer of an arbitration address to a
 *           question of that time; without arbitration addresses no proof is asked for. The other
 *           host becomes the Master 3 A + skew after the last advertisement that it heard, and that
 *           one was sent at most A before a cut; so this end comes first. It says that the Master
 *           goes silent by itself when its agent hangs or dies, and when it is cut off from
 *           everything. It says nothing about a cut between the two hosts alone, which both may
 *           survive: only a quorum ends that one.
 *   window  last echo of the writer's agent + D - margin: until then a member of the in-sync set
 *           knows that the writer has not gone on without it, since the writer waits for D after
 *           the last word of it. Under durability = strict it waits for ever, and so the window
 *           has no end. D and strict may differ while a change of them is rolled out: each agent
 *           tells the other how patient it is, and the least patience counts.
 *   other   the lease of the other node may last as long as 2 A after the last word of its agent (3
 *           A where no proof is asked for): nobody leads before that but with its consent. Nor 2 A
 *           after this node was out of an arbitration address's reach itself: until then the other
 *           one may have lived unheard.
 *
 * Two records meet: the one of the later epoch is the better one; of the same epoch the one changed
 * in the later term; of the same term the one with more changes (pair_stamp_compare()). The other
 * one is dropped. What its node wrote meanwhile is behind the seal of the better record's
 * promotion: it is found, salvaged and fenced as that of any former writer. One thing outlives a
 * better record of the same epoch: whom its writer has dropped from the in-sync set stays dropped.
 *
 * Terms are even for one node and odd for the other, so that the two never win the same one.
 *
 * Microseconds; CLOCK_BOOTTIME. Pure.
 */
#ifndef TANDEM_CORE_ARBITER_PAIR_H
#define TANDEM_CORE_ARBITER_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rules.h"
#include "core/vrrp.h"
#include "util/err.h"
#include "wire/config.h"
#include "wire/pair_state.h"

struct pair_timing {
    int64_t advert_us;  /* A */
    int64_t degrade_us; /* D */
    int64_t margin_us;
    int64_t silence_us;   /* the other agent is not in touch any more when unheard for so long */
    int64_t heartbeat_us; /* of the agents' own connection */
    /* Between two questions that an arbitration address has answered: this host was out of reach.
     * It is asked every half interval at least; a loop that stood still asked late. */
    int64_t gap_us;
};

enum pair_verdict { PAIR_FOLLOW, PAIR_HOLD, PAIR_LEAD, PAIR_VERDICT_COUNT };

/* What the table looks at; arbiter/pair_node.c gathers them. */
enum pair_fact {
    PAIR_F_MASTER = 1u << 0,      /* VRRP: this node is the Master */
    PAIR_F_PEER_UP = 1u << 1,     /* the other agent was heard lately over the agents' connection */
    PAIR_F_PEER_LEADS = 1u << 2,  /* ... and says that it leads */
    PAIR_F_BY_HAND = 1u << 3,     /* an operator ordered it just now */
    PAIR_F_ARBITRATED = 1u << 4,  /* the cluster file has arbitration addresses */
    PAIR_F_REACHABLE = 1u << 5,   /* ... and one of them answers */
    PAIR_F_SELF_WRITER = 1u << 6, /* by this node's record it is the last writer */
    PAIR_F_PEER_ASKED = 1u << 7,  /* the other host's server was tried since its agent is silent */
    PAIR_F_PEER_SERVES = 1u << 8, /* ... and answered */
    PAIR_F_WINDOW = 1u << 9,      /* the writer cannot have gone on without this node */
    PAIR_F_SOLE = 1u << 10,       /* by this node's record the in-sync set is empty */
    PAIR_F_CONFIRMED = 1u << 11,  /* the other agent has answered since this node is the Master */
    PAIR_F_OTHER_LEASE = 1u << 12, /* the other node's lease may not have ended yet */
};

extern const struct rule_table pair_table;

/* What the cluster file makes of it. */
struct pair_timing pair_timing_of(const struct cluster_config *c);
/* 0, or ERR_INVAL with a sentence: the writer must not go on alone before the other host has taken
 * over and the writer is fenced. */
int pair_timing_check(const struct cluster_config *c, struct errmsg *msg) NODISCARD;
/* Position of the other candidate; NODE_NONE if `self` is none of the two. */
unsigned pair_other(const struct cluster_config *c, unsigned self);

/* proof_us: INT64_MAX where none is asked for. 0: none. */
int64_t pair_lease_end(const struct pair_timing *t, int64_t advert_us, int64_t proof_us);
/* How long the writer waits for a silent member; INT64_MAX: for ever (strict). */
int64_t pair_patience_us(const struct cluster_config *c);
/* patience_us: the least that either node has. echoed_us: 0 = nothing was ever echoed; so is the
 * result. */
int64_t pair_window_end(const struct pair_timing *t, int64_t patience_us, int64_t echoed_us);
/* heard_us: the last word of the other agent, or when it could be heard again. arbitrated: a proof
 * is asked for. */
int64_t pair_other_lease_end(const struct pair_timing *t, bool arbitrated, int64_t heard_us);
/* The first term above `seen` that is this node's. second: it is the later one in the file. */
uint64_t pair_next_term(uint64_t seen, bool second);

#endif
