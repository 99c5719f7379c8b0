/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share that talk to this node's agent. Everything returns an exit status (enum
 * cli_exit) and has told the operator on cli->err what is wrong and what to do if it is not CLI_OK.
 */
#ifndef TANDEM_CLI_CLI_ASK_H
#define TANDEM_CLI_CLI_ASK_H

#include <stdint.h>

#include <jansson.h>

#include "cli/cli.h"

#define CLI_ASK_TIMEOUT_MS 5000      /* status, history, explain: the agent knows the answer */
#define CLI_COMMAND_TIMEOUT_MS 30000 /* the leader has to be asked, and commits it */

struct cli_ask {
    const struct cli *cli;
    struct cluster_config *config;
    unsigned node; /* whose agent is asked */
};

/* Reads the cluster file and finds the node. Close it also after a failure. */
int cli_ask_open(const struct cli *cli, struct cli_ask *ret_ask) NODISCARD;
void cli_ask_close(struct cli_ask *ask);

/* {"op":op}; CLI_NO_AGENT. The caller owns the reply. */
int cli_ask_op(const struct cli_ask *ask, const char *op, json_t **ret_reply) NODISCARD;
/* The same without a word when the agent does not answer. */
int cli_ask_op_quietly(const struct cli_ask *ask, const char *op, struct errmsg *ret_why,
                       json_t **ret_reply) NODISCARD;
/* An operator's command; node NULL = none named. CLI_FAILED if it was refused. What the leader says
 * is in ret_text in both cases (may be cut). */
int cli_ask_command(const struct cli_ask *ask, const char *kind, const char *node, bool flag,
                    struct errmsg *ret_text) NODISCARD;
/* An order to this node's agent alone: begin the quorum anew. */
int cli_ask_rebuild(const struct cli_ask *ask, bool accepted, struct errmsg *ret_text) NODISCARD;
/* An order to replace the data of a node. */
struct cli_copy {
    const char *kind; /* reclone, join */
    const char *node;
    const char *from; /* NULL: the leader chooses */
    bool cancel;      /* it is taken back */
};
int cli_ask_copy(const struct cli_ask *ask, const struct cli_copy *copy,
                 struct errmsg *ret_text) NODISCARD;
/* A whole command line that is one such command: asks, prints, and waits until `is_done` says that
 * this node's status shows it: an order that was accepted may still lose against another one. */
typedef bool (*cli_is_done_fn)(const json_t *status, const char *node, bool flag);
int cli_ask_simple(const struct cli *cli, const char *kind, const char *node, bool flag,
                   cli_is_done_fn is_done);

/* Members of JSON objects, with what is to be taken if they are missing or null. */
const char *json_member_text(const json_t *object, const char *key, const char *otherwise);
int64_t json_member_number(const json_t *object, const char *key, int64_t otherwise);
bool json_member_is(const json_t *object, const char *key);
/* Element of "nodes" with that name, NULL if there is none. */
const json_t *json_member_node(const json_t *status, const char *name);
/* "a, b, c" of an array of strings. Returns buf. */
const char *json_member_list(const json_t *object, const char *key, char *buf, size_t size);

int64_t cli_now_ms(void);
void cli_sleep_ms(unsigned ms);
/* Colours and control sequences are wanted: a terminal, and no NO_COLOR. */
bool cli_is_terminal(FILE *out);

#endif
