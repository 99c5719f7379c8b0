/* SPDX-License-Identifier: Apache-2.0 */
/* The promises, checked against what the world knows and no node does. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim/world_private.h"

#define DIVERGED_US 30000000

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

/* S2: everything that was acknowledged is on the new writer, unless loss was accepted. */
static void check_holds(struct world *w, unsigned node, bool forced)
{
    struct gtid_set missing;
    char text[128];
    int err = gtid_subtract(&w->acked, sim_binlog(&w->host[node].server), &missing);
    assert(err == 0);
    if (gtid_is_empty(&missing))
        return;
    if (forced) {
        err = gtid_subtract(&w->acked, &missing, &w->acked);
        assert(err == 0);
        return;
    }
    if (gtid_format(&missing, text, sizeof text) != 0)
        (void)snprintf(text, sizeof text, "many");
    sim_violation(w, "S2: %s lacks %llu acknowledged commits: %s", sim_name(w, node),
                  (unsigned long long)gtid_count(&missing), text);
}

void sim_check_ack(struct world *w, unsigned node, bool another)
{
    if (w->committed->writer != node)
        sim_violation(w, "S1: %s acknowledged, but the writer of the record is %s",
                      sim_name(w, node), sim_name(w, w->committed->writer));
    if (another || w->n_acks % 64 == 0)
        check_holds(w, node, /* forced= */ false);
}

void sim_check_leader_lost(struct world *w, unsigned node)
{
    int err;
    if (node != w->committed->writer)
        return;
    err = gtid_subtract(&w->acked, &w->at_shutdown, &w->acked);
    assert(err == 0);
}

void sim_check_entry(struct world *w, const struct entry *e)
{
    int err = record_apply(w->committed, e);
    if (err == 0 && e->kind == ENTRY_PROMOTE)
        check_holds(w, e->node, !e->flag);
}

static bool is_open(const struct world *w, unsigned node)
{
    const struct host *h = &w->host[node];
    return h->lease_until_us > w->now_us && h->server.up && !h->server.starting &&
           !h->server.read_only;
}

/* S7: what follows the writer holds nothing that the writer lacks. */
static void check_divergence(struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    unsigned writer = w->committed->writer;
    bool follows = writer != NODE_NONE && node != writer && sim_answers(s) && s->channel && s->io &&
                   s->sql && s->source == writer && sim_answers(&w->host[writer].server);
    if (!follows || gtid_contains(sim_binlog(&w->host[writer].server), &s->executed)) {
        w->diverged_us[node] = 0;
        return;
    }
    if (w->diverged_us[node] == 0)
        w->diverged_us[node] = w->now_us;
    if (w->now_us - w->diverged_us[node] > DIVERGED_US)
        sim_violation(w, "S7: %s follows %s and holds what it lacks", sim_name(w, node),
                      sim_name(w, writer));
}

void sim_check_tick(struct world *w)
{
    unsigned open = 0;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        open += is_open(w, i);
    if (open > 1)
        sim_violation(w, "S1: %u servers are open", open);
    if (world_holders(w) > 1)
        sim_violation(w, "S1: %u nodes hold the VIP", world_holders(w));
    if (w->now_us / TICK_US % 100 != 0)
        return;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        check_divergence(w, i);
}
