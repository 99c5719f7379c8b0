/* SPDX-License-Identifier: Apache-2.0 */
/* A record that decodes encodes to the same bytes, names possible nodes only, and takes entries. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static void check_apply(struct record *r)
{
    struct entry e;
    uint64_t version = r->version;
    memset(&e, 0, sizeof e);
    e.kind = ENTRY_PROMOTE;
    e.version = version;
    e.node = 3;
    e.epoch = UINT64_MAX;
    if (r->epoch == UINT64_MAX)
        return;
    check(record_apply(r, &e) == 0);
    check(r->writer == 3 && r->in_sync == 0 && r->version == version + 1);
    check(r->n_promotions >= 1 && r->n_promotions <= PROMOTIONS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[RECORD_BYTES_MAX];
    static struct record r;
    size_t len = 0;
    if (record_decode(data, size, &r) != 0)
        return 0;
    check(record_encode(&r, again, sizeof again, &len) == 0);
    check(len == size && memcmp(again, data, size) == 0);
    check(r.writer < NODES_MAX || r.writer == NODE_NONE);
    check(r.in_sync < 1u << NODES_MAX);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        const struct promotion *p = record_promotion_after(&r, i);
        if (p != NULL)
            (void)record_clean_since(&r, p);
    }
    check_apply(&r);
    return 0;
}
