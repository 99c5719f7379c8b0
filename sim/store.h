/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is durable on a raft disk: term and vote, a log, one snapshot; no time, no faults
 * (sim/disk.h). Copies what it is given, and gives libraft copies.
 */
#ifndef TANDEM_SIM_STORE_H
#define TANDEM_SIM_STORE_H

#include <raft.h>
#include <stddef.h>

struct sim_entry {
    raft_term term;
    int type;
    size_t len;
    void *bytes; /* malloc()ed */
};

struct sim_snapshot {
    raft_index index; /* 0: there is none */
    raft_term term;
    raft_index conf_index;
    struct raft_buffer conf; /* the configuration as libraft encodes it */
    struct raft_buffer data;
};

struct sim_store {
    raft_term term;
    raft_id voted_for;
    raft_index first; /* index of entries[0]; where it would be if there is none */
    unsigned n;
    unsigned size;
    struct sim_entry *entries;
    struct sim_snapshot snapshot;
};

void sim_entry_copy(struct sim_entry *to, const struct raft_entry *from);
void sim_snapshot_copy(struct sim_snapshot *to, const struct raft_snapshot *from);
void sim_snapshot_release(struct sim_snapshot *s);
struct raft_snapshot *sim_snapshot_load(const struct sim_snapshot *from);

void sim_store_init(struct sim_store *s);
void sim_store_release(struct sim_store *s);
raft_index sim_store_last(const struct sim_store *s);
/* Takes the bytes of the entries over. */
void sim_store_append(struct sim_store *s, struct sim_entry *entries, unsigned n);
/* Everything from that index on is gone. */
void sim_store_truncate(struct sim_store *s, raft_index index);
/* Takes *snapshot over, instead of the one before. The log keeps so many entries before its index;
 * 0: it begins anew behind it. */
void sim_store_snapshot(struct sim_store *s, struct sim_snapshot *snapshot, unsigned trailing);
/* All payloads in one block, as libraft wants them; NULL if there is none. */
struct raft_entry *sim_store_load(const struct sim_store *s);

#endif
