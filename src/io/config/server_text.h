/* SPDX-License-Identifier: Apache-2.0 */
/* What the database servers of a cluster need: a my.cnf drop-in per node, and the SQL of the
 * accounts. */
#ifndef TANDEM_IO_CONFIG_SERVER_TEXT_H
#define TANDEM_IO_CONFIG_SERVER_TEXT_H

#include <stdio.h>

#include "wire/config.h"

enum server_flavour {
    SERVER_MARIADB, /* 10.6 and later */
    SERVER_MYSQL,   /* 8.0.26 and later */
    SERVER_MYSQL57, /* 5.7, and 8.0 before 8.0.26 */
    SERVER_FLAVOUR_COUNT
};

/* "mariadb", "mysql", "mysql-5.7"; "?" for a value that is none. */
const char *server_text_flavour(int flavour);

/* Drop-in of a node that has a server; its server id is first_id + node. */
void server_text_cnf(const struct cluster_config *c, unsigned node, enum server_flavour flavour,
                     unsigned first_id, FILE *out);
/*
 * The accounts of agent and replication with the fewest privileges that do; the user names and
 * hosts come from the cluster. May be run again at any time, on every node; writes nothing to the
 * binary log, so it makes no transaction that the other nodes lack. The passwords must consist of
 * letters and digits.
 */
void server_text_accounts(const struct cluster_config *c, enum server_flavour flavour,
                          const char *agent_password, const char *replication_password, FILE *out);

#endif
