/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of `tandem check`: every precondition of every node as a row of check.def, judged over
 * what the agents report, and over what a command sees of the host that it runs on. Pure; changes
 * nothing and is not asked by any decision.
 *
 * What a check needs and nobody knows makes it UNKNOWN, never OK; what a node does not have (a
 * witness no server) makes it NONE.
 */
#ifndef TANDEM_CORE_CHECK_H
#define TANDEM_CORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/config.h"
#include "wire/host.h"
#include "wire/report.h"

struct core;

enum check_level {
    CHECK_NONE, /* not for this node */
    CHECK_OK,
    CHECK_UNKNOWN,
    CHECK_WARNING,
    CHECK_FAULT,
    CHECK_LEVEL_COUNT
};

enum check_of {
    OF_ANY,
    OF_AGENT,     /* a node with an agent: a pair's further servers have none */
    OF_SERVER,    /* a node with a server */
    OF_CANDIDATE, /* a node that may be the writer */
};

enum check_need {
    NEED_AGENTS, /* an agent was asked about the others */
    NEED_REPORT, /* a fresh report of the node */
    NEED_FACTS,  /* its server's facts, by an agent or by a look of our own */
    NEED_HOST,   /* its host's facts */
    NEED_LOCAL,  /* somebody on the host itself */
    NEED_LOGIN,  /* ... whom the server let in */
};

/* What only somebody on the host sees, with the agent's password. Texts: "" = nothing is wrong,
 * else what is. */
struct check_local {
    bool root;
    bool login; /* the server let the agent's account in */
    char file_doubts[320];
    char timing[320];
    char files[320];    /* certificate and key */
    char nftables[160]; /* why the kernel refuses */
    char ports[160];    /* that are taken; "" while the agent runs */
    char refused[320];  /* why the server did not let us in */
    bool grants;        /* known, for the next two */
    char privileges[320];
    char cure_privileges[160];
    char paths[320];
    char salvage_program[64]; /* that this host lacks */
    int replication_accounts; /* how many; -1 = not known */
    int64_t engines;          /* tables of other engines; -1 = not known */
    int64_t connect_errors;   /* as in wire/survey.h */
    bool powers_known;
    char powers[320]; /* as in wire/survey.h */
};

struct check_node {
    const struct report *report; /* NULL: none, or not of this moment */
    const struct server_facts *facts;
    const struct host_facts *host;
    const struct check_local *local;
    bool skew_known;
    int64_t skew_ms; /* its clock against ours */
};

struct check_world {
    const struct cluster_config *cfg;
    bool asked;          /* an agent was */
    uint64_t digest;     /* of the file of whoever asks */
    const char *version; /* of the program of whoever asks */
    unsigned writer;     /* NODE_NONE: none, or not known */
    struct check_node nodes[NODES_MAX];
};

struct check_row {
    const char *id;
    enum check_of of;
    enum check_need need;
    enum check_level level;
    const char *asked; /* a question; yes is right */
    const char *why;
    const char *fix;
};

/* NULL behind the last. */
const struct check_row *check_row(unsigned i);
/* *ret_detail: what is wrong, or what is not known; "" if nothing more is to be said. */
enum check_level check_judge(const struct check_world *w, unsigned node, unsigned row,
                             struct errmsg *ret_detail);
const char *check_level_text(enum check_level level);

/* What the agent of this core knows; pointers into it. */
void check_of_core(const struct core *core, struct check_world *ret_world);

#endif
