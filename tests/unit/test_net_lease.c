/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's lease seen from the cable: real connections between two network namespaces. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net_lab.h"

#define VIP "10.9.0.101"
#define VIP6 "fd09::65"
#define HOST "10.9.0.1"
#define MEMBER "10.9.0.2"
#define STRANGER "10.9.0.3"
#define SOON_MS 150  /* nothing passes for this long: it is dropped */
#define PASS_MS 8000 /* a limit for what must pass, retransmissions included */

/* --- connections ------------------------------------------------------------------------------*/

struct pair {
    int limit_ms; /* for the connection; 0 = PASS_MS */
    int client;   /* in the peer */
    int server;   /* in the host */
    unsigned sent[2];
    unsigned received[2];
};

enum direction { TO_SERVER, TO_CLIENT };

static socklen_t address_fill(struct sockaddr_storage *at, const char *address, uint16_t port)
{
    struct sockaddr_in *v4 = (void *)at;
    struct sockaddr_in6 *v6 = (void *)at;
    memset(at, 0, sizeof *at);
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof *v6;
}

static int listen_on(struct lab *lab, uint16_t port)
{
    struct sockaddr_storage at;
    int on = 1, fd = lab_socket(lab, LAB_HOST, AF_INET6, SOCK_STREAM, 0);
    socklen_t size = address_fill(&at, "::", port);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (const void *)&at, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

/* False if the connection is not made within the limit. */
static bool connect_pair(struct lab *lab, const char *from, const char *to, uint16_t port,
                         struct pair *ret_pair)
{
    struct sockaddr_storage at;
    struct pair p = {.server = -1};
    int listener = listen_on(lab, port);
    int limit_ms = ret_pair->limit_ms != 0 ? ret_pair->limit_ms : PASS_MS;
    socklen_t size = address_fill(&at, from, 0);
    bool local = strncmp(from, "127.", 4) == 0;
    struct pollfd wait = {.events = POLLIN};
    p.client = lab_socket(lab, local ? LAB_HOST : LAB_PEER, at.ss_family, SOCK_STREAM, 0);
    assert_int_equal(bind(p.client, (const void *)&at, size), 0);
    size = address_fill(&at, to, port);
    (void)connect(p.client, (const void *)&at, size);
    wait.fd = listener;
    if (poll(&wait, 1, limit_ms) == 1)
        p.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    close(listener);
    if (p.server < 0) {
        close(p.client);
        return false;
    }
    *ret_pair = p;
    return true;
}

static void close_pair(struct pair *p)
{
    close(p->client);
    close(p->server);
}

static bool reaches(struct lab *lab, const char *from, const char *to, uint16_t port, int limit_ms)
{
    struct pair p = {.limit_ms = limit_ms};
    if (!connect_pair(lab, from, to, port, &p))
        return false;
    close_pair(&p);
    return true;
}

static void send_byte(struct pair *p, enum direction d)
{
    assert_int_equal(send(d == TO_SERVER ? p->client : p->server, "x", 1, MSG_NOSIGNAL), 1);
    p->sent[d]++;
}

/* True if everything sent so far arrives within the limit. */
static bool arrives(struct pair *p, enum direction d, int limit_ms)
{
    struct pollfd wait = {.fd = d == TO_SERVER ? p->server : p->client, .events = POLLIN};
    int64_t end_us = lab_now_us() + (int64_t)limit_ms * 1000;
    char buf[256];
    while (p->received[d] < p->sent[d]) {
        int64_t left_us = end_us - lab_now_us();
        ssize_t n;
        if (left_us <= 0 || poll(&wait, 1, (int)(left_us / 1000) + 1) != 1)
            return false;
        n = recv(wait.fd, buf, sizeof buf, 0);
        assert_true(n > 0);
        p->received[d] += (unsigned)n;
    }
    return true;
}

static bool carries(struct pair *p, enum direction d, int limit_ms)
{
    send_byte(p, d);
    return arrives(p, d, limit_ms);
}

/* --- lease ------------------------------------------------------------------------------------*/

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

static void lease_clear(struct lab *lab)
{
    struct errmsg m = ERRMSG_INIT;
    if (net_lease_clear(lab->net, &m) != 0)
        fail_msg("net_lease_clear: %s", m.text);
}

static int64_t remaining_us(struct lab *lab)
{
    struct errmsg m = ERRMSG_INIT;
    int64_t us = -1;
    if (net_lease_remaining_us(lab->net, &m, &us) != 0)
        fail_msg("net_lease_remaining_us: %s", m.text);
    return us;
}

static void lab_ready(struct lab *lab)
{
    lab_start(lab);
    install(lab);
    lab_add(lab, 0, 600);
    lab_add(lab, 1, 600);
}

/* --- tests ------------------------------------------------------------------------------------*/

static void test_closed_until_there_is_a_lease(void **state)
{
    struct lab *lab = *state;
    lab_ready(lab);
    assert_int_equal(remaining_us(lab), 0);
    assert_false(reaches(lab, STRANGER, VIP, 3306, SOON_MS));
    assert_false(reaches(lab, MEMBER, VIP, 3306, SOON_MS)); /* the VIP is closed to members, too */
    assert_false(reaches(lab, STRANGER, VIP, 7777, SOON_MS));
    assert_false(reaches(lab, "fd09::3", VIP6, 3306, SOON_MS));
    lease_ms(lab, 10000);
    assert_in_range(remaining_us(lab), 9000000, 10000000);
    assert_true(reaches(lab, STRANGER, VIP, 3306, PASS_MS));
    assert_true(reaches(lab, STRANGER, VIP, 7777, PASS_MS));
    assert_true(reaches(lab, "fd09::3", VIP6, 3306, PASS_MS));
    lease_clear(lab);
    assert_int_equal(remaining_us(lab), 0);
    assert_false(reaches(lab, STRANGER, VIP, 3306, SOON_MS));
    assert_false(reaches(lab, "fd09::3", VIP6, 3306, SOON_MS));
}

static void test_port_scope(void **state)
{
    struct lab *lab = *state;
    lab_ready(lab);
    assert_false(reaches(lab, STRANGER, HOST, 3306, SOON_MS));
    assert_false(reaches(lab, "fd09::3", "fd09::1", 3306, SOON_MS));
    assert_true(reaches(lab, MEMBER, HOST, 3306, PASS_MS));
    assert_true(reaches(lab, "fd09::2", "fd09::1", 3306, PASS_MS));
    assert_true(
        reaches(lab, STRANGER, HOST, 7777, PASS_MS)); /* other services are none of our business */
    assert_true(reaches(lab, "127.0.0.1", "127.0.0.1", 3306, PASS_MS));
    assert_true(reaches(lab, "127.0.0.1", VIP, 3306, PASS_MS)); /* local clients use lo */
    lease_ms(lab, 10000);
    assert_true(reaches(lab, STRANGER, HOST, 3306, PASS_MS));
    assert_true(reaches(lab, "fd09::3", "fd09::1", 3306, PASS_MS));
}

static void test_vip_scope(void **state)
{
    struct lab *lab = *state;
    lab->config.scope = NET_SCOPE_VIP;
    lab_ready(lab);
    assert_true(reaches(lab, STRANGER, HOST, 3306, PASS_MS));
    assert_false(reaches(lab, STRANGER, VIP, 3306, SOON_MS));
}

static void check_established(struct lab *lab, const char *from, const char *to)
{
    struct pair p = {0};
    lease_ms(lab, 10000);
    assert_true(connect_pair(lab, from, to, 3306, &p));
    assert_true(carries(&p, TO_SERVER, PASS_MS));
    assert_true(carries(&p, TO_CLIENT, PASS_MS));
    lease_ms(lab, 3); /* shortened, and ends by itself */
    usleep(15000);    /* one tick of the kernel is 4 ms at HZ=250, 10 ms at HZ=100 */
    assert_false(carries(&p, TO_SERVER, SOON_MS));
    assert_false(carries(&p, TO_CLIENT, SOON_MS));
    lease_ms(lab, 20000);
    assert_true(arrives(&p, TO_SERVER, PASS_MS)); /* the same connection goes on */
    assert_true(arrives(&p, TO_CLIENT, PASS_MS));
    close_pair(&p);
}

static void test_established_connections_stop_and_go_on(void **state)
{
    struct lab *lab = *state;
    lab_ready(lab);
    check_established(lab, STRANGER, VIP);
    check_established(lab, STRANGER, HOST);
    check_established(lab, "fd09::3", VIP6);
}

/* An answer that mysqld gives after the end must not leave, even if the request came before it. */
static void test_output_is_closed_on_its_own(void **state)
{
    struct lab *lab = *state;
    struct pair p = {0};
    lab_ready(lab);
    lease_ms(lab, 10000);
    assert_true(connect_pair(lab, STRANGER, VIP, 3306, &p));
    lease_clear(lab);
    lab_run(lab, LAB_HOST,
            "nft flush chain inet tandem_test prerouting && "
            "nft flush chain inet tandem_test input");
    assert_false(carries(&p, TO_CLIENT, SOON_MS));
    close_pair(&p);
}

static void test_the_end_is_on_time(void **state)
{
    struct lab *lab = *state;
    struct pair p = {0};
    int64_t until_us, last_us = 0;
    struct errmsg m;
    lab_ready(lab);
    lease_ms(lab, 10000);
    assert_true(connect_pair(lab, STRANGER, VIP, 3306, &p));
    until_us = lab_now_us() + 400000;
    assert_int_equal(net_lease_set(lab->net, until_us, &m), 0);
    for (;;) {
        int64_t now_us = lab_now_us();
        if (!carries(&p, TO_SERVER, SOON_MS))
            break;
        last_us = now_us; /* sent then, and it passed */
        usleep(500);
    }
    print_message("# last byte passed %lld us before the end\n", (long long)(until_us - last_us));
    assert_true(last_us <= until_us + 12000);
    assert_true(last_us >= until_us - 60000);
    close_pair(&p);
}

static void test_renewal_around_the_expiry(void **state)
{
    struct lab *lab = *state;
    lab_ready(lab);
    /* Elements that live, that have just expired and that were collected: never an error. */
    for (unsigned i = 0; i < 150; i++) {
        lease_ms(lab, (int)(5 + i % 7));
        usleep(1000 * (i % 17));
    }
    /* The kernel does not extend an element that is added again with the same timeout. */
    for (unsigned i = 0; i < 5; i++) {
        lease_ms(lab, 400);
        assert_true(remaining_us(lab) > 350000);
        usleep(200000);
    }
    lease_ms(lab, 3);
    usleep(700000); /* the collector of the sets has been there */
    lease_ms(lab, 1000);
    assert_true(remaining_us(lab) > 900000);
}

static void test_shortened_past_and_unlimited(void **state)
{
    struct lab *lab = *state;
    struct errmsg m;
    lab_ready(lab);
    lease_ms(lab, 60000);
    lease_ms(lab, 5000);
    assert_in_range(remaining_us(lab), 4000000, 5000000);
    assert_int_equal(net_lease_set(lab->net, lab_now_us() - 1, &m), ERR_TIMEOUT);
    assert_int_equal(remaining_us(lab), 0); /* what went beyond the new end is cleared */
    assert_int_equal(net_lease_set(lab->net, lab_now_us(), &m), ERR_TIMEOUT);
    assert_int_equal(remaining_us(lab), 0);
    assert_int_equal(net_lease_set(lab->net, NET_LEASE_FOREVER, &m), 0);
    assert_true(remaining_us(lab) == NET_LEASE_FOREVER);
    assert_true(reaches(lab, STRANGER, VIP, 3306, PASS_MS));
    lease_ms(lab, 5000); /* and back to an end */
    assert_in_range(remaining_us(lab), 4000000, 5000000);
}

static void test_reinstallation_keeps_a_live_lease(void **state)
{
    struct lab *lab = *state;
    struct errmsg m;
    struct pair p = {0};
    int64_t before_us;
    lab_ready(lab);
    lease_ms(lab, 3000);
    assert_int_equal(net_block_peer(lab->net, MEMBER, true, &m), 0);
    assert_true(connect_pair(lab, STRANGER, VIP, 3306, &p));
    lab_stop(lab); /* touches nothing, like a crash */
    before_us = lab_now_us();
    lab_forget(lab);
    lab_start(lab);
    install(lab);
    install(lab);
    assert_true(carries(&p, TO_SERVER, PASS_MS));
    assert_true(remaining_us(lab) > 0);
    assert_true(remaining_us(lab) <= 3000000 - (lab_now_us() - before_us) + 10000);
    assert_false(reaches(lab, MEMBER, HOST, 3306, SOON_MS)); /* still blocked */
    /* The lease is the earlier run's: this process may not announce on it. */
    assert_int_equal(net_announce(lab->net, 0, &m), ERR_STATE);
    assert_int_equal(net_table_install(lab->net, /* reset= */ true, &m), 0);
    assert_int_equal(remaining_us(lab), 0);
    assert_false(carries(&p, TO_SERVER, SOON_MS));
    assert_true(reaches(lab, MEMBER, HOST, 3306, PASS_MS));
    close_pair(&p);
}

/* A sender that never pauses, while the rules are replaced again and again: nothing slips in. */
static void test_installation_has_no_window(void **state)
{
    struct lab *lab = *state;
    struct sockaddr_storage at;
    socklen_t size = address_fill(&at, VIP, 9999);
    int to = lab_socket(lab, LAB_HOST, AF_INET, SOCK_DGRAM, 0);
    int from = lab_socket(lab, LAB_PEER, AF_INET, SOCK_DGRAM, 0);
    int64_t end_us;
    char buf[16];
    pid_t pid;
    lab_ready(lab);
    assert_int_equal(bind(to, (const void *)&at, size), 0);
    lease_ms(lab, 10000);
    assert_int_equal(sendto(from, "x", 1, 0, (const void *)&at, size), 1); /* learns the MAC */
    struct pollfd wait = {.fd = to, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, PASS_MS), 1);
    assert_int_equal(recv(to, buf, sizeof buf, 0), 1);
    lease_clear(lab);
    end_us = lab_now_us() + 500000;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        while (lab_now_us() < end_us)
            (void)sendto(from, "x", 1, 0, (const void *)&at, size);
        _exit(0);
    }
    while (lab_now_us() < end_us) {
        struct errmsg m;
        assert_int_equal(net_table_install(lab->net, lab_now_us() % 2 == 0, &m), 0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(recv(to, buf, sizeof buf, 0), -1);
    lease_ms(lab, 10000); /* the sender did reach us, had it been allowed */
    assert_int_equal(sendto(from, "x", 1, 0, (const void *)&at, size), 1);
    assert_int_equal(poll(&wait, 1, PASS_MS), 1);
    close(to);
    close(from);
}

static void test_blocked_peer(void **state)
{
    struct lab *lab = *state;
    struct errmsg m;
    struct pair p = {0};
    (void)snprintf(lab->config.members[2], ADDRESS_TEXT_MAX, "10.9.0.3");
    lab->config.n_members = 3;
    lab_ready(lab);
    lease_ms(lab, 60000);
    assert_true(connect_pair(lab, MEMBER, HOST, 3306, &p));
    assert_true(carries(&p, TO_SERVER, PASS_MS));
    assert_int_equal(net_block_peer(lab->net, MEMBER, true, &m), 0);
    assert_int_equal(net_block_peer(lab->net, MEMBER, true, &m), 0);
    assert_false(carries(&p, TO_SERVER, SOON_MS)); /* no acknowledgement comes through any more */
    assert_true(reaches(lab, "10.9.0.3", HOST, 3306, PASS_MS));
    assert_true(reaches(lab, MEMBER, HOST, 7777, PASS_MS));
    assert_int_equal(net_block_peer(lab->net, MEMBER, false, &m), 0);
    assert_int_equal(net_block_peer(lab->net, MEMBER, false, &m), 0);
    assert_true(arrives(&p, TO_SERVER, PASS_MS));
    assert_int_equal(net_block_peer(lab->net, "fd09::2", true, &m), 0);
    assert_false(reaches(lab, "fd09::2", "fd09::1", 3306, SOON_MS));
    assert_int_equal(net_block_peer(lab->net, "m2", true, &m), ERR_INVAL);
    close_pair(&p);
}

/* Reset at once: the client need not wait for its time-out. */
static bool is_refused(struct lab *lab, const char *from, const char *to, uint16_t port)
{
    struct sockaddr_storage at;
    struct pollfd wait = {.events = POLLOUT};
    socklen_t size = address_fill(&at, from, 0);
    int error = 0;
    socklen_t error_size = sizeof error;
    wait.fd = lab_socket(lab, LAB_PEER, at.ss_family, SOCK_STREAM, 0);
    assert_int_equal(bind(wait.fd, (const void *)&at, size), 0);
    size = address_fill(&at, to, port);
    (void)connect(wait.fd, (const void *)&at, size);
    assert_int_equal(poll(&wait, 1, PASS_MS), 1);
    assert_int_equal(getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &error, &error_size), 0);
    close(wait.fd);
    return error == ECONNREFUSED;
}

