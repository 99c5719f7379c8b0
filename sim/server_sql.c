/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of action sessions. One that was sent is executed when it reaches the server, whatever
 * became of its sender meanwhile; the sender's successor takes the session lock only when it has
 * ended (S10).
 */
#include <assert.h>
#include <string.h>

#include "sim/world_private.h"

#define LOCK_WAIT_US 1000000

static const char *const statement_texts[SQL_COUNT] = {
    "none",         "START IO_THREAD", "START SQL_THREAD", "START REPLICA",  "STOP IO_THREAD",
    "STOP REPLICA", "RESET ALL",       "CHANGE SOURCE",    "gtid_slave_pos", "CHANGE level",
    "START level",  "STOP level",      "RESET level",      "read_only=1",    "read_only=0",
    "source side",  "replica side",    "KILL dump",        "KILL clients",
};

const char *sim_statement_text(int kind)
{
    return statement_texts[kind];
}

/* ---- relay logs ---- */

void sim_relay_purge(struct world *w, unsigned node, unsigned c)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    struct txn_list lost = ch->relay;
    unsigned from = ch->applied;
    list_cut(&ch->relay, 0);
    ch->applied = ch->burst = 0;
    for (unsigned i = from; i < lost.count; i++)
        sim_check_drop(w, node, lost.id[i]);
    if (lost.count > from)
        sim_story(w, "%s: relay log thrown away, %u transactions", sim_name(w, node),
                  lost.count - from);
    book_init(&ch->retrieved, w->mariadb);
    ch->have_io_pos = false;
}

/* MariaDB throws the relay log away whenever a thread starts while both are stopped. */
static void start_thread(struct world *w, unsigned node, unsigned c, bool io, bool sql)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    if (w->mariadb && !ch->io && !ch->sql) {
        sim_relay_purge(w, node, c);
        ch->have_io_pos = s->have_slave_pos;
        ch->io_pos = s->slave_pos;
    }
    if (io && !ch->io) {
        ch->io = true;
        ch->io_semi = s->replica_side;
        ch->connected = false;
        ch->retry_us = 0;
        ch->io_errno = 0;
    }
    if (sql && !ch->sql) {
        ch->sql = true;
        ch->sql_errno = 0;
    }
}

void sim_start_threads(struct world *w, unsigned node, bool io, bool sql)
{
    start_thread(w, node, 0, io, sql);
}

void sim_stop_threads(struct world *w, unsigned node, unsigned c, bool io, bool sql)
{
    struct channel *ch = &w->host[node].server.channel[c];
    if (io && ch->io) {
        ch->io = false;
        sim_disconnect(w, node, c, 0);
    }
    if (sql)
        ch->sql = false;
}

bool sim_applier_is_stuck(const struct server *s)
{
    for (unsigned i = 0; i < s->n_waiters; i++) {
        if (s->waiter[i].kind == WAITER_APPLIER)
            return true;
    }
    return false;
}

/* ---- one kind each ---- */

static int run_change(struct world *w, unsigned node, unsigned c, unsigned source)
{
    struct channel *ch = &w->host[node].server.channel[c];
    if (ch->made && (ch->io || ch->sql))
        return STATEMENT_ERROR; /* 1198: the threads must be stopped */
    sim_relay_purge(w, node, c);
    ch->made = true;
    ch->source = source;
    ch->io_errno = ch->sql_errno = 0;
    ch->connected = false;
    return STATEMENT_OK;
}

static int run_reset(struct world *w, unsigned node, unsigned c)
{
    struct channel *ch = &w->host[node].server.channel[c];
    if (ch->io || ch->sql)
        return STATEMENT_ERROR;
    sim_relay_purge(w, node, c);
    ch->made = false;
    return STATEMENT_OK;
}

static int run_start(struct world *w, unsigned node, unsigned c, bool io, bool sql)
{
    if (!w->host[node].server.channel[c].made)
        return STATEMENT_ERROR;
    start_thread(w, node, c, io, sql);
    return STATEMENT_OK;
}

/* STOP of the SQL thread waits for the event that it is applying. */
static int run_stop(struct world *w, unsigned node, unsigned c)
{
    struct server *s = &w->host[node].server;
    if (sim_applier_is_stuck(s))
        return STATEMENT_SENT;
    sim_stop_threads(w, node, c, true, true);
    return STATEMENT_OK;
}

static int run_read_only(struct world *w, unsigned node, struct sql_statement *st)
{
    struct server *s = &w->host[node].server;
    if (s->n_waiters == 0 && !s->busy) {
        s->read_only = true;
        return STATEMENT_OK;
    }
    if (st->lock_us == 0)
        st->lock_us = w->now_us + LOCK_WAIT_US;
    return w->now_us >= st->lock_us ? STATEMENT_ERROR : STATEMENT_SENT;
}

static int run_slave_pos(struct world *w, unsigned node, const struct sql_statement *st)
{
    struct server *s = &w->host[node].server;
    if (s->channel[0].io || s->channel[0].sql)
        return STATEMENT_ERROR;
    s->have_slave_pos = st->have_position;
    s->slave_pos = st->position;
    return STATEMENT_OK;
}

