/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/row_event.h"

#include <stdio.h>
#include <string.h>

#include "util/crc32.h"
#include "wire/binlog_event.h"

#define TABLE_ID_SIZE 6
#define POST_HEADER_SIZE (TABLE_ID_SIZE + 2)

#define FLAG_STATEMENT_END 0x0001u
#define FLAG_NO_FOREIGN_KEY_CHECKS 0x0002u
#define FLAG_BIT_LENGTH_EXACT 0x0001u /* of a table map */

enum column_type {
    COLUMN_TINY = 1,
    COLUMN_SHORT = 2,
    COLUMN_LONG = 3,
    COLUMN_FLOAT = 4,
    COLUMN_DOUBLE = 5,
    COLUMN_LONGLONG = 8,
    COLUMN_INT24 = 9,
    COLUMN_DATE = 10,
    COLUMN_YEAR = 13,
    COLUMN_VARCHAR = 15,
    COLUMN_BIT = 16,
    COLUMN_TIMESTAMP2 = 17,
    COLUMN_DATETIME2 = 18,
    COLUMN_TIME2 = 19,
    COLUMN_JSON = 245,
    COLUMN_DECIMAL = 246,
    COLUMN_ENUM = 247,
    COLUMN_SET = 248,
    COLUMN_BLOB = 252,
    COLUMN_VAR_STRING = 253,
    COLUMN_STRING = 254
};

/* --- reading ---------------------------------------------------------------------------------- */

struct span {
    const uint8_t *at;
    size_t left;
    int err;
};

static const uint8_t *take(struct span *s, size_t n)
{
    const uint8_t *at = s->at;
    if (s->err == 0 && n > s->left)
        s->err = ERR_FORMAT;
    if (s->err != 0)
        return NULL;
    s->at += n;
    s->left -= n;
    return at;
}

