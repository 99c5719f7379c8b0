/* SPDX-License-Identifier: Apache-2.0 */
#include "io/control/control.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/control/control_client.h"

/* The server runs in the test's own loop; a client, which blocks, in a thread. */
struct world {
    uv_loop_t loop;
    uv_loop_t *on; /* the loop of the first world, also in a copy */
    uv_timer_t limit;
    struct control *control;
    char dir[256];
    bool hold; /* do not answer */
    uint64_t held;
    unsigned requests;
    uint64_t gone;
    bool closed;
};

static void world_on_request(void *data, uint64_t id, const json_t *request)
{
    struct world *w = data;
    w->requests++;
    w->held = id;
    if (!w->hold)
        assert_int_equal(
            control_reply(w->control, id, json_pack("{s:b,s:O}", "ok", 1, "echo", request)), 0);
}

static void world_on_gone(void *data, uint64_t id)
{
    ((struct world *)data)->gone = id;
}

static void world_on_limit(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited too long");
}

static void world_on_done(void *data)
{
    ((struct world *)data)->closed = true;
}

static int world_start(struct world *w, uint32_t timeout_ms, struct errmsg *msg)
{
    struct control_config config = {.loop = w->on, .run_dir = w->dir, .timeout_ms = timeout_ms};
    struct control_callbacks callbacks = {w, world_on_request, world_on_gone};
    return control_open(&config, &callbacks, msg, &w->control);
}

static void world_open(struct world *w, uint32_t timeout_ms)
{
    struct errmsg msg = ERRMSG_INIT;
    memset(w, 0, sizeof *w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/test_control.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->on = &w->loop;
    assert_int_equal(uv_timer_init(&w->loop, &w->limit), 0);
    assert_int_equal(uv_timer_start(&w->limit, world_on_limit, 20000, 0), 0);
    assert_int_equal(world_start(w, timeout_ms, &msg), 0);
}

static void world_stop(struct world *w)
{
    w->closed = false;
    control_close(w->control, world_on_done, w);
    while (!w->closed)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void world_close(struct world *w)
{
    char path[300];
    world_stop(w);
    uv_close((uv_handle_t *)&w->limit, NULL);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    (void)snprintf(path, sizeof path, "%s/agent.sock", w->dir);
    assert_int_equal(access(path, F_OK), -1);
    (void)snprintf(path, sizeof path, "%s/agent.lock", w->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(w->dir), 0);
}

/* Turns the loop once, and waits until it or `fd` has something to do; the limit of the world ends
 * it all. */
static void world_turn(struct world *w, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.events = POLLIN}};
    (void)uv_run(w->on, UV_RUN_NOWAIT);
    fds[1].fd = uv_backend_fd(w->on);
    (void)poll(fds, 2, uv_backend_timeout(w->on));
}

/* ---- a client in a thread ---- */

struct asker {
    pthread_t thread;
    const char *dir;
    json_t *request;
    int64_t timeout_ms;
    int err;
    struct errmsg msg;
    json_t *reply;
    int over; /* eventfd */
};

static void *asker_run(void *data)
{
    struct asker *a = data;
    a->err = control_client_ask(a->dir, a->request, a->timeout_ms, &a->msg, &a->reply);
    (void)eventfd_write(a->over, 1);
    return NULL;
}

static void asker_start(struct asker *a, const struct world *w, int64_t timeout_ms)
{
    memset(a, 0, sizeof *a);
    a->dir = w->dir;
    a->timeout_ms = timeout_ms;
    a->request = json_pack("{s:s}", "op", "status");
    a->over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(a->over >= 0);
    assert_int_equal(pthread_create(&a->thread, NULL, asker_run, a), 0);
}

static void asker_wait(struct asker *a, struct world *w)
{
    eventfd_t n;
    while (eventfd_read(a->over, &n) != 0)
        world_turn(w, a->over);
    assert_int_equal(pthread_join(a->thread, NULL), 0);
    (void)close(a->over);
    json_decref(a->request);
}

static void test_ask(void **state)
{
    struct world w;
    struct asker a;
    struct stat st;
    char path[300];
    (void)state;
    world_open(&w, 0);
    (void)snprintf(path, sizeof path, "%s/agent.sock", w.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    asker_start(&a, &w, 5000);
    asker_wait(&a, &w);
    assert_int_equal(a.err, 0);
    assert_true(json_is_true(json_object_get(a.reply, "ok")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(a.reply, "echo"), "op")),
                        "status");
    json_decref(a.reply);
    world_close(&w);
}

