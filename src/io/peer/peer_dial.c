/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the transport: one that listens, and one per node that is dialled again for ever.
 * Failure modes:
 *  - our own address is not there yet (network still starting): listening works anyway
 *    (IP_FREEBIND), dialling fails and is repeated;
 *  - port taken by a stranger: start fails;
 *  - out of descriptors: accepting pauses, or the listening socket would wake the loop for ever;
 *  - too many connections that do not introduce themselves: the oldest is closed;
 *  - nobody answers: the connection's deadline, then the back-off.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/peer/peer_priv.h"

#define ACCEPTS_PER_WAKE 8
#define ACCEPT_RETRY_MS 100
#define BACKLOG 64
#define US_PER_MS 1000

static int parse_address(const char *text, uint16_t port, struct sockaddr_storage *ret_addr)
{
    memset(ret_addr, 0, sizeof(*ret_addr));
    if (uv_ip4_addr(text, port, (struct sockaddr_in *)ret_addr) == 0)
        return 0;
    return uv_ip6_addr(text, port, (struct sockaddr_in6 *)ret_addr) == 0 ? 0 : ERR_INVAL;
}

static socklen_t address_len(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static uint16_t address_port(const struct sockaddr_storage *addr)
{
    return ntohs(addr->ss_family == AF_INET ? ((const struct sockaddr_in *)addr)->sin_port
                                            : ((const struct sockaddr_in6 *)addr)->sin6_port);
}

static void address_text(const struct sockaddr_storage *addr, char buf[ADDRESS_TEXT_MAX])
{
    if (uv_ip_name((const struct sockaddr *)addr, buf, ADDRESS_TEXT_MAX) != 0)
        buf[0] = '\0';
}

/* Best effort: without these the link works, only slower to notice and to recover. */
static void tune_socket(const struct peer *peer, int fd)
{
    int on = 1;
    int timeout_ms = (int)peer->config.user_timeout_ms;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    /* After a short cut the next retransmission comes in an RTO, not in the doubled and doubled
     * again one. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &on, sizeof(on));
}

/* ---- accepting ---- */

static int bind_and_listen(int fd, const struct sockaddr_storage *addr)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)addr, address_len(addr)) != 0)
        return -1;
    return listen(fd, BACKLOG);
}

int peer_listen(struct peer *peer, struct errmsg *msg)
{
    const struct peer_node_config *self = &peer->config.node[peer->config.self];
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    int rv = parse_address(self->address, self->port, &addr);
    int fd;
    assert(rv == 0); /* checked by peer_start() */
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errmsg_set(msg, ERR_NET, "no socket: %s", strerror(errno));
    if (bind_and_listen(fd, &addr) != 0 || getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        rv = errmsg_set(msg, ERR_NET,
                        "cannot listen on %s port %u: %s: stop what uses the port or choose "
                        "another in the arbiter block",
                        self->address, self->port, strerror(errno));
        (void)close(fd);
        return rv;
    }
    rv = uv_poll_init(peer->config.loop, &peer->listener, fd);
    if (rv != 0) {
        (void)close(fd);
        return errmsg_set(msg, ERR_NET, "cannot poll: %s", uv_strerror(rv));
    }
    peer->listen_fd = fd;
    peer->port = address_port(&addr);
    return 0;
}

static bool is_stranger(const struct peer_conn *conn)
{
    return !conn->dialled && conn->state != CONN_READY;
}

/* The list is newest first: the last stranger is the oldest. */
static void bound_strangers(struct peer *peer)
{
    struct peer_conn *oldest = NULL;
    unsigned n = 0;
    for (struct peer_conn *c = peer->conns; c != NULL; c = c->next) {
        if (!is_stranger(c))
            continue;
        n++;
        oldest = c;
    }
    if (n >= PEER_STRANGERS_MAX)
        peer_conn_close(oldest, CONN_END_LOST, "too many connections without introduction");
}

