/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/server_text.h"

#include <assert.h>

enum {
    MARIADB = 1 << SERVER_MARIADB,
    MYSQL = 1 << SERVER_MYSQL,
    MYSQL57 = 1 << SERVER_MYSQL57,
    ALL = MARIADB | MYSQL | MYSQL57
};

struct mycnf_row {
    int servers;
    const char *name;
    const char *value;
    const char *why;
};

static const struct mycnf_row mycnf_rows[] = {
#define MYCNF(servers, name, value, why) {servers, name, value, why},
#include "io/config/mycnf.def"
#undef MYCNF
};

const char *server_text_flavour(int flavour)
{
    static const char *const words[] = {"mariadb", "mysql", "mysql-5.7"};
    _Static_assert(sizeof words / sizeof *words == SERVER_FLAVOUR_COUNT, "a word for each flavour");
    return flavour >= 0 && flavour < SERVER_FLAVOUR_COUNT ? words[flavour] : "?";
}

static void cnf_value(const struct config_node *n, unsigned id, const char *value, FILE *out)
{
    for (; *value != '\0'; value++) {
        if (*value != '%') {
            fputc(*value, out);
            continue;
        }
        value++;
        assert(*value != '\0');
        assert(strchr("niapbe", *value) != NULL);
        if (*value == 'n')
            fputs(n->name, out);
        else if (*value == 'i')
            fprintf(out, "%u", id);
        else if (*value == 'a')
            fputs(n->address, out);
        else if (*value == 'p')
            fprintf(out, "%u", n->mysql.port);
        else if (*value == 'b')
            fputs(n->mysql.log_bin, out);
        else
            fputs(n->mysql.error_log, out);
    }
}

void server_text_cnf(const struct cluster_config *c, unsigned node, enum server_flavour flavour,
                     unsigned first_id, FILE *out)
{
    const struct config_node *n = &c->nodes[node];
    assert(config_node_has_mysql(c, node));
    fprintf(out,
            "# Node %s of cluster %s, for %s. Read after all other files: whatever they say about "
            "these\n"
            "# variables must not win.\n[mysqld]\n",
            n->name, c->cluster, server_text_flavour((int)flavour));
    for (unsigned i = 0; i < sizeof mycnf_rows / sizeof *mycnf_rows; i++) {
        const struct mycnf_row *row = &mycnf_rows[i];
        if ((row->servers & 1 << flavour) == 0)
            continue;
        /* A cluster file without an error log leaves the server's own choice alone. */
        if (strcmp(row->value, "%e") == 0 && n->mysql.error_log[0] == '\0')
            continue;
        if (row->why[0] != '\0')
            fprintf(out, "\n# %s\n", row->why);
        fprintf(out, "%s = ", row->name);
        cnf_value(n, first_id + node, row->value, out);
        fputc('\n', out);
    }
}

static void accounts_user(const char *user, const char *host, const char *password, FILE *out)
{
    /* CREATE alone would leave an account with its old password. */
    fprintf(out, "CREATE USER IF NOT EXISTS '%s'@'%s' IDENTIFIED BY '%s';\n", user, host, password);
    fprintf(out, "ALTER USER '%s'@'%s' IDENTIFIED BY '%s';\n", user, host, password);
}

static void accounts_agent_grants(enum server_flavour flavour, const char *user, const char *host,
                                  FILE *out)
{
    static const char mariadb[] =
        "-- SUPER is there for event_scheduler only, which no smaller privilege covers.\n"
        "GRANT BINLOG MONITOR, REPLICA MONITOR, REPLICATION SLAVE ADMIN, REPLICATION MASTER "
        "ADMIN,\n"
        "      READ_ONLY ADMIN, CONNECTION ADMIN, BINLOG ADMIN, PROCESS, RELOAD, SUPER ON *.* TO "
        "'%s'@'%s';\n"
        "-- What this server alone holds when it returns is taken back by row events, and its rows "
        "are compared.\n"
        "-- Without these it is made anew instead.\n"
        "GRANT BINLOG REPLAY, SELECT, LOCK TABLES ON *.* TO '%s'@'%s';\n";
    static const char mysql[] =
        "GRANT REPLICATION CLIENT, REPLICATION SLAVE, PROCESS, RELOAD ON *.* TO '%s'@'%s';\n"
        "-- SYSTEM_USER: without it the agent may end neither sessions of such users nor the "
        "applier.\n"
        "GRANT REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, SYSTEM_USER,\n"
        "      XA_RECOVER_ADMIN, BACKUP_ADMIN\n"
        "      ON *.* TO '%s'@'%s';\n"
        "GRANT SELECT ON performance_schema.* TO '%s'@'%s';\n"
        "-- What this server alone holds when it returns is taken back by row events, and its rows "
        "are compared.\n"
        "-- Without these it is made anew instead.\n"
        "GRANT BINLOG_ADMIN, SELECT, LOCK TABLES ON *.* TO '%s'@'%s';\n"
        "-- Only to see which events do not run on a new writer.\n"
        "GRANT EVENT ON *.* TO '%s'@'%s';\n";
    static const char mysql57[] =
        "-- From 8.0 on SUPER does not stand for XA_RECOVER_ADMIN, and 5.7 does not know it.\n"
        "GRANT SUPER, REPLICATION CLIENT, REPLICATION SLAVE, PROCESS, RELOAD\n"
        "      /*!80011 , XA_RECOVER_ADMIN */ ON *.* TO '%s'@'%s';\n"
        "GRANT SELECT ON performance_schema.* TO '%s'@'%s';\n"
        "-- Only to see which events do not run on a new writer.\n"
        "GRANT EVENT ON *.* TO '%s'@'%s';\n";
    if (flavour == SERVER_MARIADB)
        fprintf(out, mariadb, user, host, user, host);
    else if (flavour == SERVER_MYSQL)
        fprintf(out, mysql, user, host, user, host, user, host, user, host, user, host);
    else
        fprintf(out, mysql57, user, host, user, host, user, host);
    fprintf(out,
            "-- Its heartbeat table, which it makes itself, and scratch tables.\n"
            "GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON tandem.* TO '%s'@'%s';\n",
            user, host);
}

