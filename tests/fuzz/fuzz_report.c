/* SPDX-License-Identifier: Apache-2.0 */
/* A report that decodes encodes to the same bytes; one of an older agent ends before ours does. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[32768];
    static struct report m;
    struct codec c = codec_decoder(data, size);
    memset(&m, 0, sizeof m);
    report_codec(&c, &m);
    if (codec_finish(&c) != 0)
        return 0;
    c = codec_encoder(again, sizeof again);
    report_codec(&c, &m);
    check(codec_finish(&c) == 0);
    check(codec_used(&c) >= size && memcmp(again, data, size) == 0);
    check(m.leader < NODES_MAX || m.leader == NODE_NONE);
    check(server_health_text(m.health) != NULL && eligibility_text(m.eligible) != NULL);
    return 0;
}
