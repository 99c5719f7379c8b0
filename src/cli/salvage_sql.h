/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of a salvage as SQL: statements as they are, rows as comments ("### INSERT INTO"),
 * by the server family's own program, mariadb-binlog or mysqlbinlog. Those know every type, every
 * version's events and both compressions; the output is theirs. They take each other's files only
 * in part, so the family is checked first.
 */
#ifndef TANDEM_CLI_SALVAGE_SQL_H
#define TANDEM_CLI_SALVAGE_SQL_H

#include <jansson.h>

#include "cli/cli.h"

/* `salvage` is a complete one of cli/salvage_dir.h; program NULL: found in PATH. An exit status. */
int salvage_sql_print(const struct cli *cli, const json_t *salvage, const char *program);
/* The program that is looked for first, if none is in PATH; else NULL. */
const char *salvage_sql_missing(bool mariadb);

#endif
