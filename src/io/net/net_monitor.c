/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of links and addresses: a dump of both at start, then the kernel's notifications on
 * the same socket, in the same order. Failure modes: the socket overflows (ENOBUFS) or a dump was
 * torn by a change below it (NLM_F_DUMP_INTR): everything is dumped again, and what the new dump
 * did not mention (its generation is old) is gone. A dump is never started while another one runs.
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "io/net/net_private.h"

/* The kernel takes an address away up to 20 ms before its time (ADDRCONF_TIMER_FUZZ); the rest is
 * for our own reading of the lifetime, a little after it began. */
#define EXPIRY_SLACK_US 200000
#define READS_MAX 256
#define DUMP_TICKS_MAX 5 /* a dump whose end was lost is asked for again */

static int dump_request(struct net *net, enum net_dump what)
{
    char buf[128] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    if (what == NET_DUMP_LINKS) {
        struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof *ifi);
        nlh->nlmsg_type = RTM_GETLINK;
        ifi->ifi_family = AF_UNSPEC;
    } else {
        struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof *ifa);
        nlh->nlmsg_type = RTM_GETADDR;
        ifa->ifa_family = AF_UNSPEC;
    }
    if (mnl_socket_sendto(net->monitor_socket, nlh, nlh->nlmsg_len) < 0)
        return -errno;
    net->dump = what;
    net->dump_ticks = 0;
    return 0;
}

static void dump_all(struct net *net)
{
    int r;
    net->generation++;
    net->dump_again = false;
    net->dump_torn = false;
    r = dump_request(net, NET_DUMP_LINKS);
    if (r < 0) {
        /* Only memory shortage leads here; net_monitor_tick() tries again. */
        net->dump_again = true;
        LOG(&net->log, WARNING, "net-dump-failed", "cannot ask for links and addresses error=%s",
            strerror(-r));
    }
}

int net_monitor_start(struct net *net, struct errmsg *m)
{
    int r;
    net->generation = 1;
    r = dump_request(net, NET_DUMP_LINKS);
    return r < 0 ? net_errno(m, -r, "cannot ask for the state of the links") : 0;
}

/* --- links ------------------------------------------------------------------------------------*/

static void device_name(const struct net *net, int ifindex, char name[NET_DEVICE_MAX])
{
    name[0] = '\0';
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        if (net->vips[i].link.ifindex == ifindex)
            (void)snprintf(name, NET_DEVICE_MAX, "%s", net->config.vips[i].device);
        else if (net->vips[i].macvlan.ifindex == ifindex)
            (void)snprintf(name, NET_DEVICE_MAX, "%s", net->config.vips[i].macvlan);
    }
    if (name[0] == '\0')
        (void)snprintf(name, NET_DEVICE_MAX, "if%d", ifindex);
}

static void link_set(struct net *net, unsigned vip, const struct net_link *link)
{
    struct net_link *known = &net->vips[vip].link;
    bool first = known->generation == 0, was_up = known->up;
    *known = *link;
    if (first || was_up != link->up)
        net_emit(net, link->up ? NET_EVENT_LINK_UP : NET_EVENT_LINK_DOWN, vip);
}

static void link_gone(struct net *net, unsigned vip)
{
    struct net_link none = {.generation = net->generation};
    link_set(net, vip, &none);
}

struct link_facts {
    const char *name;
    struct net_link link;
};

static void link_parse(const struct nlmsghdr *nlh, struct link_facts *f)
{
    const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
    const struct nlattr *attr;
    /* IFF_RUNNING is operstate up or unknown, IFF_LOWER_UP is carrier. */
    const unsigned wanted = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
    f->link.ifindex = ifi->ifi_index;
    f->link.up = (ifi->ifi_flags & wanted) == wanted;
    NETLINK_EACH(attr, nlh, sizeof *ifi)
    {
        uint16_t type = mnl_attr_get_type(attr);
        if (type == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
            f->name = mnl_attr_get_str(attr);
        if (type == IFLA_ADDRESS && ifi->ifi_type == ARPHRD_ETHER &&
            mnl_attr_get_payload_len(attr) == sizeof f->link.mac) {
            f->link.ethernet = true;
            memcpy(f->link.mac, mnl_attr_get_payload(attr), sizeof f->link.mac);
        }
    }
}

static void on_link(struct net *net, const struct nlmsghdr *nlh)
{
    struct link_facts f = {.name = NULL, .link.generation = net->generation};
    link_parse(nlh, &f);
    if (f.name == NULL) /* a wireless event */
        return;
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        struct net_link *macvlan = &net->vips[i].macvlan;
        bool lives = nlh->nlmsg_type == RTM_NEWLINK;
        bool named = strcmp(f.name, net->config.vips[i].device) == 0;
        bool known = net->vips[i].link.ifindex == f.link.ifindex;
        if (named && lives)
            link_set(net, i, &f.link);
        else if (known && f.link.ifindex != 0) /* deleted, renamed or moved to another namespace */
            link_gone(net, i);
        if (lives && strcmp(f.name, net->config.vips[i].macvlan) == 0)
            *macvlan = f.link;
        else if (macvlan->ifindex == f.link.ifindex)
            *macvlan = (struct net_link){.ifindex = 0};
    }
}

