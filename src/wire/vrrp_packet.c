/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vrrp_packet.h"

#include <assert.h>
#include <string.h>

#define FIXED_SIZE 8
#define TYPE_ADVERTISEMENT 1
#define CHECKSUM_AT 6
#define IPV4_HEADER_MIN 20

struct reject_row {
    const char *id;
    const char *text;
};

static const struct reject_row reject_rows[VRRP_REJECT_COUNT] = {
    {"none", "accepted"},
#define REJECT(name, id, text) {id, text},
#include "wire/vrrp_reject.def"
#undef REJECT
};

const char *vrrp_reject_id(enum vrrp_reject reject)
{
    assert(reject < VRRP_REJECT_COUNT);
    return reject_rows[reject].id;
}

const char *vrrp_reject_text(enum vrrp_reject reject)
{
    assert(reject < VRRP_REJECT_COUNT);
    return reject_rows[reject].text;
}

size_t vrrp_address_size(enum vrrp_family family)
{
    return family == VRRP_IPV4 ? 4 : 16;
}

int vrrp_address_compare(const struct vrrp_address *a, const struct vrrp_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

struct vrrp_address vrrp_address_group(enum vrrp_family family)
{
    static const struct vrrp_address four = {{224, 0, 0, 18}};
    static const struct vrrp_address six = {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12}};
    return family == VRRP_IPV4 ? four : six;
}

static size_t message_size(uint8_t version, enum vrrp_family family, unsigned n_addresses)
{
    return FIXED_SIZE + n_addresses * vrrp_address_size(family) +
           (version == 2 ? VRRP_PASSWORD_SIZE : 0);
}

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* size is even: every part of a message is. */
static uint32_t sum_words(const uint8_t *bytes, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i += 2)
        sum += get_u16(bytes + i);
    return sum;
}

/* RFC 1071 over the message and, if asked for, the pseudo header of RFC 8200 8.1 (for IPv4 that of
 * RFC 793 3.1). Over a message with its checksum in place the result is 0. A message is shorter
 * than 64 KiB, so the sum cannot wrap. */
