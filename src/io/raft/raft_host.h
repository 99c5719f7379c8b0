/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raft node (arbiter/raft_node.h) on this host: the caller's uv loop, CLOCK_BOOTTIME, and
 * libraft's own disk code in a directory of the node's own. After raft_host_start() the node is
 * used by the functions of raft_node.h, raft_node_stop() included; nothing of this module has to be
 * freed.
 *
 * Identity: the directory carries cluster, node and a random id (io/raft/raft_dir.h). An empty one
 * is a reported trouble, also while the node runs; one of another cluster or node is refused by
 * raft_host_start().
 */
#ifndef TANDEM_IO_RAFT_RAFT_HOST_H
#define TANDEM_IO_RAFT_RAFT_HOST_H

#include <uv.h>

#include "arbiter/raft_node.h"

struct raft_host_config {
    uv_loop_t *loop; /* must outlive the node */
    const char *dir; /* must exist; its files are the node's own */
    const char *cluster;
};

/*
 * node: as for raft_node_start(); its backend is filled in here, and a seed of 0 is one from the
 * kernel. ERR_INVAL (configuration), ERR_STATE (the directory belongs to another cluster or node;
 * the message says what to do), ERR_NOMEM.
 */
int raft_host_start(const struct raft_host_config *host, const struct raft_node_config *node,
                    struct raft_node **ret_node, struct errmsg *msg) NODISCARD;

#endif
