/* SPDX-License-Identifier: Apache-2.0 */
/* The socket between two network namespaces: what the peer sends is written by hand, what it hears
 * is read raw. Needs root. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/vrrp/vrrp_ear.h"
#include "io/vrrp/vrrp_socket.h"
#include "net_lab.h"

struct fixture {
    struct lab *lab;
    struct vrrp_socket *s;
    unsigned heard;
    unsigned logged;
    struct vrrp_packet packet;
    struct vrrp_envelope envelope;
    bool stopped;
};

static struct vrrp_address address(const char *text)
{
    struct vrrp_address a = {{0}};
    assert_int_equal(inet_pton(strchr(text, ':') != NULL ? AF_INET6 : AF_INET, text, a.bytes), 1);
    return a;
}

static void on_packet(void *data, const struct vrrp_envelope *e, const struct vrrp_packet *p)
{
    struct fixture *f = data;
    f->heard++;
    f->packet = *p;
    f->envelope = *e;
}

static void on_stopped(void *data)
{
    ((struct fixture *)data)->stopped = true;
}

static void on_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void on_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
    assert_string_equal(id, "vrrp-rejected");
    ((struct fixture *)data)->logged++;
}

static struct vrrp_socket_options options_of(struct fixture *f, enum vrrp_family family)
{
    struct vrrp_socket_options o = {.loop = &f->lab->loop,
                                    .log = {on_log, f},
                                    .device = "va",
                                    .pseudo_header = true,
                                    .on_packet = on_packet,
                                    .data = f};
    bool four = family == VRRP_IPV4;
    o.expect = (struct vrrp_expect){.family = family,
                                    .version = four ? 2 : 3,
                                    .vrid = 100,
                                    .interval_cs = 100,
                                    .own = address(four ? "10.9.0.1" : "fd09::1"),
                                    .n_addresses = 1};
    o.expect.addresses[0] = address(four ? "10.9.0.101" : "fd09::65");
    if (four) {
        o.expect.auth_type = VRRP_AUTH_PASSWORD;
        memcpy(o.expect.password, "1111", 4);
    }
    return o;
}

static void begin(struct fixture *f, const struct vrrp_socket_options *o)
{
    struct errmsg m = ERRMSG_INIT;
    if (vrrp_socket_start(o, &m, &f->s) != 0)
        fail_msg("%s", m.text);
}

static void end(struct fixture *f)
{
    f->stopped = false;
    vrrp_socket_stop(f->s, on_stopped, f);
    for (unsigned i = 0; i < 100 && !f->stopped; i++)
        lab_spin_ms(f->lab, 10);
    assert_true(f->stopped);
    f->s = NULL;
}

static struct vrrp_packet packet_of(const struct vrrp_expect *x)
{
    struct vrrp_packet p = {.version = x->version,
                            .vrid = x->vrid,
                            .priority = 50,
                            .interval_cs = x->interval_cs,
                            .auth_type = x->auth_type,
                            .pseudo_header = true,
                            .n_addresses = x->n_addresses};
    memcpy(p.password, x->password, sizeof p.password);
    memcpy(p.addresses, x->addresses, sizeof p.addresses);
    return p;
}

/* The peer's raw socket, with its device and its TTL set. */
static int peer_open(struct fixture *f, enum vrrp_family family, int ttl)
{
    bool six = family == VRRP_IPV6;
    int fd = lab_socket(f->lab, LAB_PEER, six ? AF_INET6 : AF_INET, SOCK_RAW, VRRP_PROTOCOL);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "vb", 3), 0);
    if (six) {
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof ttl), 0);
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof ttl), 0);
    } else {
        assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl), 0);
        assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), 0);
    }
    return fd;
}

struct letter {
    enum vrrp_family family;
    const char *from;
    const char *to; /* NULL: the group */
    int ttl;
};

static const struct letter letter_ipv4 = {VRRP_IPV4, "10.9.0.2", NULL, VRRP_TTL};
static const struct letter letter_ipv6 = {VRRP_IPV6, "fd09::2", NULL, VRRP_TTL};

