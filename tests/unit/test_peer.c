/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_world.h"

#include <malloc.h>

static void start_two(struct world *w)
{
    world_start(w, 0);
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
}

/* ---- what a healthy mesh does ---- */

static void test_two_nodes(void **state)
{
    struct world *w = world_open(2);
    char text[2] = "a";
    (void)state;
    start_two(w);
    assert_int_equal(w->node[0].ups[1], 1);
    assert_string_equal(w->node[0].hello[1].name, "m2");
    assert_string_equal(w->node[0].hello[1].agent, "1.2.3");
    assert_int_equal(w->node[0].hello[1].node, 1);
    assert_int_equal(w->node[0].hello[1].config_digest, 101); /* reported, not refused */
    assert_int_equal(w->node[1].hello[0].config_digest, 100);
    for (unsigned i = 0; i < 26; i++, text[0]++) {
        assert_int_equal(world_send(w, 0, 1, text), 0);
        assert_int_equal(world_send(w, 1, 0, text), 0);
    }
    WORLD_UNTIL(w, w->node[1].frames[0] == 26 && w->node[0].frames[1] == 26);
    assert_string_equal(w->node[1].received[0], "abcdefghijklmnopqrstuvwxyz");
    assert_string_equal(w->node[0].received[1], "abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(world_log_count(&w->node[0], "peer-refused"), 0);
    world_close(w);
}

static void test_three_nodes_mesh(void **state)
{
    struct world *w = world_open(3);
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        world_start(w, i);
    WORLD_UNTIL(w, world_linked(w, 0, 1) && world_linked(w, 0, 2) && world_linked(w, 1, 2));
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++)
            if (i != j)
                assert_int_equal(world_send(w, i, j, "x"), 0);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++)
            if (i != j)
                WORLD_UNTIL(w, w->node[i].frames[j] == 1);
    world_close(w);
}

static void test_idle_connections_stay(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    start_two(w);
    world_run_ms(w, 3 * w->node[0].config.idle_timeout_ms);
    assert_int_equal(w->node[0].downs[1] + w->node[1].downs[0], 0);
    world_close(w);
}

static void test_big_frames(void **state)
{
    struct world *w = world_open(2);
    uint8_t *data = malloc(FRAME_PAYLOAD_MAX + 1);
    const char *want = "BrBrBrBrBr";
    struct peer_stats stats;
    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < FRAME_PAYLOAD_MAX; i++)
        data[i] = (uint8_t)('B' + i * 7 + i / 251);
    start_two(w);
    assert_int_equal(peer_send(w->node[0].peer, 1, FRAME_REPORT, data, FRAME_PAYLOAD_MAX + 1),
                     ERR_RANGE);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(peer_send(w->node[0].peer, 1, FRAME_REPORT, data, FRAME_PAYLOAD_MAX), 0);
        assert_int_equal(peer_send(w->node[0].peer, 1, FRAME_RAFT, "r", 1), 0);
        WORLD_UNTIL(w, w->node[1].frames[0] == 2 * i);
        assert_int_equal(w->node[1].biggest_len, FRAME_PAYLOAD_MAX);
        assert_true(w->node[1].biggest_sum == world_sum(data, FRAME_PAYLOAD_MAX));
        w->node[1].biggest_len = 0;
    }
    assert_string_equal(w->node[1].received[0], want);
    peer_stats(w->node[1].peer, 0, &stats);
    assert_int_equal(stats.frames_received, 10);
    assert_int_equal(stats.bytes_received, 5 * (FRAME_PAYLOAD_MAX + 1 + 2 * FRAME_HEADER_SIZE));
    assert_int_equal(w->node[0].downs[1], 0);
    free(data);
    world_close(w);
}

