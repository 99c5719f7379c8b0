/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and rules. The text is one transaction of nftables: chains are emptied and filled again,
 * constant sets as well, while the sets "lease*", "shut" and "blocked*" are only made if they are
 * missing.
 *
 * Why the rules are as they are:
 * - VIPs are tested in prerouting, before connection tracking (-200) and DNAT (-100) could turn
 * them into something else, and only where the VIP is an address of this host: a router or a host
 * of containers must forward to another node's VIP.
 * - Ports are tested in input, after DNAT: what arrives at mysqld counts, not how it was called.
 * - Output is closed as well: mysqld must not acknowledge on an established connection.
 * - ARP is closed on output: an answer, or a question in the name of the VIP, would both teach our
 *   MAC to the neighbours. ND needs no rule of its own: an advertisement of the VIP is sent from
 * it.
 * - What is sent to an address that is only held goes first, so that a new connection to it gets no
 *   answer with the lease and without it. ND is for all hosts of the link (RFC 9568 6.1): what is
 *   dropped is every other protocol, and every other ICMPv6 message, in two rules because "icmpv6
 *   type" is of no packet of another protocol.
 * - Expired elements stay in the kernel's hash table, all in one bucket, until they are collected;
 *   with more than 16 of them it refuses new ones (EBUSY). A short gc-interval makes that need more
 *   than 60 lapses of the lease per second.
 * - Nothing asks the connection tracker. "accept" ends our own chain only, never another table's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <nftables/libnftables.h>

#include "io/net/net_private.h"
#include "io/net/nft_batch.h"

#define TEXT_BYTES 16384
#define LEASE_FLAGS "flags timeout; gc-interval 250ms;"

struct text {
    size_t used;
    char bytes[TEXT_BYTES];
};

#define SYN_ONLY "tcp flags & (fin|syn|rst|ack) == syn"

static void put(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(t->bytes + t->used, sizeof t->bytes - t->used, fmt, ap);
    va_end(ap);
    /* Too long sticks: text_is_complete() tells. */
    t->used =
        n < 0 || (size_t)n >= sizeof t->bytes - t->used ? sizeof t->bytes - 1 : t->used + (size_t)n;
}

static bool text_is_complete(const struct text *t)
{
    return t->used < sizeof t->bytes - 1;
}

static void put_elements(struct text *t, const char *set, const struct net_addr *addrs,
                         unsigned n_addrs, int family)
{
    char buf[ADDRESS_TEXT_MAX];
    for (unsigned i = 0; i < n_addrs; i++) {
        if (addrs[i].family == family)
            put(t, "add element %s { %s }\n", set, net_addr_text(&addrs[i], buf));
    }
}

/* A set of the configuration: filled anew with each installation. */
static void put_constant_set(struct text *t, const char *set, const char *type,
                             const struct net_addr *addrs, unsigned n_addrs)
{
    int family = strcmp(type, "ipv4_addr") == 0 ? AF_INET : AF_INET6;
    put(t, "add set %s { type %s; }\nflush set %s\n", set, type, set);
    put_elements(t, set, addrs, n_addrs, family);
}

static void put_address_sets(struct text *t, const struct net *net)
{
    static const struct {
        const char *digit, *type;
    } kinds[] = {{"4", "ipv4_addr"}, {"6", "ipv6_addr"}};
    struct net_addr vips[VIPS_MAX], held[VIPS_MAX];
    const char *name = net->config.table;
    char set[NET_TABLE_MAX + 32];
    unsigned n_held = 0;
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        vips[i] = net->vips[i].addr;
        if (net->config.vips[i].held_only)
            held[n_held++] = vips[i];
    }
    for (unsigned k = 0; k < 2; k++) {
        const char *digit = kinds[k].digit, *type = kinds[k].type;
        put(t, "add set inet %s lease%s { type %s; " LEASE_FLAGS " }\n", name, digit, type);
        put(t, "add set inet %s blocked%s { type %s; }\n", name, digit, type);
        put(t, "add set inet %s refused%s { type %s; flags timeout; }\n", name, digit, type);
        (void)snprintf(set, sizeof set, "inet %s vip%s", name, digit);
        put_constant_set(t, set, type, vips, net->config.n_vips);
        (void)snprintf(set, sizeof set, "inet %s held%s", name, digit);
        put_constant_set(t, set, type, held, n_held);
        (void)snprintf(set, sizeof set, "inet %s member%s", name, digit);
        put_constant_set(t, set, type, net->members, net->config.n_members);
    }
    put(t, "add set arp %s lease4 { type ipv4_addr; " LEASE_FLAGS " }\n", name);
    (void)snprintf(set, sizeof set, "arp %s vip4", name);
    put_constant_set(t, set, "ipv4_addr", vips, net->config.n_vips);
}

