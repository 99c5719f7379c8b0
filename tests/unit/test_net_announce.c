/* SPDX-License-Identifier: Apache-2.0 */
/* What the cable carries: announcements, conflict probes, and ARP and ND under the kernel's lease.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net_lab.h"
#include "wire/arp_packet.h"
#include "wire/ndp_packet.h"

static const uint8_t vip[4] = {10, 9, 0, 101};
static const uint8_t vip6[16] = {0xfd, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x65};

struct tap {
    int fd;
    int ifindex;
    uint8_t mac[6];
};

/* The peer's end of the cable, everything in and out. */
static struct tap tap_open(struct lab *lab, enum lab_side side, const char *device)
{
    struct tap t = {.fd = lab_socket(lab, side, AF_PACKET, SOCK_RAW, 0)};
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct ifreq ifr = {.ifr_flags = 0};
    (void)snprintf(ifr.ifr_name, IFNAMSIZ, "%s", device);
    assert_int_equal(ioctl(t.fd, SIOCGIFINDEX, &ifr), 0);
    at.sll_ifindex = t.ifindex = ifr.ifr_ifindex;
    assert_int_equal(ioctl(t.fd, SIOCGIFHWADDR, &ifr), 0);
    memcpy(t.mac, ifr.ifr_hwaddr.sa_data, 6);
    assert_int_equal(bind(t.fd, (const void *)&at, sizeof at), 0);
    return t;
}

static void tap_send(const struct tap *t, const uint8_t *frame, size_t size)
{
    assert_int_equal(send(t->fd, frame, size, 0), size);
}

struct heard {
    unsigned requests, replies; /* ARP whose sender is the VIP */
    unsigned advertisements;    /* of the VIP */
    uint8_t mac[6];
};

/* Everything that came from the other side. */
static void tap_read(const struct tap *t, struct heard *h)
{
    uint8_t frame[2048];
    struct sockaddr_ll from;
    socklen_t size = sizeof from;
    ssize_t n;
    while ((n = recvfrom(t->fd, frame, sizeof frame, 0, (void *)&from, &size)) > 0) {
        struct arp_packet arp;
        struct ndp_packet ndp;
        if (from.sll_pkttype == PACKET_OUTGOING)
            continue;
        if (arp_packet_decode(frame, (size_t)n, &arp) == 0 && memcmp(arp.sender_ip, vip, 4) == 0) {
            (*(arp.op == ARP_OP_REQUEST ? &h->requests : &h->replies))++;
            memcpy(h->mac, arp.sender_mac, 6);
        }
        if (ndp_packet_decode(frame, (size_t)n, &ndp) == 0 && ndp.type == NDP_ADVERTISEMENT &&
            memcmp(ndp.target, vip6, 16) == 0) {
            h->advertisements++;
            memcpy(h->mac, ndp.link_address, 6);
        }
    }
}

static void install(struct lab *lab)
{
    struct errmsg m = ERRMSG_INIT;
    if (net_table_install(lab->net, /* reset= */ false, &m) != 0)
        fail_msg("net_table_install: %s", m.text);
}

static void lease_ms(struct lab *lab, int ms)
{
    struct errmsg m = ERRMSG_INIT;
    if (net_lease_set(lab->net, lab_now_us() + ms * 1000, &m) != 0)
        fail_msg("net_lease_set: %s", m.text);
}

static void announce(struct lab *lab, unsigned i)
{
    struct errmsg m = ERRMSG_INIT;
    if (net_announce(lab->net, i, &m) != 0)
        fail_msg("net_announce: %s", m.text);
}

/* --- announcements ----------------------------------------------------------------------------*/

