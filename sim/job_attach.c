/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of io/mysql/mysql_jobs_attach.c. */
#include "sim/world_private.h"

static const struct server_facts *facts(const struct world *w, unsigned node)
{
    return &w->host[node].facts;
}

static bool side_is(const struct server_facts *f, bool flag)
{
    if (f->replica_side != flag)
        return false;
    if (!f->channel || f->io == THREAD_STOPPED)
        return true;
    return f->replica_side_active == flag && (!flag || f->io == THREAD_RUNNING);
}

/* ---- REPLICA_SIDE ---- */

enum { SIDE_START, SIDE_LOOK, SIDE_RESTART, SIDE_STOPPED, SIDE_SET, SIDE_READ, SIDE_VERIFY };

static void side_look(struct world *w, unsigned node, struct job_running *run)
{
    const struct server_facts *f = facts(w, node);
    bool flag = run->job.flag;
    bool restart = f->channel && f->io != THREAD_STOPPED && f->replica_side_active != flag;
    if (!restart && f->replica_side == flag)
        script_goto(w, node, run, SIDE_READ);
    else if (!restart)
        script_flag(run, SIDE_READ, SQL_REPLICA_SIDE, flag);
    else if (f->sql == THREAD_STOPPED && f->sql_errno != 0)
        script_end(w, node, run, JOB_REFUSED);
    else if (f->sql == THREAD_STOPPED)
        script_sql(run, SIDE_RESTART, SQL_START_SQL);
    else
        script_goto(w, node, run, SIDE_RESTART);
}

void script_replica_side(struct world *w, unsigned node, struct job_running *run)
{
    const struct server_facts *f = facts(w, node);
    switch (run->state) {
    case SIDE_START:
        script_look(run, SIDE_LOOK);
        break;
    case SIDE_LOOK:
        side_look(w, node, run);
        break;
    case SIDE_RESTART:
        script_sql(run, SIDE_STOPPED, SQL_STOP_IO);
        break;
    case SIDE_STOPPED:
        script_flag(run, SIDE_SET, SQL_REPLICA_SIDE, run->job.flag);
        break;
    case SIDE_SET:
        script_sql(run, SIDE_READ, SQL_START_IO);
        break;
    case SIDE_READ:
        script_look(run, SIDE_VERIFY);
        break;
    default:
        if (side_is(f, run->job.flag))
            script_end(w, node, run, JOB_DONE);
        else if (f->io == THREAD_STOPPED && f->io_errno != 0)
            script_end(w, node, run, JOB_FAILED);
        else
            script_wait(run, SIDE_READ);
    }
}

/* ---- ATTACH ---- */

#define ATTACH_DRAIN_PERCENT 50

enum {
    ATTACH_START,
    ATTACH_LOOK,
    ATTACH_SAME,
    ATTACH_SAME_SIDE,
    ATTACH_SAME_START,
    ATTACH_OTHER,
    ATTACH_READ,
    ATTACH_CHECK,
    ATTACH_UNAPPLIED,
    ATTACH_STOPPED,
    ATTACH_SIDE,
    ATTACH_CHANGE,
    ATTACH_CHANGED,
    ATTACH_VERIFY_READ,
    ATTACH_VERIFY
};

static bool attach_is_same(const struct world *w, unsigned node, const struct job *j)
{
    const struct channel *ch = &w->host[node].server.channel[0];
    return ch->made && (int)ch->source == sim_node_of(w, j->host);
}

static void attach_same(struct world *w, unsigned node, struct job_running *run)
{
    const struct server_facts *f = facts(w, node);
    bool flag = run->job.flag;
    bool both_stopped = f->io == THREAD_STOPPED && f->sql == THREAD_STOPPED;
    bool afresh = w->mariadb && f->io == THREAD_STOPPED && f->drained;
    bool as_it_is = run->job.count != 0 && f->io == THREAD_RUNNING;
    if (both_stopped || afresh || (f->sql == THREAD_STOPPED && f->sql_errno != 0 && !as_it_is)) {
        script_goto(w, node, run, ATTACH_OTHER);
    } else if (f->sql == THREAD_STOPPED && !run->tried) {
        run->tried = true;
        script_sql(run, ATTACH_SAME, SQL_START_SQL);
    } else if (f->io == THREAD_STOPPED) {
        script_goto(w, node, run, ATTACH_SAME_SIDE);
    } else if (f->replica_side_active != flag) {
        script_sql(run, ATTACH_SAME_SIDE, SQL_STOP_IO);
    } else if (f->replica_side != flag) {
        script_flag(run, ATTACH_VERIFY_READ, SQL_REPLICA_SIDE, flag);
    } else {
        script_goto(w, node, run, ATTACH_VERIFY_READ);
    }
}

static void attach_check(struct world *w, unsigned node, struct job_running *run)
{
    const struct server_facts *f = facts(w, node);
    bool keeps = !w->mariadb || f->io != THREAD_STOPPED;
    int64_t half_us = run->start_us + (run->until_us - run->start_us) * ATTACH_DRAIN_PERCENT / 100;
    if (!f->channel || f->drained) {
        script_goto(w, node, run, ATTACH_STOPPED);
    } else if (f->sql == THREAD_STOPPED && f->sql_errno == 0 && keeps && !run->tried) {
        run->tried = true;
        script_sql(run, ATTACH_READ, SQL_START_SQL);
    } else if (f->sql != THREAD_STOPPED && w->now_us < half_us) {
        script_wait(run, ATTACH_READ);
    } else {
        script_goto(w, node, run, ATTACH_UNAPPLIED);
    }
}

