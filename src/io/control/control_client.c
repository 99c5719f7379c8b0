/* SPDX-License-Identifier: Apache-2.0 */
#include "io/control/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/control/control_door.h"

#define CLIENT_CONNECT_RETRY_MS 20

struct client {
    const char *run_dir;
    int fd;
    int64_t deadline_ms;
    int64_t timeout_ms;
    struct errmsg *msg;
};

static int64_t client_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int client_no_answer(const struct client *c)
{
    return errmsg_set(c->msg, ERR_TIMEOUT,
                      "the agent of this node did not answer within %lld ms: it hangs or is very "
                      "busy; see its log, and `tandem status` on another node",
                      (long long)c->timeout_ms);
}

static int client_error(const struct client *c, int number)
{
    if (number == ENOENT || number == ENOTDIR)
        return errmsg_set(c->msg, ERR_NOTFOUND,
                          "no agent runs on this node (nothing at %s/agent.sock); start it: "
                          "systemctl start tandem",
                          c->run_dir);
    if (number == ECONNREFUSED)
        return errmsg_set(c->msg, ERR_REFUSED,
                          "the agent of this node has died (%s/agent.sock is a dead one's); start "
                          "it: systemctl start tandem",
                          c->run_dir);
    if (number == EACCES || number == EPERM)
        return errmsg_set(c->msg, ERR_PERM,
                          "not allowed to talk to the agent (%s/agent.sock): be root, or the user "
                          "of the agent",
                          c->run_dir);
    return errmsg_set(c->msg, ERR_IO, "the connection to the agent broke (%s); see its log",
                      strerror(number));
}

/* Waits until the socket can do what `events` says; ERR_TIMEOUT. */
static int client_wait(const struct client *c, short events)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    for (;;) {
        int64_t left_ms = c->deadline_ms - client_now_ms();
        int n;
        if (left_ms <= 0)
            return client_no_answer(c);
        n = poll(&p, 1, (int)left_ms);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return client_error(c, errno);
    }
}

static int client_connect(struct client *c)
{
    int dir = open(c->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un address = control_door_address(dir);
    int number = dir < 0 ? errno : 0;
    c->fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dir >= 0 && c->fd < 0)
        number = errno;
    while (c->fd >= 0 && connect(c->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        number = errno;
        /* EAGAIN: the queue of a hanging agent is full. */
        if (number != EAGAIN || client_now_ms() >= c->deadline_ms)
            break;
        number = 0;
        (void)poll(NULL, 0, CLIENT_CONNECT_RETRY_MS);
    }
    if (dir >= 0)
        (void)close(dir);
    if (number == EAGAIN)
        return client_no_answer(c);
    return number != 0 ? client_error(c, number) : 0;
}

static int client_send(const struct client *c, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = send(c->fd, text, size, MSG_NOSIGNAL);
        if (n >= 0) {
            text += n;
            size -= (size_t)n;
            continue;
        }
        /* It has closed already: what it said before that is worth reading. */
        if (errno == EPIPE)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return client_error(c, errno);
        if (errno == EAGAIN) {
            int err = client_wait(c, POLLOUT);
            if (err != 0)
                return err;
        }
    }
    return 0;
}

struct client_buffer {
    char *at;
    size_t size;
    size_t used;
};

static int client_grow(const struct client *c, struct client_buffer *b)
{
    size_t size = b->size == 0 ? 65536 : 2 * b->size;
    char *at;
    if (b->used < b->size)
        return 0;
    if (size > CONTROL_REPLY_MAX)
        return errmsg_set(c->msg, ERR_FORMAT,
                          "the agent's reply is too long; are agent and "
                          "command of the same version?");
    at = realloc(b->at, size);
    if (at == NULL)
        return errmsg_set(c->msg, ERR_NOMEM, "out of memory");
    b->at = at;
    b->size = size;
    return 0;
}

/* Reads up to the first line break, which is not part of it. */
static int client_receive(const struct client *c, struct client_buffer *b)
{
    for (;;) {
        ssize_t n;
        const char *end;
        int err = client_grow(c, b);
        if (err == 0)
            err = client_wait(c, POLLIN);
        if (err != 0)
            return err;
        n = recv(c->fd, b->at + b->used, b->size - b->used, 0);
        if (n == 0)
            return client_error(c, ECONNRESET);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return client_error(c, errno);
        if (n < 0)
            continue;
        end = memchr(b->at + b->used, '\n', (size_t)n);
        b->used += (size_t)n;
        if (end != NULL) {
            b->used = (size_t)(end - b->at);
            return 0;
        }
    }
}

int control_client_ask(const char *run_dir, const json_t *request, int64_t timeout_ms,
                       struct errmsg *msg, json_t **ret_reply)
{
    struct client c = {.run_dir = run_dir,
                       .fd = -1,
                       .deadline_ms = client_now_ms() + timeout_ms,
                       .timeout_ms = timeout_ms,
                       .msg = msg};
    struct client_buffer b = {NULL, 0, 0};
    char *text = json_dumps(request, JSON_COMPACT);
    json_t *reply = NULL;
    int err = text == NULL ? errmsg_set(msg, ERR_NOMEM, "out of memory") : client_connect(&c);
    if (err == 0)
        err = client_send(&c, text, strlen(text));
    if (err == 0)
        err = client_send(&c, "\n", 1);
    if (err == 0)
        err = client_receive(&c, &b);
    if (err == 0) {
        reply = json_loadb(b.at, b.used, 0, NULL);
        if (!json_is_object(reply)) {
            err = errmsg_set(msg, ERR_FORMAT,
                             "the agent's reply cannot be read; are agent and "
                             "command of the same version?");
            json_decref(reply);
        }
    }
    if (c.fd >= 0)
        (void)close(c.fd);
    free(b.at);
    free(text);
    if (err == 0)
        *ret_reply = reply;
    return err;
}
