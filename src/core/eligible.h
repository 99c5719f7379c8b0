/* SPDX-License-Identifier: Apache-2.0 */
/* What a node may be elected for, and its rank in elections (docs/design/arbiter.md). */
#ifndef TANDEM_CORE_ELIGIBLE_H
#define TANDEM_CORE_ELIGIBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/report.h"

struct core;

/* For this node; ret_why says what is missing for more (REASON_TEXT_MAX bytes). */
enum eligibility eligible_self(const struct core *core, char *ret_why);
/* Rank for elections, 0 first; -1 = no candidate. */
int eligible_rank(const struct core *core, enum eligibility eligible);
/* NULL if this node is the healthy last writer of that epoch and nothing else is planned; else why
 * not. */
const char *eligible_writer_refusal(const struct core *core, uint64_t epoch);
/* The best other node to hand the leadership to, as the nodes declared within this term; NODE_NONE
 * if none offers at least `least`. */
unsigned eligible_target(const struct core *core, enum eligibility least);
/* This node holds everything that any node of a cluster without a writer holds, all candidates have
 * answered and none of them is preferred; else false and ret_why. */
bool eligible_first(const struct core *core, char *ret_why);

#endif
