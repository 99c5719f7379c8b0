/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer whose server was shut down, and does not start here any more: on a file system that
 * became read-only, InnoDB aborts, and the error log says "Normal shutdown" all the same.
 *
 * Such a server may have told clients of commits that nobody else has, so nobody takes over from it
 * (writer/20, lead/110). But whatever it told of is in its binary log (sync_binlog = 1), which can
 * be read without it. When a member of the in-sync set, and every other one, has received all that
 * stands there, it does not matter how the server ended: it counts as killed, and the member may
 * take over. What members have received only grows while they are members in their proven run.
 *
 * Looked for after a start here has failed: before that, starting is the shorter way.
 */
#ifndef TANDEM_CORE_ENDING_H
#define TANDEM_CORE_ENDING_H

#include <stdbool.h>
#include <stdint.h>

struct core;

struct ending {
    int ask;               /* JOB_BEYOND to this node; ASK_NONE */
    int64_t not_before_us; /* the next one */
};

/* Once per step of a leader whose barrier is done. */
void ending_run(struct core *core);

#endif
