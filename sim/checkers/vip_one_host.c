/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VIP is answered by at most one host: it has the address and a living lease of the kernel.
 *
 * And it does not stay where it is not answered: an agent that has put it up, runs and has lost
 * its lease takes it away after the moment in which connections that still come there are refused.
 * (What an agent leaves behind ends by the kernel's own lifetime.)
 */
#include "sim/world_private.h"

#define LINGER_US 600000 /* half a second, and what timers and a loop's turn need */

static bool runs(const struct host *h)
{
    return h->agent && !h->agent_hung && !h->quit;
}

static void check_stays(struct world *w, unsigned node)
{
    const struct host *h = &w->host[node];
    struct checks *c = &w->checks;
    if (!h->vip || sim_lease_lives(w, node) || !runs(h) || h->process->busy_us > w->now_us ||
        c->held_life[node] != h->life + 1) {
        c->held_us[node] = 0;
        return;
    }
    if (c->held_us[node] == 0)
        c->held_us[node] = w->now_us;
    if (w->now_us - c->held_us[node] > LINGER_US)
        sim_violation(w, "VIP: %s keeps the address although its lease has ended",
                      sim_name(w, node));
}

void check_vip_up(struct world *w, unsigned node)
{
    w->checks.held_life[node] = w->host[node].life + 1;
    w->checks.held_us[node] = 0; /* also if the lease that came with it has ended within the tick */
}

void check_vip_tick(struct world *w)
{
    unsigned n = world_holders(w);
    if (n > 1)
        sim_violation(w, "VIP: %u hosts answer for the address", n);
    for (unsigned i = 0; i < w->cfg->n_nodes; i++)
        check_stays(w, i);
}
