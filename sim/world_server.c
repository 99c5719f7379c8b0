/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a mysqld: start with crash recovery, end by signal, shutdown or power loss. */
#include <assert.h>
#include <string.h>

#include "sim/world_private.h"

#define STARTUP_US 400000
#define SLOW_STARTUP_US 6000000

bool sim_answers(const struct server *s)
{
    return s->up && !s->hung && !s->starting;
}

bool sim_is_connected(const struct world *w, unsigned node, unsigned source)
{
    const struct channel *ch = &w->host[node].server.channel[0];
    return sim_answers(&w->host[node].server) && ch->made && ch->io && ch->connected &&
           ch->source == source;
}

struct incarnation sim_incarnation(const struct world *w, unsigned node)
{
    struct incarnation i = {.pid = w->host[node].server.pid,
                            .start_ticks = w->host[node].server.pid};
    i.boot_id[0] = (uint8_t)node;
    return i;
}

void sim_server_init(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    s->pid = 1000 + node;
    s->cleanly = true;
    s->mariadb = w->mariadb;
    s->beat_txn = TXN_NONE;
    book_init(&s->book, w->mariadb);
    for (unsigned c = 0; c < CHANNELS; c++)
        book_init(&s->channel[c].retrieved, w->mariadb);
}

/* ---- start ---- */

/* The configuration file's values, all of them closed (S3). */
static void start_closed(struct server *s)
{
    s->read_only = true;
    s->source_side = s->replica_side = false;
    s->wait_count = 1;
    s->events_on = false;
    s->by_hand = false;
    for (unsigned c = 0; c < CHANNELS; c++) {
        struct channel *ch = &s->channel[c];
        ch->io = ch->sql = ch->connected = false;
        ch->have_io_pos = false;
        ch->io_errno = ch->sql_errno = 0;
    }
    memset(s->dump, 0, sizeof s->dump);
    memset(s->acked, 0, sizeof s->acked);
    s->stranger_has = s->stranger_acked = 0;
    memset(s->orphan, 0, sizeof s->orphan);
    s->gate = s->busy = s->locked = false;
    s->closing_us = 0;
    s->n_waiters = s->no_tx = 0;
    s->beat_txn = TXN_NONE;
}

void sim_server_start(struct world *w, unsigned node, bool by_agent)
{
    struct server *s = &w->host[node].server;
    struct event *ev;
    int64_t takes_us = s->slow_start ? SLOW_STARTUP_US : STARTUP_US;
    if (s->up)
        return;
    start_closed(s);
    s->up = s->starting = true;
    s->hung = false;
    s->by_agent = by_agent;
    s->ready_us = w->now_us + takes_us;
    s->recover_us = w->now_us + takes_us / 2;
    s->die_us = sim_chance(w, w->faults.start) ? w->now_us + takes_us / 4 * 3 : 0;
    if (s->die_us != 0 && sim_chance(w, 500))
        s->die_us = w->now_us + takes_us / 4;
    if (s->disk_full || s->damaged)
        s->die_us = w->now_us + takes_us / 4;
    s->pid += 100;
    w->host[node].have_facts = false;
    sim_story(w, "%s: mysqld starts", sim_name(w, node));
    sim_check_start(w, node, by_agent);
    if (!w->host[node].agent)
        return;
    ev = sim_event(EVENT_SERVER_STARTED);
    ev->u.server.incarnation = sim_incarnation(w, node);
    sim_post(w, node, ev, 1000);
}

/* Recovery commits what the binlog holds: the engine asks it for every prepared transaction. What
 * was cut it rolls back, as many as it had prepared. */
static void recover(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    unsigned phantoms = s->binlog.count - s->committed;
    while (s->committed < s->binlog.count) {
        uint32_t id = s->binlog.id[s->committed++];
        sim_txn(w, id)->recovered = true;
        sim_data_add(w, s, id);
        if (!w->mariadb)
            book_add(w, &s->book, id);
    }
    if (phantoms > 0)
        sim_story(w, "%s: recovery commits %u transactions", sim_name(w, node), phantoms);
    /* The relay log's part that was executed is known by the position that the engine keeps. */
    for (unsigned c = 0; c < CHANNELS; c++) {
        struct channel *ch = &s->channel[c];
        while (ch->applied < ch->relay.count && book_has(w, &s->book, ch->relay.id[ch->applied]) &&
               sim_holds(s, ch->relay.id[ch->applied]))
            sim_applied(w, node, c, ch->relay.id[ch->applied]);
        if (!w->mariadb && s->relay_log_recovery && ch->applied < ch->relay.count)
            sim_relay_purge(w, node, c);
    }
    s->file_before = s->file_start;
    s->binlog.synced = s->file_start = s->binlog.count;
    s->closed = false;
}

