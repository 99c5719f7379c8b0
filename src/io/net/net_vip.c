/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of addresses. Happy path: the messages of a request go out in one datagram, the kernel
 * carries them out inside sendmsg(), the acknowledgements are read from the loop, the request ends.
 * Failure modes: the kernel refuses a message (its error and explanation travel in the result); an
 * acknowledgement is lost (the deadline ends the request; a late one finds no request and is
 * ignored). sendmsg() may wait for the kernel's rtnl lock while another program changes the
 * network.
 */
#include <assert.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#include "io/net/net_private.h"

#define MESSAGE_BYTES 256

static void on_timer(uv_timer_t *handle)
{
    net_vip_timeouts(handle->data);
}

static void timer_update(struct net *net)
{
    int64_t now = net_now_us(), next = INT64_MAX, wait_us;
    if (net->stopping)
        return;
    for (unsigned i = 0; i < NET_OPS_MAX; i++) {
        if (net->ops[i].used && net->ops[i].deadline_us < next)
            next = net->ops[i].deadline_us;
    }
    if (next == INT64_MAX) {
        (void)uv_timer_stop(&net->vip_timer);
        return;
    }
    wait_us = next > now ? next - now : 0;
    (void)uv_timer_start(&net->vip_timer, on_timer, (uint64_t)(wait_us + 999) / 1000, 0);
}

/* The slot is free before the callback runs: it may ask for the next thing. */
static void op_end(struct net *net, struct net_op *op, int err)
{
    struct net_op done = *op;
    op->used = false;
    if (done.result.err == 0)
        done.result.err = err;
    if (done.result.err == ERR_TIMEOUT)
        (void)errmsg_set(&done.result.msg, ERR_TIMEOUT, "the kernel did not answer in %u ms",
                         done.rq.timeout_ms);
    timer_update(net);
    if (done.rq.done != NULL)
        done.rq.done(done.rq.data, &done.result);
}

void net_vip_timeouts(struct net *net)
{
    int64_t now = net_now_us();
    for (unsigned i = 0; i < NET_OPS_MAX && !net->stopping; i++) {
        if (net->ops[i].used && net->ops[i].deadline_us <= now)
            op_end(net, &net->ops[i], ERR_TIMEOUT);
    }
    timer_update(net);
}

void net_vip_cancel_all(struct net *net)
{
    for (unsigned i = 0; i < NET_OPS_MAX; i++) {
        if (net->ops[i].used)
            op_end(net, &net->ops[i], ERR_CANCELED);
    }
}

/* --- acknowledgements -------------------------------------------------------------------------*/

static struct net_op *op_of_seq(struct net *net, uint32_t seq)
{
    for (unsigned i = 0; i < NET_OPS_MAX; i++) {
        struct net_op *op = &net->ops[i];
        if (op->used && seq - op->seq < op->n_acks)
            return op;
    }
    return NULL;
}

static bool is_absent(int error)
{
    return error == EADDRNOTAVAIL || error == ENODEV;
}

static void on_ack(struct net *net, const struct nlmsghdr *nlh)
{
    const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
    struct net_op *op = op_of_seq(net, nlh->nlmsg_seq);
    char why[128], address[ADDRESS_TEXT_MAX], what[ERRMSG_MAX];
    int error;
    if (op == NULL || mnl_nlmsg_get_payload_len(nlh) < sizeof *e)
        return;
    error = -e->error;
    if (error != 0 && !(op->del && is_absent(error)) && op->result.err == 0) {
        net_ext_ack_text(nlh, why, sizeof why);
        (void)snprintf(
            what, sizeof what, "cannot %s virtual address %s%s%s", op->del ? "delete" : "add",
            net_addr_text(&net->vips[op->rq.vip].addr, address), why[0] != '\0' ? ": " : "", why);
        op->result.err = net_errno(&op->result.msg, error, what);
    }
    if (++op->n_acked < op->n_acks)
        return;
    if (op->place.usable && op->result.err == 0)
        net_monitor_added(net, op->rq.vip, &op->place, op->expires_us);
    /* The notification of this change was queued before its acknowledgement: the caller shall not
     * ask for the opposite while we still believe in the past. */
    net_monitor_drain(net);
    if (!net->stopping)
        op_end(net, op, 0);
}

void net_vip_acks(struct net *net)
{
    uint8_t buf[8192] NETLINK_ALIGNED;
    for (unsigned i = 0; i < 256 && !net->stopping; i++) {
        const struct nlmsghdr *nlh = (const void *)buf;
        ssize_t n = mnl_socket_recvfrom(net->vip_socket, buf, sizeof buf);
        int left = (int)n;
        if (n < 0 && (errno == ENOBUFS || errno == EINTR))
            continue;
        if (n < 0)
            return;
        for (; mnl_nlmsg_ok(nlh, left) && !net->stopping; nlh = mnl_nlmsg_next(nlh, &left)) {
            if (nlh->nlmsg_type == NLMSG_ERROR)
                on_ack(net, nlh);
        }
    }
}

/* --- requests ---------------------------------------------------------------------------------*/

