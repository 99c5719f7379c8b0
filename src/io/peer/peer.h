/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport between the agents of one cluster: frames (wire/frame.h) over TCP and mutual TLS 1.3, a
 * full mesh, on the caller's uv loop. Knows names, addresses and certificates of the nodes; knows
 * nothing of roles, terms or the meaning of a payload.
 *
 * One connection per direction. A node dials each other node for its own outgoing frames, and
 * accepts one connection from each for incoming frames; the acceptor sends only HELLO and PING on
 * it. Two connections per pair instead of one shared need no rule for two nodes that dial each
 * other at the same moment, and the node that just came back always acts first: it dials, and an
 * accepted connection makes the other side dial at once instead of waiting for its back-off.
 *
 * What holds:
 *  - Order. Frames of one node are delivered in the order of peer_send(). A newer connection of the
 *    same node closes the older one before its first frame is delivered; nothing of the older one
 * is delivered afterwards. Frames may be lost (always a suffix of what was sent on a connection),
 *    never repeated. Nothing is queued for a node that is not connected, and a lost connection
 * drops its queue: no frame of the past arrives after a reconnect.
 *  - Identity. Both certificates must come from the cluster's CA, be in their time, carry the
 *    cluster's name as O and the node's name as CN or DNS name; byte for byte, no wildcards. The
 *    dialler demands the node it dialled, the acceptor a node of its cluster file. HELLO must agree
 *    with that in cluster, name and position in the file, and in the arbiter if it says one: two
 *    arbiters over one virtual address make two writers.
 *  - Liveness. connect, handshake and silence have deadlines; a connection on which nothing was
 *    received for idle_timeout_ms is closed, PING is sent on a direction that is silent for
 *    ping_interval_ms. Lost connections are dialled again for ever, after backoff_min_ms doubling
 * up to backoff_max_ms, with jitter.
 *  - Bounds. queue_max_bytes per node; at most 2 * NODES_MAX connections that have not introduced
 *    themselves (the oldest goes first); FRAME_HELLO_MAX bytes buffered for each of those.
 *  - Latency. A frame leaves before the loop sleeps again; all frames of one node of one loop turn
 *    share TLS records (16 kB each, one write per record).
 *
 *  - Renewal. The files of the certificate are looked at every renew_interval_ms, and by
 *    peer_reload(). Changed ones are used for every connection made from then on, if they are
 * whole, fit together and are in their time; else the earlier ones stay in use and it is reported.
 *    Connections that stand are not made again.
 *
 * A node is `up` while both directions are connected and lead to the same start of its agent.
 *
 * Callbacks run on the loop, never inside peer_start() or peer_send(). They may call every function
 * of this header. After peer_close() only the close callback is called.
 *
 * Log ids: peer-listening, peer-certificate-expires,
 * peer-certificate-not-valid-yet, peer-certificate-renewed, peer-certificate-not-used,
 * peer-dial-failed, peer-refused (we refused),
 * peer-refused-us, peer-stream-broken, peer-accept-failed; each at most once a minute and node,
 * with the number of records left out.
 */
#ifndef TANDEM_IO_PEER_PEER_H
#define TANDEM_IO_PEER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "util/err.h"
#include "util/log.h"
#include "wire/frame.h"
#include "wire/limits.h"

struct peer;

struct peer_node_config {
    char name[NODE_NAME_MAX];
    char address[ADDRESS_TEXT_MAX]; /* IPv4 or IPv6 literal; names are not resolved */
    uint16_t port;
};

/*
 * Everything is copied by peer_start() but the names of the files, which must stay. Durations and
 * sizes of 0 mean the default.
 */
struct peer_config {
    uv_loop_t *loop;
    struct log log;
    unsigned self; /* position of this node */
    unsigned n_nodes;
    struct peer_node_config node[NODES_MAX];
    const char *cluster;
    const char *agent_version;
    uint64_t config_digest; /* told to the others, never judged here */
    uint32_t generation;    /* of the quorum; agents of another one are refused */
    bool joins;             /* told to the others, never judged here */
    uint8_t arbiter;        /* enum frame_arbiter; agents that say another one are refused */
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    unsigned connect_timeout_ms;   /* 1000 */
    unsigned handshake_timeout_ms; /* 2000; TLS and HELLO */
    unsigned idle_timeout_ms;      /* 2000 */
    unsigned ping_interval_ms;     /* 200; must be at most half of idle_timeout_ms */
    unsigned user_timeout_ms;      /* 2000; TCP_USER_TIMEOUT */
    unsigned backoff_min_ms;       /* 50 */
    unsigned backoff_max_ms;       /* 1000 */
    size_t queue_max_bytes;        /* 2 MiB; at least one frame of FRAME_PAYLOAD_MAX */
    unsigned renew_interval_ms;    /* 5000 */
};

