/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in the world, handed to the checkers of sim/checkers. */
#include <stdarg.h>
#include <stdio.h>

#include "sim/world_private.h"

#define SLOW_CHECK_TICKS 50

void sim_violation(struct world *w, const char *fmt, ...)
{
    va_list ap;
    if (w->violation[0] != '\0')
        return;
    va_start(ap, fmt);
    (void)vsnprintf(w->violation, sizeof w->violation, fmt, ap);
    va_end(ap);
    sim_story(w, "VIOLATION %s", w->violation);
}

/* What a shutdown tells the heartbeat behind a closed door, nobody else hears. */
static bool is_told_to_nobody(const struct world *w, unsigned node, uint32_t id)
{
    return sim_txn(w, id)->at_shutdown && !sim_lease_lives(w, node);
}

/* Somebody was told that it is committed: a client, or the agent by its heartbeat. */
void sim_check_ack(struct world *w, unsigned node, uint32_t id, bool client)
{
    if (client) {
        check_s5_ack(w, node);
        check_s2_ack(w, node, id);
        check_s1_ack(w, node);
    } else if (w->committed->writer == node && !is_told_to_nobody(w, node, id)) {
        unsigned acker = w->checks.acker;
        w->checks.acker =
            node; /* the beat of a writer that no client has heard of proves nothing */
        check_s2_ack(w, node, id);
        w->checks.acker = acker;
    }
}

void sim_check_heard(struct world *w, unsigned node, unsigned leader, uint64_t term)
{
    check_s1_heard(w, node, leader, term);
}

void sim_check_lease(struct world *w, unsigned node, uint64_t term, int64_t until_local_us)
{
    check_s1_lease(w, node, term, until_local_us);
}

void sim_check_pair_proven(struct world *w, unsigned node)
{
    check_s1_pair_proven(w, node);
}

void sim_check_pair_ordered(struct world *w, unsigned node)
{
    check_s1_pair_ordered(w, node);
}

void sim_check_pair_elected(struct world *w, unsigned node)
{
    check_s1_pair_elected(w, node);
}

void sim_check_pair_lease(struct world *w, unsigned node, int64_t interval_us,
                          int64_t until_local_us)
{
    check_s1_pair_lease(w, node, interval_us, until_local_us);
}

void sim_check_vip_up(struct world *w, unsigned node)
{
    check_vip_up(w, node);
}

void sim_check_read(struct world *w, unsigned node, uint32_t id)
{
    check_s2_read(w, node, id);
}

void sim_check_remembered(struct world *w, unsigned node, uint32_t id)
{
    check_s2_remembered(w, node, id);
}

void sim_check_leader_lost(struct world *w, unsigned node)
{
    check_s2_leader_lost(w, node);
}

void sim_check_entry(struct world *w, const struct entry *e)
{
    uint32_t members = w->committed->in_sync;
    if (record_apply(w->committed, e) == 0)
        check_s2_entry(w, e, members);
}

void sim_check_start(struct world *w, unsigned node, bool by_agent)
{
    check_s3_start(w, node, by_agent);
}

void sim_check_statement(struct world *w, unsigned node, const struct sql_statement *st,
                         bool before)
{
    if (before) {
        check_s4_statement(w, node, st);
        check_s7_statement(w, node, st);
        return;
    }
    check_s10_statement(w, node, st);
    if (st->kind == SQL_READ_ONLY_OFF)
        w->checks.opened[node] = true;
    if (st->kind == SQL_START || st->kind == SQL_START_IO || st->kind == SQL_START_SQL)
        w->checks.started[node] = true;
}

void sim_check_by_hand(struct world *w, unsigned node)
{
    w->checks.opened[node] = w->checks.started[node] = true;
}

void sim_check_vanish(struct world *w, unsigned node, uint32_t id)
{
    check_s6_cut(w, node, id);
    check_grow_only(w, node, id);
    check_s6_vanish(w, node, id);
}

/* What was received and not applied is no part of a node's set; but a promise may rest on it. */
void sim_check_drop(struct world *w, unsigned node, uint32_t id)
{
    const struct txn *t = sim_txn(w, id);
    if (t->acked || t->read)
        check_s6_vanish(w, node, id);
}

void sim_check_connect(struct world *w, unsigned node, unsigned source, unsigned cursor)
{
    check_s7_connect(w, node, source, cursor);
}

void sim_check_apply(struct world *w, unsigned node, uint32_t id)
{
    check_s7_apply(w, node, id);
}

void sim_check_tick(struct world *w)
{
    check_s1_tick(w);
    check_vip_tick(w);
    check_s3_tick(w);
    if (w->now_us / TICK_US % SLOW_CHECK_TICKS != 0)
        return;
    check_s7_tick(w);
    check_s8_tick(w);
    check_s9_tick(w);
    check_converge_tick(w);
}
