/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would be lost if the writer's host were gone for good now: nothing while the in-sync set has
 * a member (every acknowledged commit is there); otherwise the transactions that no other node has
 * received, as far as the last reports tell. Under `strict` too: a promotion empties the set, and
 * what was acknowledged before may be on the new writer alone; only is nothing added to it, since
 * commits wait. (MariaDB counts those that wait among what it has.) Every node keeps the answer for
 * itself; it decides nothing.
 */
#ifndef TANDEM_CORE_STAKE_H
#define TANDEM_CORE_STAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/limits.h"

struct core;

struct stake {
    int64_t since_wall_ms; /* the set is empty since; 0 = it is not */
};

struct stake_view {
    bool at_stake;
    bool grows;            /* commits are acknowledged meanwhile: not under `strict` */
    bool known;            /* whether `transactions` is: else every one since that time may be */
    uint64_t transactions; /* at most so many */
    int64_t since_wall_ms; /* UTC */
    unsigned best;         /* the node that lacks the fewest; NODE_NONE */
    char why[DETAIL_TEXT_MAX];
};

/* Once per step. */
void stake_watch(struct core *core);
void stake_look(const struct core *core, struct stake_view *ret);

#endif
