/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reclone: the data of a node is replaced by a copy of another node's (docs/design/reclone.md). An
 * operator orders it, or the leader where nothing else cures (tables `discard`, `cure`): the flag
 * NODE_RECLONE of the record, which survives a change of the leader. The leader carries it out, as
 * far as the record, the node's report of its copy and its server tell. Every step may be done
 * again, so it does not matter which leader did the one before.
 *
 *   leave the in-sync set -> look what only it holds -> salvage that -> copy beside the data ->
 *   look and salvage again, since the copy took hours -> end the server -> put the copy in place ->
 *   start -> adopt its position -> attach, catch up (repair.c) -> remove the old data
 *
 * Until the copy is whole the node's server and data are not touched; from then on the old data
 * stays beside the new until that has caught up with the writer. The last writer's data is never
 * replaced. What failed is tried again, after growing pauses, for as long as the order stands; but
 * when a second copy, of the writer's own data, differs from its binlog as the first one did, the
 * order ends: a third would too. It ends as well when a donor that was named is gone for ten
 * minutes.
 */
#ifndef TANDEM_CORE_RECLONE_H
#define TANDEM_CORE_RECLONE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rules.h"
#include "wire/limits.h"
#include "wire/record.h"

struct core;

enum reclone_verdict {
    RECLONE_WAIT,
    RECLONE_CANCEL,
    RECLONE_LOOK,
    RECLONE_SIDE,
    RECLONE_SALVAGE,
    RECLONE_COPY,
    RECLONE_KILL,
    RECLONE_PLACE,
    RECLONE_START,
    RECLONE_ADOPT,
    RECLONE_JUDGE,
    RECLONE_REPAIR,
    RECLONE_FINISH,
    RECLONE_AGAIN,
    RECLONE_VERDICT_COUNT
};

/* May a node give its data? Ascending: the best kind last. */
enum donor_verdict { DONOR_NO, DONOR_WRITER, DONOR_MEMBER, DONOR_REPLICA, DONOR_VERDICT_COUNT };

/* The leader's memory of one node's reclone; all of it may be lost. */
struct reclone {
    int ask;   /* outstanding request; ASK_NONE */
    int stage; /* what it was for */
    int64_t not_before_us;
    unsigned failures;
    unsigned stuck;           /* starts and adoptions of the copy in place that failed */
    unsigned differed;        /* copies whose data differed as well */
    unsigned donor;           /* of the present copy; NODE_NONE */
    unsigned vain[NODES_MAX]; /* copies from that donor that failed */
    int64_t gone_us;          /* the donor that was named may not give since; 0 = it may */
    uint64_t total;           /* bytes that it said it has */
    int64_t fetched_us;       /* the present copy was begun then; 0 = by another leader */
    bool looked;              /* its set was compared with the writer's */
    bool extra;               /* ... and it holds something that must be salvaged */
    bool unseen;              /* ... and its relay log may, which cannot be applied */
    bool unsaved;             /* ... was salvaged, and not all of it was found in its binlogs */
    bool current;             /* ... and it was since the present copy became whole */
    uint16_t told_rule;       /* logged last; 0 = none */
    struct history history;
    int64_t took_us; /* its steps together: hours, which are more than it can say */
};

/* The row that gives an order up: core/cure.h looks for it in the record's histories. */
#define RECLONE_RULE_IN_VAIN 125
#define RECLONE_RULE_NO_DONOR 220
#define DONOR_RULE_GIVING 70
/* So many copies in vain, and another donor has its turn, the writer in the end: the way between
 * the two hosts may be cut, which nobody else can see. */
#define RECLONE_DONOR_TRIES 2
/* So long a named donor is waited for: its host may be starting anew. Then the order ends; whom the
 * data is taken from instead is for whoever named that one. */
#define RECLONE_DONOR_GONE_US 600000000

extern const struct rule_table reclone_table;
extern const struct rule_table donor_table;

/* What the first row of table `reclone` says of this node now. *ret_facts: what it saw. */
const struct rule *reclone_decide(const struct core *core, unsigned node, uint32_t *ret_facts);
/* May `donor` give its data to `node`? */
const struct rule *reclone_judge_donor(const struct core *core, unsigned node, unsigned donor);
/* The best donor of those that were tried least in vain, or the one that the operator named if it
 * may; NODE_NONE. */
unsigned reclone_donor(const struct core *core, unsigned node);

/* Does what is to be done for the node now. True: it is reclone's, nobody else may act on it. */
bool reclone_run(struct core *core, unsigned node);
/* What stands against an order to replace the node's data; NULL if nothing does. */
const char *reclone_refusal(const struct core *core, unsigned node, unsigned donor, char *buf,
                            size_t size);
/* No program can copy data to a server of the node's version; what is to be done instead. */
bool reclone_is_by_hand(const struct core *core, unsigned node);
extern const char reclone_by_hand_text[];
/* The order itself, as an entry to be proposed: after reclone_refusal() has found nothing against
 * it. The donor is chosen when it is needed. */
void reclone_order(struct core *core, unsigned node, struct entry *ret_entry);
/* The leader's memory begins anew. */
void reclone_forget(struct core *core, unsigned node);

#endif
