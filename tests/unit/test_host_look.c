/* SPDX-License-Identifier: Apache-2.0 */
/* A look at the host that the test runs on. */
#include "io/sys/host_look.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct cluster_config *one_node(const char *address, const char *device)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->n_nodes = c->n_vips = 1;
    c->nodes[0].family = c->vips[0].family = AF_INET;
    c->nodes[0].role = CONFIG_ROLE_CANDIDATE;
    c->vips[0].prefix = 32;
    (void)snprintf(c->nodes[0].address, sizeof c->nodes[0].address, "%s", address);
    (void)snprintf(c->nodes[0].mysql.data_dir, sizeof c->nodes[0].mysql.data_dir, "/");
    (void)snprintf(c->nodes[0].state_dir, sizeof c->nodes[0].state_dir, "/no/such/directory");
    (void)snprintf(c->vips[0].address, sizeof c->vips[0].address, "192.0.2.9");
    (void)snprintf(c->vips[0].device, sizeof c->vips[0].device, "%s", device);
    return c;
}

static void test_right(void **state)
{
    struct cluster_config *c = one_node("127.0.0.1", "lo");
    struct host_facts f;
    (void)state;
    host_look(c, 0, &f);
    assert_true(f.known);
    assert_int_equal(f.wrong & HOST_ADDRESS, 0);
    assert_int_equal(f.judged, HOST_ADDRESS | HOST_DEVICE | HOST_SECONDARIES);
    assert_true(f.data_size_mb > 0 && f.data_free_mb <= f.data_size_mb);
    assert_int_equal(f.state_size_mb, 0);
    free(c);
}

static void test_wrong(void **state)
{
    struct cluster_config *c = one_node("192.0.2.77", "no-such-device");
    struct host_facts f;
    (void)state;
    c->nodes[0].role = CONFIG_ROLE_WITNESS;
    host_look(c, 0, &f);
    assert_int_equal(f.wrong, HOST_ADDRESS | HOST_DEVICE);
    assert_int_equal(f.devices, 1);
    assert_int_equal(f.data_size_mb, 0);
    free(c);
}

static void test_nets(void **state)
{
    struct in_addr a, b;
    struct in6_addr x, y;
    (void)state;
    assert_int_equal(inet_pton(AF_INET, "172.17.5.9", &a), 1);
    assert_int_equal(inet_pton(AF_INET, "172.17.6.9", &b), 1);
    assert_true(host_look_same_net(AF_INET, &a, &b, 16));
    assert_true(host_look_same_net(AF_INET, &a, &b, 22));
    assert_false(host_look_same_net(AF_INET, &a, &b, 23));
    assert_false(host_look_same_net(AF_INET, &a, &b, 32));
    assert_true(host_look_same_net(AF_INET, &a, &a, 32));
    assert_int_equal(inet_pton(AF_INET6, "fd00::1", &x), 1);
    assert_int_equal(inet_pton(AF_INET6, "fd00::2", &y), 1);
    assert_true(host_look_same_net(AF_INET6, &x, &y, 126));
    assert_false(host_look_same_net(AF_INET6, &x, &y, 127));
}

static void test_ports(void **state)
{
    struct cluster_config *c = one_node("127.0.0.1", "lo");
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t ports[2] = {0, 0};
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
    assert_int_equal(host_look_busy_port(&c->nodes[0], ports, 2), 0);
    ports[1] = ntohs(a.sin_port);
    assert_int_equal(host_look_busy_port(&c->nodes[0], ports, 2), ports[1]);
    (void)close(fd);
    assert_int_equal(host_look_busy_port(&c->nodes[0], ports, 2), 0);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_nets),
        cmocka_unit_test(test_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