static void put_port_sets(struct text *t, const struct net *net)
{
    const char *name = net->config.table;
    put(t, "add set inet %s lease_port { type inet_service; " LEASE_FLAGS " }\n", name);
    put(t, "add set inet %s shut { type inet_service; flags timeout; }\n", name);
    put(t, "add set inet %s port { type inet_service; }\n", name);
    put(t, "flush set inet %s port\n", name);
    for (unsigned i = 0; i < net->config.n_ports; i++)
        put(t, "add element inet %s port { %u }\n", name, net->config.ports[i]);
}

static void put_chain(struct text *t, const char *family, const char *name, const char *hook)
{
    /* -450: before everything, defragmentation included. */
    put(t, "add chain %s %s %s { type filter hook %s priority %d; policy accept; }\n", family, name,
        hook, hook, -450);
    put(t, "flush chain %s %s %s\n", family, name, hook);
}

static void put_chain_rules(struct text *t, const char *name, const char *chain,
                            const char *const *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(t, "add rule inet %s %s %s\n", name, chain, rules[i]);
}

static void put_rules(struct text *t, const struct net *net)
{
    const char *name = net->config.table;
    bool port = net->config.scope == NET_SCOPE_PORT;
    static const char *const prerouting[] = {
        "iiftype loopback accept",
        "ip daddr @held4 fib daddr type local drop",
        "ip6 daddr @held6 fib daddr type local meta l4proto != ipv6-icmp drop",
        "ip6 daddr @held6 fib daddr type local "
        "icmpv6 type != { nd-neighbor-solicit, nd-neighbor-advert } drop",
        /* A new connection is refused, so that its client tries again at once; an established one
         * is silenced, so that it survives a lease that comes back. */
        "ip daddr @vip4 ip daddr != @lease4 fib daddr type local tcp dport @port " SYN_ONLY
        " reject with tcp reset",
        "ip6 daddr @vip6 ip6 daddr != @lease6 fib daddr type local tcp dport @port " SYN_ONLY
        " reject with tcp reset",
        "ip daddr @vip4 ip daddr != @lease4 fib daddr type local drop",
        "ip6 daddr @vip6 ip6 daddr != @lease6 fib daddr type local drop",
    };
    static const char *const input[] = {
        "iiftype loopback accept",
        "ip saddr @blocked4 tcp dport @port drop",
        "ip6 saddr @blocked6 tcp dport @port drop",
        /* from here on with the scope of ports only */
        "ip saddr @member4 accept",
        "ip6 saddr @member6 accept",
        "tcp dport @shut " SYN_ONLY " reject with tcp reset",
        "tcp dport @port tcp dport != @lease_port " SYN_ONLY " reject with tcp reset",
        "tcp dport @port tcp dport != @lease_port drop",
    };
    static const char *const output[] = {
        "oiftype loopback accept",
        "ip daddr @refused4 tcp dport @port " SYN_ONLY " reject with tcp reset",
        "ip6 daddr @refused6 tcp dport @port " SYN_ONLY " reject with tcp reset",
        /* What is in a window already would arrive. */
        "ip daddr @blocked4 tcp sport @port drop",
        "ip6 daddr @blocked6 tcp sport @port drop",
        /* A reset promises nothing. */
        "tcp sport @port tcp flags & rst == rst accept",
        "ip saddr @vip4 ip saddr != @lease4 drop",
        "ip6 saddr @vip6 ip6 saddr != @lease6 drop",
        /* from here on with the scope of ports only */
        "ip daddr @member4 accept",
        "ip6 daddr @member6 accept",
        "tcp sport @port tcp sport != @lease_port drop",
    };
    put_chain(t, "inet", name, "prerouting");
    put_chain(t, "inet", name, "input");
    put_chain(t, "inet", name, "output");
    put_chain(t, "arp", name, "output");
    put_chain_rules(t, name, "prerouting", prerouting, sizeof prerouting / sizeof prerouting[0]);
    put_chain_rules(t, name, "input", input, port ? sizeof input / sizeof input[0] : 3);
    put_chain_rules(t, name, "output", output, port ? sizeof output / sizeof output[0] : 8);
    put(t, "add rule arp %s output arp saddr ip @vip4 arp saddr ip != @lease4 drop\n", name);
}

