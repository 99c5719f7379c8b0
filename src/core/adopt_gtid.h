/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turning GTID on in a running topology, one server and one step at a time (table `gtid`). Every
 * step may be done again, and where the walk stands is read from the servers themselves, so that it
 * goes on where an earlier one was broken off. Pure: who walks looks at all servers, asks here,
 * does what the verdict says, and looks again.
 *
 * MySQL's order (its manual, "Enabling GTID transactions online"): each step on every server before
 * the next one on any. MariaDB writes GTIDs always; only the replicas are told to follow by them.
 *
 * The writer's own channel (a mutual pair) is left as it is: what it writes is ahead of its source
 * by nature, and the agents remove that channel when they take over.
 */
#ifndef TANDEM_CORE_ADOPT_GTID_H
#define TANDEM_CORE_ADOPT_GTID_H

#include <stdbool.h>

#include "core/rules.h"
#include "wire/survey.h"

enum gtid_verdict {
    GTID_REFUSE,         /* nothing goes on before a human has changed something */
    GTID_WAIT,           /* for this server itself, or for the others */
    GTID_WARN,           /* SET enforce_gtid_consistency = WARN */
    GTID_CHECK,          /* look for statements that it warned of */
    GTID_ENFORCE,        /* SET enforce_gtid_consistency = ON */
    GTID_OFF_PERMISSIVE, /* SET gtid_mode = ... */
    GTID_ON_PERMISSIVE,
    GTID_MARK,   /* remember the end of its binlog: adopt_gtid_mark() */
    GTID_ON,     /* SET gtid_mode = ON, and keep it over a restart */
    GTID_FOLLOW, /* let it follow by GTID */
    GTID_DONE,
    GTID_VERDICT_COUNT
};

extern const struct rule_table gtid_table;

/* Remembers in `survey` what the last look showed and a later one cannot: call it after each. */
void adopt_gtid_looked(struct survey *survey);
/* What is next for a server. writer: its position. *ret_facts: what the rule saw. */
const struct rule *adopt_gtid_decide(const struct survey *survey, unsigned writer, unsigned server,
                                     uint32_t *ret_facts);
void adopt_gtid_mark(struct survey_server *server);
/* What the survey would show after that verdict was carried out and everything waited for has come:
 * for a plan of the whole walk beforehand. */
void adopt_gtid_assume(struct survey *survey, unsigned server, enum gtid_verdict verdict);

/* What the server holds that its source lacks, as text; "" if nothing, or it has no source. */
void adopt_gtid_extra(const struct survey *survey, unsigned server, char ret_text[GTID_TEXT_MAX]);
/* MySQL: its source has purged binlogs with transactions that it lacks. */
bool adopt_gtid_is_purged(const struct survey *survey, unsigned server);

/* -1, 0, 1 as `a` is before, at or behind `b` in the same server's binlog. Files are numbered: more
 * digits come later. */
int log_place_compare(const struct log_place *a, const struct log_place *b);

#endif