static void test_shut_refuses_new_connections_only(void **state)
{
    struct lab *lab = *state;
    struct errmsg m;
    struct pair p = {0};
    int64_t end_us;
    lab_ready(lab);
    lease_ms(lab, 60000);
    assert_true(connect_pair(lab, STRANGER, VIP, 3306, &p));
    assert_int_equal(net_shut(lab->net, lab_now_us() + 60000000, &m), 0);
    assert_int_equal(net_shut(lab->net, lab_now_us() + 60000000, &m), 0);
    assert_true(is_refused(lab, STRANGER, VIP, 3306));
    assert_true(is_refused(lab, STRANGER, HOST, 3306));
    assert_true(is_refused(lab, "fd09::3", VIP6, 3306));
    assert_true(carries(&p, TO_SERVER, PASS_MS));
    assert_true(carries(&p, TO_CLIENT, PASS_MS));
    assert_true(reaches(lab, MEMBER, HOST, 3306, PASS_MS));
    assert_true(reaches(lab, STRANGER, HOST, 7777, PASS_MS));
    lease_ms(lab, 60000); /* a renewal does not open it */
    assert_true(is_refused(lab, STRANGER, VIP, 3306));
    assert_int_equal(net_shut(lab->net, 0, &m), 0);
    assert_int_equal(net_shut(lab->net, 0, &m), 0);
    assert_true(reaches(lab, STRANGER, VIP, 3306, PASS_MS));
    end_us = lab_now_us() + PASS_MS * 1000;
    assert_int_equal(net_shut(lab->net, lab_now_us() + 20000, &m), 0); /* ends by itself */
    while (!reaches(lab, STRANGER, VIP, 3306, SOON_MS))
        assert_true(lab_now_us() < end_us);
    close_pair(&p);
}

