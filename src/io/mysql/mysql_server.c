/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/mysql_server.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "wire/gtid.h"

#define TIMEOUT_INFINITE_MS 1000000000u

const char mysql_server_settings_sql[] =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_id', 'server_uuid', "
    "'log_bin', 'log_slave_updates', 'log_replica_updates', 'binlog_format', 'binlog_row_image', "
    "'gtid_strict_mode', 'encrypt_binlog', 'binlog_encryption', "
    "'gtid_mode', 'enforce_gtid_consistency', 'sync_binlog', 'innodb_flush_log_at_trx_commit', "
    "'sync_relay_log', 'relay_log_recovery', 'binlog_storage_engine', "
    "'rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled', "
    "'rpl_semi_sync_slave_enabled', 'rpl_semi_sync_replica_enabled')";

/* Settings of which exactly one value is right; `wrong` where the value is what must not be. */
struct setting_row {
    const char *name;
    const char *value;
    bool is_wrong; /* true: this value is the wrong one; false: every other value is */
    uint32_t bit;
};

static const struct setting_row setting_rows[] = {
    {"log_bin", "ON", false, SETTING_LOG_BIN},
    {"log_slave_updates", "ON", false, SETTING_LOG_REPLICA_UPDATES},
    {"log_replica_updates", "ON", false, SETTING_LOG_REPLICA_UPDATES},
    {"binlog_format", "ROW", false, SETTING_ROW},
    {"binlog_row_image", "MINIMAL", true, SETTING_ROW_IMAGE},
    {"binlog_row_image", "NOBLOB", true, SETTING_ROW_IMAGE},
    {"encrypt_binlog", "ON", true, SETTING_ENCRYPTED},
    {"binlog_encryption", "ON", true, SETTING_ENCRYPTED},
    {"gtid_strict_mode", "ON", false, SETTING_GTID},
    {"gtid_mode", "ON", false, SETTING_GTID},
    {"enforce_gtid_consistency", "ON", false, SETTING_GTID},
    {"gtid_mode", "OFF", true, SETTING_ANONYMOUS},
    {"gtid_mode", "OFF_PERMISSIVE", true, SETTING_ANONYMOUS},
    {"sync_binlog", "1", false, SETTING_SYNC_BINLOG},
    {"innodb_flush_log_at_trx_commit", "1", false, SETTING_FLUSH_LOG},
    {"sync_relay_log", "1", false, SETTING_SYNC_RELAY_LOG},
    {"relay_log_recovery", "ON", true, SETTING_RELAY_LOG_RECOVERY},
    /* MariaDB 12.3: AFTER_SYNC is not possible with it. */
    {"binlog_storage_engine", "innodb", true, SETTING_ENGINE},
};

bool server_flag(const char *value)
{
    return value != NULL && value[0] != '\0' && strcmp(value, "0") != 0 &&
           strcasecmp(value, "OFF") != 0 && strcasecmp(value, "NO") != 0 &&
           strcasecmp(value, "DISABLED") != 0;
}

static void settings_semi(struct server_settings *s, const char *name)
{
    if (strcmp(name, "rpl_semi_sync_master_enabled") == 0)
        s->semi_source = SEMI_OLD;
    else if (strcmp(name, "rpl_semi_sync_source_enabled") == 0)
        s->semi_source = SEMI_NEW;
    else if (strcmp(name, "rpl_semi_sync_slave_enabled") == 0)
        s->semi_replica = SEMI_OLD;
    else if (strcmp(name, "rpl_semi_sync_replica_enabled") == 0)
        s->semi_replica = SEMI_NEW;
}

void server_settings_row(struct server_settings *s, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof setting_rows / sizeof setting_rows[0]; i++) {
        const struct setting_row *r = &setting_rows[i];
        if (strcmp(name, r->name) != 0)
            continue;
        s->seen |= r->bit;
        if ((strcasecmp(value, r->value) == 0) == r->is_wrong)
            s->wrong |= r->bit;
    }
    if (strcmp(name, "version") == 0)
        (void)snprintf(s->version, sizeof s->version, "%s", value);
    else if (strcmp(name, "server_uuid") == 0)
        (void)snprintf(s->uuid, sizeof s->uuid, "%s", value);
    else if (strcmp(name, "server_id") == 0)
        s->server_id = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "log_bin") == 0)
        s->log_bin = server_flag(value);
    else if (strcmp(name, "log_slave_updates") == 0 || strcmp(name, "log_replica_updates") == 0)
        s->log_replica_updates = server_flag(value);
    settings_semi(s, name);
}

