/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that make a replica follow and acknowledge. Whatever sets a source on MariaDB first sets
 * gtid_slave_pos to the binlog's own position: the position table may
 * be ahead of, or behind, what is really in the server after it was a writer or was rewound.
 */
#include <string.h>

#include "io/mysql/mysql_internal.h"
#include "wire/gtid.h"

static void replica_side_set(struct mysql_actor *a, int next)
{
    /* Bounds the dialling that actor_stop_io is about, where no signal ends it (MariaDB 11.8). */
    static const char bound[] = "GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1, ";
    char sql[160];
    (void)snprintf(sql, sizeof sql, "SET %sGLOBAL rpl_semi_sync_%s_enabled=%d",
                   actor_is_mariadb(a) ? bound : "",
                   semi_replica_word(a->adapter->server.semi_replica), a->order.job.flag);
    actor_sql(a, next, sql);
}

static bool replica_side_possible(struct mysql_actor *a)
{
    if (!a->order.job.flag || a->adapter->server.semi_replica != SEMI_NONE)
        return true;
    actor_end(a, JOB_REFUSED, "the semi-sync replica plugin is not installed");
    return false;
}

/* The variable, and what the running IO thread does with it. */
static bool replica_side_is(const struct mysql_actor *a, const struct server_facts *f)
{
    bool flag = a->order.job.flag;
    if (f->replica_side != flag)
        return false;
    if (!f->channel || f->io == THREAD_STOPPED)
        return true;
    /* MariaDB says active before the IO thread has connected: then nothing is acknowledged yet. */
    return f->replica_side_active == flag && (!flag || f->io == THREAD_RUNNING);
}

/* ---- REPLICA_SIDE ---- */

enum { SIDE_START, SIDE_LOOK, SIDE_RESTART, SIDE_STOPPED, SIDE_SET, SIDE_READ, SIDE_VERIFY };

/* The IO thread takes the variable when it starts; it is restarted while the SQL thread runs, which
 * keeps MariaDB's relay log. */
static void side_look(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    bool restart =
        f->channel && f->io != THREAD_STOPPED && f->replica_side_active != a->order.job.flag;
    if (!replica_side_possible(a))
        return;
    if (!restart && f->replica_side == a->order.job.flag)
        actor_goto(a, SIDE_READ);
    else if (!restart)
        replica_side_set(a, SIDE_READ);
    else if (f->sql == THREAD_STOPPED && f->sql_errno != 0)
        actor_end(a, JOB_REFUSED,
                  "the applier has stopped; restarting the IO thread would purge "
                  "the relay log");
    else if (f->sql == THREAD_STOPPED)
        actor_word(a, SIDE_RESTART, WORD_START_SQL);
    else
        actor_goto(a, SIDE_RESTART);
}

void job_replica_side_step(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    switch (a->state) {
    case SIDE_START:
        actor_read(a, SIDE_LOOK, FACTS_WANT_ALL);
        break;
    case SIDE_LOOK:
        side_look(a);
        break;
    case SIDE_RESTART:
        actor_stop_io(a, SIDE_STOPPED);
        break;
    case SIDE_STOPPED:
        replica_side_set(a, SIDE_SET);
        break;
    case SIDE_SET:
        actor_word(a, SIDE_READ, WORD_START_IO);
        break;
    case SIDE_READ:
        actor_read(a, SIDE_VERIFY, FACTS_WANT_ALL);
        break;
    default:
        if (replica_side_is(a, f))
            actor_done(a);
        else if (f->io == THREAD_STOPPED && f->io_errno != 0)
            actor_end(a, JOB_FAILED, "the IO thread has stopped: %s", f->error);
        else
            actor_wait(a, SIDE_READ);
        break;
    }
}

/* ---- ATTACH ---- */

#define ATTACH_DRAIN_PERCENT 50

enum {
    ATTACH_START,
    ATTACH_LOOK,
    ATTACH_SAME,      /* this source already: only what is missing */
    ATTACH_SAME_SIDE, /* the IO thread is stopped */
    ATTACH_SAME_START,
    ATTACH_OTHER, /* another source, or both threads start afresh */
    ATTACH_READ,
    ATTACH_CHECK,
    ATTACH_UNAPPLIED,
    ATTACH_STOPPED,
    ATTACH_SIDE,
    ATTACH_CHANGE,
    ATTACH_CHANGED,
    ATTACH_STARTED,
    ATTACH_VERIFY_READ,
    ATTACH_VERIFY
};

static bool attach_is_same(const struct mysql_actor *a)
{
    const struct replica_channel *c = replica_status_default(&a->reader.status);
    return c != NULL && strcmp(c->host, a->order.job.host) == 0 && c->port == a->order.job.port &&
           c->by_gtid;
}

