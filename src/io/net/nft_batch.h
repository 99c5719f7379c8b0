/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements of nftables sets over raw netlink: a batch is one transaction of the kernel (all of it
 * or nothing, invisible to packets until it is complete). Only what the lease needs; tables and
 * rules are installed by libnftables, which parses text and reads the ruleset back: too slow for
 * something that is renewed with every heartbeat.
 *
 * The kernel works inside sendmsg() and has queued its answers when that returns, so nothing here
 * waits, except for the kernel's nftables mutex while another program commits a ruleset.
 */
#ifndef TANDEM_IO_NET_NFT_BATCH_H
#define TANDEM_IO_NET_NFT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "util/err.h"
#include "wire/limits.h"

#define NFT_KEYS_MAX VIPS_MAX
#define NFT_BATCH_BYTES 16384
#define NFT_NO_TIMEOUT INT64_MAX

struct nft_set {
    uint8_t family; /* NFPROTO_INET, NFPROTO_ARP */
    const char *table;
    const char *name;
};

struct nft_key {
    uint8_t len;
    uint8_t bytes[16];
};

struct nft_keys {
    unsigned n;
    struct nft_key keys[NFT_KEYS_MAX];
};

struct nft_batch {
    uint32_t first_seq;
    uint32_t seq;
    size_t used;
    size_t last; /* offset of the last command */
    char buf[NFT_BATCH_BYTES] __attribute__((aligned(8)));
};

void nft_batch_begin(struct nft_batch *b, uint32_t seq);
/* Adding what is there is no error; it does not extend it (new kernels change a different timeout,
 * none refreshes an equal one). */
void nft_batch_add(struct nft_batch *b, const struct nft_set *set, const struct nft_keys *keys,
                   int64_t timeout_ms);
/* Deleting what is not there fails the batch with ERR_NOTFOUND: add it first. */
void nft_batch_del(struct nft_batch *b, const struct nft_set *set, const struct nft_keys *keys);
void nft_batch_flush(struct nft_batch *b, const struct nft_set *set);
/* Sends, reads the verdict. ERR_NOTFOUND (no such table, set or element), ERR_PERM, ERR_IO.
 * On return *seq is the next free sequence number. */
int nft_batch_commit(struct nft_batch *b, struct mnl_socket *s, uint32_t *seq,
                     struct errmsg *m) NODISCARD;

/* The longest time until an element of the set expires, 0 if it has none, NFT_NO_TIMEOUT if one
 * stays for ever. */
int nft_set_read_ms(struct mnl_socket *s, uint32_t seq, const struct nft_set *set, struct errmsg *m,
                    int64_t *ret_ms) NODISCARD;
/* Changes with every transaction of anybody. */
int nft_generation_read(struct mnl_socket *s, uint32_t seq, struct errmsg *m,
                        uint32_t *ret_generation) NODISCARD;
/* Rules of the tables of this name, in the families inet and arp. */
int nft_rules_count(struct mnl_socket *s, uint32_t seq, const char *table, struct errmsg *m,
                    unsigned *ret_rules) NODISCARD;

#endif
