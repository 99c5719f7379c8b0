/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that a copying process runs (mariadb-backup, mbstream, a MySQL server). Blocking. They
 * die with it, and their complaints go to a file, whose last line explains a failure.
 */
#ifndef TANDEM_IO_CLONE_CLONE_PIPE_H
#define TANDEM_IO_CLONE_CLONE_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/err.h"

enum clone_pipe_kind {
    CLONE_PIPE_NONE,
    CLONE_PIPE_READ, /* we read its output */
    CLONE_PIPE_WRITE /* we write its input */
};

struct clone_pipe {
    pid_t pid;
    int fd; /* ours; -1 = none */
};

struct clone_pipe_config {
    char *const *argv; /* found in PATH */
    enum clone_pipe_kind kind;
    int pass_fd;          /* also given to it; -1 = none */
    const char *log_file; /* gets its stderr (and its output, if it is not read) appended */
    const char *name;     /* for messages */
    const char *missing;  /* what to do where there is no such program */
    bool drops;           /* it runs as uid and gid, without other groups */
    uid_t uid;
    gid_t gid;
};

/* ERR_NOTFOUND: no such program. ERR_IO. */
int clone_pipe_start(const struct clone_pipe_config *c, struct clone_pipe *ret_pipe,
                     struct errmsg *m) NODISCARD;
/* Closes our end and waits for its end. ERR_IO: it failed; the message has its last words. */
int clone_pipe_wait(struct clone_pipe *p, const struct clone_pipe_config *c,
                    struct errmsg *m) NODISCARD;
void clone_pipe_kill(struct clone_pipe *p);
/* It has ended by itself; clone_pipe_wait() does not block then. */
bool clone_pipe_is_over(const struct clone_pipe *p);

/* For the start of a copying process: it dies when the process that started it does. */
void clone_pipe_die_with_parent(void);
/* A configuration file without a name for a client program: "/dev/fd/N" of *ret_fd. */
int clone_pipe_secret(const char *text, int *ret_fd) NODISCARD;

#endif
