/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of SHOW ... STATUS to values, for both vocabularies of column names.
 * Pure: rows come as texts, so that rows recorded from servers that do not run here can be tested.
 *
 * Drained, i.e. everything received is applied: on MySQL Retrieved_Gtid_Set is contained in
 * Executed_Gtid_Set; on MariaDB Gtid_IO_Pos is contained in Gtid_Slave_Pos per domain. After a
 * restart of MariaDB Gtid_IO_Pos is empty though unapplied relay log may be there: then the
 * coordinates of the last read and the last executed event must be equal.
 */
#ifndef TANDEM_IO_MYSQL_REPLICA_STATUS_H
#define TANDEM_IO_MYSQL_REPLICA_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/server.h"

#define SQL_COLUMNS_MAX 96
#define REPLICA_CHANNELS_MAX 4
#define REPLICA_CHANNEL_NAME_MAX 192

/* One row as texts; a value may be NULL. */
struct sql_row {
    unsigned count;
    const char *names[SQL_COLUMNS_MAX];
    const char *values[SQL_COLUMNS_MAX];
};

/* Value of the first column called a or b (b may be NULL), "" if NULL or not there. */
const char *sql_row_text(const struct sql_row *row, const char *a, const char *b);

struct replica_channel {
    char name[REPLICA_CHANNEL_NAME_MAX]; /* "" = the default channel */
    char host[ADDRESS_TEXT_MAX];
    uint16_t port;
    int io;  /* enum thread_state */
    int sql; /* enum thread_state */
    uint32_t io_errno;
    uint32_t sql_errno;
    int32_t lag_s;
    bool by_gtid; /* MariaDB: Slave_Pos; MySQL: Auto_Position */
    bool drained;
    bool partial; /* drained, but events of a transaction were read whose end was not */
    char retrieved[GTID_TEXT_MAX]; /* Gtid_IO_Pos / Retrieved_Gtid_Set, canonical */
    char executed[GTID_TEXT_MAX];  /* Gtid_Slave_Pos / Executed_Gtid_Set, canonical */
    char error[DETAIL_TEXT_MAX];   /* of the SQL thread, else of the IO thread; one line */
};

struct replica_status {
    unsigned count;
    bool more; /* channels that did not fit */
    struct replica_channel channels[REPLICA_CHANNELS_MAX];
};

/* Adds one row. ERR_FULL, ERR_FORMAT: its GTIDs do not fit wire/gtid.h; the row is then missing. */
int replica_status_add(struct replica_status *status, enum server_flavour flavour,
                       const struct sql_row *row) NODISCARD;
/* The default channel, or NULL. */
const struct replica_channel *replica_status_default(const struct replica_status *status);
const struct replica_channel *replica_status_find(const struct replica_status *status,
                                                  const char *name);
/* Every channel is drained (true without channels). */
bool replica_status_is_drained(const struct replica_status *status);
/* Fills in the channel's part of the facts: all fields from `channel` to `foreign_channels`, error,
 * received, SETTING_BY_POSITION; on MySQL executed and applied too, from the same moment. ERR_FULL:
 * union too long. */
int replica_status_facts(const struct replica_status *status, enum server_flavour flavour,
                         struct server_facts *facts) NODISCARD;

/* Text of a server to canonical text of GTID_TEXT_MAX bytes; ERR_FULL, ERR_FORMAT. */
int gtid_canonical(const char *text, enum server_flavour flavour, bool state,
                   char *ret_text) NODISCARD;

#endif
