/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits and the semi-sync source side. A transaction is appended to the binlog and synced; with
 * the source side on it is committed in the engine, and its session hears of it, when enough dump
 * connections have acknowledged its position. Commits end in the order of the binlog.
 */
#include <assert.h>
#include <string.h>

#include "sim/world_private.h"

#define GROUPS_US 20000 /* in which two groups of commits fill */

/* Commits the oldest waiting transaction in the engine. */
static uint32_t commit_engine(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    uint32_t id = s->binlog.id[s->committed];
    assert(s->committed < s->binlog.count);
    s->committed++;
    sim_data_add(w, s, id);
    if (!w->mariadb)
        book_add(w, &s->book, id);
    return id;
}

static void commit_tell(struct world *w, unsigned node, uint32_t id, struct waiter by)
{
    struct server *s = &w->host[node].server;
    switch (by.kind) {
    case WAITER_CLIENT:
        sim_client_told(w, node, by.session, id);
        return;
    case WAITER_BEAT:
        /* The agent hears of it on the socket, whatever the network. */
        if (s->beat_txn == id && w->host[node].agent)
            sim_check_ack(w, node, id, /* client= */ false);
        return;
    case WAITER_APPLIER:
        sim_applied(w, node, by.session, id);
        return;
    default:
        return;
    }
}

static void commit_oldest(struct world *w, unsigned node, bool tell)
{
    struct server *s = &w->host[node].server;
    struct waiter by = s->waiter[0];
    uint32_t id = commit_engine(w, node);
    s->n_waiters--;
    s->head_us = w->now_us;
    memmove(&s->waiter[0], &s->waiter[1], sizeof s->waiter[0] * s->n_waiters);
    if (tell || by.kind == WAITER_APPLIER)
        commit_tell(w, node, id, by);
}

void sim_log_txn(struct world *w, unsigned node, uint32_t id, struct waiter by)
{
    struct server *s = &w->host[node].server;
    assert(s->n_waiters < WAITERS_MAX);
    list_add(&s->binlog, id, s->sync_us == 0);
    if (w->mariadb)
        book_add(w, &s->book, id);
    s->head_us = s->n_waiters == 0 ? w->now_us : s->head_us;
    s->waiter[s->n_waiters++] = by;
    if (!s->source_side && s->n_waiters == 1 && s->binlog.synced > s->committed)
        commit_oldest(w, node, /* tell= */ true);
}

/* MySQL: the lowest number of its own that is free. MariaDB: one number for all of the domain. */
static uint64_t next_number(const struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    uint64_t last = s->book.last[node];
    if (w->mariadb)
        return book_max(&s->book) + 1;
    for (unsigned i = s->committed; i < s->binlog.count; i++) {
        const struct txn *t = sim_txn(w, s->binlog.id[i]);
        if (t->server == node && t->number > last)
            last = t->number;
    }
    return last + 1;
}

/* MariaDB: one group waits, the next one is written and waits behind it, and no third gets into the
 * binlog before the first has ended. */
static bool is_held_up(const struct world *w, const struct server *s)
{
    return w->mariadb && s->source_side && s->n_waiters > 0 && w->now_us - s->head_us > GROUPS_US;
}

uint32_t sim_commit(struct world *w, unsigned node, int kind, struct waiter by)
{
    struct server *s = &w->host[node].server;
    uint32_t id;
    /* The last places are the agent's and the appliers'. */
    unsigned room = kind == TXN_CLIENT ? WAITERS_MAX - 8 : WAITERS_MAX - 4;
    if (!sim_answers(s) || s->n_waiters >= room || s->gate || s->disk_full || is_held_up(w, s))
        return TXN_NONE;
    id = sim_txn_new(w, node, next_number(w, node), kind);
    sim_txn(w, id)->anonymous = s->gtid_off && kind == TXN_HAND;
    sim_log_txn(w, node, id, by);
    return id;
}

static unsigned acknowledgers(const struct world *w, const struct server *s)
{
    unsigned n = s->stranger && s->stranger_acked > s->committed;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        n += s->acked[i] > s->committed;
    return n;
}

void sim_set_source_side(struct server *s, bool on)
{
    s->no_tx += s->source_side && !on ? s->n_waiters : 0;
    s->source_side = on;
    if (on)
        return;
    memset(s->acked, 0, sizeof s->acked);
    s->stranger_acked = 0;
}

void sim_release(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (!sim_answers(s))
        return;
    (void)list_sync(&s->binlog, w->now_us, s->sync_us);
    while (s->n_waiters > 0 && s->binlog.synced > s->committed &&
           (!s->source_side || acknowledgers(w, s) >= s->wait_count))
        commit_oldest(w, node, /* tell= */ true);
}

/* SIGTERM ends what waits: MySQL commits it and tells its client OK;
 * MariaDB commits it and tells nobody. */
void sim_release_at_shutdown(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    s->binlog.synced = s->binlog.count;
    for (unsigned i = s->committed; !w->mariadb && i < s->binlog.count; i++)
        sim_txn(w, s->binlog.id[i])->at_shutdown = true;
    while (s->n_waiters > 0)
        commit_oldest(w, node, /* tell= */ !w->mariadb);
}

/* KILL of the oldest waiting session (2.4): MariaDB commits it for all to see; MySQL lets it wait
 * on. Neither tells its client. */
void sim_kill_waiter(struct world *w, unsigned node)
{
    struct server *s = &w->host[node].server;
    if (!sim_answers(s) || s->n_waiters == 0)
        return;
    if (s->waiter[0].kind == WAITER_APPLIER || s->binlog.synced == s->committed)
        return;
    s->waiter[0].kind = WAITER_HAND;
    if (!w->mariadb)
        return;
    sim_txn(w, s->binlog.id[s->committed])->excused = true;
    commit_oldest(w, node, /* tell= */ false);
}

/* KILL QUERY ID, by an agent: the client is told OK. */
void sim_end_wait(struct world *w, unsigned node, uint32_t id)
{
    struct server *s = &w->host[node].server;
    if (s->n_waiters == 0 || s->binlog.synced == s->committed || s->binlog.id[s->committed] != id ||
        s->waiter[0].kind == WAITER_APPLIER)
        return;
    s->no_tx++;
    commit_oldest(w, node, /* tell= */ true);
}
