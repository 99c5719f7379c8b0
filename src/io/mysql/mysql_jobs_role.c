/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that open and close a server and switch the semi-sync source side. Each reads back what it
 * has set: a statement's OK alone proves nothing, and a flag alone neither (MySQL shows
 * super_read_only = 1 while the statement is still blocked).
 */
#include <string.h>

#include "io/mysql/mysql_internal.h"

static bool source_side_is(const struct mysql_actor *a, const struct server_facts *f)
{
    const struct job *job = &a->order.job;
    if (!job->flag)
        return !f->source_side;
    return f->source_side && f->after_sync && f->wait_no_replica && f->timeout_infinite &&
           (actor_is_mariadb(a) || f->wait_count == job->count);
}

/* The arguments can be met by this server at all; else ends the job. */
static bool source_side_possible(struct mysql_actor *a)
{
    const struct job *job = &a->order.job;
    if (job->flag && a->adapter->server.semi_source == SEMI_NONE)
        actor_end(a, JOB_REFUSED, "the semi-sync source plugin is not installed");
    else if (job->flag && (job->count == 0 || (actor_is_mariadb(a) && job->count != 1)))
        actor_end(a, JOB_REFUSED, "a wait count of %u is not possible here", job->count);
    else
        return true;
    return false;
}

static void source_side_set(struct mysql_actor *a, int next)
{
    char sql[600];
    const struct job *job = &a->order.job;
    if (!job->flag)
        actor_source_off(a, next);
    else if (dialect_source_side(actor_dialect(a), a->adapter->server.semi_source, /* on= */ true,
                                 job->count, sql, sizeof sql) != 0)
        actor_end(a, JOB_FAILED, "statement too long");
    else
        actor_sql(a, next, sql);
}

void job_source_side_step(struct mysql_actor *a)
{
    enum { START, LOOK, SET, VERIFY };
    switch (a->state) {
    case START:
        actor_read(a, LOOK, FACTS_WANT_ALL);
        break;
    case LOOK:
        if (!source_side_possible(a))
            break;
        if (source_side_is(a, actor_facts(a)))
            actor_done(a);
        else
            source_side_set(a, SET);
        break;
    case SET:
        actor_read(a, VERIFY, FACTS_WANT_ALL);
        break;
    default:
        if (source_side_is(a, actor_facts(a)))
            actor_done(a);
        else
            actor_end(a, JOB_FAILED, "semi-sync settings did not read back as they were set");
        break;
    }
}

/* ---- OPEN ---- */

static void open_look(struct mysql_actor *a, int set, int semi_set)
{
    const struct server_facts *f = actor_facts(a);
    if (!source_side_possible(a))
        return;
    /* A running channel on a writer brings back what a returned old source holds. */
    if (f->channel && f->io != THREAD_STOPPED)
        actor_end(a, JOB_REFUSED, "the channel from %s is still running", f->source_host);
    else if (source_side_is(a, f))
        actor_goto(a, semi_set);
    else
        source_side_set(a, set);
}

static void open_events(struct mysql_actor *a, int next)
{
    const struct server_facts *f = actor_facts(a);
    if (f->events_on == a->order.job.events)
        actor_goto(a, next);
    else
        actor_sql(a, next,
                  a->order.job.events ? "SET GLOBAL event_scheduler=ON"
                                      : "SET GLOBAL event_scheduler=OFF");
}

void job_open_step(struct mysql_actor *a)
{
    enum { START, LOOK, SET, SEMI_READ, OPENED, EVENTS, VERIFY };
    const struct server_facts *f = actor_facts(a);
    switch (a->state) {
    case START:
        actor_read(a, LOOK, FACTS_WANT_ALL);
        break;
    case LOOK:
        open_look(a, SET, SEMI_READ);
        break;
    case SET:
        actor_read(a, SEMI_READ, FACTS_WANT_VARS);
        break;
    case SEMI_READ:
        if (!source_side_is(a, f))
            actor_end(a, JOB_FAILED, "semi-sync settings did not read back; not opened");
        else
            actor_word(a, OPENED, WORD_READ_ONLY_OFF);
        break;
    case OPENED:
        open_events(a, EVENTS);
        break;
    case EVENTS:
        actor_read(a, VERIFY, FACTS_WANT_ALL);
        break;
    default:
        if (f->read_only || !source_side_is(a, f))
            actor_end(a, JOB_FAILED, "read_only or semi-sync did not read back as they were set");
        else if (f->events_on != a->order.job.events)
            actor_end(a, JOB_FAILED, "event_scheduler did not read back as it was set");
        else
            actor_done(a);
        break;
    }
}

/* ---- CLOSE ---- */

/*
 * While the statement waits every new write waits too: it is bounded by the session's
 * lock_wait_timeout and by the job's time. What could not be done is not taken back: that would
 * open a server, and whether it may be open is not known here any more (S4). Whoever wants it open
 * again asks for OPEN, whose session first ends a statement that this one has left.
 */
enum { CLOSE_START, CLOSE_LOOK, CLOSE_EVENTS, CLOSE_SET, CLOSE_VERIFY };

static void close_look(struct mysql_actor *a)
{
    /* Events whose definer may bypass read_only would go on writing. Tolerant: without
     * the privilege this shows in the facts and does not stop the switchover. */
    if (actor_facts(a)->events_on)
        actor_sql_tolerant(a, CLOSE_EVENTS, "SET GLOBAL event_scheduler=OFF");
    else
        actor_goto(a, CLOSE_EVENTS);
}

static void close_verify(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    if (!f->read_only)
        actor_end(a, JOB_FAILED, "read_only did not read back");
    else if (f->wait_sessions > 0)
        actor_wait(a, CLOSE_SET);
    else
        actor_done(a);
}

void job_close_step(struct mysql_actor *a)
{
    switch (a->state) {
    case CLOSE_START:
        actor_read(a, CLOSE_LOOK, FACTS_WANT_ALL);
        break;
    case CLOSE_LOOK:
        close_look(a);
        break;
    case CLOSE_EVENTS:
        actor_word(a, CLOSE_SET, WORD_READ_ONLY_ON);
        break;
    case CLOSE_SET:
        actor_read(a, CLOSE_VERIFY, FACTS_WANT_ALL);
        break;
    default:
        close_verify(a);
        break;
    }
}

/* ---- FACTS ---- */

void job_facts_step(struct mysql_actor *a)
{
    enum { START, END };
    if (a->state == START)
        actor_read(a, END, FACTS_WANT_ALL | FACTS_WANT_SETTINGS);
    else
        actor_done(a);
}
