/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hears advertisements of one address family and says nothing: a raw socket that joins no group, so
 * that not even a membership report leaves the host. Hence it hears multicast only on a host where
 * somebody else has joined (Keepalived has), and never what its own host sends; unicast only to
 * this host. Well-formed advertisements of any virtual router are handed on; nothing is judged.
 *
 * Owned by the caller until vrrp_ear_stop(). Needs CAP_NET_RAW.
 */
#ifndef TANDEM_IO_VRRP_VRRP_EAR_H
#define TANDEM_IO_VRRP_VRRP_EAR_H

#include <uv.h>

#include "util/err.h"
#include "wire/vrrp_packet.h"

struct vrrp_ear;

typedef void (*vrrp_heard_fn)(void *data, const struct vrrp_envelope *e,
                              const struct vrrp_packet *p);

/* ERR_PERM, ERR_NET (a host without that family, too), ERR_NOMEM. */
int vrrp_ear_start(uv_loop_t *loop, enum vrrp_family family, vrrp_heard_fn heard, void *data,
                   struct errmsg *m, struct vrrp_ear **ret_ear) NODISCARD;
/* Closes, and frees when the loop turns. NULL: nothing happens. */
void vrrp_ear_stop(struct vrrp_ear *ear);

#endif
