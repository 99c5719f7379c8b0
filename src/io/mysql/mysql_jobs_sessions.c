/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs about other sessions, and two shared parts: the stop of the IO thread, and the sweep: list
 * the sessions, KILL those that a rule names, until none is left. Before a sweep of clients nothing
 * may wait for an acknowledgement: a KILL would commit it on MariaDB.
 */
#include <string.h>

#include "io/mysql/mysql_internal.h"
#include "wire/gtid.h"

enum {
    SWEEP_LIST = ACTOR_STATE_SHARED,
    SWEEP_LISTED,
    SWEEP_KILL,
    SWEEP_KILLED,
    STOP_IO_LISTED,
    STOP_IO_KILLED,
    STOP_SQL_READ,
    STOP_SQL_LOOK,
    STOP_SQL_LIST,
    STOP_SQL_LISTED,
    STOP_IO_SIGNAL
};

/* From the KILL until the thread dials; the STOP's signal must come later. */
#define STOP_IO_PAUSE_MS 3
#define STOP_SQL_PAUSE_MS 10
/* Without SYSTEM_USER the KILL is refused. */
#define STOP_SQL_PATIENCE_US 1000000

void actor_stop_io(struct mysql_actor *a, int next)
{
    a->stop_io_next = next;
    if (actor_is_mariadb(a) && actor_facts(a)->replica_side_active)
        actor_sql(a, STOP_IO_LISTED, "SHOW FULL PROCESSLIST");
    else
        actor_word(a, next, WORD_STOP_IO);
}

static void stop_io_listed(struct mysql_actor *a)
{
    struct sql_row row;
    char sql[64];
    uint64_t id = 0;
    unsigned threads = 0;
    while (a->reply->rows != NULL && mysql_fetch(a->reply->rows, &row)) {
        if (strcmp(sql_row_text(&row, "Command", NULL), "Slave_IO") != 0)
            continue;
        id = strtoull(sql_row_text(&row, "Id", NULL), NULL, 10);
        threads++;
    }
    /* Of several channels it cannot be told which thread is whose. */
    if (threads != 1) {
        actor_word(a, a->stop_io_next, WORD_STOP_IO);
        return;
    }
    (void)snprintf(sql, sizeof sql, "KILL %llu", (unsigned long long)id);
    actor_sql_tolerant(a, STOP_IO_KILLED, sql);
}

static bool has_partial(const struct mysql_actor *a)
{
    const struct replica_channel *c = replica_status_default(&a->reader.status);
    return c != NULL && c->partial && c->io == THREAD_STOPPED && c->sql == THREAD_RUNNING;
}

void actor_stop_sql(struct mysql_actor *a, int next, enum dialect_word word)
{
    a->stop_sql_next = next;
    a->stop_sql_word = (int)word;
    a->stop_sql_us = 0;
    if (!has_partial(a) || actor_is_mariadb(a)) {
        actor_word(a, next, word);
        return;
    }
    /* The coordinates follow the GTIDs a moment later. */
    a->wait_ms = STOP_SQL_PAUSE_MS;
    actor_wait(a, STOP_SQL_READ);
}

static void stop_sql_look(struct mysql_actor *a)
{
    a->wait_ms = 1;
    if (has_partial(a))
        actor_goto(a, STOP_SQL_LIST);
    else
        actor_word(a, a->stop_sql_next, (enum dialect_word)a->stop_sql_word);
}

static void stop_sql_list(struct mysql_actor *a)
{
    static const char coordinator[] =
        "SELECT t.processlist_id AS Id FROM performance_schema.threads t JOIN "
        "performance_schema.replication_applier_status_by_coordinator c USING (thread_id) "
        "WHERE c.channel_name=''";
    actor_sql(a, STOP_SQL_LISTED, coordinator);
}

/* No row: one thread applies, which rolls back by itself, or it has ended. A STOP that comes before
 * that makes it wait after all. */
