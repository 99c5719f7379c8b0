/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a node should follow: a candidate the writer, a replica the source that the cluster file
 * gives it, or the next one up the tree that may be followed (table `parent`), the writer at last.
 *
 * A replica leaves a source that is gone, or that is there and does not apply: what stands below
 * would go stale with it, without an error of its own. It comes home when that source is whole and
 * current again. What it holds is compared with the writer before each move (repair.c, S7).
 */
#ifndef TANDEM_CORE_PARENT_H
#define TANDEM_CORE_PARENT_H

#include <stdbool.h>

#include "core/rules.h"

struct core;

enum parent_verdict { PARENT_LEAVE, PARENT_FOLLOW, PARENT_VERDICT_COUNT };

extern const struct rule_table parent_table;

/* Its channel leads to that node. */
bool parent_is(const struct core *core, unsigned node, unsigned parent);
/* May the replica follow that node of the tree above it, which is not the writer? */
const struct rule *parent_judge(const struct core *core, unsigned node, unsigned parent);
/* Whom the node should follow. NODE_NONE: there is no writer, and it has no other source. */
unsigned parent_of(const struct core *core, unsigned node);
/* The clocks that the table looks at; once in each round of repair. */
void parent_watch(struct core *core);
/* Logs why the node leaves the source that it follows, if that is the table's word. */
void parent_tell_left(struct core *core, unsigned node);

#endif