static bool accounts_is_first(const struct cluster_config *c, unsigned node)
{
    for (unsigned i = 0; i < node; i++) {
        if (config_node_has_mysql(c, i) &&
            strcmp(c->nodes[i].address, c->nodes[node].address) == 0 &&
            strcmp(c->nodes[i].mysql.replication_user, c->nodes[node].mysql.replication_user) == 0)
            return false;
    }
    return true;
}

static bool accounts_is_first_agent(const struct cluster_config *c, unsigned node)
{
    for (unsigned i = 0; i < node; i++) {
        if (config_node_has_mysql(c, i) &&
            strcmp(c->nodes[i].mysql.agent_user, c->nodes[node].mysql.agent_user) == 0)
            return false;
    }
    return true;
}

/* The agents of a pair manage the servers of hosts that have none, over the network. */
static void accounts_remote(const struct cluster_config *c, enum server_flavour flavour,
                            const char *agent_password, FILE *out)
{
    bool remote = false;
    for (unsigned i = 0; i < c->n_nodes; i++)
        remote |= !config_node_has_agent(c, i);
    for (unsigned i = 0; remote && i < c->n_nodes; i++) {
        const struct config_node *n = &c->nodes[i];
        if (!config_node_has_agent(c, i))
            continue;
        fprintf(out, "\n-- The agent of %s, at servers of hosts that have none.\n", n->name);
        accounts_user(n->mysql.agent_user, n->address, agent_password, out);
        accounts_agent_grants(flavour, n->mysql.agent_user, n->address, out);
    }
}

void server_text_accounts(const struct cluster_config *c, enum server_flavour flavour,
                          const char *agent_password, const char *replication_password, FILE *out)
{
    fprintf(
        out,
        "-- Accounts of cluster %s, for %s. Run as an administrator on every node, as often as\n"
        "-- you like. Nothing goes into the binary log.\n"
        "SET SESSION sql_log_bin = 0;\n",
        c->cluster, server_text_flavour((int)flavour));
    /* read_only stays as it is, so that only administrators can write for that moment. */
    if (flavour != SERVER_MARIADB)
        fputs("SET GLOBAL super_read_only = OFF;\n", out);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        const struct config_mysql *m = &c->nodes[i].mysql;
        if (!config_node_has_mysql(c, i) || !accounts_is_first_agent(c, i))
            continue;
        fprintf(out, "\n-- The agent, through the unix socket.\n");
        accounts_user(m->agent_user, "localhost", agent_password, out);
        accounts_agent_grants(flavour, m->agent_user, "localhost", out);
    }
    accounts_remote(c, flavour, agent_password, out);
    fputs("\n-- Replication, from the nodes only.\n", out);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        const struct config_node *n = &c->nodes[i];
        if (!config_node_has_mysql(c, i) || !accounts_is_first(c, i))
            continue;
        accounts_user(n->mysql.replication_user, n->address, replication_password, out);
        fprintf(out, "GRANT REPLICATION SLAVE ON *.* TO '%s'@'%s';\n", n->mysql.replication_user,
                n->address);
        /* What CLONE asks of the account that a recipient comes with. */
        if (flavour == SERVER_MYSQL)
            fprintf(out, "GRANT BACKUP_ADMIN ON *.* TO '%s'@'%s';\n", n->mysql.replication_user,
                    n->address);
    }
    if (flavour != SERVER_MARIADB)
        fputs("\nSET GLOBAL super_read_only = @@GLOBAL.read_only;\n", out);
}
