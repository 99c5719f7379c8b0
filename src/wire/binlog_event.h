/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader of binary log files (MySQL 5.7 - 9.x, MariaDB 10.6 - 11.x): a push parser that is fed the
 * bytes of one file from its beginning and reports each event and each complete transaction
 * ("group"). Pure: no I/O, no allocation; of each event at most BINLOG_KEEP_MAX bytes are kept (all
 * that is needed of the events read here), so a row event of a gigabyte needs no memory.
 *
 * Checked: magic, lengths, order of events, CRC32 of every event of a file that has checksums. The
 * bytes may come from anywhere: nothing is trusted.
 *
 * Not done here: row images, compressed payloads and the engines of tables are not looked into.
 * What is known about a group is in its flags:
 *   MySQL    XID (or an uncompressed COMMIT) at the end says whether a transactional engine took
 *            part; a TRANSACTION_PAYLOAD event is by its definition row based and transactional; a
 *            DDL statement that the data dictionary commits together with the binlog carries the
 *            status variable Q_DDL_LOGGED_WITH_XID (8.0 and later).
 *   MariaDB  the GTID event has the flags transactional, DDL, standalone and XA.
 *
 * Use:  binlog_walk_init(&w);
 *       while (bytes) { step = binlog_walk_feed(&w, at, n, &used); at += used; n -= used; ... }
 *       binlog_walk_finish(&w);     // end of file: what is incomplete is torn
 */
#ifndef TANDEM_WIRE_BINLOG_EVENT_H
#define TANDEM_WIRE_BINLOG_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/gtid.h"

#define BINLOG_KEEP_MAX 8192
#define BINLOG_MAGIC_SIZE 4
#define BINLOG_HEADER_SIZE 19
#define BINLOG_CHECKSUM_SIZE 4
#define BINLOG_VERSION_MAX 51
#define BINLOG_DETAIL_MAX 160

/* Event types that this program distinguishes (numbers of the format). */
enum binlog_type {
    BINLOG_QUERY = 2,
    BINLOG_STOP = 3,
    BINLOG_ROTATE = 4,
    BINLOG_INTVAR = 5,
    BINLOG_RAND = 13,
    BINLOG_USER_VAR = 14,
    BINLOG_FORMAT_DESCRIPTION = 15,
    BINLOG_XID = 16,
    BINLOG_BEGIN_LOAD_QUERY = 17,
    BINLOG_EXECUTE_LOAD_QUERY = 18,
    BINLOG_TABLE_MAP = 19,
    BINLOG_ROWS_V1_FIRST = 23,
    BINLOG_ROWS_V1_LAST = 25,
    BINLOG_INCIDENT = 26,
    BINLOG_HEARTBEAT = 27,
    BINLOG_IGNORABLE = 28,
    BINLOG_ROWS_QUERY = 29,
    BINLOG_ROWS_FIRST = 30,
    BINLOG_ROWS_LAST = 32,
    BINLOG_GTID = 33,
    BINLOG_ANONYMOUS_GTID = 34,
    BINLOG_PREVIOUS_GTIDS = 35,
    BINLOG_TRANSACTION_CONTEXT = 36,
    BINLOG_VIEW_CHANGE = 37,
    BINLOG_XA_PREPARE = 38,
    BINLOG_PARTIAL_UPDATE_ROWS = 39,
    BINLOG_TRANSACTION_PAYLOAD = 40,
    BINLOG_HEARTBEAT_V2 = 41,
    BINLOG_GTID_TAGGED = 42,
    BINLOG_MARIADB_ANNOTATE_ROWS = 160,
    BINLOG_MARIADB_CHECKPOINT = 161,
    BINLOG_MARIADB_GTID = 162,
    BINLOG_MARIADB_GTID_LIST = 163,
    BINLOG_MARIADB_START_ENCRYPTION = 164,
    BINLOG_MARIADB_QUERY_COMPRESSED = 165,
    BINLOG_MARIADB_ROWS_COMPRESSED_FIRST = 166,
    BINLOG_MARIADB_ROWS_COMPRESSED_LAST = 171
};

#define BINLOG_FLAG_IN_USE 0x0001u    /* of the format description: not closed properly */
#define BINLOG_FLAG_RELAY_LOG 0x0040u /* of the format description: a relay log */
#define BINLOG_FLAG_IGNORABLE 0x0080u