static void attach_unapplied(struct world *w, unsigned node, struct job_running *run)
{
    enum gtid_flavour flavour = w->mariadb ? GTID_MARIADB : GTID_MYSQL;
    enum gtid_flavour whole = w->mariadb ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set received, source;
    bool refetched = gtid_parse(facts(w, node)->received, flavour, &received) == 0 &&
                     gtid_parse(run->job.gtid, whole, &source) == 0 && !gtid_is_empty(&received) &&
                     gtid_contains(&source, &received);
    const struct server_facts *f = facts(w, node);
    bool forgotten = w->mariadb && f->received[0] == '\0' && f->io == THREAD_STOPPED &&
                     f->sql == THREAD_STOPPED && run->job.gtid[0] != '\0';
    run->tried = true;
    if (refetched || forgotten || attach_is_same(w, node, &run->job))
        script_goto(w, node, run, ATTACH_STOPPED);
    else
        script_end(w, node, run, JOB_REFUSED);
}

/* MariaDB: the position is what the binlog ends with. */
static void attach_position(struct world *w, unsigned node, struct job_running *run)
{
    const struct server *s = &w->host[node].server;
    bool same = s->have_slave_pos == s->book.any &&
                (!s->book.any || gtid_one_equal(&s->slave_pos, &s->book.pos));
    if (!w->mariadb || !s->book.any || same) {
        script_goto(w, node, run, ATTACH_SIDE);
        return;
    }
    script_sql(run, ATTACH_SIDE, SQL_SLAVE_POS);
    run->statement.have_position = true;
    run->statement.position = s->book.pos;
}

static void attach_other(struct world *w, unsigned node, struct job_running *run)
{
    const struct server_facts *f = facts(w, node);
    switch (run->state) {
    case ATTACH_OTHER:
        if (f->channel && f->io != THREAD_STOPPED)
            script_sql(run, ATTACH_READ, SQL_STOP_IO);
        else
            script_goto(w, node, run, ATTACH_CHECK);
        break;
    case ATTACH_READ:
        script_look(run, ATTACH_CHECK);
        break;
    case ATTACH_CHECK:
        attach_check(w, node, run);
        break;
    case ATTACH_UNAPPLIED:
        attach_unapplied(w, node, run);
        break;
    case ATTACH_STOPPED:
        if (f->channel && f->sql != THREAD_STOPPED)
            script_sql(run, ATTACH_READ, SQL_STOP);
        else
            attach_position(w, node, run);
        break;
    case ATTACH_SIDE:
        if (f->replica_side != run->job.flag)
            script_flag(run, ATTACH_CHANGE, SQL_REPLICA_SIDE, run->job.flag);
        else
            script_goto(w, node, run, ATTACH_CHANGE);
        break;
    case ATTACH_CHANGE:
        script_node(run, ATTACH_CHANGED, SQL_CHANGE, (unsigned)sim_node_of(w, run->job.host));
        break;
    default:
        script_sql(run, ATTACH_VERIFY_READ, SQL_START);
    }
}

static void attach_verify(struct world *w, unsigned node, struct job_running *run)
{
    const struct server_facts *f = facts(w, node);
    if (f->io == THREAD_RUNNING && f->sql == THREAD_RUNNING && attach_is_same(w, node, &run->job) &&
        side_is(f, run->job.flag))
        script_end(w, node, run, JOB_DONE);
    else if ((f->io == THREAD_STOPPED && f->io_errno != 0) ||
             (f->sql == THREAD_STOPPED && f->sql_errno != 0))
        script_end(w, node, run, JOB_FAILED);
    else
        script_wait(run, ATTACH_VERIFY_READ);
}

void script_attach(struct world *w, unsigned node, struct job_running *run)
{
    switch (run->state) {
    case ATTACH_START:
        if (sim_node_of(w, run->job.host) < 0)
            script_end(w, node, run, JOB_FAILED);
        else
            script_look(run, ATTACH_LOOK);
        break;
    case ATTACH_LOOK:
        script_goto(w, node, run, attach_is_same(w, node, &run->job) ? ATTACH_SAME : ATTACH_OTHER);
        break;
    case ATTACH_SAME:
        attach_same(w, node, run);
        break;
    case ATTACH_SAME_SIDE:
        if (facts(w, node)->replica_side != run->job.flag)
            script_flag(run, ATTACH_SAME_START, SQL_REPLICA_SIDE, run->job.flag);
        else
            script_goto(w, node, run, ATTACH_SAME_START);
        break;
    case ATTACH_SAME_START:
        script_sql(run, ATTACH_VERIFY_READ, SQL_START_IO);
        break;
    case ATTACH_VERIFY_READ:
        script_look(run, ATTACH_VERIFY);
        break;
    case ATTACH_VERIFY:
        attach_verify(w, node, run);
        break;
    default:
        attach_other(w, node, run);
    }
}
