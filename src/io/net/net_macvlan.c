/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: look at the parent and at the device, make it, set what it must not say by itself,
 * set it up; each a request whose answer is there when sendmsg() returns, since the kernel does the
 * work inside it. Failure modes: the parent is gone or cannot carry one (told), a left-over of an
 * earlier run (taken over or made anew), a device of somebody else's (left alone, told), a step
 * that fails (what was made is removed again).
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "io/net/net_private.h"

#define ARP_IGNORE_FOREIGN 1 /* answers only for addresses of the device that was asked */
#define ARP_ANNOUNCE_OWN 2   /* asks only in the name of an address of the device that asks */
#define RP_FILTER_LOOSE 2    /* the way back is by the parent */

struct seen {
    int ifindex; /* 0: there is no such device */
    int parent;
    bool macvlan;
    bool has_mac;
    uint8_t mac[6];
    uint32_t arp_ignore;
    uint32_t arp_announce;
};

/* --- one question, one answer -----------------------------------------------------------------*/

static void parse_kind(const struct nlattr *info, struct seen *s)
{
    const struct nlattr *attr;
    NETLINK_EACH_NESTED(attr, info)
    {
        if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
            s->macvlan = strcmp(mnl_attr_get_str(attr), "macvlan") == 0;
    }
}

/* The kernel gives the settings as an array that begins with number 1. */
static uint32_t setting_of(const struct nlattr *conf, unsigned number)
{
    uint32_t value = 0;
    if (mnl_attr_get_payload_len(conf) >= number * sizeof value)
        memcpy(&value, (const char *)mnl_attr_get_payload(conf) + (number - 1) * sizeof value,
               sizeof value);
    return value;
}

static void parse_families(const struct nlattr *families, struct seen *s)
{
    const struct nlattr *family, *attr;
    NETLINK_EACH_NESTED(family, families)
    {
        if (mnl_attr_get_type(family) != AF_INET)
            continue;
        NETLINK_EACH_NESTED(attr, family)
        {
            if (mnl_attr_get_type(attr) != IFLA_INET_CONF)
                continue;
            s->arp_ignore = setting_of(attr, IPV4_DEVCONF_ARP_IGNORE);
            s->arp_announce = setting_of(attr, IPV4_DEVCONF_ARP_ANNOUNCE);
        }
    }
}

static void parse_link(const struct nlmsghdr *nlh, struct seen *s)
{
    const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
    const struct nlattr *attr;
    s->ifindex = ifi->ifi_index;
    NETLINK_EACH(attr, nlh, sizeof *ifi)
    {
        uint16_t type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);
        if (type == IFLA_LINK && len == sizeof(uint32_t))
            s->parent = (int)mnl_attr_get_u32(attr);
        if (type == IFLA_LINKINFO)
            parse_kind(attr, s);
        if (type == IFLA_AF_SPEC)
            parse_families(attr, s);
        if (type == IFLA_ADDRESS && len == sizeof s->mac) {
            s->has_mac = true;
            memcpy(s->mac, mnl_attr_get_payload(attr), sizeof s->mac);
        }
    }
}

static struct nlmsghdr *message(void *buf, uint16_t type, int ifindex)
{
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof *ifi);
    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    ifi->ifi_family = AF_UNSPEC;
    ifi->ifi_index = ifindex;
    return nlh;
}

/* The errno value of the answer, 0 = done; ret_seen (NULL allowed) gets what it says of a link. */
static int ask(struct mnl_socket *s, const struct nlmsghdr *nlh, struct seen *ret_seen)
{
    uint8_t buf[NET_RECV_BYTES] NETLINK_ALIGNED;
    ssize_t n;
    if (mnl_socket_sendto(s, nlh, nlh->nlmsg_len) < 0)
        return errno;
    while ((n = mnl_socket_recvfrom(s, buf, sizeof buf)) > 0) {
        const struct nlmsghdr *answer = (const void *)buf;
        int left = (int)n;
        for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(answer);
            if (answer->nlmsg_type == RTM_NEWLINK && ret_seen != NULL)
                parse_link(answer, ret_seen);
            if (answer->nlmsg_type == NLMSG_ERROR)
                return -e->error;
        }
    }
    return n < 0 ? errno : EIO;
}