/* What the format description event says. Valid once binlog_walk.has_format is set. */
struct binlog_format {
    enum gtid_flavour flavour; /* GTID_MYSQL or GTID_MARIADB */
    unsigned version;          /* 90704 for 9.7.4, 101119 for 10.11.19 */
    char version_text[BINLOG_VERSION_MAX];
    bool checksum; /* every event ends with a CRC32 */
    bool in_use;
    bool relay_log;
    uint64_t end; /* offset after the event: magic and this event are the first `end` bytes */
};

struct binlog_event {
    uint8_t type;
    uint16_t flags;
    uint32_t timestamp_s;
    uint32_t server_id;
    uint32_t size;       /* with header and checksum */
    uint64_t start;      /* offset in the file */
    const uint8_t *body; /* after the header; valid until the next feed */
    size_t body_size;    /* without checksum */
    size_t body_kept;    /* bytes at `body`: min(body_size, BINLOG_KEEP_MAX) */
};

enum binlog_group_kind {
    BINLOG_GROUP_DML,   /* rows (BEGIN .. XID/COMMIT), or a compressed payload */
    BINLOG_GROUP_DDL,   /* one statement on its own */
    BINLOG_GROUP_XA,    /* XA PREPARE, or XA COMMIT / ROLLBACK on its own */
    BINLOG_GROUP_EMPTY, /* BEGIN .. COMMIT without anything (injected GTID) */
    BINLOG_GROUP_OTHER, /* anything this reader does not understand */
    BINLOG_GROUP_KIND_COUNT
};

struct binlog_group {
    struct gtid gtid;
    bool has_gtid; /* false: anonymous */
    enum binlog_group_kind kind;
    bool transactional; /* ended by an engine's commit (XID, payload, MariaDB's flag) */
    bool has_statement; /* DML in statement form (or LOAD DATA) within the transaction */
    bool atomic_ddl;    /* MySQL 8.0+: committed by the data dictionary with the binlog */
    bool multi_table;   /* rows of more than one table */
    uint32_t server_id;
    uint32_t timestamp_s;
    uint64_t start;
    uint64_t end;
    char detail[BINLOG_DETAIL_MAX]; /* "db.table" of the first row, or the statement's beginning */
};

enum binlog_step {
    BINLOG_STEP_MORE,  /* all bytes consumed, nothing to report */
    BINLOG_STEP_EVENT, /* walk.event is complete; if walk.group_ready, walk.group as well */
    BINLOG_STEP_BAD    /* not a binlog, or damaged at walk.at: see walk.err and walk.errmsg */
};

/* Embedded by the caller; about 9 KiB. Read-only for the caller except through functions. */
struct binlog_walk {
    struct binlog_format format;
    bool has_format;
    struct gtid_set previous; /* PREVIOUS_GTIDS, or GTID_LIST as GTID_MARIADB_STATE */
    bool has_previous;
    uint64_t previous_end; /* offset after that event */
    bool stopped;          /* a STOP event: the server was shut down in order */
    bool rotated;          /* a ROTATE event: another file follows */
    struct binlog_event event;
    struct binlog_group group;
    bool group_ready;
    uint64_t at;       /* offset of the next event (all before it was consumed) */
    uint64_t boundary; /* end of the last complete group or control event */
    int err;
    struct errmsg errmsg;
    /* private */
    bool in_group;
    bool group_begun;
    bool group_standalone;
    bool blank;
    uint32_t have;
    uint32_t crc;
    uint8_t header[BINLOG_HEADER_SIZE];
    uint8_t trailer[BINLOG_CHECKSUM_SIZE];
    uint8_t keep[BINLOG_KEEP_MAX];
};

/* How a file ended. */
enum binlog_end {
    BINLOG_END_WHOLE, /* at a boundary */
    BINLOG_END_TORN   /* the last event or group is incomplete, or the rest is zeros: the server
                         itself   drops everything from walk.boundary on when it recovers */
};

void binlog_walk_init(struct binlog_walk *w);
/* Consumes bytes up to the end of one event. *ret_used is always set. After BINLOG_STEP_BAD every
 * further call is BAD again. */
enum binlog_step binlog_walk_feed(struct binlog_walk *w, const uint8_t *data, size_t size,
                                  size_t *ret_used);
enum binlog_end binlog_walk_finish(const struct binlog_walk *w);

/* "dml", "ddl", "xa", "empty", "other". */
const char *binlog_group_kind_text(enum binlog_group_kind kind);

#endif
