/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: accept -> a line -> on_request -> control_reply -> written -> next line ... -> the
 * operator closes.
 *
 * Failure modes: no line, no answer, or a reader that does not read, within timeout_ms -> told
 * where possible, closed; line too long, no JSON -> told, closed; end of input while a request is
 * being answered (`echo ... | nc -U`) -> answered, then closed; too many connections -> told,
 * closed.
 */
#include "io/control/control.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "io/control/control_door.h"

#define CONTROL_TIMEOUT_MS 60000
#define CONTROL_BACKLOG 16

enum connection_state {
    CONNECTION_READING, /* waits for a line */
    CONNECTION_WAITING, /* waits for control_reply() */
    CONNECTION_WRITING
};

struct connection {
    struct control *control;
    struct connection *next;
    uint64_t id;
    enum connection_state state;
    bool paused; /* nothing is read */
    bool ending; /* closed when the reply has been written */
    bool closing;
    unsigned handles;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_write_t write;
    char *reply;
    size_t used;
    char line[CONTROL_LINE_MAX];
};

struct control {
    uv_loop_t *loop;
    struct log log;
    struct control_callbacks callbacks;
    uint32_t timeout_ms;
    struct control_door door;
    uv_pipe_t listener;
    bool listening; /* the handle is open */
    uint64_t last_id;
    unsigned n_connections;
    struct connection *connections;
    bool closing;
    void (*done)(void *data);
    void *done_data;
};

static void connection_next(struct connection *c);
static void connection_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf);
static void connection_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* ---- end of the whole ---- */

static void control_end(struct control *control)
{
    void (*done)(void *data) = control->done;
    void *data = control->done_data;
    if (!control->closing || control->listening || control->connections != NULL)
        return;
    free(control);
    if (done != NULL)
        done(data);
}

static void control_on_closed(uv_handle_t *handle)
{
    struct control *control = handle->data;
    control->listening = false;
    control_end(control);
}

/* ---- one connection ---- */

/* Whoever works on its request need not go on for it. */
static void connection_forget(struct connection *c)
{
    struct control *control = c->control;
    if (c->state != CONNECTION_WAITING)
        return;
    c->state = CONNECTION_WRITING;
    if (!control->closing && control->callbacks.on_gone != NULL)
        control->callbacks.on_gone(control->callbacks.data, c->id);
}

static void connection_free(struct connection *c)
{
    struct control *control = c->control;
    struct connection **at = &control->connections;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    control->n_connections--;
    free(c->reply);
    free(c);
    control_end(control);
}

static void connection_on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    if (--c->handles == 0)
        connection_free(c);
}

static void connection_close(struct connection *c)
{
    if (c->closing)
        return;
    c->closing = true;
    connection_forget(c);
    uv_close((uv_handle_t *)&c->pipe, connection_on_closed);
    uv_close((uv_handle_t *)&c->timer, connection_on_closed);
}

static void connection_on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;
    free(c->reply);
    c->reply = NULL;
    if (c->closing)
        return;
    if (status != 0 || c->ending) {
        connection_close(c);
        return;
    }
    c->state = CONNECTION_READING;
    connection_next(c);
}

/* text: one JSON text with its line break; freed when it is written. */
static void connection_write(struct connection *c, char *text)
{
    uv_buf_t buf = uv_buf_init(text, (unsigned)strlen(text));
    c->reply = text;
    c->state = CONNECTION_WRITING;
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, connection_on_written) != 0)
        connection_close(c);
}

static char *connection_line(json_t *reply)
{
    size_t size = json_dumpb(reply, NULL, 0, JSON_COMPACT);
    char *text = size > 0 ? malloc(size + 2) : NULL;
    if (text == NULL)
        return NULL;
    (void)json_dumpb(reply, text, size, JSON_COMPACT);
    text[size] = '\n';
    text[size + 1] = '\0';
    return text;
}

static void connection_answer(struct connection *c, json_t *reply)
{
    char *text = connection_line(reply);
    if (text == NULL)
        connection_close(c);
    else
        connection_write(c, text);
}

/* The last thing that is said on this connection. */
static void connection_fail(struct connection *c, const char *why)
{
    json_t *reply = json_pack("{s:b,s:s}", "ok", 0, "text", why);
    LOG(&c->control->log, WARNING, "control-refused", "an operator's connection is closed why='%s'",
        why);
    c->ending = true;
    connection_forget(c);
    if (reply == NULL) {
        connection_close(c);
        return;
    }
    connection_answer(c, reply);
    json_decref(reply);
}

static void connection_on_time(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    switch (c->state) {
    case CONNECTION_READING:
        if (c->used > 0)
            connection_fail(c, "the request did not arrive in time");
        else
            connection_close(c);
        break;
    case CONNECTION_WAITING:
        connection_fail(c, "the agent did not answer in time; it may still do what was asked, see "
                           "`tandem status`");
        break;
    default:
        connection_close(c);
        return;
    }
    if (!c->closing)
        (void)uv_timer_start(timer, connection_on_time, c->control->timeout_ms, 0);
}

static void connection_request(struct connection *c, const char *line, size_t size)
{
    struct control *control = c->control;
    json_error_t error;
    json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(request)) {
        json_decref(request);
        connection_fail(c, "a request must be one JSON object on one line");
        return;
    }
    c->state = CONNECTION_WAITING;
    control->callbacks.on_request(control->callbacks.data, c->id, request);
    json_decref(request);
}

