/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/isolate.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_LIMIT 64
/* Seconds of processor time, far above the slowest run under a sanitizer. */
#define RUN_LIMIT_S 30

/* A run that does not end is ended by SIGVTALRM, however busy the machine is. */
static void limit_run(void)
{
    const struct itimerval limit = {.it_value = {.tv_sec = RUN_LIMIT_S}};
    (void)setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

static bool read_all(int fd, void *buf, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, (char *)buf + got, size - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void write_all(int fd, const void *buf, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        ssize_t n = write(fd, (const char *)buf + sent, size - sent);
        if (n <= 0)
            _exit(1);
        sent += (size_t)n;
    }
}

/* The child ended without a result. */
static void crashed(int status, struct outcome *o)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    memset(o, 0, sizeof *o);
    o->failed = true;
    (void)snprintf(o->id, sizeof o->id, "%s", number == SIGVTALRM ? "endless" : "crash");
    if (number == SIGVTALRM)
        (void)snprintf(o->text, sizeof o->text, "the run does not end");
    else if (number != 0)
        (void)snprintf(o->text, sizeof o->text, "the run ends with signal %d", number);
    else
        (void)snprintf(o->text, sizeof o->text, "the run ends with status %d", WEXITSTATUS(status));
}

/* A child that writes its results to a pipe; the parent gets the reading end. */
static pid_t start(int *ret_fd)
{
    int fds[2];
    pid_t pid;
    (void)fflush(NULL);
    if (pipe(fds) != 0)
        abort();
    pid = fork();
    if (pid < 0)
        abort();
    (void)close(fds[pid == 0 ? 0 : 1]);
    *ret_fd = fds[pid == 0 ? 1 : 0];
    return pid;
}

static int wait_end(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        ;
    return status;
}

void isolate_run(const struct scenario *s, struct outcome *ret_outcome)
{
    int fd;
    pid_t pid = start(&fd);
    struct outcome o;
    bool got;
    int status;
    if (pid == 0) {
        limit_run();
        stage_run(s, /* trace= */ NULL, &o);
        write_all(fd, &o, sizeof o);
        _exit(0);
    }
    got = read_all(fd, &o, sizeof o);
    (void)close(fd);
    status = wait_end(pid);
    if (!got)
        crashed(status, &o);
    *ret_outcome = o;
}

/* ---- many ---- */

struct worker {
    pid_t pid;
    int fd;
    uint64_t next; /* whose result comes next */
};

struct many {
    const struct isolate_batch *batch;
    struct worker workers[JOBS_LIMIT];
    struct isolate_result *results;
    bool *have;
    uint64_t told; /* results below it were handed on */
};

/* Every jobs-th one from `number` on. */
static void work(const struct many *all, uint64_t number, int fd)
{
    struct scenario *s = malloc(sizeof *s);
    assert(s != NULL);
    for (; number <= all->batch->last; number += all->batch->jobs) {
        struct outcome o;
        limit_run();
        all->batch->draw(all->batch->data, number, s);
        stage_run(s, /* trace= */ NULL, &o);
        write_all(fd, &o, sizeof o);
    }
    _exit(0);
}

static void start_worker(struct many *all, struct worker *w, uint64_t number)
{
    w->next = number;
    w->fd = -1;
    if (number > all->batch->last)
        return;
    w->pid = start(&w->fd);
    if (w->pid != 0)
        return;
    for (unsigned i = 0; i < all->batch->jobs; i++) {
        if (all->workers[i].fd >= 0 && &all->workers[i] != w)
            (void)close(all->workers[i].fd);
    }
    work(all, number, w->fd);
}

static void take(struct many *all, struct worker *w)
{
    uint64_t at = w->next - all->batch->first;
    struct isolate_result *r = &all->results[at];
    bool got = read_all(w->fd, &r->outcome, sizeof r->outcome);
    if (!got) {
        (void)close(w->fd);
        w->fd = -1;
        crashed(wait_end(w->pid), &r->outcome);
    }
    r->number = w->next;
    all->have[at] = true;
    w->next += all->batch->jobs;
    if (got && w->next > all->batch->last) {
        (void)close(w->fd);
        w->fd = -1;
        (void)wait_end(w->pid);
    } else if (!got) {
        start_worker(all, w, w->next);
    }
}

static bool wait_results(struct many *all)
{
    struct pollfd polled[JOBS_LIMIT];
    bool any = false;
    for (unsigned i = 0; i < all->batch->jobs; i++) {
        polled[i] = (struct pollfd){.fd = all->workers[i].fd, .events = POLLIN};
        any = any || all->workers[i].fd >= 0;
    }
    if (!any || poll(polled, all->batch->jobs, -1) < 0)
        return any;
    for (unsigned i = 0; i < all->batch->jobs; i++) {
        if (polled[i].revents != 0)
            take(all, &all->workers[i]);
    }
    return true;
}

void isolate_many(const struct isolate_batch *batch)
{
    struct many all = {.batch = batch, .told = batch->first};
    size_t count = (size_t)(batch->last - batch->first + 1);
    assert(batch->jobs > 0 && batch->jobs <= JOBS_LIMIT && batch->first <= batch->last);
    all.results = calloc(count, sizeof *all.results);
    all.have = calloc(count, sizeof *all.have);
    assert(all.results != NULL && all.have != NULL);
    for (unsigned i = 0; i < batch->jobs; i++)
        all.workers[i].fd = -1;
    for (unsigned i = 0; i < batch->jobs; i++)
        start_worker(&all, &all.workers[i], batch->first + i);
    while (wait_results(&all)) {
        for (; all.told <= batch->last && all.have[all.told - batch->first]; all.told++)
            batch->done(batch->data, &all.results[all.told - batch->first]);
    }
    free(all.results);
    free(all.have);
}
