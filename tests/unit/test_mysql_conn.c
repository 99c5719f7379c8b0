/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter and its connections against servers that misbehave: no real server is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/mysql/mysql.h"
#include "io/mysql/mysql_conn.h"

#define LIMIT_MS 150

struct world {
    uv_loop_t loop;
    char dir[64];
    char path[100];
    int listener;
    int accepted;
    struct mysql_conn conn;
    bool done;
    int err;
    uint32_t sql_errno;
    /* adapter */
    struct mysql_adapter *adapter;
    unsigned probes;
    enum probe_outcome outcome;
    bool job_done;
    int job_outcome;
    bool stopped;
};

static void on_stopped(void *data)
{
    struct world *w = data;
    w->stopped = true;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/tandem-conn-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->path, sizeof w->path, "%s/s", w->dir);
    w->listener = -1;
    w->accepted = -1;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->adapter != NULL && !w->stopped)
        mysql_adapter_stop(w->adapter, on_stopped, w); /* after a failure */
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
        ;
    assert_int_equal(uv_loop_close(&w->loop), 0);
    if (w->listener >= 0)
        (void)close(w->listener);
    if (w->accepted >= 0)
        (void)close(w->accepted);
    (void)unlink(w->path);
    (void)rmdir(w->dir);
    free(w);
    return 0;
}

static void listen_on(struct world *w, int backlog)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", w->path);
    w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(w->listener, backlog), 0);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void on_reply(void *data, const struct mysql_reply *reply)
{
    struct world *w = data;
    assert_false(w->done);
    w->done = true;
    uv_stop(&w->loop);
    w->err = reply->err;
    w->sql_errno = reply->sql_errno;
}

static void on_closed(void *data)
{
    (void)data;
}

static void conn_make(struct world *w)
{
    struct mysql_login login = {w->path, "", 0, "u", "p"};
    mysql_conn_init(&w->conn, &w->loop, &login, "test");
}

