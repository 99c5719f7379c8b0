/* SPDX-License-Identifier: Apache-2.0 */
/* For status_json.c, status_troubles.c and explain_json.c only. */
#ifndef TANDEM_APP_STATUS_PARTS_H
#define TANDEM_APP_STATUS_PARTS_H

#include <jansson.h>

#include "core/core.h"

/* A string for certain: texts of servers may be of any encoding and cut anywhere, JSON is UTF-8;
 * what is not becomes '?'. */
json_t *json_text(const char *text);
/* Set a member of an object. `json_put` takes over the reference; NULL is left out. */
void json_put(json_t *object, const char *key, json_t *value);
void json_put_text(json_t *object, const char *key, const char *text); /* "" is null */
void json_put_name(json_t *object, const char *key, const struct core *core, unsigned node);

/* Name of the setting of a bit of enum server_setting, NULL behind the last. */
const char *status_setting_text(unsigned bit);
const char *status_thread_text(int state);
bool status_is_replicating(const struct server_facts *f);
/* The server of that node answers, and lately: its facts can be shown. */
bool status_has_facts(const struct core *core, unsigned node);
/* They were told some probes ago: the server answers, but not that question. */
bool status_facts_are_old(const struct core *core, unsigned node);
/* "writer", "standby", ... */
const char *status_node_state(const struct core *core, unsigned node);
/* What is left of the writer's lease, as far as this node knows; 0 = none. */
int64_t status_lease_ms(const struct core *core);
/* Transactions that the node lacks of the writer; null if it cannot be told. */
json_t *status_distance(const struct core *core, unsigned node);
/* Nodes whose cluster file is not this node's. */
uint32_t status_config_differs(const struct core *core);
/* Everything that is wrong, one sentence each, with what to do. */
json_t *status_troubles(const struct core *core);
/* What the loss of the writer would cost now. */
json_t *stake_json(const struct core *core);

/* status_pair.c; of a pair only. */
void status_pair_guarantee(const struct core *core, char *ret_text, size_t size);
/* The other host advertises, last silent_us ago, and its agent is not there: a Keepalived, most
 * likely. "" if that is not so. */
void status_pair_stranger(const struct core *core, int64_t silent_us, char *ret_text, size_t size);
bool status_pair_is_alone(const struct core *core);

#endif
