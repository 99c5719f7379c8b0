/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses with the virtual router's MAC: the device, what neighbours believe, and who refuses. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net_lab.h"

#define MAC4 "00:00:5e:00:01:64"
#define MAC6 "00:00:5e:00:02:64"
#define ARP_SETTINGS                                                                          \
    "cat /proc/sys/net/ipv4/conf/va/arp_ignore /proc/sys/net/ipv4/conf/va/arp_announce | tr " \
    "'\\n' "                                                                                  \
    "' '"

static void set_parent(struct lab *lab, const char *parent)
{
    for (unsigned i = 0; i < 2; i++)
        (void)snprintf(lab->config.macvlans[i].parent, NET_DEVICE_MAX, "%s", parent);
}

static void restart(struct lab *lab, const char *parent)
{
    lab_stop(lab);
    lab_forget(lab);
    set_parent(lab, parent);
    lab_start(lab);
}

static int setup(void **state)
{
    int r = lab_setup(state);
    struct lab *lab = *state;
    lab->config.vips[0].label[0] = '\0';
    for (unsigned i = 0; i < 2; i++) {
        struct net_macvlan *x = &lab->config.macvlans[i];
        *x = (struct net_macvlan){.mac = {0, 0, 0x5e, 0, (uint8_t)(i + 1), 100}};
        (void)snprintf(x->name, sizeof x->name, i == 0 ? "vrrp4.100" : "vrrp6.100");
        memcpy(lab->config.vips[i].macvlan, x->name, sizeof x->name);
    }
    lab->config.n_macvlans = 2;
    set_parent(lab, "va");
    return r;
}

static void up(struct lab *lab, unsigned i)
{
    struct errmsg m = ERRMSG_INIT;
    if (net_macvlan_up(lab->net, i, &m) != 0)
        fail_msg("%s", m.text);
}

static void down(struct lab *lab, unsigned i)
{
    struct errmsg m = ERRMSG_INIT;
    if (net_macvlan_down(lab->net, i, &m) != 0)
        fail_msg("%s", m.text);
}

static void assert_says(struct lab *lab, enum lab_side side, const char *command, const char *word,
                        bool says)
{
    char buf[4096];
    lab_output(lab, side, command, buf, sizeof buf);
    if ((strstr(buf, word) != NULL) != says)
        fail_msg("'%s' is %sin what '%s' says: %s", word, says ? "not " : "", command, buf);
}

static void test_device(void **state)
{
    struct lab *lab = *state;
    static const char show[] = "ip -d link show vrrp4.100; ip -o addr show dev vrrp4.100";
    lab_start(lab);
    up(lab, 0);
    assert_says(lab, LAB_HOST, show, MAC4, true);
    assert_says(lab, LAB_HOST, show, "vrrp4.100@va", true);
    assert_says(lab, LAB_HOST, show, "LOWER_UP", true);
    assert_says(lab, LAB_HOST, show, "mode bridge", true);
    assert_says(lab, LAB_HOST, show, "inet", false); /* no address by itself */
    lab_add(lab, 0, 60);
    assert_says(lab, LAB_HOST, show, "10.9.0.101/24", true);
    assert_says(lab, LAB_HOST, "ip -o addr show dev va", "10.9.0.101", false);
    assert_says(lab, LAB_HOST, "ip route", "vrrp4.100", false); /* the way out is the host's */
    up(lab, 0);                                                 /* again: nothing is lost */
    assert_says(lab, LAB_HOST, show, "10.9.0.101/24", true);
    lab_spin_ms(lab, 20);
    assert_true(net_vip_is_present(lab->net, 0));
    lab_del(lab, 0);
    down(lab, 0);
    assert_says(lab, LAB_HOST, "ip link", "vrrp4.100", false);
    down(lab, 0); /* absent is success */
}

static void test_removal_takes_the_address(void **state)
{
    struct lab *lab = *state;
    struct net_request rq = lab_request(lab, 0, 1000);
    lab_start(lab);
    assert_int_equal(net_vip_add(lab->net, &rq, 60, true), ERR_NOTFOUND);
    up(lab, 0);
    lab_add(lab, 0, 60);
    lab_forget(lab);
    down(lab, 0);
    (void)lab_event(lab, NET_EVENT_VIP_GONE, 0, 2000);
    assert_false(lab_has_event(lab, NET_EVENT_LINK_DOWN, 0)); /* the cable is the parent's */
    assert_int_equal(net_vip_add(lab->net, &rq, 60, true), ERR_NOTFOUND);
    lab_del(lab, 0);
    up(lab, 0);
    lab_add(lab, 0, 60);
    assert_true(net_vip_is_present(lab->net, 0));
}