static void test_burst(void **state)
{
    struct lab *lab = *state;
    struct tap peer = tap_open(lab, LAB_PEER, "vb"), host = tap_open(lab, LAB_HOST, "va");
    struct heard h = {0};
    lab->config.announce_at_ms[1] = 40;
    lab->config.announce_at_ms[2] = 120;
    lab->config.n_announces = 3;
    lab_start(lab);
    lab_add(lab, 0, 60);
    lab_add(lab, 1, 60);
    tap_read(&peer, &h);
    memset(&h, 0, sizeof h);
    announce(lab, 0);
    tap_read(&peer, &h); /* the first is on the cable when the call returns */
    assert_int_equal(h.requests, 1);
    assert_int_equal(h.replies, 1);
    assert_memory_equal(h.mac, host.mac, 6);
    lab_spin_ms(lab, 300);
    tap_read(&peer, &h);
    assert_int_equal(h.requests, 3);
    assert_int_equal(h.replies, 3);
    assert_int_equal(h.advertisements, 0);
    memset(&h, 0, sizeof h);
    announce(lab, 1);
    lab_spin_ms(lab, 60);
    announce(lab, 1); /* starts anew: one to three went out, three follow */
    lab_spin_ms(lab, 300);
    tap_read(&peer, &h);
    assert_in_range(h.advertisements, 4, 6);
    assert_memory_equal(h.mac, host.mac, 6);
    close(peer.fd);
    close(host.fd);
}

static void neighbour(struct lab *lab, char *buf, unsigned size)
{
    lab_output(lab, LAB_PEER, "ip neigh show dev vb", buf, size);
}

static void test_neighbours_change_their_mind(void **state)
{
    struct lab *lab = *state;
    char buf[1024];
    lab_start(lab);
    lab_run(lab, LAB_PEER, "ip neigh replace 10.9.0.101 lladdr 02:00:00:00:00:99 dev vb nud stale");
    lab_run(lab, LAB_PEER, "ip neigh replace fd09::65 lladdr 02:00:00:00:00:99 dev vb nud stale");
    lab_add(lab, 0, 60);
    lab_add(lab, 1, 60);
    announce(lab, 0);
    announce(lab, 1);
    lab_spin_ms(lab, 100);
    neighbour(lab, buf, sizeof buf);
    assert_non_null(strstr(buf, "10.9.0.101 lladdr"));
    assert_non_null(strstr(buf, "fd09::65 lladdr"));
    assert_null(strstr(buf, "02:00:00:00:00:99"));
}

static void test_no_announcement_without_a_lease(void **state)
{
    struct lab *lab = *state;
    struct tap peer = tap_open(lab, LAB_PEER, "vb");
    struct heard h = {0};
    struct errmsg m;
    unsigned seen;
    lab_start(lab);
    install(lab);
    lab_add(lab, 0, 60);
    assert_int_equal(net_announce(lab->net, 0, &m), ERR_STATE);
    lease_ms(lab, 60000);
    announce(lab, 0);
    for (int i = 0; i < 500 && h.requests < 3; i++) { /* at 0, 50 and 200 ms */
        lab_spin_ms(lab, 10);
        tap_read(&peer, &h);
    }
    assert_true(h.requests >= 3);
    assert_int_equal(net_lease_clear(lab->net, &m), 0);
    tap_read(&peer, &h);
    seen = h.requests;
    assert_true(seen < 6);
    lab_spin_ms(lab, 1500); /* those of 500 and 1000 ms are not sent */
    tap_read(&peer, &h);
    assert_int_equal(h.requests, seen);
    lease_ms(lab, 60000);
    announce(lab, 0);
    lab_del(lab, 0);
    tap_read(&peer, &h);
    seen = h.requests;
    lab_spin_ms(lab, 300);
    tap_read(&peer, &h);
    assert_int_equal(h.requests, seen);
    close(peer.fd);
}

