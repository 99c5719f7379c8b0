/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbour Solicitations and Advertisements (RFC 4861 4.3, 4.4) as whole Ethernet frames: the
 * probes of duplicate address detection and unsolicited advertisements out, any of them in. Pure;
 * addresses are in network byte order.
 */
#ifndef TANDEM_WIRE_NDP_PACKET_H
#define TANDEM_WIRE_NDP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define NDP_FRAME_MAX 86 /* of what is encoded here: 14 Ethernet, 40 IPv6, 24 message, 8 option */
#define NDP_SOLICITATION 135
#define NDP_ADVERTISEMENT 136
#define NDP_FLAG_ROUTER 0x80
#define NDP_FLAG_SOLICITED 0x40
#define NDP_FLAG_OVERRIDE 0x20

struct ndp_packet {
    uint8_t eth_dst[6];
    uint8_t eth_src[6];
    uint8_t src[16];
    uint8_t dst[16];
    uint8_t type;  /* NDP_SOLICITATION or NDP_ADVERTISEMENT */
    uint8_t flags; /* NDP_FLAG_*; 0 in a solicitation */
    uint8_t target[16];
    bool has_link_address; /* the source (solicitation) or target (advertisement) option */
    uint8_t link_address[6];
};

/* "Does anybody have ip?", from the unspecified address to ip's solicited-node group (RFC 4862
 * 5.4.2). */
struct ndp_packet ndp_packet_probe(const uint8_t mac[6], const uint8_t ip[16]);
/* "ip is at mac, whatever you believed", unsolicited to all nodes (RFC 4861 7.2.6). */
struct ndp_packet ndp_packet_announcement(const uint8_t mac[6], const uint8_t ip[16]);
/* The Ethernet group of ip's solicited-node address (RFC 2464 7). */
void ndp_packet_solicited_mac(const uint8_t ip[16], uint8_t ret_mac[6]);

/* Returns the length of the frame. */
size_t ndp_packet_encode(const struct ndp_packet *p, uint8_t ret_frame[NDP_FRAME_MAX]);
/* The checks of RFC 4861 7.1.1 and 7.1.2, checksum included; else ERR_FORMAT. Extension headers
 * are not accepted: nobody sends them here. */
int ndp_packet_decode(const uint8_t *frame, size_t size, struct ndp_packet *ret_packet) NODISCARD;

/* True if p, heard on the link, speaks against ip being free: an advertisement of it, or somebody
 * else's probe for it (RFC 4862 5.4.3, 5.4.4). Frames of own_mac do not. */
bool ndp_packet_is_conflict(const struct ndp_packet *p, const uint8_t own_mac[6],
                            const uint8_t ip[16]) NODISCARD;

#endif
