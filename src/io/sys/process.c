/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/sys/process_proc.h"

#define LOOK_MS 100
#define LOOK_STARTING_MS 5
#define GONE_MS 2
#define OUTPUT_MAX (256 * 1024) /* of the start command: what is longer begins anew */
/* How long a killed process may stay a zombie before the kill counts as done all the same. */
#define ZOMBIE_US 500000
/* After a start command that ended well: how long no process has to be there for the start to have
 * been for nothing, and how long one that was seen is believed. */
#define START_EMPTY_US 5000000
#define START_SCAN_US 1000000

struct process_work {
    bool running;
    uint64_t id;
    int64_t deadline_us;
};

struct process {
    struct process_config config;
    uv_timer_t look; /* looks for the server while there is none */
    uv_timer_t gone; /* after a kill: until /proc/PID has gone; deadline of a kill */
    uv_poll_t poll;  /* the pidfd */
    bool poll_open;  /* between uv_poll_init and its close callback */
    bool watching;
    bool looked; /* it is known whether there was a server at first */
    int pidfd;
    struct incarnation incarnation; /* watched; zero while there is none */
    uint64_t error_log_offset;      /* size of the error log when the run was first seen */
    uint64_t start_log_offset;      /* ... and when the last START was asked for */

    struct process_work start;
    uv_process_t child;
    bool child_open;
    bool child_due;     /* the running START has not run its command yet */
    uint32_t child_pid; /* of the pid file: a server that its command made, not yet at home */
    bool child_failed;
    int child_status;
    int64_t empty_at_us; /* the command has ended well: when to look whether it made a server */
    uint64_t output_offset;

    struct process_work kill;
    uint32_t kill_pid;
    int64_t dead_us; /* when the killed process ended */

    bool closing;
    unsigned open; /* handles not yet closed */
    void (*closed)(void *data);
    void *closed_data;
};

static void process_look(struct process *p);
static void child_run(struct process *p);
static void process_watch_closed(uv_handle_t *handle);

static int64_t process_now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct incarnation process_incarnation(const struct process *p)
{
    return p->incarnation;
}

static void work_end(struct process *p, struct process_work *work, int outcome, const char *fmt,
                     ...) PRINTF_LIKE(4, 5);

static void work_end(struct process *p, struct process_work *work, int outcome, const char *fmt,
                     ...)
{
    struct job_result result = {.outcome = outcome};
    va_list ap;
    if (!work->running)
        return;
    work->running = false;
    va_start(ap, fmt);
    (void)vsnprintf(result.detail, sizeof result.detail, fmt, ap);
    va_end(ap);
    p->config.callbacks.on_job(p->config.callbacks.data, work->id, &result, &p->incarnation);
}

/* ---- watching ---- */

static void process_died(struct process *p)
{
    struct incarnation was = p->incarnation;
    enum process_end end = process_end_from_log(p->config.error_log, p->error_log_offset);
    static const char *const texts[] = {"crash", "shutdown", "unknown"};
    memset(&p->incarnation, 0, sizeof p->incarnation);
    p->watching = false;
    p->dead_us = process_now_us();
    (void)uv_poll_stop(&p->poll);
    uv_close((uv_handle_t *)&p->poll, process_watch_closed);
    LOG(&p->config.log, WARNING, "server-died", "the server's process has ended pid=%u end=%s",
        was.pid, texts[end]);
    p->config.callbacks.on_died(p->config.callbacks.data, &was, end);
}

static void process_poll(uv_poll_t *poll, int status, int events)
{
    struct process *p = poll->data;
    (void)status;
    (void)events;
    if (p->watching)
        process_died(p);
}

static void process_unref(struct process *p)
{
    assert(p->open > 0);
    if (--p->open > 0)
        return;
    void (*closed)(void *) = p->closed;
    void *data = p->closed_data;
    free(p);
    closed(data);
}

static void process_watch_closed(uv_handle_t *handle)
{
    struct process *p = handle->data;
    p->poll_open = false;
    (void)close(p->pidfd);
    p->pidfd = -1;
    if (p->closing)
        process_unref(p);
    else
        process_look(p);
}

