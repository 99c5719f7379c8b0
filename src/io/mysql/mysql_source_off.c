/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Semi-sync off, on MySQL. The statement ends the server's thread that reads the acknowledgements,
 * which looks up from poll(2) once in a second, or when something comes on a replica's connection.
 * It waits for that under the lock of the global variables: so does every new session, and every
 * statement that reads one (tried with 9.7.4: up to 1000 ms; with the KILL below 30). Nothing comes
 * by itself, since nothing is acknowledged any more. So a second session ends a dump thread of each
 * semi-sync replica when the thread has been told to end, never before: a thread that finds a
 * connection closed goes back to sleep for its whole second. The replicas connect again at once.
 *
 * It is done without where no replica is named (none is connected, performance_schema is off) or
 * the second session does not come. A replica that has died meanwhile cannot be woken with: then
 * the rest of the second is waited for. MariaDB's thread is woken by the server itself.
 */
#include <string.h>

#include "io/mysql/mysql_internal.h"

/* Seconds. To get from "is off" into the wait for the thread; between two looks before that. */
#define OFF_PAUSE "0.02"
#define OFF_INTERVAL "0.002"
#define OFF_OPEN_MS 500

enum { OFF_LISTED = ACTOR_STATE_OFF, OFF_OPENING };

static void off_set(struct mysql_actor *a)
{
    char sql[600];
    int rc = dialect_source_side(actor_dialect(a), a->adapter->server.semi_source, /* on= */ false,
                                 /* count= */ 0, sql, sizeof sql);
    if (rc != 0)
        actor_end(a, JOB_FAILED, "statement too long");
    else
        actor_sql(a, a->off_next, sql);
}

/* The statement has been sent and not answered. */
static bool off_is_under_way(const struct mysql_actor *a)
{
    return a->running && a->state == a->off_next && mysql_conn_is_busy(&a->conn);
}

static void off_kill(struct mysql_actor *a);

static void off_killed(void *data, const struct mysql_reply *reply)
{
    struct mysql_actor *a = data;
    /* 1094: it has gone by itself. */
    if (reply->err == 0 || reply->err == ERR_SQL)
        off_kill(a);
}

static void off_kill(struct mysql_actor *a)
{
    char sql[64];
    if (!off_is_under_way(a) || a->off_at == a->off_count)
        return;
    (void)snprintf(sql, sizeof sql, "KILL %llu", (unsigned long long)a->off_ids[a->off_at++]);
    /* Without it the statement only takes longer. */
    (void)!mysql_conn_query(&a->waker, sql, OFF_OPEN_MS, off_killed, a);
}

static void off_look(struct mysql_actor *a);

static void off_looked(void *data, const struct mysql_reply *reply)
{
    struct mysql_actor *a = data;
    struct sql_row row;
    if (reply->err != 0 || reply->rows == NULL || !mysql_fetch(reply->rows, &row))
        return;
    if (strcmp(sql_row_text(&row, "Status", ""), "OFF") == 0)
        off_kill(a);
    else
        off_look(a);
}

static void off_look(struct mysql_actor *a)
{
    char sql[200];
    if (!off_is_under_way(a))
        return;
    (void)snprintf(sql, sizeof sql,
                   "SELECT variable_value AS Status, SLEEP(IF(variable_value='OFF'," OFF_PAUSE
                   "," OFF_INTERVAL ")) FROM performance_schema.global_status WHERE "
                   "variable_name='Rpl_semi_sync_%s_status'",
                   semi_source_word(a->adapter->server.semi_source));
    (void)!mysql_conn_query(&a->waker, sql, OFF_OPEN_MS, off_looked, a);
}

/* Opened before the statement, which no session can be opened beside. */
static void off_opened(void *data, const struct mysql_reply *reply)
{
    struct mysql_actor *a = data;
    if (!a->running || a->state != OFF_OPENING)
        return; /* the job has ended */
    off_set(a);
    if (reply->err == 0)
        off_look(a);
}

void actor_source_off(struct mysql_actor *a, int next)
{
    static const char replicas[] =
        "SELECT t.processlist_id AS Id FROM performance_schema.threads t JOIN "
        "performance_schema.user_variables_by_thread v USING (thread_id) WHERE v.variable_name IN "
        "('rpl_semi_sync_replica', 'rpl_semi_sync_slave') AND t.processlist_command LIKE "
        "'Binlog Dump%'";
    a->off_next = next;
    a->off_count = a->off_at = 0;
    if (actor_is_mariadb(a) || actor_facts(a)->clients == 0)
        off_set(a);
    else
        actor_sql_tolerant(a, OFF_LISTED, replicas);
}

static uint32_t off_open_ms(const struct mysql_actor *a)
{
    int64_t left_ms = (a->limit_us - mysql_now_us()) / 1000;
    return left_ms < 1 ? 1 : left_ms < OFF_OPEN_MS ? (uint32_t)left_ms : OFF_OPEN_MS;
}

void actor_source_off_step(struct mysql_actor *a)
{
    struct sql_row row;
    while (a->off_count < ACTOR_OFF_MAX && a->reply->rows != NULL &&
           mysql_fetch(a->reply->rows, &row))
        a->off_ids[a->off_count++] = strtoull(sql_row_text(&row, "Id", NULL), NULL, 10);
    mysql_conn_drop(&a->waker);
    a->state = OFF_OPENING;
    if (a->off_count == 0 || mysql_conn_open(&a->waker, off_open_ms(a), off_opened, a) != 0)
        off_set(a);
}