/* Whoever sends has to ask for the neighbour's MAC first, in the name of `from`. */
static void poke(struct lab *lab, enum lab_side side, const char *from, const char *to)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
    bool is_six = strchr(to, ':') != NULL;
    int fd = lab_socket(lab, side, is_six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    if (from != NULL) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        assert_int_equal(inet_pton(AF_INET, from, &source.sin_addr), 1);
        assert_int_equal(bind(fd, (const void *)&source, sizeof source), 0);
    }
    if (is_six) {
        assert_int_equal(inet_pton(AF_INET6, to, &six.sin6_addr), 1);
        assert_int_equal(sendto(fd, "x", 1, 0, (const void *)&six, sizeof six), 1);
    } else {
        assert_int_equal(inet_pton(AF_INET, to, &four.sin_addr), 1);
        assert_int_equal(sendto(fd, "x", 1, 0, (const void *)&four, sizeof four), 1);
    }
    close(fd);
}

static bool is_resolved(struct lab *lab, void *command)
{
    char buf[512];
    return strstr(lab_output(lab, LAB_PEER, command, buf, sizeof buf), "lladdr") != NULL;
}

/* What the peer has found out about an address, asked anew. */
static void assert_mac(struct lab *lab, const char *address, const char *mac, bool is)
{
    char command[128];
    (void)snprintf(command, sizeof command, "ip neigh show %s dev vb", address);
    poke(lab, LAB_PEER, NULL, address);
    assert_true(lab_wait(lab, is_resolved, command, 3000));
    assert_says(lab, LAB_PEER, command, mac, is);
}

/* What asks and answers for the address has the router's MAC, what asks and answers for the host's
 * own one the host's. */
static void test_neighbours(void **state)
{
    struct lab *lab = *state;
    static const char vip[] = "ip neigh show 10.9.0.101 dev vb";
    lab_start(lab);
    for (unsigned i = 0; i < 2; i++) {
        up(lab, i);
        lab_add(lab, i, 60);
    }
    lab_run(lab, LAB_PEER, "ip neigh flush dev vb");
    assert_mac(lab, "10.9.0.101", MAC4, true);
    assert_mac(lab, "10.9.0.1", MAC4, false);
    assert_mac(lab, "fd09::65", MAC6, true);
    assert_mac(lab, "fd09::1", MAC6, false);
    assert_true(lab_answers(lab, "10.9.0.101", 3306, 2000));
    /* A question that goes out by the parent, for a packet that comes from the address. */
    lab_run(lab, LAB_HOST, "ip neigh flush dev va");
    poke(lab, LAB_HOST, "10.9.0.101", "10.9.0.2");
    lab_spin_ms(lab, 100);
    assert_says(lab, LAB_PEER, vip, MAC4, true);
    /* Told by the announcement alone. */
    lab_run(lab, LAB_PEER, "ip neigh replace 10.9.0.101 lladdr 02:00:00:00:00:01 dev vb nud stale");
    assert_int_equal(net_announce(lab->net, 0, NULL), 0);
    lab_spin_ms(lab, 100);
    assert_says(lab, LAB_PEER, vip, MAC4, true);
}

static void test_parent_gets_its_settings_back(void **state)
{
    struct lab *lab = *state;
    lab_run(lab, LAB_HOST, "echo 1 > /proc/sys/net/ipv4/conf/va/arp_announce");
    lab_start(lab);
    up(lab, 1); /* IPv6: none of ARP's business */
    assert_says(lab, LAB_HOST, ARP_SETTINGS, "0 1 ", true);
    up(lab, 0);
    up(lab, 0);
    assert_says(lab, LAB_HOST, ARP_SETTINGS, "1 2 ", true);
    down(lab, 0);
    assert_says(lab, LAB_HOST, ARP_SETTINGS, "0 1 ", true);
    lab_run(lab, LAB_HOST, "echo 2 > /proc/sys/net/ipv4/conf/va/arp_ignore");
    up(lab, 0);
    assert_says(lab, LAB_HOST, ARP_SETTINGS, "2 2 ", true);
}

/* Two virtual routers on one parent, in either order of going down. */
static void test_parent_of_two_gets_its_settings_back(void **state)
{
    struct lab *lab = *state;
    struct net_macvlan *x = &lab->config.macvlans[lab->config.n_macvlans++];
    struct net_vip *v = &lab->config.vips[lab->config.n_vips++];
    *x = (struct net_macvlan){.name = "vrrp4.101", .parent = "va", .mac = {0, 0, 0x5e, 0, 1, 101}};
    *v = lab->config.vips[0];
    (void)snprintf(v->address, sizeof v->address, "10.9.0.102");
    memcpy(v->macvlan, x->name, sizeof v->macvlan);
    lab_start(lab);
    for (unsigned first = 0; first <= 2; first += 2) {
        up(lab, 0);
        up(lab, 2);
        down(lab, first);
        assert_says(lab, LAB_HOST, ARP_SETTINGS, "1 2 ", true);
        up(lab, first);
        down(lab, first);
        down(lab, 2 - first);
        assert_says(lab, LAB_HOST, ARP_SETTINGS, "0 0 ", true);
    }
}