static int look(struct mnl_socket *s, const char *name, struct errmsg *m, struct seen *ret_seen)
{
    uint8_t buf[128] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = message(buf, RTM_GETLINK, 0);
    int error;
    *ret_seen = (struct seen){.ifindex = 0};
    mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    error = ask(s, nlh, ret_seen);
    return error == 0 || error == ENODEV ? 0 : net_errno(m, error, "cannot look at a device");
}

/* --- steps ------------------------------------------------------------------------------------*/

static bool is_ours(const struct net_macvlan *x, const struct seen *s)
{
    return s->macvlan && s->has_mac && memcmp(s->mac, x->mac, sizeof s->mac) == 0;
}

static int is_foreign(const struct net_macvlan *x, struct errmsg *m)
{
    return errmsg_set(
        m, ERR_EXISTS,
        "device '%s' is there and is not this virtual router's: remove it (ip link del "
        "%s) or choose another number of the router",
        x->name, x->name);
}

static int remove_link(struct mnl_socket *s, int ifindex, struct errmsg *m)
{
    uint8_t buf[128] NETLINK_ALIGNED;
    int error = ask(s, message(buf, RTM_DELLINK, ifindex), NULL);
    return error == 0 || error == ENODEV ? 0 : net_errno(m, error, "cannot remove the macvlan");
}

static int refusal(const struct net_macvlan *x, int error, struct errmsg *m)
{
    if (error == EINVAL)
        return errmsg_set(m, ERR_UNSUPPORTED,
                          "device '%s' cannot carry a MAC of its own: it is no Ethernet device",
                          x->parent);
    if (error == EBUSY)
        return errmsg_set(
            m, ERR_UNSUPPORTED,
            "device '%s' cannot carry a MAC of its own: it is a port of a bridge or of "
            "a bond, give that one as the addresses' device",
            x->parent);
    if (error == EOPNOTSUPP)
        return errmsg_set(m, ERR_UNSUPPORTED,
                          "the kernel has no macvlan devices (module macvlan): no MAC of its own");
    return net_errno(m, error, "cannot make the macvlan");
}

static int create(struct mnl_socket *s, const struct net_macvlan *x, int parent, struct errmsg *m)
{
    uint8_t buf[256] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = message(buf, RTM_NEWLINK, 0);
    struct nlattr *info, *data;
    int error;
    nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
    mnl_attr_put_strz(nlh, IFLA_IFNAME, x->name);
    mnl_attr_put_u32(nlh, IFLA_LINK, (uint32_t)parent);
    mnl_attr_put(nlh, IFLA_ADDRESS, sizeof x->mac, x->mac);
    info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
    mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "macvlan");
    data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
    mnl_attr_put_u32(nlh, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
    mnl_attr_nest_end(nlh, data);
    mnl_attr_nest_end(nlh, info);
    error = ask(s, nlh, NULL);
    return error == 0 ? 0 : refusal(x, error, m);
}

struct setting {
    uint16_t number;
    uint32_t value;
};

static int configure(struct mnl_socket *s, int ifindex, const struct setting *list, unsigned n,
                     struct errmsg *m)
{
    uint8_t buf[256] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = message(buf, RTM_SETLINK, ifindex);
    struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
    struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET);
    struct nlattr *conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);
    int error;
    for (unsigned i = 0; i < n; i++)
        mnl_attr_put_u32(nlh, list[i].number, list[i].value);
    mnl_attr_nest_end(nlh, conf);
    mnl_attr_nest_end(nlh, family);
    mnl_attr_nest_end(nlh, spec);
    error = ask(s, nlh, NULL);
    return error == 0 ? 0 : net_errno(m, error, "cannot set what a device says of its addresses");
}