static int nft_failed(struct nft_ctx *ctx, struct errmsg *m)
{
    const char *text = nft_ctx_get_error_buffer(ctx);
    int r = ERR_IO;
    if (strstr(text, strerror(EPERM)) != NULL)
        r = ERR_PERM;
    else if (strstr(text, strerror(EEXIST)) != NULL)
        r = ERR_EXISTS;
    else if (strstr(text, strerror(EOPNOTSUPP)) != NULL || strstr(text, strerror(ENOENT)) != NULL)
        r = ERR_UNSUPPORTED;
    return errmsg_set(m, r, "nftables: %.400s", text);
}

static int nft_run(const struct text *t, struct errmsg *m)
{
    struct nft_ctx *ctx;
    int r = 0;
    if (!text_is_complete(t))
        return errmsg_set(m, ERR_FULL, "the nftables rules are longer than %d bytes", TEXT_BYTES);
    ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    if (ctx == NULL)
        return errmsg_set(m, ERR_NOMEM, "libnftables");
    (void)nft_ctx_buffer_output(ctx);
    (void)nft_ctx_buffer_error(ctx);
    if (nft_run_cmd_from_buffer(ctx, t->bytes) != 0)
        r = nft_failed(ctx, m);
    nft_ctx_free(ctx);
    return r;
}

static void put_tables(struct text *t, const char *name, const char *verb)
{
    put(t, "%s table inet %s\n%s table arp %s\n", verb, name, verb, name);
}

int net_table_install(struct net *net, bool reset, struct errmsg *m)
{
    const char *name = net->config.table;
    struct text t = {.used = 0};
    int r;
    put_tables(&t, name, "add");
    if (reset) {
        put_tables(&t, name, "delete");
        put_tables(&t, name, "add");
    }
    put_address_sets(&t, net);
    put_port_sets(&t, net);
    put_rules(&t, net);
    r = nft_run(&t, m);
    if (r < 0)
        return r;
    net->table_installed = true;
    if (reset)
        net->lease_until_us = 0;
    r = nft_generation_read(net->nft_socket, net->nft_seq++, m, &net->table_gen);
    if (r == 0)
        r = nft_rules_count(net->nft_socket, net->nft_seq++, name, m, &net->table_rules);
    return r;
}

int net_table_remove(struct net *net, struct errmsg *m)
{
    struct text t = {.used = 0};
    int r;
    /* Adding first makes the deletion of what is absent succeed. */
    put_tables(&t, net->config.table, "add");
    put_tables(&t, net->config.table, "delete");
    r = nft_run(&t, m);
    if (r == 0) {
        net->table_installed = false;
        net->lease_until_us = 0;
    }
    return r;
}

int net_table_try(struct errmsg *m)
{
    static const char name[] = "tandem_is_it_possible";
    struct text t = {.used = 0};
    put_tables(&t, name, "add");
    put(&t, "add set inet %s lease4 { type ipv4_addr; %s }\n", name, LEASE_FLAGS);
    put_tables(&t, name, "delete");
    return nft_run(&t, m);
}

void net_table_look(struct net *net)
{
    uint32_t generation;
    unsigned rules = 0;
    struct errmsg m;
    if (!net->table_installed)
        return;
    if (nft_generation_read(net->nft_socket, net->nft_seq++, &m, &generation) == 0 &&
        generation == net->table_gen)
        return;
    if (nft_rules_count(net->nft_socket, net->nft_seq++, net->config.table, &m, &rules) == 0 &&
        rules == net->table_rules) {
        net->table_gen = generation;
        return;
    }
    LOG(&net->log, ERROR, "net-table-lost",
        "somebody changed the tables of the lease table=%s rules=%u expected=%u", net->config.table,
        rules, net->table_rules);
    net_emit(net, NET_EVENT_TABLE_LOST, VIPS_MAX);
}