static void peer_send_bytes(struct fixture *f, const struct letter *l, const uint8_t *bytes,
                            size_t size)
{
    struct vrrp_address to = l->to != NULL ? address(l->to) : vrrp_address_group(l->family);
    struct vrrp_address from = address(l->from);
    struct sockaddr_in four = {.sin_family = AF_INET}, four_from = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6}, six_from = {.sin6_family = AF_INET6};
    int fd = peer_open(f, l->family, l->ttl);
    ssize_t n;
    memcpy(&four.sin_addr, to.bytes, 4);
    memcpy(&six.sin6_addr, to.bytes, 16);
    memcpy(&four_from.sin_addr, from.bytes, 4);
    memcpy(&six_from.sin6_addr, from.bytes, 16);
    if (l->family == VRRP_IPV4) {
        assert_int_equal(bind(fd, (void *)&four_from, sizeof four_from), 0);
        n = sendto(fd, bytes, size, 0, (void *)&four, sizeof four);
    } else {
        assert_int_equal(bind(fd, (void *)&six_from, sizeof six_from), 0);
        n = sendto(fd, bytes, size, 0, (void *)&six, sizeof six);
    }
    assert_int_equal(n, size);
    close(fd);
}

static void peer_send(struct fixture *f, const struct letter *l, const struct vrrp_packet *p)
{
    uint8_t message[VRRP_MESSAGE_MAX];
    struct vrrp_envelope e = {
        .family = l->family, .source = address(l->from), .ttl = (uint8_t)l->ttl};
    e.destination = l->to != NULL ? address(l->to) : vrrp_address_group(l->family);
    peer_send_bytes(f, l, message, vrrp_packet_encode(p, &e, message));
}

static uint64_t received(const struct fixture *f)
{
    const struct vrrp_counters *c = vrrp_socket_counters(f->s);
    uint64_t n = c->accepted;
    for (unsigned i = 0; i < VRRP_REJECT_COUNT; i++)
        n += c->rejected[i];
    return n;
}

/* Waits until `n` datagrams were judged, and that no more follow. */
static void await(struct fixture *f, uint64_t n)
{
    for (unsigned i = 0; i < 200 && received(f) < n; i++)
        lab_spin_ms(f->lab, 5);
    assert_int_equal(received(f), n);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(lab_setup((void **)&f->lab), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->s != NULL)
        end(f);
    assert_int_equal(lab_teardown((void **)&f->lab), 0);
    free(f);
    return 0;
}

static void test_multicast_is_heard(void **state)
{
    struct fixture *f = *state;
    const struct letter *letters[] = {&letter_ipv4, &letter_ipv6};
    for (unsigned i = 0; i < 2; i++) {
        struct vrrp_socket_options o = options_of(f, letters[i]->family);
        struct vrrp_packet p = packet_of(&o.expect);
        struct vrrp_address from = address(letters[i]->from);
        begin(f, &o);
        p.priority = 77;
        peer_send(f, letters[i], &p);
        await(f, 1);
        assert_int_equal(f->heard, i + 1);
        assert_int_equal(f->packet.priority, 77);
        assert_int_equal(vrrp_address_compare(&f->envelope.source, &from), 0);
        assert_int_equal(f->envelope.ttl, VRRP_TTL);
        end(f);
    }
    assert_int_equal(f->logged, 0);
}

/* It joins no group: alone it hears nothing, and nothing of the host changes by it. */
static void ear_hears(struct fixture *f, const struct letter *letter)
{
    struct vrrp_socket_options o = options_of(f, letter->family);
    struct vrrp_packet p = packet_of(&o.expect);
    struct vrrp_address from = address(letter->from), group = vrrp_address_group(letter->family);
    struct errmsg m = ERRMSG_INIT;
    struct vrrp_ear *ear = NULL;
    char before[4096], after[4096];
    (void)lab_output(f->lab, LAB_HOST, "ip maddr show", before, sizeof before);
    assert_int_equal(vrrp_ear_start(&f->lab->loop, letter->family, on_packet, f, &m, &ear), 0);
    (void)lab_output(f->lab, LAB_HOST, "ip maddr show", after, sizeof after);
    assert_string_equal(before, after);
    f->heard = 0;
    peer_send(f, letter, &p);
    lab_spin_ms(f->lab, 50);
    assert_int_equal(f->heard, 0);
    begin(f, &o);
    p.priority = 77;
    peer_send(f, letter, &p);
    await(f, 1);
    for (unsigned i = 0; i < 100 && f->heard < 2; i++)
        lab_spin_ms(f->lab, 5);
    assert_int_equal(f->heard, 2);
    assert_int_equal(f->packet.priority, 77);
    assert_int_equal(f->envelope.family, letter->family);
    assert_int_equal(f->envelope.ttl, VRRP_TTL);
    assert_int_equal(vrrp_address_compare(&f->envelope.source, &from), 0);
    assert_int_equal(vrrp_address_compare(&f->envelope.destination, &group), 0);
    end(f);
    vrrp_ear_stop(ear);
    lab_spin_ms(f->lab, 10);
}

