/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: hooks_state -> spawn -> output lines -> exit -> end of output -> next state.
 *
 * Failure modes: over time -> SIGKILL to the group, then as above; the script left a child that
 * keeps the output open -> not waited for longer than HOOK_OUTPUT_WAIT_MS; the script cannot die (a
 * hanging disk) -> it is only waited for until hooks_close().
 *
 * The script gets a real pipe, not libuv's socket pair: scripts like to open /dev/stderr, and that
 * fails on a socket.
 */
#include "io/sys/hooks.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "io/sys/privileges.h"

#define HOOK_OUTPUT_LINES_MAX 50
#define HOOK_OUTPUT_WAIT_MS 100
#define HOOK_LINE_MAX 256

struct hook_line {
    char text[HOOK_LINE_MAX];
    size_t used;
    unsigned lines; /* of this run, those not logged included */
};

struct hooks {
    uv_loop_t *loop;
    struct log log;
    char script[HOOK_COMMAND_MAX];
    struct {
        char state[HOOK_STATE_MAX];
        char command[HOOK_COMMAND_MAX];
    } of_state[HOOK_COMMANDS_MAX];
    char type[HOOK_STATE_MAX];
    char name[NODE_NAME_MAX];
    char priority[16];
    uint32_t timeout_ms;
    char last[HOOK_STATE_MAX]; /* told last */

    char state[HOOK_STATE_MAX]; /* of the running script */
    const char *command;        /* the running script */
    bool script_due;            /* the other one's turn is after the state's own */
    char waiting[HOOK_WAITING_MAX][HOOK_STATE_MAX]; /* the oldest first */
    unsigned n_waiting;
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t timer; /* limit of the run; then of the wait for the end of its output */
    bool process_open;
    bool output_open;
    bool exited;
    bool timed_out;
    int spawn_err;
    int64_t status;
    int signal;
    uint64_t started_ms; /* uv_now */
    char buf[1024];
    struct hook_line line;

    char file[PATH_TEXT_MAX];
    char file_temp[PATH_TEXT_MAX + 8];
    char file_state[HOOK_STATE_MAX]; /* being written */
    char file_waiting[HOOK_STATE_MAX];
    int file_errno;
    bool file_busy;
    uv_work_t work;

    bool closing;
    uv_timer_t grace;
    unsigned timers_open;
    void (*done)(void *data);
    void *done_data;
};

static void hooks_next(struct hooks *h);

/* ---- the script's output ---- */

static void hook_line_end(struct hooks *h)
{
    struct hook_line *l = &h->line;
    if (l->used == 0)
        return;
    l->text[l->used] = '\0';
    l->used = 0;
    if (l->lines++ < HOOK_OUTPUT_LINES_MAX)
        LOG(&h->log, INFO, "hook-output", "the notify script says state=%s text='%s'", h->state,
            l->text);
}

static void hook_line_feed(struct hooks *h, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            hook_line_end(h);
            continue;
        }
        if (h->line.used == HOOK_LINE_MAX - 1)
            hook_line_end(h);
        h->line.text[h->line.used++] = bytes[i] != '\0' ? bytes[i] : ' ';
    }
}

static void hook_on_output_closed(uv_handle_t *handle)
{
    struct hooks *h = handle->data;
    h->output_open = false;
    hook_line_end(h);
    hooks_next(h);
}

static void hook_close_output(struct hooks *h)
{
    if (h->output_open && !uv_is_closing((uv_handle_t *)&h->output))
        uv_close((uv_handle_t *)&h->output, hook_on_output_closed);
}

static void hook_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct hooks *h = handle->data;
    (void)size;
    *buf = uv_buf_init(h->buf, sizeof h->buf);
}

static void hook_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct hooks *h = stream->data;
    if (n > 0)
        hook_line_feed(h, buf->base, (size_t)n);
    else if (n < 0)
        hook_close_output(h);
}

/* ---- the script's process ---- */

