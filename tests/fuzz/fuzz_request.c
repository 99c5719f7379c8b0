/* SPDX-License-Identifier: Apache-2.0 */
/* A request that decodes encodes to the same bytes and asks for something. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[32768];
    static struct request m;
    struct codec c = codec_decoder(data, size);
    memset(&m, 0, sizeof m);
    request_codec(&c, &m);
    if (codec_finish(&c) != 0)
        return 0;
    c = codec_encoder(again, sizeof again);
    request_codec(&c, &m);
    check(codec_finish(&c) == 0);
    check(codec_used(&c) == size && memcmp(again, data, size) == 0);
    check(m.job.kind > JOB_NONE && m.job.kind < JOB_COUNT && m.job.timeout_ms > 0);
    check(memchr(m.job.gtid2, 0, sizeof m.job.gtid2) != NULL);
    return 0;
}
