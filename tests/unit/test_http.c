/* SPDX-License-Identifier: Apache-2.0 */
/* The web server on a real socket of the loopback device: what comes back, and its bounds. */
#include "io/http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 10000
#define TEXT_MAX 4096

struct web {
    uv_loop_t loop;
    struct http *http;
    uint16_t port;
    unsigned answers;
    char path[64];
    char lag[64];
    bool closed;
};

struct client {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    const char *request;
    char text[TEXT_MAX];
    size_t used;
    bool over;
    bool closed;
};

static struct http_answer answer(void *data, const char *path, const char *lag)
{
    struct web *w = data;
    struct http_answer a = {.status = 200, .type = "text/plain", .body = strdup("hello")};
    w->answers++;
    (void)snprintf(w->path, sizeof w->path, "%s", path);
    (void)snprintf(w->lag, sizeof w->lag, "%s", lag != NULL ? lag : "none");
    a.length = 5;
    return a;
}

/* A port that is free just now. */
static uint16_t free_port(uv_loop_t *loop)
{
    uv_tcp_t tcp;
    struct sockaddr_in in;
    int size = sizeof in;
    assert_int_equal(uv_tcp_init(loop, &tcp), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &in), 0);
    assert_int_equal(uv_tcp_bind(&tcp, (struct sockaddr *)&in, 0), 0);
    assert_int_equal(uv_tcp_getsockname(&tcp, (struct sockaddr *)&in, &size), 0);
    uv_close((uv_handle_t *)&tcp, NULL);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    return ntohs(in.sin_port);
}

static int setup(void **state)
{
    struct web *w = calloc(1, sizeof *w);
    struct errmsg m = ERRMSG_INIT;
    struct http_config c = {.address = "127.0.0.1", .answer = answer, .data = w};
    assert_non_null(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    c.loop = &w->loop;
    c.port = w->port = free_port(&w->loop);
    assert_int_equal(http_open(&c, &m, &w->http), 0);
    *state = w;
    return 0;
}

static void on_http_closed(void *data)
{
    ((struct web *)data)->closed = true;
}

static int teardown(void **state)
{
    struct web *w = *state;
    http_close(w->http, on_http_closed, w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_true(w->closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

/* ---- a client ---- */

static void on_client_closed(uv_handle_t *handle)
{
    ((struct client *)handle->data)->closed = true;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct client *c = handle->data;
    (void)size;
    *buf = uv_buf_init(c->text + c->used, (unsigned)(TEXT_MAX - 1 - c->used));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = stream->data;
    (void)buf;
    if (n > 0)
        c->used += (size_t)n;
    c->over = c->over || n < 0;
    if (n < 0 && uv_is_closing((uv_handle_t *)stream) == 0)
        uv_close((uv_handle_t *)stream, on_client_closed);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct client *c = connect->data;
    uv_buf_t buf = uv_buf_init((char *)c->request, (unsigned)strlen(c->request));
    assert_int_equal(status, 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read), 0);
    if (buf.len > 0)
        assert_int_equal(uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, NULL), 0);
}

static struct client *connected(struct web *w, const char *request)
{
    struct client *c = calloc(1, sizeof *c);
    struct sockaddr_in in;
    assert_non_null(c);
    c->request = request;
    c->tcp.data = c->connect.data = c;
    assert_int_equal(uv_tcp_init(&w->loop, &c->tcp), 0);
    c->tcp.data = c;
    assert_int_equal(uv_ip4_addr("127.0.0.1", w->port, &in), 0);
    assert_int_equal(uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&in, on_connected), 0);
    return c;
}

static void run_until(struct web *w, const bool *what)
{
    uint64_t end_ms = uv_now(&w->loop) + WAIT_MS;
    while (!*what && uv_now(&w->loop) < end_ms)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_true(*what);
}

static void hang_up(struct web *w, struct client *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp) == 0)
        uv_close((uv_handle_t *)&c->tcp, on_client_closed);
    run_until(w, &c->closed);
    free(c);
}