/* ---- end ---- */

static void end(struct world *w, unsigned node, bool cleanly, const char *how)
{
    struct server *s = &w->host[node].server;
    struct event *ev;
    s->closed = s->closed || (cleanly && !s->starting);
    s->up = s->starting = s->hung = s->busy = s->locked = false;
    s->cleanly = cleanly;
    s->n_waiters = 0;
    s->beat_txn = TXN_NONE;
    w->host[node].have_facts = false;
    sim_clients_drop(w, node);
    sim_story(w, "%s: mysqld %s", sim_name(w, node), how);
    if (!w->host[node].agent)
        return;
    sim_jobs_server_died(w, node);
    ev = sim_event(EVENT_SERVER_DIED);
    ev->u.server.cleanly = cleanly;
    sim_post(w, node, ev, 1000);
}

void sim_server_die(struct world *w, unsigned node, bool cleanly)
{
    struct server *s = &w->host[node].server;
    if (!s->up)
        return;
    if (cleanly && !s->starting)
        sim_release_at_shutdown(w, node);
    end(w, node, cleanly, cleanly ? "shut down" : "killed");
}

/* What was not synced is gone. */
void sim_server_power_off(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (s->up)
        end(w, node, false, "loses its power");
    if (s->binlog.synced < s->binlog.count)
        sim_binlog_cut(w, s, s->binlog.synced);
    for (unsigned c = 0; c < CHANNELS; c++) {
        struct channel *ch = &s->channel[c];
        list_cut(&ch->relay, ch->relay.synced);
        if (ch->applied > ch->relay.count)
            ch->applied = ch->relay.count;
        ch->burst = 0;
        book_init(&ch->retrieved, w->mariadb);
        for (unsigned i = 0; !w->mariadb && i < ch->relay.count; i++)
            book_add(w, &ch->retrieved, ch->relay.id[i]);
    }
}

/* Whoever asked for the start, its agent knows it as its own (io/sys/process.c). */
static void tell_start(struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    struct event *ev;
    if (!w->host[node].agent || !s->by_agent)
        return;
    ev = sim_event(EVENT_START_FAILED);
    memset(&ev->u.start, 0, sizeof ev->u.start);
    ev->u.start.blame = s->disk_full ? STARTS_BLAME_HOST
                        : s->damaged ? STARTS_BLAME_DATA
                                     : STARTS_BLAME_NOTHING;
    sim_post(w, node, ev, 1000);
}

/* ---- time ---- */

static void starting(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (s->recover_us != 0 && w->now_us >= s->recover_us) {
        s->recover_us = 0;
        recover(w, node);
    }
    if (s->die_us != 0 && w->now_us >= s->die_us) {
        s->die_us = 0;
        end(w, node, false, "dies while it starts");
        tell_start(w, node);
        return;
    }
    if (w->now_us >= s->ready_us)
        s->starting = false;
}

/* Somebody's read_only = 1. */
static void close_by_hand(const struct world *w, struct server *s)
{
    bool free = s->n_waiters == 0 && !s->busy;
    if (s->closing_us == 0 || (!free && w->now_us < s->closing_us))
        return;
    s->read_only = s->read_only || free;
    s->closing_us = 0;
}

void sim_server_tick(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (!s->up || s->hung)
        return;
    if (s->starting) {
        starting(w, node);
        return;
    }
    sim_statements_run(w, node);
    close_by_hand(w, s);
    s->gate = s->closing_us != 0 || sim_statement_waits(w, node, SQL_READ_ONLY_ON);
    sim_dumps_run(w, node);
    sim_replicate(w, node);
    sim_release(w, node);
}