static struct nlmsghdr *put_message(char *buf, uint16_t type, uint32_t seq,
                                    const struct net_addr *a, const struct net_place *place)
{
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof *ifa);
    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    nlh->nlmsg_seq = seq;
    ifa->ifa_family = (uint8_t)a->family;
    ifa->ifa_prefixlen = place->prefix;
    ifa->ifa_index = (uint32_t)place->ifindex;
    ifa->ifa_scope = RT_SCOPE_UNIVERSE;
    mnl_attr_put(nlh, IFA_LOCAL, a->len, a->bytes);
    mnl_attr_put(nlh, IFA_ADDRESS, a->len, a->bytes);
    return nlh;
}

static void put_lifetime(struct nlmsghdr *nlh, int family, unsigned lifetime_s, bool proven_free)
{
    struct ifa_cacheinfo info = {.ifa_valid = lifetime_s == 0 ? UINT32_MAX : lifetime_s};
    uint32_t flags = 0;
    info.ifa_prefered = info.ifa_valid;
    if (family == AF_INET6) {
        /* Deprecated: not a source address of new connections (RFC 6724 rule 3). */
        info.ifa_prefered = 0;
        flags = IFA_F_NOPREFIXROUTE | (proven_free ? IFA_F_NODAD : 0);
    }
    mnl_attr_put(nlh, IFA_CACHEINFO, sizeof info, &info);
    if (flags != 0)
        mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
}

static struct net_op *op_new(struct net *net)
{
    for (unsigned i = 0; i < NET_OPS_MAX; i++) {
        if (!net->ops[i].used)
            return &net->ops[i];
    }
    return NULL;
}

static int op_send(struct net *net, struct net_op *op, const char *buf, size_t size)
{
    if (mnl_socket_sendto(net->vip_socket, buf, size) < 0)
        return net_errno(NULL, errno, "send");
    op->used = true;
    op->n_acked = 0;
    op->deadline_us = net_now_us() + (int64_t)op->rq.timeout_ms * 1000;
    net->vip_seq += op->n_acks;
    net->vips[op->rq.vip].wish = op->del ? NET_WISH_DEL : NET_WISH_ADD;
    timer_update(net);
    return 0;
}

int net_vip_add(struct net *net, const struct net_request *rq, unsigned lifetime_s,
                bool proven_free)
{
    char buf[MESSAGE_BYTES] NETLINK_ALIGNED;
    const struct net_vip *config = &net->config.vips[rq->vip];
    struct net_vip_state *v = &net->vips[rq->vip];
    struct net_place place = {.ifindex = net_vip_link(net, rq->vip)->ifindex,
                              .prefix = config->prefix};
    int64_t lifetime_us = (int64_t)lifetime_s * 1000000;
    struct net_op *op = op_new(net);
    struct nlmsghdr *nlh;
    assert(rq->vip < net->config.n_vips);
    if (op == NULL)
        return ERR_FULL;
    if (place.ifindex == 0)
        return ERR_NOTFOUND;
    *op = (struct net_op){.rq = *rq, .result.vip = rq->vip, .seq = net->vip_seq, .n_acks = 1};
    place.usable = v->addr.family == AF_INET || proven_free;
    op->place = place;
    op->expires_us = lifetime_s == 0 ? INT64_MAX : net_now_us() + lifetime_us;
    nlh = put_message(buf, RTM_NEWADDR, op->seq, &v->addr, &place);
    nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
    put_lifetime(nlh, v->addr.family, lifetime_s, proven_free);
    /* The host's own route into that network goes by the parent. */
    if (v->addr.family == AF_INET && config->macvlan[0] != '\0')
        mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
    if (v->addr.family == AF_INET && config->label[0] != '\0')
        mnl_attr_put_strz(nlh, IFA_LABEL, config->label);
    return op_send(net, op, buf, nlh->nlmsg_len);
}

int net_vip_del(struct net *net, const struct net_request *rq)
{
    char buf[MESSAGE_BYTES * (NET_PLACES_MAX + 1)] NETLINK_ALIGNED;
    struct net_vip_state *v = &net->vips[rq->vip];
    /* Where we last saw it, and where it would be if a notification is still under way. */
    struct net_place usual = {.ifindex = net_vip_link(net, rq->vip)->ifindex,
                              .prefix = net->config.vips[rq->vip].prefix};
    struct net_op *op = op_new(net);
    size_t used = 0;
    assert(rq->vip < net->config.n_vips);
    if (op == NULL)
        return ERR_FULL;
    net_announce_end(net, rq->vip);
    *op = (struct net_op){.rq = *rq, .result.vip = rq->vip, .seq = net->vip_seq, .del = true};
    for (unsigned i = 0; i <= v->n_places; i++) {
        const struct net_place *p = i < v->n_places ? &v->places[i] : &usual;
        const struct nlmsghdr *nlh =
            put_message(buf + used, RTM_DELADDR, op->seq + op->n_acks, &v->addr, p);
        op->n_acks++;
        used += netlink_size(nlh);
    }
    return op_send(net, op, buf, used);
}