/* One request on a connection of its own; the text of what came back. */
static void ask(struct web *w, const char *request, char ret_text[TEXT_MAX])
{
    struct client *c = connected(w, request);
    run_until(w, &c->over);
    memcpy(ret_text, c->text, TEXT_MAX);
    hang_up(w, c);
}

/* ---- tests ---- */

#define END " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void test_answers_with_path_and_lag(void **state)
{
    struct web *w = *state;
    char text[TEXT_MAX];
    ask(w, "GET /replica?lag=5s" END, text);
    assert_non_null(strstr(text, "HTTP/1.1 200"));
    assert_non_null(strstr(text, "text/plain"));
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    assert_string_equal(w->path, "/replica");
    assert_string_equal(w->lag, "5s");
    ask(w, "GET /health" END, text);
    assert_string_equal(w->lag, "none");
}

static void test_head_has_no_body(void **state)
{
    struct web *w = *state;
    char text[TEXT_MAX];
    ask(w, "HEAD /primary" END, text);
    assert_non_null(strstr(text, "HTTP/1.1 200"));
    assert_null(strstr(text, "hello"));
}

static void test_only_reading_is_answered(void **state)
{
    struct web *w = *state;
    char text[TEXT_MAX];
    ask(w, "DELETE /cluster" END, text);
    assert_non_null(strstr(text, "HTTP/1.1 405"));
    assert_non_null(strstr(text, "Allow: GET, HEAD, OPTIONS\r\n"));
    ask(w,
        "POST /switchover HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: "
        "close\r\n\r\nbody",
        text);
    assert_non_null(strstr(text, "HTTP/1.1 405"));
    assert_int_equal(w->answers, 0);
}

static void test_nonsense_is_survived(void **state)
{
    struct web *w = *state;
    char text[TEXT_MAX];
    ask(w, "\x16\x03\x01 no http at all\r\n\r\n", text);
    assert_int_equal(w->answers, 0);
    ask(w, "GET /health" END, text);
    assert_int_equal(w->answers, 1);
}

/* More connections of one address than it may have: the surplus is closed at once, the rest live.
 */
static void test_connections_are_bounded(void **state)
{
    struct web *w = *state;
    struct client *c[HTTP_CONNECTIONS_MAX];
    unsigned refused = 0;
    uint64_t end_ms = uv_now(&w->loop) + WAIT_MS;
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        c[i] = connected(w, "");
    while (refused < HTTP_CONNECTIONS_MAX / 2 && uv_now(&w->loop) < end_ms) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
        refused = 0;
        for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
            refused += c[i]->over;
    }
    assert_int_equal(refused, HTTP_CONNECTIONS_MAX / 2);
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        hang_up(w, c[i]);
}

static void test_answers_are_bounded(void **state)
{
    struct web *w = *state;
    char text[TEXT_MAX] = "";
    unsigned asked = 0;
    while (strstr(text, " 429 ") == NULL && asked < 100 * HTTP_BURST) {
        ask(w, "GET /cluster" END, text);
        asked++;
    }
    assert_non_null(strstr(text, " 429 "));
    assert_true(w->answers >= HTTP_BURST);
    assert_int_equal(w->answers, asked - 1);
}

static void test_taken_port_is_an_error(void **state)
{
    struct web *w = *state;
    struct errmsg m = ERRMSG_INIT;
    struct http *second;
    struct http_config c = {&w->loop, "127.0.0.1", w->port, answer, w};
    assert_int_equal(http_open(&c, &m, &second), ERR_NET);
    assert_non_null(strstr(m.text, "cannot listen on 127.0.0.1 port"));
    c.address = "nowhere";
    assert_int_equal(http_open(&c, &m, &second), ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_with_path_and_lag, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_has_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_reading_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_port_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
