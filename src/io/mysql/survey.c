/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/survey.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* Unknown names give no row: one statement for every version. */
const char survey_variables_sql[] =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_id', 'server_uuid', "
    "'log_bin', 'log_slave_updates', 'log_replica_updates', 'binlog_format', 'binlog_row_image', "
    "'gtid_strict_mode', 'encrypt_binlog', 'binlog_encryption', "
    "'gtid_mode', 'enforce_gtid_consistency', 'sync_binlog', 'innodb_flush_log_at_trx_commit', "
    "'sync_relay_log', 'relay_log_recovery', 'binlog_storage_engine', "
    "'rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled', "
    "'rpl_semi_sync_slave_enabled', 'rpl_semi_sync_replica_enabled', 'hostname', 'read_only', "
    "'gtid_executed', 'gtid_purged', 'gtid_binlog_pos', 'socket', 'datadir', 'pid_file', "
    "'log_error', 'log_bin_basename', 'extra_port', 'admin_port', 'admin_address', "
    "'mysqlx_port')";

void survey_look_begin(struct survey_look *look, struct survey_server *out)
{
    struct survey_server kept = *out;
    memset(look, 0, sizeof *look);
    look->out = out;
    memset(out, 0, sizeof *out);
    memcpy(out->host, kept.host, sizeof out->host);
    memcpy(out->other_host, kept.other_host, sizeof out->other_host);
    out->port = kept.port;
    out->source = kept.source;
    out->readers = kept.readers;
    out->quiet = kept.quiet;
    out->mark = kept.mark;
    out->violations = kept.violations;
    out->mode = MODE_ON;
    out->enforce = ENFORCE_ON;
}

static int word_of(const char *value, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcasecmp(value, words[i]) == 0)
            return i;
    }
    return 0;
}

static void look_gtid(struct survey_server *o, const char *name, const char *value)
{
    static const char *const modes[] = {"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"};
    static const char *const enforces[] = {"OFF", "WARN", "ON"};
    if (strcmp(name, "gtid_mode") == 0)
        o->mode = word_of(value, modes, SURVEY_MODE_COUNT);
    else if (strcmp(name, "enforce_gtid_consistency") == 0)
        o->enforce = word_of(value, enforces, SURVEY_ENFORCE_COUNT);
    else if (strcmp(name, "gtid_purged") == 0)
        (void)!gtid_canonical(value, SERVER_MYSQL, /* state= */ false, o->purged);
    else if (strcmp(name, "gtid_binlog_pos") == 0)
        (void)!gtid_canonical(value, SERVER_MARIADB, /* state= */ false, o->binlog_pos);
}

/* Relative paths are below the data directory, which may come later: see look_paths(). */
static void look_path(struct survey_server *o, const char *name, const char *value)
{
    struct {
        const char *name;
        char *to;
    } const paths[] = {{"socket", o->socket},
                       {"datadir", o->data_dir},
                       {"pid_file", o->pid_file},
                       {"log_error", o->error_log},
                       {"log_bin_basename", o->log_bin}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(name, paths[i].name) == 0)
            (void)snprintf(paths[i].to, PATH_TEXT_MAX, "%s", value);
    }
}

void survey_look_variable(struct survey_look *look, const char *name, const char *value)
{
    struct survey_server *o = look->out;
    server_settings_row(&look->settings, name, value);
    look_gtid(o, name, value);
    look_path(o, name, value);
    if (strcmp(name, "hostname") == 0)
        (void)snprintf(o->hostname, sizeof o->hostname, "%s", value);
    else if (strcmp(name, "read_only") == 0)
        o->read_only = server_flag(value);
    else if (strcmp(name, "extra_port") == 0)
        o->extra_port = (uint16_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "admin_address") == 0)
        look->admin = value[0] != '\0'; /* comes before admin_port, as the rows are sorted */
    else if (strcmp(name, "admin_port") == 0 && look->admin)
        o->extra_port = (uint16_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "mysqlx_port") == 0)
        o->x_port = (uint16_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "gtid_executed") == 0)
        (void)!gtid_canonical(value, SERVER_MYSQL, /* state= */ false, o->facts.executed);
}

static void absolute(const char *dir, char path[PATH_TEXT_MAX])
{
    char made[2 * PATH_TEXT_MAX];
    size_t n = strlen(dir);
    if (path[0] == '\0' || path[0] == '/')
        return;
    (void)snprintf(made, sizeof made, "%s%s%s", dir, n > 0 && dir[n - 1] == '/' ? "" : "/",
                   strncmp(path, "./", 2) == 0 ? path + 2 : path);
    (void)snprintf(path, PATH_TEXT_MAX, "%s", made);
}