/* A link-local address would be told to the neighbours. Without IPv6 there is none. */
static int set_silent(struct mnl_socket *s, int ifindex, struct errmsg *m)
{
    uint8_t buf[128] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = message(buf, RTM_SETLINK, ifindex);
    struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
    struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET6);
    int error;
    mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(nlh, family);
    mnl_attr_nest_end(nlh, spec);
    error = ask(s, nlh, NULL);
    return error == 0 || error == EAFNOSUPPORT
               ? 0
               : net_errno(m, error, "cannot keep the macvlan without address");
}

static int set_up(struct mnl_socket *s, const struct net_macvlan *x, int ifindex, struct errmsg *m)
{
    uint8_t buf[128] NETLINK_ALIGNED;
    struct nlmsghdr *nlh = message(buf, RTM_SETLINK, ifindex);
    struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
    int error;
    ifi->ifi_flags = IFF_UP;
    ifi->ifi_change = IFF_UP;
    error = ask(s, nlh, NULL);
    if (error == EBUSY || error == EADDRINUSE)
        return errmsg_set(
            m, ERR_EXISTS,
            "another device on '%s' has the virtual router's MAC: end the program that "
            "made it, or choose another number of the router",
            x->parent);
    return error == 0 ? 0 : net_errno(m, error, "cannot set the macvlan up");
}

/* --- the parent -------------------------------------------------------------------------------*/

static bool has_ipv4(const struct net *net, const struct net_macvlan *x)
{
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        if (strcmp(net->config.vips[i].macvlan, x->name) == 0 &&
            net->vips[i].addr.family == AF_INET)
            return true;
    }
    return false;
}

/* What another macvlan of the same parent has noted, while it is up; NULL if there is none. */
static const struct net_arp_settings *noted_by_another(const struct net *net, unsigned i)
{
    const struct net_macvlan *list = net->config.macvlans;
    for (unsigned k = 0; k < net->config.n_macvlans; k++) {
        if (k != i && net->arp[k].saved && strcmp(list[k].parent, list[i].parent) == 0)
            return &net->arp[k];
    }
    return NULL;
}

static int parent_mute(struct net *net, unsigned i, struct mnl_socket *s, const struct seen *parent,
                       struct errmsg *m)
{
    const struct net_arp_settings *before = noted_by_another(net, i);
    struct net_arp_settings *saved = &net->arp[i];
    struct setting list[] = {{IPV4_DEVCONF_ARP_IGNORE, parent->arp_ignore},
                             {IPV4_DEVCONF_ARP_ANNOUNCE, ARP_ANNOUNCE_OWN}};
    if (!has_ipv4(net, &net->config.macvlans[i]))
        return 0;
    if (!saved->saved)
        *saved = before != NULL
                     ? *before
                     : (struct net_arp_settings){true, parent->arp_ignore, parent->arp_announce};
    if (list[0].value < ARP_IGNORE_FOREIGN)
        list[0].value = ARP_IGNORE_FOREIGN;
    return configure(s, parent->ifindex, list, 2, m);
}

/* The last one on a parent sets back what was there before the first. */
static void parent_restore(struct net *net, unsigned i, struct mnl_socket *s)
{
    struct net_arp_settings *saved = &net->arp[i];
    const struct setting list[] = {{IPV4_DEVCONF_ARP_IGNORE, saved->ignore},
                                   {IPV4_DEVCONF_ARP_ANNOUNCE, saved->announce}};
    struct seen parent;
    struct errmsg m;
    /* A parent that has vanished took its settings along. */
    if (saved->saved && noted_by_another(net, i) == NULL &&
        look(s, net->config.macvlans[i].parent, &m, &parent) == 0 && parent.ifindex != 0)
        (void)!configure(s, parent.ifindex, list, 2, &m);
    saved->saved = false;
}