static void test_announcement_errors(void **state)
{
    struct lab *lab = *state;
    struct errmsg m;
    struct tap peer = tap_open(lab, LAB_PEER, "vb");
    struct heard h = {0};
    lab_start(lab);
    lab_run(lab, LAB_HOST, "ip link set va down");
    assert_int_equal(net_announce(lab->net, 0, &m), ERR_IO);
    lab_run(lab, LAB_HOST, "ip link set va up");
    lab_spin_ms(lab, 400); /* the repeats get through */
    tap_read(&peer, &h);
    assert_true(h.requests >= 1);
    lab_run(lab, LAB_HOST, "ip link del va");
    (void)lab_event(lab, NET_EVENT_LINK_DOWN, 0, 1000);
    assert_int_equal(net_announce(lab->net, 0, &m), ERR_NOTFOUND);
    close(peer.fd);
}

/* --- ARP and ND under the lease ---------------------------------------------------------------*/

static bool answers(struct lab *lab, const struct tap *peer, bool v6)
{
    struct heard h = {0};
    uint8_t frame[NDP_FRAME_MAX];
    int64_t end_us = lab_now_us() + 150000;
    tap_read(peer, &h);
    memset(&h, 0, sizeof h);
    if (v6) {
        struct ndp_packet p = ndp_packet_probe(peer->mac, vip6);
        tap_send(peer, frame, ndp_packet_encode(&p, frame));
    } else {
        struct arp_packet p = arp_packet_probe(peer->mac, vip);
        p.sender_ip[0] = 10; /* an ordinary question of 10.9.0.2 */
        p.sender_ip[1] = 9;
        p.sender_ip[3] = 2;
        arp_packet_encode(&p, frame);
        tap_send(peer, frame, ARP_FRAME_SIZE);
    }
    while (h.replies + h.advertisements == 0 && lab_now_us() < end_us) {
        struct pollfd wait = {.fd = peer->fd, .events = POLLIN};
        (void)poll(&wait, 1, 10);
        tap_read(peer, &h);
    }
    (void)lab;
    return h.replies + h.advertisements > 0;
}

/* A question may be lost on a busy machine; one of many is answered. */
static bool answers_soon(struct lab *lab, const struct tap *peer, bool v6)
{
    for (int i = 0; i < 20; i++) {
        if (answers(lab, peer, v6))
            return true;
    }
    return false;
}

static void test_unanswered_without_a_lease(void **state)
{
    struct lab *lab = *state;
    struct tap peer = tap_open(lab, LAB_PEER, "vb");
    lab_start(lab);
    lab_add(lab, 0, 60);
    lab_add(lab, 1, 60);
    assert_true(answers_soon(lab, &peer, false)); /* no table yet */
    assert_true(answers_soon(lab, &peer, true));
    install(lab);
    assert_false(answers(lab, &peer, false));
    assert_false(answers(lab, &peer, true));
    lease_ms(lab, 60000);
    assert_true(answers_soon(lab, &peer, false));
    assert_true(answers_soon(lab, &peer, true));
    lease_ms(lab, 3);
    usleep(15000);
    assert_false(answers(lab, &peer, false));
    assert_false(answers(lab, &peer, true));
    close(peer.fd);
}

/* A process bound to the VIP looks for somebody: the question would name the VIP as its sender. */
static void test_no_question_in_the_name_of_the_vip(void **state)
{
    struct lab *lab = *state;
    struct tap peer = tap_open(lab, LAB_PEER, "vb");
    struct sockaddr_in from = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct heard h = {0};
    int fd = lab_socket(lab, LAB_HOST, AF_INET, SOCK_DGRAM, 0);
    lab_start(lab);
    install(lab);
    lab_add(lab, 0, 60);
    memcpy(&from.sin_addr, vip, 4);
    assert_int_equal(inet_pton(AF_INET, "10.9.0.77", &to.sin_addr), 1);
    assert_int_equal(bind(fd, (const void *)&from, sizeof from), 0);
    (void)sendto(fd, "x", 1, 0, (const void *)&to, sizeof to);
    lab_spin_ms(lab, 100);
    tap_read(&peer, &h);
    assert_int_equal(h.requests, 0);
    lease_ms(lab, 60000);
    (void)sendto(fd, "x", 1, 0, (const void *)&to, sizeof to);
    lab_spin_ms(lab, 100);
    tap_read(&peer, &h);
    assert_true(h.requests >= 1);
    close(fd);
    close(peer.fd);
}

