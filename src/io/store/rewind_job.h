/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work on a stopped server's binlog files and on its error log, off the loop: plan and do the
 * rewind (docs/design/rewind.md, wire/rewind.h), salvage transactions into files, count what
 * recovery rolled back. One job = one uv_queue_work; one completion callback on the loop, always.
 * It decides nothing about the cluster: whether a job may run is the caller's knowledge (struct
 * rewind_facts).
 *
 * Happy path of REWIND_JOB_CUT:
 *   1. refuse if a server has the data directory open (fcntl lock of InnoDB on ibdata1);
 *   2. binlog index -> last file -> walk every event -> plan;
 *   3. salvage: DIR = salvage_dir/<UTC time>-<node>-<epoch>/ (0700) with
 *        events.binlog   magic, format description, previous GTIDs and the cut groups: a binlog
 * file that mysqlbinlog / mariadb-binlog read; torn.bin        incomplete bytes after the last
 * group, if any; manifest.json   GTIDs, offsets, file, sizes, SHA-256, verdict, reason, times;
 *      every file and directory is fsynced;
 *   4. the cut is noted as not proven yet (pending_cut.h);
 *   5. ftruncate + fsync of the binlog file. Not copy + rename: the file may be a gigabyte, keeps
 * its owner and mode, and a truncation is one journaled change: after a crash in between the file
 * is either whole (the job is run again; the second salvage is a duplicate) or cut. The flag "in
 * use" of its header stays, so that the server does its crash recovery. Undo, only before the
 * server's first start: io/store/salvage_restore.h.
 *
 * Failure modes: no index or file -> verdict REFUSE (binlog-missing); a refused plan with a tail ->
 * the tail is salvaged all the same (nothing cut); disk full or I/O error while salvaging -> ERR_*,
 * nothing cut, the incomplete directory keeps the suffix ".partial"; cancelled -> ERR_CANCELED,
 * nothing cut; more bytes to read than bytes_max -> verdict REFUSE (binlog-too-large).
 *
 * REWIND_JOB_EXTRACT (a node whose extra transactions are committed in the engine: quarantine):
 * copies the groups whose GTID is in `extra` from all files of the index, newest back to oldest
 * until all are found, one salvage file per binlog file ("events-<name>"). Only whole files that
 * are finished or whose tail is at rest are read; a server may be running (its newest group may be
 * missing: `missing` says so).
 *
 * REWIND_JOB_INSPECT: reads the same groups and tells what the files say of them (wire/tail.h).
 * Complete: MySQL, all of `extra` was found; MariaDB, the last of each of its entries was, and no
 * file is missing up to one that begins where `since` ends. Crashed: the newest file with one of
 * them has neither a STOP nor a ROTATE at its end, and no server writes to it now.
 *
 * REWIND_JOB_RECOVERY: reads the error log from error_log_offset (taken before the start, it is in
 * every result of the other kinds) and counts what crash recovery said.
 */
#ifndef TANDEM_IO_STORE_REWIND_JOB_H
#define TANDEM_IO_STORE_REWIND_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "io/store/pending_cut.h"
#include "util/err.h"
#include "wire/gtid.h"
#include "wire/recovery.h"
#include "wire/rewind.h"
#include "wire/undo.h"

#define REWIND_JOB_PATH_MAX 512
#define REWIND_JOB_TEXT_MAX 8192

enum rewind_job_kind {
    REWIND_JOB_PLAN,    /* read only */
    REWIND_JOB_CUT,     /* plan, salvage, cut */
    REWIND_JOB_EXTRACT, /* salvage the groups of `extra`; cuts nothing */
    REWIND_JOB_INSPECT, /* find the groups of `extra`, tell the evidence; writes nothing */
    REWIND_JOB_UNDO,    /* make the script that takes the groups of `extra` back (undo_plan.h) */
    REWIND_JOB_RECOVERY /* read the error log */
};

