/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection, either direction. Happy path:
 *
 *     dialler   CONNECTING -> TLS -> HELLO (sends its own at once) -> READY on the acceptor's HELLO
 *     acceptor                TLS -> HELLO -> READY on the dialler's HELLO, which it answers
 *
 * GnuTLS works on the non-blocking socket itself; uv_poll says when. Failure modes:
 *  - no TCP in connect_timeout_ms, no HELLO in handshake_timeout_ms, nothing received for
 *    idle_timeout_ms: closed by the timer. Before the last verdict the socket is read once more, so
 *    that a stall of our own loop is not taken for silence of the other side;
 *  - the other side is no node of ours, or not the one it should be: an alert or a HELLO with a
 *    verdict is sent and the connection lingers, because closing a socket with unread bytes makes
 *    the kernel send a reset, which can overtake the reason;
 *  - bytes that are no frames, frames out of sequence or of a wrong kind: closed;
 *  - the other side does not read: the queue fills and peer_send() says so; TCP_USER_TIMEOUT or
 *    silence ends the connection.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/peer/peer_priv.h"

#define RECORD_MAX 16384u
#define RX_FIRST_BYTES 4096u
#define BUFFER_KEEP_BYTES 65536u
/* A peer that sends without pause must not keep the loop from the others. */
#define RX_BUDGET_BYTES 262144u
#define LINGER_MS 500
#define US_PER_MS 1000

static void conn_on_poll(uv_poll_t *handle, int status, int events);

/* ---- buffers ---- */

/* Room for n more bytes behind those in use. */
static bool bytes_reserve(struct bytes *b, size_t n)
{
    size_t cap = b->cap == 0 ? RX_FIRST_BYTES : b->cap;
    uint8_t *data;
    if (b->cap - b->start - b->len >= n)
        return true;
    if (b->cap - b->len >= n) {
        memmove(b->data, b->data + b->start, b->len);
        b->start = 0;
        return true;
    }
    while (cap < b->len + n)
        cap *= 2;
    data = malloc(cap);
    if (data == NULL)
        return false;
    if (b->len > 0)
        memcpy(data, b->data + b->start, b->len);
    free(b->data);
    *b = (struct bytes){.data = data, .len = b->len, .cap = cap};
    return true;
}

static void bytes_consume(struct bytes *b, size_t n)
{
    assert(n <= b->len);
    b->start += n;
    b->len -= n;
    if (b->len > 0)
        return;
    b->start = 0;
    if (b->cap > BUFFER_KEEP_BYTES) {
        free(b->data);
        *b = (struct bytes){0};
    }
}

/* ---- deadlines ---- */

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t conn_deadline_us(const struct peer_conn *conn)
{
    const struct peer_config *c = &conn->peer->config;
    switch (conn->state) {
    case CONN_CONNECTING:
        return conn->state_us + (int64_t)c->connect_timeout_ms * US_PER_MS;
    case CONN_TLS:
    case CONN_HELLO:
        return conn->state_us + (int64_t)c->handshake_timeout_ms * US_PER_MS;
    case CONN_READY:
        return min_i64(conn->rx_us + (int64_t)c->idle_timeout_ms * US_PER_MS,
                       conn->tx_us + (int64_t)c->ping_interval_ms * US_PER_MS);
    case CONN_LINGER:
        return conn->state_us + LINGER_MS * US_PER_MS;
    case CONN_CLOSED:
        break;
    }
    return INT64_MAX;
}

static void conn_on_timer(uv_timer_t *timer);

/* The timer is not moved with every frame: it wakes at the earliest moment that may matter and is
 * armed again for what is left. */
static void conn_arm(struct peer_conn *conn)
{
    int64_t left_us = conn_deadline_us(conn) - peer_now_us();
    uint64_t left_ms = left_us <= 0 ? 1 : (uint64_t)(left_us / US_PER_MS) + 1;
    (void)uv_timer_start(&conn->timer, conn_on_timer, left_ms, 0);
}

static void conn_poll(struct peer_conn *conn, int events)
{
    if (events == conn->events)
        return;
    conn->events = events;
    (void)uv_poll_start(&conn->poll, events, conn_on_poll);
}