static void run_kill_dump(struct world *w, unsigned node, unsigned replica)
{
    memset(w->host[node].server.dump[replica], 0, sizeof w->host[node].server.dump[replica]);
}

static int run_side(struct world *w, unsigned node, const struct sql_statement *st)
{
    struct server *s = &w->host[node].server;
    sim_set_source_side(s, st->flag);
    s->by_hand = s->by_hand && !st->flag;
    if (st->flag)
        s->wait_count = w->mariadb ? 1 : st->count;
    sim_release(w, node);
    return STATEMENT_OK;
}

static int run_channel(struct world *w, unsigned node, const struct sql_statement *st)
{
    switch (st->kind) {
    case SQL_START_IO:
        return run_start(w, node, 0, true, false);
    case SQL_START_SQL:
        return run_start(w, node, 0, false, true);
    case SQL_START:
        return run_start(w, node, 0, true, true);
    case SQL_STOP_IO:
        sim_stop_threads(w, node, 0, true, false);
        return STATEMENT_OK;
    case SQL_STOP:
        return run_stop(w, node, 0);
    case SQL_RESET_ALL:
        return run_reset(w, node, 0) == STATEMENT_OK ? run_reset(w, node, 1) : STATEMENT_ERROR;
    case SQL_CHANGE:
        return run_change(w, node, 0, st->node);
    case SQL_LEVEL_CHANGE:
        return run_change(w, node, 1, st->node);
    case SQL_LEVEL_START:
        return run_start(w, node, 1, true, true);
    case SQL_LEVEL_STOP:
        return run_stop(w, node, 1);
    default:
        return run_reset(w, node, 1);
    }
}

static int run(struct world *w, unsigned node, struct sql_statement *st)
{
    struct server *s = &w->host[node].server;
    switch (st->kind) {
    case SQL_SLAVE_POS:
        return run_slave_pos(w, node, st);
    case SQL_READ_ONLY_ON:
        return run_read_only(w, node, st);
    case SQL_READ_ONLY_OFF:
        s->read_only = false;
        return STATEMENT_OK;
    case SQL_SOURCE_SIDE:
        return run_side(w, node, st);
    case SQL_REPLICA_SIDE:
        s->replica_side = st->flag;
        return STATEMENT_OK;
    case SQL_KILL_DUMP:
        run_kill_dump(w, node, st->node);
        return STATEMENT_OK;
    case SQL_KILL_CLIENTS:
        sim_clients_drop(w, node);
        return STATEMENT_OK;
    case SQL_KILL_WAITER:
        sim_end_wait(w, node, st->count);
        return STATEMENT_OK;
    default:
        return run_channel(w, node, st);
    }
}

/* ---- a statement's life ---- */

static void statement_run(struct world *w, unsigned node, struct sql_statement *st)
{
    struct server *s = &w->host[node].server;
    if (st->state != STATEMENT_SENT || w->now_us < st->at_us || !sim_answers(s))
        return;
    /* A KILL ends what waits for a lock; what runs through is quicker. */
    if (st->killed && st->lock_us != 0) {
        st->state = STATEMENT_ERROR;
        return;
    }
    sim_check_statement(w, node, st, /* before= */ true);
    st->state = run(w, node, st);
    if (st->state == STATEMENT_OK)
        sim_check_statement(w, node, st, /* before= */ false);
}

/* Its sender is gone or has given it up. */
void sim_statement_orphan(struct world *w, unsigned node, const struct sql_statement *st)
{
    struct server *s = &w->host[node].server;
    if (st->state != STATEMENT_SENT || !s->up)
        return;
    for (unsigned i = 0; i < ORPHANS_MAX; i++) {
        if (s->orphan[i].state == STATEMENT_SENT)
            continue;
        s->orphan[i] = *st;
        return;
    }
    assert(false && "too many sessions");
}

/* Whether their senders live or not. */
void sim_statements_run(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    for (unsigned i = 0; i < ORPHANS_MAX; i++)
        statement_run(w, node, &h->server.orphan[i]);
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (h->jobs[i].used)
            statement_run(w, node, &h->jobs[i].statement);
    }
}

/* KILL of every older action session; true when none is left. */
bool sim_orphans_kill(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    bool none = true;
    for (unsigned i = 0; i < ORPHANS_MAX; i++) {
        struct sql_statement *st = &s->orphan[i];
        if (st->state != STATEMENT_SENT)
            continue;
        st->killed = true;
        none = false;
    }
    return none;
}

static bool waits_for(const struct world *w, const struct sql_statement *st, int kind)
{
    return st->state == STATEMENT_SENT && st->kind == kind && w->now_us >= st->at_us;
}

bool sim_statement_waits(const struct world *w, unsigned node, int kind)
{
    const struct host *h = &w->host[node];
    for (unsigned i = 0; i < ORPHANS_MAX; i++) {
        if (waits_for(w, &h->server.orphan[i], kind))
            return true;
    }
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (h->jobs[i].used && waits_for(w, &h->jobs[i].statement, kind))
            return true;
    }
    return false;
}