/* --- up and down ------------------------------------------------------------------------------*/

/* Addresses may be put on it at once; the kernel's own word comes later. */
static void note(struct net *net, const struct net_macvlan *x, int ifindex)
{
    struct net_link link = {.ifindex = ifindex, .generation = net->generation};
    link.up = link.ethernet = ifindex != 0;
    memcpy(link.mac, x->mac, sizeof link.mac);
    for (unsigned i = 0; i < net->config.n_vips; i++) {
        if (strcmp(net->config.vips[i].macvlan, x->name) == 0)
            net->vips[i].macvlan = link;
    }
}

static int make(const struct net_macvlan *x, struct mnl_socket *s, int parent, struct errmsg *m,
                int *ret_ifindex)
{
    static const struct setting list[] = {{IPV4_DEVCONF_ARP_IGNORE, ARP_IGNORE_FOREIGN},
                                          {IPV4_DEVCONF_RP_FILTER, RP_FILTER_LOOSE}};
    struct seen made;
    struct errmsg ignored;
    int r = create(s, x, parent, m);
    if (r < 0)
        return r;
    r = look(s, x->name, m, &made);
    if (r == 0)
        r = set_silent(s, made.ifindex, m);
    if (r == 0)
        r = configure(s, made.ifindex, list, 2, m);
    if (r == 0)
        r = set_up(s, x, made.ifindex, m);
    if (r == 0)
        *ret_ifindex = made.ifindex;
    else if (made.ifindex != 0)
        (void)!remove_link(s, made.ifindex, &ignored);
    return r;
}

static int up(struct net *net, unsigned i, struct mnl_socket *s, struct errmsg *m)
{
    const struct net_macvlan *x = &net->config.macvlans[i];
    struct seen parent, there;
    int r = look(s, x->parent, m, &parent);
    if (r == 0)
        r = look(s, x->name, m, &there);
    if (r < 0)
        return r;
    if (parent.ifindex == 0)
        return errmsg_set(m, ERR_NOTFOUND, "device '%s' does not exist", x->parent);
    if (there.ifindex != 0 && !is_ours(x, &there))
        return is_foreign(x, m);
    r = parent_mute(net, i, s, &parent, m);
    if (r == 0 && there.ifindex != 0 && there.parent != parent.ifindex) {
        r = remove_link(s, there.ifindex, m);
        there.ifindex = 0;
    }
    if (r == 0)
        r = there.ifindex != 0 ? set_up(s, x, there.ifindex, m)
                               : make(x, s, parent.ifindex, m, &there.ifindex);
    if (r == 0)
        note(net, x, there.ifindex);
    else
        parent_restore(net, i, s);
    return r;
}

static int down(struct net *net, unsigned i, struct mnl_socket *s, struct errmsg *m)
{
    const struct net_macvlan *x = &net->config.macvlans[i];
    struct seen there;
    int r = look(s, x->name, m, &there);
    if (r == 0 && there.ifindex != 0)
        r = is_ours(x, &there) ? remove_link(s, there.ifindex, m) : is_foreign(x, m);
    note(net, x, 0);
    parent_restore(net, i, s);
    return r;
}

static int with_socket(struct net *net, unsigned i, struct errmsg *m,
                       int (*change)(struct net *net, unsigned i, struct mnl_socket *s,
                                     struct errmsg *m))
{
    struct mnl_socket *s = NULL;
    int r = net_open_netlink(NETLINK_ROUTE, 0, m, &s);
    if (r < 0)
        return r;
    r = change(net, i, s, m);
    mnl_socket_close(s);
    return r;
}

int net_macvlan_up(struct net *net, unsigned i, struct errmsg *m)
{
    return with_socket(net, i, m, up);
}

int net_macvlan_down(struct net *net, unsigned i, struct errmsg *m)
{
    return with_socket(net, i, m, down);
}
