/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of the commands. cli_main() finds the command in cli.def, reads its options and calls
 * cmd_NAME(). A command gets everything from struct cli, writes its result to cli->out and
 * complaints to cli->err, and returns an exit status; it never calls exit().
 *
 * To add a command: a COMMAND row and its OPTION rows in cli.def, and cmd_NAME.c in src/cli (or in
 * src/app, if it needs more than this folder may include).
 */
#ifndef TANDEM_CLI_CLI_H
#define TANDEM_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "util/err.h"
#include "wire/config.h"

/* Exit status of every command; said by --help. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,  /* it did not work, or the answer is no */
    CLI_USAGE = 2,   /* wrong options or arguments */
    CLI_NO_AGENT = 3 /* the agent of this node does not answer */
};

#define CLI_VALUES_MAX 256
#define CLI_CONFIG_DEFAULT "/etc/tandem/tandem.conf"

struct adopt_order;
struct repoint_order;

/* What lives in layers that commands may not include; given by the program's main(). */
struct cli_services {
    /* Judges the arbiter's timing. *ret_sentence: margin and slack if it is 0, else what is wrong.
     */
    int (*timing_check)(const struct cluster_config *c, struct errmsg *ret_sentence);
    int (*create_ca)(const char *dir, const char *cluster, struct errmsg *msg);
    int (*create_node)(const char *dir, const char *cluster, const char *node, const char *address,
                       struct errmsg *msg);
    /* Runs until it is asked to stop; the exit status. */
    int (*run_agent)(const struct cluster_config *c, unsigned node);
    /* Looks on until it is asked to stop (app/shadow.h); the exit status. */
    int (*run_shadow)(const struct cluster_config *c, const char *user, const char *password_file,
                      const char *record);
    /* The kernel's lease without an end, or no tables at all (app/hold.h). */
    int (*hold)(const struct cluster_config *c, unsigned node, bool off, struct errmsg *ret_why);
    /* Surveys a running topology and, with order->gtid, turns GTID on in it; blocks. The cluster
     * file goes to order->out or `out`, everything else to `err`. True if it worked. */
    bool (*adopt)(const struct adopt_order *order, FILE *out, FILE *err);
    /* Puts a replica under another server, while no agent runs (app/repoint.h); blocks. Every word
     * goes to `err`. True if it worked. */
    bool (*repoint)(const struct repoint_order *order, FILE *err);
    /* True if this host's server says that nobody can write and no commit is on its way. Blocks
     * for some seconds at most. */
    bool (*server_is_closed)(const struct config_node *n);
    /* This host's part of the checks, as {"nodes":[{"name","checks":[...]}]} (app/check_host.h). */
    json_t *(*check_host)(const struct cluster_config *c, unsigned node, const char *path,
                          bool agent_runs);
    /* 0: the rewind that made the salvage in the directory `dir` can be undone; else *ret_why. */
    int (*salvage_check)(const struct config_node *n, const char *dir, struct errmsg *ret_why);
    /* Undoes it; what was done, or why not, is in *ret_text. */
    int (*salvage_restore)(const struct config_node *n, const char *dir, struct errmsg *ret_text);
};

struct cli_value {
    const char *name;  /* option */
    const char *value; /* "" for a switch */
};

struct cli {
    const struct cli_services *services;
    FILE *out;
    FILE *err;
    const char *command;
    struct cli_value values[CLI_VALUES_MAX]; /* options in the order of the command line */
    unsigned n_values;
    char **args; /* arguments behind the command that are no options */
    int n_args;
};

/* Runs the command line; returns the exit status. */
int cli_main(int argc, char **argv, const struct cli_services *services, FILE *out, FILE *err);

/* Last value of an option, NULL if it is not there. */
const char *cli_option(const struct cli *cli, const char *name);
/* Each value of an option: begin with *position = 0; NULL behind the last. */
const char *cli_option_next(const struct cli *cli, const char *name, unsigned *position);
/* "tandem COMMAND: ..." on cli->err; the value for the command to return. */
int cli_usage(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
int cli_fail(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *cli_config_path(const struct cli *cli);
/* Reads the cluster file of --config; CLI_OK, or CLI_FAILED with everything that is wrong on
 * cli->err. Warnings are not told: `tandem config check` does. */
int cli_config(const struct cli *cli, struct cluster_config *ret_config) NODISCARD;
/* Which node this is: --node, or the node of this host's name (full, or up to its first dot), or of
 * one of its addresses. CLI_OK, or CLI_USAGE with the reason on cli->err. */
int cli_node(const struct cli *cli, const struct cluster_config *c, unsigned *ret_node) NODISCARD;
/* The same without a word, NODE_NONE if it is not known. */
unsigned cli_node_find(const struct cli *cli, const struct cluster_config *c);

#define COMMAND(name, arguments, help) int cmd_##name(struct cli *cli);
#define OPTION(command, name, argument, help)
#include "cli/cli.def"
#undef COMMAND
#undef OPTION

#endif