static void attach_same(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    bool flag = a->order.job.flag;
    bool both_stopped = f->io == THREAD_STOPPED && f->sql == THREAD_STOPPED;
    /*
     * MariaDB: an IO thread that starts beside a running SQL thread asks from where it stopped, not
     * from gtid_slave_pos. If another channel (LEVEL) has moved that position meanwhile, it fetches
     * transactions again and the SQL thread stops with 1950. Drained, both can start afresh.
     */
    bool afresh = actor_is_mariadb(a) && f->io == THREAD_STOPPED && f->drained;
    bool as_it_is = a->order.job.count != 0 && f->io == THREAD_RUNNING;
    if (both_stopped || afresh || (f->sql == THREAD_STOPPED && f->sql_errno != 0 && !as_it_is))
        actor_goto(a, ATTACH_OTHER);
    else if (f->sql == THREAD_STOPPED && !a->tried) {
        a->tried = true; /* while the IO thread runs: the relay log is kept */
        actor_word(a, ATTACH_SAME, WORD_START_SQL);
    } else if (f->io == THREAD_STOPPED)
        actor_goto(a, ATTACH_SAME_SIDE);
    else if (f->replica_side_active != flag)
        actor_stop_io(a, ATTACH_SAME_SIDE);
    else if (f->replica_side != flag)
        replica_side_set(a, ATTACH_VERIFY_READ);
    else
        actor_goto(a, ATTACH_VERIFY_READ);
}

static void attach_check(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    bool keeps = !actor_is_mariadb(a) || f->io != THREAD_STOPPED;
    int64_t half_us =
        a->order.start_us + (a->order.deadline_us - a->order.start_us) * ATTACH_DRAIN_PERCENT / 100;
    if (!f->channel || f->drained)
        actor_goto(a, ATTACH_STOPPED);
    else if (f->sql == THREAD_STOPPED && f->sql_errno == 0 && keeps && !a->tried) {
        a->tried = true;
        actor_word(a, ATTACH_READ, WORD_START_SQL);
    } else if (f->sql != THREAD_STOPPED && mysql_now_us() < half_us)
        actor_wait(a, ATTACH_READ);
    else
        actor_goto(a, ATTACH_UNAPPLIED);
}

/* A MariaDB that was restarted does not know any more what it had received, and any start of its
 * threads throws that away: there is nothing to keep. What was acknowledged is on the writer, or
 * the leader would not attach this node. */
static bool attach_is_forgotten(const struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    return actor_is_mariadb(a) && f->received[0] == '\0' && f->io == THREAD_STOPPED &&
           f->sql == THREAD_STOPPED && a->order.job.gtid[0] != '\0';
}

/* Unapplied and not to be applied: may go only if it will be fetched again. */
static void attach_unapplied(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    enum gtid_flavour flavour = actor_is_mariadb(a) ? GTID_MARIADB : GTID_MYSQL;
    enum gtid_flavour whole = actor_is_mariadb(a) ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set received;
    struct gtid_set source;
    bool refetched = gtid_parse(f->received, flavour, &received) == 0 &&
                     gtid_parse(a->order.job.gtid, whole, &source) == 0 &&
                     !gtid_is_empty(&received) && gtid_contains(&source, &received);
    a->tried = true; /* not started again once it has been given up */
    if (attach_is_forgotten(a))
        LOG(&a->adapter->config.log, NOTICE, "relay-log-dropped",
            "received transactions of before the restart are thrown away source=%s",
            f->source_host);
    if (refetched || attach_is_same(a) || attach_is_forgotten(a))
        actor_goto(a, ATTACH_STOPPED);
    else
        actor_end(a, JOB_REFUSED, "received transactions are neither applied nor known to be on %s",
                  a->order.job.host);
}

static void attach_position(struct mysql_actor *a)
{
    char position[GTID_TEXT_MAX];
    char sql[GTID_TEXT_MAX + 64];
    const struct server_facts *f = actor_facts(a);
    if (!actor_is_mariadb(a) || !a->adapter->server.log_bin ||
        !a->adapter->server.log_replica_updates) {
        actor_goto(a, ATTACH_SIDE);
        return;
    }
    if (mysql_attach_position(f->applied, a->reader.binlog_pos, position) != 0) {
        actor_end(a, JOB_FAILED, "gtid_slave_pos has too many members");
        return;
    }
    if (strcmp(position, f->applied) == 0) {
        actor_goto(a, ATTACH_SIDE);
        return;
    }
    LOG(&a->adapter->config.log, NOTICE, "mysql-position-set",
        "gtid_slave_pos is set to the binlog's position old=%s new=%s", f->applied, position);
    (void)snprintf(sql, sizeof sql, "SET GLOBAL gtid_slave_pos='%s'", position);
    actor_sql(a, ATTACH_SIDE, sql);
}

