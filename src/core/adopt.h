/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running topology becomes a cluster: which server is the writer, which are candidates, and what
 * stands against managing each of them. Pure, over struct survey; for `tandem adopt`, which tells
 * everything that comes out and changes nothing.
 */
#ifndef TANDEM_CORE_ADOPT_H
#define TANDEM_CORE_ADOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/limits.h"
#include "wire/survey.h"

struct adopt_role {
    int role;          /* enum config_role */
    uint32_t priority; /* of a candidate */
    const char *why;   /* sentence */
};

/* Who is what. `doubtful` sentences are for the operator to settle. */
struct adopt_plan {
    unsigned writer;
    const char *writer_why;
    bool writer_doubtful;
    struct adopt_role roles[SURVEY_SERVERS_MAX];
    bool candidates_doubtful; /* the standby was guessed */
};

/* Sets servers[].source from the addresses of the channels (a server's other address counts). */
void adopt_link(struct survey *survey);
/* Drops from the lost those that were only guessed from a session reading the binlog of a server
 * all of whose readers are known: they came from a second address of their hosts. After
 * adopt_link(). */
void adopt_settle_lost(struct survey *survey);
/* Sources between a server and the root, which ends a ring; at most survey->n. */
unsigned adopt_depth(const struct survey *survey, unsigned root, unsigned server);
/* chosen: the writer that an operator named; NODE_NONE. After adopt_link(), of one server at least.
 */
void adopt_draw(const struct survey *survey, unsigned chosen, struct adopt_plan *ret_plan);

/* What stands against managing a server, and what to do about it. */
struct adopt_finding {
    const char *id; /* stable, kebab-case */
    bool grave;     /* the agent cannot, or must not, manage the server like this */
    char text[320];
};

/* Each id once at most. */
#define ADOPT_FINDINGS_MAX 32

/* Returns how many. */
unsigned adopt_findings(const struct survey *survey, const struct adopt_plan *plan, unsigned server,
                        struct adopt_finding ret_findings[ADOPT_FINDINGS_MAX]);

#endif
