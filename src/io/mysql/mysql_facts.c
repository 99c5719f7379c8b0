/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/mysql_facts.h"

#include <assert.h>
#include <string.h>

#include "wire/gtid.h"

#define SETTINGS_AGE_MAX_US (10 * 1000000)
#define EVENTS_AGE_MAX_US (10 * 1000000)

static void facts_next(struct mysql_facts *r, enum facts_stage stage);
static void facts_reply(void *data, const struct mysql_reply *reply);

static void facts_finish(struct mysql_facts *r, int err, uint32_t sql_errno, const char *error)
{
    struct facts_result result = {err, sql_errno, error};
    r->stage = FACTS_IDLE;
    r->fn(r->data, &result);
}

static int facts_take_settings(struct mysql_facts *r, struct st_mysql_res *rows)
{
    struct server_settings settings = {0};
    struct sql_row row;
    int rc;
    while (mysql_fetch(rows, &row)) {
        if (row.count >= 2 && row.values[0] != NULL && row.values[1] != NULL)
            server_settings_row(&settings, row.values[0], row.values[1]);
    }
    rc = mysql_server_set(r->server, &settings);
    if (rc == 0)
        *r->settings_us = mysql_now_us();
    return rc;
}

static int facts_take_vars(struct mysql_facts *r, struct st_mysql_res *rows)
{
    struct sql_row row;
    if (!mysql_fetch(rows, &row) || row.count != VAR_COUNT)
        return ERR_FORMAT;
    return mysql_server_vars(r->server, row.values, &r->facts, r->binlog_pos);
}

static void facts_take_semi(struct mysql_facts *r, struct st_mysql_res *rows)
{
    struct sql_row row;
    r->facts.clients = 0;
    r->facts.wait_sessions = 0;
    r->facts.replica_side_active = false;
    while (mysql_fetch(rows, &row)) {
        if (row.count >= 2 && row.values[0] != NULL && row.values[1] != NULL)
            mysql_server_semi_status(r->server, row.values[0], row.values[1], &r->facts);
    }
}

/* MySQL: a transaction that waits for an acknowledgement has reached this server's binlog. */
static int facts_add_owned(const char *owned, char *received)
{
    struct gtid_set all, one;
    int rc = gtid_parse(received, GTID_MYSQL, &all);
    if (rc == 0)
        rc = gtid_parse(owned, GTID_MYSQL, &one);
    if (rc == 0)
        rc = gtid_union(&all, &one, &all);
    return rc != 0 ? rc : gtid_format(&all, received, GTID_TEXT_MAX);
}

static int facts_take_status(struct mysql_facts *r, struct st_mysql_res *rows)
{
    struct sql_row row;
    int rc = 0;
    r->status.count = 0;
    r->status.more = false;
    while (rc == 0 && mysql_fetch(rows, &row))
        rc = replica_status_add(&r->status, r->server->flavour, &row);
    if (rc == 0)
        rc = replica_status_facts(&r->status, r->server->flavour, &r->facts);
    if (rc == 0 && r->server->flavour == SERVER_MYSQL && r->binlog_pos[0] != '\0')
        rc = facts_add_owned(r->binlog_pos, r->facts.received);
    return rc;
}

static int facts_take_events(struct mysql_facts *r, struct st_mysql_res *rows)
{
    struct sql_row row;
    if (!mysql_fetch(rows, &row) || row.count != 1 || row.values[0] == NULL)
        return ERR_FORMAT;
    r->server->events_off = strtoull(row.values[0], NULL, 10) > 0;
    r->facts.settings &= ~(uint32_t)SETTING_EVENTS_OFF;
    r->facts.settings |= r->server->events_off ? (uint32_t)SETTING_EVENTS_OFF : 0;
    return 0;
}

/* Of MariaDB's view the agent's account would see only events for which it has EVENT. A lock on
 * them, as an upgrade takes it, must not hold up the facts. */
static const char *facts_events_sql(const struct mysql_facts *r)
{
    return r->server->flavour == SERVER_MARIADB
               ? "SET STATEMENT max_statement_time=0.1 FOR SELECT COUNT(*) FROM mysql.event "
                 "WHERE status='SLAVESIDE_DISABLED'"
               : "SELECT /*+ MAX_EXECUTION_TIME(100) */ COUNT(*) FROM information_schema.events "
                 "WHERE status LIKE '%SIDE_DISABLED'";
}

static int facts_take(struct mysql_facts *r, struct st_mysql_res *rows)
{
    switch (r->stage) {
    case FACTS_SETTINGS:
        return facts_take_settings(r, rows);
    case FACTS_XA:
        *r->xa_due = false;
        r->server->base.xa_prepared = mysql_row_count(rows);
        return 0;
    case FACTS_VARS:
        return facts_take_vars(r, rows);
    case FACTS_SEMI:
        facts_take_semi(r, rows);
        return 0;
    case FACTS_EVENTS:
        return facts_take_events(r, rows);
    default:
        return facts_take_status(r, rows);
    }
}

