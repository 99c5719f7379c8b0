/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The corpora of the fuzz targets are captures of Keepalived 2.2.7, so decoding them is a check
 * against another implementation; encoding what was decoded must give the same octets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/vrrp_input.h"
#include "wire/vrrp_packet.h"

struct capture {
    const char *path;
    enum vrrp_family family;
    struct vrrp_packet packet;
    uint8_t last_octet; /* of the first address */
    uint8_t ttl;
    bool multicast;
};

static const struct capture captures[] = {
    {"vrrp_v2/keepalived-password",
     VRRP_IPV4,
     {2, 100, 100, 100, 1, "1111", false, 1, {{{0}}}},
     101,
     255,
     true},
    {"vrrp_v2/keepalived-password-release",
     VRRP_IPV4,
     {2, 100, 0, 100, 1, "1111", false, 1, {{{0}}}},
     101,
     255,
     true},
    {"vrrp_v2/keepalived-two-addresses",
     VRRP_IPV4,
     {2, 100, 100, 100, 0, "", false, 2, {{{0}}}},
     101,
     255,
     true},
    {"vrrp_v3/keepalived-ipv4",
     VRRP_IPV4,
     {3, 100, 100, 50, 0, "", true, 1, {{{0}}}},
     101,
     255,
     true},
    {"vrrp_v3/keepalived-ipv4-release",
     VRRP_IPV4,
     {3, 100, 0, 50, 0, "", true, 1, {{{0}}}},
     101,
     255,
     true},
    {"vrrp_v3/keepalived-ipv6",
     VRRP_IPV6,
     {3, 100, 100, 100, 0, "", true, 2, {{{0}}}},
     1,
     255,
     true},
    {"vrrp_v3/keepalived-ipv6-release",
     VRRP_IPV6,
     {3, 100, 0, 100, 0, "", true, 2, {{{0}}}},
     1,
     255,
     true},
    {"vrrp_v3/keepalived-unicast",
     VRRP_IPV4,
     {3, 100, 100, 100, 0, "", true, 1, {{{0}}}},
     101,
     255,
     false},
    {"vrrp_v3/keepalived-unicast-ipv6",
     VRRP_IPV6,
     {3, 100, 100, 100, 0, "", true, 2, {{{0}}}},
     1,
     64,
     false},
};
#define CAPTURES (sizeof captures / sizeof *captures)

struct sample {
    uint8_t bytes[256];
    struct vrrp_envelope envelope;
    const uint8_t *message;
    size_t size;
    struct vrrp_packet packet;
};

static void sample_read(const char *path, struct sample *s)
{
    char name[512];
    FILE *f;
    size_t n;
    (void)snprintf(name, sizeof name, "%s/%s", FUZZ_CORPUS, path);
    f = fopen(name, "re");
    if (f == NULL)
        fail_msg("%s cannot be opened", name);
    n = fread(s->bytes, 1, sizeof s->bytes, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(vrrp_input_open(s->bytes, n, &s->envelope, &s->message, &s->size),
                     VRRP_REJECT_NONE);
}

static void sample_load(const char *path, struct sample *s)
{
    sample_read(path, s);
    assert_int_equal(vrrp_packet_decode(s->message, s->size, &s->envelope, &s->packet),
                     VRRP_REJECT_NONE);
}

static void test_captures_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        const struct capture *c = &captures[i];
        struct sample s = {.size = 0};
        struct vrrp_address group = vrrp_address_group(c->family);
        struct vrrp_packet *p = &s.packet;
        sample_read(c->path, &s);
        assert_int_equal(vrrp_packet_decode(s.message, s.size, &s.envelope, p), VRRP_REJECT_NONE);
        assert_int_equal(s.envelope.family, c->family);
        assert_int_equal(s.envelope.ttl, c->ttl);
        assert_int_equal(vrrp_address_compare(&s.envelope.destination, &group) == 0, c->multicast);
        assert_int_equal(p->version, c->packet.version);
        assert_int_equal(p->vrid, c->packet.vrid);
        assert_int_equal(p->priority, c->packet.priority);
        assert_int_equal(p->interval_cs, c->packet.interval_cs);
        assert_int_equal(p->auth_type, c->packet.auth_type);
        assert_memory_equal(p->password, c->packet.password, VRRP_PASSWORD_SIZE);
        assert_int_equal(p->pseudo_header, c->packet.pseudo_header);
        assert_int_equal(p->n_addresses, c->packet.n_addresses);
        assert_int_equal(p->addresses[0].bytes[vrrp_address_size(c->family) - 1], c->last_octet);
    }
}