static void test_another_nodes_vip_is_forwarded(void **state)
{
    struct lab *lab = *state;
    char buf[512];
    lab_start(lab);
    install(lab);
    /* Not an address of this host: a router must pass it on, and a host must learn where it is. */
    lab_run(
        lab, LAB_HOST,
        "echo 1 > /proc/sys/net/ipv4/ip_forward && ip link add vx type veth peer name vy && "
        "ip link set vx up && ip link set vy up && ip route add 10.9.0.101/32 dev vx && "
        "ip neigh add 10.9.0.101 lladdr 02:00:00:00:00:01 dev vx nud permanent && "
        "nft add table inet t && nft 'add chain inet t f { type filter hook forward priority 0; }'"
        " && nft add rule inet t f ip daddr 10.9.0.101 counter");
    lab_run(lab, LAB_PEER, "ip route add 10.9.0.101/32 via 10.9.0.1");
    assert_false(lab_answers(lab, VIP, 3306, 50));
    lab_output(lab, LAB_HOST, "nft list chain inet t f", buf, sizeof buf);
    assert_non_null(strstr(buf, "counter packets"));
    assert_null(strstr(buf, "counter packets 0 "));
}

/* Type 8 of ICMP and type 128 of ICMPv6 differ in the kernel's help only: it does ICMPv6's
 * checksum.
 */
