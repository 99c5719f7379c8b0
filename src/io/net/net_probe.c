/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conflict probe: a packet socket of its own on the VIP's device, three questions spread over the
 * time limit, and whoever answers ends it. Silence until the limit means free. Failure modes: the
 * link is down (the question cannot be sent: ends with ERR_IO), the device vanishes (the same).
 *
 * A probe is allocated by net_vip_probe() and freed when its two handles are closed; its socket is
 * filtered before it is bound, so that the host's traffic does not wake the loop.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/net/net_private.h"
#include "wire/arp_packet.h"
#include "wire/ndp_packet.h"

#define QUESTIONS 3

struct net_probe {
    struct net *net;
    struct net_request rq;
    struct net_result result;
    int fd;
    int ifindex;
    uint8_t mac[6];
    struct net_addr addr;
    unsigned asked;
    int64_t start_us;
    bool ended;
    bool told;
    unsigned n_handles;
    uv_poll_t poll;
    uv_timer_t timer;
};

static void tell(struct net_probe *p)
{
    if (p->told)
        return;
    p->told = true;
    p->rq.done(p->rq.data, &p->result);
}

static void on_closed(uv_handle_t *handle)
{
    struct net_probe *p = handle->data;
    struct net *net = p->net;
    if (--p->n_handles == 0) {
        close(p->fd);
        tell(p);
        free(p);
    }
    net_handle_closed(net);
}

static void probe_close(struct net_probe *p)
{
    p->ended = true;
    p->net->vips[p->rq.vip].probe = NULL;
    uv_close((uv_handle_t *)&p->poll, on_closed);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void probe_end(struct net_probe *p)
{
    probe_close(p);
    tell(p);
}

void net_probe_cancel(struct net *net, unsigned vip)
{
    struct net_probe *p = net->vips[vip].probe;
    if (p == NULL)
        return;
    p->result.err = ERR_CANCELED;
    probe_close(p);
}

/* --- frames -----------------------------------------------------------------------------------*/

static int ask(struct net_probe *p)
{
    uint8_t frame[NDP_FRAME_MAX];
    size_t size = ARP_FRAME_SIZE;
    if (p->addr.family == AF_INET) {
        struct arp_packet arp = arp_packet_probe(p->mac, p->addr.bytes);
        arp_packet_encode(&arp, frame);
    } else {
        struct ndp_packet ndp = ndp_packet_probe(p->mac, p->addr.bytes);
        size = ndp_packet_encode(&ndp, frame);
    }
    p->asked++;
    return net_send_frame(p->fd, p->ifindex, frame, size);
}

static bool is_conflict(const struct net_probe *p, const uint8_t *frame, size_t size,
                        uint8_t ret_mac[6])
{
    if (p->addr.family == AF_INET) {
        struct arp_packet arp;
        if (arp_packet_decode(frame, size, &arp) < 0 ||
            !arp_packet_is_conflict(&arp, p->mac, p->addr.bytes))
            return false;
        memcpy(ret_mac, arp.sender_mac, 6);
    } else {
        struct ndp_packet ndp;
        if (ndp_packet_decode(frame, size, &ndp) < 0 ||
            !ndp_packet_is_conflict(&ndp, p->mac, p->addr.bytes))
            return false;
        memcpy(ret_mac, ndp.has_link_address ? ndp.link_address : ndp.eth_src, 6);
    }
    return true;
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    struct net_probe *p = handle->data;
    uint8_t frame[2048];
    (void)events;
    if (status < 0) /* libuv stops a poll that reports an error; reading takes it */
        (void)uv_poll_start(handle, UV_READABLE, on_readable);
    for (unsigned i = 0; i < 64 && !p->ended; i++) {
        ssize_t n = recv(p->fd, frame, sizeof frame, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) { /* ENETDOWN, told once */
            p->result.err = net_errno(&p->result.msg, errno, "conflict probe");
            probe_end(p);
        } else if (is_conflict(p, frame, (size_t)n, p->result.mac)) {
            p->result.conflict = true;
            probe_end(p);
        }
    }
}

static void on_timer(uv_timer_t *handle)
{
    struct net_probe *p = handle->data;
    int64_t now = net_now_us(), limit_us = (int64_t)p->rq.timeout_ms * 1000, next_us;
    if (now >= p->start_us + limit_us) {
        probe_end(p);
        return;
    }
    if (p->asked < QUESTIONS && now >= p->start_us + limit_us * p->asked / QUESTIONS) {
        int r = ask(p);
        if (r < 0) {
            p->result.err = net_errno(&p->result.msg, -r, "conflict probe");
            probe_end(p);
            return;
        }
    }
    next_us = p->start_us + limit_us * p->asked / QUESTIONS - now;
    (void)uv_timer_start(&p->timer, on_timer, (uint64_t)(next_us > 0 ? next_us : 0) / 1000 + 1, 0);
}

/* --- start ------------------------------------------------------------------------------------*/

/* Neighbour Solicitations and Advertisements without extension headers; the rest is not ours. */
static int filter_ndp(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NDP_SOLICITATION, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NDP_ADVERTISEMENT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 2048),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* The group that another prober of the same address sends to. */
static int join_group(const struct net_probe *p, int fd)
{
    struct packet_mreq mreq = {
        .mr_ifindex = p->ifindex, .mr_type = PACKET_MR_MULTICAST, .mr_alen = ETH_ALEN};
    ndp_packet_solicited_mac(p->addr.bytes, mreq.mr_address);
    return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof mreq);
}

static int open_socket(struct net_probe *p)
{
    bool v4 = p->addr.family == AF_INET;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = p->ifindex};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return net_errno(NULL, errno, "socket");
    at.sll_protocol = htons(v4 ? ETH_P_ARP : ETH_P_IPV6);
    if ((!v4 && (filter_ndp(fd) < 0 || join_group(p, fd) < 0)) ||
        bind(fd, (const void *)&at, sizeof at) < 0) {
        int error = errno;
        close(fd);
        return net_errno(NULL, error, "bind");
    }
    p->fd = fd;
    return 0;
}

static int probe_start(struct net *net, struct net_probe *p)
{
    int r = open_socket(p);
    if (r < 0)
        return r;
    if (uv_poll_init(net->loop, &p->poll, p->fd) != 0) {
        close(p->fd);
        return ERR_IO;
    }
    (void)uv_timer_init(net->loop, &p->timer);
    p->poll.data = p;
    p->timer.data = p;
    p->n_handles = 2;
    net->n_handles += 2;
    (void)uv_poll_start(&p->poll, UV_READABLE, on_readable);
    /* The first question is asked from the loop: a refusal is a result like any other. */
    (void)uv_timer_start(&p->timer, on_timer, 0, 0);
    return 0;
}

int net_vip_probe(struct net *net, const struct net_request *rq)
{
    struct net_vip_state *v = &net->vips[rq->vip];
    struct net_probe *p;
    int r;
    assert(rq->vip < net->config.n_vips);
    if (v->probe != NULL)
        return ERR_BUSY;
    if (v->present)
        return ERR_STATE;
    if (v->link.ifindex == 0)
        return ERR_NOTFOUND;
    if (!v->link.ethernet)
        return ERR_UNSUPPORTED;
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return ERR_NOMEM;
    *p = (struct net_probe){.net = net, .rq = *rq, .result.vip = rq->vip, .addr = v->addr};
    p->ifindex = v->link.ifindex;
    p->start_us = net_now_us();
    memcpy(p->mac, v->link.mac, sizeof p->mac);
    r = probe_start(net, p);
    if (r < 0) {
        free(p);
        return r;
    }
    v->probe = p;
    return 0;
}