static void test_captures_are_encoded_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        struct sample s;
        uint8_t message[VRRP_MESSAGE_MAX];
        sample_load(captures[i].path, &s);
        assert_int_equal(vrrp_packet_encode(&s.packet, &s.envelope, message), s.size);
        assert_memory_equal(message, s.message, s.size);
    }
}

/* RFC 9568 5.2.9: the order of the addresses is the caller's, on the wire too. Keepalived's list
 * begins with the link-local one; neither order is refused. */
static void test_link_local_address_stays_first(void **state)
{
    static const uint8_t link_local[] = {0xfe, 0x80}, other[] = {0xfd, 0x17};
    struct sample s;
    struct vrrp_packet p;
    struct vrrp_address first;
    uint8_t message[VRRP_MESSAGE_MAX];
    (void)state;
    sample_load("vrrp_v3/keepalived-ipv6", &s);
    p = s.packet;
    assert_int_equal(vrrp_packet_encode(&p, &s.envelope, message), 8 + 2 * 16);
    assert_memory_equal(message + 8, link_local, 2);
    assert_memory_equal(message + 24, other, 2);
    first = p.addresses[0];
    p.addresses[0] = p.addresses[1];
    p.addresses[1] = first;
    assert_int_equal(vrrp_packet_encode(&p, &s.envelope, message), 8 + 2 * 16);
    assert_memory_equal(message + 8, other, 2);
    assert_memory_equal(message + 24, link_local, 2);
    assert_int_equal(vrrp_packet_decode(message, 8 + 2 * 16, &s.envelope, &p), VRRP_REJECT_NONE);
}

/* The octets of RFC 9568 5.1 with the checksum of its 5.2.8, computed by hand:
 * 3164 + 6401 + 0032 + ac11 + 0065 = 1420d, folded 420e, inverted bdf1. */
static void test_checksum_of_rfc_9568(void **state)
{
    static const uint8_t expected[] = {0x31, 0x64, 0x64, 0x01, 0x00, 0x32,
                                       0xbd, 0xf1, 172,  17,   0,    101};
    struct sample s;
    uint8_t message[VRRP_MESSAGE_MAX];
    struct vrrp_packet q;
    sample_load("vrrp_v3/keepalived-ipv4", &s);
    (void)state;
    s.packet.pseudo_header = false;
    assert_int_equal(vrrp_packet_encode(&s.packet, &s.envelope, message), sizeof expected);
    assert_memory_equal(message, expected, sizeof expected);
    assert_int_equal(vrrp_packet_decode(message, sizeof expected, &s.envelope, &q),
                     VRRP_REJECT_NONE);
    assert_false(q.pseudo_header);
}

static void test_ipv6_needs_the_pseudo_header(void **state)
{
    struct sample s;
    struct vrrp_packet q;
    sample_load("vrrp_v3/keepalived-ipv6", &s);
    (void)state;
    s.envelope.source.bytes[15] ^= 1;
    assert_int_equal(vrrp_packet_decode(s.message, s.size, &s.envelope, &q), VRRP_REJECT_CHECKSUM);
}

/* Right without it, as over IPv4 it may be. */
static void test_ipv6_checksum_without_pseudo_header(void **state)
{
    struct sample s;
    struct vrrp_envelope as_ipv4;
    struct vrrp_packet p;
    uint8_t *message;
    uint32_t sum;
    (void)state;
    sample_load("vrrp_v3/keepalived-ipv6", &s);
    message = s.bytes + (s.message - s.bytes);
    as_ipv4 = s.envelope;
    memset(&as_ipv4.source, 0, sizeof as_ipv4.source);
    memset(&as_ipv4.destination, 0, sizeof as_ipv4.destination);
    vrrp_input_mend(message, s.size, &as_ipv4);
    /* Take protocol and length out of the sum as well: now it covers the message alone. */
    sum = (uint32_t)(message[6] << 8 | message[7]) + VRRP_PROTOCOL + (uint32_t)s.size;
    sum = (sum & 0xffff) + (sum >> 16);
    message[6] = (uint8_t)(sum >> 8);
    message[7] = (uint8_t)sum;
    assert_int_equal(vrrp_packet_decode(message, s.size, &s.envelope, &p), VRRP_REJECT_CHECKSUM);
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        struct sample s;
        struct vrrp_packet q;
        sample_load(captures[i].path, &s);
        for (size_t n = 0; n < s.size; n++)
            assert_int_equal(vrrp_packet_decode(s.message, n, &s.envelope, &q),
                             n < 8 ? VRRP_REJECT_SHORT : VRRP_REJECT_LENGTH);
        assert_int_equal(vrrp_packet_decode(s.message, s.size + 2, &s.envelope, &q),
                         VRRP_REJECT_LENGTH);
    }
}

