/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/arp_packet.h"

static const uint8_t own[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t other[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t vip[4] = {172, 17, 0, 101};
static const uint8_t host[4] = {172, 17, 0, 10};

/* Octets written down from RFC 826 and RFC 5227, not taken from the encoder. */
static void test_probe_octets(void **state)
{
    static const uint8_t expected[ARP_FRAME_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,   0,  0, 0,  0, 1, 0x08, 0x06, /* Ethernet */
        0,    1,    0x08, 0,    6,    4,    0,   1,                           /* request */
        2,    0,    0,    0,    0,    1,    0,   0,  0, 0,                    /* sender */
        0,    0,    0,    0,    0,    0,    172, 17, 0, 101};
    uint8_t frame[ARP_FRAME_SIZE];
    struct arp_packet p = arp_packet_probe(own, vip);
    (void)state;
    arp_packet_encode(&p, frame);
    assert_memory_equal(frame, expected, sizeof expected);
}

static void test_announcements_name_the_address_twice(void **state)
{
    uint8_t frame[ARP_FRAME_SIZE];
    (void)state;
    for (uint16_t op = ARP_OP_REQUEST; op <= ARP_OP_REPLY; op++) {
        struct arp_packet p = arp_packet_announcement(own, vip, op), q;
        arp_packet_encode(&p, frame);
        assert_int_equal(arp_packet_decode(frame, sizeof frame, &q), 0);
        assert_int_equal(q.op, op);
        assert_memory_equal(q.eth_dst, "\xff\xff\xff\xff\xff\xff", 6);
        assert_memory_equal(q.eth_src, own, 6);
        assert_memory_equal(q.sender_mac, own, 6);
        assert_memory_equal(q.sender_ip, vip, 4);
        assert_memory_equal(q.target_ip, vip, 4);
    }
}

static void test_foreign_frames_are_refused(void **state)
{
    uint8_t frame[ARP_FRAME_SIZE + 18] = {0};
    struct arp_packet p = arp_packet_probe(own, vip), q;
    (void)state;
    arp_packet_encode(&p, frame);
    assert_int_equal(arp_packet_decode(frame, sizeof frame, &q), 0);
    for (size_t n = 0; n < ARP_FRAME_SIZE; n++)
        assert_int_equal(arp_packet_decode(frame, n, &q), ERR_FORMAT);
    for (size_t at = 12; at < 20; at++) {
        frame[at] ^= 1;
        assert_int_equal(arp_packet_decode(frame, sizeof frame, &q), ERR_FORMAT);
        frame[at] ^= 1;
    }
}

static void test_conflicts(void **state)
{
    struct arp_packet p = arp_packet_announcement(other, vip, ARP_OP_REPLY);
    (void)state;
    assert_true(arp_packet_is_conflict(&p, own, vip));
    assert_false(arp_packet_is_conflict(&p, other, vip));
    assert_false(arp_packet_is_conflict(&p, own, host));
    p = arp_packet_probe(other, vip);
    assert_true(arp_packet_is_conflict(&p, own, vip));
    assert_false(arp_packet_is_conflict(&p, own, host));
    /* A host that merely looks for the address has an address of its own. */
    memcpy(p.sender_ip, host, 4);
    assert_false(arp_packet_is_conflict(&p, own, vip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_octets),
        cmocka_unit_test(test_announcements_name_the_address_twice),
        cmocka_unit_test(test_foreign_frames_are_refused),
        cmocka_unit_test(test_conflicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
