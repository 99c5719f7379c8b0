/* SPDX-License-Identifier: Apache-2.0 */
/* What a pair's agents tell each other and keep on disk: what decodes encodes to the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/pair_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[PAIR_BYTES_MAX];
    static struct pair_message m;
    static struct pair_state s;
    size_t len = 0;
    if (pair_message_decode(data, size, &m) == 0) {
        check(pair_message_encode(&m, again, sizeof again, &len) == 0);
        check(len == size && memcmp(again, data, size) == 0);
        check(m.stamp.term <= m.term && (!m.leads || m.leads_term <= m.term));
        check(!m.has_record || m.record.epoch == m.stamp.epoch);
    }
    if (pair_state_decode(data, size, &s) == 0) {
        check(pair_state_encode(&s, again, sizeof again, &len) == 0);
        check(len == size && memcmp(again, data, size) == 0);
        check(s.record.epoch == s.stamp.epoch);
    }
    return 0;
}