/* --- addresses --------------------------------------------------------------------------------*/

struct address_facts {
    struct net_addr addr;
    struct net_place place;
    uint32_t flags;
    int64_t expires_us;
};

static void address_parse(const struct nlmsghdr *nlh, struct address_facts *f)
{
    const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
    const struct nlattr *attr;
    bool local_seen = false;
    f->addr.family = ifa->ifa_family;
    f->addr.len = ifa->ifa_family == AF_INET ? 4 : 16;
    f->place.ifindex = (int)ifa->ifa_index;
    f->place.prefix = ifa->ifa_prefixlen;
    f->flags = ifa->ifa_flags;
    f->expires_us = INT64_MAX;
    NETLINK_EACH(attr, nlh, sizeof *ifa)
    {
        uint16_t type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);
        /* On a point-to-point link IFA_ADDRESS is the other end, IFA_LOCAL is ours. */
        if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !local_seen)) && len == f->addr.len) {
            memcpy(f->addr.bytes, mnl_attr_get_payload(attr), f->addr.len);
            local_seen = type == IFA_LOCAL;
        }
        if (type == IFA_FLAGS && len == sizeof(uint32_t))
            f->flags = mnl_attr_get_u32(attr);
        if (type == IFA_CACHEINFO && len >= sizeof(struct ifa_cacheinfo)) {
            struct ifa_cacheinfo info;
            memcpy(&info, mnl_attr_get_payload(attr), sizeof info);
            if (info.ifa_valid != UINT32_MAX)
                f->expires_us = net_now_us() + (int64_t)info.ifa_valid * 1000000;
        }
    }
    f->place.usable = (f->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
}

static void place_remove(struct net_place *places, unsigned *n, const struct net_place *place)
{
    for (unsigned i = 0; i < *n; i++) {
        if (places[i].ifindex == place->ifindex && places[i].prefix == place->prefix) {
            places[i] = places[--*n];
            return;
        }
    }
}

static void place_put(struct net_place *places, unsigned *n, const struct net_place *place)
{
    place_remove(places, n, place);
    if (*n < NET_PLACES_MAX)
        places[(*n)++] = *place;
}

static void places_sweep(struct net *net, struct net_place *places, unsigned *n)
{
    for (unsigned i = *n; i > 0; i--) {
        if (places[i - 1].generation != net->generation)
            places[i - 1] = places[--*n];
    }
}

static enum net_gone gone_cause(const struct net_vip_state *v)
{
    if (v->wish == NET_WISH_DEL)
        return NET_GONE_DELETED;
    if (v->expires_us != INT64_MAX && net_now_us() >= v->expires_us - EXPIRY_SLACK_US)
        return NET_GONE_EXPIRED;
    return NET_GONE_FOREIGN;
}

static void vip_places_changed(struct net *net, unsigned vip, int ifindex)
{
    struct net_vip_state *v = &net->vips[vip];
    char name[NET_DEVICE_MAX];
    bool present = false;
    for (unsigned i = 0; i < v->n_places; i++)
        present = present || v->places[i].usable;
    if (present == v->present)
        return;
    v->present = present;
    device_name(net, ifindex, name);
    if (present) {
        net_emit_address(net, vip, NET_GONE_NONE, name);
        return;
    }
    net_announce_end(net, vip);
    net_emit_address(net, vip, gone_cause(v), name);
}

void net_monitor_added(struct net *net, unsigned vip, const struct net_place *place,
                       int64_t expires_us)
{
    struct net_vip_state *v = &net->vips[vip];
    struct net_place now = *place;
    now.generation = net->generation;
    v->expires_us = expires_us;
    place_put(v->places, &v->n_places, &now);
    vip_places_changed(net, vip, place->ifindex);
}

static void own_places_changed(struct net *net)
{
    bool present = net->n_own_places > 0;
    if (present == net->own_present)
        return;
    net->own_present = present;
    if (net->ready)
        net_emit(net, present ? NET_EVENT_OWN_ADDRESS_PRESENT : NET_EVENT_OWN_ADDRESS_GONE,
                 VIPS_MAX);
}

