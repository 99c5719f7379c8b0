/* SPDX-License-Identifier: Apache-2.0 */
/* Images of rows by type: their length as servers write them, what is refused, what is written
 * back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/crc32.h"
#include "wire/binlog_event.h"
#include "wire/row_event.h"

struct bytes {
    uint8_t at[2048];
    size_t n;
};

static void add(struct bytes *b, const void *data, size_t n)
{
    assert_true(b->n + n <= sizeof b->at);
    memcpy(b->at + b->n, data, n);
    b->n += n;
}

#define ADD(b, ...) add(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Table 5, "d"."t". */
static struct bytes table(const uint8_t *types, size_t n, const uint8_t *meta, size_t meta_n)
{
    struct bytes b = {.n = 0};
    ADD(&b, 5, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, (uint8_t)n);
    add(&b, types, n);
    ADD(&b, (uint8_t)meta_n);
    add(&b, meta, meta_n);
    for (size_t i = 0; i < (n + 7) / 8; i++)
        ADD(&b, 0xff);
    return b;
}

/* One column: the image is the NULL bits and the value. */
struct column {
    uint8_t type;
    uint8_t meta[2];
    uint8_t meta_n;
    uint8_t value[4]; /* its beginning, which may say how long it is */
    size_t size;      /* of the value */
};

static const struct column columns[] = {
    {1, {0}, 0, {9}, 1},                       /* TINYINT */
    {2, {0}, 0, {9}, 2},                       /* SMALLINT */
    {9, {0}, 0, {9}, 3},                       /* MEDIUMINT */
    {3, {0}, 0, {9}, 4},                       /* INT */
    {8, {0}, 0, {9}, 8},                       /* BIGINT */
    {4, {4}, 1, {9}, 4},                       /* FLOAT */
    {5, {8}, 1, {9}, 8},                       /* DOUBLE */
    {13, {0}, 0, {9}, 1},                      /* YEAR */
    {10, {0}, 0, {9}, 3},                      /* DATE */
    {19, {0}, 1, {9}, 3},                      /* TIME */
    {19, {3}, 1, {9}, 5},                      /* TIME(3) */
    {18, {6}, 1, {9}, 8},                      /* DATETIME(6) */
    {17, {2}, 1, {9}, 5},                      /* TIMESTAMP(2) */
    {246, {10, 2}, 2, {9}, 5},                 /* DECIMAL(10,2) */
    {246, {20, 7}, 2, {9}, 6 + 4},             /* DECIMAL(20,7): 13 digits and 7 */
    {246, {65, 30}, 2, {9}, 16 + 14},          /* DECIMAL(65,30): 35 digits and 30 */
    {15, {20, 0}, 2, {3, 'a', 'b', 'c'}, 4},   /* VARCHAR(20) */
    {15, {44, 1}, 2, {3, 0, 'a', 'b'}, 5},     /* VARCHAR(300): two bytes of length */
    {254, {0xfe, 40}, 2, {2, 'a', 'b'}, 3},    /* CHAR(10), utf8mb4 */
    {254, {0xce, 32}, 2, {2, 0, 'a', 'b'}, 4}, /* CHAR(200), utf8mb4: 800 = 0x320 bytes */
    {254, {247, 1}, 2, {2}, 1},                /* ENUM */
    {254, {247, 2}, 2, {2}, 2},                /* ENUM of more than 255 */
    {254, {248, 5}, 2, {2}, 5},                /* SET */
    {252, {1}, 1, {2, 'a', 'b'}, 3},           /* TINYBLOB */
    {252, {4}, 1, {2, 0, 0, 0}, 6},            /* LONGBLOB */
    {245, {4}, 1, {2, 0, 0, 0}, 6},            /* JSON */
    {16, {3, 1}, 2, {9}, 2},                   /* BIT(11) */
    {16, {0, 1}, 2, {9}, 1},                   /* BIT(8) */
};

