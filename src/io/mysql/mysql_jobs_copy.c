/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADOPT: a server that was started on a copy of another one's data. What it brought along is the
 * other's: its source (MySQL keeps that in tables), and on MariaDB positions that are older than
 * the copy. It starts with a binary log of its own.
 */
#include <stdio.h>

#include "io/mysql/mysql_internal.h"

enum { ADOPT_START, ADOPT_LOOK, ADOPT_RESET, ADOPT_STATE, ADOPT_POSITION, ADOPT_READ, ADOPT_END };

static void adopt_look(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    bool follows = f->io != THREAD_STOPPED || f->sql != THREAD_STOPPED;
    /* MariaDB's copy has no source: who follows one has been here before. */
    if (actor_is_mariadb(a) && (f->channel || f->foreign_channels))
        actor_done(a);
    else if (actor_is_mariadb(a))
        actor_goto(a, ADOPT_RESET);
    else if (follows || (!f->channel && !f->foreign_channels))
        actor_done(a);
    else
        actor_word(a, ADOPT_READ, WORD_RESET_ALL);
}

static void adopt_set(struct mysql_actor *a, int next, const char *variable, const char *value)
{
    char sql[GTID_TEXT_MAX + 64];
    char text[GTID_TEXT_MAX];
    if (dialect_escape(value, text, sizeof text) != 0) {
        actor_end(a, JOB_FAILED, "%s is too long", variable);
        return;
    }
    (void)snprintf(sql, sizeof sql, "SET GLOBAL %s='%s'", variable, text);
    actor_sql(a, next, sql);
}

void job_adopt_step(struct mysql_actor *a)
{
    switch (a->state) {
    case ADOPT_START:
        actor_read(a, ADOPT_LOOK, FACTS_WANT_ALL);
        break;
    case ADOPT_LOOK:
        adopt_look(a);
        break;
    case ADOPT_RESET:
        /* Also the server's own logs of earlier, where they lie outside of the data directory. */
        actor_sql(a, ADOPT_STATE, "RESET MASTER");
        break;
    case ADOPT_STATE:
        adopt_set(a, ADOPT_POSITION, "gtid_binlog_state", a->order.job.gtid2);
        break;
    case ADOPT_POSITION:
        adopt_set(a, ADOPT_READ, "gtid_slave_pos", a->order.job.gtid);
        break;
    case ADOPT_READ:
        actor_read(a, ADOPT_END, FACTS_WANT_ALL);
        break;
    default:
        actor_done(a);
        break;
    }
}