static int64_t open_and_wait(struct world *w)
{
    int64_t start = mysql_now_us();
    w->done = false;
    assert_int_equal(mysql_conn_open(&w->conn, LIMIT_MS, on_reply, w), 0);
    assert_false(w->done); /* never from within the call */
    assert_int_equal(mysql_conn_open(&w->conn, LIMIT_MS, on_reply, w), ERR_STATE);
    while (!w->done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    return mysql_now_us() - start;
}

static void server_that_never_speaks_is_left_at_the_deadline(void **state)
{
    struct world *w = *state;
    unsigned before;
    listen_on(w, 20);
    conn_make(w);
    (void)open_and_wait(w);
    before = open_descriptors();
    for (int i = 0; i < 10; i++) {
        int64_t took = open_and_wait(w);
        assert_int_equal(w->err, ERR_TIMEOUT);
        assert_in_range(took, LIMIT_MS * 1000 - 2000, LIMIT_MS * 1000 + 60000);
    }
    assert_int_equal(open_descriptors(), before);
    mysql_conn_stop(&w->conn, on_closed, NULL);
}

/* The greeting's length says 80 bytes, five come. */
static void server_that_stops_in_its_greeting_is_left_at_the_deadline(void **state)
{
    static const unsigned char part[] = {80, 0, 0, 0, 10};
    struct world *w = *state;
    int64_t start;
    listen_on(w, 20);
    conn_make(w);
    w->done = false;
    assert_int_equal(mysql_conn_open(&w->conn, LIMIT_MS, on_reply, w), 0);
    w->accepted = accept(w->listener, NULL, NULL);
    assert_int_equal(write(w->accepted, part, sizeof part), sizeof part);
    start = mysql_now_us();
    while (!w->done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->err, ERR_TIMEOUT);
    assert_true(mysql_now_us() - start < LIMIT_MS * 1000 + 10000000);
    mysql_conn_stop(&w->conn, on_closed, NULL);
}

static void server_that_hangs_up_is_told_apart(void **state)
{
    struct world *w = *state;
    listen_on(w, 20);
    conn_make(w);
    w->done = false;
    assert_int_equal(mysql_conn_open(&w->conn, LIMIT_MS, on_reply, w), 0);
    w->accepted = accept(w->listener, NULL, NULL);
    (void)close(w->accepted);
    w->accepted = -1;
    while (!w->done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->err, ERR_NET);
    assert_int_equal(w->sql_errno, 2013);
    mysql_conn_stop(&w->conn, on_closed, NULL);
}

static void too_many_connections_is_an_answer(void **state)
{
    static const unsigned char full[] = "\x17\x00\x00\x00\xff\x10\x04Too many connections";
    struct world *w = *state;
    listen_on(w, 20);
    conn_make(w);
    w->done = false;
    assert_int_equal(mysql_conn_open(&w->conn, LIMIT_MS, on_reply, w), 0);
    w->accepted = accept(w->listener, NULL, NULL);
    assert_int_equal(write(w->accepted, full, sizeof full - 1), sizeof full - 1);
    while (!w->done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->err, ERR_SQL);
    assert_int_equal(w->sql_errno, 1040);
    mysql_conn_stop(&w->conn, on_closed, NULL);
}

static void nobody_listens(void **state)
{
    struct world *w = *state;
    conn_make(w);
    assert_true(open_and_wait(w) < 50000);
    assert_int_equal(w->err, ERR_NET);
    assert_int_equal(w->sql_errno, 2002);
    assert_int_equal(mysql_conn_query(&w->conn, "SELECT 1", 10, on_reply, w), ERR_NET);
    mysql_conn_stop(&w->conn, on_closed, NULL);
}

static void drop_ends_the_operation_at_once(void **state)
{
    struct world *w = *state;
    listen_on(w, 20);
    conn_make(w);
    w->done = false;
    assert_int_equal(mysql_conn_open(&w->conn, 60000, on_reply, w), 0);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    mysql_conn_drop(&w->conn);
    assert_true(w->done);
    assert_int_equal(w->err, ERR_CANCELED);
    /* an open while the handle of the old socket is still closing */
    w->done = false;
    assert_int_equal(mysql_conn_open(&w->conn, LIMIT_MS, on_reply, w), 0);
    while (!w->done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->err, ERR_TIMEOUT);
    mysql_conn_stop(&w->conn, on_closed, NULL);
}

static void stop_during_connect_completes(void **state)
{
    struct world *w = *state;
    listen_on(w, 20);
    conn_make(w);
    w->done = false;
    assert_int_equal(mysql_conn_open(&w->conn, 60000, on_reply, w), 0);
    mysql_conn_stop(&w->conn, on_closed, NULL);
    assert_true(w->done);
    assert_int_equal(w->err, ERR_CANCELED);
}

/* ---- the adapter on the same servers ---- */

static void on_probe(void *data, const struct mysql_probe *probe)
{
    struct world *w = data;
    w->probes++;
    uv_stop(&w->loop);
    w->outcome = probe->outcome;
    assert_null(probe->facts);
}

static void on_job(void *data, uint64_t id, const struct job_result *result,
                   const struct server_facts *facts)
{
    struct world *w = data;
    assert_int_equal(id, 7);
    assert_false(w->job_done);
    assert_non_null(facts);
    w->job_done = true;
    uv_stop(&w->loop);
    w->job_outcome = result->outcome;
}

static void adapter_make(struct world *w)
{
    struct errmsg msg;
    struct mysql_config c = {.loop = &w->loop,
                             .agent_user = "u",
                             .agent_password = "p",
                             .probe_interval_ms = 50,
                             .probe_timeout_ms = 100,
                             .callbacks = {w, on_probe, on_job}};
    (void)snprintf(c.socket, sizeof c.socket, "%s", w->path);
    assert_int_equal(mysql_adapter_start(&c, &msg, &w->adapter), 0);
}

static void adapter_end(struct world *w)
{
    mysql_adapter_stop(w->adapter, on_stopped, w);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
        ;
    assert_true(w->stopped);
}

static void probes_until(struct world *w, unsigned n)
{
    while (w->probes < n)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void probe_of_nobody_is_refused(void **state)
{
    struct world *w = *state;
    adapter_make(w);
    probes_until(w, 3);
    assert_int_equal(w->outcome, PROBE_REFUSED);
    adapter_end(w);
}

static void probe_of_silence_is_a_timeout(void **state)
{
    struct world *w = *state;
    int64_t start = mysql_now_us();
    listen_on(w, 64);
    adapter_make(w);
    probes_until(w, 3);
    assert_int_equal(w->outcome, PROBE_TIMEOUT);
    assert_in_range(mysql_now_us() - start, 290000, 600000);
    adapter_end(w);
}

/* connect() on a full backlog says EAGAIN: a hung server, not a missing one. */
static void probe_of_a_full_backlog_is_a_timeout(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    adapter_make(w);
    probes_until(w, 6);
    assert_int_equal(w->outcome, PROBE_TIMEOUT);
    adapter_end(w);
}

static void job_on_silence_times_out(void **state)
{
    struct world *w = *state;
    struct job job = {.kind = JOB_SEAL, .timeout_ms = 120};
    int64_t start = mysql_now_us();
    listen_on(w, 64);
    adapter_make(w);
    assert_int_equal(mysql_job_start(w->adapter, 7, &job), 0);
    while (!w->job_done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->job_outcome, JOB_TIMEOUT);
    assert_in_range(mysql_now_us() - start, 115000, 200000);
    adapter_end(w);
}

static void jobs_end_when_the_process_dies(void **state)
{
    struct world *w = *state;
    struct job job = {.kind = JOB_SEAL, .timeout_ms = 60000};
    listen_on(w, 64);
    adapter_make(w);
    assert_int_equal(mysql_job_start(w->adapter, 7, &job), 0);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    mysql_server_died(w->adapter);
    assert_true(w->job_done);
    assert_int_equal(w->job_outcome, JOB_FAILED);
    assert_int_equal(w->outcome, PROBE_LOST);
    adapter_end(w);
}

static void stop_ends_a_job_of_a_hung_server_at_once(void **state)
{
    struct world *w = *state;
    struct job job = {.kind = JOB_SEAL, .timeout_ms = 60000};
    int64_t start;
    listen_on(w, 64);
    adapter_make(w);
    assert_int_equal(mysql_job_start(w->adapter, 7, &job), 0);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    start = mysql_now_us();
    adapter_end(w);
    assert_true(w->job_done);
    assert_true(mysql_now_us() - start < 10000000);
}

static void bad_arguments_are_refused(void **state)
{
    struct world *w = *state;
    struct errmsg msg;
    struct mysql_adapter *adapter = NULL;
    struct job none = {.kind = JOB_NONE, .timeout_ms = 1};
    struct job start = {.kind = JOB_START, .timeout_ms = 1};
    struct job no_time = {.kind = JOB_SEAL};
    struct job name = {.kind = JOB_ATTACH, .timeout_ms = 1, .host = "db1.example"};
    struct job seal = {.kind = JOB_SEAL, .timeout_ms = 1000};
    struct mysql_config c = {.loop = &w->loop,
                             .host = "localhost",
                             .port = 3306,
                             .agent_user = "u",
                             .probe_interval_ms = 50,
                             .probe_timeout_ms = 100};
    assert_int_equal(mysql_adapter_start(&c, &msg, &adapter), ERR_INVAL);
    assert_non_null(strstr(msg.text, "localhost"));
    adapter_make(w);
    assert_int_equal(mysql_job_start(w->adapter, 7, &none), ERR_INVAL);
    assert_int_equal(mysql_job_start(w->adapter, 7, &start), ERR_INVAL);
    assert_int_equal(mysql_job_start(w->adapter, 7, &no_time), ERR_INVAL);
    assert_int_equal(mysql_job_start(w->adapter, 7, &name), ERR_INVAL);
    assert_int_equal(mysql_job_start(w->adapter, 7, &seal), 0);
    adapter_end(w);
    assert_true(w->job_done);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(server_that_never_speaks_is_left_at_the_deadline),
        T(server_that_stops_in_its_greeting_is_left_at_the_deadline),
        T(server_that_hangs_up_is_told_apart),
        T(too_many_connections_is_an_answer),
        T(nobody_listens),
        T(drop_ends_the_operation_at_once),
        T(stop_during_connect_completes),
        T(probe_of_nobody_is_refused),
        T(probe_of_silence_is_a_timeout),
        T(probe_of_a_full_backlog_is_a_timeout),
        T(job_on_silence_times_out),
        T(jobs_end_when_the_process_dies),
        T(stop_ends_a_job_of_a_hung_server_at_once),
        T(bad_arguments_are_refused),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
