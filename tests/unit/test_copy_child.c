/* SPDX-License-Identifier: Apache-2.0 */
/* The copying process: what it makes of its order, and that it ends in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/copy_child.h"
#include "io/peer/peer_stream.h"
#include "io/peer/pki.h"
#include "scratch.h"

struct rig {
    char dir[64];
    struct copy_order order;
    char told[1024]; /* what it said */
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct errmsg m = ERRMSG_INIT;
    assert_non_null(r);
    (void)snprintf(r->dir, sizeof r->dir, "/tmp/test-copy-child-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(pki_create_ca(r->dir, "demo", &m), 0);
    assert_int_equal(pki_create_node(r->dir, "demo", "m2", "127.0.0.1", &m), 0);
    r->order.size = sizeof r->order;
    (void)snprintf(r->order.cluster, sizeof r->order.cluster, "demo");
    (void)snprintf(r->order.tls.ca, sizeof r->order.tls.ca, "%s/ca.pem", r->dir);
    (void)snprintf(r->order.tls.cert, sizeof r->order.tls.cert, "%s/m2.pem", r->dir);
    (void)snprintf(r->order.tls.key, sizeof r->order.tls.key, "%s/m2.key", r->dir);
    (void)snprintf(r->order.self, sizeof r->order.self, "m2");
    (void)snprintf(r->order.other, sizeof r->order.other, "m1");
    (void)snprintf(r->order.address, sizeof r->order.address, "127.0.0.1");
    (void)snprintf(r->order.work_dir, sizeof r->order.work_dir, "%s", r->dir);
    (void)snprintf(r->order.data_dir, sizeof r->order.data_dir, "%s/data", r->dir);
    assert_int_equal(mkdir(r->order.data_dir, 0700), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    scratch_remove(r->dir);
    free(r);
    return 0;
}

/* A copying process with `size` bytes of the order; returns where it speaks. */
static int begin(struct rig *r, size_t size, pid_t *ret_pid)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    *ret_pid = fork();
    assert_true(*ret_pid >= 0);
    if (*ret_pid == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(in[1]);
        _exit(copy_child_main());
    }
    (void)close(in[0]);
    (void)close(out[1]);
    assert_int_equal(write(in[1], &r->order, size), (ssize_t)size);
    (void)close(in[1]);
    return out[0];
}

