/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: one raw socket of protocol 112, bound to the device; the source address is given with
 * each datagram (a raw IPv4 socket that is bound to an address does not hear the group). With a MAC
 * of its own a second one, on the device that has it, sends.
 * Failure modes: the link goes down (recvmsg reports it once, sendmsg each time: counted, the
 * socket stays); the receive buffer is full (the kernel drops: an advertisement lost like on the
 * wire); a flood (bounded per turn of the loop).
 */
#include "io/vrrp/vrrp_socket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/vrrp/vrrp_header.h"

/* The longest advertisement there can be: 255 addresses of IPv6. */
#define DATAGRAM_MAX 4352
#define DRAIN_MAX 256
#define LOG_PAUSE_NS 60000000000u
#define BUFFER_BYTES (1 << 20) /* a flood must not push out the Master's word */
#define TRAFFIC_CLASS 0xc0     /* network control, as RFC 9568's peers send it */

/* Bound to one device. */
struct door {
    int fd;
    int ifindex;
};

struct vrrp_socket {
    struct vrrp_socket_options options;
    struct door in;
    struct door out; /* fd: that of `in`, another one, or -1 */
    uv_poll_t poll;
    struct vrrp_counters counters;
    uint64_t told_ns[VRRP_REJECT_COUNT];
    bool stopping;
    void (*stopped)(void *data);
    void *stopped_data;
};

union socket_address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static int socket_error(struct errmsg *m, const char *what)
{
    int error = errno;
    return errmsg_set(m, error == EPERM || error == EACCES ? ERR_PERM : ERR_NET, "%s: %s", what,
                      strerror(error));
}

static bool is_ipv6(const struct vrrp_socket *s)
{
    return s->options.expect.family == VRRP_IPV6;
}

struct int_option {
    int level;
    int name;
    int value;
};

static int set_options(const struct vrrp_socket *s, int fd, struct errmsg *m)
{
    static const struct int_option four[] = {
        {IPPROTO_IP, IP_TTL, VRRP_TTL},     {IPPROTO_IP, IP_MULTICAST_TTL, VRRP_TTL},
        {IPPROTO_IP, IP_MULTICAST_LOOP, 0}, {IPPROTO_IP, IP_TOS, TRAFFIC_CLASS},
        {SOL_SOCKET, SO_PRIORITY, 6},
    };
    static const struct int_option six[] = {
        {IPPROTO_IPV6, IPV6_UNICAST_HOPS, VRRP_TTL},
        {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, VRRP_TTL},
        {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0},
        {IPPROTO_IPV6, IPV6_TCLASS, TRAFFIC_CLASS},
        {SOL_SOCKET, SO_PRIORITY, 6},
    };
    const struct int_option *list = is_ipv6(s) ? six : four;
    size_t n = is_ipv6(s) ? sizeof six / sizeof *six : sizeof four / sizeof *four;
    for (size_t i = 0; i < n; i++) {
        if (setsockopt(fd, list[i].level, list[i].name, &list[i].value, sizeof(int)) != 0)
            return socket_error(m, "setsockopt");
    }
    return is_ipv6(s) && vrrp_header_ask(fd) != 0 ? socket_error(m, "setsockopt") : 0;
}

