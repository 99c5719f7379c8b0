/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets of both VRRP versions do with a datagram, IPv4 or IPv6 as a capture has it.
 * A mutated message seldom has a right checksum, so it is judged a second time with the checksum
 * mended: what is then accepted must survive encoding and decoding unchanged.
 */
#ifndef TANDEM_TESTS_FUZZ_VRRP_INPUT_H
#define TANDEM_TESTS_FUZZ_VRRP_INPUT_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/vrrp_packet.h"

#define VRRP_INPUT_IPV6_HEADER 40
#define VRRP_INPUT_MAX 65536

/* Raw IPv6 sockets give no header: this stands in for the kernel. */
static inline enum vrrp_reject vrrp_input_open(const uint8_t *data, size_t size,
                                               struct vrrp_envelope *e, const uint8_t **message,
                                               size_t *message_size)
{
    if (size < VRRP_INPUT_IPV6_HEADER || data[0] >> 4 != 6)
        return vrrp_packet_open_ipv4(data, size, e, message, message_size);
    *e = (struct vrrp_envelope){.family = VRRP_IPV6, .ttl = data[7]};
    memcpy(e->source.bytes, data + 8, 16);
    memcpy(e->destination.bytes, data + 24, 16);
    *message = data + VRRP_INPUT_IPV6_HEADER;
    *message_size = size - VRRP_INPUT_IPV6_HEADER;
    return VRRP_REJECT_NONE;
}

/* A router that expects just this packet, if it has no more addresses than a router can have. */
static inline struct vrrp_expect vrrp_input_expect(const struct vrrp_envelope *e,
                                                   const struct vrrp_packet *p)
{
    struct vrrp_expect x = {
        .family = e->family,
        .version = p->version,
        .vrid = p->vrid,
        .interval_cs = p->interval_cs,
        .auth_type = p->auth_type,
        .n_addresses = p->n_addresses <= VRRP_ADDRESSES_MAX ? p->n_addresses : VRRP_ADDRESSES_MAX};
    memcpy(x.password, p->password, sizeof x.password);
    memcpy(x.addresses, p->addresses, sizeof x.addresses);
    return x;
}

static inline void vrrp_input_round_trip(const struct vrrp_packet *p, const struct vrrp_envelope *e)
{
    uint8_t message[VRRP_MESSAGE_MAX];
    struct vrrp_packet q = {.version = 0};
    size_t size = vrrp_packet_encode(p, e, message);
    enum vrrp_reject reject = vrrp_packet_decode(message, size, e, &q);
    assert(reject == VRRP_REJECT_NONE);
    assert(q.version == p->version && q.vrid == p->vrid && q.priority == p->priority);
    assert(q.interval_cs == p->interval_cs && q.auth_type == p->auth_type);
    assert(q.n_addresses == p->n_addresses);
    assert(memcmp(q.addresses, p->addresses, sizeof q.addresses) == 0);
    if (p->auth_type != VRRP_AUTH_NONE)
        assert(memcmp(q.password, p->password, sizeof q.password) == 0);
}

static inline void vrrp_input_judge(const uint8_t *message, size_t size,
                                    const struct vrrp_envelope *e)
{
    struct vrrp_packet p = {.version = 0};
    struct vrrp_expect x;
    enum vrrp_reject reject = vrrp_packet_decode(message, size, e, &p);
    assert(reject < VRRP_REJECT_COUNT);
    if (reject != VRRP_REJECT_NONE)
        return;
    x = vrrp_input_expect(e, &p);
    assert(vrrp_packet_check(&x, e, &p) < VRRP_REJECT_COUNT);
    if (p.n_addresses <= VRRP_ADDRESSES_MAX)
        vrrp_input_round_trip(&p, e);
}

/* The checksum that makes a message of this size whole: RFC 1071, written a second time. */
static inline void vrrp_input_mend(uint8_t *message, size_t size, const struct vrrp_envelope *e)
{
    uint32_t sum = 0;
    message[6] = message[7] = 0;
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)message[i] << 8 : message[i];
    if (message[0] >> 4 == 3) {
        sum += VRRP_PROTOCOL + (uint32_t)size;
        for (size_t i = 0; i < 16; i += 2) {
            sum += (uint32_t)(e->source.bytes[i] << 8 | e->source.bytes[i + 1]);
            sum += (uint32_t)(e->destination.bytes[i] << 8 | e->destination.bytes[i + 1]);
        }
    }
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    message[6] = (uint8_t)(~sum >> 8);
    message[7] = (uint8_t)~sum;
}

static inline void vrrp_input_run(const uint8_t *data, size_t size, uint8_t version)
{
    struct vrrp_envelope e;
    const uint8_t *message;
    size_t message_size;
    uint8_t *copy;
    if (size > VRRP_INPUT_MAX ||
        vrrp_input_open(data, size, &e, &message, &message_size) != VRRP_REJECT_NONE)
        return;
    vrrp_input_judge(message, message_size, &e);
    if (message_size < 8)
        return;
    copy = malloc(message_size);
    assert(copy != NULL);
    memcpy(copy, message, message_size);
    copy[0] = (uint8_t)(version << 4 | (copy[0] & 15));
    vrrp_input_mend(copy, message_size, &e);
    vrrp_input_judge(copy, message_size, &e);
    free(copy);
}

#endif