static void conn_move(struct peer_conn *conn, enum conn_state state)
{
    conn->state = state;
    /* The handshake has one deadline, from TCP to HELLO. */
    if (state != CONN_HELLO)
        conn->state_us = peer_now_us();
    conn_arm(conn);
}

/* ---- end ---- */

static void conn_on_closed(struct peer_conn *conn)
{
    struct peer *peer = conn->peer;
    conn->handles_open--;
    if (conn->handles_open == 0) {
        if (conn->tls != NULL)
            gnutls_deinit(conn->tls);
        peer_credentials_drop(conn->credentials);
        free(conn->rx.data);
        free(conn->tx.data);
        free(conn);
    }
    peer_handle_closed(peer);
}

static void conn_on_poll_closed(uv_handle_t *handle)
{
    conn_on_closed(handle->data);
}

/* Buffers and session live until the close callbacks: a frame of ours may be in a callback now. */
static void conn_teardown(struct peer_conn *conn)
{
    conn->state = CONN_CLOSED;
    *conn->link = conn->next;
    if (conn->next != NULL)
        conn->next->link = conn->link;
    uv_close((uv_handle_t *)&conn->poll, conn_on_poll_closed);
    uv_close((uv_handle_t *)&conn->timer, conn_on_poll_closed);
    (void)close(conn->fd);
    conn->fd = -1;
}

void peer_conn_close(struct peer_conn *conn, enum conn_end end, const char *fmt, ...)
{
    char reason[PEER_REASON_MAX];
    enum conn_state was = conn->state;
    va_list args;
    if (was == CONN_CLOSED)
        return;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    /* One attempt: tells the other side that this is no accident. */
    if ((was == CONN_READY || was == CONN_HELLO) && !conn->record_pending)
        (void)gnutls_bye(conn->tls, GNUTLS_SHUT_WR);
    conn_teardown(conn);
    if (was != CONN_LINGER)
        peer_on_gone(conn, was, end, reason);
}

void peer_conn_refuse(struct peer_conn *conn, const char *fmt, ...)
{
    char reason[PEER_REASON_MAX];
    enum conn_state was = conn->state;
    va_list args;
    assert(was != CONN_CLOSED && was != CONN_LINGER);
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    (void)shutdown(conn->fd, SHUT_WR);
    conn_move(conn, CONN_LINGER);
    conn_poll(conn, UV_READABLE);
    peer_on_gone(conn, was, CONN_END_REFUSED, reason);
}

