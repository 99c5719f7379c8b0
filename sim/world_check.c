/* SPDX-License-Identifier: Apache-2.0 */
/* The promises, checked against what the world knows and no node does. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim/world_private.h"

#define DIVERGED_US 10000000

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
    const struct gtid_set *set = sim_binlog(&w->host[node].server);
    unsigned missing = 0;
    const struct world_ack *first = NULL;
    for (unsigned i = 0; i < w->n_acks; i++) {
        struct world_ack *a = &w->acks[i];
        if (a->given_up || sim_has(set, a->server, a->number))
            continue;
        if (forced)
            a->given_up = true;
        else if (missing++ == 0)
            first = a;
    }
    if (missing > 0)
        sim_violation(w, "S2: %s lacks %u acknowledged commits, the first is %s:%llu",
                      sim_name(w, node), missing, sim_name(w, first->server),
                      (unsigned long long)first->number);
}

void sim_check_ack(struct world *w, unsigned node)
{
    static const unsigned every = 64;
    if (w->committed->writer != node)
        sim_violation(w, "S1: %s acknowledged, but the writer of the record is %s",
                      sim_name(w, node), sim_name(w, w->committed->writer));
    if (w->n_acks % every == 0 || w->n_acks < 2 || w->acks[w->n_acks - 2].server != node)
        check_holds(w, node, /* forced= */ false);
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
