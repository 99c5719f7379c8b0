/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease in the kernel. A renewal is one transaction for all sets: add, delete, add with the new
 * timeout. Adding an element that exists with the same timeout does not extend it, and deleting one
 * that has expired fails, hence the leading add. Packets see the old element or the new one, never
 * none.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <string.h>

#include "io/net/net_private.h"
#include "io/net/nft_batch.h"

/* Longer than any lease; keeps the addition of a timeout to the kernel's clock from wrapping. */
#define TIMEOUT_MAX_MS (INT64_C(365) * 24 * 3600 * 1000)

struct lease_set {
    struct nft_set set;
    struct nft_keys keys;
};

enum { LEASE_VIP4, LEASE_VIP6, LEASE_PORT, LEASE_ARP, LEASE_SETS };

static void key_put(struct nft_keys *keys, const void *bytes, uint8_t len)
{
    struct nft_key *key = &keys->keys[keys->n++];
    key->len = len;
    memcpy(key->bytes, bytes, len);
}

static void lease_sets(const struct net *net, struct lease_set sets[LEASE_SETS])
{
    const struct net_config *c = &net->config;
    sets[LEASE_VIP4].set = (struct nft_set){NFPROTO_INET, c->table, "lease4"};
    sets[LEASE_VIP6].set = (struct nft_set){NFPROTO_INET, c->table, "lease6"};
    sets[LEASE_PORT].set = (struct nft_set){NFPROTO_INET, c->table, "lease_port"};
    sets[LEASE_ARP].set = (struct nft_set){NFPROTO_ARP, c->table, "lease4"};
    for (unsigned i = 0; i < LEASE_SETS; i++)
        sets[i].keys.n = 0;
    for (unsigned i = 0; i < c->n_vips; i++) {
        const struct net_addr *a = &net->vips[i].addr;
        key_put(&sets[a->family == AF_INET ? LEASE_VIP4 : LEASE_VIP6].keys, a->bytes, a->len);
        if (a->family == AF_INET)
            key_put(&sets[LEASE_ARP].keys, a->bytes, a->len);
    }
    for (unsigned i = 0; i < c->n_ports; i++) {
        uint16_t port = htons(c->ports[i]);
        key_put(&sets[LEASE_PORT].keys, &port, sizeof port);
    }
}

int net_lease_clear(struct net *net, struct errmsg *m)
{
    struct lease_set sets[LEASE_SETS];
    struct nft_batch b;
    /* Whatever the kernel says, this process does not announce any more. */
    net->lease_until_us = 0;
    lease_sets(net, sets);
    nft_batch_begin(&b, net->nft_seq);
    for (unsigned i = 0; i < LEASE_SETS; i++)
        nft_batch_flush(&b, &sets[i].set);
    return nft_batch_commit(&b, net->nft_socket, &net->nft_seq, m);
}

static int lease_past(struct net *net, int64_t now, struct errmsg *m)
{
    if (net->lease_until_us > now) {
        int r = net_lease_clear(net, m);
        if (r < 0)
            return r;
    }
    return errmsg_set(m, ERR_TIMEOUT, "the lease had ended before it could be set");
}

int net_lease_set(struct net *net, int64_t until_us, struct errmsg *m)
{
    struct lease_set sets[LEASE_SETS];
    struct nft_batch b;
    int64_t now, timeout_ms = NFT_NO_TIMEOUT;
    int r;
    lease_sets(net, sets);
    now = net_now_us();
    if (until_us != NET_LEASE_FOREVER) {
        /* Rounded down: 0 would be "for ever" to the kernel. */
        timeout_ms = until_us <= now ? 0 : (until_us - now) / 1000;
        if (timeout_ms == 0)
            return lease_past(net, now, m);
        if (timeout_ms > TIMEOUT_MAX_MS)
            return errmsg_set(m, ERR_RANGE, "a lease of more than a year");
    }
    nft_batch_begin(&b, net->nft_seq);
    for (unsigned i = 0; i < LEASE_SETS; i++) {
        nft_batch_add(&b, &sets[i].set, &sets[i].keys, timeout_ms);
        nft_batch_del(&b, &sets[i].set, &sets[i].keys);
        nft_batch_add(&b, &sets[i].set, &sets[i].keys, timeout_ms);
    }
    r = nft_batch_commit(&b, net->nft_socket, &net->nft_seq, m);
    if (r == 0)
        net->lease_until_us = until_us;
    return r;
}

int net_lease_remaining_us(struct net *net, struct errmsg *m, int64_t *ret_us)
{
    struct lease_set sets[LEASE_SETS];
    int64_t longest_ms = 0;
    lease_sets(net, sets);
    for (unsigned i = 0; i < LEASE_SETS; i++) {
        int64_t left_ms;
        int r = nft_set_read_ms(net->nft_socket, net->nft_seq++, &sets[i].set, m, &left_ms);
        if (r < 0)
            return r;
        if (left_ms > longest_ms)
            longest_ms = left_ms;
    }
    *ret_us = longest_ms == NFT_NO_TIMEOUT ? NET_LEASE_FOREVER : longest_ms * 1000;
    return 0;
}

int net_shut(struct net *net, int64_t until_us, struct errmsg *m)
{
    const struct nft_set set = {NFPROTO_INET, net->config.table, "shut"};
    int64_t left_ms = (until_us - net_now_us()) / 1000;
    struct nft_keys keys = {.n = 0};
    struct nft_batch b;
    for (unsigned i = 0; i < net->config.n_ports; i++) {
        uint16_t port = htons(net->config.ports[i]);
        key_put(&keys, &port, sizeof port);
    }
    nft_batch_begin(&b, net->nft_seq);
    nft_batch_flush(&b, &set);
    if (left_ms > 0)
        nft_batch_add(&b, &set, &keys, left_ms);
    return nft_batch_commit(&b, net->nft_socket, &net->nft_seq, m);
}

static int peer_set(struct net *net, const char *address, const char *const names[2],
                    int64_t timeout_ms, bool on, struct errmsg *m)
{
    struct net_addr a;
    struct nft_keys keys = {.n = 0};
    struct nft_set set = {NFPROTO_INET, net->config.table, names[0]};
    struct nft_batch b;
    if (net_addr_parse(address, &a) < 0)
        return errmsg_set(m, ERR_INVAL, "'%s' is not a numeric address", address);
    if (a.family == AF_INET6)
        set.name = names[1];
    key_put(&keys, a.bytes, a.len);
    nft_batch_begin(&b, net->nft_seq);
    nft_batch_add(&b, &set, &keys, timeout_ms);
    if (!on)
        nft_batch_del(&b, &set, &keys);
    return nft_batch_commit(&b, net->nft_socket, &net->nft_seq, m);
}

int net_block_peer(struct net *net, const char *address, bool blocked, struct errmsg *m)
{
    static const char *const names[2] = {"blocked4", "blocked6"};
    return peer_set(net, address, names, NFT_NO_TIMEOUT, blocked, m);
}

int net_refuse_peer(struct net *net, const char *address, bool refused, struct errmsg *m)
{
    static const char *const names[2] = {"refused4", "refused6"};
    return peer_set(net, address, names, NET_REFUSE_MS, refused, m);
}
