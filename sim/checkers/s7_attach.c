/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S7: a replica is never pointed at a position that skips or repeats a transaction, nor attached
 * while it holds one that the writer lacks. Seen from what is really held, not from the books:
 *
 *   - it is attached (CHANGE of a leader of this epoch): it has committed nothing that the writer
 *     lacks;
 *   - it connects: everything before the position that its source goes on from is on its disk;
 *   - it applies: nothing that it holds already;
 *   - it stays: nobody who follows the writer, or the VIP's host, holds for long what the writer
 *     lacks (what is waiting on the writer is no difference).
 */
#include "sim/world_private.h"

#define DIVERGED_US 30000000
#define SEEN_US 5000000 /* looks and requests are slow, at times */

void check_s7_connect(struct world *w, unsigned node, unsigned source, unsigned cursor)
{
    const struct server *o = &w->host[source].server;
    const struct server *s = &w->host[node].server;
    for (unsigned i = 0; i < cursor; i++) {
        uint32_t id = o->binlog.id[i];
        if (sim_holds(s, id) || sim_has(s, id))
            continue;
        sim_violation(w, "S7: %s follows %s from a position that skips %s:%llu", sim_name(w, node),
                      sim_name(w, source), sim_name(w, sim_txn(w, id)->server),
                      (unsigned long long)sim_txn(w, id)->number);
        return;
    }
}

void check_s7_apply(struct world *w, unsigned node, uint32_t id)
{
    if (sim_in_binlog(&w->host[node].server, id))
        sim_violation(w, "S7: %s applies %s:%llu a second time", sim_name(w, node),
                      sim_name(w, sim_txn(w, id)->server),
                      (unsigned long long)sim_txn(w, id)->number);
}

/* What a hand has made is seen by its GTID alone, and not before somebody has looked. A rewind that
 * cut it from the binlog, and a writer that has used its number, hide it from everybody. That a
 * server may hold what no set shows, its settings say. */
static bool is_hidden(const struct world *w, const struct server *s, const struct server *o,
                      uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    bool counts = book_has(w, &s->book, id) && !book_has(w, &o->book, id);
    return t->kind == TXN_HAND && !s->gtid_off && (!counts || w->now_us - t->made_us < SEEN_US);
}

/* What is on `s` and not on `o`, and could be known; TXN_NONE. */
static uint32_t not_covered(const struct world *w, const struct server *s, const struct server *o)
{
    for (uint32_t id = 0; id < w->txns.count; id++) {
        if (sim_holds(s, id) && !sim_in_binlog(o, id) && !is_hidden(w, s, o, id))
            return id;
    }
    return TXN_NONE;
}

void check_s7_statement(struct world *w, unsigned node, const struct sql_statement *st)
{
    const struct record *r = w->committed;
    const struct server *s = &w->host[node].server;
    const struct server *o = r->writer == NODE_NONE ? NULL : &w->host[r->writer].server;
    uint32_t id;
    if (st->kind != SQL_CHANGE || o == NULL || r->writer == node || st->term < r->epoch ||
        s->data_hash == o->data_hash)
        return;
    id = not_covered(w, s, o);
    if (id != TXN_NONE)
        sim_violation(w, "S7: %s is attached to %s and holds %s:%llu, which %s lacks",
                      sim_name(w, node), sim_name(w, st->node), sim_name(w, sim_txn(w, id)->server),
                      (unsigned long long)sim_txn(w, id)->number, sim_name(w, r->writer));
}

static void check_node(struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    unsigned writer = w->committed->writer;
    int64_t *since_us = &w->checks.diverged_us[node];
    bool follows = writer != NODE_NONE && node != writer && sim_is_connected(w, node, writer) &&
                   s->channel[0].sql && sim_answers(&w->host[writer].server);
    if (!follows || sim_is_covered(s, &w->host[writer].server)) {
        *since_us = 0;
        return;
    }
    if (*since_us == 0)
        *since_us = w->now_us;
    if (w->now_us - *since_us > DIVERGED_US)
        sim_violation(w, "S7: %s follows %s and holds what it lacks", sim_name(w, node),
                      sim_name(w, writer));
}

void check_s7_tick(struct world *w)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        check_node(w, i);
}
