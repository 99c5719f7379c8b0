/* SPDX-License-Identifier: Apache-2.0 */
#include "app/check_host.h"

#include <unistd.h>

#include "app/adopt_survey.h"
#include "app/check_json.h"
#include "app/config_timing.h"
#include "app/sql_session.h"
#include "cli/salvage_sql.h"
#include "io/config/config_file.h"
#include "io/config/secret.h"
#include "io/mysql/grants.h"
#include "io/mysql/mysql_conn.h"
#include "io/net/net.h"
#include "io/peer/pki.h"
#include "io/sys/host_look.h"
#include "util/version.h"

#define CHECK_STATEMENT_MS 3000
#define CHECK_TABLES_MS 10000 /* information_schema opens every table on some versions */

/* One look; what was not asked stays not known. */
struct host_check {
    const struct cluster_config *c;
    const struct config_node *n;
    unsigned node;
    struct check_local local;
    struct host_facts host;
    struct survey_server server;
    bool facts;
};

/* ---- files and kernel ---- */

static void check_doubts(struct host_check *h, const char *path)
{
    struct config_errors e;
    struct cluster_config *again = calloc(1, sizeof *again);
    if (again == NULL || config_load(path, again, &e) != 0)
        config_errors_init(&e);
    free(again);
    config_check_local(h->c, h->node, &e);
    if (e.n == 0)
        return;
    if (e.n == 1)
        (void)snprintf(h->local.file_doubts, sizeof h->local.file_doubts, "%s", e.list[0].text);
    else
        (void)snprintf(h->local.file_doubts, sizeof h->local.file_doubts, "%s (and %u more)",
                       e.list[0].text, e.n - 1);
}

static void check_certificates(struct host_check *h)
{
    const struct pki_files files = {h->n->tls.ca, h->n->tls.cert, h->n->tls.key};
    struct errmsg m = ERRMSG_INIT;
    struct pki_facts facts;
    if (pki_check(&files, h->c->cluster, h->n->name, &facts, &m) != 0) {
        (void)snprintf(h->local.files, sizeof h->local.files, "%s", m.text);
        return;
    }
    h->host.judged |= HOST_CERTIFICATE;
    h->host.certificate_days = facts.cert_days;
    h->host.ca_days = facts.ca_days;
    if (!facts.has_begun)
        (void)snprintf(h->local.files, sizeof h->local.files,
                       "%s is valid in the future only: is this host's clock right?", files.cert);
}

static void check_before_start(struct host_check *h)
{
    const uint16_t ports[] = {h->n->arbiter_port, h->n->http_port};
    uint16_t busy = host_look_busy_port(h->n, ports, sizeof ports / sizeof ports[0]);
    struct errmsg m = ERRMSG_INIT;
    if (busy != 0)
        (void)snprintf(h->local.ports, sizeof h->local.ports, "%u at %s is taken", busy,
                       h->n->address);
    if (net_table_try(&m) != 0)
        (void)snprintf(h->local.nftables, sizeof h->local.nftables, "%s", m.text);
}

/* ---- the server ---- */

static void check_on_grant(void *data, const struct sql_row *row)
{
    if (row->count > 0 && row->values[0] != NULL)
        grants_row(data, row->values[0]);
}

static void check_on_number(void *data, const struct sql_row *row)
{
    int64_t *number = data;
    if (row->count > 0 && row->values[0] != NULL)
        *number = strtoll(row->values[0], NULL, 10);
}

static void check_grants(struct host_check *h, struct sql_session *s)
{
    enum server_flavour flavour = SERVER_FLAVOUR_UNKNOWN;
    enum dialect_kind dialect = DIALECT_MARIADB;
    uint32_t version = 0;
    struct grants g = {.everywhere = ""};
    if (sql_session_query(s, "SHOW GRANTS", CHECK_STATEMENT_MS, check_on_grant, &g) != 0 ||
        dialect_find(h->server.facts.version_text, &flavour, &version, &dialect) != 0)
        return;
    h->local.grants = true;
    grants_missing(&g, dialect, /* cure= */ false, h->local.privileges, sizeof h->local.privileges);
    grants_missing(&g, dialect, /* cure= */ true, h->local.cure_privileges,
                   sizeof h->local.cure_privileges);
}