static void test_second_agent_is_refused(void **state)
{
    struct world w;
    struct world other;
    struct errmsg msg = ERRMSG_INIT;
    struct asker a;
    char pid[32];
    (void)state;
    world_open(&w, 0);
    other = w;
    assert_int_equal(world_start(&other, 0, &msg), ERR_EXISTS);
    (void)snprintf(pid, sizeof pid, "(pid %d,", getpid());
    assert_non_null(strstr(msg.text, pid));
    assert_non_null(strstr(msg.text, w.dir));
    /* The first one's socket is still its own. */
    asker_start(&a, &w, 5000);
    asker_wait(&a, &w);
    assert_int_equal(a.err, 0);
    json_decref(a.reply);
    world_close(&w);
}

static int connect_raw(const struct world *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.80s/agent.sock", w->dir);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A dead agent leaves socket and lock file: told to the operator, replaced by the next agent. */
static void test_stale_socket(void **state)
{
    struct world w;
    struct errmsg msg = ERRMSG_INIT;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct asker a;
    json_t *request = json_pack("{s:s}", "op", "status");
    json_t *reply = NULL;
    int fd;
    (void)state;
    world_open(&w, 0);
    world_stop(&w);
    assert_int_equal(control_client_ask(w.dir, request, 1000, &msg, &reply), ERR_NOTFOUND);
    assert_non_null(strstr(msg.text, "systemctl start tandem"));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.80s/agent.sock", w.dir);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    assert_int_equal(control_client_ask(w.dir, request, 1000, &msg, &reply), ERR_REFUSED);
    assert_int_equal(world_start(&w, 0, &msg), 0);
    asker_start(&a, &w, 5000);
    asker_wait(&a, &w);
    assert_int_equal(a.err, 0);
    json_decref(a.reply);
    json_decref(request);
    world_close(&w);
}

/* Longer than sun_path. */
static void test_long_directory(void **state)
{
    struct world w;
    struct world deep;
    struct errmsg msg = ERRMSG_INIT;
    struct asker a;
    char path[400];
    (void)state;
    world_open(&w, 0);
    deep = w;
    (void)snprintf(deep.dir, sizeof deep.dir, "%.60s/%0150d", w.dir, 1);
    assert_int_equal(world_start(&deep, 0, &msg), 0);
    asker_start(&a, &deep, 5000);
    asker_wait(&a, &deep);
    assert_int_equal(a.err, 0);
    json_decref(a.reply);
    deep.closed = false;
    control_close(deep.control, world_on_done, &deep);
    while (!deep.closed)
        (void)uv_run(&w.loop, UV_RUN_ONCE);
    (void)snprintf(path, sizeof path, "%s/agent.lock", deep.dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(deep.dir), 0);
    world_close(&w);
}

static void test_hanging_agent(void **state)
{
    struct world w;
    struct asker a;
    (void)state;
    world_open(&w, 0);
    w.hold = true;
    asker_start(&a, &w, 200);
    asker_wait(&a, &w);
    assert_int_equal(a.err, ERR_TIMEOUT);
    assert_int_equal(w.requests, 1);
    /* The operator has gone: the late answer finds nobody. */
    while (control_reply(w.control, w.held, json_object()) == 0)
        (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    world_close(&w);
}

/* ---- a client that does not behave ---- */

/* Turns the loop until the server has closed; everything it said. */
static const char *read_to_end(struct world *w, int fd, char *buf, size_t size)
{
    size_t used = 0;
    for (;;) {
        ssize_t n = recv(fd, buf + used, size - 1 - used, 0);
        if (n == 0)
            break;
        if (n > 0)
            used += (size_t)n;
        if (n < 0)
            world_turn(w, fd);
    }
    buf[used] = '\0';
    (void)close(fd);
    return buf;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void test_bad_requests(void **state)
{
    static const char *const bad[] = {"hello\n", "[1]\n", "{\"op\":\n", "\n",
                                      "{\"a\":1,\"a\":2}\n"};
    struct world w;
    char got[1024];
    (void)state;
    world_open(&w, 0);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = connect_raw(&w);
        say(fd, bad[i]);
        (void)read_to_end(&w, fd, got, sizeof got);
        assert_non_null(strstr(got, "\"ok\":false"));
        assert_non_null(strstr(got, "one JSON object on one line"));
    }
    assert_int_equal(w.requests, 0);
    world_close(&w);
}

static void test_too_long(void **state)
{
    struct world w;
    char text[CONTROL_LINE_MAX + 2];
    char got[1024];
    int fd;
    (void)state;
    world_open(&w, 0);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    fd = connect_raw(&w);
    say(fd, text);
    assert_non_null(strstr(read_to_end(&w, fd, got, sizeof got), "the request is too long"));
    world_close(&w);
}

/* One after the other, also when they arrive together and the end of input with them. */
static void test_requests_in_order(void **state)
{
    struct world w;
    char got[1024];
    int fd;
    (void)state;
    world_open(&w, 0);
    fd = connect_raw(&w);
    say(fd, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    for (unsigned i = 0; w.requests < 3 && i < 5000; i++)
        (void)uv_run(&w.loop, UV_RUN_ONCE);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_string_equal(read_to_end(&w, fd, got, sizeof got),
                        "{\"ok\":true,\"echo\":{\"n\":1}}\n{\"ok\":true,\"echo\":{\"n\":2}}\n"
                        "{\"ok\":true,\"echo\":{\"n\":3}}\n");
    w.hold = true;
    fd = connect_raw(&w);
    say(fd, "{\"n\":4}\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while (w.requests < 4)
        (void)uv_run(&w.loop, UV_RUN_ONCE);
    (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(control_reply(w.control, w.held, json_pack("{s:b}", "ok", 1)), 0);
    assert_string_equal(read_to_end(&w, fd, got, sizeof got), "{\"ok\":true}\n");
    world_close(&w);
}

/* More than the buffer holds while a request is at work: nothing is lost. */
static void test_flood(void **state)
{
    enum { COUNT = 2000 };
    struct world w;
    char text[64];
    char got[4096];
    size_t sent = 0;
    unsigned next = 0;
    int fd;
    (void)state;
    world_open(&w, 0);
    fd = connect_raw(&w);
    while (w.requests < COUNT) {
        int size = snprintf(text, sizeof text, "{\"padding\":\"%030u\"}\n", next);
        while (next < COUNT && send(fd, text + sent, (size_t)size - sent, MSG_NOSIGNAL) > 0) {
            next++;
            size = snprintf(text, sizeof text, "{\"padding\":\"%030u\"}\n", next);
        }
        (void)uv_run(&w.loop, UV_RUN_NOWAIT);
        while (recv(fd, got, sizeof got, 0) > 0)
            ;
    }
    assert_int_equal(w.requests, COUNT);
    (void)close(fd);
    world_close(&w);
}

static void test_silent_client_is_closed(void **state)
{
    struct world w;
    char got[1024];
    int fd;
    (void)state;
    world_open(&w, 50);
    fd = connect_raw(&w);
    assert_string_equal(read_to_end(&w, fd, got, sizeof got), "");
    fd = connect_raw(&w);
    say(fd, "{\"op\"");
    assert_non_null(strstr(read_to_end(&w, fd, got, sizeof got), "did not arrive in time"));
    w.hold = true;
    fd = connect_raw(&w);
    say(fd, "{\"op\":1}\n");
    assert_non_null(strstr(read_to_end(&w, fd, got, sizeof got), "did not answer in time"));
    assert_int_equal(w.gone, w.held);
    assert_int_equal(control_reply(w.control, w.held, json_object()), ERR_NOTFOUND);
    world_close(&w);
}

static void test_too_many(void **state)
{
    struct world w;
    int fds[CONTROL_CONNECTIONS_MAX];
    char got[1024];
    int fd;
    struct asker a;
    (void)state;
    world_open(&w, 0);
    for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        fds[i] = connect_raw(&w);
        (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    fd = connect_raw(&w);
    assert_non_null(strstr(read_to_end(&w, fd, got, sizeof got), "too many commands"));
    (void)close(fds[0]);
    (void)uv_run(&w.loop, UV_RUN_ONCE);
    (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    asker_start(&a, &w, 5000);
    asker_wait(&a, &w);
    assert_int_equal(a.err, 0);
    json_decref(a.reply);
    for (unsigned i = 1; i < CONTROL_CONNECTIONS_MAX; i++)
        (void)close(fds[i]);
    world_close(&w);
}

static void test_closed_while_asked(void **state)
{
    struct world w;
    char got[64];
    int fd;
    (void)state;
    world_open(&w, 0);
    w.hold = true;
    fd = connect_raw(&w);
    say(fd, "{\"op\":1}\n");
    while (w.requests < 1)
        (void)uv_run(&w.loop, UV_RUN_ONCE);
    world_close(&w);
    assert_int_equal(recv(fd, got, sizeof got, 0), 0);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ask),           cmocka_unit_test(test_second_agent_is_refused),
        cmocka_unit_test(test_stale_socket),  cmocka_unit_test(test_long_directory),
        cmocka_unit_test(test_hanging_agent), cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_too_long),      cmocka_unit_test(test_requests_in_order),
        cmocka_unit_test(test_flood),         cmocka_unit_test(test_silent_client_is_closed),
        cmocka_unit_test(test_too_many),      cmocka_unit_test(test_closed_while_asked),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
