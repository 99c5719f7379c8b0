/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/binlog_decode.h"

#include "util/codec.h"

static void skip(struct codec *c, size_t n)
{
    uint8_t ignored;
    for (; n > 0 && c->err == 0; n--)
        codec_u8(c, &ignored);
}

static size_t left(const struct codec *c)
{
    return c->err == 0 ? (size_t)(c->end - c->at) : 0;
}

/* --- format description ------------------------------------------------------------------------
 */

static unsigned version_number(const char *text)
{
    unsigned part[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        while (*text >= '0' && *text <= '9' && part[i] < 1000)
            part[i] = part[i] * 10 + (unsigned)(*text++ - '0');
        if (*text != '.')
            break;
        text++;
    }
    return part[0] * 10000 + part[1] * 100 + part[2];
}

int binlog_decode_format(const uint8_t *body, size_t n, struct binlog_format *ret_format)
{
    struct codec c = codec_decoder(body, n);
    struct binlog_format f;
    uint16_t binlog_version = 0;
    uint8_t header_size = 0, algorithm;
    memset(&f, 0, sizeof f);
    codec_u16(&c, &binlog_version);
    codec_bytes(&c, f.version_text, BINLOG_VERSION_MAX - 1);
    skip(&c, 4); /* time of creation */
    codec_u8(&c, &header_size);
    if (c.err != 0 || left(&c) < 1)
        return ERR_FORMAT;
    algorithm = body[n - 1];
    if (binlog_version != 4 || header_size != BINLOG_HEADER_SIZE || algorithm > 1)
        return ERR_UNSUPPORTED;
    f.checksum = algorithm == 1;
    f.flavour = strstr(f.version_text, "MariaDB") != NULL ? GTID_MARIADB : GTID_MYSQL;
    f.version = version_number(f.version_text);
    *ret_format = f;
    return 0;
}

/* --- GTIDs -------------------------------------------------------------------------------------
 */

/*
 * Integer of MySQL's serialization library: the number of trailing ones of the first byte is the
 * number of bytes that follow; the value is what is left above those ones and the zero after them,
 * little endian.
 */
static uint64_t variable_uint(struct codec *c)
{
    uint8_t first = 0, byte = 0;
    uint64_t v;
    unsigned more = 0;
    codec_u8(c, &first);
    while (more < 8 && (first >> more & 1) != 0)
        more++;
    v = more < 7 ? (uint64_t)first >> (more + 1) : 0;
    for (unsigned i = 0; i < more && c->err == 0; i++) {
        codec_u8(c, &byte);
        v |= (uint64_t)byte << (more < 7 ? 7 - more + 8 * i : 8 * i);
    }
    return c->err == 0 ? v : 0;
}

static uint64_t variable_sint_positive(struct codec *c)
{
    uint64_t v = variable_uint(c);
    if ((v & 1) != 0 && c->err == 0)
        c->err = ERR_FORMAT; /* negative */
    return v >> 1;
}

static void tag_text(struct codec *c, char *tag)
{
    uint64_t n = variable_uint(c);
    memset(tag, 0, GTID_TAG_MAX);
    if (c->err == 0 && n >= GTID_TAG_MAX)
        c->err = ERR_FORMAT;
    if (c->err == 0)
        codec_bytes(c, tag, (size_t)n);
    for (uint64_t i = 0; i < n && c->err == 0; i++)
        if (!((tag[i] >= 'a' && tag[i] <= 'z') || tag[i] == '_' ||
              (i > 0 && tag[i] >= '0' && tag[i] <= '9')))
            c->err = ERR_FORMAT;
}

static void gtid_plain(struct codec *c, struct gtid *g)
{
    skip(c, 1);
    codec_bytes(c, g->uuid, sizeof g->uuid);
    codec_u64(c, &g->number);
}

/* Fields in order: 0 flags, 1 uuid (each byte an integer), 2 number, 3 tag, then what is not
 * needed. */
static void gtid_tagged(struct codec *c, struct gtid *g)
{
    skip(c, 0);
    (void)variable_uint(c); /* version of the serialization */
    (void)variable_uint(c); /* size */
    (void)variable_uint(c); /* last field that may not be ignored */
    for (uint64_t field = 0; field < 4 && c->err == 0; field++) {
        if (variable_uint(c) != field && c->err == 0)
            c->err = ERR_FORMAT;
        if (field == 0)
            (void)variable_uint(c);
        if (field == 2)
            g->number = variable_sint_positive(c);
        if (field == 3)
            tag_text(c, g->tag);
        for (unsigned i = 0; field == 1 && i < sizeof g->uuid && c->err == 0; i++) {
            uint64_t v = variable_uint(c);
            if (v > UINT8_MAX)
                c->err = ERR_FORMAT;
            g->uuid[i] = (uint8_t)v;
        }
    }
}

