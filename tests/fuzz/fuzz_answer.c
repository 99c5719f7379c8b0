/* SPDX-License-Identifier: Apache-2.0 */
/* An answer that decodes encodes to the same bytes. */
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
    static struct answer m;
    struct codec c = codec_decoder(data, size);
    memset(&m, 0, sizeof m);
    answer_codec(&c, &m);
    if (codec_finish(&c) != 0)
        return 0;
    c = codec_encoder(again, sizeof again);
    answer_codec(&c, &m);
    check(codec_finish(&c) == 0);
    check(codec_used(&c) == size && memcmp(again, data, size) == 0);
    check(job_kind_text(m.kind) != NULL && job_outcome_text(m.result.outcome) != NULL);
    check(memchr(m.result.detail, 0, sizeof m.result.detail) != NULL);
    return 0;
}
