/* SPDX-License-Identifier: Apache-2.0 */
/* How `tandem explain` looks: from the agent's JSON to text. */
#ifndef TANDEM_CLI_EXPLAIN_VIEW_H
#define TANDEM_CLI_EXPLAIN_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* What each node's core decided; only what it is about. */
void explain_view_print(const json_t *reply, FILE *out);
/* One node in full: which rule fired in each table, over which facts, and why none before it did.
 * False if there is no such node. */
bool explain_view_node(const json_t *reply, const char *name, FILE *out);

#endif