static void hook_tell(const struct hooks *h)
{
    unsigned long long ms = uv_now(h->loop) - h->started_ms;
    if (h->spawn_err != 0)
        LOG(&h->log, ERROR, "hook-failed",
            "the notify script cannot be started; see hooks.notify script='%s' state=%s error='%s'",
            h->command, h->state, uv_strerror(h->spawn_err));
    else if (h->timed_out)
        LOG(&h->log, ERROR, "hook-failed",
            "the notify script was killed after hooks.notify_timeout script='%s' state=%s "
            "took_ms=%llu",
            h->command, h->state, ms);
    else if (h->status != 0 || h->signal != 0)
        LOG(&h->log, ERROR, "hook-failed",
            "the notify script failed script='%s' state=%s status=%lld signal=%d took_ms=%llu",
            h->command, h->state, (long long)h->status, h->signal, ms);
    else
        LOG(&h->log, INFO, "hook-done", "the notify script was called state=%s took_ms=%llu",
            h->state, ms);
    if (h->line.lines > HOOK_OUTPUT_LINES_MAX)
        LOG(&h->log, WARNING, "hook-output", "more output was not logged state=%s lines=%u",
            h->state, h->line.lines - HOOK_OUTPUT_LINES_MAX);
}

static void hook_on_process_closed(uv_handle_t *handle)
{
    struct hooks *h = handle->data;
    h->process_open = false;
    hooks_next(h);
}

static void hook_on_output_wait(uv_timer_t *timer)
{
    hook_close_output(timer->data);
}

static void hook_on_exit(uv_process_t *process, int64_t status, int signal_number)
{
    struct hooks *h = process->data;
    h->exited = true;
    h->status = status;
    h->signal = signal_number;
    (void)uv_timer_stop(&h->timer);
    hook_tell(h);
    uv_close((uv_handle_t *)process, hook_on_process_closed);
    if (h->output_open)
        (void)uv_timer_start(&h->timer, hook_on_output_wait, HOOK_OUTPUT_WAIT_MS, 0);
}

static void hook_kill(struct hooks *h)
{
    if (!h->process_open || h->exited || h->spawn_err != 0)
        return;
    h->timed_out = true;
    /* The group: a script is mostly a shell that waits for what it started. */
    if (kill(-h->process.pid, SIGKILL) != 0)
        (void)uv_process_kill(&h->process, SIGKILL);
}

static void hook_on_limit(uv_timer_t *timer)
{
    hook_kill(timer->data);
}

/* Keepalived appends its four words to the script of all states only. */
static int hook_spawn(struct hooks *h, int output)
{
    char line[HOOK_COMMAND_MAX + 128];
    char *argv[] = {(char[]){"/bin/sh"},
                    (char[]){"-c"},
                    line,
                    (char[]){"tandem-notify"},
                    h->type,
                    h->name,
                    h->state,
                    h->priority,
                    NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = output},
        {.flags = UV_INHERIT_FD, .data.fd = output},
    };
    uv_process_options_t options = {
        .file = argv[0],
        .args = argv,
        .exit_cb = hook_on_exit,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = 3,
    };
    (void)snprintf(line, sizeof line, "%s%s%s", PRIVILEGES_SHELL_RESET, h->command,
                   h->command == h->script ? " \"$@\"" : "");
    return uv_spawn(h->loop, &h->process, &options);
}

static int hook_open_output(struct hooks *h, int *ret_write_end)
{
    uv_file ends[2];
    int err = uv_pipe(ends, UV_NONBLOCK_PIPE, 0);
    if (err != 0)
        return err;
    (void)uv_pipe_init(h->loop, &h->output, 0);
    h->output.data = h;
    h->output_open = true;
    err = uv_pipe_open(&h->output, ends[0]);
    if (err == 0)
        err = uv_read_start((uv_stream_t *)&h->output, hook_alloc, hook_on_read);
    else
        (void)close(ends[0]);
    if (err != 0) {
        (void)close(ends[1]);
        hook_close_output(h);
        return err;
    }
    *ret_write_end = ends[1];
    return 0;
}

/* The state's own script; NULL if it has none. */
static const char *hook_of_state(const struct hooks *h)
{
    for (unsigned i = 0; i < HOOK_COMMANDS_MAX; i++) {
        if (strcmp(h->of_state[i].state, h->state) == 0 && h->of_state[i].command[0] != '\0')
            return h->of_state[i].command;
    }
    return NULL;
}

