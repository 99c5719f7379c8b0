/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of io/mysql/mysql_jobs_replication.c. */
#include <string.h>

#include "sim/world_private.h"

static const struct server_facts *facts(const struct world *w, unsigned node)
{
    return &w->host[node].facts;
}

static bool start_keeps_relay_log(const struct world *w, const struct server_facts *f)
{
    return !w->mariadb || f->io != THREAD_STOPPED || f->sql != THREAD_STOPPED;
}

/* ---- SEAL ---- */

static void seal_look(struct world *w, unsigned node, struct job_running *run, int applier,
                      int swept)
{
    const struct server_facts *f = facts(w, node);
    if (!f->channel)
        script_goto(w, node, run, swept);
    else if (f->sql == THREAD_STOPPED && !f->drained && !start_keeps_relay_log(w, f))
        script_end(w, node, run, JOB_REFUSED);
    else if (f->sql == THREAD_STOPPED && f->sql_errno == 0 && start_keeps_relay_log(w, f))
        script_sql(run, applier, SQL_START_SQL);
    else
        script_goto(w, node, run, applier);
}

static void seal_verify(struct world *w, unsigned node, struct job_running *run, int swept)
{
    const struct server_facts *f = facts(w, node);
    if (f->io == THREAD_STOPPED && run->tried && strcmp(run->received, f->received) == 0) {
        script_end(w, node, run, JOB_DONE);
        return;
    }
    run->tried = f->io == THREAD_STOPPED;
    memcpy(run->received, f->received, sizeof run->received);
    script_wait(run, swept);
}

void script_seal(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, APPLIER, SWEPT, VERIFY };
    switch (run->state) {
    case START:
        script_look(run, LOOK);
        break;
    case LOOK:
        seal_look(w, node, run, APPLIER, SWEPT);
        break;
    case APPLIER:
        if (facts(w, node)->io != THREAD_STOPPED)
            script_sql(run, SWEPT, SQL_STOP_IO);
        else
            script_goto(w, node, run, SWEPT);
        break;
    case SWEPT:
        script_look(run, VERIFY);
        break;
    default:
        seal_verify(w, node, run, SWEPT);
    }
}

/* ---- DRAIN ---- */

void script_drain(struct world *w, unsigned node, struct job_running *run)
{
    enum { READ, LOOK, END };
    const struct server_facts *f = facts(w, node);
    switch (run->state) {
    case READ:
        script_look(run, LOOK);
        break;
    case LOOK:
        if (f->drained)
            script_look(run, END);
        else if (f->sql != THREAD_STOPPED)
            script_wait(run, READ);
        else if (f->sql_errno != 0 || !start_keeps_relay_log(w, f))
            script_end(w, node, run, JOB_FAILED);
        else
            script_sql(run, READ, SQL_START_SQL);
        break;
    default:
        script_end(w, node, run, JOB_DONE);
    }
}

/* ---- FORGET ---- */

void script_forget(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, STOPPED_IO, CHECK, RESET, RESET_READ, VERIFY };
    const struct server_facts *f = facts(w, node);
    const struct channel *ch = w->host[node].server.channel;
    bool any = ch[0].made || ch[1].made;
    bool may = f->drained || run->job.flag;
    switch (run->state) {
    case START:
        script_look(run, LOOK);
        break;
    case LOOK:
        if (!any)
            script_end(w, node, run, JOB_DONE);
        else if (!may)
            script_end(w, node, run, JOB_REFUSED);
        else if (f->io != THREAD_STOPPED)
            script_sql(run, STOPPED_IO, SQL_STOP_IO);
        else
            script_goto(w, node, run, CHECK);
        break;
    case STOPPED_IO:
        script_look(run, CHECK);
        break;
    case CHECK:
        if (!may)
            script_end(w, node, run, JOB_REFUSED);
        else
            script_sql(run, RESET, SQL_STOP);
        break;
    case RESET:
        script_sql(run, RESET_READ, SQL_RESET_ALL);
        break;
    case RESET_READ:
        script_look(run, VERIFY);
        break;
    default:
        script_end(w, node, run, any ? JOB_FAILED : JOB_DONE);
    }
}

/* ---- DETACH ---- */

