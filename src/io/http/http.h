/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small web server that only answers: GET, HEAD and OPTIONS. libmicrohttpd in its epoll mode, on
 * the loop of the caller. It knows nothing of what requests mean.
 *
 * It never holds up the loop: HTTP_CONNECTIONS_MAX connections, half as many from one address,
 * HTTP_IDLE_S seconds for each, and HTTP_PER_SECOND answers a second over all of them, HTTP_BURST
 * at once; beyond that 429 without a call of `answer`. Nothing is read of a request's body.
 *
 * Happy path: http_open -> answer() per request -> http_close. If the address cannot be bound (not
 * there yet at boot, taken) http_open fails and changes nothing: try again later.
 */
#ifndef TANDEM_IO_HTTP_HTTP_H
#define TANDEM_IO_HTTP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "util/err.h"
#include "util/log.h"

#define HTTP_CONNECTIONS_MAX 32
#define HTTP_IDLE_S 10
#define HTTP_PER_SECOND 50
#define HTTP_BURST 100

struct http;

struct http_answer {
    unsigned status;
    const char *type; /* of the content; static */
    char *body;       /* made by malloc; taken over; NULL: none */
    size_t length;
};

/* Copied by http_open. */
struct http_config {
    uv_loop_t *loop;
    const char *address; /* IPv4 or IPv6, as inet_ntop writes it */
    uint16_t port;
    /* path: without the query. lag: the value of the query's `lag`, NULL if there is none. */
    struct http_answer (*answer)(void *data, const char *path, const char *lag);
    void *data;
};

/* ERR_NET (cannot be bound), ERR_INVAL (no address), ERR_NOMEM, ERR_IO. */
int http_open(const struct http_config *config, struct errmsg *msg,
              struct http **ret_http) NODISCARD;
/* Open connections are ended; done() comes from the loop and `http` is freed then. */
void http_close(struct http *http, void (*done)(void *data), void *data);

#endif