static void attach_change(struct mysql_actor *a)
{
    const struct mysql_config *config = &a->adapter->config;
    struct dialect_source source = {a->order.job.host, a->order.job.port, config->replication_user,
                                    config->replication_password};
    char sql[1500];
    if (dialect_change_source(actor_dialect(a), &source, /* level= */ false, sql, sizeof sql) != 0)
        actor_end(a, JOB_FAILED, "statement too long");
    else
        actor_sql_tolerant(a, ATTACH_CHANGED, sql);
    explicit_bzero(sql, sizeof sql);
}

/*
 * What the server noted of its channel cannot be read: files that a crash has emptied, since they
 * are synced now and then only. ER_MASTER_INFO (MariaDB, MySQL), and what MySQL says of the
 * connection's part and of the applier's. It refuses everything but to forget the channel.
 */
static bool attach_is_unreadable(uint32_t sql_errno)
{
    return sql_errno == 1201 || sql_errno == 1871 || sql_errno == 1872;
}

/* The statement's answer. By GTID nothing is lost with the channel: what it had received and not
 * applied was looked at before. */
static void attach_answered(struct mysql_actor *a, int next)
{
    const struct mysql_reply *reply = a->reply;
    if (reply->err == 0) {
        if (next == ATTACH_STARTED)
            actor_sql_tolerant(a, next, dialect_word(actor_dialect(a), WORD_START));
        else
            actor_goto(a, next);
    } else if (attach_is_unreadable(reply->sql_errno) && !a->renewed) {
        a->renewed = true;
        LOG(&a->adapter->config.log, WARNING, "channel-renewed",
            "the server cannot read what it noted of its channel, which is made anew errno=%u "
            "error='%s'",
            reply->sql_errno, reply->error);
        actor_word(a, ATTACH_CHANGE, WORD_RESET_ALL);
    } else {
        a->result.sql_errno = reply->sql_errno;
        actor_end(a, JOB_FAILED, "%s", reply->error);
    }
}

static void attach_verify(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    if (f->io == THREAD_RUNNING && f->sql == THREAD_RUNNING && attach_is_same(a) &&
        replica_side_is(a, f))
        actor_done(a);
    else if ((f->io == THREAD_STOPPED && f->io_errno != 0) ||
             (f->sql == THREAD_STOPPED && f->sql_errno != 0))
        actor_end(a, JOB_FAILED, "replication has stopped: %s", f->error);
    else
        actor_wait(a, ATTACH_VERIFY_READ);
}

static void attach_step_same(struct mysql_actor *a)
{
    bool differs = actor_facts(a)->replica_side != a->order.job.flag;
    switch (a->state) {
    case ATTACH_SAME:
        attach_same(a);
        break;
    case ATTACH_SAME_SIDE:
        if (differs)
            replica_side_set(a, ATTACH_SAME_START);
        else
            actor_goto(a, ATTACH_SAME_START);
        break;
    default:
        actor_word(a, ATTACH_VERIFY_READ, WORD_START_IO);
        break;
    }
}

static void attach_step_other(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    switch (a->state) {
    case ATTACH_OTHER:
        if (f->channel && f->io != THREAD_STOPPED)
            actor_stop_io(a, ATTACH_READ);
        else
            actor_goto(a, ATTACH_CHECK);
        break;
    case ATTACH_READ:
        actor_read(a, ATTACH_CHECK, FACTS_WANT_ALL);
        break;
    case ATTACH_CHECK:
        attach_check(a);
        break;
    case ATTACH_UNAPPLIED:
        attach_unapplied(a);
        break;
    case ATTACH_STOPPED:
        /* Read once more with both threads stopped: the positions must be final. */
        if (f->channel && f->sql != THREAD_STOPPED)
            actor_stop_sql(a, ATTACH_READ, WORD_STOP);
        else
            attach_position(a);
        break;
    case ATTACH_SIDE:
        if (f->replica_side != a->order.job.flag)
            replica_side_set(a, ATTACH_CHANGE);
        else
            actor_goto(a, ATTACH_CHANGE);
        break;
    case ATTACH_CHANGE:
        attach_change(a);
        break;
    case ATTACH_CHANGED:
        attach_answered(a, ATTACH_STARTED);
        break;
    default:
        attach_answered(a, ATTACH_VERIFY_READ);
        break;
    }
}

void job_attach_step(struct mysql_actor *a)
{
    switch (a->state) {
    case ATTACH_START:
        actor_read(a, ATTACH_LOOK, FACTS_WANT_ALL);
        break;
    case ATTACH_LOOK:
        if (replica_side_possible(a))
            actor_goto(a, attach_is_same(a) ? ATTACH_SAME : ATTACH_OTHER);
        break;
    case ATTACH_SAME:
    case ATTACH_SAME_SIDE:
    case ATTACH_SAME_START:
        attach_step_same(a);
        break;
    case ATTACH_VERIFY_READ:
        actor_read(a, ATTACH_VERIFY, FACTS_WANT_ALL);
        break;
    case ATTACH_VERIFY:
        attach_verify(a);
        break;
    default:
        attach_step_other(a);
        break;
    }
}
