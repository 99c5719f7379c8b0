/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "wire/limits.h"

struct disk {
    uv_loop_t *loop;
    struct log log;
    char directory[PATH_TEXT_MAX];
    uint32_t free_min_mb;
    uint32_t interval_ms;
    uint32_t timeout_ms;
    void (*on_state)(void *data, enum disk_state state);
    void *data;

    enum disk_state state;
    bool known;
    bool asking;
    uint64_t free_mb; /* of the last answer, like the next */
    int error;
    uv_work_t work;
    uv_timer_t timer; /* while asking: limit of the answer; else: next question */
    /* Written by the thread, read after it. */
    int answer_errno;
    int write_errno;
    struct statvfs answer;

    bool closing;
    void (*done)(void *data);
    void *done_data;
};

const char *disk_state_text(enum disk_state state)
{
    static const char *const texts[DISK_STATE_COUNT] = {"ok", "full", "read-only", "silent",
                                                        "error"};
    return (unsigned)state < DISK_STATE_COUNT ? texts[state] : "?";
}

enum disk_state disk_judge(uint64_t free_bytes, unsigned long flags, uint32_t free_min_mb)
{
    if ((flags & ST_RDONLY) != 0)
        return DISK_READ_ONLY;
    return free_bytes / (1024 * 1024) < free_min_mb ? DISK_FULL : DISK_OK;
}

enum disk_state disk_judge_write(int write_errno)
{
    switch (write_errno) {
    case EROFS:
        return DISK_READ_ONLY;
    case ENOSPC:
    case EDQUOT:
        return DISK_FULL;
    case EIO:
        return DISK_ERROR;
    default:
        return DISK_OK; /* no such file system, no permission: nothing is known */
    }
}

enum disk_state disk_state(const struct disk *d)
{
    return d->state;
}

static void disk_set(struct disk *d, enum disk_state state)
{
    enum disk_state old = d->state;
    bool first = !d->known;
    d->state = state;
    d->known = true;
    if (!first && old == state)
        return;
    if (state == DISK_OK && !first)
        LOG(&d->log, NOTICE, "disk-state",
            "the file system is in order again directory='%s' was=%s free_mb=%llu", d->directory,
            disk_state_text(old), (unsigned long long)d->free_mb);
    else if (state != DISK_OK)
        LOG(&d->log, ERROR, "disk-state",
            "the file system is not in order directory='%s' state=%s free_mb=%llu min_mb=%u "
            "error='%s'",
            d->directory, disk_state_text(state), (unsigned long long)d->free_mb, d->free_min_mb,
            state == DISK_ERROR ? strerror(d->error) : "");
    d->on_state(d->data, state);
}

static void disk_ask(struct disk *d);

static void disk_on_interval(uv_timer_t *timer)
{
    disk_ask(timer->data);
}

static void disk_on_late(uv_timer_t *timer)
{
    disk_set(timer->data, DISK_SILENT);
}

/* A loop that stood still finds timers before answers: an answer that is there goes first. */
static void disk_on_limit(uv_timer_t *timer)
{
    (void)uv_timer_start(timer, disk_on_late, 1, 0);
}

static void disk_on_closed(uv_handle_t *handle)
{
    struct disk *d = handle->data;
    void (*done)(void *data) = d->done;
    void *data = d->done_data;
    free(d);
    if (done != NULL)
        done(data);
}

/* One byte on the disk, in a file that nobody sees. The errno, 0 if it went well. */
static int disk_write(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    int err = 0;
    if (fd < 0)
        return errno;
    errno = 0;
    if (write(fd, "", 1) != 1 || fdatasync(fd) != 0)
        err = errno != 0 ? errno : ENOSPC;
    (void)close(fd);
    return err;
}

static void disk_on_work(uv_work_t *work)
{
    struct disk *d = work->data;
    d->answer_errno = statvfs(d->directory, &d->answer) == 0 ? 0 : errno;
    d->write_errno = d->answer_errno == 0 ? disk_write(d->directory) : 0;
}

static void disk_on_answer(uv_work_t *work, int status)
{
    struct disk *d = work->data;
    enum disk_state state;
    uint64_t free_bytes;
    d->asking = false;
    if (d->closing) {
        uv_close((uv_handle_t *)&d->timer, disk_on_closed);
        return;
    }
    (void)uv_timer_start(&d->timer, disk_on_interval, d->interval_ms, 0);
    if (status != 0)
        return;
    free_bytes = d->answer_errno == 0 ? (uint64_t)d->answer.f_bavail * d->answer.f_frsize : 0;
    d->error = d->answer_errno;
    d->free_mb = free_bytes / (1024 * 1024);
    state = disk_judge(free_bytes, d->answer.f_flag, d->free_min_mb);
    if (d->answer_errno != 0)
        state = DISK_ERROR;
    else if (state == DISK_OK)
        state = disk_judge_write(d->error = d->write_errno);
    disk_set(d, state);
}

static void disk_ask(struct disk *d)
{
    d->work.data = d;
    d->asking = uv_queue_work(d->loop, &d->work, disk_on_work, disk_on_answer) == 0;
    (void)uv_timer_start(&d->timer, d->asking ? disk_on_limit : disk_on_interval,
                         d->asking ? d->timeout_ms : d->interval_ms, 0);
}

int disk_open(const struct disk_config *c, struct errmsg *msg, struct disk **ret_disk)
{
    struct disk *d = calloc(1, sizeof *d);
    if (d == NULL)
        return errmsg_set(msg, ERR_NOMEM, "disk: out of memory");
    d->loop = c->loop;
    d->log = c->log;
    (void)snprintf(d->directory, sizeof d->directory, "%s", c->directory);
    d->free_min_mb = c->free_min_mb;
    d->interval_ms = c->interval_ms;
    d->timeout_ms = c->timeout_ms;
    d->on_state = c->on_state;
    d->data = c->data;
    (void)uv_timer_init(c->loop, &d->timer);
    d->timer.data = d;
    disk_ask(d);
    *ret_disk = d;
    return 0;
}

void disk_close(struct disk *d, void (*done)(void *data), void *data)
{
    d->closing = true;
    d->done = done;
    d->done_data = data;
    (void)uv_timer_stop(&d->timer);
    if (d->asking)
        (void)uv_cancel((uv_req_t *)&d->work);
    else
        uv_close((uv_handle_t *)&d->timer, disk_on_closed);
}