static void test_queue_is_bounded(void **state)
{
    struct world *w = world_open(2);
    uint8_t *data = calloc(1, FRAME_PAYLOAD_MAX);
    struct peer_stats stats;
    unsigned accepted = 0;
    int rv;
    (void)state;
    assert_non_null(data);
    start_two(w);
    /* The loop does not turn, so nothing leaves the queue. */
    do {
        rv = peer_send(w->node[0].peer, 1, FRAME_REPORT, data, FRAME_PAYLOAD_MAX / 4);
        accepted += rv == 0;
    } while (rv == 0 && accepted < 1000);
    assert_int_equal(rv, ERR_FULL);
    assert_int_equal(accepted, 7); /* 2 MiB less the headers */
    peer_stats(w->node[0].peer, 1, &stats);
    assert_int_equal(stats.frames_dropped[FRAME_REPORT], 1);
    assert_int_equal(stats.frames_dropped[FRAME_RAFT], 0);
    assert_int_equal(stats.queued_bytes, 7 * (FRAME_PAYLOAD_MAX / 4 + FRAME_HEADER_SIZE));
    WORLD_UNTIL(w, w->node[1].frames[0] == accepted);
    assert_int_equal(world_send(w, 0, 1, "room again"), 0);
    WORLD_UNTIL(w, w->node[1].frames[0] == accepted + 1);
    free(data);
    world_close(w);
}

static void test_send_while_down(void **state)
{
    struct world *w = world_open(2);
    struct peer_stats stats;
    (void)state;
    world_start(w, 0);
    assert_int_equal(world_send(w, 0, 1, "x"), ERR_NET);
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
    peer_stats(w->node[0].peer, 1, &stats);
    assert_int_equal(stats.frames_dropped[FRAME_RAFT], 1);
    world_run_ms(w, 50);
    assert_int_equal(w->node[1].frames[0], 0); /* no frame of the past */
    world_close(w);
}

/* ---- failures ---- */

static void test_restart_of_each(void **state)
{
    struct world *w = world_open(2);
    uint64_t incarnation;
    (void)state;
    start_two(w);
    incarnation = w->node[0].hello[1].incarnation;
    world_stop(w, 1);
    WORLD_UNTIL(w, w->node[0].downs[1] == 1);
    assert_true(strlen(w->node[0].reason[1]) > 0);
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1) && w->node[0].ups[1] == 2);
    assert_true(w->node[0].hello[1].incarnation != incarnation);
    world_stop(w, 0);
    WORLD_UNTIL(w, w->node[1].downs[0] == 1);
    world_start(w, 0);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
    assert_int_equal(world_send(w, 0, 1, "x"), 0);
    assert_int_equal(world_send(w, 1, 0, "y"), 0);
    WORLD_UNTIL(w, w->node[1].frames[0] == 1 && w->node[0].frames[1] == 1);
    world_close(w);
}

static void test_both_restart_at_once(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    start_two(w);
    world_stop(w, 0);
    world_stop(w, 1);
    start_two(w);
    world_close(w);
}

/* A node that returns after a long absence is not kept waiting for the other's back-off. */
static void test_return_is_noticed_at_once(void **state)
{
    struct world *w = world_open(2);
    int64_t begin_ms;
    (void)state;
    w->node[0].config.backoff_min_ms = 20;
    w->node[0].config.backoff_max_ms = 60000;
    world_start(w, 0);
    world_run_ms(w, 1500); /* several failures: the next attempt is more than a second away */
    begin_ms = world_now_ms();
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
    assert_true(world_now_ms() - begin_ms < 500);
    world_close(w);
}

