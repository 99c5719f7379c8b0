/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: epoll descriptor readable -> MHD_run -> http_on_request -> answer() -> queued; the
 * library's own time-out, if it has one, is a timer.
 */
#include "io/http/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_MEMORY_MAX 16384 /* per connection, for its headers */
#define HTTP_TICKS 1000       /* of one answer, in the bucket */
#define HTTP_METHODS "GET, HEAD, OPTIONS"

struct http {
    struct http_config config;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles;
    uint64_t bucket; /* answers left, times HTTP_TICKS */
    uint64_t filled_ms;
    void (*done)(void *data);
    void *done_data;
};

/* ---- answers ---- */

static bool http_may_answer(struct http *h)
{
    uint64_t now_ms = uv_now(h->config.loop);
    uint64_t more = (now_ms - h->filled_ms) * HTTP_PER_SECOND * HTTP_TICKS / 1000;
    uint64_t most = (uint64_t)HTTP_BURST * HTTP_TICKS;
    h->bucket = more > most - h->bucket ? most : h->bucket + more;
    h->filled_ms = now_ms;
    if (h->bucket < HTTP_TICKS)
        return false;
    h->bucket -= HTTP_TICKS;
    return true;
}

static enum MHD_Result http_send(struct MHD_Connection *c, const struct http_answer *a)
{
    enum MHD_Result done = MHD_NO;
    enum MHD_ResponseMemoryMode mode =
        a->body != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT;
    struct MHD_Response *r = MHD_create_response_from_buffer(a->length, a->body, mode);
    if (r == NULL) {
        free(a->body);
        return MHD_NO;
    }
    if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type) == MHD_YES &&
        MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
        (a->status != MHD_HTTP_METHOD_NOT_ALLOWED || /* RFC 9110 15.5.6 demands it */
         MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, HTTP_METHODS) == MHD_YES))
        done = MHD_queue_response(c, a->status, r);
    MHD_destroy_response(r);
    return done;
}

static bool http_is_reading(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 ||
           strcmp(method, MHD_HTTP_METHOD_OPTIONS) == 0;
}

/* The library's signature. The first call of a request comes with its headers only, the last one
 * when its body, if it has any, is over. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static enum MHD_Result http_on_request(void *data, struct MHD_Connection *c, const char *path,
                                       const char *method, const char *version, const char *body,
                                       size_t *length, void **request)
{
    struct http *h = data;
    struct http_answer a = {.status = MHD_HTTP_METHOD_NOT_ALLOWED, .type = "text/plain"};
    (void)version;
    (void)body;
    if (*request == NULL) {
        *request = h;
        return MHD_YES;
    }
    if (*length > 0) {
        *length = 0;
        return MHD_YES;
    }
    if (!http_may_answer(h))
        a.status = MHD_HTTP_TOO_MANY_REQUESTS;
    else if (http_is_reading(method))
        a = h->config.answer(h->config.data, path,
                             MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "lag"));
    return http_send(c, &a);
}

/* ---- the loop ---- */

static void http_run(struct http *h);

static void http_on_time(uv_timer_t *timer)
{
    http_run(timer->data);
}

static void http_on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_run(poll->data);
}

static void http_run(struct http *h)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    (void)MHD_run(h->daemon);
    if (MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES)
        (void)uv_timer_start(&h->timer, http_on_time, wait_ms > 0 ? wait_ms : 1, 0);
    else
        (void)uv_timer_stop(&h->timer);
}

/* ---- open, close ---- */

/* What the library has to say is about clients. */
static void http_on_log(void *data, const char *format, va_list arguments)
{
    (void)data;
    (void)format;
    (void)arguments;
}

static int http_address(const struct http_config *c, struct errmsg *msg,
                        struct sockaddr_storage *ret_address)
{
    if (uv_ip4_addr(c->address, c->port, (struct sockaddr_in *)ret_address) == 0 ||
        uv_ip6_addr(c->address, c->port, (struct sockaddr_in6 *)ret_address) == 0)
        return 0;
    return errmsg_set(msg, ERR_INVAL, "'%s' is no address", c->address);
}

static int http_start(struct http *h, struct errmsg *msg)
{
    struct sockaddr_storage address = {0};
    unsigned flags = MHD_USE_EPOLL;
    int err = http_address(&h->config, msg, &address);
    if (err != 0)
        return err;
    if (address.ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    h->daemon = MHD_start_daemon(
        flags, h->config.port, NULL, NULL, http_on_request, h, MHD_OPTION_EXTERNAL_LOGGER,
        http_on_log, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX / 2,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_MEMORY_MAX, MHD_OPTION_LISTENING_ADDRESS_REUSE, 0u, MHD_OPTION_END);
    if (h->daemon == NULL)
        return errmsg_set(msg, ERR_NET, "cannot listen on %s port %u: %s", h->config.address,
                          h->config.port, errno != 0 ? strerror(errno) : "unknown reason");
    return 0;
}

static int http_watch(struct http *h, struct errmsg *msg)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int err = info == NULL ? UV_EINVAL : uv_poll_init(h->config.loop, &h->poll, info->epoll_fd);
    if (err != 0)
        return errmsg_set(msg, ERR_IO, "the web server cannot be watched");
    (void)uv_timer_init(h->config.loop, &h->timer);
    h->poll.data = h->timer.data = h;
    h->handles = 2;
    h->bucket = (uint64_t)HTTP_BURST * HTTP_TICKS;
    h->filled_ms = uv_now(h->config.loop);
    (void)uv_poll_start(&h->poll, UV_READABLE, http_on_readable);
    http_run(h);
    return 0;
}

int http_open(const struct http_config *config, struct errmsg *msg, struct http **ret_http)
{
    struct http *h = calloc(1, sizeof *h);
    int err;
    if (h == NULL)
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    h->config = *config;
    err = http_start(h, msg);
    if (err == 0)
        err = http_watch(h, msg);
    if (err != 0) {
        if (h->daemon != NULL)
            MHD_stop_daemon(h->daemon);
        free(h);
        return err;
    }
    *ret_http = h;
    return 0;
}

static void http_on_closed(uv_handle_t *handle)
{
    struct http *h = handle->data;
    void (*done)(void *data) = h->done;
    void *data = h->done_data;
    if (--h->handles > 0)
        return;
    free(h);
    if (done != NULL)
        done(data);
}

void http_close(struct http *h, void (*done)(void *data), void *data)
{
    assert(h->done == NULL);
    h->done = done;
    h->done_data = data;
    (void)uv_poll_stop(&h->poll);
    MHD_stop_daemon(h->daemon);
    uv_close((uv_handle_t *)&h->poll, http_on_closed);
    uv_close((uv_handle_t *)&h->timer, http_on_closed);
}