static bool echoes(struct lab *lab, const char *to, int limit_ms)
{
    uint8_t question[8] = {8, 0, 0xf7, 0xff}, answer[128];
    struct sockaddr_storage at;
    socklen_t size = address_fill(&at, to, 0);
    bool six = at.ss_family == AF_INET6;
    int fd = lab_socket(lab, LAB_PEER, at.ss_family, SOCK_RAW, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t end_us = lab_now_us() + (int64_t)limit_ms * 1000, left_us;
    bool heard = false;
    question[0] = six ? 128 : 8;
    assert_int_equal(sendto(fd, question, sizeof question, 0, (const void *)&at, size),
                     sizeof question);
    while (!heard && (left_us = end_us - lab_now_us()) > 0) {
        ssize_t n = 0;
        if (poll(&wait, 1, (int)(left_us / 1000) + 1) == 1)
            n = recv(fd, answer, sizeof answer, 0);
        heard = n > 0 && (six ? answer[0] == 129 : n > 20 && answer[20] == 0);
    }
    close(fd);
    return heard;
}

/* The peer has learned our MAC, and the kernel says that what it asked us alone was answered. */
static void assert_neighbour(struct lab *lab, const char *address)
{
    int64_t end_us = lab_now_us() + PASS_MS * INT64_C(1000);
    char command[128], buf[512];
    (void)snprintf(command, sizeof command, "ip neigh change %s dev vb nud probe", address);
    lab_run(lab, LAB_PEER, command);
    (void)snprintf(command, sizeof command, "ip neigh show %s dev vb", address);
    do {
        lab_output(lab, LAB_PEER, command, buf, sizeof buf);
        if (strstr(buf, "REACHABLE") != NULL)
            return;
        usleep(20000);
    } while (lab_now_us() < end_us);
    fail_msg("%s is not answered for: %s", address, buf);
}

static void restart(struct lab *lab)
{
    lab_stop(lab);
    lab_forget(lab);
    lab_start(lab);
    install(lab);
}

/* Nothing that is sent to it arrives, and the neighbours know it all the same. */
static void test_address_that_is_only_held(void **state)
{
    struct lab *lab = *state;
    struct pair p = {0};
    lab->config.vips[0].held_only = lab->config.vips[1].held_only = true;
    lab_ready(lab);
    lease_ms(lab, 600000);
    assert_false(reaches(lab, STRANGER, VIP, 3306, SOON_MS));
    assert_false(reaches(lab, MEMBER, VIP, 7777, SOON_MS));
    assert_false(reaches(lab, "fd09::3", VIP6, 3306, SOON_MS));
    assert_false(lab_answers(lab, VIP, 3306, SOON_MS)); /* not even by a reset */
    assert_false(echoes(lab, VIP, SOON_MS));
    assert_false(echoes(lab, VIP6, SOON_MS));
    assert_neighbour(lab, VIP);
    assert_neighbour(lab, VIP6);
    assert_true(reaches(lab, STRANGER, HOST, 3306, PASS_MS)); /* the lease is of use elsewhere */
    assert_true(echoes(lab, "fd09::1", PASS_MS));
    assert_true(reaches(lab, "127.0.0.1", VIP, 3306, PASS_MS));
    /* The next agent's file says otherwise of one of them. */
    lab->config.vips[0].held_only = false;
    restart(lab);
    assert_true(connect_pair(lab, STRANGER, VIP, 3306, &p));
    assert_true(echoes(lab, VIP, PASS_MS));
    assert_false(echoes(lab, VIP6, SOON_MS));
    lab->config.vips[0].held_only = true;
    lab->config.vips[1].held_only = false;
    restart(lab);
    assert_true(echoes(lab, VIP6, PASS_MS));
    assert_false(carries(&p, TO_SERVER, SOON_MS));
    close_pair(&p);
}

static void test_table_lost_and_foreign_tables(void **state)
{
    struct lab *lab = *state;
    struct errmsg m;
    char buf[4096];
    lab_run(lab, LAB_HOST, "nft add table inet other && nft add table arp other");
    lab_ready(lab);
    lease_ms(lab, 60000);
    lab_spin_ms(lab, NET_TABLE_CHECK_MS + 200);
    assert_false(lab_has_event(lab, NET_EVENT_TABLE_LOST, VIPS_MAX)); /* renewals are no loss */
    lab_run(lab, LAB_HOST, "nft flush chain inet tandem_test input");
    (void)lab_event(lab, NET_EVENT_TABLE_LOST, VIPS_MAX, NET_TABLE_CHECK_MS + 1000);
    lab_forget(lab);
    lab_run(lab, LAB_HOST, "nft delete table inet tandem_test; nft delete table arp tandem_test");
    assert_int_equal(net_lease_set(lab->net, lab_now_us() + 1000000, &m), ERR_NOTFOUND);
    (void)lab_event(lab, NET_EVENT_TABLE_LOST, VIPS_MAX, NET_TABLE_CHECK_MS + 1000);
    install(lab);
    lease_ms(lab, 60000);
    assert_int_equal(net_table_remove(lab->net, &m), 0);
    assert_int_equal(net_table_remove(lab->net, &m), 0);
    lab_output(lab, LAB_HOST, "nft list ruleset", buf, sizeof buf);
    assert_null(strstr(buf, "tandem_test"));
    assert_non_null(strstr(buf, "table inet other"));
    assert_non_null(strstr(buf, "table arp other"));
    assert_true(reaches(lab, STRANGER, VIP, 3306, PASS_MS));
}

static void test_tables_of_a_foreign_shape(void **state)
{
    struct lab *lab = *state;
    struct errmsg m = ERRMSG_INIT;
    lab_run(lab, LAB_HOST,
            "nft 'add table inet tandem_test' && "
            "nft 'add set inet tandem_test lease4 { type ipv6_addr; }'");
    lab_start(lab);
    assert_true(net_table_install(lab->net, /* reset= */ false, &m) < 0);
    assert_true(m.text[0] != '\0');
    assert_int_equal(net_table_install(lab->net, /* reset= */ true, &m), 0);
    lease_ms(lab, 1000);
}

static int compare_us(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void test_latency(void **state)
{
    enum { N = 1000 };
    struct lab *lab = *state;
    int64_t us[N], start_us;
    lab_start(lab);
    start_us = lab_now_us();
    install(lab);
    print_message("# installation %lld us\n", (long long)(lab_now_us() - start_us));
    start_us = lab_now_us();
    install(lab);
    print_message("# installation again %lld us\n", (long long)(lab_now_us() - start_us));
    for (unsigned i = 0; i < N; i++) {
        start_us = lab_now_us();
        lease_ms(lab, 1000);
        us[i] = lab_now_us() - start_us;
        usleep(200);
    }
    qsort(us, N, sizeof *us, compare_us);
    print_message("# renewal median %lld us, p99 %lld us, max %lld us\n", (long long)us[N / 2],
                  (long long)us[N * 99 / 100], (long long)us[N - 1]);
    assert_true(us[N / 2] < 1000);
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(test_closed_until_there_is_a_lease),
        NET_TEST(test_port_scope),
        NET_TEST(test_vip_scope),
        NET_TEST(test_established_connections_stop_and_go_on),
        NET_TEST(test_output_is_closed_on_its_own),
        NET_TEST(test_the_end_is_on_time),
        NET_TEST(test_renewal_around_the_expiry),
        NET_TEST(test_shortened_past_and_unlimited),
        NET_TEST(test_reinstallation_keeps_a_live_lease),
        NET_TEST(test_installation_has_no_window),
        NET_TEST(test_blocked_peer),
        NET_TEST(test_shut_refuses_new_connections_only),
        NET_TEST(test_another_nodes_vip_is_forwarded),
        NET_TEST(test_address_that_is_only_held),
        NET_TEST(test_table_lost_and_foreign_tables),
        NET_TEST(test_tables_of_a_foreign_shape),
        NET_TEST(test_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