static void conn_linger(struct peer_conn *conn)
{
    char sink[4096];
    ssize_t n = recv(conn->fd, sink, sizeof(sink), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        peer_conn_close(conn, CONN_END_LOST, "lingered");
}

/* A failed call of GnuTLS, in any state. */
static void conn_tls_failed(struct peer_conn *conn, int rv, int saved_errno)
{
    if (conn->refusal[0] != '\0') {
        (void)gnutls_alert_send(conn->tls, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
        peer_conn_refuse(conn, "%s", conn->refusal);
    } else if (rv == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        peer_conn_close(conn, CONN_END_REFUSED_US, "the other side ended TLS: %s",
                        gnutls_alert_get_name(gnutls_alert_get(conn->tls)));
    } else if (rv == GNUTLS_E_PUSH_ERROR || rv == GNUTLS_E_PULL_ERROR) {
        peer_conn_close(conn, CONN_END_LOST, "%s",
                        saved_errno != 0 ? strerror(saved_errno) : "connection failed");
    } else if (rv == GNUTLS_E_PREMATURE_TERMINATION) {
        peer_conn_close(conn, CONN_END_LOST, "connection closed without notice");
    } else if (rv == GNUTLS_E_NO_CERTIFICATE_FOUND || rv == GNUTLS_E_CERTIFICATE_REQUIRED) {
        (void)gnutls_alert_send_appropriate(conn->tls, rv);
        peer_conn_refuse(conn, "no certificate was sent");
    } else {
        (void)gnutls_alert_send_appropriate(conn->tls, rv);
        peer_conn_close(conn, CONN_END_BROKEN, "TLS failed: %s", gnutls_strerror(rv));
    }
}

/* ---- sending ---- */

int peer_conn_queue(struct peer_conn *conn, enum frame_kind kind, const void *payload, size_t len)
{
    struct frame_header header = {kind, (uint32_t)len, conn->tx_sequence};
    size_t size = FRAME_HEADER_SIZE + len;
    uint8_t *at;
    if (conn->tx.len + size > conn->peer->config.queue_max_bytes)
        return ERR_FULL;
    if (!bytes_reserve(&conn->tx, size))
        return ERR_NOMEM;
    at = conn->tx.data + conn->tx.start + conn->tx.len;
    frame_header_encode(&header, at);
    if (len > 0)
        memcpy(at + FRAME_HEADER_SIZE, payload, len);
    conn->tx.len += size;
    conn->tx_sequence++;
    conn->tx_us = peer_now_us();
    return 0;
}

void peer_conn_flush(struct peer_conn *conn)
{
    while (conn->tx.len > 0) {
        size_t n = conn->tx.len < RECORD_MAX ? conn->tx.len : RECORD_MAX;
        ssize_t rv;
        errno = 0;
        /* A record that the socket did not take is GnuTLS's now; it goes on with NULL and returns
         * the size of the first call. */
        if (conn->record_pending)
            rv = gnutls_record_send(conn->tls, NULL, 0);
        else
            rv = gnutls_record_send(conn->tls, conn->tx.data + conn->tx.start, n);
        if (rv == GNUTLS_E_INTERRUPTED || rv == GNUTLS_E_AGAIN) {
            conn->record_pending = true;
            if (rv == GNUTLS_E_INTERRUPTED)
                continue;
            conn_poll(conn, UV_READABLE | UV_WRITABLE);
            return;
        }
        if (rv < 0) {
            conn_tls_failed(conn, (int)rv, errno);
            return;
        }
        conn->record_pending = false;
        bytes_consume(&conn->tx, (size_t)rv);
    }
    conn_poll(conn, UV_READABLE);
}

void peer_conn_send_hello(struct peer_conn *conn, enum frame_verdict verdict)
{
    const struct peer *peer = conn->peer;
    struct frame_hello hello = {.protocol = FRAME_PROTOCOL,
                                .verdict = (uint8_t)verdict,
                                .cluster_id = peer->cluster_id,
                                .config_digest = peer->config.config_digest,
                                .incarnation = peer->incarnation,
                                .node = (uint8_t)peer->config.self,
                                .generation = peer->config.generation,
                                .joins = peer->config.joins,
                                .arbiter = peer->config.arbiter};
    uint8_t buf[FRAME_HELLO_MAX];
    size_t len = 0;
    int rv;
    (void)snprintf(hello.name, sizeof(hello.name), "%s", peer_name(peer, peer->config.self));
    (void)snprintf(hello.agent, sizeof(hello.agent), "%s", peer->agent_version);
    rv = frame_hello_encode(&hello, buf, sizeof(buf), &len);
    assert(rv == 0);
    rv = peer_conn_queue(conn, FRAME_HELLO, buf, len);
    if (rv != 0)
        peer_conn_close(conn, CONN_END_LOST, "%s", err_text(rv));
    else
        peer_conn_flush(conn);
}

/* ---- receiving ---- */

static void conn_on_hello(struct peer_conn *conn, const struct frame *f)
{
    if (f->header.kind != FRAME_HELLO)
        peer_conn_close(conn, CONN_END_BROKEN, "first frame is %s instead of hello",
                        frame_kind_name((int)f->header.kind));
    else if (frame_hello_decode(f->payload, f->header.length, &conn->hello) != 0)
        peer_conn_close(conn, CONN_END_BROKEN, "hello is malformed");
    else
        peer_on_hello(conn);
}

static void conn_on_frame(struct peer_conn *conn, const struct frame *f)
{
    struct peer *peer = conn->peer;
    struct peer_stats *stats = &peer->node[conn->node].stats;
    if (f->header.sequence != conn->rx_sequence) {
        peer_conn_close(conn, CONN_END_BROKEN, "frame %u came instead of frame %u",
                        f->header.sequence, conn->rx_sequence);
        return;
    }
    conn->rx_sequence++;
    if (conn->state == CONN_HELLO) {
        conn_on_hello(conn, f);
        return;
    }
    if (f->header.kind == FRAME_PING)
        return;
    if (f->header.kind == FRAME_HELLO || conn->dialled) {
        peer_conn_close(conn, CONN_END_BROKEN, "unexpected %s frame",
                        frame_kind_name((int)f->header.kind));
        return;
    }
    stats->frames_received++;
    stats->bytes_received += f->size;
    peer->callbacks.on_frame(peer->callbacks.data, conn->node, f->header.kind, f->payload,
                             f->header.length);
}

static bool conn_is_open(const struct peer_conn *conn)
{
    return conn->state == CONN_HELLO || conn->state == CONN_READY;
}

static void conn_parse(struct peer_conn *conn)
{
    /* Without a byte there is no buffer either. */
    while (conn_is_open(conn) && conn->rx.len > 0) {
        struct frame f;
        int rv = frame_split(conn->rx.data + conn->rx.start, conn->rx.len, &f, &conn->rx_need);
        if (rv == 0 && conn->rx_need > 0 && conn->state == CONN_HELLO &&
            conn->rx_need > FRAME_HEADER_SIZE + FRAME_HELLO_MAX)
            rv = ERR_FORMAT;
        if (rv != 0) {
            peer_conn_close(conn, CONN_END_BROKEN, "no frame where one should begin: %s",
                            err_text(rv));
            return;
        }
        if (conn->rx_need > 0)
            return;
        conn_on_frame(conn, &f);
        if (conn_is_open(conn))
            bytes_consume(&conn->rx, f.size);
    }
    if (conn->rx.len == 0)
        conn->rx_need = FRAME_HEADER_SIZE;
}

static ssize_t conn_recv(struct peer_conn *conn)
{
    size_t want = conn->rx_need > conn->rx.len ? conn->rx_need - conn->rx.len : 1;
    struct bytes *rx = &conn->rx;
    if (!bytes_reserve(rx, want))
        return GNUTLS_E_MEMORY_ERROR;
    errno = 0;
    return gnutls_record_recv(conn->tls, rx->data + rx->start + rx->len,
                              rx->cap - rx->start - rx->len);
}

static void conn_read(struct peer_conn *conn)
{
    size_t total = 0;
    while (conn_is_open(conn)) {
        ssize_t n;
        /* What GnuTLS holds decrypted does not wake the poll: never stop before it is empty. */
        if (total >= RX_BUDGET_BYTES && gnutls_record_check_pending(conn->tls) == 0)
            return;
        n = conn_recv(conn);
        if (n == GNUTLS_E_AGAIN)
            return;
        if (n == 0) {
            peer_conn_close(conn, CONN_END_LOST, "closed by the other side");
        } else if (n > 0) {
            conn->rx_us = peer_now_us();
            conn->rx.len += (size_t)n;
            total += (size_t)n;
            conn_parse(conn);
        } else if (gnutls_error_is_fatal((int)n) != 0) {
            conn_tls_failed(conn, (int)n, errno);
        }
    }
}

/* ---- opening ---- */

static void conn_handshake(struct peer_conn *conn)
{
    int rv;
    do {
        errno = 0;
        rv = gnutls_handshake(conn->tls);
    } while (rv < 0 && rv != GNUTLS_E_AGAIN && gnutls_error_is_fatal(rv) == 0);
    if (rv == GNUTLS_E_AGAIN) {
        conn_poll(conn, gnutls_record_get_direction(conn->tls) == 0 ? UV_READABLE : UV_WRITABLE);
        return;
    }
    if (rv < 0) {
        conn_tls_failed(conn, rv, errno);
        return;
    }
    conn_move(conn, CONN_HELLO);
    conn_poll(conn, UV_READABLE);
    if (conn->dialled)
        peer_conn_send_hello(conn, FRAME_VERDICT_WELCOME);
    conn_read(conn);
}

static void conn_start_tls(struct peer_conn *conn)
{
    conn_move(conn, CONN_TLS);
    if (peer_tls_open(conn) != 0)
        peer_conn_close(conn, CONN_END_LOST, "no TLS session: out of memory");
    else
        conn_handshake(conn);
}

static int socket_error(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        return errno;
    return err;
}

static void conn_connected(struct peer_conn *conn)
{
    int err = socket_error(conn->fd);
    if (err != 0)
        peer_conn_close(conn, CONN_END_LOST, "%s", strerror(err));
    else
        conn_start_tls(conn);
}

static void conn_on_poll(uv_poll_t *handle, int status, int events)
{
    struct peer_conn *conn = handle->data;
    if (status < 0)
        conn->events = 0; /* libuv stopped polling: the socket has an error */
    switch (conn->state) {
    case CONN_CONNECTING:
        conn_connected(conn);
        break;
    case CONN_TLS:
        conn_handshake(conn);
        break;
    case CONN_HELLO:
    case CONN_READY:
        if ((events & UV_WRITABLE) != 0)
            peer_conn_flush(conn);
        conn_read(conn);
        break;
    case CONN_LINGER:
        conn_linger(conn);
        break;
    case CONN_CLOSED:
        break;
    }
    /* Reading has told why, as a rule; an error that it did not meet must not stay unseen. */
    if (status < 0 && conn->state != CONN_CLOSED) {
        int err = socket_error(conn->fd);
        peer_conn_close(conn, CONN_END_LOST, "%s", err != 0 ? strerror(err) : "connection failed");
    }
}

static void conn_on_timer_ready(struct peer_conn *conn)
{
    const struct peer_config *c = &conn->peer->config;
    int64_t now_us = peer_now_us();
    if (now_us - conn->rx_us >= (int64_t)c->idle_timeout_ms * US_PER_MS) {
        conn_read(conn);
        if (conn->state != CONN_READY)
            return;
        if (now_us - conn->rx_us >= (int64_t)c->idle_timeout_ms * US_PER_MS) {
            peer_conn_close(conn, CONN_END_LOST, "nothing was received for %u ms",
                            c->idle_timeout_ms);
            return;
        }
    }
    /* Unsent frames will do as a sign of life. */
    if (now_us - conn->tx_us >= (int64_t)c->ping_interval_ms * US_PER_MS) {
        if (conn->tx.len > 0 || peer_conn_queue(conn, FRAME_PING, NULL, 0) != 0)
            conn->tx_us = now_us;
        peer_conn_flush(conn);
    }
    if (conn->state == CONN_READY)
        conn_arm(conn);
}

static void conn_on_timer(uv_timer_t *timer)
{
    struct peer_conn *conn = timer->data;
    const struct peer_config *c = &conn->peer->config;
    /* libuv counts from the start of the loop turn and may wake a little early. */
    if (peer_now_us() < conn_deadline_us(conn)) {
        conn_arm(conn);
        return;
    }
    switch (conn->state) {
    case CONN_CONNECTING:
        peer_conn_close(conn, CONN_END_LOST, "no connection after %u ms", c->connect_timeout_ms);
        break;
    case CONN_TLS:
    case CONN_HELLO:
        peer_conn_close(conn, CONN_END_LOST, "no handshake after %u ms", c->handshake_timeout_ms);
        break;
    case CONN_READY:
        conn_on_timer_ready(conn);
        break;
    case CONN_LINGER:
        peer_conn_close(conn, CONN_END_LOST, "lingered");
        break;
    case CONN_CLOSED:
        break;
    }
}

void peer_conn_ready(struct peer_conn *conn)
{
    conn_move(conn, CONN_READY);
}

struct peer_conn *peer_conn_open(struct peer *peer, int fd, unsigned dialled_node,
                                 const char *remote)
{
    struct peer_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL || uv_poll_init(peer->config.loop, &conn->poll, fd) != 0) {
        free(conn);
        (void)close(fd);
        return NULL;
    }
    (void)uv_timer_init(peer->config.loop, &conn->timer);
    conn->poll.data = conn;
    conn->timer.data = conn;
    conn->handles_open = 2;
    peer->handles_open += 2;
    conn->peer = peer;
    conn->fd = fd;
    conn->dialled = dialled_node != NODE_NONE;
    conn->node = dialled_node;
    conn->rx_us = peer_now_us();
    conn->tx_us = conn->rx_us;
    (void)snprintf(conn->remote, sizeof(conn->remote), "%s", remote);
    conn->next = peer->conns;
    conn->link = &peer->conns;
    if (conn->next != NULL)
        conn->next->link = &conn->next;
    peer->conns = conn;
    if (conn->dialled) {
        conn_move(conn, CONN_CONNECTING);
        conn_poll(conn, UV_WRITABLE);
    } else {
        conn_start_tls(conn);
    }
    return conn;
}