static void on_address(struct net *net, const struct nlmsghdr *nlh)
{
    struct address_facts f = {.place.generation = net->generation};
    bool is_new = nlh->nlmsg_type == RTM_NEWADDR;
    address_parse(nlh, &f);
    if (net->own.len != 0 && net_addr_equal(&net->own, &f.addr)) {
        if (is_new)
            place_put(net->own_places, &net->n_own_places, &f.place);
        else
            place_remove(net->own_places, &net->n_own_places, &f.place);
        own_places_changed(net);
    }
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        struct net_vip_state *v = &net->vips[i];
        if (!net_addr_equal(&v->addr, &f.addr))
            continue;
        if (is_new) {
            v->expires_us = f.expires_us;
            place_put(v->places, &v->n_places, &f.place);
        } else {
            place_remove(v->places, &v->n_places, &f.place);
        }
        vip_places_changed(net, i, f.place.ifindex);
    }
}

/* --- dump and notifications -------------------------------------------------------------------*/

static void addresses_done(struct net *net)
{
    bool first = !net->ready;
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        struct net_vip_state *v = &net->vips[i];
        int ifindex = v->n_places > 0 ? v->places[0].ifindex : net_vip_link(net, i)->ifindex;
        places_sweep(net, v->places, &v->n_places);
        vip_places_changed(net, i, ifindex);
    }
    places_sweep(net, net->own_places, &net->n_own_places);
    own_places_changed(net);
    if (!first)
        return;
    net->ready = true;
    if (net->own.len != 0)
        net_emit(net, net->own_present ? NET_EVENT_OWN_ADDRESS_PRESENT : NET_EVENT_OWN_ADDRESS_GONE,
                 VIPS_MAX);
    net_emit(net, NET_EVENT_READY, VIPS_MAX);
}

static void links_done(struct net *net)
{
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        if (net->vips[i].link.generation != net->generation)
            link_gone(net, i);
        if (net->vips[i].macvlan.generation != net->generation)
            net->vips[i].macvlan = (struct net_link){.ifindex = 0};
    }
}

static void dump_done(struct net *net, bool failed)
{
    enum net_dump done = net->dump;
    net->dump = NET_DUMP_NONE;
    if (failed) {
        net->dump_again = true;
        return;
    }
    if (net->dump_torn || net->dump_again) {
        dump_all(net);
        return;
    }
    if (done == NET_DUMP_LINKS) {
        links_done(net);
        net->dump_again = dump_request(net, NET_DUMP_ADDRESSES) < 0;
    } else if (done == NET_DUMP_ADDRESSES) {
        addresses_done(net);
    }
}

/* A port that leaves a bridge is told as RTM_DELLINK of the family AF_BRIDGE: the device lives. */
static bool is_link(const struct nlmsghdr *nlh)
{
    const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
    return mnl_nlmsg_get_payload_len(nlh) >= sizeof *ifi && ifi->ifi_family == AF_UNSPEC;
}

static void on_message(struct net *net, const struct nlmsghdr *nlh)
{
    if ((nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
        net->dump_torn = true;
    switch (nlh->nlmsg_type) {
    case NLMSG_DONE:
    case NLMSG_ERROR:
        dump_done(net, nlh->nlmsg_type == NLMSG_ERROR);
        break;
    case RTM_NEWLINK:
    case RTM_DELLINK:
        if (is_link(nlh))
            on_link(net, nlh);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct ifaddrmsg))
            on_address(net, nlh);
        break;
    default:
        break;
    }
}

/* One bunch of messages; false when there is nothing more to read. */
static bool monitor_read(struct net *net)
{
    const struct nlmsghdr *nlh;
    ssize_t n = mnl_socket_recvfrom(net->monitor_socket, net->monitor_buf, sizeof net->monitor_buf);
    int left;
    if (n < 0 && errno == ENOBUFS) {
        net->overflowed = true;
        return true;
    }
    if (n < 0)
        return errno == EINTR;
    left = (int)n;
    for (nlh = (const void *)net->monitor_buf; mnl_nlmsg_ok(nlh, left) && !net->stopping;
         nlh = mnl_nlmsg_next(nlh, &left))
        on_message(net, nlh);
    return true;
}

/* Only when everything queued has been read: the kernel drops the answer to a request, a refusal
 * included, while the queue is still full. */
static void overflow(struct net *net)
{
    net->overflowed = false;
    LOG(&net->log, WARNING, "net-monitor-overflow",
        "the kernel dropped notifications, reading links and addresses again");
    if (net->dump == NET_DUMP_NONE)
        dump_all(net);
    else
        net->dump_again = true;
}

void net_monitor_drain(struct net *net)
{
    unsigned i;
    /* Bounded, so that a storm of notifications cannot hold the loop; the rest comes next time. */
    for (i = 0; i < READS_MAX && !net->stopping && monitor_read(net); i++)
        continue;
    if (net->overflowed && i < READS_MAX && !net->stopping)
        overflow(net);
}

void net_monitor_tick(struct net *net)
{
    if (net->dump != NET_DUMP_NONE && ++net->dump_ticks >= DUMP_TICKS_MAX) {
        net->dump = NET_DUMP_NONE;
        net->dump_again = true;
    }
    if (net->dump == NET_DUMP_NONE && net->dump_again)
        dump_all(net);
}
