/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a scenario: the world, and what an operator and systemd would do beside it (start
 * agents again, end what was begun). Deterministic: the same scenario, the same run.
 */
#ifndef TANDEM_SIM_STAGE_H
#define TANDEM_SIM_STAGE_H

#include <stdio.h>

#include "sim/rollout.h"
#include "sim/scenario.h"
#include "sim/world.h"

#define OUTCOME_ID_MAX 96
#define OUTCOME_TEXT_MAX 320

struct outcome {
    bool failed;
    bool idle;               /* because an action found nothing to do */
    char id[OUTCOME_ID_MAX]; /* which promise, without names and numbers: equal for the same failure
                              */
    char text[OUTCOME_TEXT_MAX];
    unsigned statement; /* at which it failed; n_statements if none */
    int64_t at_ms;
    uint64_t acks;
    unsigned effects; /* that count for `at effect`, since time 0 */
};

struct stage {
    const struct scenario *scenario;
    struct cluster_config cfg; /* as it is now on all hosts: an action may change it */
    struct world *w;
    struct world_faults faults;
    unsigned it;         /* node of the previous action */
    uint32_t restarting; /* agents that are to be started when they have ended */
    uint32_t kept;       /* nodes of the last repair: their agents are started whenever they end */
    struct rollout rollout;
    bool is_demonstrated; /* the breach that the scenario is about has happened */
    bool by_hand;         /* something was done that may make a node unmendable */
    bool vip, direct;     /* clients */
    bool quiet;           /* clients are held back while the servers are compared */
    int64_t vouched_us;   /* of a pair: an operator's last order that stands in for a proof */
    int64_t start_us;
    int64_t action_us; /* the previous action */
    int64_t outage_us; /* longest time without an acknowledgement since then */
    unsigned effects;  /* since time 0 */
    FILE *trace;       /* NULL = none */
    struct effect_watch {
        const struct statement *statement; /* carried out at the effect; NULL = none */
        unsigned at;
        bool done, failed;
    } watch;
};

/* Runs it from the beginning to its end or first failure. trace: the story, NULL for none. */
void stage_run(const struct scenario *s, FILE *trace, struct outcome *ret_outcome);

/* For actions and conditions. */
uint32_t stage_nodes(const struct stage *s, const struct target *t); /* mask */
unsigned stage_node(const struct stage *s, const struct target *t);  /* first of them; NODE_NONE */
void stage_write_clients(struct stage *s);
void stage_story(struct stage *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
