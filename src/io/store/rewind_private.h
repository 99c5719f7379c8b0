/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of rewind_job; see rewind_job.h. All of it runs on a pool thread. */
#ifndef TANDEM_IO_STORE_REWIND_PRIVATE_H
#define TANDEM_IO_STORE_REWIND_PRIVATE_H

#include "io/store/binlog_files.h"
#include "io/store/rewind_job.h"
#include "io/store/salvage.h"

/* Transactions that a manifest names one by one; all are counted. */
#define REWIND_LISTED_MAX 1000

struct rewind_work {
    const struct rewind_request *req;
    struct rewind_result *res;
    struct binlog_budget budget;
    struct binlog_index index;
    struct gtid_set seal;
    struct gtid_set writer;
    struct binlog_walk walk;
    struct salvage_ranges ranges; /* of the file being walked */
    json_t *listed;               /* array of transactions, owned */
    struct gtid_set extra;        /* EXTRACT */
    struct gtid_set since;
    struct salvage salvage;
    bool salvage_is_open;
    unsigned file_groups; /* groups taken of the file being walked */
    /* EXTRACT and INSPECT, newest file first. */
    unsigned file_at;      /* of the index: the file being walked */
    unsigned file_others;  /* groups of the file being walked that are not taken */
    bool others_behind;    /* such groups are in a newer file */
    bool hole;             /* ... or between the taken ones */
    bool not_rows;         /* a taken group is more than changed rows of transactional tables */
    bool file_is_missing;  /* of the index, purged by hand */
    bool crashed;          /* of the newest file with a taken group */
    struct gtid_set found; /* MariaDB: the last of the taken ones per entry */
};

int rewind_cut_run(struct rewind_work *k) NODISCARD;
int rewind_extract_run(struct rewind_work *k) NODISCARD;

/* Of `extra`, for those that walk the files from the newest back. */
int rewind_parse_extra(struct rewind_work *k) NODISCARD;
bool rewind_is_extra(const struct rewind_work *k, const struct binlog_group *g);
int rewind_note_extra(struct rewind_work *k, const struct binlog_group *g) NODISCARD;
/* After a file: nothing of what is looked for is older. */
bool rewind_is_last(const struct rewind_work *k);
/* All of it was found; last: what rewind_is_last() said of the last file. */
bool rewind_is_complete(const struct rewind_work *k, bool last);

/* Adds a line about a group to the manifest's list. ERR_NOMEM. */
int rewind_list_group(struct rewind_work *k, const struct binlog_group *g) NODISCARD;
/* Opens the salvage directory and writes what every manifest has. */
int rewind_salvage_open(struct rewind_work *k, const char *kind) NODISCARD;
int rewind_salvage_commit(struct rewind_work *k) NODISCARD;

#endif
