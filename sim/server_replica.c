/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication: the IO threads with the dump threads that they speak to, and the SQL threads.
 *
 * A line that is cut silently is noticed late, by each side after its own time-out; until then the
 * dump thread is counted as a client and the IO thread as running. What was sent arrives as long as
 * that direction works; acknowledgements need the other one.
 */
#include <assert.h>

#include "sim/world_private.h"

#define REPLICA_TIMEOUT_US 8000000
#define SOURCE_TIMEOUT_US 10000000
#define RETRY_US 1000000
#define STRANGER_US 5000
#define FETCH_MAX 200  /* transactions in one millisecond */
#define WINDOW_MAX 100 /* sent although nothing comes back */
#define APPLY_MAX 100
#define APPLIERS 16
#define SLOW_PERMILLE 3 /* a slow thread works in so many milliseconds of a thousand */

static bool passes(const struct world *w, unsigned from, unsigned to)
{
    bool blocked =
        (w->host[from].blocked & (1u << to)) != 0 || (w->host[to].blocked & (1u << from)) != 0;
    return sim_passes(w, from, to) && !w->cut_sql[from][to] && !blocked;
}

static struct dump *dump_of(struct world *w, unsigned node, unsigned c)
{
    return &w->host[w->host[node].server.channel[c].source].server.dump[node][c];
}

static bool runs(const struct server *s)
{
    return s->up && !s->starting;
}

/* The other end of the connection is alive and is the process that was connected. */
static bool is_whole(struct world *w, unsigned node, unsigned c)
{
    const struct server *s = &w->host[node].server;
    const struct channel *ch = &s->channel[c];
    const struct server *o = &w->host[ch->source].server;
    const struct dump *d = dump_of(w, node, c);
    return runs(o) && o->pid == ch->source_pid && d->used && d->replica_pid == s->pid;
}

void sim_disconnect(struct world *w, unsigned node, unsigned c, int64_t retry_us)
{
    struct channel *ch = &w->host[node].server.channel[c];
    if (ch->connected && is_whole(w, node, c) && passes(w, node, ch->source))
        dump_of(w, node, c)->used = false;
    ch->connected = false;
    ch->retry_us = retry_us;
}

/* ---- attach of the IO thread ---- */

static void io_error(struct world *w, unsigned node, unsigned c, uint32_t number)
{
    struct channel *ch = &w->host[node].server.channel[c];
    ch->io = ch->connected = false;
    ch->io_errno = number;
    sim_story(w, "%s: IO thread stops with error %u", sim_name(w, node), number);
}

/* MariaDB, strict mode: the replica's position must be in the source's binlog. */
static bool cursor_mariadb(struct world *w, unsigned node, unsigned c, unsigned *ret_cursor)
{
    const struct server *s = &w->host[node].server;
    const struct channel *ch = &s->channel[c];
    const struct server *o = &w->host[ch->source].server;
    const struct gtid *pos = &ch->io_pos;
    if (!ch->have_io_pos) {
        *ret_cursor = 0;
        return true;
    }
    for (unsigned i = o->binlog.count; i > 0; i--) {
        const struct txn *t = sim_txn(w, o->binlog.id[i - 1]);
        if (t->number == pos->number && t->server + 1u == pos->server_id) {
            *ret_cursor = i;
            return true;
        }
    }
    return false;
}

/* MySQL sends what the replica lacks, in the order of the binlog, and objects only to GTIDs of its
 * own that it does not know. */
static bool cursor_mysql(struct world *w, unsigned node, unsigned c, unsigned *ret_cursor)
{
    const struct server *s = &w->host[node].server;
    const struct channel *ch = &s->channel[c];
    const struct server *o = &w->host[ch->source].server;
    unsigned i = 0;
    if (s->book.last[ch->source] > o->book.last[ch->source] && o->n_waiters == 0)
        return false;
    while (i < o->binlog.count &&
           (book_has(w, &s->book, o->binlog.id[i]) || book_has(w, &ch->retrieved, o->binlog.id[i])))
        i++;
    *ret_cursor = i;
    return true;
}

