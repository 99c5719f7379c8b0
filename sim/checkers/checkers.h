/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises of the design (section 5), checked from outside: each file of this folder states one
 * rule and looks at what really happened, with the world's own clock and the identity of every
 * transaction. None asks a core what it believes. The first breach is kept, under the rule's name.
 *
 * A checker is told by the world (sim/world_check.c) what happens, at the moment it does, and keeps
 * what it needs in struct checks.
 */
#ifndef TANDEM_SIM_CHECKERS_CHECKERS_H
#define TANDEM_SIM_CHECKERS_CHECKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/limits.h"
#include "wire/record.h"

struct world;
struct sql_statement;

/* The last frame of a leader that a node has worked on. */
struct heard {
    bool is_set;
    unsigned leader;
    uint64_t term;
    int64_t at_us;
};

/* A grow that was proposed and whose outcome its proposer has not been told. */
struct check_grow {
    uint64_t id; /* of the proposal; 0 = none */
    unsigned by;
    uint64_t term;
    struct incarnation run;
};

struct checks {
    struct heard heard[NODES_MAX];     /* S1: by the voter */
    int64_t pair_proof_us[NODES_MAX];  /* S1, of a pair: the other node has worked on a message of
                                          this one, or an arbitration address has answered it */
    int64_t pair_order_us[NODES_MAX];  /* S1: ... an operator's order to lead; 0 = none */
    bool pair_by_hand[NODES_MAX];      /* S1: ... it has begun its term by one */
    unsigned acker;                    /* S1: who acknowledged last */
    uint64_t acker_epoch;              /* ... in which epoch */
    struct check_grow grow[NODES_MAX]; /* S2: by the node that is to join */
    bool
        opened[NODES_MAX]; /* S3: read_only was switched off by the core, or by hand, in this run */
    bool started[NODES_MAX];            /* S3: ... and replication */
    uint64_t statement_term[NODES_MAX]; /* S10: newest that has changed the server */
    int64_t diverged_us[NODES_MAX];     /* S7 */
    int64_t calm_us;    /* S9: since then one agent at most is not well, and nothing else */
    unsigned calm_life; /* ... of a pair: the life of the writer's agent */
    unsigned limping;   /* S9: that agent's node */
    int64_t frozen_us;  /* S8: faults ended then; 0 = they did not */
    int64_t bound_us;   /* S8: whole again until then */
    int64_t different_us[NODES_MAX]; /* convergence: same books, other data, since */
    unsigned held_life[NODES_MAX];   /* VIP: the life of the agent that put it up */
    int64_t held_us[NODES_MAX];      /* VIP: since when it has had none; 0 = it has one */
};

/* S1 */
void check_s1_ack(struct world *w, unsigned node);
void check_s1_tick(struct world *w);
void check_s1_heard(struct world *w, unsigned node, unsigned leader, uint64_t term);
void check_s1_lease(struct world *w, unsigned node, uint64_t term, int64_t until_local_us);
void check_s1_pair_proven(struct world *w, unsigned node);
void check_s1_pair_ordered(struct world *w, unsigned node);
void check_s1_pair_elected(struct world *w, unsigned node);
void check_s1_pair_lease(struct world *w, unsigned node, int64_t interval_us,
                         int64_t until_local_us);
/* S2 */
void check_s2_ack(struct world *w, unsigned node, uint32_t id);
void check_s2_read(struct world *w, unsigned node, uint32_t id);
void check_s2_remembered(struct world *w, unsigned node, uint32_t id);
void check_s2_entry(struct world *w, const struct entry *e, uint32_t old_members);
void check_s2_leader_lost(struct world *w, unsigned node);
void check_s2_proposed(struct world *w, unsigned node, uint64_t id, const struct entry *e);
/* Its proposer was told the outcome: committed, or never proposed. */
void check_s2_settled(struct world *w, unsigned node, uint64_t id);
/* Those whose grow `node` has proposed as the leader of this term and does not know the end of. */
uint32_t check_s2_unresolved(const struct world *w, unsigned node);
/* S3 */
void check_s3_start(struct world *w, unsigned node, bool by_agent);
void check_s3_tick(struct world *w);
/* S4 */
void check_s4_statement(struct world *w, unsigned node, const struct sql_statement *st);
/* S5 */
void check_s5_ack(struct world *w, unsigned node);
/* S6, and: sets of transactions only grow */
void check_s6_cut(struct world *w, unsigned node, uint32_t id);
void check_s6_vanish(struct world *w, unsigned node, uint32_t id);
void check_grow_only(struct world *w, unsigned node, uint32_t id);
/* S7 */
void check_s7_statement(struct world *w, unsigned node, const struct sql_statement *st);
void check_s7_connect(struct world *w, unsigned node, unsigned source, unsigned cursor);
void check_s7_apply(struct world *w, unsigned node, uint32_t id);
void check_s7_tick(struct world *w);
/* S8 */
void check_s8_tick(struct world *w);
/* S9 */
void check_s9_tick(struct world *w);
/* S10 */
void check_s10_statement(struct world *w, unsigned node, const struct sql_statement *st);
/* One host answers for the VIP */
void check_vip_up(struct world *w, unsigned node);
void check_vip_tick(struct world *w);
/* Same books, same data */
void check_converge_tick(struct world *w);

#endif
