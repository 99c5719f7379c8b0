/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process asks of the kernel, so that a heartbeat is not late: real-time priority, locked
 * memory, protection from the out-of-memory killer; and that a dead reader is no reason to die.
 * What is not allowed is a warning that says what to do, and the program goes on.
 *
 * Children get none of it: SCHED_RESET_ON_FORK takes the priority off, locked memory does not
 * survive exec. oom_score_adj IS inherited: whoever spawns resets it (PRIVILEGES_SHELL_RESET).
 * All threads of the process get the same priority, so the threads of libuv's pool must exist when
 * this is called (one uv_queue_work() makes them); one that came later would have none, and the
 * loop would wait for it for ever.
 *
 * Log ids: realtime-refused, memlock-refused, oom-refused, privileges (what was got).
 */
#ifndef TANDEM_IO_SYS_PRIVILEGES_H
#define TANDEM_IO_SYS_PRIVILEGES_H

#include <stdbool.h>

#include "util/log.h"

/* For /bin/sh -c before a child's own command: an agent that is never killed must not hand that on
 * to a mysqld or a hook. Raising the value is always allowed. */
#define PRIVILEGES_SHELL_RESET "echo 0 2>/dev/null >/proc/self/oom_score_adj; "

enum privilege {
    PRIVILEGE_REALTIME = 1u << 0,
    PRIVILEGE_MEMLOCK = 1u << 1,
    PRIVILEGE_OOM = 1u << 2,
};

/* Asks for what is wanted (bits of enum privilege) and returns what was got. Once per process, when
 * the pool's threads exist. Also: SIGPIPE ignored, soft limit of core dumps 0 (passwords are in
 * memory; children may raise it again). */
unsigned privileges_apply(unsigned wanted, const struct log *log);

/*
 * Gives back what only the start needed of the libraries: the linker has read all their symbols,
 * and their initialisation most of their code. These pages are clean and belong to files; those
 * that are used again come back from the page cache one by one, and are locked again if `got` (the
 * result of privileges_apply()) says so. Code of the program itself and everything writable stay.
 * For a time when start and first connections are over; blocks for about a millisecond.
 */
void privileges_settle(unsigned got, const struct log *log);

#endif