/* Its kernel accepts and acknowledges everything, but nothing speaks: SIGSTOP of the agent. */
static void test_stopped_process(void **state)
{
    struct world *w = world_open(2);
    int64_t begin_ms;
    (void)state;
    start_two(w);
    w->node[1].stopped = true;
    begin_ms = world_now_ms();
    WORLD_UNTIL(w, w->node[0].downs[1] == 1);
    assert_in_range(world_now_ms() - begin_ms, 300, 1500);
    assert_non_null(strstr(w->node[0].reason[1], "nothing was received for 400 ms"));
    assert_int_equal(world_send(w, 0, 1, "lost"), ERR_NET);
    world_run_ms(w, 1000); /* dials into a backlog that nobody accepts from */
    w->node[1].stopped = false;
    WORLD_UNTIL(w, w->node[1].downs[0] == 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
    world_run_ms(w, 2 * w->node[0].config.idle_timeout_ms);
    assert_true(world_linked(w, 0, 1));
    assert_int_equal(w->node[0].ups[1], 2);
    world_close(w);
}

/* A stall shorter than the other side's patience must not end connections: what came meanwhile is
 * read before the verdict. */
static void test_own_stall_is_no_silence(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    w->node[0].config.idle_timeout_ms = 5000;
    start_two(w);
    w->node[1].stopped = true;
    world_run_ms(w, 600); /* node 1 has a limit of 400 ms, node 0 went on sending pings */
    w->node[1].stopped = false;
    world_run_ms(w, 200);
    assert_int_equal(w->node[0].downs[1] + w->node[1].downs[0], 0);
    world_close(w);
}

static void test_close_inside_callback(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    start_two(w);
    w->node[1].close_on_frame = true;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(world_send(w, 0, 1, "x"), 0);
    WORLD_UNTIL(w, w->node[1].closed);
    assert_int_equal(w->node[1].frames[0], 1); /* nothing after peer_close() */
    assert_int_equal(w->node[1].downs[0], 0);
    world_close(w);
}

static void test_close_at_once(void **state)
{
    struct world *w = world_open(3);
    (void)state;
    world_start(w, 0);
    world_stop(w, 0);
    world_start(w, 0);
    world_start(w, 1);
    for (unsigned i = 0; i < 3; i++) /* in the middle of handshakes */
        world_turn(w);
    world_close(w);
}

/* ---- identity ---- */

/* Never up, one record for a whole burst of attempts. */
static void expect_refusal(struct world *w, const char *reason)
{
    WORLD_UNTIL(w, world_log_count(&w->node[0], "peer-refused: ") == 1);
    WORLD_UNTIL(w, world_log_count(&w->node[1], "peer-refused-us: ") +
                           world_log_count(&w->node[1], "peer-refused: ") >
                       0);
    world_run_ms(w, 600);
    if (strstr(w->node[0].log, reason) == NULL)
        fail_msg("no '%s' in:\n%s", reason, world_all(w));
    assert_int_equal(world_log_count(&w->node[0], "peer-refused: "), 1);
    assert_int_equal(w->node[0].ups[1] + w->node[1].ups[0], 0);
    assert_int_equal(world_send(w, 0, 1, "x"), ERR_NET);
    world_close(w);
}

static void test_wrong_ca(void **state)
{
    struct world *w = world_open(2);
    char dir[PATH_MAX];
    (void)state;
    (void)snprintf(dir, sizeof(dir), "%s/other", w->dir);
    world_make_pki(dir);
    world_use_files(&w->node[1], dir, "m2");
    world_start(w, 0);
    world_start(w, 1);
    expect_refusal(w, "was not signed by this cluster's CA");
}

/* m3 sits where m2 should be, with m3's valid certificate. */
static void test_another_node_answers(void **state)
{
    struct world *w = world_open(3);
    (void)state;
    w->node[0].config.n_nodes = 2;
    w->node[1].config.self = 2;
    w->node[1].config.node[2].port = w->port[1];
    w->node[1].config.node[1].port = w->port[2];
    world_use_files(&w->node[1], w->dir, "m3");
    world_start(w, 0);
    world_start(w, 1);
    WORLD_UNTIL(w, strstr(w->node[0].log, "does not name the node 'm2' that was dialled") != NULL);
    WORLD_UNTIL(w, strstr(w->node[0].log, "names no node of the cluster file") != NULL);
    WORLD_UNTIL(w, world_log_count(&w->node[1], "peer-refused-us: ") > 0);
    world_run_ms(w, 400);
    assert_int_equal(world_log_count(&w->node[0], "peer-refused: "), 2); /* one per direction */
    assert_int_equal(w->node[0].ups[1], 0);
    world_close(w);
}

static void test_order_of_nodes_differs(void **state)
{
    struct world *w = world_open(3);
    struct peer_config *c = &w->node[1].config;
    struct peer_node_config m2 = c->node[1];
    (void)state;
    c->node[1] = c->node[2];
    c->node[2] = m2;
    c->self = 2;
    world_start(w, 0);
    world_start(w, 1);
    expect_refusal(w, "differ in the names or the order of the nodes");
}

/* Whoever dials, both are told the same, know it of each other, and exchange nothing. The quorum's
 * generation, which a pair has not, is not looked at. */
static void test_other_arbiter_is_refused(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    w->node[0].config.arbiter = FRAME_ARBITER_RAFT;
    w->node[0].config.generation = 1;
    w->node[1].config.arbiter = FRAME_ARBITER_VRRP;
    world_start(w, 0);
    world_start(w, 1);
    assert_false(peer_has_other_arbiter(w->node[0].peer, 1));
    WORLD_UNTIL(w, world_log_count(&w->node[0], "peer-refused: ") == 1 &&
                       world_log_count(&w->node[1], "peer-refused: ") == 1 &&
                       world_log_count(&w->node[0], "peer-refused-us: ") == 1 &&
                       world_log_count(&w->node[1], "peer-refused-us: ") == 1);
    assert_int_equal(world_log_count(&w->node[0], "vrrp at 'm2', raft here at 'm1'"), 2);
    assert_int_equal(world_log_count(&w->node[1], "raft at 'm1', vrrp here at 'm2'"), 2);
    assert_non_null(strstr(peer_refusal(w->node[0].peer, 1), "start it"));
    assert_true(peer_has_other_arbiter(w->node[0].peer, 1));
    assert_true(peer_has_other_arbiter(w->node[1].peer, 0));
    assert_int_equal(world_send(w, 0, 1, "x"), ERR_NET);
    assert_int_equal(w->node[0].ups[1] + w->node[1].ups[0], 0);
    /* As the message says: it is stopped, gets the file, and starts. */
    world_stop(w, 1);
    w->node[1].config.arbiter = FRAME_ARBITER_RAFT;
    w->node[1].config.generation = 1;
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
    assert_false(peer_has_other_arbiter(w->node[0].peer, 1));
    world_close(w);
}

/* What it said before it vanished does not stand in the way of an order for ever. */
static void test_other_arbiter_is_forgotten(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    w->node[0].config.backoff_max_ms = 100;
    w->node[0].config.arbiter = FRAME_ARBITER_RAFT;
    w->node[1].config.arbiter = FRAME_ARBITER_VRRP;
    world_start(w, 0);
    world_start(w, 1);
    WORLD_UNTIL(w, peer_has_other_arbiter(w->node[0].peer, 1));
    world_stop(w, 1);
    WORLD_UNTIL(w, !peer_has_other_arbiter(w->node[0].peer, 1));
    world_close(w);
}

/* An agent of before the field, of either kind: it says nothing, and is taken. */
static void test_unknown_arbiter_is_accepted(void **state)
{
    static const uint8_t known[] = {FRAME_ARBITER_RAFT, FRAME_ARBITER_VRRP};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *w = world_open(2);
        w->node[i].config.arbiter = known[i];
        start_two(w);
        assert_int_equal(w->node[1 - i].hello[i].arbiter, known[i]);
        assert_int_equal(world_log_count(&w->node[i], "peer-refused"), 0);
        world_close(w);
    }
}

