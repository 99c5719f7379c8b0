/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a table map and rows on it: nothing is read beyond them; images that were measured
 * fill the event; the events that reverse it are read back with the same rows, in the other order.
 * Input: type, length of the table map (two bytes), its body, the body of the rows.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/binlog_event.h"
#include "wire/row_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IMAGES_MAX 512
#define OUT_MAX 262144

static void check(int ok)
{
    if (!ok)
        abort();
}

/* Offsets of the images; count, or -1 if they do not fit. */
static int measure(const struct row_table *t, const struct row_event *e, size_t *offsets)
{
    size_t at = 0, n = 0;
    int count = 0;
    while (at < e->size && count < IMAGES_MAX) {
        offsets[count++] = at;
        if (row_image_size(t, e->rows + at, e->size - at, &n) != 0)
            return -1;
        check(n > 0 && n <= e->size - at);
        at += n;
    }
    offsets[count] = at;
    return at == e->size ? count : -1;
}

static void write_reversed(struct row_writer *w, const struct row_table *t,
                           const struct row_event *e, const size_t *offsets, int count)
{
    static const enum row_kind inverse[] = {ROW_DELETE, ROW_UPDATE, ROW_WRITE};
    row_put_table(w, t, 7, "tandem", "undo_0");
    row_put_begin(w, t, 7, inverse[e->kind], e->version_1);
    for (int i = count; i > 0; i--)
        row_put_image(w, e->rows + offsets[i - 1], offsets[i] - offsets[i - 1]);
    row_put_end(w);
}

static uint32_t event_size(const uint8_t *e)
{
    return (uint32_t)e[9] | (uint32_t)e[10] << 8 | (uint32_t)e[11] << 16 | (uint32_t)e[12] << 24;
}

static void read_back(const struct row_writer *w, const struct row_event *e, const size_t *offsets,
                      int count)
{
    static struct row_table t;
    struct row_event back;
    char what[ROW_NAME_MAX];
    size_t first = event_size(w->buf), at = 0;
    const uint8_t *second = w->buf + first;
    check(first + event_size(second) == w->used && w->buf[4] == BINLOG_TABLE_MAP);
    check(row_table_decode(w->buf + BINLOG_HEADER_SIZE,
                           first - BINLOG_HEADER_SIZE - BINLOG_CHECKSUM_SIZE, &t, what) == 0);
    check(t.id == 7 && strcmp(t.database, "tandem") == 0 && strcmp(t.name, "undo_0") == 0);
    check(row_event_decode(second[4], second + BINLOG_HEADER_SIZE,
                           event_size(second) - BINLOG_HEADER_SIZE - BINLOG_CHECKSUM_SIZE, &t,
                           &back, what) == 0);
    check(back.size == e->size && back.version_1 == e->version_1);
    for (int i = count; i > 0; i--) {
        size_t n = offsets[i] - offsets[i - 1];
        check(memcmp(back.rows + at, e->rows + offsets[i - 1], n) == 0);
        at += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct row_table t;
    static uint8_t out[OUT_MAX];
    static size_t offsets[IMAGES_MAX + 1];
    struct row_writer w = {.buf = out, .size = sizeof out, .checksum = true};
    struct row_event e;
    char what[ROW_NAME_MAX];
    size_t map;
    int count;
    if (size < 3)
        return 0;
    map = (size_t)data[1] | (size_t)data[2] << 8;
    if (map > size - 3)
        return 0;
    if (row_table_decode(data + 3, map, &t, what) != 0 ||
        row_event_decode(data[0], data + 3 + map, size - 3 - map, &t, &e, what) != 0)
        return 0;
    check(e.rows + e.size == data + size);
    count = measure(&t, &e, offsets);
    if (count < 0)
        return 0;
    write_reversed(&w, &t, &e, offsets, count);
    if (w.err == 0)
        read_back(&w, &e, offsets, count);
    return 0;
}
