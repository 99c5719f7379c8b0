/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: start -> every node is dialled; a node whose two connections are READY is up; frames
 * go to the queue of the outgoing connection and leave before the loop sleeps. Failure modes:
 *  - a connection ends: the node is down, its queue is gone, it is dialled again;
 *  - a newer connection of a node comes in: the older one is closed first;
 *  - one of the two connections belongs to an earlier start of the other agent: that one is closed,
 *    it will not be heard of again;
 *  - names, positions or clusters differ: refused on both sides with the reason.
 */
#include "io/peer/peer.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/peer/peer_priv.h"

#define LIMIT_US ((int64_t)60 * 1000 * 1000)
#define US_PER_MS 1000
/* So many pings missing while the other side dials anew: our connection is dead too. */
#define SILENT_PINGS 3

int64_t peer_now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

bool peer_limit_pass(struct peer_limit *limit, unsigned *ret_suppressed)
{
    int64_t now_us = peer_now_us();
    if (limit->last_us != 0 && now_us - limit->last_us < LIMIT_US) {
        limit->suppressed++;
        return false;
    }
    *ret_suppressed = limit->suppressed;
    *limit = (struct peer_limit){.last_us = now_us};
    return true;
}

const char *peer_name(const struct peer *peer, unsigned node)
{
    return node < peer->config.n_nodes ? peer->config.node[node].name : "?";
}

/* ---- up and down ---- */

static bool is_ready(const struct peer_conn *conn)
{
    return conn != NULL && conn->state == CONN_READY;
}

/* Tells the caller if the node's state has changed. The callback may close the transport. */
static void node_update(struct peer_node *node, const char *reason)
{
    struct peer *peer = node->peer;
    bool up = is_ready(node->out) && is_ready(node->in);
    if (up == node->up || peer->closing)
        return;
    node->up = up;
    node->refusal[0] = '\0';
    if (up)
        peer->callbacks.on_up(peer->callbacks.data, node->index, &node->in->hello);
    else
        peer->callbacks.on_down(peer->callbacks.data, node->index, reason);
}

static void drop_in(struct peer_node *node, const char *reason)
{
    struct peer_conn *conn = node->in;
    node->in = NULL;
    peer_conn_close(conn, CONN_END_LOST, "%s", reason);
    node_update(node, reason);
}

/* Without the back-off that a failure would bring. */
static void redial(struct peer_node *node, const char *reason)
{
    struct peer_conn *conn = node->out;
    node->out = NULL;
    if (conn != NULL)
        peer_conn_close(conn, CONN_END_LOST, "%s", reason);
    node_update(node, reason);
    if (!node->peer->closing && node->out == NULL)
        peer_dial_soon(node);
}

/*
 * The node has just reached us, so it can be reached now: what we know better than our own timers.
 * A TCP connection attempt or a connection from before a cut would wait for retransmissions.
 */
static void nudge(struct peer_node *node)
{
    const struct peer *peer = node->peer;
    const struct peer_conn *out = node->out;
    int64_t silent_us = (int64_t)peer->config.ping_interval_ms * US_PER_MS * SILENT_PINGS;
    if (out == NULL)
        redial(node, "");
    else if (out->state == CONN_CONNECTING &&
             peer_now_us() - out->state_us > (int64_t)peer->config.backoff_min_ms * US_PER_MS)
        redial(node, "dialled again");
    else if (out->state == CONN_READY && out->hello.incarnation != node->in->hello.incarnation)
        redial(node, "the agent was restarted");
    else if (out->state == CONN_READY && peer_now_us() - out->rx_us > silent_us)
        redial(node, "silent, while the node dials anew");
}

/* ---- hello ---- */

static enum frame_verdict judge(const struct peer_conn *conn)
{
    const struct peer *peer = conn->peer;
    const struct frame_hello *h = &conn->hello;
    if (h->protocol != FRAME_PROTOCOL)
        return FRAME_VERDICT_PROTOCOL;
    if (h->cluster_id != peer->cluster_id)
        return FRAME_VERDICT_CLUSTER;
    /* conn->node is what the certificate proves. */
    if (h->node != conn->node || strcmp(h->name, peer_name(peer, conn->node)) != 0)
        return FRAME_VERDICT_NODE;
    /* Before the generation: a pair has none, and must not learn one. */
    if (h->arbiter != FRAME_ARBITER_UNKNOWN && peer->config.arbiter != FRAME_ARBITER_UNKNOWN &&
        h->arbiter != peer->config.arbiter)
        return FRAME_VERDICT_ARBITER;
    if (h->generation != peer->config.generation)
        return FRAME_VERDICT_GENERATION;
    return FRAME_VERDICT_WELCOME;
}

