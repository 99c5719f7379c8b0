/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what a new cluster starts from:
 *
 *     DIR/tandem.conf            the cluster file
 *     DIR/accounts.sql           accounts of agent and replication (mode 0600)
 *     DIR/tls/                   the cluster's authority and the certificate of each node
 *     DIR/secrets/               agent, replication: a random password each (mode 0600)
 *     DIR/NODE/                  all that host NODE needs, and install.sh, which puts it where the
 *                                cluster file says:
 *         tandem.conf  ca.pem  NODE.pem  NODE.key  raft.bootstrap
 *         accounts.sql  agent  replication  tandem.cnf  mysqld-tandem.conf   (not for a witness)
 *
 * DIR/tls/ca.key stays with the operator: whoever has it can make nodes. `install.sh --new` copies
 * raft.bootstrap to STATE_DIR/raft.bootstrap, which allows the agent, once, to begin an empty raft
 * directory; without it an empty directory never votes (a wiped node must not vote under its old
 * name). The agent removes it.
 *
 * Nothing that exists is overwritten unless `force` is set, and keys, certificates and passwords
 * not even then. Blocking; for the command.
 */
#ifndef TANDEM_IO_CONFIG_INIT_H
#define TANDEM_IO_CONFIG_INIT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/config/server_text.h"
#include "util/err.h"
#include "wire/config.h"

#define INIT_BOOTSTRAP_FILE "raft.bootstrap"

/* Who makes certificates: io/peer/pki.h, given by the caller since adapters do not know each other.
 * ERR_EXISTS is fine. */
struct init_pki {
    int (*create_ca)(const char *dir, const char *cluster, struct errmsg *msg);
    int (*create_node)(const char *dir, const char *cluster, const char *node, const char *address,
                       struct errmsg *msg);
};

struct init_plan {
    const char *dir;
    const char *text; /* the cluster file, which reads to *config */
    size_t length;
    const struct cluster_config *config;
    enum server_flavour flavour;
    unsigned first_id; /* server id of the first node, > 0 */
    bool force;
    struct init_pki pki;
};

/* ERR_EXISTS: a file is there already, none was written. The message names the file. */
int init_write(const struct init_plan *plan, struct errmsg *msg) NODISCARD;

#endif
