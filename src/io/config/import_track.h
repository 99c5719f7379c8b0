/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to io/config: what one node's keepalived.conf tracks (scripts, processes, devices), and
 * what the weights in it come to. Tandem has one rule instead: a node whose server fails does not
 * lead, whatever its priority.
 *
 * While nothing fails, every positive weight is added to the priority: that is the priority of the
 * cluster file, or another node would be preferred. What a failure does to it is told statement by
 * statement: REPLACED where Keepalived would have moved the addresses too, LEFT where it would not.
 */
#ifndef TANDEM_IO_CONFIG_IMPORT_TRACK_H
#define TANDEM_IO_CONFIG_IMPORT_TRACK_H

#include <stdbool.h>

#include "io/config/import_side.h"

/* Statements that import_tell_tracks() settles, wherever they stand. */
bool import_is_track(const struct keepalived_statement *s);
/* What is added to the node's priority while nothing fails: the weights of the instance that is
 * taken, and of its group. */
unsigned long import_weights(const struct import_side *side);
/* ok, other_ok: priorities while nothing fails, with the weights; other_ok 0: not known. */
void import_tell_tracks(const struct import_side *side, unsigned long ok, unsigned long other_ok);

#endif
