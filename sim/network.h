/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents' transport (io/peer) between simulated hosts: one TCP connection per direction and
 * pair. What is like the real one:
 *  - Frames of one connection arrive in order; those of two connections in any. A frame is lost
 *    only with its connection, and then with everything behind it; none of an older connection
 *    arrives after the first of a newer one. Nothing is queued for a node that is not connected.
 *  - While a direction is cut its bytes wait in the sender's kernel, and arrive when it is healed,
 *    after the pause of a retransmission. A connection that is cut one way or both, or whose other
 *    agent stands still, ends after 2 s (idle_timeout_ms, TCP_USER_TIMEOUT); each end notices that
 *    by itself, or when the other end says goodbye. The end of a process is noticed at once if its
 *    kernel can say so.
 *  - A way can be slow: its frames arrive so much later, in order.
 *  - Lost connections are dialled again after a back-off; an agent that is dialled dials back at
 *    once. A node is up for another while both of their connections are open on its side.
 *
 * What a host that stands still has been sent is delivered to its kernel: the caller keeps it.
 */
#ifndef TANDEM_SIM_NETWORK_H
#define TANDEM_SIM_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"
#include "sim/timers.h"
#include "util/prng.h"
#include "wire/limits.h"

/* One of the two: an event of the core, or a frame of the arbiter. The receiver frees it. */
struct sim_frame {
    struct sim_frame *next;
    int64_t left_us; /* its process */
    int64_t at_us;
    unsigned from;
    unsigned to;
    struct event *event; /* malloc()ed */
    size_t len;
    uint8_t bytes[]; /* if event is NULL */
};

struct sim_network_user {
    void *data;
    /* Packets of the agents' port pass from one host to the other now. */
    bool (*passes)(void *data, unsigned from, unsigned to);
    void (*deliver)(void *data, struct sim_frame *frame);
    /* Alternates for each pair; not told to an agent that is not there. */
    void (*peer)(void *data, unsigned node, unsigned peer, bool up);
};

struct sim_network;

struct sim_network *sim_network_new(struct sim_timers *timers, unsigned n_nodes, uint64_t seed,
                                    const struct sim_network_user *user);
void sim_network_free(struct sim_network *n);

/* An agent starts; it ends, and its kernel closes its connections; or nobody is left who could. */
void sim_network_start(struct sim_network *n, unsigned node);
void sim_network_stop(struct sim_network *n, unsigned node, bool host_is_dark);
/* It stands still, or goes on. */
void sim_network_stall(struct sim_network *n, unsigned node, bool stalls);
/* The answers of passes() have changed. */
void sim_network_changed(struct sim_network *n);
/* Frames of that way take so much longer from now on; 0 = as ever. Less than what an end gives up
 * after, or it would. False if it was so before. */
bool sim_network_slow(struct sim_network *n, unsigned from, unsigned to, int64_t us);
/* The connection is gone, with all that was on its way. */
void sim_network_reset(struct sim_network *n, unsigned from, unsigned to);

/* An empty frame of the arbiter, to be filled in. */
struct sim_frame *sim_frame_new(unsigned from, unsigned to, size_t len);
void sim_frame_free(struct sim_frame *frame);
/* Takes the frame over. It leaves at leave_us, not before now; dropped if they are not connected.
 */
void sim_network_send(struct sim_network *n, struct sim_frame *frame, int64_t leave_us);

#endif