static void start_fails(struct world *w, int err, const char *word)
{
    struct peer_callbacks callbacks = {0};
    struct errmsg msg = ERRMSG_INIT;
    struct peer *peer = NULL;
    assert_int_equal(peer_start(&w->node[0].config, &callbacks, &peer, &msg), err);
    assert_null(peer);
    if (strstr(msg.text, word) == NULL)
        fail_msg("'%s' does not speak of '%s'", msg.text, word);
}

static void test_expiry(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    world_make_certificate(w, "m1", -10, -2);
    start_fails(w, ERR_AUTH, "expired 3 days ago");
    world_make_certificate(w, "m1", 1, 10);
    world_start(w, 0);
    assert_non_null(strstr(w->node[0].log, "peer-certificate-not-valid-yet"));
    world_stop(w, 0);
    world_make_certificate(w, "m1", -10, 5);
    world_start(w, 0);
    assert_non_null(strstr(w->node[0].log, "peer-certificate-expires"));
    assert_non_null(strstr(w->node[0].log, "days=4"));
    world_close(w);
}

static void test_start_errors(void **state)
{
    struct world *w = world_open(2);
    struct peer_config good = w->node[0].config;
    struct peer_config *c = &w->node[0].config;
    (void)state;
    c->cert_file = "/nonexistent/m1.pem";
    start_fails(w, ERR_NOTFOUND, "/nonexistent/m1.pem");
    *c = good;
    c->cluster = "other";
    start_fails(w, ERR_AUTH, "cluster 'other'");
    *c = good;
    (void)snprintf(c->node[1].address, ADDRESS_TEXT_MAX, "m2.example.com");
    start_fails(w, ERR_INVAL, "m2.example.com");
    *c = good;
    c->self = 2;
    start_fails(w, ERR_INVAL, "node 2 of 2");
    *c = good;
    world_start(w, 1);
    c->node[0].port = w->port[1];
    start_fails(w, ERR_NET, "cannot listen on 127.0.0.1");
    *c = good;
    world_close(w);
}