static void hook_start(struct hooks *h)
{
    int output = -1;
    h->exited = h->timed_out = false;
    h->line = (struct hook_line){.used = 0};
    h->started_ms = uv_now(h->loop);
    h->spawn_err = hook_open_output(h, &output);
    if (h->spawn_err == 0) {
        h->spawn_err = hook_spawn(h, output);
        (void)close(output);
        /* libuv wants the handle closed also when the spawn failed. */
        h->process.data = h;
        h->process_open = true;
    }
    if (h->spawn_err == 0) {
        LOG(&h->log, DEBUG, "hook-started", "the notify script runs state=%s pid=%d", h->state,
            h->process.pid);
        (void)uv_timer_start(&h->timer, hook_on_limit, h->timeout_ms, 0);
        return;
    }
    hook_tell(h);
    hook_close_output(h);
    if (h->process_open)
        uv_close((uv_handle_t *)&h->process, hook_on_process_closed);
}

/* ---- the state file ---- */

static int hook_file_write(const struct hooks *h)
{
    char text[HOOK_STATE_MAX + 1];
    int size = snprintf(text, sizeof text, "%s\n", h->file_state);
    int fd = open(h->file_temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int err = 0;
    if (fd < 0)
        return errno;
    if (write(fd, text, (size_t)size) != size)
        err = errno != 0 ? errno : EIO;
    if (close(fd) != 0 && err == 0)
        err = errno;
    if (err == 0 && rename(h->file_temp, h->file) != 0)
        err = errno;
    return err;
}

static void hook_on_work(uv_work_t *work)
{
    struct hooks *h = work->data;
    h->file_errno = hook_file_write(h);
}

static void hook_on_work_done(uv_work_t *work, int status)
{
    struct hooks *h = work->data;
    h->file_busy = false;
    if (status == 0 && h->file_errno != 0)
        LOG(&h->log, ERROR, "state-file-failed",
            "the state file cannot be written; see hooks.notify_state_file file='%s' error='%s'",
            h->file, strerror(h->file_errno));
    hooks_next(h);
}

static void hook_file_start(struct hooks *h)
{
    memcpy(h->file_state, h->file_waiting, sizeof h->file_state);
    h->file_waiting[0] = '\0';
    h->work.data = h;
    h->file_busy = uv_queue_work(h->loop, &h->work, hook_on_work, hook_on_work_done) == 0;
}

/* ---- life ---- */

static void hooks_on_timer_closed(uv_handle_t *handle)
{
    struct hooks *h = handle->data;
    void (*done)(void *data) = h->done;
    void *data = h->done_data;
    if (--h->timers_open > 0)
        return;
    free(h);
    if (done != NULL)
        done(data);
}

/* Takes the oldest state that waits out of the queue, into h->state. */
static void hook_take_waiting(struct hooks *h)
{
    memcpy(h->state, h->waiting[0], sizeof h->state);
    h->n_waiting--;
    memmove(h->waiting[0], h->waiting[1], h->n_waiting * sizeof h->waiting[0]);
}

static void hook_skip_waiting(struct hooks *h, unsigned left, const char *why)
{
    while (h->n_waiting > left) {
        LOG(&h->log, WARNING, "hook-skipped", "the notify script is not called: %s state=%s", why,
            h->waiting[0]);
        h->n_waiting--;
        memmove(h->waiting[0], h->waiting[1], h->n_waiting * sizeof h->waiting[0]);
    }
}

static void hook_add_waiting(struct hooks *h, const char *state)
{
    if (h->script[0] == '\0' && h->of_state[0].state[0] == '\0')
        return;
    hook_skip_waiting(h, HOOK_WAITING_MAX - 1, "too many states wait for the one that runs");
    (void)snprintf(h->waiting[h->n_waiting++], HOOK_STATE_MAX, "%s", state);
}

/* What is to run next is in h->command; false if nothing is. Both scripts of a state are called
 * before any of the next one. */
static bool hook_choose(struct hooks *h)
{
    if (h->script_due) {
        h->script_due = false;
        h->command = h->script;
        return true;
    }
    while (h->n_waiting > 0) {
        hook_take_waiting(h);
        h->command = hook_of_state(h);
        h->script_due = h->command != NULL && h->script[0] != '\0';
        if (h->command == NULL)
            h->command = h->script;
        if (h->command[0] != '\0')
            return true;
    }
    return false;
}

/* Does what can be done next; the only place that starts something or ends the whole. */
static void hooks_next(struct hooks *h)
{
    bool running = h->process_open || h->output_open;
    if (!running && hook_choose(h)) {
        hook_start(h);
        return;
    }
    if (!h->file_busy && h->file_waiting[0] != '\0')
        hook_file_start(h);
    if (!h->closing || running || h->file_busy || uv_is_closing((uv_handle_t *)&h->grace))
        return;
    uv_close((uv_handle_t *)&h->timer, hooks_on_timer_closed);
    uv_close((uv_handle_t *)&h->grace, hooks_on_timer_closed);
}

int hooks_open(const struct hooks_config *c, struct errmsg *msg, struct hooks **ret_hooks)
{
    struct hooks *h = calloc(1, sizeof *h);
    if (h == NULL)
        return errmsg_set(msg, ERR_NOMEM, "hooks: out of memory");
    h->loop = c->loop;
    h->log = c->log;
    h->timeout_ms = c->timeout_ms;
    (void)snprintf(h->script, sizeof h->script, "%s", c->script);
    for (unsigned i = 0; i < HOOK_COMMANDS_MAX && c->of_state[i].state != NULL; i++) {
        (void)snprintf(h->of_state[i].state, HOOK_STATE_MAX, "%s", c->of_state[i].state);
        (void)snprintf(h->of_state[i].command, HOOK_COMMAND_MAX, "%s", c->of_state[i].command);
    }
    (void)snprintf(h->type, sizeof h->type, "%s", c->type);
    (void)snprintf(h->name, sizeof h->name, "%s", c->name);
    (void)snprintf(h->priority, sizeof h->priority, "%u", c->priority);
    (void)snprintf(h->file, sizeof h->file, "%s", c->state_file);
    (void)snprintf(h->file_temp, sizeof h->file_temp, "%s.new", c->state_file);
    (void)uv_timer_init(c->loop, &h->timer);
    (void)uv_timer_init(c->loop, &h->grace);
    h->timer.data = h->grace.data = h;
    h->timers_open = 2;
    *ret_hooks = h;
    return 0;
}

void hooks_state(struct hooks *h, const char *state)
{
    assert(!h->closing);
    if (strcmp(h->last, state) == 0)
        return;
    (void)snprintf(h->last, sizeof h->last, "%s", state);
    if (h->file[0] != '\0')
        memcpy(h->file_waiting, h->last, sizeof h->file_waiting);
    hook_add_waiting(h, h->last);
    hooks_next(h);
}

static void hooks_on_grace(uv_timer_t *timer)
{
    struct hooks *h = timer->data;
    h->n_waiting = 0;
    h->file_waiting[0] = '\0';
    h->script_due = false;
    hook_kill(h);
    (void)uv_timer_stop(&h->timer);
    hook_close_output(h);
    /* Not waited for any more, also if it cannot die. */
    if (h->process_open && !uv_is_closing((uv_handle_t *)&h->process)) {
        hook_tell(h);
        uv_close((uv_handle_t *)&h->process, hook_on_process_closed);
    }
    if (h->file_busy)
        (void)uv_cancel((uv_req_t *)&h->work);
}

void hooks_close(struct hooks *h, uint32_t grace_ms, void (*done)(void *data), void *data)
{
    assert(!h->closing);
    h->closing = true;
    h->done = done;
    h->done_data = data;
    hook_skip_waiting(h, 1, "the agent ends, and the last state goes before it");
    h->script_due = h->script_due && h->n_waiting == 0;
    (void)uv_timer_start(&h->grace, hooks_on_grace, grace_ms, 0);
    hooks_next(h);
}