static uint64_t process_log_size(const struct process *p)
{
    struct stat st;
    return stat(p->config.error_log, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void process_start_words(const struct process *p, struct starts *ret)
{
    proc_start_words(p->config.error_log, p->start_log_offset, ret);
}

static void process_found(struct process *p, const struct incarnation *incarnation, int pidfd)
{
    if (uv_poll_init(p->config.loop, &p->poll, pidfd) != 0) {
        (void)close(pidfd);
        return;
    }
    p->poll.data = p;
    p->poll_open = true;
    p->pidfd = pidfd;
    p->watching = true;
    p->looked = true;
    p->incarnation = *incarnation;
    p->error_log_offset = process_log_size(p);
    (void)uv_poll_start(&p->poll, UV_READABLE, process_poll);
    LOG(&p->config.log, NOTICE, "server-found", "the server's process is watched pid=%u",
        incarnation->pid);
    p->config.callbacks.on_started(p->config.callbacks.data, incarnation);
    work_end(p, &p->start, JOB_DONE, "%s", "");
}

/* Opens the pidfd before the checks: what was checked is what is watched, or the pidfd is ready at
 * once. */
static bool process_try(struct process *p)
{
    struct incarnation incarnation;
    uint32_t pid = proc_pid_file_read(p->config.pid_file);
    int pidfd;
    if (pid == 0)
        return false;
    pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (pidfd < 0)
        return false;
    (void)fcntl(pidfd, F_SETFL, O_NONBLOCK);
    if (!proc_is_server(pid, p->config.data_dir) ||
        process_incarnation_read(pid, &incarnation) != 0) {
        if (p->start.running && !p->child_due && proc_is_server(pid, /* data_dir= */ ""))
            p->child_pid = pid;
        (void)close(pidfd);
        return false;
    }
    process_found(p, &incarnation, pidfd);
    return p->watching;
}

/* `systemctl start` does nothing, and says that all is well, while it has not noticed yet that the
 * server was killed. Only a pid file is missing of a server that is still at its recovery; and only
 * the directory of one that is on its way, for long where the machine is busy. */
static bool start_was_for_nothing(struct process *p)
{
    int64_t now = process_now_us();
    if (p->empty_at_us == 0 || now < p->empty_at_us || p->child_due || p->child_pid != 0 ||
        p->config.data_dir[0] == '\0')
        return false;
    p->empty_at_us = now + START_SCAN_US;
    return !proc_serves(p->config.data_dir);
}

/* The last line of its output. */
static const char *child_said(const struct process *p, char line[DETAIL_TEXT_MAX])
{
    proc_last_line(p->config.start_output, p->output_offset, line, DETAIL_TEXT_MAX);
    return line[0] != '\0' ? line : "no output";
}

static void start_check(struct process *p)
{
    char line[DETAIL_TEXT_MAX];
    if (!p->start.running)
        return;
    if (p->child_failed && !p->child_due) {
        work_end(p, &p->start, JOB_FAILED, "start command ended with status %d: %.200s",
                 p->child_status, child_said(p, line));
    } else if (p->child_pid != 0 && !p->child_open && proc_state(p->child_pid) != PROC_ALIVE) {
        /* It was ended before it had gone to its data directory, so it was never watched. */
        work_end(p, &p->start, JOB_FAILED, "the server ended at once; see its error log");
    } else if (start_was_for_nothing(p)) {
        work_end(p, &p->start, JOB_FAILED,
                 "the start command ended well, but no server runs on %.150s: %.100s",
                 p->config.data_dir, child_said(p, line));
    } else if (process_now_us() >= p->start.deadline_us && p->child_open) {
        work_end(p, &p->start, JOB_TIMEOUT, "no server in time; the start command goes on");
    } else if (process_now_us() >= p->start.deadline_us) {
        work_end(p, &p->start, JOB_TIMEOUT, "no server in time; start command ended well: %.200s",
                 child_said(p, line));
    }
}

static void process_look_timer(uv_timer_t *timer)
{
    process_look(timer->data);
}

static void process_absent(struct process *p)
{
    if (p->looked)
        return;
    p->looked = true;
    if (p->config.callbacks.on_absent != NULL)
        p->config.callbacks.on_absent(p->config.callbacks.data,
                                      process_end_from_log(p->config.error_log, 0));
}

static void process_look(struct process *p)
{
    if (p->closing || p->poll_open)
        return;
    if (process_try(p))
        return;
    process_absent(p);
    child_run(p);
    start_check(p);
    (void)uv_timer_start(&p->look, process_look_timer,
                         p->start.running ? LOOK_STARTING_MS : LOOK_MS, 0);
}

/* ---- kill ---- */

static void kill_check(uv_timer_t *timer)
{
    struct process *p = timer->data;
    enum proc_state state = proc_state(p->kill_pid);
    int64_t now = process_now_us();
    bool dead = !p->watching;
    if (!p->kill.running)
        return;
    if (dead && state == PROC_GONE)
        work_end(p, &p->kill, JOB_DONE, "%s", "");
    else if (dead && now - p->dead_us >= ZOMBIE_US)
        work_end(p, &p->kill, JOB_DONE, "pid %u is dead, but its parent has not reaped it",
                 p->kill_pid);
    else if (now >= p->kill.deadline_us)
        work_end(p, &p->kill, JOB_TIMEOUT, "pid %u has not ended after SIGKILL", p->kill_pid);
    else
        (void)uv_timer_start(&p->gone, kill_check, GONE_MS, 0);
}

static void kill_now(uv_timer_t *timer)
{
    struct process *p = timer->data;
    work_end(p, &p->start, JOB_FAILED, "ended by a kill");
    /* Found in this very moment by a look that had not been due yet. */
    if (!p->watching && !p->poll_open)
        (void)process_try(p);
    if (!p->watching) {
        work_end(p, &p->kill, JOB_DONE, "there is no server");
        return;
    }
    p->kill_pid = p->incarnation.pid;
    if (syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0) != 0 && errno != ESRCH) {
        work_end(p, &p->kill, JOB_FAILED, "SIGKILL to pid %u: %s", p->kill_pid, strerror(errno));
        return;
    }
    LOG(&p->config.log, WARNING, "server-killed", "SIGKILL sent pid=%u", p->kill_pid);
    (void)uv_timer_start(&p->gone, kill_check, 1, 0);
}

/* ---- start ---- */

static void child_closed(uv_handle_t *handle)
{
    struct process *p = handle->data;
    p->child_open = false;
    if (p->closing)
        process_unref(p);
    else
        process_look(p);
}

static void child_exit(uv_process_t *child, int64_t status, int signal)
{
    struct process *p = child->data;
    p->child_status = signal != 0 ? 128 + signal : (int)status;
    p->child_failed = p->child_status != 0;
    p->empty_at_us = p->child_failed ? 0 : process_now_us() + START_EMPTY_US;
    uv_close((uv_handle_t *)child, child_closed);
}

/* An output that cannot be written is no reason not to start. */
static int child_output(struct process *p)
{
    const char *path = p->config.start_output;
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    int fd = path[0] != '\0' ? open(path, flags, 0640) : -1;
    struct stat st;
    p->output_offset = 0;
    if (fd < 0)
        return open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fstat(fd, &st) == 0 && (st.st_size <= OUTPUT_MAX || ftruncate(fd, 0) != 0))
        p->output_offset = (uint64_t)st.st_size;
    return fd;
}

