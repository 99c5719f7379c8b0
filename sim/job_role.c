/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of io/mysql/mysql_jobs_role.c and mysql_jobs_sessions.c. */
#include "sim/world_private.h"

static const struct server_facts *facts(const struct world *w, unsigned node)
{
    return &w->host[node].facts;
}

static bool side_is(const struct world *w, unsigned node, const struct job *j)
{
    const struct server_facts *f = facts(w, node);
    if (!j->flag)
        return !f->source_side;
    return f->source_side && (w->mariadb || f->wait_count == j->count);
}

static bool side_is_possible(const struct world *w, const struct job *j)
{
    return !j->flag || (j->count != 0 && (!w->mariadb || j->count == 1));
}

void script_facts(struct world *w, unsigned node, struct job_running *run)
{
    if (run->state == 0)
        script_look(run, 1);
    else
        script_end(w, node, run, JOB_DONE);
}

void script_source_side(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, SET, VERIFY };
    bool is = side_is(w, node, &run->job);
    switch (run->state) {
    case START:
        script_look(run, LOOK);
        break;
    case LOOK:
        if (!side_is_possible(w, &run->job))
            script_end(w, node, run, JOB_REFUSED);
        else if (is)
            script_end(w, node, run, JOB_DONE);
        else
            script_flag(run, SET, SQL_SOURCE_SIDE, run->job.flag);
        break;
    case SET:
        script_look(run, VERIFY);
        break;
    default:
        script_end(w, node, run, is ? JOB_DONE : JOB_FAILED);
    }
}

static void open_look(struct world *w, unsigned node, struct job_running *run, int set, int read)
{
    const struct server_facts *f = facts(w, node);
    if (!side_is_possible(w, &run->job) || (f->channel && f->io != THREAD_STOPPED))
        script_end(w, node, run, JOB_REFUSED);
    else if (side_is(w, node, &run->job))
        script_goto(w, node, run, read);
    else
        script_flag(run, set, SQL_SOURCE_SIDE, run->job.flag);
}

void script_open(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, SET, READ, OPENED, EVENTS, VERIFY };
    switch (run->state) {
    case START:
        script_look(run, LOOK);
        break;
    case LOOK:
        open_look(w, node, run, SET, READ);
        break;
    case SET:
        script_look(run, READ);
        break;
    case READ:
        if (!side_is(w, node, &run->job))
            script_end(w, node, run, JOB_FAILED);
        else
            script_sql(run, OPENED, SQL_READ_ONLY_OFF);
        break;
    case OPENED:
        w->host[node].server.events_on = run->job.events;
        script_goto(w, node, run, EVENTS);
        break;
    case EVENTS:
        script_look(run, VERIFY);
        break;
    default:
        if (facts(w, node)->read_only || !side_is(w, node, &run->job))
            script_end(w, node, run, JOB_FAILED);
        else
            script_end(w, node, run, JOB_DONE);
    }
}

void script_close(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, SET, VERIFY };
    const struct server_facts *f = facts(w, node);
    switch (run->state) {
    case START:
        script_look(run, LOOK);
        break;
    case LOOK:
        w->host[node].server.events_on = false;
        script_sql(run, SET, SQL_READ_ONLY_ON);
        break;
    case SET:
        script_look(run, VERIFY);
        break;
    default:
        if (!f->read_only)
            script_end(w, node, run, JOB_FAILED);
        else if (f->wait_sessions > 0)
            script_wait(run, SET);
        else
            script_end(w, node, run, JOB_DONE);
    }
}

void script_close_clients(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, SWEPT, END };
    const struct server_facts *f = facts(w, node);
    switch (run->state) {
    case START:
        script_look(run, LOOK);
        break;
    case LOOK:
        if (!f->read_only)
            script_end(w, node, run, JOB_REFUSED);
        else if (f->wait_sessions > 0)
            script_wait(run, START);
        else
            script_sql(run, SWEPT, SQL_KILL_CLIENTS);
        break;
    case SWEPT:
        script_look(run, END);
        break;
    default:
        script_end(w, node, run, JOB_DONE);
    }
}

void script_evict(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, SWEPT, END };
    int who = sim_node_of(w, run->job.host);
    switch (run->state) {
    case START:
        if (who < 0)
            script_end(w, node, run, JOB_FAILED);
        else
            script_node(run, SWEPT, SQL_KILL_DUMP, (unsigned)who);
        break;
    case SWEPT:
        script_look(run, END);
        break;
    default:
        script_end(w, node, run, JOB_DONE);
    }
}

static bool is_received(const struct world *w, unsigned node, const struct job *j)
{
    struct gtid_set received, written;
    return gtid_parse(j->gtid, GTID_MARIADB, &received) == 0 &&
           gtid_parse(facts(w, node)->executed, GTID_MARIADB, &written) == 0 &&
           gtid_contains(&received, &written);
}

void script_unblock(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, KILLED, END };
    const struct server *s = &w->host[node].server;
    switch (run->state) {
    case START:
        run->job.count = s->n_waiters > 0 ? s->binlog.id[s->committed] : TXN_NONE;
        script_look(run, LOOK);
        break;
    case LOOK:
        if (run->job.count == TXN_NONE)
            script_end(w, node, run, JOB_DONE);
        else if (!is_received(w, node, &run->job))
            script_end(w, node, run, JOB_REFUSED);
        else
            script_flag(run, KILLED, SQL_KILL_WAITER, /* flag= */ false);
        break;
    case KILLED:
        script_look(run, END);
        break;
    default:
        script_end(w, node, run, JOB_DONE);
    }
}
