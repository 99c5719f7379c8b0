/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/log_sink.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    int ends[2]; /* read, write: what stands for stderr */
    struct log_sink sink;
    struct log log;
};

static void world_open(struct world *w, enum log_level level)
{
    struct log_sink_config c = {.level = level, .cluster = "demo", .node = "m1"};
    assert_int_equal(pipe2(w->ends, O_CLOEXEC), 0);
    c.fd = w->ends[1];
    log_sink_open(&w->sink, &c);
    w->log = log_sink_log(&w->sink);
}

static void world_close(struct world *w)
{
    log_sink_close(&w->sink);
    (void)close(w->ends[0]);
    (void)close(w->ends[1]);
}

/* Everything that is in the pipe now. */
static const char *world_read(struct world *w, char *buf, size_t size)
{
    ssize_t n;
    assert_int_equal(fcntl(w->ends[0], F_SETFL, O_NONBLOCK), 0);
    n = read(w->ends[0], buf, size - 1);
    buf[n > 0 ? n : 0] = '\0';
    return buf;
}

static void test_line(void **state)
{
    struct world w;
    char got[4096];
    int year, month, day, hour, minute, at = 0;
    double second;
    (void)state;
    world_open(&w, LOG_LEVEL_INFO);
    LOG(&w.log, NOTICE, "vip-added", "the address is up device=%s", "eth0");
    (void)world_read(&w, got, sizeof got);
    assert_int_equal(sscanf(got, "%4d-%2d-%2dT%2d:%2d:%9lfZ%n", &year, &month, &day, &hour, &minute,
                            &second, &at),
                     6);
    assert_int_equal(at, 27);
    assert_string_equal(got + at, " notice vip-added the address is up device=eth0\n");
    world_close(&w);
}

static void test_level_filters(void **state)
{
    struct world w;
    char got[4096];
    (void)state;
    world_open(&w, LOG_LEVEL_WARNING);
    LOG(&w.log, NOTICE, "quiet", "not written");
    LOG(&w.log, WARNING, "loud", "written");
    (void)world_read(&w, got, sizeof got);
    assert_null(strstr(got, "quiet"));
    assert_non_null(strstr(got, " warning loud written\n"));
    world_close(&w);
}

static void test_one_record_is_one_line(void **state)
{
    struct world w;
    char got[4096];
    (void)state;
    world_open(&w, LOG_LEVEL_INFO);
    LOG(&w.log, ERROR, "server-says", "%s", "first\nsecond\r\n\033[31mred");
    (void)world_read(&w, got, sizeof got);
    assert_non_null(strstr(got, "first second   [31mred\n"));
    assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
    world_close(&w);
}

static void test_long_record_is_cut(void **state)
{
    struct world w;
    char got[3 * LOG_SINK_LINE_MAX];
    char text[2 * LOG_SINK_LINE_MAX];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    world_open(&w, LOG_LEVEL_INFO);
    LOG(&w.log, ERROR, "long", "%s", text);
    (void)world_read(&w, got, sizeof got);
    assert_in_range(strlen(got), LOG_SINK_LINE_MAX - 256, LOG_SINK_LINE_MAX);
    assert_int_equal(got[strlen(got) - 1], '\n');
    world_close(&w);
}

/* A reader that does not read: nothing blocks, the loss is counted and told afterwards. */
static void test_full_pipe_drops(void **state)
{
    struct world w;
    char got[1 << 17];
    uint64_t dropped;
    char expected[128];
    (void)state;
    world_open(&w, LOG_LEVEL_INFO);
    while (log_sink_dropped(&w.sink) == 0)
        LOG(&w.log, INFO, "filler", "%0500d", 1);
    LOG(&w.log, INFO, "filler", "%0500d", 1);
    dropped = log_sink_dropped(&w.sink);
    assert_true(dropped >= 2);
    (void)world_read(&w, got, sizeof got);
    LOG(&w.log, INFO, "after", "it reads again");
    (void)world_read(&w, got, sizeof got);
    (void)snprintf(expected, sizeof expected,
                   " warning log-dropped records were lost because nobody read them in time "
                   "count=%llu\n",
                   (unsigned long long)dropped);
    assert_non_null(strstr(got, " info after it reads again\n"));
    assert_non_null(strstr(got, expected));
    LOG(&w.log, INFO, "later", "once is enough");
    (void)world_read(&w, got, sizeof got);
    assert_null(strstr(got, "log-dropped"));
    /* The shared open file was left blocking. */
    assert_int_equal(fcntl(w.ends[1], F_GETFL) & O_NONBLOCK, 0);
    world_close(&w);
}

