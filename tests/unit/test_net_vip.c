/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, links and what is told about them; on real devices in namespaces of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_lab.h"

static const char *addresses(struct lab *lab, char *buf, unsigned size)
{
    return lab_output(lab, LAB_HOST, "ip -o addr show", buf, size);
}

static unsigned valid_lifetime_s(struct lab *lab)
{
    char buf[2048];
    const char *at;
    lab_output(lab, LAB_HOST, "ip -o addr show to 10.9.0.101", buf, sizeof buf);
    at = strstr(buf, "valid_lft ");
    assert_non_null(at);
    return (unsigned)strtoul(at + strlen("valid_lft "), NULL, 10);
}

static void test_address_has_lifetime_and_label(void **state)
{
    struct lab *lab = *state;
    char buf[4096];
    lab_start(lab);
    assert_false(net_vip_is_present(lab->net, 0));
    lab_add(lab, 0, 20);
    /* Told before the request ended. */
    assert_true(lab_has_event(lab, NET_EVENT_VIP_PRESENT, 0));
    assert_non_null(strstr(addresses(lab, buf, sizeof buf), "10.9.0.101/24"));
    assert_non_null(strstr(buf, "va:vip"));
    assert_in_range(valid_lifetime_s(lab), 18, 20);
    lab_add(lab, 0, 600);
    assert_in_range(valid_lifetime_s(lab), 598, 600);
    lab_add(lab, 0, /* for ever= */ 0);
    assert_non_null(
        strstr(lab_output(lab, LAB_HOST, "ip -o addr show to 10.9.0.101", buf, sizeof buf),
               "valid_lft forever"));
}

static void test_address_expires_without_renewal(void **state)
{
    struct lab *lab = *state;
    int64_t start_us;
    lab_start(lab);
    lab_add(lab, 0, 1);
    lab_add(lab, 1, 1);
    start_us = lab_now_us();
    while (lab_now_us() < start_us + 1500000) { /* renewed, it stays */
        lab_add(lab, 0, 1);
        lab_spin_ms(lab, 200);
    }
    assert_false(lab_has_event(lab, NET_EVENT_VIP_GONE, 0));
    assert_int_equal(lab_event(lab, NET_EVENT_VIP_GONE, 0, 4000)->cause, NET_GONE_EXPIRED);
    assert_int_equal(lab_event(lab, NET_EVENT_VIP_GONE, 1, 4000)->cause, NET_GONE_EXPIRED);
    assert_false(net_vip_is_present(lab->net, 0));
}

static void test_removal_by_somebody_is_told_apart(void **state)
{
    struct lab *lab = *state;
    lab_start(lab);
    lab_add(lab, 0, 60);
    lab_run(lab, LAB_HOST, "ip addr del 10.9.0.101/24 dev va");
    assert_int_equal(lab_event(lab, NET_EVENT_VIP_GONE, 0, 1000)->cause, NET_GONE_FOREIGN);
    lab_add(lab, 0, 60);
    lab_forget(lab);
    lab_del(lab, 0);
    assert_true(lab_has_event(lab, NET_EVENT_VIP_GONE, 0));
    assert_int_equal(lab->events[0].cause, NET_GONE_DELETED);
    lab_del(lab, 0); /* absent is success */
}

static void test_a_deletion_and_an_addition_in_a_row(void **state)
{
    struct lab *lab = *state;
    struct net_request rq = lab_request(lab, 0, 1000);
    lab_start(lab);
    lab_add(lab, 0, 60);
    assert_int_equal(net_vip_del(lab->net, &rq), 0);
    assert_int_equal(net_vip_add(lab->net, &rq, 60, true), 0);
    assert_int_equal(lab_result(lab, 1000).err, 0);
    assert_int_equal(lab_result(lab, 1000).err, 0);
    assert_true(net_vip_is_present(lab->net, 0));
}

static void test_leftover_of_an_earlier_run(void **state)
{
    struct lab *lab = *state;
    char buf[4096];
    lab_run(lab, LAB_HOST,
            "ip link add vx type veth peer name vy && ip link set vx up && "
            "ip addr add 10.9.0.101/32 dev vx");
    lab_start(lab);
    assert_int_equal(lab->events[lab->n_events - 1].type, NET_EVENT_READY);
    assert_true(lab_has_event(lab, NET_EVENT_VIP_PRESENT, 0));
    assert_false(lab_has_event(lab, NET_EVENT_VIP_PRESENT, 1));
    /* On another device and with another prefix than configured, and it goes all the same. */
    lab_del(lab, 0);
    assert_null(strstr(addresses(lab, buf, sizeof buf), "10.9.0.101"));
}

