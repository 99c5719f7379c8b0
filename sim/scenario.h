/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run as data: a cluster, and what is done to it and expected of it, in order. The same value
 * comes from a file (tests/scenarios/, the language is in docs/design/simulation.md), from a seed
 * (sim/plan.h), from the shrinker and from the exploration of small worlds; what one of them makes
 * can be written as a file.
 *
 * Time 0 is when the cluster has formed. Statements are carried out in their order, each when its
 * time has come.
 */
#ifndef TANDEM_SIM_SCENARIO_H
#define TANDEM_SIM_SCENARIO_H

#include <stdio.h>

#include "sim/phrase.h"

#define STATEMENTS_MAX 512
#define SCENARIO_NAME_MAX 128

enum statement_kind { STATEMENT_ACTION, STATEMENT_EXPECT };
/* When it is carried out. */
enum statement_when {
    WHEN_NOW,    /* right after the one before it */
    WHEN_AT,     /* so long after time 0 */
    WHEN_AFTER,  /* so long after the one before it */
    WHEN_EFFECT, /* when so many effects have been carried out since the one before it */
};
/* How long it is expected. */
enum statement_how { HOW_NOW, HOW_WITHIN, HOW_FOR };

struct statement {
    unsigned line; /* of the file; 0 = of none */
    uint8_t kind;  /* enum statement_kind */
    uint8_t when;  /* enum statement_when */
    uint8_t how;   /* enum statement_how */
    bool asked;    /* of an order: the agent it is given to is named */
    struct target asked_at;
    unsigned index;   /* row of actions.def or conditions.def */
    int64_t when_arg; /* ms, or effects */
    int64_t how_ms;
    struct phrase_args args;
};

#define SCENARIO_BREACH_MAX 8

struct scenario {
    char name[SCENARIO_NAME_MAX]; /* file, or seed */
    uint64_t seed;                /* of the world's own chance: latencies, coins */
    bool drawn; /* by a seed: time 0 is when there is a writer, an action that finds nothing to do
                   is none */
    char breach[SCENARIO_BREACH_MAX]; /* the promise that is to be broken; "" = none */
    bool in_lab;                      /* also run on real servers by tests/system */
    struct cluster_config cfg;
    unsigned n_statements;
    struct statement statements[STATEMENTS_MAX];
};

/* Whole text of a file. 0, or ERR_*; msg says NAME:LINE and what is allowed. */
int scenario_read(struct scenario *s, const char *name, const char *text,
                  struct errmsg *msg) NODISCARD;
void scenario_write(const struct scenario *s, FILE *f);
/* One statement as it would stand in a file. */
void statement_write(const struct statement *st, const struct cluster_config *cfg, char *buf,
                     unsigned size);
/* JSON, for tests/system/test_scenarios.py. */
void scenario_write_json(const struct scenario *s, FILE *f);

/* Building by hand; NULL: full. */
struct statement *scenario_add(struct scenario *s, enum statement_kind kind, unsigned index);
/* An action at that time; there must be room. */
struct statement *scenario_add_at(struct scenario *s, unsigned action, int64_t at_ms);

#endif