struct rewind_request {
    enum rewind_job_kind kind;
    enum gtid_flavour flavour; /* GTID_MYSQL or GTID_MARIADB */
    char data_dir[REWIND_JOB_PATH_MAX];
    /* Path of the binlog index; "" = the one index in data_dir whose files are not relay logs. */
    char binlog_index[REWIND_JOB_PATH_MAX];
    char salvage_dir[REWIND_JOB_PATH_MAX]; /* created (0700) if missing; its parent must exist */
    char error_log[REWIND_JOB_PATH_MAX];   /* "" = not known */
    char node[64];
    char
        pending_path[REWIND_JOB_PATH_MAX]; /* CUT: where it is noted (pending_cut.h); "": nowhere */
    uint64_t epoch;                        /* the last epoch in which this node wrote */
    char seal[REWIND_JOB_TEXT_MAX];   /* S. MariaDB: a state if a domain occurs twice in it, else a
                                         position */
    char writer[REWIND_JOB_TEXT_MAX]; /* W; MariaDB: gtid_binlog_state "," gtid_slave_pos */
    char extra[REWIND_JOB_TEXT_MAX]; /* EXTRACT: MySQL: the set; MariaDB: this node's state (or only
                                        its entries that the writer lacks), see since */
    char since[REWIND_JOB_TEXT_MAX]; /* EXTRACT, MariaDB: the writer's state; groups contained in
                                        extra and not in since are copied */
    char note[256];                  /* goes into the manifest: why */
    int tail_class;                  /* EXTRACT: enum tail_class, for the manifest */
    char judged_by[32];              /* ... "rejoin/110" */
    char judged_why[256];            /* ... the rule's sentence */
    struct rewind_facts facts;
    uint64_t error_log_offset; /* RECOVERY */
    uint64_t bytes_max;        /* PLAN, CUT: 0 = 4 GiB: bound of the bytes read, and so of the time.
                                  The others read, piece by piece, whatever there is */
};

struct rewind_result {
    int err; /* 0: the rest is valid */
    struct errmsg errmsg;
    struct rewind_plan plan; /* PLAN, CUT; its pointers are not valid any more */
    bool cut_done;
    struct pending_cut pending; /* CUT, if it was done: what is left to be proven */
    char binlog_file[REWIND_JOB_PATH_MAX];
    uint64_t file_size;                     /* before the cut */
    char salvage_path[REWIND_JOB_PATH_MAX]; /* "" = nothing was salvaged */
    uint64_t salvaged_bytes;
    uint32_t salvaged_groups;
    struct gtid_set missing;  /* EXTRACT: GTIDs of extra found in no file (MySQL; else empty) */
    uint32_t evidence;        /* INSPECT: bits of enum tail_evidence */
    uint32_t found_groups;    /* INSPECT */
    struct undo_script *undo; /* UNDO; NULL = refused. The caller of the job takes it and frees it
                                 with undo_script_free() */
    enum undo_reason undo_reason;
    char undo_detail[256];
    uint64_t error_log_size; /* the offset for RECOVERY; 0 if there is no such file */
    struct recovery_report recovery;
};

/* Blocking, for pool threads and the command line. cancel may be NULL. Returns ret_result->err. */
int rewind_run(const struct rewind_request *req, const atomic_bool *cancel,
               struct rewind_result *ret_result) NODISCARD;

/* EXTRACT or INSPECT of the same transactions, judged alike: the answer to one is the answer to the
 * other. `since` is none of the question: the writer goes on, and has none of `extra` whatever it
 * has. */
bool rewind_is_same(const struct rewind_request *a, const struct rewind_request *b);

/* Embedded or allocated by the caller (large); must stay until the callback. */
struct rewind_job {
    uv_work_t work;
    bool busy;
    atomic_bool cancel;
    struct rewind_request request;
    struct rewind_result result;
    void (*done)(void *data, const struct rewind_result *result);
    void *data;
};

/* done is called exactly once, on the loop; result points into the job. ERR_BUSY: one is running.
 */
int rewind_job_start(struct rewind_job *job, uv_loop_t *loop, const struct rewind_request *req,
                     void (*done)(void *data, const struct rewind_result *result),
                     void *data) NODISCARD;
/* Asks it to end soon (ERR_CANCELED unless it was done); the callback still comes. A cut that has
 * begun is finished. */
void rewind_job_cancel(struct rewind_job *job);

#endif
