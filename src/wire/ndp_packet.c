/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ndp_packet.h"

#include <string.h>

#define IP_AT 14
#define MESSAGE_AT 54
#define MESSAGE_SIZE 24
#define OPTIONS_AT (MESSAGE_AT + MESSAGE_SIZE)
#define NEXT_HEADER_ICMPV6 58
#define OPTION_SOURCE_LINK 1
#define OPTION_TARGET_LINK 2

static const uint8_t unspecified[16] = {0};

static bool is_multicast(const uint8_t ip[16])
{
    return ip[0] == 0xff;
}

void ndp_packet_solicited_mac(const uint8_t ip[16], uint8_t ret_mac[6])
{
    const uint8_t mac[6] = {0x33, 0x33, 0xff, ip[13], ip[14], ip[15]};
    memcpy(ret_mac, mac, 6);
}

struct ndp_packet ndp_packet_probe(const uint8_t mac[6], const uint8_t ip[16])
{
    struct ndp_packet p = {.type = NDP_SOLICITATION};
    const uint8_t group[16] = {0xff, 0x02, 0, 0, 0,    0,      0,      0,
                               0,    0,    0, 1, 0xff, ip[13], ip[14], ip[15]};
    memcpy(p.eth_src, mac, 6);
    ndp_packet_solicited_mac(ip, p.eth_dst);
    memcpy(p.dst, group, 16);
    memcpy(p.target, ip, 16);
    return p;
}

struct ndp_packet ndp_packet_announcement(const uint8_t mac[6], const uint8_t ip[16])
{
    struct ndp_packet p = {.type = NDP_ADVERTISEMENT, .flags = NDP_FLAG_OVERRIDE};
    const uint8_t all_nodes[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
    memcpy(p.eth_src, mac, 6);
    memcpy(p.eth_dst, all_nodes_mac, 6);
    memcpy(p.src, ip, 16);
    memcpy(p.dst, all_nodes, 16);
    memcpy(p.target, ip, 16);
    p.has_link_address = true;
    memcpy(p.link_address, mac, 6);
    return p;
}

static uint32_t sum_words(const uint8_t *bytes, size_t size, uint32_t sum)
{
    size_t i;
    for (i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    if (i < size)
        sum += (uint32_t)bytes[i] << 8;
    return sum;
}

/* RFC 4443 2.3: pseudo header of addresses, length and next header, then the message. Over a valid
 * message with its checksum in place the result is 0. size is below 64 KiB: the sum cannot wrap. */
static uint16_t checksum(const uint8_t *frame, size_t size)
{
    uint32_t sum = sum_words(frame + IP_AT + 8, 32, NEXT_HEADER_ICMPV6);
    sum += (uint32_t)size;
    sum = sum_words(frame + MESSAGE_AT, size, sum);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

size_t ndp_packet_encode(const struct ndp_packet *p, uint8_t ret_frame[NDP_FRAME_MAX])
{
    uint8_t *ip = ret_frame + IP_AT, *message = ret_frame + MESSAGE_AT;
    size_t size = MESSAGE_SIZE + (p->has_link_address ? 8u : 0u);
    uint16_t sum;
    memset(ret_frame, 0, NDP_FRAME_MAX);
    memcpy(ret_frame, p->eth_dst, 6);
    memcpy(ret_frame + 6, p->eth_src, 6);
    ret_frame[12] = 0x86;
    ret_frame[13] = 0xdd;
    ip[0] = 0x60;
    ip[5] = (uint8_t)size;
    ip[6] = NEXT_HEADER_ICMPV6;
    ip[7] = 255;
    memcpy(ip + 8, p->src, 16);
    memcpy(ip + 24, p->dst, 16);
    message[0] = p->type;
    message[4] = p->flags;
    memcpy(message + 8, p->target, 16);
    if (p->has_link_address) {
        message[24] = p->type == NDP_ADVERTISEMENT ? OPTION_TARGET_LINK : OPTION_SOURCE_LINK;
        message[25] = 1;
        memcpy(message + 26, p->link_address, 6);
    }
    sum = checksum(ret_frame, size);
    message[2] = (uint8_t)(sum >> 8);
    message[3] = (uint8_t)sum;
    return MESSAGE_AT + size;
}

static int decode_options(const uint8_t *option, size_t left, struct ndp_packet *p)
{
    uint8_t wanted = p->type == NDP_ADVERTISEMENT ? OPTION_TARGET_LINK : OPTION_SOURCE_LINK;
    while (left > 0) {
        size_t size;
        if (left < 8)
            return ERR_FORMAT;
        size = (size_t)option[1] * 8;
        if (size == 0 || size > left)
            return ERR_FORMAT;
        if (option[0] == wanted && size == 8) {
            p->has_link_address = true;
            memcpy(p->link_address, option + 2, 6);
        }
        option += size;
        left -= size;
    }
    return 0;
}

/* Size of the ICMPv6 message, 0 if the frame cannot be one of ours. */
static size_t message_size(const uint8_t *frame, size_t size)
{
    const uint8_t *ip = frame + IP_AT;
    size_t message;
    if (size < OPTIONS_AT || frame[12] != 0x86 || frame[13] != 0xdd)
        return 0;
    /* Hop limit 255 proves that no router forwarded it (RFC 4861 7.1). */
    if (ip[0] >> 4 != 6 || ip[6] != NEXT_HEADER_ICMPV6 || ip[7] != 255)
        return 0;
    message = (size_t)(ip[4] << 8 | ip[5]);
    return message >= MESSAGE_SIZE && message <= size - MESSAGE_AT ? message : 0;
}

int ndp_packet_decode(const uint8_t *frame, size_t size, struct ndp_packet *ret_packet)
{
    const uint8_t *message = frame + MESSAGE_AT;
    struct ndp_packet p = {.type = 0};
    size_t message_bytes = message_size(frame, size);
    int r;
    if (message_bytes == 0 || message[1] != 0)
        return ERR_FORMAT;
    if (message[0] != NDP_SOLICITATION && message[0] != NDP_ADVERTISEMENT)
        return ERR_FORMAT;
    if (checksum(frame, message_bytes) != 0 || is_multicast(message + 8))
        return ERR_FORMAT;
    memcpy(p.eth_dst, frame, 6);
    memcpy(p.eth_src, frame + 6, 6);
    memcpy(p.src, frame + IP_AT + 8, 16);
    memcpy(p.dst, frame + IP_AT + 24, 16);
    p.type = message[0];
    p.flags = p.type == NDP_ADVERTISEMENT
                  ? message[4] & (NDP_FLAG_ROUTER | NDP_FLAG_SOLICITED | NDP_FLAG_OVERRIDE)
                  : 0;
    if (is_multicast(p.dst) && (p.flags & NDP_FLAG_SOLICITED) != 0)
        return ERR_FORMAT;
    memcpy(p.target, message + 8, 16);
    r = decode_options(frame + OPTIONS_AT, message_bytes - MESSAGE_SIZE, &p);
    if (r < 0)
        return r;
    *ret_packet = p;
    return 0;
}

bool ndp_packet_is_conflict(const struct ndp_packet *p, const uint8_t own_mac[6],
                            const uint8_t ip[16])
{
    if (memcmp(p->eth_src, own_mac, 6) == 0 || memcmp(p->target, ip, 16) != 0)
        return false;
    return p->type == NDP_ADVERTISEMENT || memcmp(p->src, unspecified, 16) == 0;
}
