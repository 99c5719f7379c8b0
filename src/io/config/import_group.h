/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to io/config: what instances that move together have to have in common in a cluster file,
 * and had not in Keepalived. A value that one of them states is that of all (import_side.c refuses
 * two that differ); where another one relied on Keepalived's default instead, a note says so.
 */
#ifndef TANDEM_IO_CONFIG_IMPORT_GROUP_H
#define TANDEM_IO_CONFIG_IMPORT_GROUP_H

#include <stdbool.h>

#include "io/config/import_side.h"

/* After the fates of the values: of those that are not carried over nothing is told. */
void import_tell_group(const struct import_side *side);

#endif