static void test_link_loss(void **state)
{
    struct lab *lab = *state;
    lab_start(lab);
    assert_true(lab_has_event(lab, NET_EVENT_LINK_UP, 0));
    assert_true(net_link_is_up(lab->net, 0));
    lab_forget(lab);
    lab_run(lab, LAB_PEER, "ip link set vb down"); /* the cable, seen from here */
    (void)lab_event(lab, NET_EVENT_LINK_DOWN, 0, 3000);
    (void)lab_event(lab, NET_EVENT_LINK_DOWN, 1, 3000);
    assert_false(net_link_is_up(lab->net, 0));
    lab_forget(lab);
    lab_run(lab, LAB_PEER, "ip link set vb up");
    (void)lab_event(lab, NET_EVENT_LINK_UP, 0, 3000);
    lab_forget(lab);
    lab_run(lab, LAB_HOST, "ip link set va down");
    (void)lab_event(lab, NET_EVENT_LINK_DOWN, 0, 3000);
}

static void test_device_and_own_address_lost(void **state)
{
    struct lab *lab = *state;
    struct net_request rq = lab_request(lab, 0, 1000);
    lab_start(lab);
    assert_true(lab_has_event(lab, NET_EVENT_OWN_ADDRESS_PRESENT, VIPS_MAX));
    lab_add(lab, 0, 60);
    lab_run(lab, LAB_HOST, "ip addr del 10.9.0.1/24 dev va");
    (void)lab_event(lab, NET_EVENT_OWN_ADDRESS_GONE, VIPS_MAX, 1000);
    lab_run(lab, LAB_HOST, "ip addr add 10.9.0.1/24 dev va");
    lab_forget(lab);
    lab_run(lab, LAB_HOST, "ip link del va");
    (void)lab_event(lab, NET_EVENT_LINK_DOWN, 0, 1000);
    (void)lab_event(lab, NET_EVENT_OWN_ADDRESS_GONE, VIPS_MAX, 1000);
    assert_false(net_vip_is_present(lab->net, 0));
    assert_int_equal(net_vip_add(lab->net, &rq, 60, true), ERR_NOTFOUND);
    lab_del(lab, 0);
    lab_forget(lab);
    lab_run(lab, LAB_HOST,
            "ip link add va type veth peer name vz && ip link set va up && "
            "ip link set vz up");
    (void)lab_event(lab, NET_EVENT_LINK_UP, 0, 3000);
    lab_add(lab, 0, 60);
}

static void test_ipv6_without_waiting(void **state)
{
    struct lab *lab = *state;
    char buf[4096];
    lab_start(lab);
    lab_add(lab, 1, 1); /* asserts that it is usable at once */
    lab_output(lab, LAB_HOST, "ip -o -6 addr show to fd09::65", buf, sizeof buf);
    assert_null(strstr(buf, "tentative"));
    assert_non_null(strstr(buf, "deprecated")); /* not chosen for the host's own connections */
    assert_non_null(strstr(buf, "noprefixroute"));
    assert_non_null(strstr(lab_output(lab, LAB_HOST, "ip -6 route get fd09::2", buf, sizeof buf),
                           "src fd09::1 "));
    (void)lab_event(lab, NET_EVENT_VIP_GONE, 1, 4000);
    /* Its end took nothing of the host's own subnet with it. */
    lab_output(lab, LAB_HOST, "ip -6 route show fd09::/64", buf, sizeof buf);
    assert_non_null(strstr(buf, "fd09::/64"));
    assert_null(strstr(buf, "expires"));
}

static void use_device(struct lab *lab, const char *name)
{
    for (unsigned i = 0; i < lab->config.n_vips; i++)
        (void)snprintf(lab->config.vips[i].device, NET_DEVICE_MAX, "%s", name);
    lab->config.vips[0].label[0] = '\0';
}

static void check_device(struct lab *lab)
{
    struct errmsg m;
    lab_start(lab);
    (void)lab_event(lab, NET_EVENT_LINK_UP, 0, 3000);
    lab_add(lab, 0, 60);
    lab_add(lab, 1, 60);
    assert_int_equal(net_announce(lab->net, 0, &m), 0);
    assert_int_equal(net_announce(lab->net, 1, &m), 0);
}

static void test_macvlan(void **state)
{
    struct lab *lab = *state;
    lab_run(lab, LAB_HOST,
            "ip link add link va name mv type macvlan mode bridge && "
            "ip link set mv up");
    use_device(lab, "mv");
    check_device(lab);
    assert_true(lab_answers(lab, "10.9.0.101", 3306, 2000));
    lab_run(lab, LAB_PEER, "ip link set vb down"); /* the loss of the lower device is seen above */
    (void)lab_event(lab, NET_EVENT_LINK_DOWN, 0, 3000);
}