static uint16_t checksum(const uint8_t *message, size_t size, const struct vrrp_envelope *e,
                         bool pseudo_header)
{
    size_t n = vrrp_address_size(e->family);
    uint32_t sum = 0;
    if (pseudo_header) {
        sum = sum_words(e->source.bytes, n, VRRP_PROTOCOL + (uint32_t)size);
        sum = sum_words(e->destination.bytes, n, sum);
    }
    sum = sum_words(message, size, sum);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static bool has_pseudo_header(const struct vrrp_packet *p, const struct vrrp_envelope *e)
{
    return e->family == VRRP_IPV6 || (p->version == 3 && p->pseudo_header);
}

size_t vrrp_packet_encode(const struct vrrp_packet *p, const struct vrrp_envelope *e,
                          uint8_t ret_message[VRRP_MESSAGE_MAX])
{
    size_t n = vrrp_address_size(e->family);
    size_t size = message_size(p->version, e->family, p->n_addresses);
    assert(p->version == 3 || (p->version == 2 && e->family == VRRP_IPV4));
    assert(p->n_addresses >= 1 && p->n_addresses <= VRRP_ADDRESSES_MAX);
    assert(p->interval_cs >= 1);
    memset(ret_message, 0, VRRP_MESSAGE_MAX);
    ret_message[0] = (uint8_t)(p->version << 4 | TYPE_ADVERTISEMENT);
    ret_message[1] = p->vrid;
    ret_message[2] = p->priority;
    ret_message[3] = (uint8_t)p->n_addresses;
    if (p->version == 2) {
        assert(p->interval_cs % 100 == 0 && p->interval_cs <= VRRP_INTERVAL_V2_CS_MAX);
        ret_message[4] = p->auth_type;
        ret_message[5] = (uint8_t)(p->interval_cs / 100);
    } else {
        assert(p->interval_cs <= VRRP_INTERVAL_CS_MAX);
        put_u16(ret_message + 4, p->interval_cs);
    }
    for (unsigned i = 0; i < p->n_addresses; i++)
        memcpy(ret_message + FIXED_SIZE + i * n, p->addresses[i].bytes, n);
    if (p->version == 2 && p->auth_type != VRRP_AUTH_NONE)
        memcpy(ret_message + size - VRRP_PASSWORD_SIZE, p->password, VRRP_PASSWORD_SIZE);
    put_u16(ret_message + CHECKSUM_AT, checksum(ret_message, size, e, has_pseudo_header(p, e)));
    return size;
}

enum vrrp_reject vrrp_packet_open_ipv4(const uint8_t *datagram, size_t size,
                                       struct vrrp_envelope *ret_envelope,
                                       const uint8_t **ret_message, size_t *ret_size)
{
    struct vrrp_envelope e = {.family = VRRP_IPV4};
    size_t header, total;
    if (size < IPV4_HEADER_MIN || datagram[0] >> 4 != 4)
        return VRRP_REJECT_HEADER;
    header = (size_t)(datagram[0] & 15) * 4;
    total = get_u16(datagram + 2);
    if (header < IPV4_HEADER_MIN || total < header || total > size)
        return VRRP_REJECT_HEADER;
    /* More fragments, or an offset: no advertisement needs them. */
    if ((get_u16(datagram + 6) & 0x3fff) != 0 || datagram[9] != VRRP_PROTOCOL)
        return VRRP_REJECT_HEADER;
    e.ttl = datagram[8];
    memcpy(e.source.bytes, datagram + 12, 4);
    memcpy(e.destination.bytes, datagram + 16, 4);
    *ret_envelope = e;
    *ret_message = datagram + header;
    *ret_size = total - header;
    return VRRP_REJECT_NONE;
}

static enum vrrp_reject decode_checksum(const uint8_t *message, size_t size,
                                        const struct vrrp_envelope *e, struct vrrp_packet *p)
{
    p->pseudo_header = p->version == 3 && checksum(message, size, e, true) == 0;
    if (p->pseudo_header)
        return VRRP_REJECT_NONE;
    /* IPv6 has no checksum of its own, so there the pseudo header is not optional. */
    if (e->family == VRRP_IPV6 || checksum(message, size, e, false) != 0)
        return VRRP_REJECT_CHECKSUM;
    return VRRP_REJECT_NONE;
}

enum vrrp_reject vrrp_packet_decode(const uint8_t *message, size_t size,
                                    const struct vrrp_envelope *e, struct vrrp_packet *ret_packet)
{
    struct vrrp_packet p = {.version = 0};
    size_t n = vrrp_address_size(e->family);
    if (size < FIXED_SIZE)
        return VRRP_REJECT_SHORT;
    p.version = message[0] >> 4;
    if (p.version != 3 && (p.version != 2 || e->family != VRRP_IPV4))
        return VRRP_REJECT_VERSION;
    if ((message[0] & 15) != TYPE_ADVERTISEMENT)
        return VRRP_REJECT_TYPE;
    p.vrid = message[1];
    p.priority = message[2];
    p.n_addresses = message[3];
    if (p.n_addresses == 0)
        return VRRP_REJECT_NO_ADDRESS;
    if (size != message_size(p.version, e->family, p.n_addresses))
        return VRRP_REJECT_LENGTH;
    if (decode_checksum(message, size, e, &p) != VRRP_REJECT_NONE)
        return VRRP_REJECT_CHECKSUM;
    if (p.version == 2) {
        p.auth_type = message[4];
        p.interval_cs = (uint16_t)(message[5] * 100);
        memcpy(p.password, message + size - VRRP_PASSWORD_SIZE, VRRP_PASSWORD_SIZE);
    } else {
        /* The four bits above are reserved, and ignored on reception (RFC 9568 5.2.6). */
        p.interval_cs = get_u16(message + 4) & 0x0fff;
    }
    if (p.interval_cs == 0)
        return VRRP_REJECT_INTERVAL;
    for (unsigned i = 0; i < p.n_addresses && i < VRRP_ADDRESSES_MAX; i++)
        memcpy(p.addresses[i].bytes, message + FIXED_SIZE + i * n, n);
    *ret_packet = p;
    return VRRP_REJECT_NONE;
}

static bool list_has(const struct vrrp_address *list, unsigned n, const struct vrrp_address *a)
{
    for (unsigned i = 0; i < n; i++) {
        if (vrrp_address_compare(&list[i], a) == 0)
            return true;
    }
    return false;
}

/* The order of the list means nothing, except that an IPv6 one begins with the link-local address
 * (RFC 9568 5.2.9), which senders in practice do not keep. */
static bool same_addresses(const struct vrrp_expect *x, const struct vrrp_packet *p)
{
    assert(x->n_addresses <= VRRP_ADDRESSES_MAX);
    if (x->n_addresses != p->n_addresses)
        return false;
    for (unsigned i = 0; i < p->n_addresses; i++) {
        if (!list_has(x->addresses, x->n_addresses, &p->addresses[i]) ||
            !list_has(p->addresses, p->n_addresses, &x->addresses[i]))
            return false;
    }
    return true;
}

static enum vrrp_reject check_sender(const struct vrrp_expect *x, const struct vrrp_envelope *e)
{
    struct vrrp_address group = vrrp_address_group(x->family);
    bool to_group = vrrp_address_compare(&e->destination, &group) == 0;
    if (vrrp_address_compare(&e->source, &x->own) == 0)
        return VRRP_REJECT_OWN;
    if (to_group != (x->n_peers == 0))
        return VRRP_REJECT_DESTINATION;
    if (x->n_peers > 0)
        return list_has(x->peers, x->n_peers, &e->source) ? VRRP_REJECT_NONE : VRRP_REJECT_PEER;
    /* Unicast peers may be routers apart; on a link 255 proves that none was between. */
    return e->ttl == VRRP_TTL ? VRRP_REJECT_NONE : VRRP_REJECT_TTL;
}

enum vrrp_reject vrrp_packet_check(const struct vrrp_expect *x, const struct vrrp_envelope *e,
                                   const struct vrrp_packet *p)
{
    enum vrrp_reject reject = check_sender(x, e);
    if (reject != VRRP_REJECT_NONE)
        return reject;
    if (p->vrid != x->vrid)
        return VRRP_REJECT_VRID;
    if (p->version != x->version)
        return VRRP_REJECT_VERSION;
    if (p->auth_type != x->auth_type)
        return VRRP_REJECT_AUTH_TYPE;
    if (x->auth_type == VRRP_AUTH_PASSWORD &&
        memcmp(p->password, x->password, VRRP_PASSWORD_SIZE) != 0)
        return VRRP_REJECT_PASSWORD;
    if (!same_addresses(x, p))
        return VRRP_REJECT_ADDRESSES;
    /* RFC 3768 7.1; in version 3 the backups learn the Master's interval (RFC 9568 6.4.2). */
    if (p->version == 2 && p->interval_cs != x->interval_cs)
        return VRRP_REJECT_INTERVAL;
    return VRRP_REJECT_NONE;
}