/* ---- figures ---- */

static int compare_int(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int64_t now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Generous bounds (sanitizers, busy machines); the figures are for the reader. */
static void test_round_trip_and_memory(void **state)
{
    struct world *w = world_open(2);
    int us[1000];
    size_t before;
    (void)state;
    w->node[1].config.loop = &w->node[0].loop; /* one loop, as little of the test as possible */
    w->node[1].echo = true;
    world_start(w, 0);
    world_start(w, 1);
    before = mallinfo2().uordblks;
    while (!world_linked(w, 0, 1))
        (void)uv_run(&w->node[0].loop, UV_RUN_ONCE);
    before = mallinfo2().uordblks - before;
    for (unsigned i = 0; i < 1000; i++) {
        int64_t begin_us = now_us();
        assert_int_equal(peer_send(w->node[0].peer, 1, FRAME_REQUEST, "0123456789", 10), 0);
        while (w->node[0].frames[1] == i)
            (void)uv_run(&w->node[0].loop, UV_RUN_ONCE);
        us[i] = (int)(now_us() - begin_us);
    }
    qsort(us, 1000, sizeof(us[0]), compare_int);
    print_message("# round trip us: median %d, 99 %% %d; heap per connection end: %zu "
                  "bytes\n",
                  us[500], us[990], before / 4);
    assert_true(us[500] < 5000);
    assert_true(before / 4 < 65536);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_nodes),
        cmocka_unit_test(test_three_nodes_mesh),
        cmocka_unit_test(test_idle_connections_stay),
        cmocka_unit_test(test_big_frames),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_send_while_down),
        cmocka_unit_test(test_restart_of_each),
        cmocka_unit_test(test_both_restart_at_once),
        cmocka_unit_test(test_return_is_noticed_at_once),
        cmocka_unit_test(test_stopped_process),
        cmocka_unit_test(test_own_stall_is_no_silence),
        cmocka_unit_test(test_close_inside_callback),
        cmocka_unit_test(test_close_at_once),
        cmocka_unit_test(test_wrong_ca),
        cmocka_unit_test(test_another_node_answers),
        cmocka_unit_test(test_order_of_nodes_differs),
        cmocka_unit_test(test_other_arbiter_is_refused),
        cmocka_unit_test(test_other_arbiter_is_forgotten),
        cmocka_unit_test(test_unknown_arbiter_is_accepted),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_start_errors),
        cmocka_unit_test(test_round_trip_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