/* Takes the next line out of the buffer, if there is one and nothing else is under way. */
static void connection_next(struct connection *c)
{
    char line[CONTROL_LINE_MAX];
    const char *end = memchr(c->line, '\n', c->used);
    size_t size = end != NULL ? (size_t)(end - c->line) : 0;
    if (c->state != CONNECTION_READING || c->closing)
        return;
    (void)uv_timer_start(&c->timer, connection_on_time, c->control->timeout_ms, 0);
    if (end == NULL && c->used == sizeof c->line)
        connection_fail(c, "the request is too long");
    if (end == NULL)
        return;
    memcpy(line, c->line, size);
    c->used -= size + 1;
    memmove(c->line, c->line + size + 1, c->used);
    if (c->paused) {
        c->paused = false;
        (void)uv_read_start((uv_stream_t *)&c->pipe, connection_alloc, connection_on_read);
    }
    connection_request(c, line, size);
}

static void connection_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct connection *c = handle->data;
    (void)size;
    *buf = uv_buf_init(c->line + c->used, (unsigned)(sizeof c->line - c->used));
}

static void connection_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    (void)buf;
    if (n > 0) {
        c->used += (size_t)n;
        connection_next(c);
        return;
    }
    if (n == 0)
        return;
    (void)uv_read_stop(stream);
    /* Full of what comes after the request at work: read on when there is room. */
    if (n == UV_ENOBUFS) {
        c->paused = true;
        return;
    }
    if (n == UV_EOF && c->state != CONNECTION_READING)
        c->ending = true;
    else
        connection_close(c);
}

/* ---- the door ---- */

static struct connection *connection_new(struct control *control)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->control = control;
    c->id = ++control->last_id;
    c->pipe.data = c->timer.data = c;
    c->handles = 2;
    (void)uv_pipe_init(control->loop, &c->pipe, 0);
    (void)uv_timer_init(control->loop, &c->timer);
    c->next = control->connections;
    control->connections = c;
    control->n_connections++;
    return c;
}

static void control_on_connection(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;
    struct connection *c = status == 0 ? connection_new(control) : NULL;
    int err = status;
    if (c == NULL) {
        LOG(&control->log, ERROR, "control-accept-failed",
            "a connection of an operator could not be accepted error='%s'",
            uv_strerror(err != 0 ? err : UV_ENOMEM));
        return;
    }
    err = uv_accept(listener, (uv_stream_t *)&c->pipe);
    if (err == 0)
        err = uv_read_start((uv_stream_t *)&c->pipe, connection_alloc, connection_on_read);
    if (err != 0) {
        connection_close(c);
        return;
    }
    (void)uv_timer_start(&c->timer, connection_on_time, control->timeout_ms, 0);
    if (control->n_connections > CONTROL_CONNECTIONS_MAX) {
        (void)uv_read_stop((uv_stream_t *)&c->pipe);
        connection_fail(c, "too many commands are connected to the agent; try again");
    }
}

static int control_listen(struct control *control, struct errmsg *msg)
{
    int err = uv_pipe_init(control->loop, &control->listener, 0);
    control->listener.data = control;
    control->listening = true;
    if (err == 0)
        err = uv_pipe_open(&control->listener, control->door.socket);
    if (err == 0) {
        control->door.socket = -1; /* belongs to the handle now */
        err = uv_listen((uv_stream_t *)&control->listener, CONTROL_BACKLOG, control_on_connection);
    }
    if (err != 0)
        return errmsg_set(msg, ERR_IO, "cannot listen for commands: %s", uv_strerror(err));
    return 0;
}

int control_open(const struct control_config *config, const struct control_callbacks *callbacks,
                 struct errmsg *msg, struct control **ret_control)
{
    struct control *control = calloc(1, sizeof *control);
    int err;
    if (control == NULL)
        return errmsg_set(msg, ERR_NOMEM, "control: out of memory");
    control->loop = config->loop;
    control->log = config->log;
    control->callbacks = *callbacks;
    control->timeout_ms = config->timeout_ms != 0 ? config->timeout_ms : CONTROL_TIMEOUT_MS;
    err = control_door_open(config->run_dir, msg, &control->door);
    if (err != 0) {
        free(control);
        return err;
    }
    err = control_listen(control, msg);
    if (err != 0) {
        control_close(control, NULL, NULL);
        return err;
    }
    *ret_control = control;
    return 0;
}

int control_reply(struct control *control, uint64_t id, json_t *reply)
{
    struct connection *c = control->connections;
    while (c != NULL && c->id != id)
        c = c->next;
    if (c == NULL || c->closing || c->state != CONNECTION_WAITING || reply == NULL) {
        json_decref(reply);
        return ERR_NOTFOUND;
    }
    connection_answer(c, reply);
    json_decref(reply);
    return 0;
}

void control_close(struct control *control, void (*done)(void *data), void *data)
{
    assert(!control->closing);
    control->closing = true;
    control->done = done;
    control->done_data = data;
    control_door_close(&control->door);
    for (struct connection *c = control->connections; c != NULL; c = c->next)
        connection_close(c);
    uv_close((uv_handle_t *)&control->listener, control_on_closed);
}