static void connect_io(struct world *w, unsigned node, unsigned c)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    struct server *o = &w->host[ch->source].server;
    struct dump *d = dump_of(w, node, c);
    unsigned cursor;
    bool known;
    if (w->now_us < ch->retry_us || !passes(w, node, ch->source) || !passes(w, ch->source, node))
        return;
    ch->retry_us = w->now_us + RETRY_US;
    if (!sim_answers(o) || ch->source == node)
        return;
    known = w->mariadb ? cursor_mariadb(w, node, c, &cursor) : cursor_mysql(w, node, c, &cursor);
    if (!known) {
        io_error(w, node, c, 1236);
        return;
    }
    /* Another connection of the same server ends the old one. MySQL: that it asks from here may
     * count as an acknowledgement of what lies before, or not. */
    *d = (struct dump){.used = true,
                       .semi = ch->io_semi,
                       .replica_pid = s->pid,
                       .ack_next = sim_chance(w, 500) && !w->mariadb ? cursor : 0,
                       .heard_us = w->now_us};
    ch->connected = true;
    ch->source_pid = o->pid;
    ch->cursor = cursor;
    ch->unheard = 0;
    ch->io_errno = 0;
    ch->seen_us = w->now_us;
    sim_check_connect(w, node, ch->source, cursor);
}

/* ---- the IO thread ---- */

static void receive(struct world *w, unsigned node, unsigned c, uint32_t id)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    const struct txn *t = sim_txn(w, id);
    if (w->mariadb) {
        ch->io_pos = sim_gtid(w, id);
        ch->have_io_pos = true;
    }
    /* Its own events are skipped; a semi-sync replica of MariaDB takes them back. */
    if (t->server == node && !(w->mariadb && ch->io_semi))
        return;
    list_add(&ch->relay, id, s->sync_us == 0);
    if (!w->mariadb)
        book_add(w, &ch->retrieved, id);
}

static void fetch(struct world *w, unsigned node, unsigned c)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    const struct server *o = &w->host[ch->source].server;
    struct dump *d = dump_of(w, node, c);
    bool back = passes(w, node, ch->source);
    unsigned max = s->fetch_max != 0 ? s->fetch_max : FETCH_MAX;
    if (back)
        ch->unheard = 0;
    if (s->disk_full || (s->slow_io && !sim_chance(w, SLOW_PERMILLE)))
        return;
    for (unsigned n = 0; n < max && ch->cursor < o->binlog.synced && ch->unheard < WINDOW_MAX;
         n++) {
        uint32_t id = o->binlog.id[ch->cursor++];
        bool has = !w->mariadb && (book_has(w, &s->book, id) || book_has(w, &ch->retrieved, id));
        if (has)
            continue;
        receive(w, node, c, id);
        ch->unheard += !back;
        if (ch->relay.synced == ch->relay.count)
            d->ack_next = ch->cursor;
    }
}

/* It acknowledges what its relay log has on disk. */
static void relay_sync(struct world *w, unsigned node, unsigned c)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    bool begins = ch->relay.syncing <= ch->relay.synced;
    bool ended;
    if (begins)
        ch->sync_cursor = ch->cursor;
    ended = list_sync(&ch->relay, w->now_us, s->sync_us);
    if (ended && ch->connected && is_whole(w, node, c))
        dump_of(w, node, c)->ack_next = ch->sync_cursor;
}

static void io_run(struct world *w, unsigned node, unsigned c)
{
    struct channel *ch = &w->host[node].server.channel[c];
    bool there = passes(w, ch->source, node);
    if (!ch->connected) {
        connect_io(w, node, c);
        return;
    }
    if (there && !is_whole(w, node, c)) {
        sim_disconnect(w, node, c, w->now_us + RETRY_US);
        return;
    }
    if (there && !w->host[ch->source].server.hung) {
        ch->seen_us = w->now_us;
        fetch(w, node, c);
    }
    if (w->now_us - ch->seen_us > REPLICA_TIMEOUT_US)
        sim_disconnect(w, node, c, w->now_us);
}

/* ---- the SQL thread ---- */

void sim_applied(struct world *w, unsigned node, unsigned c, uint32_t id)
{
    struct server *s = &w->host[node].server;
    s->channel[c].applied++;
    if (w->mariadb) {
        s->slave_pos = sim_gtid(w, id);
        s->have_slave_pos = true;
    }
}

