/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VRRP advertisements as bytes: version 3 (RFC 9568) for IPv4 and IPv6, version 2 (RFC 3768, with
 * the simple password of RFC 2338) for IPv4. Pure; addresses are in network byte order.
 *
 * A received datagram passes two judges. vrrp_packet_decode() asks whether it is a well-formed
 * advertisement of anybody; vrrp_packet_check() whether it is one to *this* virtual router, from
 * somebody who may speak. Each gives the first reason against it, or VRRP_REJECT_NONE.
 *
 * The checksum of version 3 over IPv4: RFC 9568 5.2.8 leaves the pseudo header out, what was
 * written for RFC 5798 (Keepalived among them) puts it in. Both are accepted, since either proves
 * the message intact; which one is sent is the caller's choice (vrrp_packet.pseudo_header).
 *
 * Not here: IPsec AH (auth type 2 of RFC 2338), which RFC 3768 withdrew. A password of version 2
 * travels in clear; it keeps out mistakes, not people.
 */
#ifndef TANDEM_WIRE_VRRP_PACKET_H
#define TANDEM_WIRE_VRRP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/limits.h"

#define VRRP_PROTOCOL 112
#define VRRP_TTL 255
#define VRRP_ADDRESSES_MAX VIPS_MAX
#define VRRP_PEERS_MAX NODES_MAX
#define VRRP_PASSWORD_SIZE 8
#define VRRP_MESSAGE_MAX (8 + 16 * VRRP_ADDRESSES_MAX) /* of what is encoded here */
#define VRRP_INTERVAL_CS_MAX 4095                      /* version 3; version 2: 255 s */
#define VRRP_INTERVAL_V2_CS_MAX 25500
#define VRRP_PRIORITY_RELEASE 0 /* the Master gives up its role */
#define VRRP_AUTH_NONE 0
#define VRRP_AUTH_PASSWORD 1

enum vrrp_family { VRRP_IPV4 = 4, VRRP_IPV6 = 6 };

enum vrrp_reject {
    VRRP_REJECT_NONE,
#define REJECT(name, id, text) VRRP_REJECT_##name,
#include "wire/vrrp_reject.def"
#undef REJECT
    VRRP_REJECT_COUNT
};

/* IPv4 in the first four bytes, the rest zero. */
struct vrrp_address {
    uint8_t bytes[16];
};

/* What the IP header says. */
struct vrrp_envelope {
    enum vrrp_family family;
    struct vrrp_address source;
    struct vrrp_address destination;
    uint8_t ttl; /* IPv6: hop limit */
};

struct vrrp_packet {
    uint8_t version; /* 2 or 3 */
    uint8_t vrid;
    uint8_t priority;
    uint16_t interval_cs; /* version 2: whole seconds */
    uint8_t auth_type;    /* version 2; else 0 */
    uint8_t password[VRRP_PASSWORD_SIZE];
    bool pseudo_header;   /* version 3 over IPv4: the checksum covers it */
    unsigned n_addresses; /* of a decoded message up to 255; only the first are kept */
    struct vrrp_address addresses[VRRP_ADDRESSES_MAX];
};

/* What an advertisement to this virtual router looks like. */
struct vrrp_expect {
    enum vrrp_family family;
    uint8_t version;
    uint8_t vrid;
    uint16_t interval_cs; /* version 2 only: version 3 learns it from the Master */
    uint8_t auth_type;
    uint8_t password[VRRP_PASSWORD_SIZE];
    struct vrrp_address own; /* the source of what this router sends */
    unsigned n_peers;        /* 0: multicast */
    struct vrrp_address peers[VRRP_PEERS_MAX];
    unsigned n_addresses;
    struct vrrp_address addresses[VRRP_ADDRESSES_MAX];
};

size_t vrrp_address_size(enum vrrp_family family);
/* Less than, equal to or greater than zero as a is, read as a number (RFC 9568 6.4.3). */
int vrrp_address_compare(const struct vrrp_address *a, const struct vrrp_address *b);
/* 224.0.0.18 or ff02::12. */
struct vrrp_address vrrp_address_group(enum vrrp_family family);

/* Stable word and sentence of a reason; "none" and "accepted" for VRRP_REJECT_NONE. */
const char *vrrp_reject_id(enum vrrp_reject reject);
const char *vrrp_reject_text(enum vrrp_reject reject);

/* Writes the message (what follows the IP header) and returns its length. The values must be in
 * range: version 2 or 3 (2 only over IPv4), 1 to VRRP_ADDRESSES_MAX addresses, an interval from 1
 * cs to VRRP_INTERVAL_CS_MAX or, in version 2, whole seconds up to VRRP_INTERVAL_V2_CS_MAX. */
size_t vrrp_packet_encode(const struct vrrp_packet *p, const struct vrrp_envelope *e,
                          uint8_t ret_message[VRRP_MESSAGE_MAX]);

/* Takes an IPv4 datagram, as a raw socket gives it, apart: *ret_message points into it. */
enum vrrp_reject vrrp_packet_open_ipv4(const uint8_t *datagram, size_t size,
                                       struct vrrp_envelope *ret_envelope,
                                       const uint8_t **ret_message, size_t *ret_size);
/* Outputs are written only with VRRP_REJECT_NONE. */
enum vrrp_reject vrrp_packet_decode(const uint8_t *message, size_t size,
                                    const struct vrrp_envelope *e, struct vrrp_packet *ret_packet);
/* The checks of RFC 9568 7.1 and RFC 3768 7.1 that need to know who we are. */
enum vrrp_reject vrrp_packet_check(const struct vrrp_expect *x, const struct vrrp_envelope *e,
                                   const struct vrrp_packet *p);

#endif