static int listen_to(const struct vrrp_socket *s, struct errmsg *m)
{
    struct vrrp_address group = vrrp_address_group(s->options.expect.family);
    struct ip_mreqn four = {.imr_ifindex = s->in.ifindex};
    struct ipv6_mreq six = {.ipv6mr_interface = (unsigned)s->in.ifindex};
    int rc, bytes = BUFFER_BYTES;
    (void)setsockopt(s->in.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (s->options.expect.n_peers > 0)
        return 0;
    memcpy(&four.imr_multiaddr, group.bytes, 4);
    memcpy(&six.ipv6mr_multiaddr, group.bytes, 16);
    if (is_ipv6(s))
        rc = setsockopt(s->in.fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &six, sizeof six);
    else
        rc = setsockopt(s->in.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof four);
    return rc == 0 ? 0 : socket_error(m, "joining the group");
}

static void door_close(struct door *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

static int door_open(const struct vrrp_socket *s, const char *device, struct errmsg *m,
                     struct door *ret_door)
{
    struct door d = {.ifindex = (int)if_nametoindex(device)};
    int r;
    if (d.ifindex == 0)
        return errmsg_set(m, ERR_NOTFOUND, "no device '%s'", device);
    d.fd = socket(is_ipv6(s) ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  VRRP_PROTOCOL);
    if (d.fd < 0)
        return socket_error(m, "raw socket");
    if (setsockopt(d.fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device) + 1) != 0)
        r = socket_error(m, "binding to the device");
    else
        r = set_options(s, d.fd, m);
    if (r == 0)
        *ret_door = d;
    else
        door_close(&d);
    return r;
}

/* It hears nothing, and may speak from an address that its device does not have. */
static int make_exit(const struct vrrp_socket *s, const struct door *d, struct errmsg *m)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &nothing};
    int on = 1;
    if (setsockopt(d->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        return socket_error(m, "filter");
    if (is_ipv6(s) && setsockopt(d->fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on) != 0)
        return socket_error(m, "freebind");
    return 0;
}

int vrrp_socket_leave_by(struct vrrp_socket *s, const char *device, struct errmsg *m)
{
    struct door d;
    int r;
    assert(s->options.own_mac);
    door_close(&s->out);
    if (device == NULL)
        return 0;
    r = door_open(s, device, m, &d);
    if (r < 0)
        return r;
    r = make_exit(s, &d, m);
    if (r == 0)
        s->out = d;
    else
        door_close(&d);
    return r;
}

static void tell_reject(struct vrrp_socket *s, enum vrrp_reject reject,
                        const struct vrrp_envelope *e)
{
    char source[INET6_ADDRSTRLEN] = "?";
    uint64_t now_ns = uv_hrtime();
    s->counters.rejected[reject]++;
    if (reject == VRRP_REJECT_VRID ||
        (s->told_ns[reject] != 0 && now_ns - s->told_ns[reject] < LOG_PAUSE_NS))
        return;
    s->told_ns[reject] = now_ns;
    (void)inet_ntop(e->family == VRRP_IPV6 ? AF_INET6 : AF_INET, e->source.bytes, source,
                    sizeof source);
    LOG(&s->options.log, WARNING, "vrrp-rejected",
        "an advertisement was not accepted: %s device=%s vrid=%u reason=%s source=%s count=%llu",
        vrrp_reject_text(reject), s->options.device, s->options.expect.vrid, vrrp_reject_id(reject),
        source, (unsigned long long)s->counters.rejected[reject]);
}

static void judge(struct vrrp_socket *s, const struct vrrp_envelope *e, const uint8_t *message,
                  size_t size)
{
    struct vrrp_packet p;
    enum vrrp_reject reject = vrrp_packet_decode(message, size, e, &p);
    if (reject == VRRP_REJECT_NONE)
        reject = vrrp_packet_check(&s->options.expect, e, &p);
    if (reject != VRRP_REJECT_NONE) {
        tell_reject(s, reject, e);
        return;
    }
    s->counters.accepted++;
    s->options.on_packet(s->options.data, e, &p);
}

/* False: nothing more has arrived. */
static bool receive(struct vrrp_socket *s)
{
    uint8_t datagram[DATAGRAM_MAX];
    char control[256] __attribute__((aligned(8)));
    union socket_address from;
    struct iovec iov = {.iov_base = datagram, .iov_len = sizeof datagram};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof from,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct vrrp_envelope e = {.family = s->options.expect.family};
    const uint8_t *message = datagram;
    size_t size;
    ssize_t n;
    enum vrrp_reject reject = VRRP_REJECT_NONE;
    memset(&from, 0, sizeof from);
    n = recvmsg(s->in.fd, &msg, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (n < 0) {
        s->counters.receive_errors++;
        return errno == EINTR || errno == ENETDOWN;
    }
    size = (size_t)n;
    if (is_ipv6(s))
        vrrp_header_read(&msg, &e);
    else
        reject = vrrp_packet_open_ipv4(datagram, size, &e, &message, &size);
    if (reject == VRRP_REJECT_NONE && (msg.msg_flags & MSG_TRUNC) != 0)
        reject = VRRP_REJECT_LENGTH;
    if (reject != VRRP_REJECT_NONE)
        tell_reject(s, reject, &e);
    else
        judge(s, &e, message, size);
    return true;
}

void vrrp_socket_drain(struct vrrp_socket *s)
{
    for (unsigned i = 0; i < DRAIN_MAX && !s->stopping && receive(s); i++)
        ;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct vrrp_socket *s = poll->data;
    (void)status;
    (void)events;
    vrrp_socket_drain(s);
}

int vrrp_socket_start(const struct vrrp_socket_options *options, struct errmsg *m,
                      struct vrrp_socket **ret_socket)
{
    struct vrrp_socket *s = calloc(1, sizeof *s);
    int r;
    if (s == NULL)
        return errmsg_set(m, ERR_NOMEM, "no memory");
    s->options = *options;
    s->in.fd = s->out.fd = -1;
    r = door_open(s, options->device, m, &s->in);
    if (r == 0)
        r = listen_to(s, m);
    if (r == 0 && uv_poll_init(options->loop, &s->poll, s->in.fd) != 0)
        r = errmsg_set(m, ERR_NET, "the loop does not take the socket");
    if (r < 0) {
        door_close(&s->in);
        free(s);
        return r;
    }
    s->poll.data = s;
    if (!options->own_mac)
        s->out = s->in;
    if (uv_poll_start(&s->poll, UV_READABLE, on_readable) != 0) {
        vrrp_socket_stop(s, NULL, NULL);
        return errmsg_set(m, ERR_NET, "the loop does not watch the socket");
    }
    *ret_socket = s;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct vrrp_socket *s = handle->data;
    void (*stopped)(void *data) = s->stopped;
    void *data = s->stopped_data;
    if (s->options.own_mac)
        door_close(&s->out);
    door_close(&s->in);
    free(s);
    if (stopped != NULL)
        stopped(data);
}

void vrrp_socket_stop(struct vrrp_socket *s, void (*stopped)(void *data), void *data)
{
    if (s == NULL)
        return;
    s->stopping = true;
    s->stopped = stopped;
    s->stopped_data = data;
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

static socklen_t destination_of(const struct vrrp_socket *s, const struct vrrp_address *to,
                                union socket_address *ret)
{
    memset(ret, 0, sizeof *ret);
    if (is_ipv6(s)) {
        ret->six.sin6_family = AF_INET6;
        memcpy(&ret->six.sin6_addr, to->bytes, 16);
        if (IN6_IS_ADDR_LINKLOCAL(&ret->six.sin6_addr) ||
            IN6_IS_ADDR_MC_LINKLOCAL(&ret->six.sin6_addr))
            ret->six.sin6_scope_id = (uint32_t)s->out.ifindex;
        return sizeof ret->six;
    }
    ret->four.sin_family = AF_INET;
    memcpy(&ret->four.sin_addr, to->bytes, 4);
    return sizeof ret->four;
}

/* Says which source address and device the datagram takes. */
static void put_source(const struct vrrp_socket *s, struct msghdr *msg)
{
    const struct vrrp_address *own = &s->options.expect.own;
    struct in_pktinfo four = {.ipi_ifindex = s->out.ifindex};
    struct in6_pktinfo six = {.ipi6_ifindex = (unsigned)s->out.ifindex};
    size_t size = is_ipv6(s) ? sizeof six : sizeof four;
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    memcpy(&four.ipi_spec_dst, own->bytes, 4);
    memcpy(&six.ipi6_addr, own->bytes, 16);
    c->cmsg_level = is_ipv6(s) ? IPPROTO_IPV6 : IPPROTO_IP;
    c->cmsg_type = is_ipv6(s) ? IPV6_PKTINFO : IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), is_ipv6(s) ? (void *)&six : (void *)&four, size);
    msg->msg_controllen = CMSG_SPACE(size);
}

static int send_to(struct vrrp_socket *s, const struct vrrp_packet *p,
                   const struct vrrp_address *to)
{
    struct vrrp_envelope e = {.family = s->options.expect.family,
                              .source = s->options.expect.own,
                              .destination = *to,
                              .ttl = VRRP_TTL};
    uint8_t message[VRRP_MESSAGE_MAX];
    char control[128] __attribute__((aligned(8))) = {0};
    union socket_address address;
    struct iovec iov = {.iov_base = message, .iov_len = vrrp_packet_encode(p, &e, message)};
    struct msghdr msg = {.msg_name = &address,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    ssize_t n;
    msg.msg_namelen = destination_of(s, to, &address);
    put_source(s, &msg);
    n = sendmsg(s->out.fd, &msg, MSG_NOSIGNAL);
    if (n != (ssize_t)iov.iov_len) {
        s->counters.send_errors++;
        return ERR_NET;
    }
    s->counters.sent++;
    return 0;
}

int vrrp_socket_send(struct vrrp_socket *s, uint8_t priority, struct errmsg *m)
{
    const struct vrrp_expect *x = &s->options.expect;
    struct vrrp_address group = vrrp_address_group(x->family);
    struct vrrp_packet p = {.version = x->version,
                            .vrid = x->vrid,
                            .priority = priority,
                            .interval_cs = x->interval_cs,
                            .auth_type = x->auth_type,
                            .pseudo_header = s->options.pseudo_header,
                            .n_addresses = x->n_addresses};
    unsigned n = x->n_peers > 0 ? x->n_peers : 1;
    int r = 0;
    if (s->out.fd < 0)
        return errmsg_set(m, ERR_STATE, "there is no device with the virtual router's MAC");
    memcpy(p.password, x->password, sizeof p.password);
    memcpy(p.addresses, x->addresses, sizeof p.addresses);
    for (unsigned i = 0; i < n; i++) {
        if (send_to(s, &p, x->n_peers > 0 ? &x->peers[i] : &group) != 0)
            r = errmsg_set(m, ERR_NET, "sending on %s: %s", s->options.device, strerror(errno));
    }
    return r;
}

const struct vrrp_counters *vrrp_socket_counters(const struct vrrp_socket *s)
{
    return &s->counters;
}

void vrrp_counters_add(struct vrrp_counters *sum, const struct vrrp_counters *c)
{
    sum->accepted += c->accepted;
    for (unsigned i = 0; i < VRRP_REJECT_COUNT; i++)
        sum->rejected[i] += c->rejected[i];
    sum->receive_errors += c->receive_errors;
    sum->sent += c->sent;
    sum->send_errors += c->send_errors;
}

static bool may_be_own(const struct ifaddrs *a, const char *device, enum vrrp_family family)
{
    if (a->ifa_addr == NULL || strcmp(a->ifa_name, device) != 0)
        return false;
    if (family == VRRP_IPV4)
        return a->ifa_addr->sa_family == AF_INET;
    return a->ifa_addr->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr);
}

int vrrp_socket_find_own(const char *device, enum vrrp_family family, struct vrrp_address *ret_own)
{
    struct ifaddrs *list = NULL;
    int r = ERR_NOTFOUND;
    if (getifaddrs(&list) != 0)
        return ERR_NET;
    for (const struct ifaddrs *a = list; a != NULL && r != 0; a = a->ifa_next) {
        struct vrrp_address own = {{0}};
        if (!may_be_own(a, device, family))
            continue;
        if (family == VRRP_IPV4)
            memcpy(own.bytes, &((const struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, 4);
        else
            memcpy(own.bytes, &((const struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr, 16);
        *ret_own = own;
        r = 0;
    }
    freeifaddrs(list);
    return r;
}