void script_detach(struct world *w, unsigned node, struct job_running *run)
{
    enum { START, LOOK, STOPPED_IO, CHECK, STOPPED, VERIFY };
    const struct server_facts *f = facts(w, node);
    bool stopped = f->io == THREAD_STOPPED && f->sql == THREAD_STOPPED;
    switch (run->state) {
    case START:
        script_look(run, LOOK);
        break;
    case LOOK:
        if (!f->channel || stopped)
            script_end(w, node, run, JOB_DONE);
        else if (f->io != THREAD_STOPPED)
            script_sql(run, STOPPED_IO, SQL_STOP_IO);
        else
            script_goto(w, node, run, CHECK);
        break;
    case STOPPED_IO:
        script_look(run, CHECK);
        break;
    case CHECK:
        if (w->mariadb && !f->drained && f->sql != THREAD_STOPPED)
            script_wait(run, STOPPED_IO);
        else
            script_sql(run, STOPPED, SQL_STOP);
        break;
    case STOPPED:
        script_look(run, VERIFY);
        break;
    default:
        if (stopped)
            script_end(w, node, run, JOB_DONE);
        else
            script_wait(run, STOPPED);
    }
}

/* ---- LEVEL ---- */

#define LEVEL_PERCENT 66

enum {
    LEVEL_START,
    LEVEL_LOOK,
    LEVEL_CLEAN,
    LEVEL_SIDE,
    LEVEL_CHANGE,
    LEVEL_STARTED,
    LEVEL_READ,
    LEVEL_POLL,
    LEVEL_UNDO,
    LEVEL_STOPPED,
    LEVEL_RESET,
    LEVEL_VERIFY
};

static bool level_reached(const struct world *w, unsigned node, const struct job *j)
{
    enum gtid_flavour flavour = w->mariadb ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set executed, wanted;
    return gtid_parse(facts(w, node)->executed, flavour, &executed) == 0 &&
           gtid_parse(j->gtid, flavour, &wanted) == 0 && gtid_contains(&executed, &wanted);
}

static void level_look(struct world *w, unsigned node, struct job_running *run)
{
    const struct server_facts *f = facts(w, node);
    bool left = w->host[node].server.channel[1].made;
    if (f->io != THREAD_STOPPED || sim_node_of(w, run->job.host) < 0)
        script_end(w, node, run, JOB_REFUSED);
    else if (level_reached(w, node, &run->job) && !left)
        script_end(w, node, run, JOB_DONE);
    else if (!left && !f->drained)
        script_end(w, node, run, JOB_REFUSED);
    else if (left)
        script_sql(run, LEVEL_CLEAN, SQL_LEVEL_STOP);
    else
        script_goto(w, node, run, LEVEL_SIDE);
}

static void level_poll(struct world *w, unsigned node, struct job_running *run)
{
    const struct channel *ch = &w->host[node].server.channel[1];
    if (level_reached(w, node, &run->job) || !ch->made || (!ch->sql && ch->sql_errno != 0) ||
        (!ch->io && ch->io_errno != 0)) {
        run->noted = level_reached(w, node, &run->job) ? JOB_DONE : JOB_FAILED;
        script_phase(run, 100, 0);
        script_goto(w, node, run, LEVEL_UNDO);
    } else {
        script_wait(run, LEVEL_READ);
    }
}

static void level_undo(struct world *w, unsigned node, struct job_running *run)
{
    switch (run->state) {
    case LEVEL_UNDO:
        script_sql(run, LEVEL_STOPPED, SQL_LEVEL_STOP);
        run->tolerant = true;
        break;
    case LEVEL_STOPPED:
        script_sql(run, LEVEL_RESET, SQL_LEVEL_RESET);
        run->tolerant = true;
        break;
    case LEVEL_RESET:
        script_look(run, LEVEL_VERIFY);
        break;
    default:
        script_end(w, node, run, w->host[node].server.channel[1].made ? JOB_FAILED : run->noted);
    }
}

void script_level(struct world *w, unsigned node, struct job_running *run)
{
    switch (run->state) {
    case LEVEL_START:
        script_look(run, LEVEL_LOOK);
        break;
    case LEVEL_LOOK:
        level_look(w, node, run);
        break;
    case LEVEL_CLEAN:
        script_sql(run, LEVEL_SIDE, SQL_LEVEL_RESET);
        break;
    case LEVEL_SIDE:
        if (facts(w, node)->replica_side)
            script_flag(run, LEVEL_CHANGE, SQL_REPLICA_SIDE, false);
        else
            script_goto(w, node, run, LEVEL_CHANGE);
        break;
    case LEVEL_CHANGE:
        script_phase(run, LEVEL_PERCENT, LEVEL_UNDO);
        script_node(run, LEVEL_STARTED, SQL_LEVEL_CHANGE, (unsigned)sim_node_of(w, run->job.host));
        break;
    case LEVEL_STARTED:
        script_sql(run, LEVEL_READ, SQL_LEVEL_START);
        break;
    case LEVEL_READ:
        script_look(run, LEVEL_POLL);
        break;
    case LEVEL_POLL:
        level_poll(w, node, run);
        break;
    default:
        level_undo(w, node, run);
    }
}