static void accept_pause(struct peer *peer, int err)
{
    unsigned left_out;
    if (peer_limit_pass(&peer->accept_limit, &left_out))
        LOG(&peer->config.log, ERROR, "peer-accept-failed",
            "cannot accept connections, trying again error='%s' suppressed=%u", strerror(err),
            left_out);
    (void)uv_poll_stop(&peer->listener);
    (void)uv_timer_start(&peer->accept_retry, peer_on_accept_retry, ACCEPT_RETRY_MS, 0);
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
    struct peer *peer = handle->data;
    (void)events;
    if (status < 0) {
        accept_pause(peer, EBADF);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_WAKE && !peer->closing; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);
        char remote[ADDRESS_TEXT_MAX];
        int fd =
            accept4(peer->listen_fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            accept_pause(peer, errno);
        if (fd < 0)
            return; /* EAGAIN, or a connection that is gone already */
        address_text(&addr, remote);
        tune_socket(peer, fd);
        bound_strangers(peer);
        (void)peer_conn_open(peer, fd, NODE_NONE, remote);
    }
}

void peer_listen_start(struct peer *peer)
{
    (void)uv_poll_start(&peer->listener, UV_READABLE, on_listener);
}

void peer_on_accept_retry(uv_timer_t *timer)
{
    peer_listen_start(timer->data);
}

/* ---- dialling ---- */

void peer_log_dial_failed(struct peer_node *node, const char *reason)
{
    const struct peer *peer = node->peer;
    const struct peer_node_config *c = &peer->config.node[node->index];
    unsigned left_out;
    if (peer_limit_pass(&node->dial_limit, &left_out))
        LOG(&peer->config.log, NOTICE, "peer-dial-failed",
            "cannot reach node '%s', trying again address=%s port=%u reason='%s' suppressed=%u",
            c->name, c->address, c->port, reason, left_out);
}

/*
 * Our side of the connection must be the node's own address, never a virtual one that will move
 * away. Behind address translation the configured address is not ours: then the kernel chooses.
 */
static void bind_own_address(const struct peer *peer, int fd, sa_family_t family)
{
    struct sockaddr_storage own;
    int on = 1;
    if (parse_address(peer->config.node[peer->config.self].address, 0, &own) != 0 ||
        own.ss_family != family)
        return;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)bind(fd, (struct sockaddr *)&own, address_len(&own));
}

/* Returns the connecting socket or -1 with errno. */
static int dial_socket(const struct peer *peer, const struct sockaddr_storage *addr)
{
    int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    tune_socket(peer, fd);
    bind_own_address(peer, fd, addr->ss_family);
    if (connect(fd, (const struct sockaddr *)addr, address_len(addr)) != 0 &&
        errno != EINPROGRESS) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static void dial(struct peer_node *node)
{
    struct peer *peer = node->peer;
    const struct peer_node_config *c = &peer->config.node[node->index];
    struct sockaddr_storage addr;
    int fd;
    assert(node->out == NULL);
    (void)uv_timer_stop(&node->retry);
    node->dialled_us = peer_now_us();
    if (parse_address(c->address, c->port, &addr) != 0)
        return; /* checked by peer_start() */
    fd = dial_socket(peer, &addr);
    if (fd < 0)
        peer_log_dial_failed(node, strerror(errno));
    else
        node->out = peer_conn_open(peer, fd, node->index, c->address);
    if (node->out == NULL)
        peer_dial_later(node);
}

void peer_on_retry(uv_timer_t *timer)
{
    dial(timer->data);
}

/* Uniform in the upper half of a window that doubles: jitter keeps nodes that lost each other at
 * the same moment apart. */
void peer_dial_later(struct peer_node *node)
{
    struct peer *peer = node->peer;
    const struct peer_config *c = &peer->config;
    unsigned half_ms = node->backoff_ms / 2;
    uint64_t delay_ms = half_ms + prng_below(&peer->prng, half_ms + 1);
    node->backoff_ms =
        node->backoff_ms < c->backoff_max_ms / 2 ? node->backoff_ms * 2 : c->backoff_max_ms;
    (void)uv_timer_start(&node->retry, peer_on_retry, delay_ms, 0);
}

void peer_dial_soon(struct peer_node *node)
{
    int64_t wait_us =
        node->dialled_us + (int64_t)node->peer->config.backoff_min_ms * US_PER_MS - peer_now_us();
    assert(node->out == NULL);
    if (node->dialled_us == 0 || wait_us <= 0)
        dial(node);
    else
        (void)uv_timer_start(&node->retry, peer_on_retry, (uint64_t)(wait_us / US_PER_MS) + 1, 0);
}