static void test_every_flipped_bit_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        struct sample s;
        struct vrrp_packet q;
        uint8_t *message;
        sample_load(captures[i].path, &s);
        message = s.bytes + (s.message - s.bytes);
        for (size_t bit = 0; bit < s.size * 8; bit++) {
            message[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(vrrp_packet_decode(message, s.size, &s.envelope, &q),
                                 VRRP_REJECT_NONE);
            message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static enum vrrp_reject judge_mended(struct sample *s, size_t at, uint8_t value)
{
    uint8_t *message = s->bytes + (s->message - s->bytes);
    message[at] = value;
    vrrp_input_mend(message, s->size, &s->envelope);
    return vrrp_packet_decode(message, s->size, &s->envelope, &s->packet);
}

struct field {
    const char *path;
    size_t at;
    uint8_t value;
    enum vrrp_reject reject;
};

/* Every field at fault in turn, under a right checksum. */
static void test_fields_are_judged(void **state)
{
    static const char two[] = "vrrp_v2/keepalived-password", three[] = "vrrp_v3/keepalived-ipv4";
    static const char six[] = "vrrp_v3/keepalived-ipv6";
    static const struct field fields[] = {
        {two, 0, 0x11, VRRP_REJECT_VERSION},  {two, 0, 0x41, VRRP_REJECT_VERSION},
        {six, 0, 0x21, VRRP_REJECT_VERSION},  {two, 0, 0x31, VRRP_REJECT_LENGTH},
        {three, 0, 0x21, VRRP_REJECT_LENGTH}, {two, 0, 0x20, VRRP_REJECT_TYPE},
        {two, 0, 0x22, VRRP_REJECT_TYPE},     {three, 0, 0x3f, VRRP_REJECT_TYPE},
        {two, 3, 0, VRRP_REJECT_NO_ADDRESS},  {three, 3, 0, VRRP_REJECT_NO_ADDRESS},
        {two, 3, 2, VRRP_REJECT_LENGTH},      {three, 3, 255, VRRP_REJECT_LENGTH},
        {six, 3, 1, VRRP_REJECT_LENGTH},      {two, 5, 0, VRRP_REJECT_INTERVAL},
        {three, 5, 0, VRRP_REJECT_INTERVAL},  {two, 5, 255, VRRP_REJECT_NONE},
        {three, 4, 0xf0, VRRP_REJECT_NONE}, /* reserved bits are ignored */
    };
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct sample s;
        sample_load(fields[i].path, &s);
        assert_int_equal(judge_mended(&s, fields[i].at, fields[i].value), fields[i].reject);
    }
}

static void test_reserved_bits_do_not_count(void **state)
{
    struct sample s;
    sample_load("vrrp_v3/keepalived-ipv4", &s);
    (void)state;
    assert_int_equal(judge_mended(&s, 4, 0xff), VRRP_REJECT_NONE);
    assert_int_equal(s.packet.interval_cs, 0x0f32);
}

static void test_ipv4_header_is_judged(void **state)
{
    static const struct field fields[] = {
        {NULL, 0, 0x65, VRRP_REJECT_HEADER}, /* IP version 6 */
        {NULL, 0, 0x44, VRRP_REJECT_HEADER}, /* header of 16 octets */
        {NULL, 0, 0x4f, VRRP_REJECT_HEADER}, /* longer than the datagram */
        {NULL, 3, 19, VRRP_REJECT_HEADER},   /* total length shorter than the header */
        {NULL, 3, 41, VRRP_REJECT_HEADER},   /* or longer than what arrived */
        {NULL, 6, 0x20, VRRP_REJECT_HEADER}, /* more fragments */
        {NULL, 7, 1, VRRP_REJECT_HEADER},    /* fragment offset */
        {NULL, 9, 17, VRRP_REJECT_HEADER},   /* UDP */
        {NULL, 6, 0x40, VRRP_REJECT_NONE},   /* don't fragment */
        {NULL, 3, 39, VRRP_REJECT_NONE},
    };
    struct sample s;
    struct vrrp_envelope e;
    const uint8_t *message;
    size_t size;
    sample_load("vrrp_v2/keepalived-password", &s);
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint8_t datagram[40];
        memcpy(datagram, s.bytes, sizeof datagram);
        datagram[fields[i].at] = fields[i].value;
        assert_int_equal(vrrp_packet_open_ipv4(datagram, sizeof datagram, &e, &message, &size),
                         fields[i].reject);
    }
    for (size_t n = 0; n < 40; n++)
        assert_int_equal(vrrp_packet_open_ipv4(s.bytes, n, &e, &message, &size),
                         VRRP_REJECT_HEADER);
}