/* Both sides say the same, so that it does not matter whose log is read. */
static void refuse_arbiter(struct peer_conn *conn)
{
    const struct peer *peer = conn->peer;
    char text[PEER_REASON_MAX];
    (void)snprintf(text, sizeof(text),
                   "%s: %s at '%s', %s here at '%s'. Two arbiters over one virtual address make "
                   "two writers: stop the agent that has the wrong file, give it the other one's "
                   "(install.sh of its bundle), start it",
                   frame_verdict_text(FRAME_VERDICT_ARBITER),
                   frame_arbiter_text(conn->hello.arbiter), peer_name(peer, conn->node),
                   frame_arbiter_text(peer->config.arbiter), peer_name(peer, peer->config.self));
    conn->peer->node[conn->node].other_arbiter_us = peer_now_us();
    if (conn->dialled) {
        peer_conn_close(conn, CONN_END_REFUSED_US, "%s", text);
        return;
    }
    peer_conn_send_hello(conn, FRAME_VERDICT_ARBITER);
    if (conn->state == CONN_HELLO)
        peer_conn_refuse(conn, "%s", text);
}

static void refuse_hello(struct peer_conn *conn, enum frame_verdict verdict)
{
    const struct frame_hello *h = &conn->hello;
    if (!conn->dialled)
        peer_conn_send_hello(conn, verdict);
    if (conn->state != CONN_HELLO)
        return;
    peer_conn_refuse(conn,
                     "%s (protocol %u and %u here; node '%s' at position %u, '%s' at position %u "
                     "here; agent %s)",
                     frame_verdict_text(verdict), h->protocol, FRAME_PROTOCOL, h->name, h->node,
                     peer_name(conn->peer, conn->node), conn->node, h->agent);
}

/* Said by either side: whoever dials is told in the answer. The callback may close the transport.
 */
static void hear_generation(const struct peer_conn *conn)
{
    const struct peer *peer = conn->peer;
    if (conn->hello.protocol == FRAME_PROTOCOL && conn->hello.cluster_id == peer->cluster_id &&
        conn->hello.generation > peer->config.generation && !peer->closing &&
        peer->callbacks.on_generation != NULL)
        peer->callbacks.on_generation(peer->callbacks.data, conn->node, conn->hello.generation);
}

static void welcome_in(struct peer_conn *conn)
{
    struct peer *peer = conn->peer;
    struct peer_node *node = &peer->node[conn->node];
    if (node->in != NULL)
        drop_in(node, "replaced by a newer connection of the node");
    if (peer->closing)
        return;
    peer_conn_ready(conn);
    node->in = conn;
    peer_conn_send_hello(conn, FRAME_VERDICT_WELCOME);
    if (node->in == conn)
        nudge(node);
    node_update(node, "");
}

static void welcome_out(struct peer_conn *conn)
{
    struct peer_node *node = &conn->peer->node[conn->node];
    peer_conn_ready(conn);
    node->stats.connects++;
    node->dial_limit = (struct peer_limit){0};
    if (node->in != NULL && node->in->hello.incarnation != conn->hello.incarnation)
        drop_in(node, "belongs to an earlier start of the agent");
    node_update(node, "");
}

void peer_on_hello(struct peer_conn *conn)
{
    enum frame_verdict verdict = judge(conn);
    if (verdict == FRAME_VERDICT_ARBITER) {
        refuse_arbiter(conn);
        return;
    }
    hear_generation(conn);
    if (conn->peer->closing)
        return;
    if (conn->dialled && conn->hello.verdict != FRAME_VERDICT_WELCOME)
        peer_conn_close(conn, CONN_END_REFUSED_US, "%s (agent %s, protocol %u and %u here)",
                        frame_verdict_text(conn->hello.verdict), conn->hello.agent,
                        conn->hello.protocol, FRAME_PROTOCOL);
    else if (verdict != FRAME_VERDICT_WELCOME)
        refuse_hello(conn, verdict);
    else if (conn->dialled)
        welcome_out(conn);
    else
        welcome_in(conn);
}

/* ---- end of a connection ---- */

