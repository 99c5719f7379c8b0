/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database server's process on this host: finds it by its pid file, watches it with a pidfd,
 * starts it, kills it, tells how it ended. It does not speak SQL and does not decide.
 *
 * Happy path: process_open -> pid file found and checked (comm mysqld or mariadbd, working
 * directory = data_dir, so that a recycled pid is not taken for ours) -> on_started -> pidfd
 * readable -> on_died within a millisecond. While there is no process the pid file is looked at
 * every 100 ms (and every 5 ms while process_job_start is starting one).
 *
 * Failure modes: stale pid file -> no process; start command fails -> JOB_FAILED with the last line
 * of its output; command ends well and no process is at home in data_dir five seconds later ->
 * JOB_FAILED; command never ends (it runs the server in the foreground) -> fine, the pid file
 * tells; kill leaves a zombie because its parent does not reap it -> done, said in detail.
 *
 * The server is not our child as a rule, so its exit status is not known: how it ended is read from
 * its error log (enum process_end).
 */
#ifndef TANDEM_IO_SYS_PROCESS_H
#define TANDEM_IO_SYS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "util/err.h"
#include "util/log.h"
#include "wire/job.h"
#include "wire/server.h"
#include "wire/starts.h"

/* How a run of the server ended. SHUTDOWN: a shutdown had at least begun (SIGTERM, SHUTDOWN, host
 * shutdown): it may have acknowledged commits that nobody else has (docs/design/in-sync.md),
 * whether or not it was killed in the end. UNKNOWN (no readable error log) must be treated alike.
 */
enum process_end { PROCESS_END_CRASH, PROCESS_END_SHUTDOWN, PROCESS_END_UNKNOWN };

struct process_callbacks {
    void *data;
    void (*on_started)(void *data, const struct incarnation *incarnation);
    void (*on_died)(void *data, const struct incarnation *incarnation, enum process_end end);
    /* The first look found no server: how its last run ended. At most once. NULL = not told. */
    void (*on_absent)(void *data, enum process_end end);
    /* Exactly once per started job. */
    void (*on_job)(void *data, uint64_t id, const struct job_result *result,
                   const struct incarnation *incarnation);
};

#define PROCESS_COMMAND_MAX 1024

/* Copied by process_open. */
struct process_config {
    uv_loop_t *loop;
    struct log log;
    char pid_file[PATH_TEXT_MAX];
    char data_dir[PATH_TEXT_MAX];            /* "" = not checked */
    char error_log[PATH_TEXT_MAX];           /* "" = none: ends are UNKNOWN */
    char start_command[PROCESS_COMMAND_MAX]; /* for /bin/sh -c; "" = JOB_START is refused */
    /* File that gets the command's output; "", or if it cannot be opened: /dev/null. Begun anew
     * where it has grown beyond 256 KiB. */
    char start_output[PATH_TEXT_MAX];
    struct process_callbacks callbacks;
};

struct process;

/* Looks for the server at once; on_started comes from the loop, never from in here. ERR_INVAL,
 * ERR_NOMEM, ERR_IO. */
int process_open(const struct process_config *config, struct errmsg *ret_errmsg,
                 struct process **ret_process) NODISCARD;
/* Stops watching (neither server nor start command is touched); a running job ends (JOB_FAILED)
 * before `done`, then *process is freed. */
void process_close(struct process *process, void (*done)(void *data), void *data);

/* The process that is being watched; all zero if there is none. */
struct incarnation process_incarnation(const struct process *process);

/*
 * JOB_START: runs the start command in a session of its own (it survives us); done when the pid
 * file names a live server, at once if there is one. It does not wait until the server answers. A
 * server that was seen to come and to end before that fails it (JOB_FAILED).
 * JOB_KILL: SIGKILL; done when /proc/PID is gone (on_died comes before), at once if there is no
 * server. ERR_INVAL for another kind, ERR_BUSY while a job of the same kind runs: no callback then.
 * A KILL ends a running START (JOB_FAILED).
 */
int process_job_start(struct process *process, uint64_t id, const struct job *job) NODISCARD;

/* What the server has said, in its error log, of the last start that was asked for here: at most
 * its last 64 KiB. ret->failed stays. Blocking file I/O. */
void process_start_words(const struct process *process, struct starts *ret);

/* How did the last run in the log end? What was written before its start belongs to runs before it.
 * Reads at most the last 64 KiB; where they show no start, it is what stands after `offset`, the
 * size of the log when the run was first seen (0: all). Blocking file I/O; a rotated (shorter) log
 * is read from its start. */
enum process_end process_end_from_log(const char *error_log, uint64_t offset);

/* Incarnation of a live pid from /proc; ERR_NOTFOUND if there is none. */
int process_incarnation_read(uint32_t pid, struct incarnation *ret_incarnation) NODISCARD;

#endif
