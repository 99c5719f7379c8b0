/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one run of a server beyond a single probe: identity, dialect, settings that do
 * not change by themselves, and the statement that reads what does. Pure: names and values come in
 * as texts.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_SERVER_H
#define TANDEM_IO_MYSQL_MYSQL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "io/mysql/dialect.h"
#include "io/mysql/replica_status.h"
#include "util/err.h"
#include "wire/server.h"

/* Columns of mysql_server.vars_sql. */
enum server_var {
    VAR_READ_ONLY,
    VAR_SUPER_READ_ONLY,
    VAR_EVENTS,
    VAR_OWNED,    /* MySQL: gtid_owned; read before gtid_executed, into which it goes */
    VAR_EXECUTED, /* gtid_executed; gtid_binlog_state */
    VAR_APPLIED,  /* MariaDB: gtid_slave_pos */
    VAR_BINLOG,   /* MariaDB: gtid_binlog_pos */
    VAR_SOURCE_SIDE,
    VAR_WAIT_POINT,
    VAR_WAIT_NO_REPLICA,
    VAR_TIMEOUT,
    VAR_WAIT_COUNT,
    VAR_REPLICA_SIDE,
    VAR_COUNT
};

struct mysql_server {
    bool known;
    bool supported; /* dialect is valid */
    enum server_flavour flavour;
    uint32_t version;
    enum dialect_kind dialect;
    enum semi_names semi_source;  /* SEMI_NONE: that plugin is not there */
    enum semi_names semi_replica; /* both plugins have the same kind of names, if they are there */
    bool log_bin;
    bool log_replica_updates;
    bool events_off; /* when it was asked last; meaningless of a closed server */
    char vars_sql[1200];
    struct server_facts base; /* identity, settings and xa_prepared; the rest is zero */
};

/* Reads every setting below; works on all versions (unknown names give no row). */
extern const char mysql_server_settings_sql[];

/* One walk over the rows of mysql_server_settings_sql. */
struct server_settings {
    char version[VERSION_TEXT_MAX];
    char uuid[UUID_TEXT_MAX];
    uint32_t server_id;
    uint32_t wrong; /* bits of enum server_setting */
    uint32_t seen;  /* of them, whose variable was there */
    bool log_bin;
    bool log_replica_updates;
    enum semi_names semi_source;
    enum semi_names semi_replica;
};

void server_settings_row(struct server_settings *settings, const char *name, const char *value);
/* Settings of a run to what follows from them. ERR_FORMAT: no version among the rows. */
int mysql_server_set(struct mysql_server *server, const struct server_settings *settings) NODISCARD;

/* The row of vars_sql (values in the order of enum server_var, may be NULL) to facts; fields of the
 * base are copied. ret_binlog_pos: MariaDB gtid_binlog_pos; MySQL gtid_owned as a set: what is in
 * the binlog, or on its way there, and not executed, commits that wait for an acknowledgement
 * included. GTID_TEXT_MAX bytes; may be NULL. ERR_FULL, ERR_FORMAT: GTIDs that do not fit. */
int mysql_server_vars(const struct mysql_server *server, const char *const *values,
                      struct server_facts *facts, char *ret_binlog_pos) NODISCARD;
/* A row of SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%'. */
void mysql_server_semi_status(const struct mysql_server *server, const char *name,
                              const char *value, struct server_facts *facts);

/*
 * MariaDB: the position from which a replica must ask a source for more: of each
 * domain the binlog's own position if the domain is in the binlog (whether the position table is
 * behind or ahead of it), else the position table's. GTID_TEXT_MAX bytes. ERR_FULL, ERR_FORMAT.
 */
int mysql_attach_position(const char *slave_pos, const char *binlog_pos, char *ret_text) NODISCARD;

/* True for "1", "ON", "YES", "NO_LOCK", "NO_LOCK_NO_ADMIN" (MariaDB 12), false for "0", "OFF". */
bool server_flag(const char *value);

#endif
