/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where is the last transaction that a replica applied, in the binlog of another replica of the
 * same source? (Notes of the design: docs/design/adopt.md.) Pure, over rows of SHOW RELAYLOG EVENTS
 * and SHOW BINLOG EVENTS; nothing is looked up.
 *
 * The new source's relay logs have the old source's places, its binlog has its own; the
 * transactions are the same and in the same order. So: count the transactions ("groups") that the
 * relay logs have behind the replica's place up to the new source's; go back as many from the last
 * group in the binlog that the new source did not write itself; compare what is passed, and some
 * groups more, pair by pair. The place is where the first one begins. Any doubt is an outcome of
 * its own.
 *
 * A group: BEGIN to Xid, COMMIT or ROLLBACK; or one statement alone (DDL); with the GTID event
 * before it, where the version has one. Compared of each event: type, server_id, its text without
 * the numbers that each server gives anew (xid, table_id), and of row events the length. Left out:
 * Rows_query events, which each server writes or not, and the length of other events, which holds
 * settings of the session.
 */
#ifndef TANDEM_CORE_REPOINT_MATCH_H
#define TANDEM_CORE_REPOINT_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rules.h"
#include "wire/repoint.h"

/* Groups before the replica's place that are compared too, where both logs still have them. */
#define MATCH_CONTEXT 100

struct match_group {
    uint64_t signature;
    uint64_t begin; /* binlog only: position of its first event */
    uint64_t end;
    uint32_t server_id; /* of its first event */
    uint32_t file;      /* as it was given to match_file() */
};

/* A place of the old source's binlog, looked for in the relay logs. */
struct match_mark {
    struct log_place place;
    size_t groups; /* that end at it or before */
    bool found;
    bool twice; /* found again behind another group */
};

enum match_mark_index { MARK_REPLICA, MARK_SOURCE, MARK_COUNT };

/* Cuts a log into groups. */
struct match_reader {
    bool relay;
    uint32_t own_id; /* server_id of the server whose log it is */
    uint32_t file;
    struct log_place at;                 /* relay log: place in the old source's binlog */
    struct match_mark marks[MARK_COUNT]; /* relay log */
    size_t groups;                       /* completed */
    bool open;                           /* within a group */
    bool transaction;                    /* ... behind its BEGIN */
    bool headless;                       /* ... whose beginning was not read */
    bool begun;                          /* the beginning of some group was read */
    struct match_group group;            /* the open one */
    uint64_t lengths, weights, weight;
    char why[160]; /* the first event that is not understood; "" = none */
};

/* `replica` and `source`: places up to which both servers have applied; those of the
 * reader itself begin it anew. */
void match_begin_relay(struct match_reader *r, uint32_t own_id, const struct log_place *replica,
                       const struct log_place *source);
void match_begin_binlog(struct match_reader *r, uint32_t own_id);
/* The events that follow are of this file. */
void match_file(struct match_reader *r, uint32_t file);
/* The next event. True: it completed a group, *ret_group. */
bool match_event(struct match_reader *r, const struct repoint_event *event,
                 struct match_group *ret_group);

/* Both logs as they were read. The arrays belong to the caller. */
struct match_logs {
    const struct match_reader *relay;
    const struct match_group *relay_groups;
    const struct match_reader *binlog;
    const struct match_group *binlog_groups; /* of its last files, without a gap */
    size_t n_binlog;
    bool level;            /* the source has applied to the very place to which it has received */
    uint64_t log_end;      /* end of the binlog's last file */
    uint32_t log_end_file; /* ... and that file */
};

/* How many groups of the binlog that its server did not write itself the comparison wants. */
size_t match_wanted(const struct match_reader *relay);
/* ... and how many there are up to the last of them. */
size_t match_has(const struct match_group *groups, size_t n, uint32_t own_id);

enum match_verdict {
    MATCH_REFUSE,  /* a human has to change something first */
    MATCH_REBUILD, /* there is no place, or any doubt about it */
    MATCH_PLACE,   /* it goes on there */
    MATCH_VERDICT_COUNT
};

extern const struct rule_table match_table;

struct match_result {
    uint32_t facts;  /* what the rule saw */
    size_t behind;   /* groups that the replica lacks */
    size_t compared; /* pairs that are equal, up to the first one that is not */
    /* MATCH_PLACE: the replica goes on here. Else the group that differs, or that the new source
     * wrote of its own; position 0: none. */
    uint32_t file;
    uint64_t position;
};

/* The answer, and its rule. */
const struct rule *match_decide(const struct match_logs *logs, struct match_result *ret_result);

/* -1, 0, 1 as the replica's place is before, at or behind the source's. */
int match_order(const struct match_reader *relay);

#endif
