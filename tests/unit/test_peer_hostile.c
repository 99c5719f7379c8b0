/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport against clients made by hand: what a broken, foreign or malicious program can send.
 * Node 0 (m1) is real; the clients use the certificates of the test's cluster or none.
 */
#include "peer_world.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>

struct raw {
    struct world *world;
    int fd;
    gnutls_session_t tls;
    gnutls_certificate_credentials_t credentials;
    uint32_t sequence;
};

static struct raw raw_tcp(struct world *w)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(w->port[0]),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct raw r = {.world = w, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(r.fd >= 0);
    assert_int_equal(connect(r.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return r;
}

/* name: whose certificate is shown, NULL for none. Returns the result of the handshake. */
static int raw_try_tls(struct raw *r, const char *name, const char *priority)
{
    char cert[PATH_MAX];
    char key[PATH_MAX];
    int rv;
    (void)snprintf(cert, sizeof(cert), "%s/%s.pem", r->world->dir, name != NULL ? name : "");
    (void)snprintf(key, sizeof(key), "%s/%s.key", r->world->dir, name != NULL ? name : "");
    assert_int_equal(gnutls_certificate_allocate_credentials(&r->credentials), 0);
    if (name != NULL)
        assert_int_equal(
            gnutls_certificate_set_x509_key_file(r->credentials, cert, key, GNUTLS_X509_FMT_PEM),
            0);
    assert_int_equal(gnutls_init(&r->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_priority_set_direct(r->tls, priority, NULL), 0);
    assert_int_equal(gnutls_credentials_set(r->tls, GNUTLS_CRD_CERTIFICATE, r->credentials), 0);
    gnutls_transport_set_int(r->tls, r->fd);
    assert_int_equal(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
    for (;;) {
        rv = gnutls_handshake(r->tls);
        if (rv == 0 || gnutls_error_is_fatal(rv) != 0)
            return rv;
        world_turn(r->world);
    }
}

static struct raw raw_open(struct world *w, const char *name)
{
    struct raw r = raw_tcp(w);
    assert_int_equal(raw_try_tls(&r, name, "NORMAL"), 0);
    return r;
}

static void raw_write(struct raw *r, const void *data, size_t len)
{
    assert_int_equal(gnutls_record_send(r->tls, data, len), len);
}

static void raw_frame(struct raw *r, enum frame_kind kind, const void *payload, size_t len)
{
    uint8_t buf[2048];
    struct frame_header h = {kind, (uint32_t)len, r->sequence++};
    frame_header_encode(&h, buf);
    memcpy(buf + FRAME_HEADER_SIZE, payload, len);
    raw_write(r, buf, FRAME_HEADER_SIZE + len);
}

static struct frame_hello hello_of_m2(void)
{
    struct frame_hello h = {.protocol = FRAME_PROTOCOL,
                            .cluster_id = frame_cluster_id("demo"),
                            .incarnation = 77,
                            .node = 1,
                            .name = "m2",
                            .agent = "9.9"};
    return h;
}

static void raw_hello(struct raw *r, const struct frame_hello *hello)
{
    uint8_t buf[FRAME_HELLO_MAX];
    size_t len = 0;
    assert_int_equal(frame_hello_encode(hello, buf, sizeof(buf), &len), 0);
    raw_frame(r, FRAME_HELLO, buf, len);
}

/* The node's answer to our HELLO, or the end of the connection (false). */
static bool raw_read_hello(struct raw *r, struct frame_hello *ret_hello)
{
    uint8_t buf[2048];
    size_t used = 0;
    for (;;) {
        struct frame f;
        size_t need;
        ssize_t n = gnutls_record_recv(r->tls, buf + used, sizeof(buf) - used);
        if (n == GNUTLS_E_AGAIN) {
            world_turn(r->world);
            continue;
        }
        if (n <= 0)
            return false;
        used += (size_t)n;
        assert_int_equal(frame_split(buf, used, &f, &need), 0);
        if (need > 0)
            continue;
        assert_int_equal(f.header.kind, FRAME_HELLO);
        assert_int_equal(frame_hello_decode(f.payload, f.header.length, ret_hello), 0);
        return true;
    }
}

static struct raw raw_welcomed(struct world *w)
{
    struct raw r = raw_open(w, "m2");
    struct frame_hello hello = hello_of_m2();
    raw_hello(&r, &hello);
    assert_true(raw_read_hello(&r, &hello));
    assert_int_equal(hello.verdict, FRAME_VERDICT_WELCOME);
    assert_string_equal(hello.name, "m1");
    return r;
}

/* Reads and forgets what the node sends; true once it has closed the connection. */
static bool raw_is_closed(struct raw *r)
{
    char sink[4096];
    ssize_t n = recv(r->fd, sink, sizeof(sink), MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void raw_close(struct raw *r)
{
    if (r->tls != NULL)
        gnutls_deinit(r->tls);
    if (r->credentials != NULL)
        gnutls_certificate_free_credentials(r->credentials);
    (void)close(r->fd);
}

static struct world *open_with_m1(void)
{
    struct world *w = world_open(2);
    world_start(w, 0);
    return w;
}

/* The proof that the node is unharmed: a real one still gets through. */
static void close_after_real_link(struct world *w)
{
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
    assert_int_equal(world_send(w, 1, 0, "x"), 0);
    WORLD_UNTIL(w, strchr(w->node[0].received[1], 'x') != NULL);
    world_close(w);
}

/* ---- one connection per node ---- */

static void test_newer_connection_closes_older(void **state)
{
    struct world *w = open_with_m1();
    struct raw older = raw_welcomed(w);
    struct frame_hello hello = hello_of_m2();
    struct raw newer;
    (void)state;
    raw_frame(&older, FRAME_RAFT, "a", 1);
    WORLD_UNTIL(w, w->node[0].frames[1] == 1);
    newer = raw_open(w, "m2");
    raw_frame(&older, FRAME_RAFT, "b", 1); /* a handshake alone closes nothing */
    WORLD_UNTIL(w, w->node[0].frames[1] == 2);
    raw_hello(&newer, &hello);
    raw_frame(&newer, FRAME_RAFT, "C", 1);
    WORLD_UNTIL(w, strchr(w->node[0].received[1], 'C') != NULL);
    raw_frame(&older, FRAME_RAFT, "d", 1);
    WORLD_UNTIL(w, raw_is_closed(&older));
    raw_frame(&newer, FRAME_RAFT, "E", 1);
    WORLD_UNTIL(w, strchr(w->node[0].received[1], 'E') != NULL);
    assert_string_equal(w->node[0].received[1], "abCE");
    raw_close(&older);
    raw_close(&newer);
    close_after_real_link(w);
}

/* ---- who is refused ---- */

static void expect_certificate_refused(const char *name, const char *reason)
{
    struct world *w = open_with_m1();
    struct raw r = raw_tcp(w);
    /* The client of TLS 1.3 is done before the server has judged its certificate. */
    if (raw_try_tls(&r, name, "NORMAL") == 0)
        WORLD_UNTIL(w, raw_is_closed(&r));
    WORLD_UNTIL(w, strstr(w->node[0].log, reason) != NULL);
    assert_int_equal(world_log_count(&w->node[0], "peer-refused: "), 1);
    raw_close(&r);
    close_after_real_link(w);
}

static void test_refused_certificates(void **state)
{
    (void)state;
    expect_certificate_refused("m3", "names no node of the cluster file");
    expect_certificate_refused("m1", "a second host uses it");
    expect_certificate_refused(NULL, "no certificate was sent");
}

static void test_old_tls_is_refused(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_tcp(w);
    (void)state;
    assert_int_not_equal(raw_try_tls(&r, "m2", "NORMAL:-VERS-ALL:+VERS-TLS1.2"), 0);
    raw_close(&r);
    close_after_real_link(w);
}

static void expect_verdict(struct frame_hello hello, enum frame_verdict verdict)
{
    struct world *w = open_with_m1();
    struct raw r = raw_open(w, "m2");
    raw_hello(&r, &hello);
    assert_true(raw_read_hello(&r, &hello));
    assert_int_equal(hello.verdict, verdict);
    assert_int_equal(hello.protocol, FRAME_PROTOCOL);
    WORLD_UNTIL(w, raw_is_closed(&r));
    assert_non_null(strstr(w->node[0].log, frame_verdict_text(verdict)));
    raw_close(&r);
    close_after_real_link(w);
}

static void test_refused_hellos(void **state)
{
    struct frame_hello h = hello_of_m2();
    (void)state;
    h.protocol = FRAME_PROTOCOL + 1;
    expect_verdict(h, FRAME_VERDICT_PROTOCOL);
    h = hello_of_m2();
    h.cluster_id++;
    expect_verdict(h, FRAME_VERDICT_CLUSTER);
    h = hello_of_m2();
    h.node = 0; /* the certificate says m2 */
    expect_verdict(h, FRAME_VERDICT_NODE);
    h = hello_of_m2();
    (void)snprintf(h.name, sizeof(h.name), "m1");
    expect_verdict(h, FRAME_VERDICT_NODE);
    h = hello_of_m2();
    h.generation = 1; /* m1 is of the quorum before it was rebuilt */
    expect_verdict(h, FRAME_VERDICT_GENERATION);
}

/* ---- bytes that make no sense ---- */

static void test_garbage_instead_of_tls(void **state)
{
    static const char *const garbage[] = {"GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01\xff\xff",
                                          "td\x01\x02\x01\x01\x01"};
    struct world *w = open_with_m1();
    (void)state;
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct raw r = raw_tcp(w);
        assert_true(send(r.fd, garbage[i], strlen(garbage[i]), MSG_NOSIGNAL) > 0);
        WORLD_UNTIL(w, raw_is_closed(&r));
        raw_close(&r);
    }
    assert_int_equal(world_log_count(&w->node[0], "peer-stream-broken"), 1);
    close_after_real_link(w);
}

static void expect_broken(struct world *w, struct raw *r, const char *reason)
{
    WORLD_UNTIL(w, raw_is_closed(r));
    if (strstr(w->node[0].log, reason) == NULL)
        fail_msg("no '%s' in:\n%s", reason, world_all(w));
    raw_close(r);
    w->node[0].log[0] = '\0';
    close_after_real_link(w);
}

static void test_garbage_inside_tls(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_open(w, "m2");
    (void)state;
    raw_write(&r, "this is not a frame", 19);
    expect_broken(w, &r, "no frame where one should begin");
}

static void test_frame_before_hello(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_open(w, "m2");
    (void)state;
    raw_frame(&r, FRAME_RAFT, "a", 1);
    expect_broken(w, &r, "first frame is raft instead of hello");
}

/* Announces a megabyte before it has said who it is: nothing is buffered for it. */
static void test_long_frame_before_hello(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_open(w, "m2");
    struct frame_header h = {FRAME_RAFT, FRAME_PAYLOAD_MAX, 0};
    uint8_t buf[FRAME_HEADER_SIZE];
    (void)state;
    frame_header_encode(&h, buf);
    raw_write(&r, buf, sizeof(buf));
    expect_broken(w, &r, "no frame where one should begin");
}

static void test_malformed_hello(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_open(w, "m2");
    (void)state;
    raw_frame(&r, FRAME_HELLO, "abc", 3);
    expect_broken(w, &r, "hello is malformed");
}

static void test_second_hello(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_welcomed(w);
    struct frame_hello hello = hello_of_m2();
    (void)state;
    raw_hello(&r, &hello);
    expect_broken(w, &r, "unexpected hello frame");
}

static void test_wrong_sequence(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_welcomed(w);
    (void)state;
    raw_frame(&r, FRAME_RAFT, "a", 1);
    r.sequence++;
    raw_frame(&r, FRAME_RAFT, "b", 1);
    WORLD_UNTIL(w, strstr(w->node[0].log, "peer-stream-broken") != NULL);
    assert_string_equal(w->node[0].received[1], "a");
    expect_broken(w, &r, "frame 3 came instead of frame 2");
}

static void test_cut_inside_a_frame(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_welcomed(w);
    struct frame_header h = {FRAME_RAFT, 100000, 1};
    uint8_t buf[FRAME_HEADER_SIZE];
    (void)state;
    frame_header_encode(&h, buf);
    raw_write(&r, buf, sizeof(buf));
    world_run_ms(w, 30);
    raw_close(&r);
    world_run_ms(w, 30);
    assert_int_equal(w->node[0].frames[1], 0);
    close_after_real_link(w);
}

/* ---- silence ---- */

static void expect_closed_after(struct world *w, struct raw *r, int64_t limit_ms)
{
    int64_t begin_ms = world_now_ms();
    WORLD_UNTIL(w, raw_is_closed(r));
    assert_in_range(world_now_ms() - begin_ms, limit_ms - 100, limit_ms + 1000);
    raw_close(r);
    close_after_real_link(w);
}

static void test_silent_clients(void **state)
{
    struct world *w = open_with_m1();
    struct raw r = raw_tcp(w);
    (void)state;
    expect_closed_after(w, &r, w->node[0].config.handshake_timeout_ms);
    w = open_with_m1();
    r = raw_open(w, "m2"); /* TLS and no HELLO */
    expect_closed_after(w, &r, w->node[0].config.handshake_timeout_ms);
    w = open_with_m1();
    r = raw_welcomed(w);
    expect_closed_after(w, &r, w->node[0].config.idle_timeout_ms);
}

/* A socket that accepts and never speaks: m2's port, listened on by nobody's program. */
static void test_mute_server(void **state)
{
    struct world *w = world_open(2);
    (void)state;
    assert_int_equal(listen(w->reserved[1], 8), 0);
    world_start(w, 0);
    WORLD_UNTIL(w, strstr(w->node[0].log, "no handshake after 500 ms") != NULL);
    world_run_ms(w, 1200);
    assert_int_equal(world_log_count(&w->node[0], "peer-dial-failed"), 1);
    assert_int_equal(w->node[0].ups[1] + w->node[0].downs[1], 0);
    world_close(w);
}

/* More strangers than there are places do not keep a node of the cluster out. */
static void test_crowd_of_strangers(void **state)
{
    struct world *w = open_with_m1();
    struct raw crowd[3 * NODES_MAX];
    unsigned closed = 0;
    (void)state;
    w->node[0].config.handshake_timeout_ms = 60000;
    world_stop(w, 0);
    world_start(w, 0);
    for (unsigned i = 0; i < 3 * NODES_MAX; i++) {
        crowd[i] = raw_tcp(w);
        world_turn(w);
    }
    world_run_ms(w, 50);
    for (unsigned i = 0; i < 3 * NODES_MAX; i++)
        closed += raw_is_closed(&crowd[i]);
    assert_int_equal(closed, NODES_MAX); /* 2 * NODES_MAX places */
    assert_true(raw_is_closed(&crowd[0]));
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
    for (unsigned i = 0; i < 3 * NODES_MAX; i++)
        raw_close(&crowd[i]);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newer_connection_closes_older),
        cmocka_unit_test(test_refused_certificates),
        cmocka_unit_test(test_old_tls_is_refused),
        cmocka_unit_test(test_refused_hellos),
        cmocka_unit_test(test_garbage_instead_of_tls),
        cmocka_unit_test(test_garbage_inside_tls),
        cmocka_unit_test(test_frame_before_hello),
        cmocka_unit_test(test_long_frame_before_hello),
        cmocka_unit_test(test_malformed_hello),
        cmocka_unit_test(test_second_hello),
        cmocka_unit_test(test_wrong_sequence),
        cmocka_unit_test(test_cut_inside_a_frame),
        cmocka_unit_test(test_silent_clients),
        cmocka_unit_test(test_mute_server),
        cmocka_unit_test(test_crowd_of_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