static void stop_sql_listed(struct mysql_actor *a)
{
    struct sql_row row;
    char sql[64];
    uint64_t id = 0;
    int64_t now_us = mysql_now_us();
    while (a->reply->rows != NULL && mysql_fetch(a->reply->rows, &row))
        id = strtoull(sql_row_text(&row, "Id", NULL), NULL, 10);
    if (id == 0 || (a->stop_sql_us != 0 && now_us - a->stop_sql_us > STOP_SQL_PATIENCE_US)) {
        actor_word(a, a->stop_sql_next, (enum dialect_word)a->stop_sql_word);
        return;
    }
    if (a->stop_sql_us != 0) {
        actor_wait(a, STOP_SQL_LIST);
        return;
    }
    a->stop_sql_us = now_us;
    LOG(&a->adapter->config.log, NOTICE, "mysql-partial-ended",
        "the applier holds a part of a transaction whose rest will not come; it is ended "
        "connection=%llu",
        (unsigned long long)id);
    (void)snprintf(sql, sizeof sql, "KILL %llu", (unsigned long long)id);
    actor_sql_tolerant(a, STOP_SQL_LIST, sql);
}

void actor_sweep_start(struct mysql_actor *a, int next,
                       bool (*match)(const struct mysql_actor *, const struct sql_row *))
{
    a->sweep.match = match;
    a->sweep.next = next;
    a->sweep.newest = 0;
    actor_goto(a, SWEEP_LIST);
}

static void sweep_listed(struct mysql_actor *a)
{
    struct sql_row row;
    uint64_t newest = a->sweep.newest;
    a->sweep.count = 0;
    a->sweep.at = 0;
    while (a->reply->rows != NULL && mysql_fetch(a->reply->rows, &row)) {
        uint64_t id = strtoull(sql_row_text(&row, "Id", NULL), NULL, 10);
        if (newest == 0 && id > a->sweep.newest)
            a->sweep.newest = id;
        if (newest != 0 && id > newest)
            continue;
        if (id == a->conn.thread_id || !a->sweep.match(a, &row))
            continue;
        if (a->sweep.count < ACTOR_SWEEP_MAX)
            a->sweep.ids[a->sweep.count++] = id;
    }
    actor_goto(a, a->sweep.count == 0 ? a->sweep.next : SWEEP_KILL);
}

void actor_shared_step(struct mysql_actor *a)
{
    char sql[64];
    uint64_t id;
    switch (a->state) {
    case SWEEP_LIST:
        actor_sql(a, SWEEP_LISTED, "SHOW FULL PROCESSLIST");
        break;
    case SWEEP_LISTED:
        sweep_listed(a);
        break;
    case SWEEP_KILL:
        id = a->sweep.ids[a->sweep.at++];
        if (id > a->sweep.last_killed) {
            a->sweep.last_killed = id;
            a->sweep.killed++;
        }
        /* Tolerant: it may have gone by itself (1094), or we may not (1095): then it stays in the
         * list and the job ends at its deadline. */
        (void)snprintf(sql, sizeof sql, "KILL %llu", (unsigned long long)id);
        actor_sql_tolerant(a, SWEEP_KILLED, sql);
        break;
    case SWEEP_KILLED:
        if (a->sweep.at < a->sweep.count)
            actor_goto(a, SWEEP_KILL);
        else
            actor_wait(a, SWEEP_LIST);
        break;
    case STOP_IO_LISTED:
        stop_io_listed(a);
        break;
    case STOP_SQL_READ:
        actor_read(a, STOP_SQL_LOOK, FACTS_WANT_STATUS);
        break;
    case STOP_SQL_LOOK:
        stop_sql_look(a);
        break;
    case STOP_SQL_LIST:
        stop_sql_list(a);
        break;
    case STOP_SQL_LISTED:
        stop_sql_listed(a);
        break;
    case STOP_IO_KILLED:
        a->wait_ms = STOP_IO_PAUSE_MS;
        actor_wait(a, STOP_IO_SIGNAL);
        break;
    default:
        a->wait_ms = 1;
        actor_word(a, a->stop_io_next, WORD_STOP_IO);
        break;
    }
}

static bool is_dump(const struct sql_row *row)
{
    return strncmp(sql_row_text(row, "Command", NULL), "Binlog Dump", 11) == 0;
}

/* ---- CLOSE_CLIENTS ---- */

