/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator's surfaces show of a core, as JSON (docs/reference/status.md), and the requests
 * they send. Works on every node: what a node does not know is null.
 *
 * Requests: {"op":"status"}, {"op":"history"}, {"op":"explain"} are answered with the objects
 * below;
 * {"op":"command","kind":KIND,"node":NAME or null,"flag":BOOL} with {"ok":BOOL,"text":SENTENCE}.
 */
#ifndef TANDEM_APP_STATUS_JSON_H
#define TANDEM_APP_STATUS_JSON_H

#include <jansson.h>

#include "core/core.h"
#include "util/err.h"

/* The caller owns the reference; NULL when out of memory. */
json_t *status_json(const struct core *core);
json_t *history_json(const struct core *core);
json_t *explain_json(const struct core *core);
/* {"ok":ok,"text":text} */
json_t *reply_json(bool ok, const char *text);

/* Kind, node and flag of a request; id and origin are 0. ERR_INVAL with a sentence for the
 * operator: unknown kind or node, a node is missing. */
int command_parse(const json_t *request, const struct cluster_config *cfg, struct errmsg *msg,
                  struct command *ret_command) NODISCARD;

#endif
