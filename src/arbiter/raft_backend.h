/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a raft node (arbiter/raft_node.h) is given from outside: a clock, two wake-ups, a disk, and
 * its own end. One backend serves one node. io/raft/raft_host.h is the real one, on libuv and a
 * directory; the simulator has another, in memory.
 *
 * Rules for a backend:
 *  - raft_node_wake(), raft_node_retry() and raft_node_released() are called from the outside only:
 *    never inside a function of this struct, and never while a function of the node, of libraft or
 *    of the disk is on the stack.
 *  - The disk is a struct raft_io as libraft 0.22 wants it; send() of it is never called, and its
 *    recv callback must not be. Its tick callback comes every `msecs` of start() from then on, its
 *    callbacks of appends and snapshots never inside the call that asked for them. set_term() and
 *    set_vote() block until they are durable. close() lets what is on its way end first, with any
 *    status, and then calls back, later or at once. A failed write is reported, not tried again.
 */
#ifndef TANDEM_ARBITER_RAFT_BACKEND_H
#define TANDEM_ARBITER_RAFT_BACKEND_H

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

/* A disk keeps so many bytes free and ready for the log (capacity of struct raft_io, in KiB). */
#define RAFT_BACKEND_RESERVE_BYTES (1u << 20)

struct raft_node;

struct raft_backend {
    void *data;
    const char *where; /* name of the disk, for people */
    /* Microseconds of the host's CLOCK_BOOTTIME; never goes back. */
    int64_t (*now_us)(void *data);
    /* raft_node_wake() as soon as possible. Asked again before that: still once. */
    void (*soon)(void *data);
    /* raft_node_retry() after so many milliseconds, once, instead of an earlier wish; negative: not
     * at all. */
    void (*retry)(void *data, int64_t after_ms);
    /* Fills *io, in which the node then replaces functions by its own. 0; ERR_NOTFOUND: the node
     * was never made a member, or its log is gone; ERR_NOSPC; any other: it cannot be read. */
    int (*open)(void *data, struct raft_io *io, struct errmsg *msg);
    /* After the callback of io->close(), or instead of io->init(). */
    void (*close)(void *data, struct raft_io *io);
    /* True if there is room for so many bytes more, or if that cannot be told. */
    bool (*has_space)(void *data, uint64_t bytes);
    /* The node has ended: frees what is left of the backend; then raft_node_released(). */
    void (*release)(void *data);
};

#endif
