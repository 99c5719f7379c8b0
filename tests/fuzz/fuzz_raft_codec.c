/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes encodes to the same bytes again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/raft_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct raft_frame f;
    struct raft_message m;
    uint8_t *again;
    size_t len = 0;
    if (raft_codec_decode(data, size, &f, &m) != 0)
        return 0;
    again = malloc(size);
    if (again == NULL || raft_codec_encode(&f, &m, again, size, &len) != 0 || len != size ||
        memcmp(again, data, size) != 0)
        abort();
    free(again);
    raft_codec_release(&m);
    return 0;
}