static void log_end(struct peer_conn *conn, enum conn_end end, const char *reason)
{
    struct peer *peer = conn->peer;
    struct peer_node *node = conn->node < peer->config.n_nodes ? &peer->node[conn->node] : NULL;
    struct peer_limit *limit = &peer->stranger_limit;
    const char *id = "peer-stream-broken";
    const char *text = "connection closed, its bytes make no sense";
    unsigned left_out;
    if (node != NULL) {
        limit = &node->broken_limit;
        (void)snprintf(node->refusal, sizeof(node->refusal), "%s", reason);
    }
    if (end == CONN_END_REFUSED) {
        limit = node != NULL ? &node->refused_limit : limit;
        id = "peer-refused";
        text = "connection refused";
    } else if (end == CONN_END_REFUSED_US) {
        limit = node != NULL ? &node->refused_us_limit : limit;
        id = "peer-refused-us";
        text = "the other side refuses this node, see its log too";
    }
    if (peer_limit_pass(limit, &left_out))
        LOG(&peer->config.log, WARNING, id,
            "%s node=%s address=%s direction=%s reason='%s' suppressed=%u", text,
            peer_name(peer, conn->node), conn->remote, conn->dialled ? "out" : "in", reason,
            left_out);
}

static void node_lost_out(struct peer_node *node, const struct peer_conn *conn, enum conn_state was,
                          const char *reason)
{
    const struct peer_config *c = &node->peer->config;
    int64_t lived_us = peer_now_us() - conn->state_us;
    node->out = NULL;
    /* A connection that does not last must not be made again and again at the fastest pace. */
    if (was == CONN_READY && lived_us > (int64_t)c->backoff_max_ms * US_PER_MS)
        node->backoff_ms = 2 * c->backoff_min_ms;
    peer_dial_later(node);
    node_update(node, reason);
}

void peer_on_gone(struct peer_conn *conn, enum conn_state state, enum conn_end end,
                  const char *reason)
{
    struct peer *peer = conn->peer;
    struct peer_node *node = conn->node < peer->config.n_nodes ? &peer->node[conn->node] : NULL;
    if (peer->closing)
        return;
    if (end != CONN_END_LOST)
        log_end(conn, end, reason);
    if (node == NULL)
        return;
    if (node->out == conn) {
        if (state != CONN_READY && end == CONN_END_LOST)
            peer_log_dial_failed(node, reason);
        node_lost_out(node, conn, state, reason);
    } else if (node->in == conn) {
        node->in = NULL;
        node_update(node, reason);
    }
}

/* ---- sending ---- */

int peer_send(struct peer *peer, unsigned to, enum frame_kind kind, const void *payload, size_t len)
{
    struct peer_node *node = &peer->node[to];
    int rv;
    assert(to < peer->config.n_nodes && to != peer->config.self);
    assert(kind >= FRAME_RAFT && kind < FRAME_KIND_COUNT);
    if (len > FRAME_PAYLOAD_MAX)
        return ERR_RANGE;
    rv = is_ready(node->out) ? peer_conn_queue(node->out, kind, payload, len) : ERR_NET;
    if (rv != 0) {
        node->stats.frames_dropped[kind]++;
        return rv;
    }
    node->stats.frames_sent++;
    node->stats.bytes_sent += FRAME_HEADER_SIZE + len;
    peer->flush_wanted = true;
    return 0;
}

static void flush_all(struct peer *peer)
{
    if (!peer->flush_wanted)
        return;
    peer->flush_wanted = false;
    for (unsigned i = 0; i < peer->config.n_nodes; i++) {
        struct peer_conn *out = peer->node[i].out;
        if (is_ready(out) && out->tx.len > 0 && !out->record_pending)
            peer_conn_flush(out);
    }
}

/* Two hooks: frames of poll callbacks leave right behind them, frames of timers and of closing
 * handles before the loop sleeps. */
static void on_prepare(uv_prepare_t *handle)
{
    flush_all(handle->data);
}

static void on_check(uv_check_t *handle)
{
    flush_all(handle->data);
}

/* ---- start ---- */

