/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients: writers and readers that dial the VIP, and some that dial, wrongly, a node's own
 * address. Each has a session on the host that its ARP entry names: the one whose announcement it
 * heard last, or, when the entry is refreshed, one of those that answer for the address then. What
 * each is told goes to the checkers.
 *
 * A packet passes where the kernel's lease lives, in both directions (docs/design/fence.md); the
 * VIP answers only where it is. Replicas have no such door: their own address serves reads. Every
 * statement is a connection of its own, so a kernel that refuses new ones refuses it.
 */
#include <string.h>

#include "sim/world_private.h"

#define THINK_PERMILLE 200
#define READ_PERMILLE 40
#define PATIENCE_US 300000
#define DEAF_PERMILLE 50 /* an announcement that one client does not hear */
#define ARP_AGE_US 20000000
#define ARP_PROBE_US 200000

bool sim_lease_lives(const struct world *w, unsigned node)
{
    return w->host[node].lease_until_us > w->now_us;
}

static bool door_is_open(const struct world *w, const struct client *c, unsigned node)
{
    bool candidate = w->cfg->nodes[node].role == CONFIG_ROLE_CANDIDATE;
    if (c->by_vip)
        return w->host[node].vip && sim_lease_lives(w, node);
    return !candidate || sim_lease_lives(w, node);
}

static bool gets_in(const struct world *w, const struct client *c, unsigned node)
{
    return door_is_open(w, c, node) && w->host[node].shut_until_us <= w->now_us;
}

void sim_clients_init(struct world *w)
{
    for (unsigned i = 0; i < CLIENTS_VIP; i++)
        w->client[w->n_clients++] = (struct client){
            .by_vip = true, .host = NODE_NONE, .waits_for = TXN_NONE, .told = TXN_NONE};
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (config_node_has_mysql(w->cfg, i))
            w->client[w->n_clients++] =
                (struct client){.host = i, .waits_for = TXN_NONE, .told = TXN_NONE};
    }
}

void sim_clients_hear(struct world *w, unsigned node)
{
    for (unsigned i = 0; i < w->n_clients; i++) {
        struct client *c = &w->client[i];
        if (!c->by_vip || sim_chance(w, DEAF_PERMILLE))
            continue;
        c->host = node;
        c->arp_us = w->now_us;
    }
}

/* Whoever answers first; with two holders that may be either. */
static void arp_refresh(struct world *w, struct client *c)
{
    unsigned n = 0;
    c->arp_us = w->now_us;
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (!door_is_open(w, c, i))
            continue;
        n++;
        if (prng_below(&w->prng, n) == 0)
            c->host = i;
    }
}

/* ---- sessions ---- */

void sim_clients_drop(struct world *w, unsigned node)
{
    for (unsigned i = 0; i < w->n_clients; i++) {
        if (w->client[i].host == node)
            w->client[i].waits_for = TXN_NONE;
    }
}

/* OK leaves the server; it arrives only through an open door. */
void sim_client_told(struct world *w, unsigned node, unsigned session, uint32_t id)
{
    struct client *c = &w->client[session];
    if (c->waits_for != id)
        return;
    c->waits_for = TXN_NONE;
    if (!door_is_open(w, c, node)) {
        c->arp_us = w->now_us - ARP_AGE_US; /* no answer: it looks for the address again */
        return;
    }
    c->told = id;
    w->n_acks++;
    w->last_ack_us = w->now_us;
    if (w->last_server != node)
        sim_story(w, "client: %s acknowledges now", sim_name(w, node));
    sim_check_ack(w, node, id, /* client= */ true);
    w->last_server = node;
}

static void write_one(struct world *w, unsigned session)
{
    struct client *c = &w->client[session];
    struct server *s = &w->host[c->host].server;
    struct waiter by = {.kind = WAITER_CLIENT, .session = (uint8_t)session};
    uint32_t id;
    if (!gets_in(w, c, c->host) || !sim_answers(s) || s->read_only) {
        if (c->by_vip && w->now_us - c->arp_us > ARP_PROBE_US)
            arp_refresh(w, c);
        return;
    }
    /* Known before the commit: without a source side it ends at once. */
    c->waits_for = w->txns.count;
    c->until_us = w->now_us + PATIENCE_US;
    id = sim_commit(w, c->host, TXN_CLIENT, by);
    if (id == TXN_NONE)
        c->waits_for = TXN_NONE;
}

/* The newest value that is visible there; and through the VIP also the one that it has written. */
static void read_one(struct world *w, const struct client *c)
{
    const struct server *s = &w->host[c->host].server;
    if (!gets_in(w, c, c->host) || !sim_answers(s) || s->committed == 0)
        return;
    sim_check_read(w, c->host, s->binlog.id[s->committed - 1]);
    if (c->by_vip && c->told != TXN_NONE)
        sim_check_remembered(w, c->host, c->told);
}

static bool is_writing(const struct world *w, const struct client *c)
{
    bool candidate = c->host != NODE_NONE && w->cfg->nodes[c->host].role == CONFIG_ROLE_CANDIDATE;
    return c->by_vip ? w->writing : w->writing_local && candidate;
}

void sim_clients_run(struct world *w)
{
    for (unsigned i = 0; i < w->n_clients; i++) {
        struct client *c = &w->client[i];
        if (c->by_vip && w->now_us - c->arp_us > ARP_AGE_US)
            arp_refresh(w, c);
        if (c->host == NODE_NONE) {
            if (w->now_us - c->arp_us > ARP_PROBE_US)
                arp_refresh(w, c);
            continue;
        }
        if (c->waits_for != TXN_NONE && w->now_us > c->until_us) {
            c->waits_for = TXN_NONE; /* it will never know */
            c->arp_us = c->by_vip ? 0 : c->arp_us;
        }
        if (c->waits_for == TXN_NONE && is_writing(w, c) && sim_chance(w, THINK_PERMILLE))
            write_one(w, i);
        if (w->writing && sim_chance(w, READ_PERMILLE))
            read_one(w, c);
    }
}