static void test_options_and_padding_of_ipv4(void **state)
{
    uint8_t datagram[60] = {0x46, 0, 0, 44, 0, 0, 0, 0, 255, VRRP_PROTOCOL,
                            0,    0, 1, 2,  3, 4, 5, 6, 7,   8};
    struct vrrp_envelope e;
    const uint8_t *message;
    size_t size;
    (void)state;
    assert_int_equal(vrrp_packet_open_ipv4(datagram, sizeof datagram, &e, &message, &size),
                     VRRP_REJECT_NONE);
    assert_ptr_equal(message, datagram + 24);
    assert_int_equal(size, 20);
    assert_int_equal(e.ttl, 255);
    assert_memory_equal(e.source.bytes, "\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_memory_equal(e.destination.bytes, "\5\6\7\10\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static struct vrrp_expect expect_of(const struct sample *s)
{
    struct vrrp_expect x = vrrp_input_expect(&s->envelope, &s->packet);
    struct vrrp_address group = vrrp_address_group(s->envelope.family);
    x.own.bytes[0] = 9;
    if (vrrp_address_compare(&s->envelope.destination, &group) != 0)
        x.peers[x.n_peers++] = s->envelope.source;
    return x;
}

static void test_who_is_meant_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        struct sample s;
        struct vrrp_expect x;
        sample_load(captures[i].path, &s);
        x = expect_of(&s);
        assert_int_equal(vrrp_packet_check(&x, &s.envelope, &s.packet), VRRP_REJECT_NONE);
    }
}

static void test_each_mismatch_has_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAPTURES; i++) {
        struct sample s;
        bool multicast = captures[i].multicast;
        struct vrrp_expect x, good;
        struct vrrp_envelope e;
        sample_load(captures[i].path, &s);
        x = good = expect_of(&s);
        e = s.envelope;
#define JUDGE() vrrp_packet_check(&x, &e, &s.packet)
        x.own = s.envelope.source;
        assert_int_equal(JUDGE(), VRRP_REJECT_OWN);
        x = good;
        x.n_peers = multicast ? 1 : 0;
        assert_int_equal(JUDGE(), VRRP_REJECT_DESTINATION);
        x = good;
        x.vrid++;
        assert_int_equal(JUDGE(), VRRP_REJECT_VRID);
        x = good;
        x.version = x.version == 2 ? 3 : 2;
        assert_int_equal(JUDGE(), VRRP_REJECT_VERSION);
        x = good;
        x.auth_type = x.auth_type == 0;
        assert_int_equal(JUDGE(), VRRP_REJECT_AUTH_TYPE);
        x = good;
        x.addresses[0].bytes[3] ^= 1;
        assert_int_equal(JUDGE(), VRRP_REJECT_ADDRESSES);
        x = good;
        x.n_addresses++;
        assert_int_equal(JUDGE(), VRRP_REJECT_ADDRESSES);
        x = good;
        x.interval_cs += 100;
        assert_int_equal(JUDGE(), x.version == 2 ? VRRP_REJECT_INTERVAL : VRRP_REJECT_NONE);
        x = good;
        e.ttl = 254;
        assert_int_equal(JUDGE(), multicast ? VRRP_REJECT_TTL : VRRP_REJECT_NONE);
        if (!multicast) {
            x.peers[0].bytes[1] ^= 1;
            assert_int_equal(JUDGE(), VRRP_REJECT_PEER);
        }
#undef JUDGE
    }
}

