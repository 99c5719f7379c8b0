/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One virtual router's raw socket on the loop: advertisements out to the group or to unicast peers,
 * judged advertisements in. It decides nothing: what passes wire/vrrp_packet is handed on, what
 * does not is counted by its reason, and told in the log at first and then once a minute per reason
 * (except advertisements of other virtual routers, which are ordinary on a shared link).
 *
 * The socket is bound to one device by its index. If the device vanishes and comes again, stop and
 * start anew; until then sending fails and nothing is heard. It does not hear what this host sends.
 *
 * With `own_mac` what is sent leaves by another device of the same cable, whose MAC is the virtual
 * router's (net_macvlan_up()), and what is heard still comes from `device`.
 *
 * Owned by the caller from vrrp_socket_start() until the callback of vrrp_socket_stop(). Everything
 * is called on the loop's thread. Needs CAP_NET_RAW.
 */
#ifndef TANDEM_IO_VRRP_VRRP_SOCKET_H
#define TANDEM_IO_VRRP_VRRP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "util/err.h"
#include "util/log.h"
#include "wire/vrrp_packet.h"

#define VRRP_DEVICE_MAX 16 /* IFNAMSIZ */

struct vrrp_socket;

struct vrrp_counters {
    uint64_t accepted;
    uint64_t rejected[VRRP_REJECT_COUNT];
    uint64_t receive_errors;
    uint64_t sent; /* datagrams: one per peer */
    uint64_t send_errors;
};

struct vrrp_socket_options {
    uv_loop_t *loop;
    struct log log;
    char device[VRRP_DEVICE_MAX];
    /* Who we are and what is accepted; `own` is the source of what is sent, an address of the
     * device (IPv6 multicast: its link-local one). */
    struct vrrp_expect expect;
    bool own_mac;       /* nothing is sent but by the device of vrrp_socket_leave_by() */
    bool pseudo_header; /* of version 3 over IPv4, see vrrp_packet.h */
    /* May stop the socket. */
    void (*on_packet)(void *data, const struct vrrp_envelope *e, const struct vrrp_packet *p);
    void *data;
};

/* ERR_NOTFOUND: no such device; ERR_PERM; ERR_NET; ERR_NOMEM. */
int vrrp_socket_start(const struct vrrp_socket_options *options, struct errmsg *m,
                      struct vrrp_socket **ret_socket) NODISCARD;
/* Closes, frees, calls stopped (may be NULL). s may be NULL: nothing happens. */
void vrrp_socket_stop(struct vrrp_socket *s, void (*stopped)(void *data), void *data);

/* Advertises to the group or to each peer. ERR_NET if one of them failed (the others were tried):
 * the link is down, the source address is gone or not yet usable. ERR_STATE: no device to leave by.
 */
int vrrp_socket_send(struct vrrp_socket *s, uint8_t priority, struct errmsg *m) NODISCARD;
/* With own_mac: the device by which advertisements leave from here on; NULL: none, sending gives
 * ERR_STATE. ERR_NOTFOUND: no such device; ERR_PERM; ERR_NET. */
int vrrp_socket_leave_by(struct vrrp_socket *s, const char *device, struct errmsg *m) NODISCARD;
/* Hands on what has arrived, without waiting. To be called before a timer is judged (core/vrrp.h).
 * Bounded: under a flood the rest comes with the loop's next turn. */
void vrrp_socket_drain(struct vrrp_socket *s);

const struct vrrp_counters *vrrp_socket_counters(const struct vrrp_socket *s);
void vrrp_counters_add(struct vrrp_counters *sum, const struct vrrp_counters *c);

/* An address of the device that may be `own`: IPv6: link-local; IPv4: the first. Blocks for a
 * netlink round trip. ERR_NOTFOUND: it has none (yet). */
int vrrp_socket_find_own(const char *device, enum vrrp_family family,
                         struct vrrp_address *ret_own) NODISCARD;

#endif