/* cmocka's TAP calls a skipped test "not ok", so a kernel without the device type is only named. */
static bool has_device_type(struct lab *lab, const char *type, const char *command)
{
    if (lab_try(lab, LAB_HOST, command))
        return true;
    print_message("# this kernel has no %s devices, nothing was tested\n", type);
    return false;
}

static void test_vlan(void **state)
{
    struct lab *lab = *state;
    if (!has_device_type(lab, "vlan", "ip link add link va name va.5 type vlan id 5 2>/dev/null"))
        return;
    lab_run(lab, LAB_HOST, "ip link set va.5 up");
    use_device(lab, "va.5");
    check_device(lab);
    lab_run(lab, LAB_PEER,
            "ip addr flush dev vb && ip link add link vb name vb.5 type vlan id 5 && "
            "ip link set vb.5 up && ip addr add 10.9.0.2/24 dev vb.5");
    assert_true(lab_answers(lab, "10.9.0.101", 3306, 2000));
}

static void test_bond(void **state)
{
    struct lab *lab = *state;
    if (!has_device_type(lab, "bond", "ip link add bo type bond mode active-backup 2>/dev/null"))
        return;
    lab_run(lab, LAB_HOST, "ip link set va down && ip link set va master bo && ip link set bo up");
    use_device(lab, "bo");
    check_device(lab);
    assert_true(lab_answers(lab, "10.9.0.101", 3306, 2000));
}

static void test_a_flood_of_notifications_is_survived(void **state)
{
    struct lab *lab = *state;
    lab_start(lab);
    lab_add(lab, 0, 60);
    lab_forget(lab);
    /* More than the socket holds, while the loop does not run. */
    lab_run(
        lab, LAB_HOST,
        "for i in $(seq 1 250); do for j in $(seq 1 40); do echo addr add 10.77.$i.$j/32 dev lo;"
        " done; done | ip -batch - && ip addr flush dev lo && ip addr del 10.9.0.101/24 dev va");
    assert_int_equal(lab_event(lab, NET_EVENT_VIP_GONE, 0, 5000)->cause, NET_GONE_FOREIGN);
    lab_add(lab, 0, 60);
}

static void test_open_requests_are_canceled(void **state)
{
    struct lab *lab = *state;
    struct net_request rq = lab_request(lab, 0, 1000);
    lab_start(lab);
    assert_int_equal(net_vip_probe(lab->net, &rq), 0);
    assert_int_equal(net_vip_add(lab->net, &rq, 60, true), 0);
    assert_int_equal(lab->n_results, 0);
    lab_stop(lab);
    assert_int_equal(lab->n_results, 2);
    assert_int_equal(lab->results[0].err, ERR_CANCELED);
    assert_int_equal(lab->results[1].err, ERR_CANCELED);
}

static void refuse(struct lab *lab, const char *word)
{
    struct net_options options = {.loop = &lab->loop, .config = &lab->config};
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(net_start(&options, &m, &lab->net), ERR_INVAL);
    if (strstr(m.text, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, m.text);
    assert_null(lab->net);
}

static void test_bad_configuration(void **state)
{
    struct lab *lab = *state;
    struct net_config good = lab->config;
    (void)snprintf(lab->config.table, NET_TABLE_MAX, "x; flush ruleset");
    refuse(lab, "table");
    lab->config = good;
    lab->config.vips[0].prefix = 33;
    refuse(lab, "prefix");
    lab->config = good;
    lab->config.vips[1] = lab->config.vips[0];
    refuse(lab, "twice");
    lab->config = good;
    (void)snprintf(lab->config.members[0], ADDRESS_TEXT_MAX, "m1.example");
    refuse(lab, "m1.example");
    lab->config = good;
    lab->config.n_ports = 0;
    refuse(lab, "port");
    lab->config = good;
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(test_address_has_lifetime_and_label),
        NET_TEST(test_address_expires_without_renewal),
        NET_TEST(test_removal_by_somebody_is_told_apart),
        NET_TEST(test_a_deletion_and_an_addition_in_a_row),
        NET_TEST(test_leftover_of_an_earlier_run),
        NET_TEST(test_link_loss),
        NET_TEST(test_device_and_own_address_lost),
        NET_TEST(test_ipv6_without_waiting),
        NET_TEST(test_macvlan),
        NET_TEST(test_vlan),
        NET_TEST(test_bond),
        NET_TEST(test_a_flood_of_notifications_is_survived),
        NET_TEST(test_open_requests_are_canceled),
        NET_TEST(test_bad_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
