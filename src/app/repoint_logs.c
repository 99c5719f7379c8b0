/* SPDX-License-Identifier: Apache-2.0 */
#include "app/repoint_logs.h"

#include "io/mysql/repoint.h"

#define LOGS_STATEMENT_MS 120000
/* Rows of one answer, which is held in memory. MySQL 5.6 keeps commits waiting while it reads its
 * binlog for one. */
#define LOGS_ROWS 5000
#define LOGS_GROUPS_MAX (UINT32_C(1) << 24)
#define LOGS_FILES_MAX 100000

/* One answer. */
struct batch {
    struct match_reader *reader;
    struct group_list *groups;
    size_t rows;
    uint64_t end; /* of the last event */
    int err;
};

static int keep_group(struct group_list *list, const struct match_group *g)
{
    if (list->n == list->max) {
        size_t max = list->max > 0 ? 2 * list->max : 1024;
        struct match_group *grown =
            max > LOGS_GROUPS_MAX ? NULL : realloc(list->groups, max * sizeof *grown);
        if (grown == NULL)
            return max > LOGS_GROUPS_MAX ? ERR_FULL : ERR_NOMEM;
        list->groups = grown;
        list->max = max;
    }
    list->groups[list->n++] = *g;
    return 0;
}

static void on_event(void *data, const struct sql_row *row)
{
    struct batch *b = data;
    struct repoint_event e;
    struct match_group g;
    if (b->err != 0)
        return;
    if (!repoint_row(row, &e)) {
        b->err = ERR_FORMAT;
        return;
    }
    b->rows++;
    b->end = e.end;
    if (match_event(b->reader, &e, &g))
        b->err = keep_group(b->groups, &g);
}

static int ask(struct sql_session *s, const char *sql, struct batch *b)
{
    int rc = sql_session_query(s, sql, LOGS_STATEMENT_MS, on_event, b);
    return rc != 0 ? rc : b->err;
}

static int fail(struct errmsg *msg, const struct sql_session *s, const char *file, int rc)
{
    return errmsg_set(msg, rc, "'%s' cannot be read: %s", file,
                      s->err != 0 ? s->error : err_text(rc));
}

/* A chunk is read from the file's beginning each time, since only there the server learns whether
 * the events have checksums. */
static int read_relay_file(struct sql_session *s, struct repoint_logs *l, const char *file)
{
    struct batch b = {.rows = LOGS_ROWS};
    char sql[1024];
    int rc = 0;
    for (size_t skip = 0; rc == 0 && b.rows == LOGS_ROWS; skip += LOGS_ROWS) {
        b = (struct batch){.reader = &l->relay, .groups = &l->relay_groups};
        rc = repoint_relay_sql(file, skip, LOGS_ROWS, sql, sizeof sql);
        if (rc == 0)
            rc = ask(s, sql, &b);
    }
    return rc;
}

static void on_name(void *data, const struct sql_row *row)
{
    (void)snprintf(data, LOG_FILE_TEXT_MAX, "%s", sql_row_text(row, "Log_name", NULL));
}

/* From that file to the last one, beyond `current`, that of the SQL thread, to what is not applied.
 */
static int read_relay_from(struct sql_session *s, const char *current, uint64_t first,
                           uint64_t number, struct repoint_logs *l, char file[LOG_FILE_TEXT_MAX])
{
    int rc = 0;
    match_begin_relay(&l->relay, l->relay.own_id, &l->relay.marks[MARK_REPLICA].place,
                      &l->relay.marks[MARK_SOURCE].place);
    l->relay_groups.n = 0;
    for (uint64_t i = first; rc == 0; i++) {
        rc = repoint_log_name(current, i, file);
        if (rc == 0)
            rc = read_relay_file(s, l, file);
        /* Behind the last one there is none of that name. */
        if (rc == ERR_SQL && i > number)
            return 0;
    }
    return rc;
}

/* Backwards, each time twice as many files, until both places were found and enough lies before the
 * replica's: relay logs that are never purged may be many. */