static void test_length_of_every_type(void **state)
{
    static struct row_table t;
    char what[ROW_NAME_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        const struct column *c = &columns[i];
        struct bytes b = table(&c->type, 1, c->meta, c->meta_n);
        uint8_t image[64] = {0xfe};
        size_t size = 0;
        memcpy(image + 1, c->value, sizeof c->value);
        assert_int_equal(row_table_decode(b.at, b.n, &t, what), 0);
        assert_int_equal(row_image_size(&t, image, sizeof image, &size), 0);
        if (size != 1 + c->size)
            fail_msg("column %zu of type %u: %zu bytes, not %zu", i, c->type, size, 1 + c->size);
        assert_int_equal(row_image_size(&t, image, size - 1, &size), ERR_FORMAT);
        image[0] = 0xff; /* NULL */
        assert_int_equal(row_image_size(&t, image, sizeof image, &size), 0);
        assert_int_equal(size, 1);
    }
}

static void test_types_that_are_refused(void **state)
{
    /* Old DECIMAL, NULL, old TIMESTAMP, TIME and DATETIME, MariaDB's compressed ones, VECTOR,
     * ENUM and SET by themselves, the blobs by themselves, GEOMETRY. */
    static const uint8_t types[] = {0, 6, 7, 11, 12, 140, 141, 242, 247, 248, 249, 250, 251, 255};
    static struct row_table t;
    char what[ROW_NAME_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof types; i++) {
        struct bytes b = table(&types[i], 1, (const uint8_t[]){4, 4}, 2);
        assert_int_equal(row_table_decode(b.at, b.n, &t, what), ERR_UNSUPPORTED);
        assert_non_null(strstr(what, "column type"));
    }
}

static void test_descriptions_that_cannot_be(void **state)
{
    static const struct {
        uint8_t type, meta[2], n;
    } bad[] = {{4, {8}, 1},       {5, {4}, 1},      {18, {7}, 1},       {252, {0}, 1},
               {252, {5}, 1},     {16, {8, 1}, 2},  {16, {0, 9}, 2},    {16, {0, 0}, 2},
               {246, {66, 0}, 2}, {246, {5, 6}, 2}, {254, {247, 3}, 2}, {254, {248, 9}, 2},
               {254, {1, 1}, 2}};
    static struct row_table t;
    char what[ROW_NAME_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bytes b = table(&bad[i].type, 1, bad[i].meta, bad[i].n);
        if (row_table_decode(b.at, b.n, &t, what) != ERR_UNSUPPORTED)
            fail_msg("description %zu of type %u is taken", i, bad[i].type);
    }
}

static void test_every_cut_of_a_table_map(void **state)
{
    static struct row_table t;
    struct bytes b = table((const uint8_t[]){3, 15}, 2, (const uint8_t[]){20, 0}, 2);
    char what[ROW_NAME_MAX];
    (void)state;
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(row_table_decode(b.at, n, &t, what), ERR_FORMAT);
    assert_int_equal(row_table_decode(b.at, b.n, &t, what), 0);
    assert_string_equal(t.database, "d");
    assert_string_equal(t.name, "t");
    b.at[15 + 2] = 3; /* one byte of metadata more than the columns have */
    assert_int_not_equal(row_table_decode(b.at, b.n, &t, what), 0);
}

/* ---- events ---- */

/* (1, "ab") and (2, NULL) as rows of INT, VARCHAR(20). */
static const uint8_t row_1[] = {0xfc, 1, 0, 0, 0, 2, 'a', 'b'};
static const uint8_t row_2[] = {0xfe, 2, 0, 0, 0};

static void two_columns(struct row_table *ret)
{
    static struct bytes b;
    char what[ROW_NAME_MAX];
    b = table((const uint8_t[]){3, 15}, 2, (const uint8_t[]){20, 0}, 2);
    assert_int_equal(row_table_decode(b.at, b.n, ret, what), 0);
}

/* A rows event of that type with both rows; `bits` of its columns. */
static struct bytes rows(uint8_t type, uint8_t bits)
{
    struct bytes b = {.n = 0};
    bool update = type == BINLOG_ROWS_V1_FIRST + 1 || type == BINLOG_ROWS_FIRST + 1;
    ADD(&b, 5, 0, 0, 0, 0, 0, 1, 0);
    if (type >= BINLOG_ROWS_FIRST)
        ADD(&b, 5, 0, 1, 2, 3); /* extra data, of a partitioned table */
    ADD(&b, 2, bits);
    if (update)
        ADD(&b, 0xff);
    add(&b, row_1, sizeof row_1);
    add(&b, row_2, sizeof row_2);
    return b;
}

