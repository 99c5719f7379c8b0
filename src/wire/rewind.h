/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rewind before recovery: may the tail of a crashed writer's binlog be cut before its mysqld is
 * started again, and where (docs/design/rewind.md)? Pure planner: it is shown every group of the
 * last binlog file in order and gives a verdict.
 *
 * Why it works: InnoDB's recovery asks the binlog. A transaction that was only prepared is
 * committed if its XID is in the binlog and rolled back if not. With AFTER_SYNC and a non-empty
 * in-sync set every unacknowledged transaction is only prepared.
 *
 * The verdict is CUT only if all of this holds; everything else is "possibly acknowledged", refused
 * with a reason that has a stable id (rewind.def):
 *   - the facts given by the caller (struct rewind_facts): it alone knows terms and epochs;
 *   - the file was not closed in order (no STOP event, flagged in use), nothing follows it;
 *   - everything before this file is in the seal set S (else the tail began in an earlier file);
 *   - cut = start of the first group not in S; every later group is outside S too (no hole);
 *   - none of them is on the current writer (set W);
 *   - each is row based and transactional, or atomic DDL (MySQL 8.0+ only; MariaDB's DDL is redone
 *     or undone by its own ddl log, which does not ask the binlog for every statement);
 *   - what comes after the cut can be proven: the server is of a version that tells what its
 * recovery did (recovery.h), and tells its agent of prepared XA transactions;
 *   - no XA, no incident, nothing unknown, nothing anonymous, not encrypted.
 *
 * S is the set of the promotion that ended the last epoch in which this node wrote, not the newest
 * writer's. MariaDB: S is best a position (all of a domain up to a number; a state may have lost
 * old server_ids when its node was rebuilt, which refuses); W must be a state (a position would
 * contain every phantom, which refuses). A torn last event or group is not a reason to refuse: the
 * server drops it by itself when it recovers, and a cut drops it as well.
 */
#ifndef TANDEM_WIRE_REWIND_H
#define TANDEM_WIRE_REWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/binlog_event.h"
#include "wire/gtid.h"
#include "wire/tail.h"

/* Facts of the record and of the process that ended, given by the caller; false refuses. */
struct rewind_facts {
    bool promotions_clean;  /* the promotion that ended the epoch and all later ones were clean */
    bool in_sync_non_empty; /* in that epoch, from the first transaction of the tail on */
    bool ended_by_crash;    /* SIGKILL or crash; not SIGTERM, SHUTDOWN, or unknown */
    bool not_started_since; /* no mysqld has run on this data directory since */
    bool no_local_release;  /* no semi-sync OFF, KILL of a waiter or time-out is known */
    bool xa_is_told;        /* the server is not known to refuse XA RECOVER to the agent */
};

enum rewind_verdict {
    REWIND_NONE,  /* nothing to cut: start as it is */
    REWIND_CUT,   /* cut at plan.cut */
    REWIND_REFUSE /* plan.reason; salvage the whole tail, ask a human */
};

enum rewind_reason {
#define REWIND_REASON(name, id, tail_class, text) REWIND_REASON_##name,
#include "wire/rewind.def"
#undef REWIND_REASON
    REWIND_REASON_COUNT
};

struct rewind_plan {
    enum rewind_verdict verdict;
    enum rewind_reason reason; /* OK unless refused: the first reason found */
    struct gtid reason_gtid;   /* the group that caused it, if reason_has_gtid */
    bool reason_has_gtid;
    char reason_detail[BINLOG_DETAIL_MAX]; /* table or statement, or "" */
    /* The tail, also when refused: first group not in S to the last group not in S. */
    uint64_t cut; /* offset where the file is to end */
    uint64_t end; /* end of the last complete group of the tail */
    uint32_t groups;
    uint32_t
        expected_rollbacks; /* of a CUT: groups with content; recovery rolls back at least these */
    uint32_t ddl_groups;
    bool torn; /* bytes after the last boundary */
    struct gtid first;
    struct gtid last;
    struct gtid_set gtids; /* of the tail. MariaDB: per (domain, server_id) the last */
    bool gtids_full;       /* bound reached: gtids is incomplete (a cut is then refused) */
    bool whole;            /* every transaction outside S is in the tail: none is in another file,
                              none could not be judged */
    /* private */
    bool skipped;
    struct rewind_facts facts;
    const struct gtid_set *seal;
    const struct gtid_set *writer;
};

/* seal and writer must outlive the plan. */
void rewind_plan_init(struct rewind_plan *p, const struct rewind_facts *facts,
                      const struct gtid_set *seal, const struct gtid_set *writer);
/* Each group of the last file, in order. */
void rewind_plan_group(struct rewind_plan *p, const struct binlog_group *group);
/* After the last byte: w has walked the whole file (at its end or at a BAD event). */
void rewind_plan_finish(struct rewind_plan *p, const struct binlog_walk *w);
/* A reason found by the caller (files, locks, sizes); the first one stays. */
void rewind_plan_refuse(struct rewind_plan *p, enum rewind_reason reason, const char *detail);

/* What speaks against a group by its content alone; OK: rows of transactional tables, or atomic
 * DDL.
 */
enum rewind_reason rewind_group_reason(const struct binlog_group *g);

const char *rewind_verdict_text(enum rewind_verdict verdict);
const char *rewind_reason_id(enum rewind_reason reason);
/* A sentence: what is wrong and what follows. */
const char *rewind_reason_text(enum rewind_reason reason);
/* Of a tail that is refused for that reason (the facts of the record weigh more than the content
 * of the tail, so a reason of the content means that they hold); OK: of one that is cut. */
enum tail_class rewind_reason_class(enum rewind_reason reason);
/* The same of a whole plan: where the reason says nothing of how the tail came about (its file
 * cannot be read), what the facts say of a promise still counts. */
enum tail_class rewind_plan_class(const struct rewind_plan *p);

#endif
