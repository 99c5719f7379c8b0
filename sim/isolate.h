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
    uint64_t number;
    struct outcome outcome;
};

struct isolate_batch {
    /* Both get `data`: `draw` in a child, `done` in the parent, in the order of the numbers. */
    void (*draw)(void *data, uint64_t number, struct scenario *ret_scenario);
    void (*done)(void *data, const struct isolate_result *result);
    void *data;
    uint64_t first, last; /* first <= last */
    unsigned jobs;        /* processes at a time, 1 .. 64 */
};

/* Draws and runs the scenarios first .. last, many of them in one process as long as none ends it.
 */
void isolate_many(const struct isolate_batch *batch);

#endif