/* In a session of its own and with nothing of ours but the output: it must survive us. */
static int child_spawn(struct process *p)
{
    static const char shell[] = "/bin/sh";
    char name[] = "sh";
    char option[] = "-c";
    char *args[] = {name, option, p->config.start_command, NULL};
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
    uv_process_options_t options = {.file = shell,
                                    .args = args,
                                    .exit_cb = child_exit,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    int fd = child_output(p);
    int rc;
    if (fd < 0)
        return -errno;
    stdio[1].flags = UV_INHERIT_FD;
    stdio[1].data.fd = fd;
    stdio[2] = stdio[1];
    p->child_failed = false;
    p->empty_at_us = 0;
    p->child.data = p;
    rc = uv_spawn(p->config.loop, &p->child, &options);
    (void)close(fd);
    p->child_open = true; /* a failed spawn leaves a handle that must be closed as well */
    if (rc != 0)
        uv_close((uv_handle_t *)&p->child, child_closed);
    else
        uv_unref((uv_handle_t *)&p->child);
    return rc;
}

/* Runs the command of a START, once; not while that of an earlier START is still at it. */
static void child_run(struct process *p)
{
    int rc;
    if (!p->start.running || !p->child_due || p->child_open)
        return;
    p->child_due = false;
    LOG(&p->config.log, NOTICE, "server-start", "the start command is run");
    rc = child_spawn(p);
    if (rc != 0)
        work_end(p, &p->start, JOB_FAILED, "start command: %s", uv_strerror(rc));
}

static void start_now(uv_timer_t *timer)
{
    struct process *p = timer->data;
    if (p->watching || process_try(p)) {
        work_end(p, &p->start, JOB_DONE, "the server is running");
        return;
    }
    process_look(p);
}

int process_job_start(struct process *p, uint64_t id, const struct job *job)
{
    bool is_kill = job->kind == JOB_KILL;
    struct process_work *work = is_kill ? &p->kill : &p->start;
    if ((job->kind != JOB_START && !is_kill) || job->timeout_ms == 0 || p->closing)
        return ERR_INVAL;
    if (!is_kill && p->config.start_command[0] == '\0')
        return ERR_INVAL;
    if (work->running)
        return ERR_BUSY;
    work->running = true;
    work->id = id;
    work->deadline_us = process_now_us() + (int64_t)job->timeout_ms * 1000;
    /* Noted here, not by the timer: called from on_died, the look that follows the closing of the
     * pidfd takes the timer over. */
    if (!is_kill) {
        p->child_due = true;
        p->child_pid = 0;
        p->start_log_offset = process_log_size(p);
    }
    (void)uv_timer_start(is_kill ? &p->gone : &p->look, is_kill ? kill_now : start_now, 0, 0);
    return 0;
}

/* ---- life ---- */

int process_open(const struct process_config *config, struct errmsg *ret_errmsg,
                 struct process **ret_process)
{
    struct process *p;
    if (config->pid_file[0] == '\0')
        return errmsg_set(ret_errmsg, ERR_INVAL, "pid file is not given");
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return errmsg_set(ret_errmsg, ERR_NOMEM, "process watcher");
    p->config = *config;
    p->pidfd = -1;
    (void)uv_timer_init(config->loop, &p->look);
    (void)uv_timer_init(config->loop, &p->gone);
    p->look.data = p;
    p->gone.data = p;
    (void)uv_timer_start(&p->look, process_look_timer, 0, 0);
    *ret_process = p;
    return 0;
}

static void process_timer_closed(uv_handle_t *handle)
{
    process_unref(handle->data);
}

void process_close(struct process *p, void (*done)(void *data), void *data)
{
    assert(!p->closing);
    p->closing = true;
    p->closed = done;
    p->closed_data = data;
    work_end(p, &p->start, JOB_FAILED, "the watcher is closing");
    work_end(p, &p->kill, JOB_FAILED, "the watcher is closing");
    p->open = 2 + (p->poll_open ? 1u : 0u) + (p->child_open ? 1u : 0u);
    uv_close((uv_handle_t *)&p->look, process_timer_closed);
    uv_close((uv_handle_t *)&p->gone, process_timer_closed);
    if (p->poll_open && p->watching) {
        p->watching = false;
        uv_close((uv_handle_t *)&p->poll, process_watch_closed);
    }
    if (p->child_open && !uv_is_closing((uv_handle_t *)&p->child))
        uv_close((uv_handle_t *)&p->child, child_closed);
}
