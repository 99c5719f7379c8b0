/* SPDX-License-Identifier: Apache-2.0 */
/* How `tandem history` looks: from the agent's JSON to text. */
#ifndef TANDEM_CLI_HISTORY_VIEW_H
#define TANDEM_CLI_HISTORY_VIEW_H

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

/* One event: head, reason, timeline in milliseconds. */
void history_view_one(const json_t *history, FILE *out);
/* The latest `count` of a reply, the newest last. */
void history_view_print(const json_t *reply, size_t count, FILE *out);

#endif