int binlog_decode_gtid(const struct binlog_event *event, struct gtid *ret_gtid, uint8_t *ret_flags)
{
    struct codec c = codec_decoder(event->body, event->body_kept);
    struct gtid g;
    uint8_t flags = 0;
    memset(&g, 0, sizeof g);
    if (event->type == BINLOG_MARIADB_GTID) {
        g.flavour = GTID_MARIADB;
        g.server_id = event->server_id;
        codec_u64(&c, &g.number);
        codec_u32(&c, &g.domain);
        codec_u8(&c, &flags);
    } else {
        g.flavour = GTID_MYSQL;
        if (event->type == BINLOG_GTID_TAGGED)
            gtid_tagged(&c, &g);
        else
            gtid_plain(&c, &g);
        if (event->type != BINLOG_ANONYMOUS_GTID && g.number >= INT64_MAX)
            c.err = ERR_FORMAT;
    }
    if (c.err != 0 || (event->type != BINLOG_ANONYMOUS_GTID && g.number == 0))
        return ERR_FORMAT;
    *ret_gtid = g;
    *ret_flags = flags;
    return 0;
}

/* Adds first..last as a set of one interval: the public algebra keeps sets canonical. */
static int add_interval(struct gtid_set *set, const struct gtid_source *source, uint64_t first,
                        uint64_t end)
{
    struct gtid_set one;
    if (first == 0 || end <= first || end > INT64_MAX)
        return ERR_FORMAT;
    gtid_init(&one, GTID_MYSQL);
    one.source_count = 1;
    one.sources[0] = *source;
    one.interval_count = 1;
    one.intervals[0] = (struct gtid_interval){.first = first, .last = end - 1};
    return gtid_union(set, &one, set);
}

/* Count of sources, then per source: uuid, tag (8.3+, format 1), count, [first, end) ... The format
 * is in the last byte of the first eight; format 1 has the count in the six bytes between. */
static int previous_mysql(struct codec *c, struct gtid_set *set)
{
    uint64_t sources = 0;
    bool tagged;
    codec_u64(c, &sources);
    tagged = sources >> 56 == 1;
    if (tagged)
        sources = sources << 8 >> 16;
    for (; sources > 0 && c->err == 0; sources--) {
        struct gtid_source source;
        uint64_t count = 0;
        memset(&source, 0, sizeof source);
        codec_bytes(c, source.uuid, sizeof source.uuid);
        if (tagged)
            tag_text(c, source.tag);
        codec_u64(c, &count);
        for (; count > 0 && c->err == 0; count--) {
            uint64_t first = 0, end = 0;
            codec_u64(c, &first);
            codec_u64(c, &end);
            if (c->err == 0)
                c->err = add_interval(set, &source, first, end);
        }
    }
    return c->err;
}

static int previous_mariadb(struct codec *c, struct gtid_set *set)
{
    uint32_t count = 0;
    codec_u32(c, &count);
    count &= 0x0fffffff; /* the upper four bits are flags */
    for (; count > 0 && c->err == 0; count--) {
        struct gtid g;
        memset(&g, 0, sizeof g);
        g.flavour = GTID_MARIADB;
        codec_u32(c, &g.domain);
        codec_u32(c, &g.server_id);
        codec_u64(c, &g.number);
        if (c->err == 0 && g.number > 0)
            c->err = gtid_add(set, &g);
    }
    return c->err;
}

int binlog_decode_previous(const struct binlog_event *event, struct gtid_set *ret_set)
{
    struct codec c = codec_decoder(event->body, event->body_kept);
    bool mysql = event->type == BINLOG_PREVIOUS_GTIDS;
    struct gtid_set set;
    int err;
    gtid_init(&set, mysql ? GTID_MYSQL : GTID_MARIADB_STATE);
    err = mysql ? previous_mysql(&c, &set) : previous_mariadb(&c, &set);
    /* An event that was not kept whole holds more than any set of this program. */
    if (err == ERR_FORMAT && event->body_kept < event->body_size)
        err = ERR_FULL;
    if (err != 0)
        return err;
    *ret_set = set;
    return 0;
}

/* --- statements and tables ---------------------------------------------------------------------
 */

enum status_kind {
    STATUS_UNKNOWN,
    STATUS_FIXED,
    STATUS_TEXT,
    STATUS_TEXT_NUL,
    STATUS_TWO_TEXTS,
    STATUS_NAMES
};