static void look_paths(struct survey_server *o)
{
    size_t n = strlen(o->data_dir);
    /* MySQL says "stderr" where it writes to no file of its own. */
    if (strcmp(o->error_log, "stderr") == 0)
        o->error_log[0] = '\0';
    absolute(o->data_dir, o->socket);
    absolute(o->data_dir, o->pid_file);
    absolute(o->data_dir, o->error_log);
    absolute(o->data_dir, o->log_bin);
    if (n > 1 && o->data_dir[n - 1] == '/')
        o->data_dir[n - 1] = '\0';
}

int survey_look_known(struct survey_look *look)
{
    struct survey_server *o = look->out;
    char executed[GTID_TEXT_MAX];
    int rc = mysql_server_set(&look->server, &look->settings);
    if (rc != 0)
        return rc;
    /* MySQL's own, for a version whose other values are not asked for. */
    memcpy(executed, o->facts.executed, sizeof executed);
    o->facts = look->server.base;
    memcpy(o->facts.executed, executed, sizeof o->facts.executed);
    o->supported = look->server.supported;
    if (!look->server.supported)
        look->server.dialect =
            look->server.flavour == SERVER_MARIADB ? DIALECT_MARIADB : DIALECT_MYSQL_57;
    if (look->server.flavour == SERVER_MARIADB) {
        o->mode = MODE_ON;
        o->enforce = ENFORCE_ON;
    } else if (look->server.version < 50605 || (look->settings.seen & SETTING_GTID) == 0) {
        o->mode = MODE_OFF;
        o->enforce = ENFORCE_OFF;
    }
    o->can_persist = look->server.flavour == SERVER_MYSQL && look->server.version >= 80011;
    look_paths(o);
    return 0;
}

const char *survey_values_sql(const struct survey_look *look)
{
    return look->server.supported ? look->server.vars_sql : NULL;
}

int survey_look_values(struct survey_look *look, const struct sql_row *row)
{
    if (row->count != VAR_COUNT)
        return ERR_FORMAT;
    return mysql_server_vars(&look->server, row->values, &look->out->facts, NULL);
}

const char *survey_status_sql(const struct survey_look *look)
{
    return dialect_word(look->server.dialect, WORD_STATUS);
}

int survey_look_channel(struct survey_look *look, const struct sql_row *row)
{
    struct survey_server *o = look->out;
    const char *name = sql_row_text(row, "Channel_Name", "Connection_name");
    int rc = replica_status_add(&look->status, look->server.flavour, row);
    if (rc != 0)
        return rc;
    o->channels++;
    if (name[0] != '\0')
        return 0;
    (void)snprintf(o->applied_to.file, sizeof o->applied_to.file, "%s",
                   sql_row_text(row, "Relay_Master_Log_File", "Relay_Source_Log_File"));
    o->applied_to.position =
        strtoull(sql_row_text(row, "Exec_Master_Log_Pos", "Exec_Source_Log_Pos"), NULL, 10);
    (void)snprintf(o->source_user, sizeof o->source_user, "%s",
                   sql_row_text(row, "Master_User", "Source_User"));
    return 0;
}

int survey_look_channels(struct survey_look *look)
{
    struct survey_server *o = look->out;
    const struct replica_channel *c = replica_status_default(&look->status);
    o->by_gtid = c != NULL && c->by_gtid;
    return replica_status_facts(&look->status, look->server.flavour, &o->facts);
}

/* SHOW BINARY LOG STATUS came with 8.2, SHOW MASTER STATUS went with 8.4. */
const char *survey_place_sql(const struct survey_look *look)
{
    if (!look->server.log_bin)
        return NULL;
    return look->server.flavour == SERVER_MYSQL && look->server.version >= 80200
               ? "SHOW BINARY LOG STATUS"
               : "SHOW MASTER STATUS";
}

void survey_look_place(struct survey_look *look, const struct sql_row *row)
{
    struct log_place *own = &look->out->own;
    (void)snprintf(own->file, sizeof own->file, "%s", sql_row_text(row, "File", NULL));
    own->position = strtoull(sql_row_text(row, "Position", NULL), NULL, 10);
}

const char *survey_anonymous_sql(const struct survey_look *look)
{
    return look->server.flavour == SERVER_MYSQL && look->server.supported
               ? "SHOW GLOBAL STATUS LIKE 'Ongoing_anonymous_transaction_count'"
               : NULL;
}

const char *survey_replicas_sql(const struct survey_look *look)
{
    return look->server.flavour == SERVER_MYSQL && look->server.version >= 80022
               ? "SHOW REPLICAS"
               : "SHOW SLAVE HOSTS";
}

