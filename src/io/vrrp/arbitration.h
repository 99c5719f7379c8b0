/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the arbitration addresses by ICMP echo whether they are there: raw sockets on the loop, one
 * per address family. An answer counts for the moment of its question. Decides nothing.
 *
 * Failure modes: an address that cannot be reached is not answered (sending errors are silent: they
 * come with every lost link); a late answer counts for its own question; answers to others' pings
 * are ignored by identifier, source and sequence.
 *
 * Owned by the caller from arbitration_start() until the callback of arbitration_stop(). Needs
 * CAP_NET_RAW.
 */
#ifndef TANDEM_IO_VRRP_ARBITRATION_H
#define TANDEM_IO_VRRP_ARBITRATION_H

#include <stdint.h>

#include <uv.h>

#include "util/err.h"
#include "wire/limits.h"

#define ARBITRATION_MAX 4

struct arbitration;

struct arbitration_options {
    uv_loop_t *loop;
    unsigned n;
    char addresses[ARBITRATION_MAX][ADDRESS_TEXT_MAX]; /* numeric */
    unsigned interval_ms;
    int64_t (*now_us)(void);
    void (*on_answer)(void *data, int64_t asked_us);
    void *data;
};

/* ERR_INVAL (an address), ERR_PERM, ERR_NET, ERR_NOMEM. */
int arbitration_start(const struct arbitration_options *options, struct errmsg *m,
                      struct arbitration **ret_arbitration) NODISCARD;
/* Closes, frees, calls stopped. a may be NULL: nothing happens. */
void arbitration_stop(struct arbitration *a, void (*stopped)(void *data), void *data);

#endif
