/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the drawn runs of a pair are spared, since two hosts can promise nothing there
 * (docs/design/vrrp.md, "What is promised"), and what operators take care of. Looked at when an
 * action is due, so that shrinking a plan does not make another kind of plan of it:
 *
 * Cuts. The two hosts never lose each other by agents, advertisements and servers at once while
 * both reach an arbitration address: of agents and advertisements one is cut at most, and single
 * ways are not healed while the hosts are cut.
 *
 * Orders. Who orders a failover to a host vouches that the other one does not write: it is off, or
 * the two are in touch. Until the word has lapsed (VOUCHED_US), and after an accepted loss until
 * both hosts know of the promotion, the other host is started only while this one runs and is
 * reached, and with both on nothing parts them.
 *
 * Written scenarios are spared nothing.
 */
#ifndef TANDEM_SIM_PAIR_CARE_H
#define TANDEM_SIM_PAIR_CARE_H

#include "sim/stage.h"

/* The action is not to be done to that node (NODE_NONE: it names none) now. */
bool pair_care_spares(const struct stage *s, unsigned node, const struct statement *st);
/* An order was given. */
void pair_care_ordered(struct stage *s);

#endif