static uint64_t take_int(struct span *s, unsigned bytes)
{
    const uint8_t *p = take(s, bytes);
    uint64_t v = 0;
    for (unsigned i = 0; p != NULL && i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* The format's length-encoded integer. */
static uint64_t take_packed(struct span *s)
{
    uint64_t first = take_int(s, 1);
    if (first < 251)
        return first;
    if (first == 252)
        return take_int(s, 2);
    if (first == 253)
        return take_int(s, 3);
    if (first == 254)
        return take_int(s, 8);
    s->err = ERR_FORMAT;
    return 0;
}

static void take_name(struct span *s, char *buf)
{
    size_t n = (size_t)take_int(s, 1);
    const uint8_t *p = take(s, n + 1); /* and its NUL */
    buf[0] = '\0';
    if (p == NULL)
        return;
    if (p[n] != '\0' || memchr(p, '\0', n) != NULL) {
        s->err = ERR_FORMAT;
        return;
    }
    memcpy(buf, p, n + 1);
}

static int unsupported(char *ret_what, const char *what, unsigned number)
{
    (void)snprintf(ret_what, ROW_NAME_MAX, "%s %u", what, number);
    return ERR_UNSUPPORTED;
}

/* Bytes of metadata of a type; -1: not one that is read. */
static int meta_size(uint8_t type)
{
    switch (type) {
    case COLUMN_TINY:
    case COLUMN_SHORT:
    case COLUMN_LONG:
    case COLUMN_LONGLONG:
    case COLUMN_INT24:
    case COLUMN_DATE:
    case COLUMN_YEAR:
        return 0;
    case COLUMN_FLOAT:
    case COLUMN_DOUBLE:
    case COLUMN_TIMESTAMP2:
    case COLUMN_DATETIME2:
    case COLUMN_TIME2:
    case COLUMN_JSON:
    case COLUMN_BLOB:
        return 1;
    case COLUMN_VARCHAR:
    case COLUMN_BIT:
    case COLUMN_DECIMAL:
    case COLUMN_VAR_STRING:
    case COLUMN_STRING:
        return 2;
    default:
        return -1;
    }
}

/* First byte in the low, second in the high half, whatever they mean. */
static bool meta_is_sound(uint8_t type, uint16_t meta)
{
    unsigned low = meta & 0xff, high = meta >> 8;
    unsigned real = (low & 0x30) == 0x30 ? low : (low | 0x30);
    switch (type) {
    case COLUMN_FLOAT:
        return low == 4;
    case COLUMN_DOUBLE:
        return low == 8;
    case COLUMN_TIMESTAMP2:
    case COLUMN_DATETIME2:
    case COLUMN_TIME2:
        return low <= 6;
    case COLUMN_JSON:
    case COLUMN_BLOB:
        return low >= 1 && low <= 4;
    case COLUMN_BIT:
        return low < 8 && high <= 8 && meta != 0;
    case COLUMN_DECIMAL:
        return low >= 1 && low <= 65 && high <= 38 && high <= low;
    case COLUMN_STRING:
        if (real == COLUMN_ENUM)
            return high == 1 || high == 2;
        if (real == COLUMN_SET)
            return high >= 1 && high <= 8;
        return real == COLUMN_STRING;
    default:
        return true;
    }
}

static int table_columns(struct span *s, struct row_table *t, char *ret_what)
{
    const uint8_t *types;
    struct span meta;
    uint64_t n = take_packed(s);
    if (s->err == 0 && (n == 0 || n > ROW_COLUMNS_MAX))
        return unsupported(ret_what, "number of columns", (unsigned)(n & 0xffffff));
    types = take(s, (size_t)n);
    if (types == NULL)
        return ERR_FORMAT;
    t->n_columns = (unsigned)n;
    meta.left = (size_t)take_packed(s);
    meta.err = 0;
    meta.at = take(s, meta.left);
    (void)take(s, (t->n_columns + 7) / 8); /* which may be NULL */
    if (s->err != 0)
        return ERR_FORMAT;
    for (unsigned i = 0; i < t->n_columns; i++) {
        int size = meta_size(types[i]);
        if (size < 0)
            return unsupported(ret_what, "column type", types[i]);
        t->type[i] = types[i];
        t->meta[i] = (uint16_t)take_int(&meta, (unsigned)size);
        if (meta.err != 0 || !meta_is_sound(types[i], t->meta[i]))
            return unsupported(ret_what, "description of column type", types[i]);
    }
    return meta.left == 0 ? 0 : ERR_FORMAT;
}

int row_table_decode(const uint8_t *body, size_t n, struct row_table *ret_table, char *ret_what)
{
    struct span s = {body, n, 0};
    struct row_table *t = ret_table;
    int err;
    memset(t, 0, sizeof *t);
    t->id = take_int(&s, TABLE_ID_SIZE);
    t->flags = (uint16_t)take_int(&s, 2);
    take_name(&s, t->database);
    take_name(&s, t->name);
    t->rest = s.at;
    t->rest_size = s.left;
    err = s.err != 0 ? s.err : table_columns(&s, t, ret_what);
    return err;
}

int row_event_table(const uint8_t *body, size_t n, uint64_t *ret_id)
{
    struct span s = {body, n, 0};
    uint64_t id = take_int(&s, TABLE_ID_SIZE);
    if (s.err == 0)
        *ret_id = id;
    return s.err;
}

/* Every column's bit is set: the image is full. */
static bool is_full(const uint8_t *bits, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if ((bits[i / 8] >> (i % 8) & 1) == 0)
            return false;
    }
    return true;
}

static int event_kind(uint8_t type, struct row_event *e)
{
    static const enum row_kind kinds[] = {ROW_WRITE, ROW_UPDATE, ROW_DELETE};
    if (type >= BINLOG_ROWS_V1_FIRST && type <= BINLOG_ROWS_V1_LAST) {
        e->version_1 = true;
        e->kind = kinds[type - BINLOG_ROWS_V1_FIRST];
        return 0;
    }
    if (type < BINLOG_ROWS_FIRST || type > BINLOG_ROWS_LAST)
        return ERR_UNSUPPORTED;
    e->version_1 = false;
    e->kind = kinds[type - BINLOG_ROWS_FIRST];
    return 0;
}

int row_event_decode(uint8_t type, const uint8_t *body, size_t n, const struct row_table *t,
                     struct row_event *ret_event, char *ret_what)
{
    struct span s = {body, n, 0};
    struct row_event e = {0};
    size_t bits = (t->n_columns + 7) / 8;
    uint64_t extra = 2, width;
    const uint8_t *before, *after;
    if (event_kind(type, &e) != 0)
        return unsupported(ret_what, "event type", type);
    if (take_int(&s, TABLE_ID_SIZE) != t->id)
        return ERR_FORMAT;
    e.flags = (uint16_t)take_int(&s, 2);
    if (!e.version_1)
        extra = take_int(&s, 2);
    if (s.err != 0 || extra < 2)
        return ERR_FORMAT;
    (void)take(&s, (size_t)extra - 2);
    width = take_packed(&s);
    if (s.err != 0 || width != t->n_columns)
        return ERR_FORMAT;
    before = take(&s, bits);
    after = e.kind == ROW_UPDATE ? take(&s, bits) : before;
    if (s.err != 0)
        return ERR_FORMAT;
    if (!is_full(before, t->n_columns) || !is_full(after, t->n_columns))
        return unsupported(ret_what, "row image that is not full, of columns", t->n_columns);
    e.rows = s.at;
    e.size = s.left;
    *ret_event = e;
    return 0;
}

/* --- measuring -------------------------------------------------------------------------------- */

static size_t decimal_size(unsigned precision, unsigned scale)
{
    static const uint8_t digits[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    unsigned whole = precision - scale;
    return (size_t)(whole / 9) * 4 + digits[whole % 9] + (size_t)(scale / 9) * 4 +
           digits[scale % 9];
}

/* CHAR: its longest length needs more than one byte if it is over 255. */
static size_t string_size(struct span *s, uint16_t meta)
{
    unsigned low = meta & 0xff, high = meta >> 8;
    if ((low & 0x30) == 0x30 && (low == COLUMN_ENUM || low == COLUMN_SET))
        return high;
    high |= ((low & 0x30) ^ 0x30) << 4;
    return (size_t)take_int(s, high > 255 ? 2 : 1);
}

static size_t value_size(struct span *s, uint8_t type, uint16_t meta)
{
    unsigned low = meta & 0xff, high = meta >> 8;
    switch (type) {
    case COLUMN_TINY:
    case COLUMN_YEAR:
        return 1;
    case COLUMN_SHORT:
        return 2;
    case COLUMN_INT24:
    case COLUMN_DATE:
        return 3;
    case COLUMN_LONG:
    case COLUMN_FLOAT:
        return 4;
    case COLUMN_LONGLONG:
    case COLUMN_DOUBLE:
        return 8;
    case COLUMN_TIME2:
        return 3 + (low + 1) / 2;
    case COLUMN_TIMESTAMP2:
        return 4 + (low + 1) / 2;
    case COLUMN_DATETIME2:
        return 5 + (low + 1) / 2;
    case COLUMN_BIT:
        return high + (low > 0);
    case COLUMN_DECIMAL:
        return decimal_size(low, high);
    case COLUMN_VARCHAR:
    case COLUMN_VAR_STRING:
        return (size_t)take_int(s, meta > 255 ? 2 : 1);
    case COLUMN_STRING:
        return string_size(s, meta);
    default: /* JSON, BLOB */
        return (size_t)take_int(s, low);
    }
}

int row_image_size(const struct row_table *t, const uint8_t *at, size_t n, size_t *ret_size)
{
    struct span s = {at, n, 0};
    const uint8_t *nulls = take(&s, (t->n_columns + 7) / 8);
    for (unsigned i = 0; s.err == 0 && i < t->n_columns; i++) {
        if ((nulls[i / 8] >> (i % 8) & 1) != 0)
            continue;
        (void)take(&s, value_size(&s, t->type[i], t->meta[i]));
    }
    if (s.err == 0)
        *ret_size = n - s.left;
    return s.err;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put(struct row_writer *w, const void *data, size_t n)
{
    if (w->err == 0 && n > w->size - w->used)
        w->err = ERR_FULL;
    if (w->err != 0)
        return;
    memcpy(w->buf + w->used, data, n);
    w->used += n;
}

static void put_int(struct row_writer *w, uint64_t v, unsigned bytes)
{
    uint8_t b[8];
    for (unsigned i = 0; i < bytes; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    put(w, b, bytes);
}

static void put_packed(struct row_writer *w, uint64_t v)
{
    if (v < 251) {
        put_int(w, v, 1);
        return;
    }
    put_int(w, 252, 1);
    put_int(w, v, 2); /* at most ROW_COLUMNS_MAX */
}

static void put_name(struct row_writer *w, const char *name)
{
    size_t n = strlen(name);
    put_int(w, n, 1);
    put(w, name, n + 1);
}

/* Its size is written at its end; the position of the next event means nothing here. */
static void put_header(struct row_writer *w, uint8_t type)
{
    w->event = w->used;
    put_int(w, w->timestamp_s, 4);
    put_int(w, type, 1);
    put_int(w, w->server_id, 4);
    put_int(w, 0, 4);
    put_int(w, 0, 4);
    put_int(w, 0, 2);
}

void row_put_end(struct row_writer *w)
{
    size_t size = w->used - w->event + (w->checksum ? BINLOG_CHECKSUM_SIZE : 0u);
    if (w->err != 0)
        return;
    for (unsigned i = 0; i < 4; i++)
        w->buf[w->event + 9 + i] = (uint8_t)(size >> (8 * i));
    if (w->checksum)
        put_int(w, crc32_update(0, w->buf + w->event, w->used - w->event), BINLOG_CHECKSUM_SIZE);
}

void row_put_table(struct row_writer *w, const struct row_table *t, uint64_t id,
                   const char *database, const char *name)
{
    put_header(w, BINLOG_TABLE_MAP);
    put_int(w, id, TABLE_ID_SIZE);
    put_int(w, t->flags & FLAG_BIT_LENGTH_EXACT, 2);
    put_name(w, database);
    put_name(w, name);
    put(w, t->rest, t->rest_size);
    row_put_end(w);
}

void row_put_begin(struct row_writer *w, const struct row_table *t, uint64_t id, enum row_kind kind,
                   bool version_1)
{
    static const uint8_t first[] = {[ROW_WRITE] = 0, [ROW_UPDATE] = 1, [ROW_DELETE] = 2};
    unsigned bits = (t->n_columns + 7) / 8;
    put_header(w, (uint8_t)((version_1 ? BINLOG_ROWS_V1_FIRST : BINLOG_ROWS_FIRST) + first[kind]));
    put_int(w, id, TABLE_ID_SIZE);
    put_int(w, FLAG_STATEMENT_END | FLAG_NO_FOREIGN_KEY_CHECKS, 2);
    if (!version_1)
        put_int(w, 2, 2); /* no extra data */
    put_packed(w, t->n_columns);
    for (unsigned i = 0; i < bits * (kind == ROW_UPDATE ? 2 : 1); i++)
        put_int(w, 0xff, 1);
}

void row_put_image(struct row_writer *w, const uint8_t *image, size_t n)
{
    put(w, image, n);
}
