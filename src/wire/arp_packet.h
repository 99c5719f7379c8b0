/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP for IPv4 over Ethernet (RFC 826) as whole frames: probes and announcements of RFC 5227 out,
 * any ARP frame in. Pure; addresses are in network byte order.
 */
#ifndef TANDEM_WIRE_ARP_PACKET_H
#define TANDEM_WIRE_ARP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define ARP_FRAME_SIZE 42
#define ARP_OP_REQUEST 1
#define ARP_OP_REPLY 2

struct arp_packet {
    uint8_t eth_dst[6];
    uint8_t eth_src[6];
    uint16_t op;
    uint8_t sender_mac[6];
    uint8_t sender_ip[4];
    uint8_t target_mac[6];
    uint8_t target_ip[4];
};

/* "Does anybody have ip?": a request with the sender address 0.0.0.0 (RFC 5227 2.1.1), which leaves
 * the caches of those who hear it alone. */
struct arp_packet arp_packet_probe(const uint8_t mac[6], const uint8_t ip[4]);
/* "ip is at mac", broadcast. op: both forms are sent in practice, since some hosts update their
 * cache on one of them only; RFC 5227 section 3 defends the request. */
struct arp_packet arp_packet_announcement(const uint8_t mac[6], const uint8_t ip[4], uint16_t op);

void arp_packet_encode(const struct arp_packet *p, uint8_t ret_frame[ARP_FRAME_SIZE]);
/* ERR_FORMAT for anything but an IPv4 over Ethernet ARP frame; padding behind it is allowed. */
int arp_packet_decode(const uint8_t *frame, size_t size, struct arp_packet *ret_packet) NODISCARD;

/* True if p, heard on the link, speaks against ip being free: its sender uses ip, or probes for it
 * as well (RFC 5227 2.1.1). Frames of own_mac do not. */
bool arp_packet_is_conflict(const struct arp_packet *p, const uint8_t own_mac[6],
                            const uint8_t ip[4]) NODISCARD;

#endif