/* What it says until it has ended, behind what it has said; its exit status. */
static int end(struct rig *r, int out, pid_t pid)
{
    size_t used = strlen(r->told);
    int status = 0;
    ssize_t n;
    while ((n = read(out, r->told + used, sizeof r->told - 1 - used)) > 0)
        used += (size_t)n;
    r->told[used] = '\0';
    (void)close(out);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run(struct rig *r, size_t size)
{
    pid_t pid;
    int out = begin(r, size, &pid);
    r->told[0] = '\0';
    return end(r, out, pid);
}

static void test_clear(void **state)
{
    struct rig *r = *state;
    r->order.kind = COPY_CLEAR;
    assert_int_equal(run(r, sizeof r->order), 0);
    assert_string_equal(r->told, "none\n");
}

static void test_order_that_is_none(void **state)
{
    struct rig *r = *state;
    r->order.kind = COPY_CLEAR;
    assert_int_equal(run(r, sizeof r->order - 1), 2);
    r->order.size--;
    assert_int_equal(run(r, sizeof r->order), 2);
    assert_string_equal(r->told, "");
}

/* A donor whose kernel takes the connection for a process that says nothing. */
static void test_copy_ends_in_time(void **state)
{
    struct rig *r = *state;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    r->order.kind = COPY_TAKE;
    r->order.port = ntohs(a.sin_port);
    r->order.timeout_ms = 500;
    assert_int_equal(run(r, sizeof r->order), 1);
    assert_string_equal(r->told, "failed not done within policy.reclone_timeout\n");
    (void)close(fd);
}

/* In the place of the server's program; mode 0755. */
static void make_program(const struct rig *r, const char *name, const char *script,
                         char ret_path[96])
{
    FILE *f;
    (void)snprintf(ret_path, 96, "%s/%s", r->dir, name);
    f = fopen(ret_path, "we");
    assert_non_null(f);
    assert_true(fprintf(f, "#!/bin/sh\n%s", script) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(ret_path, 0755), 0);
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

/* As m1, whom the donor expects: how many bytes it gives. */
static uint64_t receive_all(const struct rig *r)
{
    char cert[128], key[128];
    char *buf = malloc(PEER_STREAM_PIECE_MAX);
    struct errmsg m = ERRMSG_INIT;
    struct peer_stream *s = NULL;
    struct peer_stream_config c = {
        .cluster = "demo", .ca_file = r->order.tls.ca, .cert_file = cert};
    uint64_t bytes = 0;
    size_t len = 1;
    (void)snprintf(cert, sizeof cert, "%s/m1.pem", r->dir);
    (void)snprintf(key, sizeof key, "%s/m1.key", r->dir);
    c.key_file = key;
    c.other = "m2";
    c.address = "127.0.0.1";
    c.port = r->order.port;
    c.open_ms = c.idle_ms = 10000;
    assert_non_null(buf);
    assert_int_equal(peer_stream_connect(&c, &s, &m), 0);
    while (len > 0) {
        assert_int_equal(peer_stream_receive(s, buf, &len, &m), 0);
        bytes += len;
    }
    peer_stream_close(s);
    free(buf);
    return bytes;
}

static int64_t now_ms(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A donor whose backup is 1 MiB: how long it takes to give it away. */
static int64_t give_one_mib(struct rig *r, uint32_t rate_mb)
{
    char path[96], expected[] = "giving 0\n";
    struct errmsg m = ERRMSG_INIT;
    int64_t began;
    pid_t pid;
    int out;
    make_program(r, "mariadb-backup", "exec /usr/bin/head -c 1048576 /dev/zero\n", path);
    assert_int_equal(setenv("PATH", r->dir, 1), 0);
    assert_int_equal(pki_create_node(r->dir, "demo", "m1", "127.0.0.1", &m), 0);
    r->order.kind = COPY_GIVE;
    r->order.timeout_ms = 20000;
    r->order.port = free_port();
    r->order.rate_mb = rate_mb;
    memset(r->told, 0, sizeof r->told);
    out = begin(r, sizeof r->order, &pid);
    assert_int_equal(read(out, r->told, sizeof expected - 1), (ssize_t)(sizeof expected - 1));
    assert_string_equal(r->told, expected);
    began = now_ms();
    assert_int_equal(receive_all(r), 1048576);
    began = now_ms() - began;
    assert_int_equal(end(r, out, pid), 0);
    return began;
}

/* Half a second; two clocks, and milliseconds that are rounded down. */
static void test_donor_is_read_no_faster_than_it_may(void **state)
{
    struct rig *r = *state;
    assert_true(give_one_mib(r, 2) >= 480);
}

static void test_donor_without_a_limit_gives_everything(void **state)
{
    struct rig *r = *state;
    (void)give_one_mib(r, 0);
}

/* Nothing runs in the data directory: a server for the copy is made, with this command line. */
static void take_by(struct rig *r, const char *command, const char *says)
{
    char spare[128];
    r->order.kind = COPY_TAKE_SERVER;
    r->order.timeout_ms = 20000;
    (void)snprintf(r->order.copy_command, sizeof r->order.copy_command, "%s", command);
    assert_int_equal(run(r, sizeof r->order), 1);
    assert_non_null(strstr(r->told, says));
    (void)snprintf(spare, sizeof spare, "%s/data.tandem/spare", r->dir);
    assert_int_not_equal(access(spare, F_OK), 0);
}

/* A program that does what a server does at its first start, and then ends with these words. */
static void make_server(const struct rig *r, const char *words, char ret_path[96])
{
    char script[512];
    (void)snprintf(script, sizeof script,
                   "case \"$*\" in *--initialize-insecure*) exit 0 ;; esac\n"
                   "case \"$*\" in *--skip-networking*) ;; *) exit 9 ;; esac\n"
                   "%s\nexit 1\n",
                   words);
    make_program(r, "server", script, ret_path);
}

static void test_server_for_a_copy_that_fails(void **state)
{
    struct rig *r = *state;
    char path[96];
    take_by(
        r, "/no/such/mysqld --no-defaults",
        "there is no program '/no/such/mysqld --no-defaults' on this host; name the server's in "
        "mysql.copy_command");
    make_server(r, "echo '2026-11-29 [ERROR] [MY-1] [Server] no plugin'>&2; echo the end >&2",
                path);
    take_by(r, path, "[MY-1] [Server] no plugin\n");
    make_server(r, "echo only this >&2", path);
    take_by(r, path, "failed: only this (all of it: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_that_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_ends_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_donor_is_read_no_faster_than_it_may, setup, teardown),
        cmocka_unit_test_setup_teardown(test_donor_without_a_limit_gives_everything, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_server_for_a_copy_that_fails, setup, teardown),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