static void server_vars_sql(struct mysql_server *s)
{
    const char *w = semi_source_word(s->semi_source);
    const char *r = semi_replica_word(s->semi_source);
    char source_side[400] = "0, '', 0, 0, 0";
    char replica_side[80] = "0";
    char count[80] = "1";
    bool mariadb = s->flavour == SERVER_MARIADB;
    int n;
    if (s->semi_source != SEMI_NONE && !mariadb)
        (void)snprintf(count, sizeof count, "@@global.rpl_semi_sync_%s_wait_for_%s_count", w, r);
    if (s->semi_source != SEMI_NONE)
        (void)snprintf(
            source_side, sizeof source_side,
            "@@global.rpl_semi_sync_%s_enabled, @@global.rpl_semi_sync_%s_wait_point, "
            "@@global.rpl_semi_sync_%s_wait_no_%s, @@global.rpl_semi_sync_%s_timeout, %s",
            w, w, w, r, w, count);
    if (s->semi_replica != SEMI_NONE)
        (void)snprintf(replica_side, sizeof replica_side, "@@global.rpl_semi_sync_%s_enabled",
                       semi_replica_word(s->semi_replica));
    n = snprintf(s->vars_sql, sizeof s->vars_sql,
                 "SELECT @@global.read_only, %s, @@global.event_scheduler, %s, %s, %s, %s",
                 mariadb ? "1" : "@@global.super_read_only", mariadb ? "''" : "@@global.gtid_owned",
                 mariadb ? "@@global.gtid_binlog_state, @@global.gtid_slave_pos, "
                           "@@global.gtid_binlog_pos"
                         : "@@global.gtid_executed, '', ''",
                 source_side, replica_side);
    assert(n > 0 && (size_t)n < sizeof s->vars_sql);
}

int mysql_server_set(struct mysql_server *server, const struct server_settings *s)
{
    struct mysql_server made = {.log_bin = s->log_bin,
                                .log_replica_updates = s->log_replica_updates,
                                .semi_source = s->semi_source,
                                .semi_replica = s->semi_replica};
    struct server_facts *f = &made.base;
    if (s->version[0] == '\0')
        return ERR_FORMAT;
    made.supported = dialect_find(s->version, &made.flavour, &made.version, &made.dialect) == 0;
    f->flavour = (int)made.flavour;
    f->version = made.version;
    memcpy(f->version_text, s->version, sizeof f->version_text);
    memcpy(f->server_uuid, s->uuid, sizeof f->server_uuid);
    f->server_id = s->server_id;
    f->settings = s->wrong;
    if ((s->seen & SETTING_GTID) == 0)
        f->settings |= SETTING_GTID;
    if (s->semi_source == SEMI_NONE || s->semi_replica == SEMI_NONE)
        f->settings |= SETTING_SEMI_SYNC;
    if (!made.supported)
        f->settings |= SETTING_ENGINE | SETTING_ANONYMOUS;
    if (made.flavour == SERVER_MYSQL && (s->seen & SETTING_ANONYMOUS) == 0)
        f->settings |= SETTING_ANONYMOUS;
    f->lag_s = -1;
    f->wait_count = 1;
    f->xa_prepared = server->base.xa_prepared;
    made.events_off = server->events_off;
    made.known = true;
    server_vars_sql(&made);
    *server = made;
    return 0;
}

/* Adds to `whole` what `more` has of the domains that are not in `whole` at all. */
static int gtid_add_domains(struct gtid_set *whole, const struct gtid_set *more)
{
    struct gtid_set made = *whole;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < more->interval_count; i++) {
        const struct gtid_interval *m = &more->intervals[i];
        struct gtid g = {.flavour = GTID_MARIADB,
                         .domain = m->source,
                         .server_id = m->server_id,
                         .number = m->last};
        bool has = false;
        for (unsigned k = 0; k < whole->interval_count; k++)
            has = has || whole->intervals[k].source == m->source;
        if (!has)
            rc = gtid_add(&made, &g);
    }
    if (rc == 0)
        *whole = made;
    return rc;
}

int mysql_attach_position(const char *slave_pos, const char *binlog_pos, char *ret_text)
{
    struct gtid_set slave;
    struct gtid_set binlog;
    int rc = gtid_parse(slave_pos, GTID_MARIADB, &slave);
    if (rc == 0)
        rc = gtid_parse(binlog_pos, GTID_MARIADB, &binlog);
    if (rc == 0)
        rc = gtid_add_domains(&binlog, &slave);
    return rc != 0 ? rc : gtid_format(&binlog, ret_text, GTID_TEXT_MAX);
}

/*
 * MariaDB: the binlog's state, and of domains that never passed through the binlog (node built from
 * a backup, or no log_bin) the replication position. Never both of one domain: after a rewind the
 * position may be ahead of what is really there.
 */
static int vars_mariadb_executed(const char *state_text, const char *position_text, char *ret_text)
{
    struct gtid_set state;
    struct gtid_set position;
    int rc = gtid_parse(state_text, GTID_MARIADB_STATE, &state);
    if (rc == 0)
        rc = gtid_parse(position_text, GTID_MARIADB, &position);
    if (rc == 0)
        rc = gtid_add_domains(&state, &position);
    return rc != 0 ? rc : gtid_format(&state, ret_text, GTID_TEXT_MAX);
}

