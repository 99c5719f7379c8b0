/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A returned node that holds transactions which the writer lacks, and is therefore quarantined
 * (docs/design/rewind.md). Two ordered tables decide, on the leader:
 *
 *   rejoin  was anybody promised those transactions? Over the in-sync history of the record (the
 *           promotion that ended the node's epoch, its seal, clean or forced), the node's set, and
 *           what its binlogs say (JOB_INSPECT). Verdict: enum tail_class.
 *   discard what is done next, under policy.rejoin, policy.auto_discard and an operator's order.
 *
 * Never acknowledged is proven, not guessed: the tail is the node's own, lies behind the seal of a
 * clean promotion (made out of the in-sync set, whose members have whatever was acknowledged while
 * it was not empty), with none but clean ones after it, nothing else stands between, and the run of
 * mysqld that wrote it was killed and released nothing (core/release.h): a shutdown in order, a
 * server that goes on with it, or a hand that ended the wait, has told the waiting sessions that
 * they are committed. Everything else waits for a human, unless auto_discard = all.
 *
 * Nothing is discarded before it was salvaged (S6). Steps, each one request: inspect, salvage,
 * undo. What cannot be undone is to be made anew. "Salvaged" is said of one set: when the node
 * holds something else than what was saved, class, salvage and orders are void, and all begins
 * anew.
 */
#ifndef TANDEM_CORE_REJOIN_H
#define TANDEM_CORE_REJOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rules.h"

struct answer;
struct command;
struct core;

enum rejoin_fact {
    REJOIN_COMPARABLE = 1u << 0, /* the two sets can be subtracted */
    REJOIN_FORMER = 1u << 1,     /* the promotion that ended its last epoch is recorded, and it has
                                    followed nobody since */
    REJOIN_OWN = 1u << 2,        /* all of the tail carries its own server id or UUID */
    REJOIN_CLEAN = 1u << 3,      /* that promotion and all later ones were clean */
    REJOIN_WHOLE = 1u << 4,      /* it holds all of the seal */
    REJOIN_BEHIND = 1u << 5,     /* none of the tail is in the seal */
    REJOIN_READ = 1u << 6,       /* its binlogs were read */
    REJOIN_COMPLETE = 1u << 7,   /* ... and hold all of the tail */
    REJOIN_CRASHED = 1u << 8,    /* ... and the run that wrote it was killed */
    REJOIN_SUFFIX = 1u << 9,     /* ... and nothing else stands behind its beginning */
    REJOIN_WARNED = 1u << 10,    /* a refused rewind, or an earlier leader, found that somebody may
                                    have been promised it */
    REJOIN_RELEASED = 1u << 11,  /* its agent knows of commits that were released there */
};

enum discard_fact {
    DISCARD_MANUAL = 1u << 0,      /* policy.rejoin = manual */
    DISCARD_REWIND_ONLY = 1u << 1, /* policy.rejoin = rewind */
    DISCARD_ORDERED = 1u << 2,     /* by an operator */
    DISCARD_SALVAGED = 1u << 3,
    DISCARD_NEVER = 1u << 4,     /* proven: nobody was promised it */
    DISCARD_BY_POLICY = 1u << 5, /* policy.auto_discard = all */
    DISCARD_BY_ORDER = 1u << 6,  /* ordered: what it holds alone may go */
    DISCARD_REFUSED = 1u << 7,   /* the undo; or nothing shows what would have to be undone */
    DISCARD_UNPROVEN = 1u << 8,  /* NODE_UNPROVEN */
    DISCARD_ASLEEP = 1u << 9,    /* its server is down, and may not be started without an order */
};

enum discard_verdict {
    DISCARD_SAVE,    /* start it if it is down, inspect, judge, salvage */
    DISCARD_WAIT,    /* for a human */
    DISCARD_UNDO,    /* take it back out of the data */
    DISCARD_RECLONE, /* make the node anew */
    DISCARD_VERDICT_COUNT
};

extern const struct rule_table rejoin_table;  /* verdict: enum tail_class */
extern const struct rule_table discard_table; /* verdict: enum discard_verdict */

/* Facts of table `rejoin` for a node whose report is `seen`; `extra` is the text of sets_extra().
 */
uint32_t rejoin_facts(const struct core *core, unsigned node, const char *extra);
uint32_t rejoin_discard_facts(const struct core *core, unsigned node);
/* enum tail_class as the record's flags say it. */
int rejoin_class(uint32_t flags);

/* What was read of a node's tail, and done about it, says nothing about its next one. */
void rejoin_forget(struct core *core, unsigned node);
/*
 * NODE_SALVAGED holds for what the node has now: this leader has seen that very set saved, or the
 * server is down, so that nothing can be added before it runs and is looked at again. A leader of a
 * later term has to save once more.
 */
bool rejoin_is_saved(const struct core *core, unsigned node);
/* `extra` is asked to be salvaged, was salvaged: for whoever asks (reclone.c too). */
void rejoin_saving(struct core *core, unsigned node, const char *extra);
void rejoin_saved(struct core *core, unsigned node, uint32_t evidence);
/* Nothing may be done with this node without an order. */
bool rejoin_must_wait(const struct core *core, unsigned node);

/* For repair.c: a quarantined node whose threads are stopped; and the answer of a request of the
 * stages that rejoin.c asks for. */
void rejoin_run(struct core *core, unsigned node);
/* Its server is down. True: it is to be started, closed, so that it can be cured. */
bool rejoin_wants_start(struct core *core, unsigned node);
/* Its data is replaced by a copy, as soon as somebody can give one; the row of a table that says so
 * is told. flags: 0 or NODE_KEEP_OLD. */
void rejoin_reclone(struct core *core, unsigned node, const struct rule_table *table,
                    const struct rule *rule, uint32_t flags);
void rejoin_answered(struct core *core, unsigned node, int stage, const struct answer *a);
/* The operator's word on one node. The reply's text; *ret_ok: accepted. */
bool rejoin_order(struct core *core, const struct command *m, char *ret_text, size_t size);

#endif
