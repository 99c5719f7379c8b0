/* SPDX-License-Identifier: Apache-2.0 */
#include "app/repoint.h"

#include "app/adopt_survey.h"
#include "app/repoint_logs.h"
#include "core/adopt_gtid.h"
#include "io/mysql/repoint.h"
#include "io/mysql/survey.h"

#define POLL_MS 100
#define REST_POLLS 10 /* so long nothing was applied: what is left is no whole transaction */
#define READ_TRIES 3

struct move {
    const struct repoint_order *order;
    struct adopt_sites sites;
    struct repoint state;
    /* While one applies what it has: its place at the last look, and how many looks in a row found
     * it there with nothing to apply. */
    struct log_place applied_last;
    unsigned at_rest;
    bool stopped_io, stopped_sql; /* by this command, or perhaps: a statement that is not answered
                                     in time is carried out all the same */
    FILE *err;
};

static struct survey_server *server(struct move *m, enum repoint_who who)
{
    return &m->sites.survey.servers[who];
}

static const char *word(enum repoint_who who)
{
    return who == REPOINT_REPLICA ? "replica" : "new source";
}

static bool failed(const struct move *m, enum repoint_who who, const char *what, const char *why)
{
    fprintf(m->err, "tandem repoint: %s: %s: %s\n", word(who), what, why);
    return false;
}

static bool run(struct move *m, enum repoint_who who, const char *sql)
{
    struct sql_session *s = m->sites.sessions[who];
    fprintf(m->err, "%s: %s\n", word(who), sql);
    if (sql_session_query(s, sql, ADOPT_STATEMENT_MS, NULL, NULL) == 0)
        return true;
    return failed(m, who, sql, s->error);
}

/* --- looking ----------------------------------------------------------------------------------*/

static void on_variable(void *data, const struct sql_row *row)
{
    if (row->count >= 2 && row->values[0] != NULL && row->values[1] != NULL)
        repoint_variable(data, row->values[0], row->values[1]);
}

static void on_status(void *data, const struct sql_row *row)
{
    repoint_status(data, row);
}

static void on_binlog(void *data, const struct sql_row *row)
{
    struct repoint_server *p = data;
    p->binlog_filters = repoint_binlog_filters(row);
}

static bool look(struct move *m, enum repoint_who who)
{
    struct errmsg msg = ERRMSG_INIT;
    struct sql_session *s = m->sites.sessions[who];
    struct repoint_server *p = &m->state.more[who];
    if (adopt_survey_look_one(&m->sites, who, &msg) != 0)
        return failed(m, who, "it does not answer", msg.text);
    memset(p, 0, sizeof *p);
    if (sql_session_query(s, repoint_variables_sql, ADOPT_STATEMENT_MS, on_variable, p) != 0 ||
        sql_session_query(s, repoint_status_sql(server(m, who)), ADOPT_STATEMENT_MS, on_status,
                          &p->channel) != 0 ||
        sql_session_query(s, repoint_binlog_sql(server(m, who)), ADOPT_STATEMENT_MS, on_binlog,
                          p) != 0)
        return failed(m, who, "it does not answer", s->error);
    return true;
}

static bool look_both(struct move *m)
{
    /* The replica first: what it holds beyond the other is then really beyond it. */
    return look(m, REPOINT_REPLICA) && look(m, REPOINT_SOURCE);
}

