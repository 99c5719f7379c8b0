/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of a copy between two nodes: who may, what arrives, and how it ends. The other side is
 * a process of its own, as it is in life. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/peer/peer_stream.h"
#include "io/peer/pki.h"
#include "scratch.h"

#define PATH 128

struct side {
    char ca[PATH], cert[PATH], key[PATH];
    struct peer_stream_config config;
};

struct rig {
    char dir[64];
    uint16_t port;
    int told[2]; /* the listener says that it listens */
    struct side donor, recipient;
};

enum ending { END_WELL, END_WITH_ERROR, END_BY_DEATH, END_IN_SILENCE };

/* A port that nobody uses at this moment. */
static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

static void make_side(struct rig *r, struct side *s, const char *self, const char *other)
{
    (void)snprintf(s->ca, PATH, "%s/ca.pem", r->dir);
    (void)snprintf(s->cert, PATH, "%s/%s.pem", r->dir, self);
    (void)snprintf(s->key, PATH, "%s/%s.key", r->dir, self);
    s->config = (struct peer_stream_config){.cluster = "demo",
                                            .ca_file = s->ca,
                                            .cert_file = s->cert,
                                            .key_file = s->key,
                                            .other = other,
                                            .address = "127.0.0.1",
                                            .port = r->port,
                                            .open_ms = 20000,
                                            .idle_ms = 20000};
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct errmsg m = ERRMSG_INIT;
    static const char *const names[] = {"m1", "m2", "m3"};
    assert_non_null(r);
    (void)snprintf(r->dir, sizeof r->dir, "/tmp/test-peer-stream-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(pki_create_ca(r->dir, "demo", &m), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pki_create_node(r->dir, "demo", names[i], "127.0.0.1", &m), 0);
    r->port = free_port();
    assert_int_equal(pipe(r->told), 0);
    make_side(r, &r->donor, "m1", "m2");
    make_side(r, &r->recipient, "m2", "m1");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    scratch_remove(r->dir);
    (void)close(r->told[0]);
    (void)close(r->told[1]);
    free(r);
    return 0;
}

static void tell(void *data)
{
    struct rig *r = data;
    (void)!write(r->told[1], "x", 1);
}

/* The donor's process: three pieces, then its end. */
static void donor(struct rig *r, enum ending ending)
{
    struct peer_stream *s = NULL;
    struct errmsg m = ERRMSG_INIT;
    int err = peer_stream_accept(&r->donor.config, tell, r, &s, &m);
    if (err != 0)
        _exit(3);
    for (int i = 0; i < 3 && err == 0; i++) {
        err = peer_stream_send_alive(s, &m);
        if (err == 0)
            err = peer_stream_send(s, "0123456789", 10, &m);
    }
    if (ending == END_BY_DEATH)
        (void)raise(SIGKILL);
    if (ending == END_IN_SILENCE)
        (void)pause();
    if (err == 0)
        err = peer_stream_send_end(s, ending == END_WITH_ERROR ? "no such disk" : "", &m);
    peer_stream_close(s);
    _exit(err == 0 ? 0 : 4);
}

static pid_t start_donor(struct rig *r, enum ending ending)
{
    char x;
    pid_t pid = fork();
    if (pid == 0)
        donor(r, ending);
    assert_true(pid > 0);
    assert_int_equal(read(r->told[0], &x, 1), 1);
    return pid;
}

/* Everything that comes; the error at its end. */
static int take(struct rig *r, size_t *ret_bytes, struct errmsg *m)
{
    static char buf[PEER_STREAM_PIECE_MAX];
    struct peer_stream *s = NULL;
    size_t len = 1;
    int err = peer_stream_connect(&r->recipient.config, &s, m);
    *ret_bytes = 0;
    while (err == 0 && len > 0) {
        err = peer_stream_receive(s, buf, &len, m);
        *ret_bytes += err == 0 ? len : 0;
    }
    peer_stream_close(s);
    return err;
}

static void test_whole_stream(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    size_t bytes;
    int status = -1;
    pid_t pid = start_donor(r, END_WELL);
    assert_int_equal(take(r, &bytes, &m), 0);
    assert_int_equal(bytes, 30);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_donor_gives_up(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    size_t bytes;
    pid_t pid = start_donor(r, END_WITH_ERROR);
    assert_int_equal(take(r, &bytes, &m), ERR_STATE);
    assert_int_equal(bytes, 30);
    assert_non_null(strstr(m.text, "no such disk"));
    (void)waitpid(pid, NULL, 0);
}

static void test_donor_dies(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    size_t bytes;
    pid_t pid = start_donor(r, END_BY_DEATH);
    assert_int_equal(take(r, &bytes, &m), ERR_NET);
    (void)waitpid(pid, NULL, 0);
}

static void test_donor_falls_silent(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    size_t bytes;
    pid_t pid = start_donor(r, END_IN_SILENCE);
    r->recipient.config.idle_ms = 3000;
    assert_int_equal(take(r, &bytes, &m), ERR_NET);
    assert_non_null(strstr(m.text, "silent"));
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

/* m3 has a certificate of the cluster, but it is not the one that the data is for; whoever is comes
 * after it. */
static void test_another_node_gets_nothing(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    struct side right = r->recipient;
    size_t bytes;
    pid_t pid = start_donor(r, END_WELL);
    make_side(r, &r->recipient, "m3", "m1");
    assert_int_not_equal(take(r, &bytes, &m), 0);
    assert_int_equal(bytes, 0);
    r->recipient = right;
    r->recipient.config.ca_file = r->recipient.ca;
    r->recipient.config.cert_file = r->recipient.cert;
    r->recipient.config.key_file = r->recipient.key;
    assert_int_equal(take(r, &bytes, &m), 0);
    assert_int_equal(bytes, 30);
    (void)waitpid(pid, NULL, 0);
}

static int dial(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Whoever connects first and says nothing does not keep the right one out. */
static void test_stranger_who_says_nothing(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    size_t bytes;
    int stranger;
    pid_t pid;
    r->donor.config.open_ms = 15000;
    r->donor.config.idle_ms = 600000;
    pid = start_donor(r, END_WELL);
    stranger = dial(r->port);
    assert_int_equal(take(r, &bytes, &m), 0);
    assert_int_equal(bytes, 30);
    (void)close(stranger);
    (void)waitpid(pid, NULL, 0);
}

static void test_another_donor_is_refused(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    size_t bytes;
    pid_t pid = start_donor(r, END_WELL);
    r->recipient.config.other = "m3";
    assert_int_equal(take(r, &bytes, &m), ERR_AUTH);
    assert_non_null(strstr(m.text, "not that of node 'm3'"));
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void test_nobody_comes_and_nobody_listens(void **state)
{
    struct rig *r = *state;
    struct errmsg m = ERRMSG_INIT;
    struct peer_stream *s = NULL;
    size_t bytes;
    assert_int_equal(take(r, &bytes, &m), ERR_NET);
    assert_non_null(strstr(m.text, "cannot be reached"));
    r->donor.config.open_ms = 50;
    assert_int_equal(peer_stream_accept(&r->donor.config, tell, r, &s, &m), ERR_TIMEOUT);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_donor_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_donor_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_donor_falls_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_node_gets_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stranger_who_says_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_donor_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_comes_and_nobody_listens, setup, teardown),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
