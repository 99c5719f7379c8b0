/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of one raft node: who it belongs to (design-review 19), and how a new one is made.
 * The log itself is libraft's. Everything here blocks.
 */
#ifndef TANDEM_IO_RAFT_RAFT_DIR_H
#define TANDEM_IO_RAFT_RAFT_DIR_H

#include <raft/uv.h>

#include "io/raft/raft_node.h"

#define RAFT_DIR_UUID_MAX 33

struct raft_identity {
    char cluster[RAFT_NODE_CLUSTER_MAX];
    uint8_t node;
    char uuid[RAFT_DIR_UUID_MAX]; /* hexadecimal; another one in every directory ever made */
};

/* 0, ERR_NOTFOUND (no identity: never bootstrapped, or emptied), ERR_FORMAT, ERR_VERSION, ERR_IO.
 */
int raft_dir_identity(const char *dir, struct raft_identity *ret_identity,
                      struct errmsg *msg) NODISCARD;
/* ERR_STATE with what to do if it is not the identity of that node of that cluster. */
int raft_dir_check(const char *dir, const struct raft_identity *identity, const char *cluster,
                   unsigned self, struct errmsg *msg) NODISCARD;
/* True if the file system of dir has room for so many bytes more, or cannot tell. */
bool raft_dir_has_space(const char *dir, uint64_t bytes);

/* libraft's id and address of a node. The address is only a name: frames leave by callback. */
raft_id raft_dir_id(unsigned node);
void raft_dir_address(unsigned node, char *buf, size_t size);
/* A transport that never connects: the disk backend of libraft demands one. */
void raft_dir_no_transport(struct raft_uv_transport *transport);

#endif