static void test_events_of_both_versions(void **state)
{
    static const struct {
        uint8_t type;
        enum row_kind kind;
    } known[] = {{23, ROW_WRITE}, {24, ROW_UPDATE}, {25, ROW_DELETE},
                 {30, ROW_WRITE}, {31, ROW_UPDATE}, {32, ROW_DELETE}};
    static struct row_table t;
    struct row_event e;
    char what[ROW_NAME_MAX];
    (void)state;
    two_columns(&t);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct bytes b = rows(known[i].type, 0xff);
        assert_int_equal(row_event_decode(known[i].type, b.at, b.n, &t, &e, what), 0);
        assert_int_equal(e.kind, known[i].kind);
        assert_int_equal(e.version_1, known[i].type < 30);
        assert_int_equal(e.size, sizeof row_1 + sizeof row_2);
        b = rows(known[i].type, 0xfd); /* only the key */
        assert_int_equal(row_event_decode(known[i].type, b.at, b.n, &t, &e, what), ERR_UNSUPPORTED);
        assert_non_null(strstr(what, "not full"));
    }
    for (unsigned type = 0; type < 256; type++) {
        struct bytes b = rows(30, 0xff);
        bool rows_event = (type >= 23 && type <= 25) || (type >= 30 && type <= 32);
        if (!rows_event)
            assert_int_equal(row_event_decode((uint8_t)type, b.at, b.n, &t, &e, what),
                             ERR_UNSUPPORTED);
    }
}

static void test_event_of_another_table(void **state)
{
    static struct row_table t;
    struct bytes b = rows(30, 0xff);
    struct row_event e;
    char what[ROW_NAME_MAX];
    (void)state;
    two_columns(&t);
    b.at[0] = 6;
    assert_int_equal(row_event_decode(30, b.at, b.n, &t, &e, what), ERR_FORMAT);
    b.at[0] = 5;
    b.at[13] = 3; /* number of columns */
    assert_int_equal(row_event_decode(30, b.at, b.n, &t, &e, what), ERR_FORMAT);
    b = rows(30, 0xff);
    for (size_t n = 0; n < 15; n++)
        assert_int_equal(row_event_decode(30, b.at, n, &t, &e, what), ERR_FORMAT);
}

static void test_what_is_written(void **state)
{
    static struct row_table t;
    uint8_t out[512];
    struct row_writer w = {
        .buf = out, .size = sizeof out, .checksum = true, .server_id = 3, .timestamp_s = 9};
    struct row_event e;
    char what[ROW_NAME_MAX];
    size_t first, n;
    (void)state;
    two_columns(&t);
    row_put_table(&w, &t, 77, "tandem", "undo_0");
    first = w.used;
    row_put_begin(&w, &t, 77, ROW_DELETE, false);
    row_put_image(&w, row_2, sizeof row_2);
    row_put_image(&w, row_1, sizeof row_1);
    row_put_end(&w);
    assert_int_equal(w.err, 0);
    n = w.used - first;
    assert_int_equal(out[9], first);
    assert_int_equal(out[first + 9], n);
    assert_int_equal(out[first + 4], 32);
    for (int i = 0; i < 4; i++)
        assert_int_equal(out[w.used - 4 + (size_t)i],
                         (uint8_t)(crc32_update(0, out + first, n - 4) >> (8 * i)));
    assert_int_equal(row_table_decode(out + 19, first - 23, &t, what), 0);
    assert_string_equal(t.name, "undo_0");
    assert_int_equal(row_event_decode(32, out + first + 19, n - 23, &t, &e, what), 0);
    assert_int_equal(e.flags, 3); /* end of the statement, no foreign keys */
    assert_memory_equal(e.rows, row_2, sizeof row_2);
    w = (struct row_writer){.buf = out, .size = 40};
    row_put_table(&w, &t, 77, "tandem", "undo_0");
    assert_int_equal(w.err, ERR_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length_of_every_type),
        cmocka_unit_test(test_types_that_are_refused),
        cmocka_unit_test(test_descriptions_that_cannot_be),
        cmocka_unit_test(test_every_cut_of_a_table_map),
        cmocka_unit_test(test_events_of_both_versions),
        cmocka_unit_test(test_event_of_another_table),
        cmocka_unit_test(test_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
