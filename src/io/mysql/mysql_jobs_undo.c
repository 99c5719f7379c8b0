/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNDO: carries out a script (wire/undo.h) in the action session. The first check that fails, or
 * the first statement that the server refuses, ends the work; the rest of the script, which puts
 * the session and the server back, is run in any case, on a new session if the old one was lost.
 */
#include <stdlib.h>
#include <string.h>

#include "io/mysql/mysql_internal.h"
#include "wire/undo.h"

#define UNDO_WORK_PERCENT 90

enum { UNDO_START, UNDO_LOOK, UNDO_NEXT, UNDO_CHECK, UNDO_LEFT, UNDO_REST, UNDO_READ, UNDO_END };

static void undo_note(struct mysql_actor *a, int outcome, enum undo_reason reason, const char *what)
{
    a->result.outcome = outcome;
    (void)snprintf(a->result.detail, sizeof a->result.detail, "%s: %s%s%.120s",
                   undo_reason_id(reason), undo_reason_text(reason), what[0] != '\0' ? ": " : "",
                   what);
}

/* Nobody else may write, or give this server something to apply. NULL if so, else who may. */
static const char *undo_is_open(const struct server_facts *f)
{
    if (!f->read_only)
        return "read_only is off";
    if (f->source_side || f->wait_sessions != 0)
        return "its semi-sync source side is on";
    if (f->io != THREAD_STOPPED || f->sql != THREAD_STOPPED)
        return "a replication thread runs";
    if (f->xa_prepared == XA_PREPARED_UNKNOWN)
        return "prepared XA transactions are not seen without XA_RECOVER_ADMIN";
    return f->xa_prepared != 0 ? "prepared XA transactions are left" : NULL;
}

static void undo_look(struct mysql_actor *a)
{
    const char *open = undo_is_open(actor_facts(a));
    a->script_at = 0;
    if (open != NULL) {
        undo_note(a, JOB_REFUSED, UNDO_REASON_WRITABLE, open);
        actor_undone(a);
        return;
    }
    actor_phase(a, UNDO_WORK_PERCENT, UNDO_LEFT);
    actor_goto(a, UNDO_NEXT);
}

static void undo_send(struct mysql_actor *a, int next)
{
    const struct undo_step *s = &a->script->steps[a->script_at];
    actor_sql_long(a, next, a->script->text + s->sql, s->size);
}

static void undo_next(struct mysql_actor *a)
{
    if (a->script_at < a->script->n_work) {
        undo_send(a, UNDO_CHECK);
        return;
    }
    a->result.outcome = JOB_DONE;
    a->result.count = a->script->groups;
    actor_goto(a, UNDO_LEFT);
}

/* Waits of the moment: the same script may go through later. */
static bool undo_is_passing(uint32_t sql_errno)
{
    return sql_errno == 1205 || sql_errno == 1213 || sql_errno == 1317;
}

static void undo_check(struct mysql_actor *a)
{
    const struct undo_step *s = &a->script->steps[a->script_at];
    const struct mysql_reply *reply = a->reply;
    struct sql_row row;
    if (reply->err != 0) {
        a->result.sql_errno = reply->sql_errno;
        undo_note(a, undo_is_passing(reply->sql_errno) ? JOB_FAILED : JOB_REFUSED,
                  UNDO_REASON_SERVER, reply->error);
        actor_goto(a, a->script_at > 0 ? UNDO_LEFT : UNDO_READ);
        return;
    }
    if (s->reason != UNDO_REASON_OK && (!mysql_fetch(reply->rows, &row) || row.values[0] == NULL ||
                                        strtoull(row.values[0], NULL, 10) != s->expect)) {
        undo_note(a, JOB_REFUSED, s->reason, "");
        actor_goto(a, UNDO_LEFT);
        return;
    }
    a->script_at++;
    actor_goto(a, UNDO_NEXT);
}

void job_undo_step(struct mysql_actor *a)
{
    switch (a->state) {
    case UNDO_START:
        actor_read(a, UNDO_LOOK, FACTS_WANT_ALL);
        break;
    case UNDO_LOOK:
        undo_look(a);
        break;
    case UNDO_NEXT:
        undo_next(a);
        break;
    case UNDO_CHECK:
        undo_check(a);
        break;
    case UNDO_LEFT:
        actor_phase(a, 100, 0);
        a->script_at = a->script->n_work;
        actor_goto(a, UNDO_REST);
        break;
    case UNDO_REST:
        if (a->script_at < a->script->n_steps)
            undo_send(a, UNDO_REST);
        else
            actor_goto(a, UNDO_READ);
        a->script_at++;
        break;
    case UNDO_READ:
        actor_read(a, UNDO_END, FACTS_WANT_ALL);
        break;
    default:
        actor_undone(a);
        break;
    }
}
