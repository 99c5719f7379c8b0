/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failure modes: one command of a batch is refused (its own error message, no acknowledgement of
 * the last command counts then), the commit itself is refused (an error for the batch's begin),
 * leftovers of an earlier exchange are in the socket (their sequence numbers do not match).
 */
#include "io/net/nft_batch.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "io/net/net_private.h"

static struct nlmsghdr *put_header(void *at, uint16_t type, uint16_t flags, uint8_t family)
{
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
    struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof *nfg);
    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    nfg->nfgen_family = family;
    nfg->version = NFNETLINK_V0;
    return nlh;
}

static uint16_t nft_type(unsigned message)
{
    return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message);
}

static struct nlmsghdr *batch_put(struct nft_batch *b, uint16_t type, uint16_t flags,
                                  uint8_t family)
{
    struct nlmsghdr *nlh = put_header(b->buf + b->used, type, flags, family);
    nlh->nlmsg_seq = b->seq++;
    return nlh;
}

static void batch_mark(struct nft_batch *b, uint16_t type)
{
    struct nlmsghdr *nlh = batch_put(b, type, 0, AF_UNSPEC);
    struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
    nfg->res_id = htons(NFNL_SUBSYS_NFTABLES);
    b->used += netlink_size(nlh);
}

/* Worst case: header, names, every key with nests and timeout. The lease of VIPS_MAX addresses is
 * four sets in three commands each. */
_Static_assert(12 * (128 + 2 * NET_TABLE_MAX) + 9 * NFT_KEYS_MAX * 48 + 256 < NFT_BATCH_BYTES,
               "a whole renewal fits into one batch");

void nft_batch_begin(struct nft_batch *b, uint32_t seq)
{
    b->first_seq = seq;
    b->seq = seq;
    b->used = 0;
    b->last = 0;
    batch_mark(b, NFNL_MSG_BATCH_BEGIN);
}

static struct nlmsghdr *command_put(struct nft_batch *b, unsigned message, uint16_t flags,
                                    const struct nft_set *set)
{
    struct nlmsghdr *nlh = batch_put(b, nft_type(message), flags, set->family);
    b->last = b->used;
    mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, set->table);
    mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set->name);
    return nlh;
}

static void elements_put(struct nlmsghdr *nlh, const struct nft_keys *keys, int64_t timeout_ms)
{
    struct nlattr *list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (unsigned i = 0; i < keys->n; i++) {
        struct nlattr *elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
        struct nlattr *key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
        mnl_attr_put(nlh, NFTA_DATA_VALUE, keys->keys[i].len, keys->keys[i].bytes);
        mnl_attr_nest_end(nlh, key);
        if (timeout_ms != NFT_NO_TIMEOUT)
            mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64((uint64_t)timeout_ms));
        mnl_attr_nest_end(nlh, elem);
    }
    mnl_attr_nest_end(nlh, list);
}

void nft_batch_add(struct nft_batch *b, const struct nft_set *set, const struct nft_keys *keys,
                   int64_t timeout_ms)
{
    struct nlmsghdr *nlh;
    if (keys->n == 0)
        return;
    nlh = command_put(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set);
    elements_put(nlh, keys, timeout_ms);
    b->used += netlink_size(nlh);
}

void nft_batch_del(struct nft_batch *b, const struct nft_set *set, const struct nft_keys *keys)
{
    struct nlmsghdr *nlh;
    if (keys->n == 0)
        return;
    nlh = command_put(b, NFT_MSG_DELSETELEM, 0, set);
    elements_put(nlh, keys, NFT_NO_TIMEOUT);
    b->used += netlink_size(nlh);
}

void nft_batch_flush(struct nft_batch *b, const struct nft_set *set)
{
    const struct nlmsghdr *nlh = command_put(b, NFT_MSG_DELSETELEM, 0, set);
    b->used += netlink_size(nlh);
}

/* The first error among the answers, or success once the last command is acknowledged. */
static int read_verdict(const struct nft_batch *b, struct mnl_socket *s, struct errmsg *m)
{
    char buf[8192] NETLINK_ALIGNED, why[128];
    bool acknowledged = false;
    int result = 0;
    for (;;) {
        const struct nlmsghdr *nlh = (const void *)buf;
        ssize_t n = mnl_socket_recvfrom(s, buf, sizeof buf);
        int left = (int)n;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
            if (nlh->nlmsg_type != NLMSG_ERROR ||
                nlh->nlmsg_seq - b->first_seq >= b->seq - b->first_seq)
                continue;
            if (e->error == 0) {
                acknowledged = true;
            } else if (result == 0) {
                net_ext_ack_text(nlh, why, sizeof why);
                result = net_errno(m, -e->error, why[0] != '\0' ? why : "nftables");
            }
        }
    }
    if (result == 0 && !acknowledged)
        result = errmsg_set(m, ERR_IO, "nftables did not answer: %s", strerror(errno));
    return result;
}

