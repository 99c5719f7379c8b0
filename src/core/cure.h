/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica whose threads stopped with an error that starting them again does not cure: what it is,
 * and the cheapest cure. What only a copy of another node's data cures gets one by itself where
 * that loses nothing (policy rejoin = auto), and is named otherwise, with the order to give
 * (core/reclone.h).
 *
 * Data that differs is replaced only of a node that counts for nothing (a member with a stopped
 * applier leaves the set as any other does, core/sync.c), that was compared with the writer just
 * now and holds nothing that the writer lacks, neither applied nor received (or it is quarantined,
 * core/rejoin.h), one node at a time, and once a day: when it differs again, the reason is not in
 * that node. The rows in question are in no binlog, so its old data stays beside the new (S6).
 *
 * So does the data of a node whose server ends by itself whenever it is started, because nobody
 * could look at it. That gets a copy only if the server's own words say that its data is damaged
 * (wire/starts.h): a full disk, a mount that is missing, a wrong setting are no reason to replace
 * anything, and a copy would not start either. A former writer that was not looked at waits for a
 * human.
 */
#ifndef TANDEM_CORE_CURE_H
#define TANDEM_CORE_CURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rules.h"
#include "wire/server.h"

struct core;
struct report;

enum cure_verdict {
    CURE_TELL,     /* a human, or a reclone */
    CURE_WAIT,     /* it is looked at again */
    CURE_REFETCH,  /* attach anew: what it had received is thrown away and fetched again */
    CURE_REPARENT, /* attach to a source that may have the binlogs that it needs */
    CURE_RECLONE,  /* its data is replaced by a copy */
    CURE_START,    /* its applier is started again: attach anew, to the same source */
    CURE_VERDICT_COUNT
};

extern const struct rule_table cure_table;

/* True if starting the threads again would not help, or not at once. */
bool cure_is_broken(const struct server_facts *f);
/* The applier's error says that the data is not that of its source, which no GTID tells. */
bool cure_data_differs(const struct server_facts *f);
/* Its applier gave up at a lock: the one error of an applier that may pass by itself. It is started
 * again, more and more seldom; after so many starts that got it no further a human is told. */
bool cure_is_locked(const struct server_facts *f);
#define CURE_LOCK_STARTS 5
/* What that is, in a few words. */
const char *cure_name(const struct server_facts *f);
/* The same of a node: also that it has a twin, of which its server may not have told yet, or never.
 */
const char *cure_name_of(const struct core *core, unsigned node);
/* The first row that holds for a broken replica that follows `parent` and was just compared. */
const struct rule *cure_decide(const struct core *core, unsigned node, unsigned parent);
/* Its server has ended by itself so often, whenever it was started, that one more start will not
 * help by itself. */
bool cure_does_not_start(const struct report *r);
/* The first row that holds for a node whose server does not start. */
const struct rule *cure_decide_start(const struct core *core, unsigned node);
/* What it is told for may be gone by now without a trace here: its source refused it, not for
 * purged binlogs, and no node is its twin. Its threads are started again, more and more seldom. */
bool cure_may_pass(const struct core *core, unsigned node);
/* A source that has not been found to lack what the node needs; NODE_NONE. */
unsigned cure_source(const struct core *core, unsigned node);
/* The node whose server_id or uuid this one's server has; NODE_NONE. */
unsigned cure_twin(const struct core *core, unsigned node);
/* Whom its server is taken for, and where that is mended, in at most REASON_TEXT_MAX; false: its
 * source takes it for nobody else. It is not mended from here (docs/design/decisions.md). */
bool cure_twin_text(const struct core *core, unsigned node, char *ret_text, size_t size);

#endif
