/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one clock of a simulated world and everything that is due on it: a heap of timers that their
 * owners embed. Equal times run in the order in which they were set, so the same calls make the
 * same run. Times are microseconds of true time; what a host believes is sim/clock.h.
 */
#ifndef TANDEM_SIM_TIMERS_H
#define TANDEM_SIM_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NEVER INT64_MAX

struct sim_timer {
    int64_t at_us;
    uint64_t order;
    void (*fn)(void *data);
    void *data;
    size_t place; /* in the heap, from 1; 0 = not set */
};

struct sim_timers {
    int64_t now_us;
    uint64_t order;
    size_t n;
    size_t size;
    struct sim_timer **heap;
};

void sim_timers_init(struct sim_timers *t, int64_t now_us);
/* Forgets all that are set. */
void sim_timers_release(struct sim_timers *t);

void sim_timer_init(struct sim_timer *timer, void (*fn)(void *data), void *data);
/* Also if it is set already. A time that has passed means now; SIM_NEVER stops it. fn() may set it
 * again, or free it. */
void sim_timer_set(struct sim_timers *t, struct sim_timer *timer, int64_t at_us);
void sim_timer_stop(struct sim_timers *t, struct sim_timer *timer);
bool sim_timer_is_set(const struct sim_timer *timer);

/* Of the next one; SIM_NEVER. */
int64_t sim_timers_next_us(const struct sim_timers *t);
/* Moves the clock to the next one and runs it; there must be one. */
void sim_timers_run_next(struct sim_timers *t);
/* Runs what is due until then, in order, and leaves the clock there. */
void sim_timers_run(struct sim_timers *t, int64_t until_us);

#endif
