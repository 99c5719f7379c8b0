/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/ndp_packet.h"

static const uint8_t own[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t other[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t vip[16] = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef};
static const uint8_t host[16] = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10};

/* Octets written down from RFC 4861 and RFC 8200; the checksum is a sum of those words. */
static void test_probe_octets(void **state)
{
    static const uint8_t expected[78] = {
        0x33, 0x33, 0xff, 0xab, 0xcd, 0xef, 2,  0,   0, 0, 0, 1, 0x86, 0xdd, /* Ethernet */
        0x60, 0,    0,    0,    0,    24,   58, 255,                         /* IPv6 */
        0,    0,    0,    0,    0,    0,    0,  0,   0, 0, 0, 0, 0,    0,    0,    0,
        0xff, 0x02, 0,    0,    0,    0,    0,  0,   0, 0, 0, 1, 0xff, 0xab, 0xcd, 0xef,
        135,  0,    0xe0, 0x71, 0,    0,    0,  0, /* solicitation */
        0xfd, 0,    0,    0,    0,    0,    0,  0,   0, 0, 0, 0, 0,    0xab, 0xcd, 0xef};
    uint8_t frame[NDP_FRAME_MAX];
    struct ndp_packet p = ndp_packet_probe(own, vip);
    (void)state;
    assert_int_equal(ndp_packet_encode(&p, frame), sizeof expected);
    assert_memory_equal(frame, expected, sizeof expected);
}

static void test_announcement_round_trip(void **state)
{
    uint8_t frame[NDP_FRAME_MAX];
    struct ndp_packet p = ndp_packet_announcement(own, vip), q;
    size_t size = ndp_packet_encode(&p, frame);
    (void)state;
    assert_int_equal(size, NDP_FRAME_MAX);
    assert_int_equal(ndp_packet_decode(frame, size, &q), 0);
    assert_int_equal(q.type, NDP_ADVERTISEMENT);
    assert_int_equal(q.flags, NDP_FLAG_OVERRIDE);
    assert_memory_equal(q.target, vip, 16);
    assert_memory_equal(q.src, vip, 16);
    assert_memory_equal(q.eth_dst, "\x33\x33\0\0\0\1", 6);
    assert_true(q.has_link_address);
    assert_memory_equal(q.link_address, own, 6);
}

static void test_foreign_frames_are_refused(void **state)
{
    uint8_t frame[NDP_FRAME_MAX];
    struct ndp_packet p = ndp_packet_announcement(own, vip), q;
    size_t size = ndp_packet_encode(&p, frame);
    (void)state;
    for (size_t n = 0; n < size; n++)
        assert_int_equal(ndp_packet_decode(frame, n, &q), ERR_FORMAT);
    /* Every single bit after the Ethernet addresses matters, but traffic class and flow label, and
     * the reserved ones are under the checksum. */
    for (size_t bit = 12 * 8; bit < size * 8; bit++) {
        if (bit / 8 >= 15 && bit / 8 <= 17)
            continue;
        if (bit / 8 == 14 && bit % 8 < 4)
            continue;
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(ndp_packet_decode(frame, size, &q), ERR_FORMAT);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(ndp_packet_decode(frame, size, &q), 0);
}

static void test_conflicts(void **state)
{
    struct ndp_packet p = ndp_packet_announcement(other, vip);
    (void)state;
    assert_true(ndp_packet_is_conflict(&p, own, vip));
    assert_false(ndp_packet_is_conflict(&p, other, vip));
    assert_false(ndp_packet_is_conflict(&p, own, host));
    p = ndp_packet_probe(other, vip);
    assert_true(ndp_packet_is_conflict(&p, own, vip));
    /* Address resolution by a host that has an address is not a claim. */
    memcpy(p.src, host, 16);
    assert_false(ndp_packet_is_conflict(&p, own, vip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_octets),
        cmocka_unit_test(test_announcement_round_trip),
        cmocka_unit_test(test_foreign_frames_are_refused),
        cmocka_unit_test(test_conflicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