static void check_tables(struct host_check *h, struct sql_session *s)
{
    static const char engines[] =
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_type='BASE TABLE' AND engine "
        "<> 'InnoDB' AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', "
        "'information_schema')";
    char user[2 * USER_TEXT_MAX];
    char sql[4 * USER_TEXT_MAX];
    int64_t accounts = -1;
    int rc = sql_session_query(s, engines, CHECK_TABLES_MS, check_on_number, &h->local.engines);
    if (rc != 0)
        h->local.engines = -1;
    if (dialect_escape(h->n->mysql.replication_user, user, sizeof user) != 0)
        return;
    (void)snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM mysql.user WHERE User='%s'", user);
    if (sql_session_query(s, sql, CHECK_STATEMENT_MS, check_on_number, &accounts) == 0)
        h->local.replication_accounts = (int)accounts;
}

static void check_path(struct host_check *h, const char *what, const char *file, const char *server)
{
    char *text = h->local.paths;
    size_t used = strlen(text);
    char a[PATH_TEXT_MAX * 4];
    char b[sizeof a];
    /* Links lead to the same place. */
    bool real = realpath(file, a) != NULL && realpath(server, b) != NULL;
    if (file[0] == '\0' || server[0] == '\0' || strcmp(file, server) == 0 ||
        (real && strcmp(a, b) == 0))
        return;
    (void)snprintf(text + used, sizeof h->local.paths - used, "%s%s: %s in the file, %s",
                   used > 0 ? "; " : "", what, file, server);
}

static void check_paths(struct host_check *h)
{
    const struct config_mysql *m = &h->n->mysql;
    const struct survey_server *s = &h->server;
    check_path(h, "data_dir", m->data_dir, s->data_dir);
    check_path(h, "socket", m->socket, s->socket);
    check_path(h, "pid_file", m->pid_file, s->pid_file);
    check_path(h, "log_bin", m->log_bin, s->log_bin);
    if (m->error_log[0] != '\0' && s->error_log[0] != '\0')
        check_path(h, "error_log", m->error_log, s->error_log);
}

static void check_program(struct host_check *h)
{
    const char *name = salvage_sql_missing(h->server.facts.flavour == SERVER_MARIADB);
    if (name != NULL)
        (void)snprintf(h->local.salvage_program, sizeof h->local.salvage_program, "no %s", name);
}

static void check_session(struct host_check *h, struct sql_session *s)
{
    if (sql_session_query(s, "SELECT 1", CHECK_STATEMENT_MS, NULL, NULL) != 0) {
        (void)snprintf(h->local.refused, sizeof h->local.refused, "%s", s->error);
        return;
    }
    h->local.login = true;
    h->facts = adopt_look_at(s, &h->server) == 0;
    if (h->facts) {
        adopt_look_aside(s, &h->server);
        h->local.connect_errors = h->server.connect_errors;
        h->local.powers_known = h->server.powers_known;
        memcpy(h->local.powers, h->server.powers, sizeof h->local.powers);
    }
    check_grants(h, s);
    check_tables(h, s);
    check_paths(h);
    if (h->facts)
        check_program(h);
}

static void check_server(struct host_check *h)
{
    const struct config_mysql *m = &h->n->mysql;
    struct errmsg why = ERRMSG_INIT;
    char password[256];
    struct sql_session *s;
    if (secret_read(m->agent_password_file, password, sizeof password, &why) != 0) {
        (void)snprintf(h->local.refused, sizeof h->local.refused, "%s", why.text);
        return;
    }
    s = calloc(1, sizeof *s);
    if (s != NULL && sql_session_init_local(s, m->socket, m->agent_user, password) == 0) {
        check_session(h, s);
        sql_session_close(s);
    }
    free(s);
    explicit_bzero(password, sizeof password);
}

json_t *check_host(const struct cluster_config *c, unsigned node, const char *path, bool agent_runs)
{
    struct host_check *h = calloc(1, sizeof *h);
    struct check_world w = {
        .cfg = c, .digest = c->digest, .version = tandem_version(), .writer = NODE_NONE};
    struct errmsg timing = ERRMSG_INIT;
    json_t *o;
    if (h == NULL)
        return NULL;
    h->c = c;
    h->node = node;
    h->n = &c->nodes[node];
    h->local.root = geteuid() == 0;
    h->local.engines = h->local.connect_errors = h->local.replication_accounts = -1;
    check_doubts(h, path);
    if (config_timing_check(c, &timing) != 0)
        (void)snprintf(h->local.timing, sizeof h->local.timing, "%s", timing.text);
    host_look(c, node, &h->host);
    if (config_node_has_agent(c, node))
        check_certificates(h);
    if (config_node_has_agent(c, node) && !agent_runs)
        check_before_start(h);
    if (config_node_has_mysql(c, node))
        check_server(h);
    w.nodes[node].host = &h->host;
    w.nodes[node].local = &h->local;
    w.nodes[node].facts = h->facts ? &h->server.facts : NULL;
    o = check_json(&w, 1u << node);
    free(h);
    return o;
}
