/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream of bytes from a node to another, for a process of its own that copies much: TCP and
 * mutual TLS 1.3 with the agents' certificates, blocking, with a deadline on everything. Both sides
 * demand the cluster's CA and name, and the name of the one other node that is meant.
 *
 * The bytes travel in pieces; the last one says how it ended, so that a broken connection is never
 * taken for the end. A sender that has nothing to send says so with PEER_STREAM_ALIVE.
 *
 * Failure modes: nobody comes, or nobody listens, within the deadline -> ERR_TIMEOUT, ERR_NET;
 * another certificate -> ERR_AUTH (a listener waits for the right one, and for one that says
 * nothing only a third of its time); silence longer than idle_ms, or a broken connection ->
 * ERR_NET. The message tells which.
 */
#ifndef TANDEM_IO_PEER_PEER_STREAM_H
#define TANDEM_IO_PEER_PEER_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define PEER_STREAM_PIECE_MAX (256u * 1024)

struct peer_stream;

struct peer_stream_config {
    const char *cluster;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    const char *other;   /* name of the node on the other side */
    const char *address; /* to listen on, or to connect to */
    uint16_t port;
    unsigned open_ms; /* until the stream is there */
    unsigned idle_ms; /* of silence afterwards */
};

/* listening(data) is called once somebody may connect. */
int peer_stream_accept(const struct peer_stream_config *config, void (*listening)(void *data),
                       void *data, struct peer_stream **ret_stream, struct errmsg *m) NODISCARD;
int peer_stream_connect(const struct peer_stream_config *config, struct peer_stream **ret_stream,
                        struct errmsg *m) NODISCARD;
void peer_stream_close(struct peer_stream *s);

/* len > 0, at most PEER_STREAM_PIECE_MAX. */
int peer_stream_send(struct peer_stream *s, const void *data, size_t len,
                     struct errmsg *m) NODISCARD;
int peer_stream_send_alive(struct peer_stream *s, struct errmsg *m) NODISCARD;
/* The end: error "" = everything was sent. */
int peer_stream_send_end(struct peer_stream *s, const char *error, struct errmsg *m) NODISCARD;

/* The next piece into buf (PEER_STREAM_PIECE_MAX bytes). *ret_len 0: the end. ERR_STATE: the sender
 * gave up, and says why. */
int peer_stream_receive(struct peer_stream *s, void *buf, size_t *ret_len,
                        struct errmsg *m) NODISCARD;

#endif
