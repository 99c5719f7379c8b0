/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard of the local server (docs/design/fence.md): what becomes of a server that is writable
 * although this node may not let it be. The kernel's lease has closed the door before anything here
 * runs; this decides about mysqld. Never SIGTERM, KILL of sessions, or semi-sync off: each of them
 * acknowledges what nobody else has.
 */
#ifndef TANDEM_CORE_FENCE_H
#define TANDEM_CORE_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rules.h"

struct core;
struct local_task;
struct job_result;

enum fence_verdict { FENCE_LEAVE, FENCE_HOLD, FENCE_CLOSE, FENCE_KILL, FENCE_VERDICT_COUNT };

struct fence {
    int64_t open_since_us; /* the server is writable without permission since; 0 = it is not */
    int64_t close_not_before_us;
    bool close_failed; /* the gentle way was tried and did not work */
};

extern const struct rule_table fence_table;

/* A commit on this node could end without anybody else holding it. */
bool fence_is_alone(const struct core *core);
void fence_run(struct core *core);
void fence_on_job(struct core *core, const struct local_task *task,
                  const struct job_result *result);

#endif
