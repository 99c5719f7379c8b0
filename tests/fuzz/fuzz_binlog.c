/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a binlog file: the walk ends, groups lie inside the input in order, the same bytes
 * in other portions give the same groups, and a plan made of them cuts at a group's start.
 * Checksums would stop nearly every mutation, so the first byte of the input chooses whether they
 * are mended.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/crc32.h"
#include "wire/binlog_event.h"
#include "wire/rewind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX 65536

static void check(int ok)
{
    if (!ok)
        abort();
}

static void mend_checksums(uint8_t *file, size_t size)
{
    size_t at = BINLOG_MAGIC_SIZE;
    while (size >= BINLOG_HEADER_SIZE + BINLOG_CHECKSUM_SIZE &&
           at <= size - BINLOG_HEADER_SIZE - BINLOG_CHECKSUM_SIZE) {
        uint8_t *e = file + at;
        size_t n = (size_t)e[9] | (size_t)e[10] << 8 | (size_t)e[11] << 16 | (size_t)e[12] << 24;
        uint8_t flags = e[17];
        uint32_t crc;
        if (n < BINLOG_HEADER_SIZE + BINLOG_CHECKSUM_SIZE || n > size - at)
            return;
        if (e[4] == BINLOG_FORMAT_DESCRIPTION)
            e[17] = (uint8_t)(flags & ~BINLOG_FLAG_IN_USE);
        crc = crc32_update(0, e, n - BINLOG_CHECKSUM_SIZE);
        e[17] = flags;
        for (int i = 0; i < 4; i++)
            e[n - 4 + (size_t)i] = (uint8_t)(crc >> (8 * i));
        at += n;
    }
}

struct outcome {
    unsigned groups;
    uint64_t sum;
    uint64_t boundary;
    int err;
    bool torn;
};

static struct outcome walk(const uint8_t *file, size_t size, size_t portion, const char *seal_text)
{
    static const struct rewind_facts facts = {true, true, true, true, true, true};
    static struct binlog_walk w;
    static struct rewind_plan p;
    static struct gtid_set seal;
    struct outcome o = {0};
    enum gtid_flavour flavour = seal_text[1] == '-' ? GTID_MARIADB : GTID_MYSQL;
    uint64_t last = 0;
    size_t at = 0;
    check(gtid_parse(seal_text, flavour, &seal) == 0);
    binlog_walk_init(&w);
    rewind_plan_init(&p, &facts, &seal, &seal);
    while (at < size) {
        size_t used, n = size - at < portion ? size - at : portion;
        enum binlog_step step = binlog_walk_feed(&w, file + at, n, &used);
        check(used <= n && (used > 0 || step == BINLOG_STEP_BAD));
        at += used;
        if (step == BINLOG_STEP_BAD)
            break;
        if (step != BINLOG_STEP_EVENT || !w.group_ready)
            continue;
        check(w.group.start >= last && w.group.end > w.group.start && w.group.end <= at);
        check(memchr(w.group.detail, '\0', sizeof w.group.detail) != NULL);
        last = w.group.end;
        rewind_plan_group(&p, &w.group);
        o.groups++;
        o.sum = o.sum * 31 + w.group.start + w.group.kind + w.group.gtid.number;
    }
    rewind_plan_finish(&p, &w);
    check(p.verdict != REWIND_CUT || (p.groups > 0 && p.cut < p.end && p.end <= size));
    check((p.verdict == REWIND_REFUSE) == (p.reason != REWIND_REASON_OK));
    o.boundary = w.boundary;
    o.err = w.err;
    o.torn = binlog_walk_finish(&w) == BINLOG_END_TORN;
    check(o.boundary <= size || size < BINLOG_MAGIC_SIZE);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[INPUT_MAX];
    struct outcome a, b;
    if (size < 1 || size > INPUT_MAX)
        return 0;
    memcpy(file, data, size);
    if (file[0] != 0xfe && file[0] != 0xfd) {
        file[0] = 0xfe;
        mend_checksums(file, size);
    }
    a = walk(file, size, size, "0-1-5,3-1-9");
    b = walk(file, size, 7, "51f7dd9b-e6bf-11f1-bffc-02fc00000001:1-5");
    check(a.groups == b.groups && a.sum == b.sum && a.boundary == b.boundary && a.err == b.err &&
          a.torn == b.torn);
    return 0;
}
