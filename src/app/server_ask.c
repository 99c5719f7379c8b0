/* SPDX-License-Identifier: Apache-2.0 */
#include "app/server_ask.h"

#include "io/mysql/mysql_conn.h"

#define SERVER_ASK_LIMIT_MS 3000
#define SERVER_ASK_STATEMENTS 2

/* What each answer's last column must add up to, so that the server is closed. */
static const struct {
    const char *sql;
    long long expected;
} server_ask_statements[SERVER_ASK_STATEMENTS] = {
    {"SELECT @@global.read_only", 1},
    /* Both names of semi-sync: a server has those of the plugin that it loaded, or none. */
    {"SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_wait_sessions', "
     "'Rpl_semi_sync_source_wait_sessions')",
     0},
};

struct server_ask {
    struct mysql_conn conn;
    unsigned asked;
    bool closed;
};

static bool ask_secret(const char *path, char *ret_text, size_t size)
{
    FILE *f;
    ret_text[0] = '\0';
    if (path[0] == '\0')
        return true;
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    if (fgets(ret_text, (int)size, f) == NULL)
        ret_text[0] = '\0';
    (void)fclose(f);
    ret_text[strcspn(ret_text, "\r\n")] = '\0';
    return true;
}

static long long ask_sum(struct st_mysql_res *rows)
{
    struct sql_row row;
    long long sum = 0;
    while (rows != NULL && mysql_fetch(rows, &row)) {
        const char *text = row.count > 0 ? row.values[row.count - 1] : NULL;
        sum += text != NULL ? strtoll(text, NULL, 10) : 0;
    }
    return sum;
}

static void ask_next(struct server_ask *a);

static void ask_on_stopped(void *data)
{
    (void)data;
}

static void ask_on_reply(void *data, const struct mysql_reply *reply)
{
    struct server_ask *a = data;
    bool as_expected = reply->err == 0;
    if (as_expected && !reply->opening)
        as_expected = ask_sum(reply->rows) == server_ask_statements[a->asked++].expected;
    if (!as_expected)
        mysql_conn_stop(&a->conn, ask_on_stopped, NULL);
    else
        ask_next(a);
}

static void ask_next(struct server_ask *a)
{
    a->closed = a->asked == SERVER_ASK_STATEMENTS;
    if (a->closed || mysql_conn_query(&a->conn, server_ask_statements[a->asked].sql,
                                      SERVER_ASK_LIMIT_MS, ask_on_reply, a) != 0)
        mysql_conn_stop(&a->conn, ask_on_stopped, NULL);
}

bool server_ask_is_closed(const struct config_node *n)
{
    char password[256];
    struct mysql_login login = {
        .socket = n->mysql.socket, .user = n->mysql.agent_user, .password = password};
    struct server_ask *a = NULL;
    uv_loop_t loop;
    bool closed = false;
    if (!ask_secret(n->mysql.agent_password_file, password, sizeof password) ||
        uv_loop_init(&loop) != 0)
        return false;
    a = calloc(1, sizeof *a);
    if (a != NULL) {
        mysql_conn_init(&a->conn, &loop, &login, "tandem mysqld");
        if (mysql_conn_open(&a->conn, SERVER_ASK_LIMIT_MS, ask_on_reply, a) != 0)
            mysql_conn_stop(&a->conn, ask_on_stopped, NULL);
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        closed = a->closed;
    }
    (void)uv_loop_close(&loop);
    free(a);
    return closed;
}
