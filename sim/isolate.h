/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in processes of their own: an assertion that fails, or a loop that does not end, is one
 * failed run and not the end of all. Used by the driver (sim/main.c) only; the world itself knows
 * no processes.
 */
#ifndef TANDEM_SIM_ISOLATE_H
#define TANDEM_SIM_ISOLATE_H

#include "sim/stage.h"

/* One run; what kills it is its outcome, under the id `crash` or `endless`. */
void isolate_run(const struct scenario *s, struct outcome *ret_outcome);

struct isolate_result {
    uint64_t seed;
    struct outcome outcome;
};

struct isolate_seeds {
    void (*draw)(uint64_t seed, struct scenario *ret_scenario);
    uint64_t first, last;
    unsigned jobs; /* processes at a time */
};

/* Draws and runs the seeds first .. last. `done` is called in their order. */
void isolate_seeds(const struct isolate_seeds *which,
                   void (*done)(void *data, const struct isolate_result *result), void *data);

#endif
