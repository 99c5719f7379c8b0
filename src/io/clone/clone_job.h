/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copying process of the agent: this very program, started with a word as its only argument, its
 * order on its standard input, telling how it gets on by lines on its standard output. One at a
 * time. It is a process of its own because it moves as many bytes as disk and network carry, which
 * must not delay the agent's one thread; it dies with the agent (the child sees to that).
 *
 * Failure modes: cannot be started -> ERR_IO; ends without having said how -> on_end's status;
 * a line that is too long is dropped.
 */
#ifndef TANDEM_IO_CLONE_CLONE_JOB_H
#define TANDEM_IO_CLONE_CLONE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "util/err.h"

#define CLONE_LINE_MAX 4096

struct clone_job;

struct clone_job_callbacks {
    void *data;
    void (*on_line)(void *data, const char *line);
    /* Last call of a process: its exit status, 128 + signal if it was killed. */
    void (*on_end)(void *data, int status);
};

int clone_job_open(uv_loop_t *loop, const struct clone_job_callbacks *callbacks,
                   struct clone_job **ret_job) NODISCARD;
/* ERR_BUSY while one runs, ERR_IO. The order is copied; it may hold secrets. */
int clone_job_start(struct clone_job *job, const char *word, const void *order, size_t len,
                    struct errmsg *m) NODISCARD;
bool clone_job_is_busy(const struct clone_job *job);
/* SIGKILL to the process and what it has started; on_end comes. */
void clone_job_kill(struct clone_job *job);
/* Kills; done(data) comes from the loop, `job` is freed then. No other callback comes any more. */
void clone_job_close(struct clone_job *job, void (*done)(void *data), void *data);

#endif