/* MySQL's status variables in front of a statement: how long each is. */
static const struct status_row {
    uint8_t kind;
    uint8_t size;
} status_rows[] = {
    [0] = {STATUS_FIXED, 4},      /* flags2 */
    [1] = {STATUS_FIXED, 8},      /* sql_mode */
    [2] = {STATUS_TEXT_NUL, 0},   /* catalog */
    [3] = {STATUS_FIXED, 4},      /* auto_increment */
    [4] = {STATUS_FIXED, 6},      /* charset */
    [5] = {STATUS_TEXT, 0},       /* time zone */
    [6] = {STATUS_TEXT, 0},       /* catalog */
    [7] = {STATUS_FIXED, 2},      /* lc_time_names */
    [8] = {STATUS_FIXED, 2},      /* charset of the database */
    [9] = {STATUS_FIXED, 8},      /* table map for update */
    [10] = {STATUS_FIXED, 4},     /* master data written */
    [11] = {STATUS_TWO_TEXTS, 0}, /* invoker */
    [12] = {STATUS_NAMES, 0},     /* updated databases */
    [13] = {STATUS_FIXED, 3},     /* microseconds */
    [16] = {STATUS_FIXED, 1},     /* explicit_defaults_for_timestamp */
    [17] = {STATUS_FIXED, 8},     /* DDL logged with this XID */
    [18] = {STATUS_FIXED, 2},     /* default collation of utf8mb4 */
    [19] = {STATUS_FIXED, 1},     /* sql_require_primary_key */
    [20] = {STATUS_FIXED, 1},     /* default_table_encryption */
};

#define STATUS_DDL_XID 17

static void skip_text(struct codec *c)
{
    uint8_t n = 0;
    codec_u8(c, &n);
    skip(c, n);
}

static void skip_names(struct codec *c)
{
    uint8_t count = 0, byte = 0;
    codec_u8(c, &count);
    if (count == 254) /* "too many to list": nothing follows */
        return;
    for (; count > 0 && c->err == 0; count--)
        do {
            codec_u8(c, &byte);
        } while (byte != 0 && c->err == 0);
}

/* An unknown variable ends the search: without its length nothing behind it can be read. */
static bool status_has_ddl_xid(const uint8_t *status, size_t n)
{
    struct codec c = codec_decoder(status, n);
    while (c.err == 0 && left(&c) > 0) {
        uint8_t code = 0;
        enum status_kind kind = STATUS_UNKNOWN;
        codec_u8(&c, &code);
        if (code < sizeof status_rows / sizeof status_rows[0])
            kind = (enum status_kind)status_rows[code].kind;
        if (kind == STATUS_UNKNOWN)
            return false;
        if (kind == STATUS_FIXED)
            skip(&c, status_rows[code].size);
        if (kind == STATUS_TEXT || kind == STATUS_TEXT_NUL || kind == STATUS_TWO_TEXTS)
            skip_text(&c);
        if (kind == STATUS_TEXT_NUL)
            skip(&c, 1);
        if (kind == STATUS_TWO_TEXTS)
            skip_text(&c);
        if (kind == STATUS_NAMES)
            skip_names(&c);
        if (c.err == 0 && code == STATUS_DDL_XID)
            return true;
    }
    return false;
}

int binlog_decode_query(const struct binlog_event *event, bool mysql,
                        struct binlog_query *ret_query)
{
    struct codec c = codec_decoder(event->body, event->body_kept);
    struct binlog_query q;
    uint8_t db_size = 0;
    uint16_t status_size = 0;
    memset(&q, 0, sizeof q);
    skip(&c, 8); /* thread id, execution time */
    codec_u8(&c, &db_size);
    skip(&c, 2); /* error code */
    codec_u16(&c, &status_size);
    if (c.err != 0 || left(&c) < (size_t)status_size + db_size + 1)
        return ERR_FORMAT;
    q.ddl_xid = mysql && status_has_ddl_xid(c.at, status_size);
    skip(&c, (size_t)status_size + db_size + 1);
    q.text = (const char *)c.at;
    q.size = left(&c);
    q.whole = event->body_kept == event->body_size;
    *ret_query = q;
    return 0;
}

char *binlog_detail(char *buf, size_t size, const char *text, size_t n)
{
    if (n >= size)
        n = size - 1;
    for (size_t i = 0; i < n; i++)
        buf[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    buf[n] = '\0';
    return buf;
}

int binlog_decode_table_map(const struct binlog_event *event, char *buf, size_t size)
{
    struct codec c = codec_decoder(event->body, event->body_kept);
    uint8_t n[2] = {0, 0};
    char name[2][256] = {{0}};
    char both[520];
    int used;
    skip(&c, 8); /* table id, flags */
    for (int i = 0; i < 2; i++) {
        codec_u8(&c, &n[i]);
        codec_bytes(&c, name[i], n[i]);
        skip(&c, 1);
    }
    if (c.err != 0)
        return ERR_FORMAT;
    used = snprintf(both, sizeof both, "%s.%s", name[0], name[1]);
    binlog_detail(buf, size, both, (size_t)used);
    return 0;
}
