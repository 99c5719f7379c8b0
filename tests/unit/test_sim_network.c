/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/network.h"

#define NODES 3
#define GOT_MAX 4096

enum { A, B, C };

static struct {
    struct sim_timers timers;
    struct sim_network *network;
    bool cut[NODES][NODES];
    bool up[NODES][NODES];
    unsigned downs[NODES][NODES];
    unsigned n_got;
    uint32_t got[GOT_MAX]; /* numbers of the frames that reached B, in order */
    uint32_t sent;
} n;

static bool passes(void *data, unsigned from, unsigned to)
{
    (void)data;
    return !n.cut[from][to];
}

static void deliver(void *data, struct sim_frame *f)
{
    (void)data;
    if (f->from == A && f->to == B) {
        assert_true(n.n_got < GOT_MAX && f->len == sizeof n.got[0]);
        memcpy(&n.got[n.n_got++], f->bytes, f->len);
    }
    sim_frame_free(f);
}

static void peer(void *data, unsigned node, unsigned other, bool up)
{
    (void)data;
    assert_true(n.up[node][other] != up);
    n.up[node][other] = up;
    n.downs[node][other] += !up;
}

static void run_ms(int64_t ms)
{
    sim_timers_run(&n.timers, n.timers.now_us + ms * 1000);
}

static void setup(uint64_t seed)
{
    struct sim_network_user user = {.passes = passes, .deliver = deliver, .peer = peer};
    memset(&n, 0, sizeof n);
    sim_timers_init(&n.timers, 1000);
    n.network = sim_network_new(&n.timers, NODES, seed, &user);
    for (unsigned i = 0; i < NODES; i++)
        sim_network_start(n.network, i);
    run_ms(1000);
    for (unsigned i = 0; i < NODES; i++)
        for (unsigned j = 0; j < NODES; j++)
            assert_true(n.up[i][j] == (i != j));
}

static void teardown(void)
{
    sim_network_free(n.network);
    sim_timers_release(&n.timers);
}

/* The next one from A to B. */
static void send_one(void)
{
    struct sim_frame *f = sim_frame_new(A, B, sizeof n.sent);
    memcpy(f->bytes, &n.sent, sizeof n.sent);
    n.sent++;
    sim_network_send(n.network, f, n.timers.now_us);
}

static void send_for_ms(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        send_one();
        run_ms(1);
    }
}

static void cut(unsigned from, unsigned to, bool is_cut)
{
    n.cut[from][to] = is_cut;
    sim_network_changed(n.network);
}

static void check_order(void)
{
    for (unsigned i = 1; i < n.n_got; i++)
        assert_true(n.got[i] > n.got[i - 1]);
}

/* ---- tests ---- */

static void test_frames_arrive_in_order(void **state)
{
    (void)state;
    setup(1);
    for (unsigned i = 0; i < 100; i++)
        send_one();
    send_for_ms(100);
    run_ms(10);
    assert_int_equal(n.n_got, 200);
    check_order();
    teardown();
}

/* TCP repeats what did not arrive. */
static void test_a_short_cut_loses_nothing(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        setup(seed);
        send_for_ms(10);
        cut(A, B, true);
        run_ms(5); /* what had left before */
        n.n_got = 0;
        send_for_ms(1000);
        assert_int_equal(n.n_got, 0);
        cut(A, B, false);
        run_ms(1100);
        assert_int_equal(n.n_got, 1000);
        check_order();
        assert_int_equal(n.downs[A][B] + n.downs[B][A], 0);
        teardown();
    }
}

