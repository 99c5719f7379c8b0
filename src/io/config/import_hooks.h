/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to io/config: Keepalived's notify scripts as hooks of the cluster file.
 *
 * A script of Keepalived is one word, in quotes if it has arguments, then perhaps a user and a
 * group. It is run without a shell, hooks with one: what a shell would read in another way is not
 * carried over. Of each kind one script is taken, the instance's before the sync group's.
 */
#ifndef TANDEM_IO_CONFIG_IMPORT_HOOKS_H
#define TANDEM_IO_CONFIG_IMPORT_HOOKS_H

#include "io/config/draft.h"
#include "io/config/import_side.h"

/* Settles the fates of the side's scripts. */
void import_tell_hooks(const struct import_side *side);
/* In block hooks what both sides have alike, at the node where they differ. `names` are the nodes'.
 */
void import_set_hooks(const struct import_side sides[2], const char *const names[2],
                      struct draft *draft);

#endif
