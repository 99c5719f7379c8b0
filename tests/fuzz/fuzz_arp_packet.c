/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes encodes to the same octets again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/arp_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[ARP_FRAME_SIZE];
    struct arp_packet p;
    if (arp_packet_decode(data, size, &p) < 0)
        return 0;
    arp_packet_encode(&p, frame);
    assert(memcmp(frame, data, sizeof frame) == 0);
    (void)!arp_packet_is_conflict(&p, p.target_mac, p.target_ip);
    return 0;
}
