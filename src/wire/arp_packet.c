/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/arp_packet.h"

#include <string.h>

static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* EtherType, hardware type Ethernet, protocol IPv4, address lengths 6 and 4. */
static const uint8_t arp_fixed[8] = {0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4};

struct arp_packet arp_packet_probe(const uint8_t mac[6], const uint8_t ip[4])
{
    struct arp_packet p = {.op = ARP_OP_REQUEST};
    memcpy(p.eth_dst, broadcast_mac, 6);
    memcpy(p.eth_src, mac, 6);
    memcpy(p.sender_mac, mac, 6);
    memcpy(p.target_ip, ip, 4);
    return p;
}

struct arp_packet arp_packet_announcement(const uint8_t mac[6], const uint8_t ip[4], uint16_t op)
{
    struct arp_packet p = arp_packet_probe(mac, ip);
    p.op = op;
    memcpy(p.sender_ip, ip, 4);
    if (op == ARP_OP_REPLY)
        memcpy(p.target_mac, broadcast_mac, 6);
    return p;
}

void arp_packet_encode(const struct arp_packet *p, uint8_t ret_frame[ARP_FRAME_SIZE])
{
    memcpy(ret_frame, p->eth_dst, 6);
    memcpy(ret_frame + 6, p->eth_src, 6);
    memcpy(ret_frame + 12, arp_fixed, sizeof arp_fixed);
    ret_frame[20] = (uint8_t)(p->op >> 8);
    ret_frame[21] = (uint8_t)p->op;
    memcpy(ret_frame + 22, p->sender_mac, 6);
    memcpy(ret_frame + 28, p->sender_ip, 4);
    memcpy(ret_frame + 32, p->target_mac, 6);
    memcpy(ret_frame + 38, p->target_ip, 4);
}

int arp_packet_decode(const uint8_t *frame, size_t size, struct arp_packet *ret_packet)
{
    if (size < ARP_FRAME_SIZE || memcmp(frame + 12, arp_fixed, sizeof arp_fixed) != 0)
        return ERR_FORMAT;
    memcpy(ret_packet->eth_dst, frame, 6);
    memcpy(ret_packet->eth_src, frame + 6, 6);
    ret_packet->op = (uint16_t)(frame[20] << 8 | frame[21]);
    memcpy(ret_packet->sender_mac, frame + 22, 6);
    memcpy(ret_packet->sender_ip, frame + 28, 4);
    memcpy(ret_packet->target_mac, frame + 32, 6);
    memcpy(ret_packet->target_ip, frame + 38, 4);
    return 0;
}

bool arp_packet_is_conflict(const struct arp_packet *p, const uint8_t own_mac[6],
                            const uint8_t ip[4])
{
    static const uint8_t nobody[4] = {0};
    if (memcmp(p->sender_mac, own_mac, 6) == 0)
        return false;
    if (memcmp(p->sender_ip, ip, 4) == 0)
        return true;
    return p->op == ARP_OP_REQUEST && memcmp(p->sender_ip, nobody, 4) == 0 &&
           memcmp(p->target_ip, ip, 4) == 0;
}