static void test_a_long_cut_ends_the_connection_and_its_frames(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        uint32_t first_new;
        setup(seed);
        cut(A, B, true); /* one way: both sides lose it */
        send_for_ms(1900);
        assert_true(n.up[A][B] && n.up[B][A]);
        run_ms(400);
        assert_false(n.up[A][B]);
        assert_false(n.up[B][A]);
        assert_true(n.up[A][C] && n.up[C][B]);
        cut(A, B, false);
        first_new = n.sent;
        for (unsigned ms = 0; ms < 3000 && !(n.up[A][B] && n.up[B][A]); ms++)
            send_for_ms(1);
        assert_true(n.up[A][B] && n.up[B][A]);
        send_for_ms(10);
        run_ms(5);
        assert_true(n.n_got > 0 && n.got[0] >= first_new);
        check_order();
        teardown();
    }
}

static void test_the_end_of_a_process_is_heard_at_once(void **state)
{
    (void)state;
    setup(1);
    sim_network_stop(n.network, A, /* host_is_dark= */ false);
    run_ms(3);
    assert_false(n.up[B][A]);
    assert_false(n.up[C][A]);
    n.up[A][B] = n.up[A][C] = false; /* the dead are told nothing */
    sim_network_start(n.network, A);
    run_ms(2000);
    assert_true(n.up[A][B] && n.up[B][A]);
    teardown();
}

static void test_a_dark_host_is_silent(void **state)
{
    (void)state;
    setup(1);
    send_one();
    sim_network_stop(n.network, A, /* host_is_dark= */ true);
    run_ms(1900);
    assert_true(n.up[B][A]);
    assert_int_equal(n.n_got, 0);
    run_ms(400);
    assert_false(n.up[B][A]);
    /* Back before the others have noticed: the old connection is replaced. */
    n.up[A][B] = n.up[A][C] = false;
    sim_network_start(n.network, A);
    run_ms(2500);
    assert_true(n.up[B][A]);
    sim_network_stop(n.network, A, /* host_is_dark= */ true);
    n.up[A][B] = n.up[A][C] = false;
    run_ms(100);
    sim_network_start(n.network, A);
    run_ms(1000);
    assert_true(n.up[A][B] && n.up[B][A]);
    assert_int_equal(n.downs[B][A], 2);
    send_for_ms(5);
    run_ms(5);
    assert_int_equal(n.n_got, 5);
    teardown();
}

static void test_a_standstill_of_two_seconds_ends_connections(void **state)
{
    (void)state;
    setup(1);
    sim_network_stall(n.network, B, true);
    run_ms(1500);
    sim_network_stall(n.network, B, false);
    run_ms(3000);
    assert_int_equal(n.downs[A][B], 0);
    sim_network_stall(n.network, B, true);
    run_ms(2300);
    assert_false(n.up[A][B]);
    assert_true(n.up[B][A]); /* it does not know yet */
    sim_network_stall(n.network, B, false);
    run_ms(5);
    assert_false(n.up[B][A]);
    run_ms(2000);
    assert_true(n.up[A][B] && n.up[B][A]);
    teardown();
}

static void test_a_reset_loses_what_is_on_its_way(void **state)
{
    (void)state;
    setup(1);
    send_for_ms(5);
    run_ms(5);
    send_one();
    sim_network_reset(n.network, A, B);
    send_one(); /* not connected */
    run_ms(50);
    assert_int_equal(n.n_got, 5);
    assert_int_equal(n.downs[A][B], 1);
    run_ms(500);
    assert_true(n.up[A][B] && n.up[B][A]);
    send_for_ms(5);
    run_ms(5);
    assert_int_equal(n.n_got, 10);
    check_order();
    teardown();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_arrive_in_order),
        cmocka_unit_test(test_a_short_cut_loses_nothing),
        cmocka_unit_test(test_a_long_cut_ends_the_connection_and_its_frames),
        cmocka_unit_test(test_the_end_of_a_process_is_heard_at_once),
        cmocka_unit_test(test_a_dark_host_is_silent),
        cmocka_unit_test(test_a_standstill_of_two_seconds_ends_connections),
        cmocka_unit_test(test_a_reset_loses_what_is_on_its_way),
    };
    return cmocka_run_group_tests_name("sim_network", tests, NULL, NULL);
}
