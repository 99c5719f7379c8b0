/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator does for an upgrade or a changed cluster file (docs/operations.md): each agent
 * is stopped in order, as systemd does it (SIGTERM, and SIGKILL when that takes too long), and
 * started again; one after the other, or all of them stopped before the first is started. An agent
 * that does not run is left to whoever starts it.
 */
#ifndef TANDEM_SIM_ROLLOUT_H
#define TANDEM_SIM_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

struct stage;

/* Of a stage; zeroed: nothing is going on. */
struct rollout {
    uint32_t left;     /* agents whose turn has not come */
    uint32_t stopping; /* told to stop */
    bool together;     /* none is started before all have ended */
    int64_t gap_us;    /* between the start of one and the stop of the next */
    int64_t next_us;
    int64_t kill_us;
};

/* Of all agents; what is left of an earlier one is part of it. gap_ms: between one and the next. */
void rollout_begin(struct stage *s, bool together, int64_t gap_ms);
/* After every millisecond. */
void rollout_run(struct stage *s);
/* The others are left alone from now on. */
void rollout_only(struct stage *s, uint32_t nodes);

#endif
