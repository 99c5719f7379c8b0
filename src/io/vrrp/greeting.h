/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a database server elsewhere greet who connects? One attempt at a time: TCP, then the first
 * byte that it says, within a time limit. A server that hangs, or whose kernel takes the connection
 * for a process that is stopped, does not greet. Nothing is said to it and no account is needed.
 *
 * Each attempt counts as an aborted connection there; a server that resolves names blocks a host
 * after max_connect_errors of them, which is why the drop-ins of `tandem init` have
 * skip_name_resolve.
 *
 * The caller owns the struct from greeting_init() until the callback of greeting_close().
 */
#ifndef TANDEM_IO_VRRP_GREETING_H
#define TANDEM_IO_VRRP_GREETING_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "util/err.h"

struct greeting {
    uv_loop_t *loop;
    struct sockaddr_storage address;
    unsigned timeout_ms;
    uv_timer_t timer;
    uv_tcp_t tcp;
    uv_connect_t connect;
    char byte[1];
    bool busy;
    bool greeted;
    bool closing;
    void (*on_end)(void *data, bool greeted);
    void *data;
    void (*closed)(void *data);
    void *closed_data;
};

/* ERR_INVAL: the address is not numeric. */
int greeting_init(struct greeting *g, uv_loop_t *loop, const char *address, uint16_t port,
                  unsigned timeout_ms) NODISCARD;
/* on_end comes once, later. Nothing happens while one runs. */
void greeting_try(struct greeting *g, void (*on_end)(void *data, bool greeted), void *data);
/* on_end does not come any more. */
void greeting_close(struct greeting *g, void (*closed)(void *data), void *data);

#endif
