/* SPDX-License-Identifier: Apache-2.0 */
#include "io/vrrp/arbitration.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASKED_MAX 64 /* questions whose answers still count */
#define ANSWERS_PER_TURN 64
#define PACKET_MAX 1500

/* Sent with each question and back with its answer. */
struct payload {
    uint64_t token;
    int64_t asked_us;
};

struct question {
    struct icmphdr head; /* ICMPv6 has the same layout of an echo */
    struct payload payload;
};

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

struct family {
    int fd; /* -1: not wanted */
    uv_poll_t poll;
    struct arbitration *owner;
    bool is_six;
};

struct arbitration {
    struct arbitration_options options;
    union address address[ARBITRATION_MAX];
    struct family family[2];
    uv_timer_t timer;
    uint64_t token; /* random: an answer that carries it is one to this process */
    uint16_t sequence;
    unsigned open_handles;
    void (*stopped)(void *data);
    void *stopped_data;
};

static uint16_t checksum(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)(p[i] << 8 | p[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static bool parse(const char *text, union address *ret_address)
{
    memset(ret_address, 0, sizeof *ret_address);
    ret_address->any.sa_family = AF_INET;
    if (inet_pton(AF_INET, text, &ret_address->four.sin_addr) == 1)
        return true;
    ret_address->any.sa_family = AF_INET6;
    return inet_pton(AF_INET6, text, &ret_address->six.sin6_addr) == 1;
}

static void ask(struct arbitration *a, const union address *to)
{
    bool six = to->any.sa_family == AF_INET6;
    struct question q = {.payload = {a->token, a->options.now_us()}};
    q.head.type = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    q.head.un.echo.id = htons((uint16_t)a->token);
    q.head.un.echo.sequence = htons(a->sequence);
    if (!six)
        q.head.checksum = checksum(&q, sizeof q);
    (void)sendto(a->family[six].fd, &q, sizeof q, MSG_DONTWAIT | MSG_NOSIGNAL, &to->any,
                 six ? sizeof to->six : sizeof to->four);
}

static void on_timer(uv_timer_t *timer)
{
    struct arbitration *a = timer->data;
    a->sequence++;
    for (unsigned i = 0; i < a->options.n; i++)
        ask(a, &a->address[i]);
}

static bool is_one_of_ours(const struct arbitration *a, const union address *from)
{
    for (unsigned i = 0; i < a->options.n; i++) {
        const union address *x = &a->address[i];
        if (x->any.sa_family != from->any.sa_family)
            continue;
        if (x->any.sa_family == AF_INET
                ? x->four.sin_addr.s_addr == from->four.sin_addr.s_addr
                : memcmp(&x->six.sin6_addr, &from->six.sin6_addr, sizeof x->six.sin6_addr) == 0)
            return true;
    }
    return false;
}

/* The IPv4 header comes along, that of IPv6 does not. */
static void judge(struct arbitration *a, bool six, const uint8_t *packet, size_t size)
{
    size_t skip = six || size < sizeof(struct iphdr) ? 0 : (size_t)(packet[0] & 0x0f) * 4;
    struct question q;
    if (size < skip + sizeof q)
        return;
    memcpy(&q, packet + skip, sizeof q);
    if (q.head.type != (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) || q.payload.token != a->token ||
        (uint16_t)(a->sequence - ntohs(q.head.un.echo.sequence)) >= ASKED_MAX ||
        q.payload.asked_us > a->options.now_us())
        return;
    a->options.on_answer(a->options.data, q.payload.asked_us);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct family *f = poll->data;
    (void)status;
    (void)events;
    for (unsigned i = 0; i < ANSWERS_PER_TURN; i++) {
        uint8_t packet[PACKET_MAX];
        union address from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(f->fd, packet, sizeof packet, MSG_DONTWAIT, &from.any, &len);
        if (n < 0)
            return;
        if (is_one_of_ours(f->owner, &from))
            judge(f->owner, f->is_six, packet, (size_t)n);
    }
}

static int open_family(struct arbitration *a, bool six, struct errmsg *m)
{
    struct family *f = &a->family[six];
    f->owner = a;
    f->is_six = six;
    f->fd = socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                   six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    if (f->fd < 0)
        return errmsg_set(m, errno == EPERM ? ERR_PERM : ERR_NET,
                          "socket for arbitration addresses: %s", strerror(errno));
    if (six) {
        struct icmp6_filter filter;
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        (void)setsockopt(f->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    }
    (void)uv_poll_init(a->options.loop, &f->poll, f->fd);
    f->poll.data = f;
    a->open_handles++;
    (void)uv_poll_start(&f->poll, UV_READABLE, on_readable);
    return 0;
}

static int open_all(struct arbitration *a, struct errmsg *m)
{
    int err = 0;
    for (unsigned i = 0; i < a->options.n && err == 0; i++) {
        bool six;
        if (!parse(a->options.addresses[i], &a->address[i]))
            return errmsg_set(m, ERR_INVAL, "arbitration address '%s' is not numeric",
                              a->options.addresses[i]);
        six = a->address[i].any.sa_family == AF_INET6;
        if (a->family[six].fd < 0)
            err = open_family(a, six, m);
    }
    return err;
}

int arbitration_start(const struct arbitration_options *options, struct errmsg *m,
                      struct arbitration **ret_arbitration)
{
    struct arbitration *a = calloc(1, sizeof *a);
    int err;
    if (a == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    a->options = *options;
    a->family[0].fd = a->family[1].fd = -1;
    if (getrandom(&a->token, sizeof a->token, 0) != (ssize_t)sizeof a->token)
        a->token = (uint64_t)options->now_us();
    (void)uv_timer_init(options->loop, &a->timer);
    a->timer.data = a;
    a->open_handles = 1;
    err = open_all(a, m);
    if (err != 0) {
        arbitration_stop(a, NULL, NULL);
        return err;
    }
    (void)uv_timer_start(&a->timer, on_timer, 0, options->interval_ms);
    *ret_arbitration = a;
    return 0;
}

static void release(struct arbitration *a)
{
    if (--a->open_handles > 0)
        return;
    if (a->stopped != NULL)
        a->stopped(a->stopped_data);
    free(a);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct family *f = handle->data;
    (void)close(f->fd);
    release(f->owner);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void arbitration_stop(struct arbitration *a, void (*stopped)(void *data), void *data)
{
    if (a == NULL)
        return;
    a->stopped = stopped;
    a->stopped_data = data;
    for (unsigned i = 0; i < 2; i++) {
        if (a->family[i].fd >= 0)
            uv_close((uv_handle_t *)&a->family[i].poll, on_poll_closed);
    }
    uv_close((uv_handle_t *)&a->timer, on_timer_closed);
}