/* --- conflict probe ---------------------------------------------------------------------------*/

static struct net_result probe(struct lab *lab, unsigned i, unsigned timeout_ms)
{
    struct net_request rq = lab_request(lab, i, timeout_ms);
    assert_int_equal(net_vip_probe(lab->net, &rq), 0);
    assert_int_equal(net_vip_probe(lab->net, &rq), ERR_BUSY);
    return lab_result(lab, timeout_ms + 1000);
}

static void test_probe_finds_nobody(void **state)
{
    struct lab *lab = *state;
    int64_t start_us;
    lab_start(lab);
    for (unsigned i = 0; i < 2; i++) {
        start_us = lab_now_us();
        struct net_result r = probe(lab, i, 200);
        assert_int_equal(r.err, 0);
        assert_int_equal(r.vip, i);
        assert_false(r.conflict);
        assert_in_range(lab_now_us() - start_us, 200000, 400000);
    }
}

static void test_probe_finds_the_holder(void **state)
{
    struct lab *lab = *state;
    struct tap peer = tap_open(lab, LAB_PEER, "vb");
    lab_run(lab, LAB_PEER,
            "ip addr add 10.9.0.101/24 dev vb && "
            "ip addr add fd09::65/64 dev vb nodad");
    lab_start(lab);
    for (unsigned i = 0; i < 2; i++) {
        int64_t start_us = lab_now_us();
        struct net_result r = probe(lab, i, 2000);
        assert_int_equal(r.err, 0);
        assert_true(r.conflict);
        assert_memory_equal(r.mac, peer.mac, 6);
        assert_true(lab_now_us() - start_us < 1000000); /* does not wait for the limit */
    }
    close(peer.fd);
}

static void test_two_who_probe_see_each_other(void **state)
{
    struct lab *lab = *state;
    struct tap peer = tap_open(lab, LAB_PEER, "vb");
    lab_start(lab);
    for (unsigned i = 0; i < 2; i++) {
        struct net_request rq = lab_request(lab, i, 2000);
        uint8_t frame[NDP_FRAME_MAX];
        struct net_result r;
        assert_int_equal(net_vip_probe(lab->net, &rq), 0);
        lab_spin_ms(lab, 20);
        if (i == 0) {
            struct arp_packet p = arp_packet_probe(peer.mac, vip);
            arp_packet_encode(&p, frame);
            tap_send(&peer, frame, ARP_FRAME_SIZE);
        } else {
            struct ndp_packet p = ndp_packet_probe(peer.mac, vip6);
            tap_send(&peer, frame, ndp_packet_encode(&p, frame));
        }
        r = lab_result(lab, 1000);
        assert_true(r.conflict);
        assert_memory_equal(r.mac, peer.mac, 6);
    }
    close(peer.fd);
}

static void test_probe_refusals(void **state)
{
    struct lab *lab = *state;
    struct net_request rq = lab_request(lab, 0, 500);
    lab_start(lab);
    lab_add(lab, 0, 60);
    assert_int_equal(net_vip_probe(lab->net, &rq), ERR_STATE);
    lab_del(lab, 0);
    lab_run(lab, LAB_HOST, "ip link set va down");
    assert_int_equal(net_vip_probe(lab->net, &rq), 0);
    assert_int_equal(lab_result(lab, 1000).err, ERR_IO);
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(test_burst),
        NET_TEST(test_neighbours_change_their_mind),
        NET_TEST(test_no_announcement_without_a_lease),
        NET_TEST(test_announcement_errors),
        NET_TEST(test_unanswered_without_a_lease),
        NET_TEST(test_no_question_in_the_name_of_the_vip),
        NET_TEST(test_probe_finds_nobody),
        NET_TEST(test_probe_finds_the_holder),
        NET_TEST(test_two_who_probe_see_each_other),
        NET_TEST(test_probe_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