/* Transactions that are in the binlog and not yet committed: they wait for their sync, or for an
 * acknowledgement. */
static unsigned in_flight(const struct server *s, unsigned c)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n_waiters; i++)
        n += s->waiter[i].kind == WAITER_APPLIER && s->waiter[i].session == c;
    return n;
}

static bool sql_error(struct world *w, unsigned node, unsigned c, uint32_t number)
{
    struct channel *ch = &w->host[node].server.channel[c];
    ch->sql = false;
    ch->sql_errno = number;
    sim_story(w, "%s: SQL thread stops with error %u", sim_name(w, node), number);
    return false;
}

/* False: the thread has stopped or waits. */
static bool apply_one(struct world *w, unsigned node, unsigned c, unsigned flying)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    uint32_t id = ch->relay.id[ch->applied + flying];
    struct waiter by = {.kind = WAITER_APPLIER, .session = (uint8_t)c};
    if (!w->mariadb && book_has(w, &s->book, id)) {
        ch->applied += flying == 0; /* it skips what it has executed, in its turn */
        return flying == 0;
    }
    if (w->mariadb && sim_txn(w, id)->number <= book_max(&s->book))
        return sql_error(w, node, c, 1950); /* strict mode: out of order */
    if (s->locked)
        return sql_error(w, node, c, 1205); /* tried as often as it does */
    if (s->differs)
        return sql_error(w, node, c, 1032); /* the row is not there */
    if (s->n_waiters >= WAITERS_MAX - 2 || s->disk_full)
        return false;
    sim_check_apply(w, node, id);
    sim_log_txn(w, node, id, by);
    return true;
}

/* Several at a time, which commit in the order of the source (replica_preserve_commit_order;
 * MariaDB knows no other way). A slow one begins now and then with what has come until then. */
static void sql_run(struct world *w, unsigned node, unsigned c)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[c];
    unsigned flying = in_flight(s, c);
    if (!ch->sql)
        return;
    if (!s->slow || (ch->applied + flying >= ch->burst && sim_chance(w, SLOW_PERMILLE)))
        ch->burst = ch->relay.count;
    for (unsigned n = 0; n < APPLY_MAX && ch->sql; n++) {
        flying = in_flight(s, c);
        if (flying >= APPLIERS || ch->applied + flying >= ch->burst ||
            !apply_one(w, node, c, flying))
            return;
    }
}

/* ---- the dump threads ---- */

static void dump_run(struct world *w, unsigned node, unsigned replica, unsigned c)
{
    struct server *o = &w->host[node].server;
    struct dump *d = &o->dump[replica][c];
    const struct server *s = &w->host[replica].server;
    const struct channel *ch = &s->channel[c];
    bool whole = runs(s) && s->pid == d->replica_pid && ch->made && ch->source == node &&
                 ch->connected && ch->source_pid == o->pid;
    if (!passes(w, replica, node)) {
        /* An acknowledgement is sent again when the line is back, or lost with the connection. */
        d->used = w->now_us - d->heard_us < SOURCE_TIMEOUT_US;
        return;
    }
    d->heard_us = w->now_us;
    if (!whole) {
        d->used = false;
        return;
    }
    if (!s->hung && d->semi && o->source_side && d->ack_next > o->acked[replica])
        o->acked[replica] = d->ack_next;
}

/* Whatever the network does between the nodes. */
static void stranger_run(const struct world *w, struct server *s)
{
    if (!s->stranger || w->now_us < s->stranger_us)
        return;
    if (s->source_side)
        s->stranger_acked = s->stranger_has;
    s->stranger_has = s->binlog.synced;
    s->stranger_us = w->now_us + STRANGER_US;
}

void sim_dumps_run(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (!sim_answers(s))
        return;
    stranger_run(w, s);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        for (unsigned c = 0; c < CHANNELS; c++) {
            if (s->dump[i][c].used)
                dump_run(w, node, i, c);
        }
    }
}

void sim_replicate(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (!sim_answers(s))
        return;
    for (unsigned c = 0; c < CHANNELS; c++) {
        if (s->channel[c].made && s->channel[c].io)
            io_run(w, node, c);
        if (s->channel[c].made)
            relay_sync(w, node, c);
        if (s->channel[c].made)
            sql_run(w, node, c);
    }
}
