/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of single binlog events (header and checksum already taken off). Each function reads from
 * `n` kept bytes and never beyond; ERR_FORMAT for what cannot be, outputs written only on success.
 * Formats: MySQL source documentation "Binlog Event"; MariaDB knowledge base "Replication
 * Protocol".
 */
#ifndef TANDEM_WIRE_BINLOG_DECODE_H
#define TANDEM_WIRE_BINLOG_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/binlog_event.h"
#include "wire/gtid.h"

/* Flags of MariaDB's GTID event. */
#define BINLOG_MARIADB_STANDALONE 0x01u
#define BINLOG_MARIADB_TRANSACTIONAL 0x04u
#define BINLOG_MARIADB_DDL 0x20u
#define BINLOG_MARIADB_PREPARED_XA 0x40u
#define BINLOG_MARIADB_COMPLETED_XA 0x80u

/* The whole event body including its algorithm byte, without the 4 bytes after it. Fills flavour,
 * version, version_text, checksum. ERR_UNSUPPORTED: another binlog version or checksum algorithm.
 */
int binlog_decode_format(const uint8_t *body, size_t n, struct binlog_format *ret_format) NODISCARD;

/* GTID, ANONYMOUS_GTID, GTID_TAGGED, MariaDB's GTID. *ret_flags: MariaDB's flags, else 0. server_id
 * is that of the event's header: MariaDB does not repeat it. */
int binlog_decode_gtid(const struct binlog_event *event, struct gtid *ret_gtid,
                       uint8_t *ret_flags) NODISCARD;

/* PREVIOUS_GTIDS as GTID_MYSQL, GTID_LIST as GTID_MARIADB_STATE. ERR_FULL: more than a set holds.
 */
int binlog_decode_previous(const struct binlog_event *event, struct gtid_set *ret_set) NODISCARD;

struct binlog_query {
    const char *text; /* not terminated; points into the event */
    size_t size;      /* kept bytes of it */
    bool whole;       /* all of the text was kept */
    bool ddl_xid;     /* MySQL: status variable Q_DDL_LOGGED_WITH_XID is present */
};
int binlog_decode_query(const struct binlog_event *event, bool mysql,
                        struct binlog_query *ret_query) NODISCARD;

/* "db.table" into buf (cut to fit, control characters as blanks). */
int binlog_decode_table_map(const struct binlog_event *event, char *buf, size_t size) NODISCARD;

/* Copies text for display: cut to fit, control characters as blanks. Returns buf. */
char *binlog_detail(char *buf, size_t size, const char *text, size_t n);

#endif
