/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writer of a salvage directory (S6): files made of ranges of binlog files, and a manifest.
 * Everything is written under NAME.partial (mode 0700), fsynced, and renamed to NAME at the end, so
 * that a directory without the suffix is complete and on the disk. Blocking; for pool threads.
 *
 * A file of groups is a binlog file of its own: magic, format description and previous GTIDs of the
 * source, then the ranges. Its "in use" flag is cleared (the checksum of the event does not cover
 * the flag); positions inside the events stay those of the source.
 */
#ifndef TANDEM_IO_STORE_SALVAGE_H
#define TANDEM_IO_STORE_SALVAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "util/err.h"

#define SALVAGE_PATH_MAX 512

struct salvage_range {
    uint64_t from;
    uint64_t to;
};

/* Grows; adjacent ranges are joined. The owner releases it. */
struct salvage_ranges {
    struct salvage_range *items;
    unsigned count;
};
int salvage_ranges_add(struct salvage_ranges *r, uint64_t from, uint64_t to) NODISCARD;
void salvage_ranges_release(struct salvage_ranges *r);

struct salvage {
    char parent[SALVAGE_PATH_MAX];
    char name[128];
    int dir_fd;     /* of NAME.partial; -1 = not open */
    json_t *root;   /* the manifest; the caller may add members */
    json_t *files;  /* borrowed: root["files"] */
    uint64_t bytes; /* written so far */
    const atomic_bool *cancel;
};

/* Creates PARENT (0700) if it is missing and PARENT/<UTC>-<node>-<epoch>.partial. ERR_IO,
 * ERR_NOSPC, ERR_PERM, ERR_NOMEM. On failure nothing needs to be released. */
int salvage_open(struct salvage *s, const char *parent, const char *node, uint64_t epoch,
                 const atomic_bool *cancel, struct errmsg *m) NODISCARD;

/*
 * One file from one source: header bytes [0, header) (0 = no header: raw bytes), then the ranges.
 * Adds {name, source, events_offset, bytes, sha256, ranges} to the manifest; *ret_entry (borrowed,
 * may be NULL) takes more members. ERR_IO, ERR_NOSPC, ERR_CANCELED, ERR_NOMEM.
 */
int salvage_copy(struct salvage *s, const char *name, const char *source, uint64_t header,
                 const struct salvage_ranges *ranges, json_t **ret_entry,
                 struct errmsg *m) NODISCARD;

/* Writes the manifest, makes everything durable, renames. ret_path has SALVAGE_PATH_MAX bytes. */
int salvage_commit(struct salvage *s, char *ret_path, struct errmsg *m) NODISCARD;
/* Releases what is open; an uncommitted directory stays as NAME.partial for a human. */
void salvage_close(struct salvage *s);

#endif