static int read_relay(struct sql_session *s, const char *current, struct repoint_logs *l,
                      struct errmsg *msg)
{
    const struct match_mark *replica = &l->relay.marks[MARK_REPLICA];
    const struct match_mark *source = &l->relay.marks[MARK_SOURCE];
    char file[LOG_FILE_TEXT_MAX] = "";
    uint64_t oldest = 0, number = 0;
    int rc = sql_session_query(s, "SHOW RELAYLOG EVENTS LIMIT 1", LOGS_STATEMENT_MS, on_name, file);
    if (rc == 0 && (!repoint_log_number(file, &oldest) || !repoint_log_number(current, &number) ||
                    oldest > number))
        rc = ERR_FORMAT;
    for (uint64_t back = 0; rc == 0; back = 2 * back + 1) {
        uint64_t first = number - oldest > back ? number - back : oldest;
        rc = read_relay_from(s, current, first, number, l, file);
        if (first == oldest ||
            (replica->found && source->found && replica->groups >= MATCH_CONTEXT))
            break;
    }
    return rc != 0 ? fail(msg, s, file[0] != '\0' ? file : "the oldest relay log", rc) : 0;
}

struct file_list {
    struct repoint_logs *logs;
    int err;
};

static void on_file(void *data, const struct sql_row *row)
{
    struct file_list *f = data;
    struct repoint_logs *l = f->logs;
    void *grown = f->err != 0 || l->n_files == LOGS_FILES_MAX
                      ? NULL
                      : realloc(l->files, (l->n_files + 1) * sizeof *l->files);
    if (grown == NULL) {
        f->err = ERR_NOMEM;
        return;
    }
    l->files = grown;
    (void)snprintf(l->files[l->n_files++], LOG_FILE_TEXT_MAX, "%s",
                   sql_row_text(row, "Log_name", NULL));
}

static int read_binlog_file(struct sql_session *s, struct repoint_logs *l, uint32_t file,
                            struct group_list *groups)
{
    struct batch b = {.rows = LOGS_ROWS, .end = 4};
    char sql[1024];
    int rc = 0;
    match_file(&l->binlog, file);
    while (rc == 0 && b.rows == LOGS_ROWS) {
        uint64_t from = b.end;
        b = (struct batch){.reader = &l->binlog, .groups = groups, .end = from};
        rc = repoint_events_sql(l->files[file], from, LOGS_ROWS, sql, sizeof sql);
        if (rc == 0)
            rc = ask(s, sql, &b);
    }
    if (rc == 0 && file + 1 == l->n_files)
        l->log_end = b.end;
    return rc;
}

/* Puts what was read of an earlier file before what there is. */
static int prepend(struct group_list *all, struct group_list *earlier)
{
    struct group_list later = *all;
    int rc = 0;
    *all = *earlier;
    for (size_t i = 0; rc == 0 && i < later.n; i++)
        rc = keep_group(all, &later.groups[i]);
    free(later.groups);
    *earlier = (struct group_list){.n = 0};
    return rc;
}

static int read_binlog(struct sql_session *s, struct repoint_logs *l, struct errmsg *msg)
{
    struct file_list list = {.logs = l};
    size_t wanted = match_wanted(&l->relay), foreign;
    int rc = sql_session_query(s, "SHOW BINARY LOGS", LOGS_STATEMENT_MS, on_file, &list);
    rc = rc != 0 ? rc : list.err;
    if (rc != 0)
        return fail(msg, s, "SHOW BINARY LOGS", rc);
    for (uint32_t i = l->n_files; i-- > 0;) {
        struct group_list earlier = {.n = 0};
        rc = read_binlog_file(s, l, i, &earlier);
        if (rc == 0)
            rc = prepend(&l->binlog_groups, &earlier);
        free(earlier.groups);
        if (rc != 0)
            return fail(msg, s, l->files[i], rc);
        foreign = match_has(l->binlog_groups.groups, l->binlog_groups.n, l->binlog.own_id);
        if (foreign >= wanted)
            break;
        /* What it wrote as the writer may be a lot, and one says as much as all. */
        if (foreign == 0 && l->binlog_groups.n > 0)
            l->binlog_groups.n = 1;
    }
    return 0;
}

int repoint_logs_read(struct sql_session *s, const struct repoint *state, struct repoint_logs *l,
                      struct errmsg *msg)
{
    const struct survey_server *replica = &state->survey->servers[REPOINT_REPLICA];
    const struct survey_server *source = &state->survey->servers[REPOINT_SOURCE];
    int rc;
    memset(l, 0, sizeof *l);
    match_begin_relay(&l->relay, source->facts.server_id, &replica->applied_to,
                      &source->applied_to);
    match_begin_binlog(&l->binlog, source->facts.server_id);
    rc = read_relay(s, state->more[REPOINT_SOURCE].channel.relay_file, l, msg);
    return rc != 0 ? rc : read_binlog(s, l, msg);
}

void repoint_logs_free(struct repoint_logs *l)
{
    free(l->relay_groups.groups);
    free(l->binlog_groups.groups);
    free(l->files);
}