static void test_an_ear_hears_where_others_have_joined(void **state)
{
    ear_hears(*state, &letter_ipv4);
}

static void test_an_ear_hears_ipv6(void **state)
{
    ear_hears(*state, &letter_ipv6);
}

struct wrong {
    enum vrrp_reject reject;
    struct letter letter;
    struct vrrp_packet packet;
    size_t cut;     /* send that many octets less */
    size_t flip_at; /* flip a bit there, 0: none */
};

static void expect_reject(struct fixture *f, const struct wrong *w, unsigned count)
{
    uint8_t message[VRRP_MESSAGE_MAX];
    struct vrrp_envelope e = {.family = w->letter.family, .source = address(w->letter.from)};
    size_t size;
    e.destination =
        w->letter.to != NULL ? address(w->letter.to) : vrrp_address_group(w->letter.family);
    size = vrrp_packet_encode(&w->packet, &e, message);
    if (w->flip_at > 0)
        message[w->flip_at - 1] ^= 1;
    peer_send_bytes(f, &w->letter, message, size - w->cut);
    await(f, count);
    if (vrrp_socket_counters(f->s)->rejected[w->reject] == 0)
        fail_msg("not counted as '%s'", vrrp_reject_id(w->reject));
}

static void test_each_reason_is_counted(void **state)
{
    struct fixture *f = *state;
    struct vrrp_socket_options o = options_of(f, VRRP_IPV4);
    const struct vrrp_packet p = packet_of(&o.expect);
    struct letter far = letter_ipv4, direct = letter_ipv4;
    struct wrong list[] = {
        {VRRP_REJECT_SHORT, letter_ipv4, p, 13, 0},    {VRRP_REJECT_LENGTH, letter_ipv4, p, 4, 0},
        {VRRP_REJECT_VERSION, letter_ipv4, p, 0, 0},   {VRRP_REJECT_TYPE, letter_ipv4, p, 0, 1},
        {VRRP_REJECT_CHECKSUM, letter_ipv4, p, 0, 7},  {VRRP_REJECT_TTL, far, p, 0, 0},
        {VRRP_REJECT_DESTINATION, direct, p, 0, 0},    {VRRP_REJECT_VRID, letter_ipv4, p, 0, 0},
        {VRRP_REJECT_AUTH_TYPE, letter_ipv4, p, 0, 0}, {VRRP_REJECT_PASSWORD, letter_ipv4, p, 0, 0},
        {VRRP_REJECT_ADDRESSES, letter_ipv4, p, 0, 0}, {VRRP_REJECT_INTERVAL, letter_ipv4, p, 0, 0},
    };
    unsigned n = sizeof list / sizeof *list;
    list[2].packet.version = 3;
    list[2].packet.auth_type = 0;
    list[5].letter.ttl = 254;
    list[6].letter.to = "10.9.0.1";
    list[7].packet.vrid = 101;
    list[8].packet.auth_type = 0;
    list[9].packet.password[0] = '2';
    list[10].packet.addresses[0].bytes[3]++;
    list[11].packet.interval_cs = 200;
    begin(f, &o);
    for (unsigned i = 0; i < n; i++)
        expect_reject(f, &list[i], i + 1);
    assert_int_equal(f->heard, 0);
    assert_int_equal(f->logged, n - 1); /* not the other virtual router */
}

