/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bursts of announcements: one timer for all VIPs, each with its own start and position. Failure
 * modes: the link is down or the queue is full (the later repeats may pass); the process stood
 * still (what is overdue is sent once, and only while the lease lives: the time is read right
 * before sending, so that a stopped and continued agent does not call the traffic back).
 */
#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/socket.h>

#include "io/net/net_private.h"
#include "wire/arp_packet.h"
#include "wire/ndp_packet.h"

int net_send_frame(int fd, int ifindex, const uint8_t *frame, size_t size)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = ifindex};
    /* A raw frame carries its own type; this one is what taps and filters see. */
    memcpy(&to.sll_protocol, frame + 12, sizeof to.sll_protocol);
    to.sll_halen = ETH_ALEN;
    memcpy(to.sll_addr, frame, ETH_ALEN);
    if (sendto(fd, frame, size, 0, (const void *)&to, sizeof to) < 0)
        return -errno;
    return 0;
}

static bool is_allowed(const struct net *net)
{
    return !net->table_installed || net->lease_until_us > net_now_us();
}

static int send_arp(struct net *net, unsigned vip)
{
    const struct net_vip_state *v = &net->vips[vip];
    const struct net_link *link = net_vip_link(net, vip);
    int r = 0;
    for (uint16_t op = ARP_OP_REQUEST; op <= ARP_OP_REPLY && r == 0; op++) {
        uint8_t frame[ARP_FRAME_SIZE];
        struct arp_packet p = arp_packet_announcement(link->mac, v->addr.bytes, op);
        arp_packet_encode(&p, frame);
        r = net_send_frame(net->packet_fd, link->ifindex, frame, sizeof frame);
    }
    return r;
}

static int send_ndp(struct net *net, unsigned vip)
{
    const struct net_vip_state *v = &net->vips[vip];
    const struct net_link *link = net_vip_link(net, vip);
    uint8_t frame[NDP_FRAME_MAX];
    struct ndp_packet p = ndp_packet_announcement(link->mac, v->addr.bytes);
    size_t size = ndp_packet_encode(&p, frame);
    return net_send_frame(net->packet_fd, link->ifindex, frame, size);
}

static int send_once(struct net *net, unsigned vip, struct errmsg *m)
{
    const struct net_vip_state *v = &net->vips[vip];
    const struct net_vip *config = &net->config.vips[vip];
    const struct net_link *link = net_vip_link(net, vip);
    const char *device = config->macvlan[0] != '\0' ? config->macvlan : config->device;
    int r;
    if (!is_allowed(net))
        return errmsg_set(m, ERR_STATE, "no lease, virtual address %s is not announced",
                          config->address);
    if (link->ifindex == 0)
        return errmsg_set(m, ERR_NOTFOUND, "device '%s' does not exist", device);
    if (!link->ethernet)
        return errmsg_set(m, ERR_UNSUPPORTED, "device '%s' has no Ethernet address", device);
    r = v->addr.family == AF_INET ? send_arp(net, vip) : send_ndp(net, vip);
    if (r < 0)
        return errmsg_set(m, ERR_IO, "cannot announce %s on '%s': %s", config->address, device,
                          strerror(-r));
    return 0;
}

static int64_t due_us(const struct net *net, const struct net_vip_state *v)
{
    return v->announce_start_us + (int64_t)net->config.announce_at_ms[v->announce_next] * 1000;
}

static void on_timer(uv_timer_t *handle)
{
    net_announce_due(handle->data);
}

static void timer_update(struct net *net)
{
    int64_t now = net_now_us(), next = INT64_MAX, wait_us;
    if (net->stopping)
        return;
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        if (net->vips[i].announcing && due_us(net, &net->vips[i]) < next)
            next = due_us(net, &net->vips[i]);
    }
    if (next == INT64_MAX) {
        (void)uv_timer_stop(&net->announce_timer);
        return;
    }
    wait_us = next > now ? next - now : 0;
    (void)uv_timer_start(&net->announce_timer, on_timer, (uint64_t)(wait_us + 999) / 1000, 0);
}

/* Skips to the first repeat that is not due yet. */
static void advance(struct net *net, struct net_vip_state *v, int64_t now)
{
    while (v->announcing && due_us(net, v) <= now) {
        if (++v->announce_next == net->config.n_announces)
            v->announcing = false;
    }
}

void net_announce_due(struct net *net)
{
    int64_t now = net_now_us();
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        struct net_vip_state *v = &net->vips[i];
        struct errmsg m;
        int r;
        if (!v->announcing || due_us(net, v) > now)
            continue;
        r = send_once(net, i, &m);
        if (r < 0)
            LOG(&net->log, WARNING, "net-announce-failed", "cannot repeat an announcement error=%s",
                m.text);
        if (r == ERR_STATE)
            v->announcing = false;
        advance(net, v, now);
    }
    timer_update(net);
}

void net_announce_end(struct net *net, unsigned vip)
{
    net->vips[vip].announcing = false;
    timer_update(net);
}

int net_announce(struct net *net, unsigned vip, struct errmsg *m)
{
    struct net_vip_state *v = &net->vips[vip];
    int r;
    assert(vip < net->config.n_vips);
    v->announcing = false;
    r = send_once(net, vip, m);
    if (r != ERR_STATE && r != ERR_UNSUPPORTED) {
        v->announcing = true;
        v->announce_next = 0;
        v->announce_start_us = net_now_us();
        advance(net, v, v->announce_start_us);
    }
    timer_update(net);
    return r;
}