struct journal {
    char dir[64];
    char path[96];
    int fd;
    int stream[2];
    char stream_id[64];
};

static void journal_open(struct journal *j)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    (void)snprintf(j->dir, sizeof j->dir, "/tmp/test_log_sink.XXXXXX");
    assert_non_null(mkdtemp(j->dir));
    (void)snprintf(j->path, sizeof j->path, "%s/socket", j->dir);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", j->path);
    j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(j->fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, j->stream), 0);
    assert_int_equal(fstat(j->stream[1], &st), 0);
    (void)snprintf(j->stream_id, sizeof j->stream_id, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
}

static void journal_close(struct journal *j)
{
    (void)close(j->fd);
    (void)close(j->stream[0]);
    (void)close(j->stream[1]);
    (void)unlink(j->path);
    (void)rmdir(j->dir);
}

static void test_journal_fields(void **state)
{
    struct journal j;
    struct log_sink sink;
    struct log log;
    char got[8192];
    ssize_t n;
    (void)state;
    journal_open(&j);
    log_sink_open(&sink, &(struct log_sink_config){.level = LOG_LEVEL_INFO,
                                                   .cluster = "demo",
                                                   .node = "m1",
                                                   .fd = j.stream[1],
                                                   .journal_stream = j.stream_id,
                                                   .journal_socket = j.path});
    log = log_sink_log(&sink);
    LOG(&log, WARNING, "took-over", "writer now from=m1 why='it is gone' a=b=c tail");
    n = recv(j.fd, got, sizeof got - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    assert_string_equal(got, "MESSAGE=writer now from=m1 why='it is gone' a=b=c tail\n"
                             "PRIORITY=4\nSYSLOG_IDENTIFIER=tandem\nEVENT=took-over\n"
                             "CLUSTER=demo\nNODE=m1\n"
                             "TANDEM_FROM=m1\nTANDEM_WHY=it is gone\nTANDEM_A=b=c\n");
    assert_int_equal(recv(j.stream[0], got, sizeof got, MSG_DONTWAIT), -1);
    log_sink_close(&sink);
    journal_close(&j);
}

/* The journal is gone: the service manager's stream gets the line. */
static void test_journal_gone(void **state)
{
    struct journal j;
    struct log_sink sink;
    struct log log;
    char got[4096];
    ssize_t n;
    (void)state;
    journal_open(&j);
    log_sink_open(&sink, &(struct log_sink_config){.level = LOG_LEVEL_INFO,
                                                   .cluster = "demo",
                                                   .node = "m1",
                                                   .fd = j.stream[1],
                                                   .journal_stream = j.stream_id,
                                                   .journal_socket = j.path});
    log = log_sink_log(&sink);
    (void)close(j.fd);
    j.fd = -1;
    LOG(&log, INFO, "still-there", "told");
    n = recv(j.stream[0], got, sizeof got - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    got[n] = '\0';
    assert_non_null(strstr(got, " info still-there told\n"));
    log_sink_close(&sink);
    journal_close(&j);
}

/* JOURNAL_STREAM is inherited by everything; only if it names this very stream it counts. */
static void test_stderr_is_not_the_journal(void **state)
{
    struct world w = {0};
    struct journal j;
    char got[4096];
    (void)state;
    journal_open(&j);
    assert_int_equal(pipe2(w.ends, O_CLOEXEC), 0);
    log_sink_open(&w.sink, &(struct log_sink_config){.level = LOG_LEVEL_INFO,
                                                     .cluster = "demo",
                                                     .node = "m1",
                                                     .fd = w.ends[1],
                                                     .journal_stream = j.stream_id,
                                                     .journal_socket = j.path});
    w.log = log_sink_log(&w.sink);
    LOG(&w.log, INFO, "to-the-pipe", "told");
    assert_non_null(strstr(world_read(&w, got, sizeof got), "to-the-pipe"));
    assert_int_equal(recv(j.fd, got, sizeof got, MSG_DONTWAIT), -1);
    world_close(&w);
    journal_close(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_level_filters),
        cmocka_unit_test(test_one_record_is_one_line),
        cmocka_unit_test(test_long_record_is_cut),
        cmocka_unit_test(test_full_pipe_drops),
        cmocka_unit_test(test_journal_fields),
        cmocka_unit_test(test_journal_gone),
        cmocka_unit_test(test_stderr_is_not_the_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