static int check_node(const struct peer_config *c, unsigned i, struct errmsg *msg)
{
    const struct peer_node_config *n = &c->node[i];
    struct sockaddr_in6 ignored;
    bool literal = uv_ip4_addr(n->address, n->port, (struct sockaddr_in *)&ignored) == 0 ||
                   uv_ip6_addr(n->address, n->port, &ignored) == 0;
    if (n->name[0] == '\0')
        return errmsg_set(msg, ERR_INVAL, "node %u has no name", i);
    if (!literal)
        return errmsg_set(msg, ERR_INVAL,
                          "address '%s' of node '%s' is no IPv4 or IPv6 address (names are not "
                          "resolved)",
                          n->address, n->name);
    if (n->port == 0 && i != c->self)
        return errmsg_set(msg, ERR_INVAL, "node '%s' has no port", n->name);
    for (unsigned j = 0; j < i; j++)
        if (strcmp(n->name, c->node[j].name) == 0)
            return errmsg_set(msg, ERR_INVAL, "two nodes are called '%s'", n->name);
    return 0;
}

static int check_config(const struct peer_config *c, struct errmsg *msg)
{
    size_t cluster_len = strlen(c->cluster);
    if (c->n_nodes == 0 || c->n_nodes > NODES_MAX || c->self >= c->n_nodes)
        return errmsg_set(msg, ERR_INVAL, "node %u of %u nodes, at most %u", c->self, c->n_nodes,
                          (unsigned)NODES_MAX);
    if (cluster_len == 0 || cluster_len >= NODE_NAME_MAX)
        return errmsg_set(msg, ERR_INVAL, "cluster name '%s' must have 1 to %d characters",
                          c->cluster, NODE_NAME_MAX - 1);
    if (c->ping_interval_ms > c->idle_timeout_ms / 2)
        return errmsg_set(msg, ERR_INVAL,
                          "ping interval %u ms must be at most half of the idle timeout %u ms",
                          c->ping_interval_ms, c->idle_timeout_ms);
    if (c->backoff_min_ms > c->backoff_max_ms / 2)
        return errmsg_set(msg, ERR_INVAL, "back-off must at least double: %u to %u ms",
                          c->backoff_min_ms, c->backoff_max_ms);
    if (c->queue_max_bytes < FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX)
        return errmsg_set(msg, ERR_INVAL, "a queue of %zu bytes cannot hold the largest frame",
                          c->queue_max_bytes);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        int rv = check_node(c, i, msg);
        if (rv != 0)
            return rv;
    }
    return 0;
}

static void set_default(unsigned *value, unsigned def)
{
    if (*value == 0)
        *value = def;
}

static void copy_config(struct peer *peer, const struct peer_config *config)
{
    struct peer_config *c = &peer->config;
    *c = *config;
    set_default(&c->connect_timeout_ms, 1000);
    set_default(&c->handshake_timeout_ms, 2000);
    set_default(&c->idle_timeout_ms, 2000);
    set_default(&c->ping_interval_ms, 200);
    set_default(&c->user_timeout_ms, 2000);
    set_default(&c->backoff_min_ms, 50);
    set_default(&c->backoff_max_ms, 1000);
    if (c->queue_max_bytes == 0)
        c->queue_max_bytes = 2 * FRAME_PAYLOAD_MAX;
    (void)snprintf(peer->cluster, sizeof(peer->cluster), "%s", config->cluster);
    (void)snprintf(peer->agent_version, sizeof(peer->agent_version), "%s",
                   config->agent_version != NULL ? config->agent_version : "");
    peer->cluster_id = frame_cluster_id(config->cluster);
}

static void init_node(struct peer *peer, unsigned i)
{
    struct peer_node *node = &peer->node[i];
    node->peer = peer;
    node->index = i;
    node->backoff_ms = 2 * peer->config.backoff_min_ms;
    if (i == peer->config.self)
        return;
    (void)uv_timer_init(peer->config.loop, &node->retry);
    node->retry.data = node;
    peer->handles_open++;
    /* From the loop, so that no callback comes inside peer_start(). */
    (void)uv_timer_start(&node->retry, peer_on_retry, 0, 0);
}

/* Cannot fail: from here on the loop holds handles that only closing removes. */
static void start_handles(struct peer *peer)
{
    uv_loop_t *loop = peer->config.loop;
    (void)uv_timer_init(loop, &peer->accept_retry);
    (void)uv_prepare_init(loop, &peer->prepare);
    (void)uv_check_init(loop, &peer->check);
    peer->handles_open = 4;
    peer->listener.data = peer;
    peer->accept_retry.data = peer;
    peer->prepare.data = peer;
    peer->check.data = peer;
    (void)uv_prepare_start(&peer->prepare, on_prepare);
    (void)uv_check_start(&peer->check, on_check);
    for (unsigned i = 0; i < peer->config.n_nodes; i++)
        init_node(peer, i);
    peer_listen_start(peer);
    peer_renew_start(peer);
}

