/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of the adapter: validate, open four sockets (rtnetlink for the picture, rtnetlink for
 * changes, nftables, packets), five embedded handles, then net_monitor.c asks for the state.
 * A failed start leaves nothing behind, or closes what it made on the loop. The end is in two
 * phases: net_stop() closes every handle, the last close callback cancels what is open and frees.
 */
#include "io/net/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/net/net_private.h"

static const unsigned default_announces_ms[] = {0, 50, 200, 500, 1000, 5000};

int64_t net_now_us(void)
{
    struct timespec ts;
    /* Cannot fail: the clock exists since Linux 2.6.39. */
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int net_addr_parse(const char *text, struct net_addr *ret_addr)
{
    struct net_addr a = {.family = AF_INET, .len = 4};
    if (inet_pton(AF_INET, text, a.bytes) != 1) {
        a.family = AF_INET6;
        a.len = 16;
        if (inet_pton(AF_INET6, text, a.bytes) != 1)
            return ERR_INVAL;
    }
    *ret_addr = a;
    return 0;
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->len) == 0;
}

const char *net_addr_text(const struct net_addr *a, char buf[ADDRESS_TEXT_MAX])
{
    const char *text = inet_ntop(a->family, a->bytes, buf, ADDRESS_TEXT_MAX);
    return text != NULL ? text : "?";
}

int net_errno(struct errmsg *m, int error, const char *what)
{
    int r = ERR_IO;
    if (error == EPERM || error == EACCES)
        r = ERR_PERM;
    else if (error == ENOENT || error == ENODEV || error == ENXIO)
        r = ERR_NOTFOUND;
    else if (error == EOPNOTSUPP || error == EAFNOSUPPORT || error == EPROTONOSUPPORT)
        r = ERR_UNSUPPORTED;
    else if (error == EEXIST)
        r = ERR_EXISTS;
    else if (error == EBUSY || error == EAGAIN)
        r = ERR_BUSY;
    else if (error == ENOMEM)
        r = ERR_NOMEM;
    return errmsg_set(m, r, "%s: %s", what, strerror(error));
}

void net_ext_ack_text(const struct nlmsghdr *nlh, char *buf, size_t size)
{
    /* NETLINK_CAP_ACK is on: the request is not repeated, its header only. */
    const struct nlattr *attr;
    buf[0] = '\0';
    if ((nlh->nlmsg_flags & NLM_F_ACK_TLVS) == 0)
        return;
    NETLINK_EACH(attr, nlh, sizeof(struct nlmsgerr))
    {
        if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
            mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
            (void)snprintf(buf, size, "%s", mnl_attr_get_str(attr));
    }
}

int net_open_netlink(int bus, unsigned groups, struct errmsg *m, struct mnl_socket **ret_socket)
{
    int on = 1, bytes = 1 << 20, fd;
    struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (s == NULL)
        return net_errno(m, errno, "cannot open a netlink socket");
    fd = mnl_socket_get_fd(s);
    if (mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID) < 0) {
        int error = errno;
        mnl_socket_close(s);
        return net_errno(m, error, "cannot bind a netlink socket");
    }
    /* Niceties that old kernels and small capabilities may refuse. */
    (void)mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &on, sizeof on);
    (void)mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    *ret_socket = s;
    return 0;
}

/* --- configuration ----------------------------------------------------------------------------*/

