/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to io/config: the unicast peers of one node's keepalived.conf. Keepalived may have many,
 * a pair has one: the other node, by the address that it has in the cluster file.
 */
#ifndef TANDEM_IO_CONFIG_IMPORT_PEERS_H
#define TANDEM_IO_CONFIG_IMPORT_PEERS_H

#include <stdbool.h>

#include "io/config/import_side.h"

bool import_is_address(const char *text);
/* Settles the fates of the statements in the block. other: the other node's address, "" if only its
 * own file would say which of the peers it is. */
void import_tell_peers(const struct import_side *side, const char *other);

#endif