#define PEER_CERTIFICATE_TEXT_MAX 512

/* Of the certificate that new connections are made with. */
struct peer_certificate {
    int days; /* rounded down, negative after its end */
    int ca_days;
    char trouble[PEER_CERTIFICATE_TEXT_MAX]; /* "", or what is wrong and what to do */
};

struct peer_callbacks {
    void *data;
    /* payload is valid during the call only. May come before on_up of the same node. */
    void (*on_frame)(void *data, unsigned from, enum frame_kind kind, const uint8_t *payload,
                     size_t len);
    /* hello: what the node says of itself; config_digest and agent are for the caller to compare.
     */
    void (*on_up)(void *data, unsigned node, const struct frame_hello *hello);
    /* reason: for a human, valid during the call only. Alternates strictly with on_up. */
    void (*on_down)(void *data, unsigned node, const char *reason);
    /* A node that proved itself is of a newer generation; it was refused. May be NULL. */
    void (*on_generation)(void *data, unsigned node, uint32_t generation);
    /* The trouble with the certificate has changed. May be NULL. */
    void (*on_certificate)(void *data, const struct peer_certificate *certificate);
};

struct peer_stats {
    uint64_t frames_sent; /* PING and HELLO not counted, nor in the next three */
    uint64_t bytes_sent;
    uint64_t frames_received;
    uint64_t bytes_received;
    uint64_t frames_dropped[FRAME_KIND_COUNT]; /* peer_send() said ERR_FULL or ERR_NET */
    uint64_t connects;                         /* outgoing connections that were welcomed */
    size_t queued_bytes;
};

typedef void (*peer_close_cb)(void *data);

/*
 * Reads the certificates, listens on node[self] (also while its address is not configured yet) and
 * starts to dial. ERR_INVAL (configuration), ERR_AUTH or ERR_IO (certificates; the message names
 * the file and what to do), ERR_NET (port taken), ERR_NOMEM. On success the caller owns *ret_peer
 * until peer_close().
 */
int peer_start(const struct peer_config *config, const struct peer_callbacks *callbacks,
               struct peer **ret_peer, struct errmsg *msg) NODISCARD;
/*
 * Closes all connections; cb(data) comes once, later, when no handle is left in the loop and the
 * transport has been freed. Call once.
 */
void peer_close(struct peer *peer, peer_close_cb cb, void *data);

/*
 * Copies the payload into the queue of `to`. kind is RAFT or later, `to` another node (asserted).
 * 0: queued, which says nothing about arrival. Dropped: ERR_NET (not connected), ERR_FULL (queue
 * full), ERR_RANGE (longer than FRAME_PAYLOAD_MAX), ERR_NOMEM.
 */
int peer_send(struct peer *peer, unsigned to, enum frame_kind kind, const void *payload,
              size_t len) NODISCARD;
bool peer_is_up(const struct peer *peer, unsigned node);
/* The port in use, for a configuration with port 0 for `self`. */
uint16_t peer_port(const struct peer *peer);
void peer_stats(const struct peer *peer, unsigned node, struct peer_stats *ret_stats);

/* Looks at the files of the certificate now; the outcome is logged. */
void peer_reload(struct peer *peer);
/* For the connections that are made from then on. */
void peer_set_joins(struct peer *peer, bool joins, uint32_t generation);
/* Why the last connection was refused, by whichever side; "" once the node is up. */
const char *peer_refusal(const struct peer *peer, unsigned node);
/* The node said within the last seconds that it has another arbiter: its agent runs, and may lead.
 */
bool peer_has_other_arbiter(const struct peer *peer, unsigned node);
/* The node said so when it was connected. */
bool peer_joins(const struct peer *peer, unsigned node);
void peer_certificate(const struct peer *peer, struct peer_certificate *ret);

#endif
