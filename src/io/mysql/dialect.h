/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the versions of MariaDB and MySQL call things: statements by table (dialect.def), the
 * semi-sync plugin's two sets of names, and the statements that are put together from values. Pure.
 */
#ifndef TANDEM_IO_MYSQL_DIALECT_H
#define TANDEM_IO_MYSQL_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "wire/server.h"

#define DIALECT_LEVEL_CHANNEL "tandem_level"

enum dialect_kind {
    DIALECT_MARIADB,
    DIALECT_MYSQL_57,
    DIALECT_MYSQL_80,
    DIALECT_MYSQL_NEW,
    DIALECT_COUNT
};

enum dialect_word {
#define WORD(name, mariadb, mysql57, mysql80, mysqlnew) WORD_##name,
#include "io/mysql/dialect.def"
#undef WORD
    WORD_COUNT
};

/* Semi-sync names: OLD master/slave (MariaDB; MySQL up to 8.3), NEW source/replica (from 8.0.26). A
 * MySQL server has one set or the other, or none. */
enum semi_names { SEMI_NONE, SEMI_OLD, SEMI_NEW };

/* "10.11.19-MariaDB-..." or "9.7.4": flavour, version as 101119 / 90704, dialect. Replication-style
 * prefixes ("5.5.5-10.6...") are taken off. ERR_UNSUPPORTED: MariaDB before 10.6, MySQL before 5.7
 * (the outputs except the dialect are set then, as far as they were understood). */
int dialect_find(const char *version_text, enum server_flavour *ret_flavour, uint32_t *ret_version,
                 enum dialect_kind *ret_dialect) NODISCARD;

const char *dialect_word(enum dialect_kind dialect, enum dialect_word word);

/* "master" or "source" / "slave" or "replica", as the variables' names have it. */
const char *semi_source_word(enum semi_names names);
const char *semi_replica_word(enum semi_names names);

/* One-line SQL string literal's inside; ERR_FULL. NO_BACKSLASH_ESCAPES is off in our sessions. */
int dialect_escape(const char *text, char *buf, size_t size) NODISCARD;

struct dialect_source {
    const char *host;
    uint16_t port;
    const char *user;
    const char *password;
};

/* CHANGE ... of the default channel, or of the level channel. Contains the password: never log it.
 * ERR_FULL. */
int dialect_change_source(enum dialect_kind dialect, const struct dialect_source *source,
                          bool level, char *buf, size_t size) NODISCARD;

/* SET GLOBAL ... of the semi-sync source side: wait point, timeout, count before the switch.
 * Names must not be SEMI_NONE. ERR_FULL. */
int dialect_source_side(enum dialect_kind dialect, enum semi_names names, bool on, uint32_t count,
                        char *buf, size_t size) NODISCARD;

#endif