static void test_password(void **state)
{
    struct sample s;
    struct vrrp_expect x;
    uint8_t message[VRRP_MESSAGE_MAX];
    size_t size;
    (void)state;
    sample_load("vrrp_v2/keepalived-password", &s);
    x = expect_of(&s);
    for (size_t i = 0; i < VRRP_PASSWORD_SIZE; i++) {
        x.password[i] ^= 0x20;
        assert_int_equal(vrrp_packet_check(&x, &s.envelope, &s.packet), VRRP_REJECT_PASSWORD);
        x.password[i] ^= 0x20;
    }
    /* Without authentication the octets are there, zero when sent and ignored when received. */
    sample_load("vrrp_v2/keepalived-two-addresses", &s);
    x = expect_of(&s);
    x.password[0] = 'x';
    assert_int_equal(vrrp_packet_check(&x, &s.envelope, &s.packet), VRRP_REJECT_NONE);
    s.packet.password[0] = 'x';
    size = vrrp_packet_encode(&s.packet, &s.envelope, message);
    assert_int_equal(size, s.size);
    assert_memory_equal(message, s.message, size);
}

static void test_order_of_addresses_does_not_count(void **state)
{
    struct sample s;
    struct vrrp_address first;
    struct vrrp_expect x;
    (void)state;
    sample_load("vrrp_v2/keepalived-two-addresses", &s);
    x = expect_of(&s);
    first = x.addresses[0];
    x.addresses[0] = x.addresses[1];
    x.addresses[1] = first;
    assert_int_equal(vrrp_packet_check(&x, &s.envelope, &s.packet), VRRP_REJECT_NONE);
    x.addresses[0] = first;
    assert_int_equal(vrrp_packet_check(&x, &s.envelope, &s.packet), VRRP_REJECT_ADDRESSES);
    /* One twice is not two. */
    x = expect_of(&s);
    s.packet.addresses[1] = s.packet.addresses[0];
    assert_int_equal(vrrp_packet_check(&x, &s.envelope, &s.packet), VRRP_REJECT_ADDRESSES);
}

/* More addresses than are kept: well-formed, and never those of this router. */
static void test_more_addresses_than_are_kept(void **state)
{
    uint8_t message[8 + 255 * 4 + VRRP_PASSWORD_SIZE] = {0x21, 7, 100, 255, 0, 1};
    struct vrrp_envelope e = {
        .family = VRRP_IPV4, .destination = vrrp_address_group(VRRP_IPV4), .ttl = 255};
    struct vrrp_expect x = {.family = VRRP_IPV4,
                            .version = 2,
                            .vrid = 7,
                            .interval_cs = 100,
                            .n_addresses = VRRP_ADDRESSES_MAX};
    struct vrrp_packet p;
    (void)state;
    x.own.bytes[0] = 9;
    vrrp_input_mend(message, sizeof message, &e);
    assert_int_equal(vrrp_packet_decode(message, sizeof message, &e, &p), VRRP_REJECT_NONE);
    assert_int_equal(p.n_addresses, 255);
    assert_int_equal(vrrp_packet_check(&x, &e, &p), VRRP_REJECT_ADDRESSES);
}

static void test_addresses_compare_as_numbers(void **state)
{
    static const struct vrrp_address low = {{172, 17, 0, 10}}, high = {{172, 17, 0, 200}},
                                     higher = {{173}};
    (void)state;
    assert_true(vrrp_address_compare(&low, &high) < 0);
    assert_true(vrrp_address_compare(&higher, &high) > 0);
    assert_int_equal(vrrp_address_compare(&high, &high), 0);
}

static void test_reasons_have_words(void **state)
{
    (void)state;
    for (int i = 0; i < VRRP_REJECT_COUNT; i++) {
        assert_true(strlen(vrrp_reject_text(i)) > 0);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(vrrp_reject_id(i), vrrp_reject_id(k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_are_understood),
        cmocka_unit_test(test_captures_are_encoded_alike),
        cmocka_unit_test(test_link_local_address_stays_first),
        cmocka_unit_test(test_checksum_of_rfc_9568),
        cmocka_unit_test(test_ipv6_needs_the_pseudo_header),
        cmocka_unit_test(test_ipv6_checksum_without_pseudo_header),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_every_flipped_bit_is_refused),
        cmocka_unit_test(test_fields_are_judged),
        cmocka_unit_test(test_reserved_bits_do_not_count),
        cmocka_unit_test(test_ipv4_header_is_judged),
        cmocka_unit_test(test_options_and_padding_of_ipv4),
        cmocka_unit_test(test_who_is_meant_accepts),
        cmocka_unit_test(test_each_mismatch_has_its_reason),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_order_of_addresses_does_not_count),
        cmocka_unit_test(test_more_addresses_than_are_kept),
        cmocka_unit_test(test_addresses_compare_as_numbers),
        cmocka_unit_test(test_reasons_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