static bool table_name_is_valid(const char *name)
{
    size_t n = strnlen(name, NET_TABLE_MAX);
    if (n == 0 || n == NET_TABLE_MAX || !isalpha((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    }
    return true;
}

static bool device_is_valid(const char *name)
{
    size_t n = strnlen(name, NET_DEVICE_MAX);
    return n > 0 && n < NET_DEVICE_MAX && strchr(name, '/') == NULL;
}

static int vip_check(struct net *net, unsigned i, struct errmsg *m)
{
    const struct net_vip *v = &net->config.vips[i];
    struct net_addr *a = &net->vips[i].addr;
    if (net_addr_parse(v->address, a) < 0)
        return errmsg_set(m, ERR_INVAL, "virtual address '%s' is not a numeric address",
                          v->address);
    if (v->prefix < 1 || v->prefix > a->len * 8)
        return errmsg_set(m, ERR_INVAL, "prefix /%u of virtual address '%s' is not 1 .. %d",
                          v->prefix, v->address, a->len * 8);
    if (!device_is_valid(v->device))
        return errmsg_set(m, ERR_INVAL, "device '%.*s' of virtual address '%s' is no device name",
                          NET_DEVICE_MAX, v->device, v->address);
    if (strnlen(v->label, NET_DEVICE_MAX) == NET_DEVICE_MAX)
        return errmsg_set(m, ERR_INVAL, "label of virtual address '%s' is longer than %d",
                          v->address, NET_DEVICE_MAX - 1);
    for (unsigned j = 0; j < i; j++) {
        if (net_addr_equal(a, &net->vips[j].addr))
            return errmsg_set(m, ERR_INVAL, "virtual address '%s' is given twice", v->address);
    }
    return 0;
}

static int announces_check(struct net_config *c, struct errmsg *m)
{
    if (c->n_announces == 0) {
        c->n_announces = sizeof default_announces_ms / sizeof *default_announces_ms;
        memcpy(c->announce_at_ms, default_announces_ms, sizeof default_announces_ms);
    }
    if (c->n_announces > NET_ANNOUNCES_MAX || c->announce_at_ms[0] != 0)
        return errmsg_set(m, ERR_INVAL, "at most %d announcements, the first at 0",
                          NET_ANNOUNCES_MAX);
    for (unsigned i = 1; i < c->n_announces; i++) {
        if (c->announce_at_ms[i] <= c->announce_at_ms[i - 1])
            return errmsg_set(m, ERR_INVAL, "announcements are not in ascending order");
    }
    return 0;
}

static int macvlans_check(const struct net_config *c, struct errmsg *m)
{
    for (unsigned i = 0; i < c->n_macvlans; i++) {
        const struct net_macvlan *x = &c->macvlans[i];
        if (!device_is_valid(x->name) || !device_is_valid(x->parent) ||
            strcmp(x->name, x->parent) == 0)
            return errmsg_set(m, ERR_INVAL, "macvlan '%.*s' on '%.*s': no device names",
                              NET_DEVICE_MAX, x->name, NET_DEVICE_MAX, x->parent);
    }
    return 0;
}

static int config_check(struct net *net, struct errmsg *m)
{
    struct net_config *c = &net->config;
    int r;
    if (!table_name_is_valid(c->table))
        return errmsg_set(m, ERR_INVAL, "nftables table '%.*s': a letter, then letters, digits, _",
                          NET_TABLE_MAX, c->table);
    if (c->n_vips > VIPS_MAX || c->n_members > NODES_MAX || c->n_ports > NET_PORTS_MAX ||
        c->n_macvlans > NET_MACVLANS_MAX)
        return errmsg_set(m, ERR_INVAL, "too many virtual addresses, members, ports or macvlans");
    if (c->scope == NET_SCOPE_PORT && c->n_ports == 0)
        return errmsg_set(m, ERR_INVAL, "lease scope 'port' needs the port of mysqld");
    for (unsigned i = 0; i < c->n_ports; i++) {
        if (c->ports[i] == 0)
            return errmsg_set(m, ERR_INVAL, "port 0 of mysqld");
    }
    for (unsigned i = 0; i < c->n_members; i++) {
        if (net_addr_parse(c->members[i], &net->members[i]) < 0)
            return errmsg_set(m, ERR_INVAL, "member '%s' is not a numeric address", c->members[i]);
    }
    if (c->own_address[0] != '\0' && net_addr_parse(c->own_address, &net->own) < 0)
        return errmsg_set(m, ERR_INVAL, "own address '%s' is not a numeric address",
                          c->own_address);
    for (unsigned i = 0; i < c->n_vips; i++) {
        r = vip_check(net, i, m);
        if (r < 0)
            return r;
    }
    r = macvlans_check(c, m);
    return r < 0 ? r : announces_check(c, m);
}

/* --- events -----------------------------------------------------------------------------------*/

static void emit(struct net *net, const struct net_event *event)
{
    if (!net->stopping)
        net->on_event(net->data, event);
}

void net_emit(struct net *net, enum net_event_type type, unsigned vip)
{
    struct net_event event = {.type = type, .vip = vip};
    if (vip < net->config.n_vips)
        memcpy(event.device, net->config.vips[vip].device, sizeof event.device);
    emit(net, &event);
}

void net_emit_address(struct net *net, unsigned vip, enum net_gone cause, const char *device)
{
    struct net_event event = {.vip = vip, .cause = cause};
    event.type = cause == NET_GONE_NONE ? NET_EVENT_VIP_PRESENT : NET_EVENT_VIP_GONE;
    (void)snprintf(event.device, sizeof event.device, "%s", device);
    emit(net, &event);
}

bool net_vip_is_present(const struct net *net, unsigned vip)
{
    return vip < net->config.n_vips && net->vips[vip].present;
}

const struct net_link *net_vip_link(const struct net *net, unsigned vip)
{
    const struct net_vip_state *v = &net->vips[vip];
    return net->config.vips[vip].macvlan[0] != '\0' ? &v->macvlan : &v->link;
}

bool net_link_is_up(const struct net *net, unsigned vip)
{
    return vip < net->config.n_vips && net->vips[vip].link.up;
}

/* --- life -------------------------------------------------------------------------------------*/

static void close_sockets(struct net *net)
{
    if (net->monitor_socket != NULL)
        mnl_socket_close(net->monitor_socket);
    if (net->vip_socket != NULL)
        mnl_socket_close(net->vip_socket);
    if (net->nft_socket != NULL)
        mnl_socket_close(net->nft_socket);
    if (net->packet_fd >= 0)
        close(net->packet_fd);
}

static int open_sockets(struct net *net, struct errmsg *m)
{
    int r = net_open_netlink(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                             m, &net->monitor_socket);
    if (r == 0)
        r = net_open_netlink(NETLINK_ROUTE, 0, m, &net->vip_socket);
    if (r == 0)
        r = net_open_netlink(NETLINK_NETFILTER, 0, m, &net->nft_socket);
    if (r < 0)
        return r;
    net->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (net->packet_fd < 0)
        return net_errno(m, errno, "cannot open a packet socket");
    return 0;
}

/* libuv stops a poll that reports an error, and a netlink socket that overflowed reports one: the
 * error is taken by reading, then the poll has to be started again. */
static void on_monitor_readable(uv_poll_t *handle, int status, int events)
{
    struct net *net = handle->data;
    (void)events;
    net_monitor_drain(net);
    if (status < 0 && !net->stopping)
        (void)uv_poll_start(handle, UV_READABLE, on_monitor_readable);
}

static void on_vip_readable(uv_poll_t *handle, int status, int events)
{
    struct net *net = handle->data;
    (void)events;
    net_vip_acks(net);
    if (status < 0 && !net->stopping)
        (void)uv_poll_start(handle, UV_READABLE, on_vip_readable);
}

static void on_table_timer(uv_timer_t *handle)
{
    net_monitor_tick(handle->data);
    net_table_look(handle->data);
}

static int start_poll(struct net *net, uv_poll_t *poll, struct mnl_socket *s, uv_poll_cb cb)
{
    int r = uv_poll_init(net->loop, poll, mnl_socket_get_fd(s));
    if (r != 0)
        return r;
    poll->data = net;
    net->n_handles++;
    return uv_poll_start(poll, UV_READABLE, cb);
}

static int start_handles(struct net *net, struct errmsg *m)
{
    uv_timer_t *timers[] = {&net->vip_timer, &net->announce_timer, &net->table_timer};
    int r;
    for (unsigned i = 0; i < sizeof timers / sizeof *timers; i++) {
        (void)uv_timer_init(net->loop, timers[i]);
        timers[i]->data = net;
        net->n_handles++;
    }
    (void)uv_timer_start(&net->table_timer, on_table_timer, NET_TABLE_CHECK_MS, NET_TABLE_CHECK_MS);
    r = start_poll(net, &net->monitor_poll, net->monitor_socket, on_monitor_readable);
    if (r == 0)
        r = start_poll(net, &net->vip_poll, net->vip_socket, on_vip_readable);
    return r == 0 ? 0 : errmsg_set(m, ERR_IO, "cannot watch a netlink socket: %s", uv_strerror(r));
}

void net_handle_closed(struct net *net)
{
    if (--net->n_handles > 0 || !net->stopping)
        return;
    net_vip_cancel_all(net);
    close_sockets(net);
    if (net->stopped != NULL)
        net->stopped(net->stopped_data);
    free(net);
}

static void on_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

/* A handle that was initialised has its data set. */
static void close_handles(struct net *net)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&net->vip_timer,   (uv_handle_t *)&net->announce_timer,
        (uv_handle_t *)&net->table_timer, (uv_handle_t *)&net->monitor_poll,
        (uv_handle_t *)&net->vip_poll,
    };
    net->stopping = true;
    for (unsigned i = 0; i < sizeof handles / sizeof *handles; i++) {
        if (handles[i]->data != NULL)
            uv_close(handles[i], on_closed);
    }
}

int net_start(const struct net_options *options, struct errmsg *m, struct net **ret_net)
{
    struct net *net = calloc(1, sizeof *net);
    int r;
    if (net == NULL)
        return errmsg_set(m, ERR_NOMEM, "network adapter");
    net->config = *options->config;
    net->log = options->log;
    net->on_event = options->on_event;
    net->data = options->data;
    net->loop = options->loop;
    net->packet_fd = -1;
    r = config_check(net, m);
    if (r == 0)
        r = open_sockets(net, m);
    if (r == 0)
        r = net_monitor_start(net, m);
    if (r < 0) {
        close_sockets(net);
        free(net);
        return r;
    }
    r = start_handles(net, m);
    if (r < 0) {
        close_handles(net);
        return r;
    }
    *ret_net = net;
    return 0;
}

void net_stop(struct net *net, void (*stopped)(void *data), void *data)
{
    if (net == NULL)
        return;
    net->stopped = stopped;
    net->stopped_data = data;
    for (unsigned i = 0; i < net->config.n_vips; i++)
        net_probe_cancel(net, i);
    close_handles(net);
}
