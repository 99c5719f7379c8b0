/* SPDX-License-Identifier: Apache-2.0 */
#include "app/copy_child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/clone/clone_pipe.h"
#include "io/store/binlog_files.h"

#define COPY_NICE 10
#define COPY_FULLER_PERCENT 105 /* the copy's own redo log, and what grows meanwhile */

/* A line; nobody reads any more: the agent has ended, and so does this. */
void copy_tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (vprintf(fmt, ap) < 0 || putchar('\n') == EOF || fflush(stdout) != 0)
        _exit(1);
    va_end(ap);
}

void copy_log_path(const struct copy_order *o, char ret_path[CLONE_PATH_MAX])
{
    (void)snprintf(ret_path, CLONE_PATH_MAX, "%s/reclone.log", o->work_dir);
}

int copy_check_room(const struct copy_order *o, const struct clone_dir *d, uint64_t bytes,
                    struct errmsg *m)
{
    uint64_t room;
    uint64_t need = bytes / 100 * COPY_FULLER_PERCENT + ((uint64_t)o->free_min_mb << 20);
    if (clone_dir_room(d, &room) != 0)
        return errmsg_set(m, ERR_IO, "'%s' cannot be asked for its room", d->data);
    if (room >= need)
        return 0;
    return errmsg_set(m, ERR_NOSPC,
                      "no room: %" PRIu64 " MB free, %" PRIu64 " MB needed beside the old data in "
                      "'%s'; make room (an old copy is in '%s')",
                      room >> 20, need >> 20, d->data, d->root);
}

static int copy_place(const struct copy_order *o, const struct clone_dir *d, struct errmsg *m)
{
    int err;
    if (binlog_server_is_running(o->data_dir))
        return errmsg_set(m, ERR_STATE, "a server runs in '%s'", o->data_dir);
    err = clone_dir_place(d, o->error_log, m);
    if (err == 0)
        copy_tell("placed");
    return err;
}

static void copy_on_alarm(int number)
{
    static const char line[] = "failed not done within policy.reclone_timeout\n";
    (void)number;
    (void)!write(STDOUT_FILENO, line, sizeof line - 1);
    _exit(1);
}

/* Whatever it waits for then: a program, the other node, a disk. What it has started dies with it.
 * Moving and removing are no copies: the agent's jobs limit the waiting for them. */
static void copy_limit(const struct copy_order *o)
{
    struct sigaction act = {.sa_handler = copy_on_alarm};
    if (o->kind != COPY_GIVE && o->kind != COPY_TAKE && o->kind != COPY_TAKE_SERVER)
        return;
    (void)sigaction(SIGALRM, &act, NULL);
    (void)alarm(o->timeout_ms / 1000 + 1);
}

static int copy_run(const struct copy_order *o, struct errmsg *m)
{
    struct clone_dir d;
    int err = clone_dir_find(o->data_dir, &d, m);
    if (err != 0)
        return err;
    copy_limit(o);
    switch ((enum copy_kind)o->kind) {
    case COPY_GIVE:
        return copy_give(o, m);
    case COPY_TAKE:
        return copy_take(o, &d, m);
    case COPY_TAKE_SERVER:
        return copy_take_server(o, &d, m);
    case COPY_PLACE:
        return copy_place(o, &d, m);
    case COPY_ADOPTED:
        return clone_dir_adopted(&d, m);
    case COPY_CLEAR:
        err = clone_dir_clear(&d, (enum clone_old)o->old, m);
        if (err == 0)
            copy_tell("none");
        return err;
    default:
        return errmsg_set(m, ERR_INVAL, "unknown order");
    }
}

static bool copy_read_order(struct copy_order *o)
{
    size_t used = 0;
    while (used < sizeof *o) {
        ssize_t n = read(STDIN_FILENO, (char *)o + used, sizeof *o - used);
        if (n <= 0)
            return false;
        used += (size_t)n;
    }
    return o->size == sizeof *o;
}

int copy_child_main(void)
{
    static const char oom[] = "0";
    struct copy_order *o = calloc(1, sizeof *o);
    struct errmsg m = ERRMSG_INIT;
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int err;
    clone_pipe_die_with_parent();
    /* The agent's own rank is not for this: it must stand behind agent and servers. */
    if (fd >= 0) {
        (void)write(fd, oom, sizeof oom - 1);
        (void)close(fd);
    }
    (void)setpriority(PRIO_PROCESS, 0, COPY_NICE);
    if (o == NULL || !copy_read_order(o)) {
        fprintf(stderr, "tandem: this is for the agent only\n");
        free(o);
        return 2;
    }
    err = copy_run(o, &m);
    if (err != 0)
        copy_tell("failed %s", m.text);
    explicit_bzero(o, sizeof *o);
    free(o);
    return err == 0 ? 0 : 1;
}