/* "uuid:7#41:8#42" says which session owns which; here only what. */
static int vars_owned(const char *text, char *ret_text)
{
    char bare[GTID_TEXT_MAX];
    size_t n = 0;
    bool owner = false;
    for (; *text != '\0'; text++) {
        owner = *text == '#' || (owner && *text >= '0' && *text <= '9');
        if (owner)
            continue;
        if (n + 1 == sizeof bare)
            return ERR_FULL;
        bare[n++] = *text;
    }
    bare[n] = '\0';
    return gtid_canonical(bare, SERVER_MYSQL, /* state= */ false, ret_text);
}

static int vars_gtids(const struct mysql_server *server, const char *const *values,
                      struct server_facts *f, char *ret_binlog_pos)
{
    const char *owned = values[VAR_OWNED] != NULL ? values[VAR_OWNED] : "";
    const char *executed = values[VAR_EXECUTED] != NULL ? values[VAR_EXECUTED] : "";
    const char *applied = values[VAR_APPLIED] != NULL ? values[VAR_APPLIED] : "";
    const char *binlog = values[VAR_BINLOG] != NULL ? values[VAR_BINLOG] : "";
    int rc;
    if (server->flavour == SERVER_MYSQL) {
        rc = gtid_canonical(executed, SERVER_MYSQL, /* state= */ false, f->executed);
        if (rc == 0)
            memcpy(f->applied, f->executed, sizeof f->applied);
        if (rc == 0 && ret_binlog_pos != NULL)
            rc = vars_owned(owned, ret_binlog_pos);
        return rc;
    }
    rc = vars_mariadb_executed(executed, applied, f->executed);
    if (rc == 0)
        rc = gtid_canonical(applied, SERVER_MARIADB, /* state= */ false, f->applied);
    if (rc == 0 && ret_binlog_pos != NULL)
        rc = gtid_canonical(binlog, SERVER_MARIADB, /* state= */ false, ret_binlog_pos);
    return rc;
}

int mysql_server_vars(const struct mysql_server *server, const char *const *values,
                      struct server_facts *f, char *ret_binlog_pos)
{
    const char *point = values[VAR_WAIT_POINT] != NULL ? values[VAR_WAIT_POINT] : "";
    const char *timeout = values[VAR_TIMEOUT] != NULL ? values[VAR_TIMEOUT] : "0";
    const char *count = values[VAR_WAIT_COUNT] != NULL ? values[VAR_WAIT_COUNT] : "0";
    f->flavour = server->base.flavour;
    f->version = server->base.version;
    memcpy(f->version_text, server->base.version_text, sizeof f->version_text);
    memcpy(f->server_uuid, server->base.server_uuid, sizeof f->server_uuid);
    f->server_id = server->base.server_id;
    f->settings = server->base.settings | (f->settings & SETTING_BY_POSITION);
    f->xa_prepared = server->base.xa_prepared;
    f->read_only = server_flag(values[VAR_READ_ONLY]) && server_flag(values[VAR_SUPER_READ_ONLY]);
    f->events_on = server_flag(values[VAR_EVENTS]);
    if (f->events_on && f->read_only)
        f->settings |= SETTING_EVENT_SCHEDULER;
    if (!f->read_only && server->events_off)
        f->settings |= SETTING_EVENTS_OFF;
    f->source_side = server_flag(values[VAR_SOURCE_SIDE]);
    f->after_sync = strcasecmp(point, "AFTER_SYNC") == 0;
    f->wait_no_replica = server_flag(values[VAR_WAIT_NO_REPLICA]);
    f->timeout_infinite = strtoull(timeout, NULL, 10) >= TIMEOUT_INFINITE_MS;
    f->wait_count = (uint32_t)strtoul(count, NULL, 10);
    f->replica_side = server_flag(values[VAR_REPLICA_SIDE]);
    return vars_gtids(server, values, f, ret_binlog_pos);
}

void mysql_server_semi_status(const struct mysql_server *server, const char *name,
                              const char *value, struct server_facts *f)
{
    static const char prefix[] = "Rpl_semi_sync_";
    const char *s = semi_source_word(server->semi_source);
    const char *r = semi_replica_word(server->semi_replica);
    const char *rest = name + sizeof prefix - 1;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return;
    if (strncmp(rest, s, strlen(s)) == 0 && rest[strlen(s)] == '_') {
        rest += strlen(s) + 1;
        if (strcmp(rest, "clients") == 0)
            f->clients = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(rest, "wait_sessions") == 0)
            f->wait_sessions = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(rest, "no_tx") == 0)
            f->no_tx = (uint32_t)strtoul(value, NULL, 10);
    } else if (strncmp(rest, r, strlen(r)) == 0 && strcmp(rest + strlen(r), "_status") == 0) {
        f->replica_side_active = server_flag(value);
    }
}