static bool open_at(struct move *m, enum repoint_who who, const struct adopt_place *place)
{
    struct survey_server *s = server(m, who);
    struct sql_session *session;
    s->port = place->port;
    s->source = who == REPOINT_REPLICA ? REPOINT_SOURCE : NODE_NONE;
    if (!adopt_resolve(place->host, s->host))
        return failed(m, who, place->host, "the name has no address");
    session = calloc(1, sizeof *session);
    if (session == NULL ||
        sql_session_init(session, s->host, s->port, m->order->user, m->order->password) != 0) {
        free(session);
        return failed(m, who, place->host, err_text(ERR_NOMEM));
    }
    m->sites.sessions[who] = session;
    m->sites.survey.n++;
    return true;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static bool open_both(struct move *m)
{
    if (!open_at(m, REPOINT_REPLICA, &m->order->replica) ||
        !open_at(m, REPOINT_SOURCE, &m->order->to))
        return false;
    if (is_loopback(server(m, REPOINT_SOURCE)->host) &&
        !is_loopback(server(m, REPOINT_REPLICA)->host))
        return failed(m, REPOINT_SOURCE, m->order->to.host,
                      "the replica is to connect to it by this name: name it as it is reached from "
                      "there");
    return look_both(m);
}

/* --- telling ----------------------------------------------------------------------------------*/

static void tell_rule(const struct move *m, const struct rule_table *table, const struct rule *r)
{
    fprintf(m->err, "%s: %s (%s/%u)\n", table->verdict_names[r->verdict], r->text, table->name,
            r->id);
    if ((table == &repoint_table && r->verdict == REPOINT_REBUILD) ||
        (table == &match_table && r->verdict == MATCH_REBUILD))
        fprintf(m->err,
                "the replica cannot be moved: make it anew from a copy of the new source\n");
}

static void tell_server(struct move *m, enum repoint_who who)
{
    const struct survey_server *s = server(m, who);
    const struct repoint_channel *c = &m->state.more[who].channel;
    char place[ADOPT_PLACE_TEXT_MAX];
    fprintf(m->err, "%s: %s, %s, server id %u", word(who),
            adopt_place_text(s->host, s->port, place, sizeof place), s->facts.version_text,
            s->facts.server_id);
    if (s->facts.channel)
        fprintf(m->err, ", follows %s: received to %s:%llu, applied to %s:%llu",
                adopt_place_text(s->facts.source_host, s->facts.source_port, place, sizeof place),
                c->read.file, (unsigned long long)c->read.position, s->applied_to.file,
                (unsigned long long)s->applied_to.position);
    fprintf(m->err, "\n");
    if (m->state.more[who].place_in_file)
        fprintf(m->err,
                "%s: note: relay_log_info_repository = FILE: if it has crashed since its data was "
                "made, that place may be an older one than its data's\n",
                word(who));
}

/* --- stopping and putting back ----------------------------------------------------------------*/

/* What this command stopped is started again. */
static bool put_back(struct move *m)
{
    const struct survey_server *s = server(m, REPOINT_REPLICA);
    bool good = true;
    if (m->stopped_sql)
        good = run(m, REPOINT_REPLICA, repoint_start_sql_thread(s));
    if (m->stopped_io)
        good = run(m, REPOINT_REPLICA, repoint_start_io_sql(s)) && good;
    return good;
}

static bool refused(struct move *m)
{
    (void)put_back(m);
    return false;
}

static bool same_place(const struct log_place *a, const struct log_place *b)
{
    return a->position == b->position && strcmp(a->file, b->file) == 0;
}

/* It has applied all, or for a while nothing though it says that nothing is left: then the rest is
 * a transaction whose end was never received. */
static bool is_at_rest(struct move *m, enum repoint_who who)
{
    const struct survey_server *s = server(m, who);
    const struct repoint_channel *c = &m->state.more[who].channel;
    m->at_rest = c->idle && same_place(&m->applied_last, &s->applied_to) ? m->at_rest + 1 : 0;
    m->applied_last = s->applied_to;
    return s->facts.sql == THREAD_STOPPED || (c->idle && same_place(&s->applied_to, &c->read)) ||
           m->at_rest >= REST_POLLS;
}

/* Parallel appliers tell their place some tenths of a second late. */
static bool wait_rest(struct move *m, enum repoint_who who)
{
    int64_t end_us = mysql_now_us() + (int64_t)m->order->wait_s * 1000000;
    m->at_rest = 0;
    while (look(m, who)) {
        if (is_at_rest(m, who))
            return true;
        if (mysql_now_us() >= end_us)
            return failed(m, who, "it has not applied what it has received",
                          "its SQL thread is slow, delayed or blocked; run this again, or with a "
                          "longer --wait");
        uv_sleep(POLL_MS);
    }
    return false;
}

static bool drain(struct move *m)
{
    const struct survey_server *s = server(m, REPOINT_REPLICA);
    m->state.drained = true;
    if (m->order->dry_run) {
        fprintf(m->err,
                "replica: nothing is stopped for --dry-run: as if what it has received were "
                "all that it applies\n");
        return true;
    }
    if (s->facts.io != THREAD_STOPPED) {
        m->stopped_io = true;
        if (!run(m, REPOINT_REPLICA, repoint_stop_io_sql(s)))
            return false;
    }
    return wait_rest(m, REPOINT_REPLICA) && look(m, REPOINT_SOURCE);
}

/* --- the change -------------------------------------------------------------------------------*/

static bool has_failed(const struct server_facts *f)
{
    return (f->io == THREAD_STOPPED && f->io_errno != 0) ||
           (f->sql == THREAD_STOPPED && f->sql_errno != 0);
}

/* Waits until the IO thread, and with `both` the SQL thread too, runs. */
static bool wait_runs(struct move *m, bool both)
{
    struct survey_server *s = server(m, REPOINT_REPLICA);
    int64_t end_us = mysql_now_us() + (int64_t)m->order->wait_s * 1000000;
    do {
        if (!look(m, REPOINT_REPLICA))
            return false;
        if (s->facts.io == THREAD_RUNNING && (!both || s->facts.sql == THREAD_RUNNING))
            return true;
        if (has_failed(&s->facts))
            break;
        uv_sleep(POLL_MS);
    } while (mysql_now_us() < end_us);
    return failed(m, REPOINT_REPLICA, "it does not replicate from there",
                  s->facts.error[0] != '\0' ? s->facts.error : "no connection within --wait");
}

/* The IO thread alone first: whose events it gets is known before one of them is applied. */
static bool start_there(struct move *m)
{
    struct survey_server *s = server(m, REPOINT_REPLICA);
    if (!run(m, REPOINT_REPLICA, repoint_start_io_sql(s)) || !wait_runs(m, false))
        return false;
    if (!repoint_follows(&m->state, REPOINT_REPLICA, REPOINT_SOURCE)) {
        (void)run(m, REPOINT_REPLICA, repoint_stop_io_sql(s));
        return failed(m, REPOINT_REPLICA, "another server answers it there",
                      "the address of --to leads it elsewhere, as a virtual address does: name the "
                      "server's own");
    }
    return run(m, REPOINT_REPLICA, repoint_start_sql(s)) && wait_runs(m, true);
}

static bool change(struct move *m, const struct log_place *place)
{
    struct survey_server *s = server(m, REPOINT_REPLICA);
    struct survey_server was = *s;
    char sql[REPOINT_SQL_MAX], from[ADOPT_PLACE_TEXT_MAX];
    if (repoint_change_sql(s, m->order->to.host, m->order->to.port, place, sql, sizeof sql) != 0) {
        (void)failed(m, REPOINT_REPLICA, "CHANGE", err_text(ERR_FULL));
        return refused(m);
    }
    if (!run(m, REPOINT_REPLICA, sql))
        return refused(m);
    if (!start_there(m)) {
        fprintf(m->err,
                "replica: it is set to the new source and may be stopped: mend that and start it; "
                "before, it followed %s and had applied to position %llu of '%s' there\n",
                adopt_place_text(was.facts.source_host, was.facts.source_port, from, sizeof from),
                (unsigned long long)was.applied_to.position, was.applied_to.file);
        return false;
    }
    fprintf(m->err, "done: the replica follows the new source\n");
    return true;
}

static bool stop(struct move *m)
{
    const struct survey_server *s = server(m, REPOINT_REPLICA);
    m->stopped_sql = s->facts.sql != THREAD_STOPPED;
    return run(m, REPOINT_REPLICA, repoint_stop_sql(s)) || refused(m);
}

static bool by_gtid(struct move *m)
{
    char sql[GTID_TEXT_MAX + 64];
    const struct rule *r;
    uint32_t facts;
    if (m->order->dry_run) {
        if (repoint_change_sql(server(m, REPOINT_REPLICA), m->order->to.host, m->order->to.port,
                               NULL, sql, sizeof sql) != 0)
            return false;
        fprintf(m->err, "replica: %s\nnothing was changed\n", sql);
        return true;
    }
    if (!stop(m))
        return false;
    if (!look_both(m))
        return refused(m);
    r = repoint_decide(&m->state, &facts);
    if (r->verdict != REPOINT_GTID) {
        tell_rule(m, &repoint_table, r);
        return refused(m);
    }
    if (survey_slave_pos_sql(server(m, REPOINT_REPLICA), sql, sizeof sql) != 0 ||
        (sql[0] != '\0' && !run(m, REPOINT_REPLICA, sql)))
        return refused(m);
    return change(m, NULL);
}

/* --- by file and position ---------------------------------------------------------------------*/

static void tell_match(struct move *m, const struct repoint_logs *logs, const struct rule *r,
                       const struct match_result *res)
{
    const char *why = logs->relay.why[0] != '\0' ? logs->relay.why : logs->binlog.why;
    tell_rule(m, &match_table, r);
    if (r->verdict == MATCH_PLACE)
        fprintf(
            m->err,
            "replica: %zu transactions behind; %zu compared in relay logs and binlog of the new "
            "source, all equal; it goes on at position %llu of '%s'\n",
            res->behind, res->compared, (unsigned long long)res->position, logs->files[res->file]);
    else if (why[0] != '\0')
        fprintf(m->err, "new source: %s\n", why);
    else if (res->position != 0)
        fprintf(m->err, "new source: the transaction at position %llu of '%s' is the one\n",
                (unsigned long long)res->position, logs->files[res->file]);
}

/* Reads the logs between two looks that are the same, and asks. False: *ret_place is not set. */
static bool find_place(struct move *m, struct log_place *ret_place)
{
    struct survey_server *s = server(m, REPOINT_REPLICA), *o = server(m, REPOINT_SOURCE);
    struct errmsg msg = ERRMSG_INIT;
    bool found = false;
    for (unsigned i = 0; i < READ_TRIES; i++) {
        struct log_place replica = s->applied_to, source = o->applied_to;
        struct repoint_logs logs;
        struct match_result res;
        const struct rule *r = NULL;
        int rc = repoint_logs_read(m->sites.sessions[REPOINT_SOURCE], &m->state, &logs, &msg);
        struct match_logs both = {
            .relay = &logs.relay,
            .relay_groups = logs.relay_groups.groups,
            .binlog = &logs.binlog,
            .binlog_groups = logs.binlog_groups.groups,
            .n_binlog = logs.binlog_groups.n,
            .level = same_place(&source, &m->state.more[REPOINT_SOURCE].channel.read),
            .log_end = logs.log_end,
            .log_end_file = logs.n_files > 0 ? logs.n_files - 1 : 0};
        bool still = rc == 0 && look_both(m) && same_place(&replica, &s->applied_to) &&
                     same_place(&source, &o->applied_to);
        if (still) {
            r = match_decide(&both, &res);
            tell_match(m, &logs, r, &res);
            found = r->verdict == MATCH_PLACE;
        }
        if (found) {
            memcpy(ret_place->file, logs.files[res.file], sizeof ret_place->file);
            ret_place->position = res.position;
        }
        repoint_logs_free(&logs);
        if (rc != 0)
            return failed(m, REPOINT_SOURCE, "its logs", msg.text);
        if (still)
            return found;
    }
    return failed(m, REPOINT_SOURCE, "it was read while it changed", "run this again");
}

static bool by_place(struct move *m)
{
    struct survey_server *s = server(m, REPOINT_REPLICA);
    struct log_place place, applied;
    char sql[REPOINT_SQL_MAX];
    if (!wait_rest(m, REPOINT_SOURCE) || !find_place(m, &place))
        return refused(m);
    applied = s->applied_to;
    if (m->order->dry_run) {
        if (repoint_change_sql(s, m->order->to.host, m->order->to.port, &place, sql, sizeof sql) !=
            0)
            return false;
        fprintf(m->err, "replica: %s\nnothing was changed\n", sql);
        return true;
    }
    if (!stop(m))
        return false;
    if (!look(m, REPOINT_REPLICA))
        return refused(m);
    if (!same_place(&applied, &s->applied_to)) {
        (void)failed(m, REPOINT_REPLICA, "it has applied more meanwhile", "run this again");
        return refused(m);
    }
    return change(m, &place);
}

static bool carry_out(struct move *m)
{
    tell_server(m, REPOINT_REPLICA);
    tell_server(m, REPOINT_SOURCE);
    for (;;) {
        uint32_t facts;
        const struct rule *r = repoint_decide(&m->state, &facts);
        tell_rule(m, &repoint_table, r);
        switch (r->verdict) {
        case REPOINT_DRAIN:
            if (!drain(m))
                return refused(m);
            break;
        case REPOINT_GTID:
            return by_gtid(m);
        case REPOINT_MATCH:
            return by_place(m);
        case REPOINT_DONE:
            return put_back(m);
        default:
            return refused(m);
        }
    }
}

bool repoint_run(const struct repoint_order *order, FILE *err)
{
    struct move *m = calloc(1, sizeof *m);
    bool good;
    if (m == NULL) {
        fprintf(err, "tandem repoint: %s\n", err_text(ERR_NOMEM));
        return false;
    }
    m->order = order;
    m->err = err;
    m->state.survey = &m->sites.survey;
    good = open_both(m) && carry_out(m);
    adopt_survey_free(&m->sites);
    free(m);
    return good;
}
