/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of one raft node: who it belongs to, and how a new one is made.
 * The log itself is libraft's. Everything here blocks.
 */
#ifndef TANDEM_IO_RAFT_RAFT_DIR_H
#define TANDEM_IO_RAFT_RAFT_DIR_H

#include <raft/uv.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/limits.h"

#define RAFT_DIR_CLUSTER_MAX 64
#define RAFT_DIR_UUID_MAX 33

struct raft_identity {
    char cluster[RAFT_DIR_CLUSTER_MAX];
    uint8_t node;
    char uuid[RAFT_DIR_UUID_MAX]; /* hexadecimal; another one in every directory ever made */
    uint32_t generation;   /* how often the quorum was rebuilt from one node; others are refused */
    uint64_t rebuilt_term; /* of the last rebuild here; terms of the quorum before it are lower */
};

/* What a new directory is made of: the same on all nodes but `dir` and `self`. */
struct raft_dir_seed {
    const char *dir; /* made if missing (mode 0700), its parent is not */
    const char *cluster;
    unsigned self;
    unsigned n_nodes;
    uint32_t voters; /* bit i: node i votes; the others receive the log */
};

/*
 * Makes identity and first configuration in an empty directory. Not for a running agent.
 * ERR_EXISTS if the directory holds a log or an identity; ERR_INVAL, ERR_IO, ERR_NOSPC.
 */
int raft_dir_bootstrap(const struct raft_dir_seed *seed, struct errmsg *msg) NODISCARD;

/*
 * Makes an identity in an empty directory whose log a leader will send: for a node that never voted
 * in this quorum, or was removed from it. ERR_EXISTS as above.
 */
int raft_dir_join(const struct raft_dir_seed *seed, uint32_t generation,
                  struct errmsg *msg) NODISCARD;
/* That log has not come yet. */
bool raft_dir_joins(const char *dir);
/* It has: from here on an empty log is a lost one. */
int raft_dir_joined(const char *dir, struct errmsg *msg) NODISCARD;

/* The quorum was rebuilt from this directory, and its record is still the one of before. */
bool raft_dir_is_fresh(const char *dir);
int raft_dir_set_fresh(const char *dir, bool fresh, struct errmsg *msg) NODISCARD;

/* Replaces the identity, whole or not at all. */
int raft_dir_set_identity(const char *dir, const struct raft_identity *identity,
                          struct errmsg *msg) NODISCARD;

/* 0, ERR_NOTFOUND (no identity: never bootstrapped, or emptied), ERR_FORMAT, ERR_VERSION, ERR_IO.
 */
int raft_dir_identity(const char *dir, struct raft_identity *ret_identity,
                      struct errmsg *msg) NODISCARD;
/* ERR_STATE with what to do if it is not the identity of that node of that cluster. */
int raft_dir_check(const char *dir, const struct raft_identity *identity, const char *cluster,
                   unsigned self, struct errmsg *msg) NODISCARD;
/* True if the file system of dir has room for so many bytes more, or cannot tell. */
bool raft_dir_has_space(const char *dir, uint64_t bytes);

/* A transport that never connects: the disk backend of libraft demands one. */
void raft_dir_no_transport(struct raft_uv_transport *transport);

#endif