static int seed(struct peer *peer)
{
    uint64_t random[2];
    if (gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof(random)) != 0)
        return ERR_IO;
    peer->incarnation = random[0];
    peer->prng.state = random[1];
    return 0;
}

int peer_start(const struct peer_config *config, const struct peer_callbacks *callbacks,
               struct peer **ret_peer, struct errmsg *msg)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    int rv;
    if (peer == NULL)
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    copy_config(peer, config);
    peer->callbacks = *callbacks;
    rv = check_config(&peer->config, msg);
    if (rv == 0 && seed(peer) != 0)
        rv = errmsg_set(msg, ERR_IO, "no random numbers");
    if (rv == 0)
        rv = peer_tls_init(peer, msg);
    if (rv == 0)
        rv = peer_listen(peer, msg);
    if (rv != 0) {
        peer_tls_unload(peer);
        free(peer);
        return rv;
    }
    start_handles(peer);
    LOG(&peer->config.log, INFO, "peer-listening",
        "listening for the other agents address=%s port=%u",
        peer->config.node[peer->config.self].address, peer->port);
    *ret_peer = peer;
    return 0;
}

/* ---- close ---- */

void peer_handle_closed(struct peer *peer)
{
    peer_close_cb cb = peer->close_cb;
    void *data = peer->close_data;
    peer->handles_open--;
    if (peer->handles_open > 0)
        return;
    assert(peer->closing);
    peer_tls_unload(peer);
    free(peer);
    if (cb != NULL)
        cb(data);
}

static void on_closed(uv_handle_t *handle)
{
    peer_handle_closed(handle->data);
}

static void on_retry_closed(uv_handle_t *handle)
{
    struct peer_node *node = handle->data;
    peer_handle_closed(node->peer);
}

void peer_close(struct peer *peer, peer_close_cb cb, void *data)
{
    assert(!peer->closing);
    peer->closing = true;
    peer->close_cb = cb;
    peer->close_data = data;
    /* What was sent before closing still goes out, as far as the sockets take it. */
    peer->flush_wanted = true;
    flush_all(peer);
    while (peer->conns != NULL)
        peer_conn_close(peer->conns, CONN_END_LOST, "transport closes");
    uv_close((uv_handle_t *)&peer->listener, on_closed);
    (void)close(peer->listen_fd);
    uv_close((uv_handle_t *)&peer->accept_retry, on_closed);
    uv_close((uv_handle_t *)&peer->prepare, on_closed);
    uv_close((uv_handle_t *)&peer->check, on_closed);
    peer_renew_stop(peer);
    for (unsigned i = 0; i < peer->config.n_nodes; i++)
        if (i != peer->config.self)
            uv_close((uv_handle_t *)&peer->node[i].retry, on_retry_closed);
}

/* ---- queries ---- */

bool peer_is_up(const struct peer *peer, unsigned node)
{
    return node < peer->config.n_nodes && peer->node[node].up;
}

const char *peer_refusal(const struct peer *peer, unsigned node)
{
    return peer->node[node].up ? "" : peer->node[node].refusal;
}

bool peer_has_other_arbiter(const struct peer *peer, unsigned node)
{
    int64_t said_us = peer->node[node].other_arbiter_us;
    /* It is dialled at least once per longest back-off and connection attempt. */
    int64_t fresh_ms = 2 * (int64_t)peer->config.backoff_max_ms +
                       (int64_t)peer->config.connect_timeout_ms +
                       (int64_t)peer->config.handshake_timeout_ms;
    return said_us != 0 && !peer->node[node].up && peer_now_us() - said_us < fresh_ms * US_PER_MS;
}

bool peer_joins(const struct peer *peer, unsigned node)
{
    const struct peer_node *n = &peer->node[node];
    return (is_ready(n->out) && n->out->hello.joins) || (is_ready(n->in) && n->in->hello.joins);
}

void peer_set_joins(struct peer *peer, bool joins, uint32_t generation)
{
    peer->config.joins = joins;
    peer->config.generation = generation;
}

uint16_t peer_port(const struct peer *peer)
{
    return peer->port;
}

void peer_stats(const struct peer *peer, unsigned node, struct peer_stats *ret_stats)
{
    const struct peer_node *n = &peer->node[node];
    assert(node < peer->config.n_nodes);
    *ret_stats = n->stats;
    ret_stats->queued_bytes = n->out != NULL ? n->out->tx.len : 0;
}
