/* SPDX-License-Identifier: Apache-2.0 */
#include "io/vrrp/greeting.h"

#include <string.h>

int greeting_init(struct greeting *g, uv_loop_t *loop, const char *address, uint16_t port,
                  unsigned timeout_ms)
{
    memset(g, 0, sizeof *g);
    g->loop = loop;
    g->timeout_ms = timeout_ms;
    if (uv_ip4_addr(address, port, (struct sockaddr_in *)&g->address) != 0 &&
        uv_ip6_addr(address, port, (struct sockaddr_in6 *)&g->address) != 0)
        return ERR_INVAL;
    (void)uv_timer_init(loop, &g->timer);
    g->timer.data = g;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct greeting *g = handle->data;
    if (g->closed != NULL)
        g->closed(g->closed_data);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct greeting *g = handle->data;
    g->busy = false;
    if (g->closing)
        uv_close((uv_handle_t *)&g->timer, on_timer_closed);
    else
        g->on_end(g->data, g->greeted);
}

static void finish(struct greeting *g, bool greeted)
{
    if (uv_is_closing((uv_handle_t *)&g->tcp))
        return;
    g->greeted = greeted;
    (void)uv_timer_stop(&g->timer);
    uv_close((uv_handle_t *)&g->tcp, on_tcp_closed);
}

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct greeting *g = handle->data;
    (void)size;
    *buf = uv_buf_init(g->byte, sizeof g->byte);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n != 0)
        finish(stream->data, n > 0);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct greeting *g = connect->data;
    if (status != 0 || uv_read_start((uv_stream_t *)&g->tcp, on_buffer, on_read) != 0)
        finish(g, false);
}

static void on_timer(uv_timer_t *timer)
{
    finish(timer->data, false);
}

void greeting_try(struct greeting *g, void (*on_end)(void *data, bool greeted), void *data)
{
    if (g->busy || g->closing)
        return;
    g->busy = true;
    g->on_end = on_end;
    g->data = data;
    (void)uv_tcp_init(g->loop, &g->tcp);
    g->tcp.data = g->connect.data = g;
    (void)uv_timer_start(&g->timer, on_timer, g->timeout_ms, 0);
    if (uv_tcp_connect(&g->connect, &g->tcp, (const struct sockaddr *)&g->address, on_connect) != 0)
        finish(g, false);
}

void greeting_close(struct greeting *g, void (*closed)(void *data), void *data)
{
    g->closing = true;
    g->closed = closed;
    g->closed_data = data;
    (void)uv_timer_stop(&g->timer);
    if (!g->busy)
        uv_close((uv_handle_t *)&g->timer, on_timer_closed);
    else
        finish(g, false);
}