static void test_leftover_of_an_earlier_run(void **state)
{
    struct lab *lab = *state;
    lab_run(
        lab, LAB_HOST,
        "ip link add vx type veth peer name vy && ip link add link vx name vrrp4.100 address " MAC4
        " type macvlan mode private && ip link set vx up && ip link set vrrp4.100 up && ip addr "
        "add 10.9.0.101/32 dev vrrp4.100");
    lab_start(lab);
    assert_true(lab_has_event(lab, NET_EVENT_VIP_PRESENT, 0));
    up(lab, 0); /* of another parent: made anew */
    (void)lab_event(lab, NET_EVENT_VIP_GONE, 0, 2000);
    assert_says(lab, LAB_HOST, "ip link", "vrrp4.100@va", true);
    restart(lab, "va");
    down(lab, 0);
    assert_says(lab, LAB_HOST, "ip link", "vrrp4.100", false);
}

static void refuse(struct lab *lab, int err, const char *word)
{
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(net_macvlan_up(lab->net, 0, &m), err);
    if (strstr(m.text, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, m.text);
}

static void test_device_of_somebody_else(void **state)
{
    struct lab *lab = *state;
    struct errmsg m = ERRMSG_INIT;
    lab_run(lab, LAB_HOST, "ip link add link va name vrrp4.100 type macvlan mode bridge");
    lab_start(lab);
    refuse(lab, ERR_EXISTS, "ip link del vrrp4.100");
    assert_int_equal(net_macvlan_down(lab->net, 0, &m), ERR_EXISTS);
    assert_says(lab, LAB_HOST, "ip link", "vrrp4.100", true);
    /* As a Keepalived with use_vmac for the same router would have it. */
    lab_run(lab, LAB_HOST,
            "ip link del vrrp4.100; ip link add link va name vrrp.100 address " MAC4
            " type macvlan mode private && ip link set vrrp.100 up");
    refuse(lab, ERR_EXISTS, "has the virtual router's MAC");
    assert_says(lab, LAB_HOST, "ip link", "vrrp4.100", false); /* nothing is left of the attempt */
    assert_says(lab, LAB_HOST, ARP_SETTINGS, "0 0 ", true);
}

static void test_parents_that_cannot(void **state)
{
    struct lab *lab = *state;
    set_parent(lab, "lo");
    lab_start(lab);
    refuse(lab, ERR_UNSUPPORTED, "no Ethernet device");
    lab_run(lab, LAB_HOST,
            "ip link add name br0 type bridge && ip link add vx type veth peer name vy && ip link "
            "set vx master br0");
    restart(lab, "vx");
    refuse(lab, ERR_UNSUPPORTED, "port of a bridge");
    restart(lab, "br0");
    up(lab, 0);
    restart(lab, "nowhere");
    refuse(lab, ERR_NOTFOUND, "'nowhere' does not exist");
}

static void test_parent_that_vanishes_and_returns(void **state)
{
    struct lab *lab = *state;
    lab_start(lab);
    up(lab, 0);
    lab_add(lab, 0, 60);
    lab_run(lab, LAB_HOST, "ip link del va");
    (void)lab_event(lab, NET_EVENT_VIP_GONE, 0, 2000);
    refuse(lab, ERR_NOTFOUND, "'va' does not exist");
    down(lab, 0);
    lab_run(lab, LAB_HOST,
            "ip link add va type veth peer name vz && ip link set va up && ip link set vz up");
    up(lab, 0);
    lab_add(lab, 0, 60);
}

/* Run by hand (LAB_LOG=1) for the figures of net.h. */
static void test_latency(void **state)
{
    struct lab *lab = *state;
    int64_t up_us = 0, down_us = 0;
    enum { ROUNDS = 20 };
    lab_start(lab);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t at_us = lab_now_us(), then_us;
        up(lab, 0);
        then_us = lab_now_us();
        down(lab, 0);
        up_us = then_us - at_us > up_us ? then_us - at_us : up_us;
        at_us = lab_now_us() - then_us;
        down_us = at_us > down_us ? at_us : down_us;
    }
    print_message("# of %d, the longest: up %lld us, down %lld us\n", ROUNDS, (long long)up_us,
                  (long long)down_us);
    assert_true(up_us < 1000000 && down_us < 1000000);
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(test_device),
        NET_TEST(test_removal_takes_the_address),
        NET_TEST(test_neighbours),
        NET_TEST(test_parent_gets_its_settings_back),
        NET_TEST(test_parent_of_two_gets_its_settings_back),
        NET_TEST(test_leftover_of_an_earlier_run),
        NET_TEST(test_device_of_somebody_else),
        NET_TEST(test_parents_that_cannot),
        NET_TEST(test_parent_that_vanishes_and_returns),
        NET_TEST(test_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
