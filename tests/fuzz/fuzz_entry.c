/* SPDX-License-Identifier: Apache-2.0 */
/* An entry that decodes encodes to the same bytes; applied, it leaves a record that decodes. */
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

static void check_apply(struct entry *e)
{
    static uint8_t bytes[RECORD_BYTES_MAX];
    static struct record r, back;
    size_t len = 0;
    int err;
    record_init(&r);
    r.writer = 0;
    e->version = r.version;
    err = record_apply(&r, e);
    check(err == 0 || err == ERR_INVAL);
    check(record_encode(&r, bytes, sizeof bytes, &len) == 0);
    check(record_decode(bytes, len, &back) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[ENTRY_BYTES_MAX];
    static struct entry e;
    size_t len = 0;
    if (entry_decode(data, size, &e) != 0)
        return 0;
    check(entry_encode(&e, again, sizeof again, &len) == 0);
    check(len == size && memcmp(again, data, size) == 0);
    check_apply(&e);
    return 0;
}