int nft_batch_commit(struct nft_batch *b, struct mnl_socket *s, uint32_t *seq, struct errmsg *m)
{
    struct nlmsghdr *last = (void *)(b->buf + b->last);
    if (b->last == 0) /* no command */
        return 0;
    last->nlmsg_flags |= NLM_F_ACK;
    batch_mark(b, NFNL_MSG_BATCH_END);
    *seq = b->seq;
    if (mnl_socket_sendto(s, b->buf, b->used) < 0)
        return net_errno(m, errno, "cannot send to nftables");
    return read_verdict(b, s, m);
}

/* --- reading ----------------------------------------------------------------------------------*/

/* Sends one request and hands every answer to fn until the end of the dump or the only answer. */
static int exchange(struct mnl_socket *s, const struct nlmsghdr *request, mnl_cb_t fn, void *data)
{
    uint8_t buf[NET_RECV_BYTES] NETLINK_ALIGNED;
    bool is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    int r;
    if (mnl_socket_sendto(s, request, request->nlmsg_len) < 0)
        return -errno;
    do {
        ssize_t n = mnl_socket_recvfrom(s, buf, sizeof buf);
        if (n < 0 && errno == EINTR) {
            r = MNL_CB_OK;
            continue;
        }
        if (n < 0)
            return -errno;
        r = mnl_cb_run(buf, (size_t)n, request->nlmsg_seq, mnl_socket_get_portid(s), fn, data);
        if (r < 0 && errno != ESRCH && errno != EPROTO) /* those: a leftover, not our answer */
            return -errno;
    } while (r < 0 || (is_dump && r != MNL_CB_STOP));
    return 0;
}

static int64_t element_left_ms(const struct nlattr *element)
{
    const struct nlattr *attr;
    int64_t left_ms = NFT_NO_TIMEOUT;
    bool has_timeout = false;
    NETLINK_EACH_NESTED(attr, element)
    {
        if (mnl_attr_get_payload_len(attr) != sizeof(uint64_t))
            continue;
        if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_EXPIRATION)
            left_ms = (int64_t)be64toh(mnl_attr_get_u64(attr));
        if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_TIMEOUT)
            has_timeout = true;
    }
    /* The kernel leaves the expiration out of an element that ends this very moment. */
    return has_timeout && left_ms == NFT_NO_TIMEOUT ? 0 : left_ms;
}

static int on_elements(const struct nlmsghdr *nlh, void *data)
{
    int64_t *longest_ms = data;
    const struct nlattr *attr, *element;
    NETLINK_EACH(attr, nlh, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
            continue;
        NETLINK_EACH_NESTED(element, attr)
        {
            int64_t left_ms = element_left_ms(element);
            if (left_ms > *longest_ms)
                *longest_ms = left_ms;
        }
    }
    return MNL_CB_OK;
}

int nft_set_read_ms(struct mnl_socket *s, uint32_t seq, const struct nft_set *set, struct errmsg *m,
                    int64_t *ret_ms)
{
    char buf[256] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = put_header(buf, nft_type(NFT_MSG_GETSETELEM), NLM_F_DUMP, set->family);
    int64_t longest_ms = 0;
    int r;
    nlh->nlmsg_seq = seq;
    mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, set->table);
    mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set->name);
    r = exchange(s, nlh, on_elements, &longest_ms);
    if (r < 0)
        return net_errno(m, -r, "cannot read the lease back");
    *ret_ms = longest_ms;
    return 0;
}

static int on_generation(const struct nlmsghdr *nlh, void *data)
{
    const struct nlattr *attr;
    NETLINK_EACH(attr, nlh, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
            mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
            *(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
    }
    return MNL_CB_OK;
}

int nft_generation_read(struct mnl_socket *s, uint32_t seq, struct errmsg *m,
                        uint32_t *ret_generation)
{
    char buf[64] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = put_header(buf, nft_type(NFT_MSG_GETGEN), 0, AF_UNSPEC);
    uint32_t generation = 0;
    int r;
    nlh->nlmsg_seq = seq;
    r = exchange(s, nlh, on_generation, &generation);
    if (r < 0)
        return net_errno(m, -r, "cannot read the generation of nftables");
    *ret_generation = generation;
    return 0;
}

static int on_rule(const struct nlmsghdr *nlh, void *data)
{
    if (nlh->nlmsg_type == nft_type(NFT_MSG_NEWRULE))
        ++*(unsigned *)data;
    return MNL_CB_OK;
}

int nft_rules_count(struct mnl_socket *s, uint32_t seq, const char *table, struct errmsg *m,
                    unsigned *ret_rules)
{
    static const uint8_t families[] = {NFPROTO_INET, NFPROTO_ARP};
    unsigned rules = 0;
    for (unsigned i = 0; i < sizeof families; i++) {
        char buf[256] NETLINK_ALIGNED;
        struct nlmsghdr *nlh = put_header(buf, nft_type(NFT_MSG_GETRULE), NLM_F_DUMP, families[i]);
        int r;
        nlh->nlmsg_seq = seq;
        mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, table);
        r = exchange(s, nlh, on_rule, &rules);
        if (r < 0)
            return net_errno(m, -r, "cannot read the rules");
    }
    *ret_rules = rules;
    return 0;
}
