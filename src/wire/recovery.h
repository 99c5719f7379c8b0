/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's error log says about one crash recovery, and whether that agrees with a rewind
 * (docs/design/rewind.md). Pure: lines in, counts out. Texts verified on MySQL 9.7.4 and
 * MariaDB 10.11.19:
 *
 *   MySQL 8.0.28+, log_error_verbosity = 3 (with 2 the counts are not written: report.found false)
 *     [MY-010224] Found 11 prepared transaction(s) in InnoDB
 *     [MY-013911] Crash recovery finished in InnoDB engine. Successfully rolled back 11 internal
 *                 transaction(s).            (or: Successfully committed 2, rolled back 11 ...,
 *                 or: Successfully committed 11 ..., or: No attempts ...)
 *   MariaDB InnoDB: Last binlog file './binlog.000001', position 1192 Found 9 prepared
 * transaction(s) in InnoDB Crash table recovery finished. DDL_LOG: Crash recovery executed 2
 * entries
 *
 * Why "at least" and not "exactly" as many rollbacks as were cut: transactions that were prepared
 * but had not reached the binlog when the server died are rolled back as well (MariaDB holds most
 * of a group back while one waits for its acknowledgement: 9 prepared, 2 in the binlog), and
 * neither server names the ones it rolls back. So the count alone cannot tell a cut transaction
 * that was committed from one that another has made up for; it only refuses what is surely wrong.
 * What proves that none of the cut ones had been committed by the engine is MariaDB the binlog
 * position that InnoDB stored with its last commit (commits are in the binlog's order): not beyond
 * the cut; MySQL gtid_executed after the start: InnoDB keeps the GTID of each commit (8.0.17+; the
 * counts are written by 8.0.28+), so a cut transaction that was committed is still in it. The agent
 * compares that before the server follows anybody (io/store/pending_cut.h).
 *
 * Lines are taken up to the first "ready for connections": a start that died in its recovery counts
 * together with the next one, and what is written later is of other starts.
 *
 * So at MySQL before 8.0.28 nothing would prove a cut: recovery_is_told() says so before one is
 * made.
 *
 * MariaDB's DDL that was in flight is finished or undone by its own log whatever the binlog says,
 * and may appear as a NEW transaction after the start (seen: ALTER TABLE). The errant check after
 * the start sees it; ddl_entries > 0 says where it came from.
 */
#ifndef TANDEM_WIRE_RECOVERY_H
#define TANDEM_WIRE_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/gtid.h"

#define RECOVERY_FILE_MAX 256

struct recovery_report {
    uint32_t starts;             /* server starts seen */
    bool crash_recovery;         /* the binlog had not been closed in order */
    bool found;                  /* the counts are known */
    bool ready;                  /* "ready for connections" */
    bool failed;                 /* recovery reported a failure */
    uint32_t prepared;           /* transactions found prepared */
    uint32_t rolled_back;        /* of these; MySQL only */
    uint32_t committed;          /* of these; MySQL only */
    uint32_t active_rolled_back; /* not prepared: do not count */
    uint32_t ddl_entries;        /* MariaDB: entries of the DDL log executed */
    bool has_position;           /* MariaDB: where the last engine commit was in the binlog */
    char position_file[RECOVERY_FILE_MAX]; /* without directory */
    uint64_t position;
};

void recovery_report_init(struct recovery_report *r);
/* One line without its newline; not terminated. Lines that say nothing are ignored. */
void recovery_report_line(struct recovery_report *r, const char *line, size_t n);

enum recovery_verdict {
    RECOVERY_AGREES,     /* MySQL: if gtid_executed holds none of the cut GTIDs and XA RECOVER is
                            empty; MariaDB: if XA RECOVER is empty */
    RECOVERY_UNKNOWN,    /* the log does not say: quarantine */
    RECOVERY_TOO_FEW,    /* fewer rollbacks than transactions cut: some were committed */
    RECOVERY_BEYOND_CUT, /* MariaDB: the engine had committed beyond the cut */
    RECOVERY_FAILED,     /* recovery reported a failure */
    RECOVERY_VERDICT_COUNT
};

/* Does a server of that version write what recovery_judge() asks for? version as in
 * binlog_format. */
bool recovery_is_told(enum gtid_flavour flavour, unsigned version);

/* What was cut: plan.expected_rollbacks, and file (path or name) and offset of the cut. */
enum recovery_verdict recovery_judge(const struct recovery_report *r, enum gtid_flavour flavour,
                                     uint32_t expected_rollbacks, const char *cut_file,
                                     uint64_t cut);
/* Stable id: "agrees", "recovery-unknown", ... */
const char *recovery_verdict_id(enum recovery_verdict verdict);

#endif