static bool client_match(const struct mysql_actor *a, const struct sql_row *row)
{
    static const char *const servers_own[] = {"system user",          "event_scheduler",
                                              "unauthenticated user", "mysql.session",
                                              "mysql.infoschema",     "mysql.sys"};
    const struct mysql_config *config = &a->adapter->config;
    const char *user = sql_row_text(row, "User", NULL);
    const char *command = sql_row_text(row, "Command", NULL);
    for (size_t i = 0; i < sizeof servers_own / sizeof servers_own[0]; i++) {
        if (strcmp(user, servers_own[i]) == 0)
            return false;
    }
    return strcmp(command, "Daemon") != 0 && !is_dump(row) &&
           strcmp(user, config->agent_user) != 0 && strcmp(user, config->replication_user) != 0;
}

void job_close_clients_step(struct mysql_actor *a)
{
    enum { START, LOOK, SWEPT, END };
    const struct server_facts *f = actor_facts(a);
    switch (a->state) {
    case START:
        actor_read(a, LOOK, FACTS_WANT_ALL);
        break;
    case LOOK:
        if (!f->read_only)
            actor_end(a, JOB_REFUSED, "the server is not closed");
        else if (f->wait_sessions > 0) /* of somebody who may write on a closed server */
            actor_wait(a, START);
        else
            actor_sweep_start(a, SWEPT, client_match);
        break;
    case SWEPT:
        actor_read(a, END, FACTS_WANT_ALL);
        break;
    default:
        a->result.count = a->sweep.killed;
        actor_done(a);
        break;
    }
}

/* ---- EVICT ---- */

static bool dump_match(const struct mysql_actor *a, const struct sql_row *row)
{
    const char *host = sql_row_text(row, "Host", NULL);
    const char *colon = strrchr(host, ':');
    size_t n = colon != NULL ? (size_t)(colon - host) : strlen(host);
    return is_dump(row) && strlen(a->order.job.host) == n &&
           memcmp(host, a->order.job.host, n) == 0;
}

void job_evict_step(struct mysql_actor *a)
{
    enum { START, SWEPT, END };
    switch (a->state) {
    case START:
        actor_sweep_start(a, SWEPT, dump_match);
        break;
    case SWEPT:
        actor_read(a, END, FACTS_WANT_ALL);
        break;
    default:
        a->result.count = a->sweep.killed;
        actor_done(a);
        break;
    }
}

/* ---- UNBLOCK ---- */

/* The first of the group that waits; the others are in state "Commit". */
static void unblock_list(struct mysql_actor *a, int next)
{
    actor_sql(a, next,
              "SELECT query_id AS Id FROM information_schema.processlist WHERE state LIKE "
              "'Waiting for semi-sync ACK from%' ORDER BY query_id LIMIT 1");
}

static void unblock_listed(struct mysql_actor *a, int next)
{
    struct sql_row row;
    a->waiting = 0;
    while (a->reply->rows != NULL && mysql_fetch(a->reply->rows, &row))
        a->waiting = strtoull(sql_row_text(&row, "Id", NULL), NULL, 10);
    if (a->waiting == 0)
        actor_done(a);
    else
        actor_read(a, next, FACTS_WANT_ALL);
}

/* The binlog was read after the statement was seen waiting, so its commit is in there. */
static bool unblock_is_received(struct mysql_actor *a)
{
    struct gtid_set received, written;
    return gtid_parse(a->order.job.gtid, GTID_MARIADB, &received) == 0 &&
           gtid_parse(actor_facts(a)->executed, GTID_MARIADB, &written) == 0 &&
           gtid_contains(&received, &written);
}

/* By the number of the statement, not of the session: one that has ended meanwhile is not mistaken
 * for the next, and its client is told OK. 1094: it has ended. */
static void unblock_kill(struct mysql_actor *a, int next)
{
    char sql[64];
    if (!unblock_is_received(a)) {
        actor_end(a, JOB_REFUSED, "the binlog holds more than was received");
        return;
    }
    (void)snprintf(sql, sizeof sql, "KILL QUERY ID %llu", (unsigned long long)a->waiting);
    actor_sql_tolerant(a, next, sql);
}

void job_unblock_step(struct mysql_actor *a)
{
    enum { START, LISTED, LOOK, KILLED, END };
    switch (a->state) {
    case START:
        unblock_list(a, LISTED);
        break;
    case LISTED:
        unblock_listed(a, LOOK);
        break;
    case LOOK:
        unblock_kill(a, KILLED);
        break;
    case KILLED:
        actor_read(a, END, FACTS_WANT_ALL);
        break;
    default:
        actor_done(a);
        break;
    }
}