static const char *facts_sql(const struct mysql_facts *r)
{
    switch (r->stage) {
    case FACTS_SETTINGS:
        return mysql_server_settings_sql;
    case FACTS_XA:
        return "XA RECOVER";
    case FACTS_VARS:
        return r->server->vars_sql;
    case FACTS_SEMI:
        return "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%'";
    case FACTS_EVENTS:
        return facts_events_sql(r);
    default:
        return dialect_word(r->server->dialect, WORD_STATUS);
    }
}

/* On a closed server no event runs anyway; it is asked as soon as it is open. */
static bool facts_wants_events(struct mysql_facts *r)
{
    if (r->events_us == NULL)
        return false;
    if (r->facts.read_only) {
        r->server->events_off = false;
        *r->events_us = 0;
        return false;
    }
    return *r->events_us == 0 || mysql_now_us() - *r->events_us > EVENTS_AGE_MAX_US;
}

static bool facts_wanted(struct mysql_facts *r)
{
    bool old = !r->server->known || mysql_now_us() - *r->settings_us > SETTINGS_AGE_MAX_US;
    switch (r->stage) {
    case FACTS_SETTINGS:
        return old || (r->want & FACTS_WANT_SETTINGS) != 0;
    case FACTS_XA:
        return *r->xa_due || (r->want & FACTS_WANT_SETTINGS) != 0;
    case FACTS_VARS:
        return (r->want & FACTS_WANT_VARS) != 0;
    case FACTS_SEMI:
        return (r->want & FACTS_WANT_SEMI) != 0 &&
               (r->server->semi_source != SEMI_NONE || r->server->semi_replica != SEMI_NONE);
    case FACTS_EVENTS:
        return facts_wants_events(r);
    default:
        return (r->want & FACTS_WANT_STATUS) != 0;
    }
}

static void facts_reply(void *data, const struct mysql_reply *reply)
{
    struct mysql_facts *r = data;
    int rc = reply->err;
    /* MySQL 8 wants XA_RECOVER_ADMIN. What is not known is not nothing. */
    if (r->stage == FACTS_XA && rc == ERR_SQL) {
        *r->xa_due = false;
        r->server->base.xa_prepared = XA_PREPARED_UNKNOWN;
        facts_next(r, FACTS_VARS);
        return;
    }
    if (r->stage == FACTS_EVENTS) {
        *r->events_us = mysql_now_us();
        if (rc == ERR_SQL) {
            facts_finish(r, 0, 0, "");
            return;
        }
    }
    if (rc == ERR_SQL && r->stage == FACTS_VARS)
        r->server->known = false; /* a plugin was removed: ask for the names again */
    if (rc == 0 && reply->rows == NULL)
        rc = ERR_FORMAT;
    if (rc != 0) {
        facts_finish(r, rc, reply->sql_errno, reply->error);
        return;
    }
    rc = facts_take(r, reply->rows);
    if (rc != 0) {
        facts_finish(r, rc, 0,
                     rc == ERR_FULL ? "GTID set has too many members" : "answer not understood");
        return;
    }
    if (r->stage == FACTS_SETTINGS && !r->server->supported) {
        r->facts = r->server->base;
        facts_finish(r, 0, 0, "");
        return;
    }
    facts_next(r, r->stage + 1);
}

/* Goes to the first wanted stage from `stage` on. */
static void facts_next(struct mysql_facts *r, enum facts_stage stage)
{
    int64_t left_ms = (r->deadline_us - mysql_now_us()) / 1000;
    int rc;
    for (r->stage = stage; r->stage < FACTS_STAGE_COUNT && !facts_wanted(r);)
        r->stage++;
    if (r->stage == FACTS_STAGE_COUNT) {
        facts_finish(r, 0, 0, "");
        return;
    }
    rc = mysql_conn_query(r->conn, facts_sql(r), left_ms > 0 ? (uint32_t)left_ms : 1, facts_reply,
                          r);
    if (rc != 0)
        facts_finish(r, rc, 0, "connection lost");
}

int mysql_facts_read(struct mysql_facts *r, unsigned want, const struct server_facts *from,
                     int64_t deadline_us, void (*fn)(void *data, const struct facts_result *result),
                     void *data)
{
    if (r->stage != FACTS_IDLE || !mysql_conn_is_ready(r->conn))
        return ERR_STATE;
    assert((want & FACTS_WANT_ALL) != 0);
    r->want = want;
    r->deadline_us = deadline_us;
    r->fn = fn;
    r->data = data;
    r->facts = *from;
    facts_next(r, FACTS_SETTINGS);
    return 0;
}
