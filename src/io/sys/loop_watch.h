/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices that the loop stood still: the process was stopped, starved or swapped out, the host was
 * suspended (CLOCK_BOOTTIME counts that), or a handler took too long. After it, what the program
 * knows is old, and the core must be told before it judges anything else.
 *
 * Two measures: from the end of the poll until the next poll (handlers), and how much later than
 * the next timer the poll ended (the process did not run). The second one sees only as far as the
 * next timer is away, so the loop should always have one.
 *
 * libuv calls the handlers of descriptors before those of uv_check: the first handler after a
 * standstill would act on old knowledge. Therefore whoever hands events to the core calls
 * loop_watch_look() first.
 */
#ifndef TANDEM_IO_SYS_LOOP_WATCH_H
#define TANDEM_IO_SYS_LOOP_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* The loop stood still for stall_us until now. May be called inside loop_watch_look(). */
typedef void (*loop_watch_fn)(void *data, int64_t stall_us);

struct loop_watch {
    uv_prepare_t prepare;
    uv_check_t check;
    int64_t limit_us;
    loop_watch_fn on_stall;
    void *data;
    int64_t due_us; /* inside the poll: when it should end at the latest; 0 = no timer */
    int64_t
        busy_us; /* outside: since when handlers run, stalls already told left out; 0 = not yet */
    bool polling;
    unsigned open_handles;
    void (*done)(void *data);
    void *done_data;
};

/* Microseconds of CLOCK_BOOTTIME: the program's only clock for decisions. */
int64_t clock_boot_us(void);
/* Milliseconds of UTC, for people. */
int64_t clock_wall_ms(void);

/* Embedded by the caller; does not keep the loop alive. Cannot fail. */
void loop_watch_start(struct loop_watch *w, uv_loop_t *loop, int64_t limit_us,
                      loop_watch_fn on_stall, void *data);
/* Tells a standstill that is not told yet. Cheap. */
void loop_watch_look(struct loop_watch *w);
void loop_watch_close(struct loop_watch *w, void (*done)(void *data), void *data);

#endif