static void test_own_address_on_another_host(void **state)
{
    struct fixture *f = *state;
    struct vrrp_socket_options o = options_of(f, VRRP_IPV4);
    struct vrrp_packet p = packet_of(&o.expect);
    o.expect.own = address("10.9.0.2");
    begin(f, &o);
    peer_send(f, &letter_ipv4, &p);
    await(f, 1);
    assert_int_equal(vrrp_socket_counters(f->s)->rejected[VRRP_REJECT_OWN], 1);
}

static void test_unicast_peers(void **state)
{
    struct fixture *f = *state;
    static const struct letter letters[] = {{VRRP_IPV4, "10.9.0.2", "10.9.0.1", 64},
                                            {VRRP_IPV4, "10.9.0.3", "10.9.0.1", 64},
                                            {VRRP_IPV4, "10.9.0.2", NULL, 255},
                                            {VRRP_IPV6, "fd09::2", "fd09::1", 64},
                                            {VRRP_IPV6, "fd09::3", "fd09::1", 64}};
    static const enum vrrp_reject verdicts[] = {
        VRRP_REJECT_NONE, VRRP_REJECT_PEER, VRRP_REJECT_NONE, VRRP_REJECT_NONE, VRRP_REJECT_PEER};
    for (unsigned i = 0; i < 5; i++) {
        struct vrrp_socket_options o = options_of(f, letters[i].family);
        struct vrrp_packet p = packet_of(&o.expect);
        o.expect.peers[o.expect.n_peers++] =
            address(letters[i].family == VRRP_IPV4 ? "10.9.0.2" : "fd09::2");
        begin(f, &o);
        peer_send(f, &letters[i], &p);
        if (letters[i].to == NULL) {
            /* Who has not joined the group does not hear it. */
            lab_spin_ms(f->lab, 50);
            assert_int_equal(received(f), 0);
        } else {
            await(f, 1);
            assert_int_equal(vrrp_socket_counters(f->s)->accepted, verdicts[i] == VRRP_REJECT_NONE);
            assert_int_equal(vrrp_socket_counters(f->s)->rejected[VRRP_REJECT_PEER],
                             verdicts[i] == VRRP_REJECT_PEER);
        }
        end(f);
    }
}

static void peer_join(int fd)
{
    struct ip_mreqn mreq = {.imr_ifindex = 0};
    struct vrrp_address group = vrrp_address_group(VRRP_IPV4);
    memcpy(&mreq.imr_multiaddr, group.bytes, 4);
    mreq.imr_address.s_addr = htonl(0x0a090002);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof mreq), 0);
}

static void test_what_is_sent(void **state)
{
    struct fixture *f = *state;
    struct vrrp_socket_options o = options_of(f, VRRP_IPV4);
    struct vrrp_expect mirror = o.expect;
    int fd = peer_open(f, VRRP_IPV4, 1);
    uint8_t datagram[256];
    struct vrrp_envelope e;
    struct vrrp_packet p;
    const uint8_t *message;
    size_t size;
    ssize_t n;
    peer_join(fd);
    begin(f, &o);
    assert_int_equal(vrrp_socket_send(f->s, 42, NULL), 0);
    lab_spin_ms(f->lab, 50);
    n = recv(fd, datagram, sizeof datagram, 0);
    assert_int_equal(n, 40);
    assert_int_equal(datagram[1], 0xc0);
    assert_int_equal(vrrp_packet_open_ipv4(datagram, (size_t)n, &e, &message, &size),
                     VRRP_REJECT_NONE);
    assert_int_equal(vrrp_packet_decode(message, size, &e, &p), VRRP_REJECT_NONE);
    assert_int_equal(vrrp_address_compare(&e.source, &o.expect.own), 0);
    assert_int_equal(p.priority, 42);
    mirror.own = address("10.9.0.2");
    assert_int_equal(vrrp_packet_check(&mirror, &e, &p), VRRP_REJECT_NONE);
    /* It does not hear itself. */
    assert_int_equal(received(f), 0);
    assert_int_equal(vrrp_socket_counters(f->s)->sent, 1);
    close(fd);
}