bool survey_replica(const struct sql_row *row, char ret_host[ADDRESS_TEXT_MAX], uint16_t *ret_port)
{
    const char *host = sql_row_text(row, "Host", NULL);
    if (host[0] == '\0' || strlen(host) >= ADDRESS_TEXT_MAX)
        return false;
    (void)snprintf(ret_host, ADDRESS_TEXT_MAX, "%s", host);
    *ret_port = (uint16_t)strtoul(sql_row_text(row, "Port", NULL), NULL, 10);
    return true;
}

/* The host of a session that reads the binlog: "172.17.0.11:40112", "[fd00::2]:40112" or
 * "fd00::2:40112". */
bool survey_dump_session(const struct sql_row *row, char ret_host[ADDRESS_TEXT_MAX])
{
    static const char dump[] = "Binlog Dump";
    const char *host = sql_row_text(row, "Host", NULL);
    const char *colon = strrchr(host, ':');
    size_t n = colon != NULL ? (size_t)(colon - host) : strlen(host);
    if (strncmp(sql_row_text(row, "Command", NULL), dump, sizeof dump - 1) != 0)
        return false;
    if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    }
    if (n == 0 || n >= ADDRESS_TEXT_MAX)
        return false;
    memcpy(ret_host, host, n);
    ret_host[n] = '\0';
    return true;
}

static int made(int n, size_t size)
{
    return n < 0 || (size_t)n >= size ? ERR_FULL : 0;
}

int survey_log_sql(const struct survey_server *s, unsigned seconds, char *buf, size_t size)
{
    buf[0] = '\0';
    if (s->facts.flavour != SERVER_MYSQL || s->facts.version < 80022)
        return 0;
    /* log_error_verbosity below 2 keeps warnings out of the log: then it proves nothing. */
    return made(snprintf(buf, size,
                         "SELECT IF(@@global.log_error_verbosity < 2, -1, (SELECT COUNT(*) FROM "
                         "performance_schema.error_log WHERE DATA LIKE '%%violates GTID "
                         "consistency%%' AND LOGGED > NOW(6) - INTERVAL %u SECOND))",
                         seconds),
                size);
}

static const char *scope(const struct survey_server *s, bool keep)
{
    return keep && s->can_persist ? "PERSIST" : "GLOBAL";
}

int survey_enforce_sql(const struct survey_server *s, enum survey_enforce enforce, bool keep,
                       char *buf, size_t size)
{
    static const char *const words[] = {"OFF", "WARN", "ON"};
    assert((unsigned)enforce < SURVEY_ENFORCE_COUNT);
    return made(
        snprintf(buf, size, "SET %s enforce_gtid_consistency=%s", scope(s, keep), words[enforce]),
        size);
}

int survey_mode_sql(const struct survey_server *s, enum survey_mode mode, bool keep, char *buf,
                    size_t size)
{
    static const char *const words[] = {"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"};
    assert((unsigned)mode < SURVEY_MODE_COUNT);
    return made(snprintf(buf, size, "SET %s gtid_mode=%s", scope(s, keep), words[mode]), size);
}

static enum dialect_kind dialect_of(const struct survey_server *s)
{
    enum server_flavour flavour = SERVER_FLAVOUR_UNKNOWN;
    enum dialect_kind dialect = DIALECT_MYSQL_57;
    uint32_t version = 0;
    if (dialect_find(s->facts.version_text, &flavour, &version, &dialect) != 0 &&
        flavour == SERVER_MARIADB)
        dialect = DIALECT_MARIADB;
    return dialect;
}

const char *survey_stop_sql(const struct survey_server *s)
{
    return dialect_word(dialect_of(s), WORD_STOP);
}

const char *survey_start_sql(const struct survey_server *s)
{
    return dialect_word(dialect_of(s), WORD_START);
}

const char *survey_follow_sql(const struct survey_server *s)
{
    return dialect_word(dialect_of(s), WORD_FOLLOW_BY_GTID);
}

int survey_slave_pos_sql(const struct survey_server *s, char *buf, size_t size)
{
    static const uint32_t blind = SETTING_LOG_BIN | SETTING_LOG_REPLICA_UPDATES;
    char position[GTID_TEXT_MAX];
    int rc;
    buf[0] = '\0';
    if (s->facts.flavour != SERVER_MARIADB || (s->facts.settings & blind) != 0)
        return 0;
    rc = mysql_attach_position(s->facts.applied, s->binlog_pos, position);
    if (rc != 0 || strcmp(position, s->facts.applied) == 0)
        return rc;
    return made(snprintf(buf, size, "SET GLOBAL gtid_slave_pos='%s'", position), size);
}
