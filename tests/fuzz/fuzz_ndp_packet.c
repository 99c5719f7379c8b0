/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mutated frame seldom has a right checksum, so the input is also read as the fields of a packet,
 * which must survive encoding and decoding.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/ndp_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const uint8_t *data)
{
    uint8_t frame[NDP_FRAME_MAX];
    struct ndp_packet p = ndp_packet_announcement(data, data + 6), q;
    size_t size;
    p.type = data[22] % 2 == 0 ? NDP_SOLICITATION : NDP_ADVERTISEMENT;
    p.flags = p.type == NDP_ADVERTISEMENT ? NDP_FLAG_OVERRIDE : 0;
    p.has_link_address = data[23] % 2 == 0;
    size = ndp_packet_encode(&p, frame);
    if (p.target[0] == 0xff) {
        assert(ndp_packet_decode(frame, size, &q) == ERR_FORMAT);
        return;
    }
    assert(ndp_packet_decode(frame, size, &q) == 0);
    assert(memcmp(p.target, q.target, 16) == 0);
    assert(p.has_link_address == q.has_link_address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ndp_packet p;
    if (ndp_packet_decode(data, size, &p) == 0)
        (void)!ndp_packet_is_conflict(&p, p.eth_dst, p.target);
    if (size >= 24)
        round_trip(data);
    return 0;
}