static void test_what_is_sent_to_peers(void **state)
{
    struct fixture *f = *state;
    struct vrrp_socket_options o = options_of(f, VRRP_IPV6);
    int fd = peer_open(f, VRRP_IPV6, 1);
    uint8_t message[256];
    struct vrrp_envelope e = {.family = VRRP_IPV6, .source = address("fd09::1"), .ttl = VRRP_TTL};
    struct vrrp_packet p;
    o.expect.peers[o.expect.n_peers++] = address("fd09::2");
    o.expect.peers[o.expect.n_peers++] = address("fd09::3");
    begin(f, &o);
    assert_int_equal(vrrp_socket_send(f->s, 42, NULL), 0);
    lab_spin_ms(f->lab, 50);
    for (unsigned i = 0; i < 2; i++) {
        e.destination = o.expect.peers[i];
        assert_int_equal(recv(fd, message, sizeof message, 0), 24);
        assert_int_equal(vrrp_packet_decode(message, 24, &e, &p), VRRP_REJECT_NONE);
    }
    assert_int_equal(vrrp_socket_counters(f->s)->sent, 2);
    close(fd);
}

static int sniffer(struct fixture *f, uint16_t protocol)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
    char number[512];
    int fd = lab_socket(f->lab, LAB_PEER, AF_PACKET, SOCK_RAW, htons(protocol));
    at.sll_ifindex = (int)strtol(
        lab_output(f->lab, LAB_PEER, "ip -o link show vb", number, sizeof number), NULL, 10);
    assert_int_equal(bind(fd, (const void *)&at, sizeof at), 0);
    return fd;
}

/* The source MAC of the next advertisement that comes over the cable. */
static void sniff_mac(struct fixture *f, int fd, bool six, uint8_t ret_mac[6])
{
    uint8_t frame[256];
    for (unsigned i = 0; i < 100; i++) {
        while (recv(fd, frame, sizeof frame, 0) > 34) {
            if (frame[six ? 14 + 6 : 14 + 9] != VRRP_PROTOCOL)
                continue;
            memcpy(ret_mac, frame + 6, 6);
            return;
        }
        lab_spin_ms(f->lab, 10);
    }
    fail_msg("no advertisement on the cable");
}

