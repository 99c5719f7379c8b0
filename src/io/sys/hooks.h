/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the node's state to scripts written for Keepalived, and to a file. It does not know what
 * the states mean.
 *
 * Scripts: the one of the state (notify_master and the like) as it is written, then the one of all
 * states (notify) with TYPE NAME STATE PRIORITY after its own arguments: command lines for
 * /bin/sh -c, in a session (process group) of their own, without stdin, their output to the log.
 * One at a time, in order, each state's as often as it was told: what comes while one runs waits,
 * up to HOOK_WAITING_MAX states. Of more the oldest that waits is skipped and told: whoever is last
 * in the queue is the state that holds, and a script far behind is news of the past. A script that
 * runs longer than the limit is killed with its group.
 *
 * File: one word and a line break, replaced atomically (a reader sees the old word or the new one),
 * on the thread pool, because even a rename can hang; latest state wins there too.
 *
 * Failure modes: script missing, not executable, exit status not 0, killed -> `hook-failed`, and
 * the next state is told all the same; file cannot be written -> `state-file-failed`.
 *
 * Log ids: hook-started (debug), hook-done, hook-failed, hook-output, hook-skipped,
 * state-file-failed.
 */
#ifndef TANDEM_IO_SYS_HOOKS_H
#define TANDEM_IO_SYS_HOOKS_H

#include <stdint.h>
#include <uv.h>

#include "util/err.h"
#include "util/log.h"
#include "wire/limits.h"

#define HOOK_STATE_MAX 24
#define HOOK_WAITING_MAX 8

#define HOOK_COMMANDS_MAX 8
#define HOOK_COMMAND_MAX 1024

struct hooks;

struct hook_command {
    const char *state;   /* NULL ends the list */
    const char *command; /* "" = none */
};

/* Copied by hooks_open. */
struct hooks_config {
    uv_loop_t *loop;
    struct log log;
    const char *script; /* "" = none */
    struct hook_command of_state[HOOK_COMMANDS_MAX];
    const char *state_file; /* "" = none */
    const char *type;       /* INSTANCE, GROUP */
    const char *name;
    unsigned priority;
    uint32_t timeout_ms;
};

/* ERR_NOMEM, ERR_IO. Nothing is run yet. */
int hooks_open(const struct hooks_config *config, struct errmsg *msg,
               struct hooks **ret_hooks) NODISCARD;
/* state: MASTER, BACKUP, FAULT, STOP ... Nothing happens if it is the last one told. */
void hooks_state(struct hooks *hooks, const char *state);
/* Waits up to grace_ms for what runs and for the last state that waits (the others are skipped:
 * their scripts would eat its time), then kills; done() comes from the loop and `hooks` is freed
 * then. No hooks_state() after this. */
void hooks_close(struct hooks *hooks, uint32_t grace_ms, void (*done)(void *data), void *data);

#endif