/* What is said has the virtual router's MAC; another Master, which has the same one, is heard. */
static void check_own_mac(struct fixture *f, enum vrrp_family family, const char *mac_text,
                          const uint8_t *mac)
{
    bool six = family == VRRP_IPV6;
    struct vrrp_socket_options o = options_of(f, family);
    struct letter letter = {family, six ? "fd09::2" : "10.9.0.2", NULL, VRRP_TTL};
    struct vrrp_packet p = packet_of(&o.expect);
    struct errmsg m = ERRMSG_INIT;
    char command[256];
    uint8_t seen[6];
    int fd = sniffer(f, six ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
    o.own_mac = true;
    if (six) /* an address that the other device does not have */
        assert_int_equal(vrrp_socket_find_own("va", family, &o.expect.own), 0);
    begin(f, &o);
    assert_int_equal(vrrp_socket_send(f->s, 100, &m), ERR_STATE);
    assert_int_equal(vrrp_socket_leave_by(f->s, "nowhere", &m), ERR_NOTFOUND);
    (void)snprintf(
        command, sizeof command,
        "ip link add link va name mv address %s type macvlan mode bridge && ip link set mv "
        "addrgenmode none && ip link set mv up",
        mac_text);
    lab_run(f->lab, LAB_HOST, command);
    assert_int_equal(vrrp_socket_leave_by(f->s, "mv", &m), 0);
    assert_int_equal(vrrp_socket_send(f->s, 100, &m), 0);
    sniff_mac(f, fd, six, seen);
    assert_memory_equal(seen, mac, sizeof seen);
    peer_send(f, &letter, &p);
    await(f, 1);
    (void)snprintf(command, sizeof command,
                   "ip link set vb down && ip link set vb address %s && ip link set vb up",
                   mac_text);
    lab_run(f->lab, LAB_PEER, command);
    if (six)
        lab_run(f->lab, LAB_PEER, "ip addr add fd09::2/64 dev vb nodad");
    lab_spin_ms(f->lab, 50);
    peer_send(f, &letter, &p);
    await(f, 2);
    assert_int_equal(f->heard, 2);
    assert_int_equal(vrrp_socket_leave_by(f->s, NULL, &m), 0);
    assert_int_equal(vrrp_socket_send(f->s, 100, &m), ERR_STATE);
    assert_int_equal(vrrp_socket_counters(f->s)->sent, 1);
    end(f);
    close(fd);
}

static void test_own_mac_ipv4(void **state)
{
    static const uint8_t mac[] = {0, 0, 0x5e, 0, 1, 100};
    check_own_mac(*state, VRRP_IPV4, "00:00:5e:00:01:64", mac);
}

static void test_own_mac_ipv6(void **state)
{
    static const uint8_t mac[] = {0, 0, 0x5e, 0, 2, 100};
    check_own_mac(*state, VRRP_IPV6, "00:00:5e:00:02:64", mac);
}

static void test_link_that_goes_and_comes(void **state)
{
    struct fixture *f = *state;
    struct vrrp_socket_options o = options_of(f, VRRP_IPV4);
    struct vrrp_packet p = packet_of(&o.expect);
    struct errmsg m = ERRMSG_INIT;
    begin(f, &o);
    lab_run(f->lab, LAB_HOST, "ip link set va down");
    lab_spin_ms(f->lab, 50);
    assert_int_equal(vrrp_socket_send(f->s, 42, &m), ERR_NET);
    assert_int_equal(vrrp_socket_counters(f->s)->send_errors, 1);
    lab_run(f->lab, LAB_HOST, "ip link set va up");
    lab_spin_ms(f->lab, 50);
    assert_int_equal(vrrp_socket_send(f->s, 42, &m), 0);
    peer_send(f, &letter_ipv4, &p);
    await(f, 1);
    assert_int_equal(f->heard, 1);
}

/* Ten thousand wrong ones cost counters and one line; a good one between them is heard. */
static void test_flood(void **state)
{
    struct fixture *f = *state;
    struct vrrp_socket_options o = options_of(f, VRRP_IPV4);
    struct vrrp_packet good = packet_of(&o.expect), wrong = good;
    wrong.password[0] = 'x';
    begin(f, &o);
    for (unsigned i = 1; i <= 10000; i++) {
        peer_send(f, &letter_ipv4, i == 5000 ? &good : &wrong);
        if (i % 100 == 0)
            await(f, i);
    }
    assert_int_equal(f->heard, 1);
    assert_int_equal(f->logged, 1);
    assert_int_equal(vrrp_socket_counters(f->s)->rejected[VRRP_REJECT_PASSWORD], 9999);
}

static void test_drain_reads_without_the_loop(void **state)
{
    struct fixture *f = *state;
    struct vrrp_socket_options o = options_of(f, VRRP_IPV4);
    struct vrrp_packet p = packet_of(&o.expect);
    begin(f, &o);
    for (unsigned i = 0; i < 3; i++)
        peer_send(f, &letter_ipv4, &p);
    for (unsigned i = 0; i < 100 && f->heard < 3; i++) {
        vrrp_socket_drain(f->s);
        usleep(1000);
    }
    assert_int_equal(f->heard, 3);
}

static void test_own_address_is_found(void **state)
{
    struct fixture *f = *state;
    struct vrrp_address own, host = address("10.9.0.1");
    struct vrrp_socket_options o = options_of(f, VRRP_IPV4);
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(vrrp_socket_find_own("va", VRRP_IPV4, &own), 0);
    assert_int_equal(vrrp_address_compare(&own, &host), 0);
    assert_int_equal(vrrp_socket_find_own("va", VRRP_IPV6, &own), 0);
    assert_int_equal(own.bytes[0] << 8 | own.bytes[1], 0xfe80);
    assert_int_equal(vrrp_socket_find_own("vx", VRRP_IPV4, &own), ERR_NOTFOUND);
    (void)snprintf(o.device, sizeof o.device, "vx");
    assert_int_equal(vrrp_socket_start(&o, &m, &f->s), ERR_NOTFOUND);
    assert_string_equal(m.text, "no device 'vx'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_multicast_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_ear_hears_where_others_have_joined, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_ear_hears_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_reason_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_address_on_another_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unicast_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_sent_to_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_mac_ipv4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_mac_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_link_that_goes_and_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain_reads_without_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_address_is_found, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
