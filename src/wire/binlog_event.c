/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/binlog_event.h"

#include <assert.h>

#include "util/crc32.h"
#include "wire/binlog_decode.h"

static const uint8_t magic_plain[BINLOG_MAGIC_SIZE] = {0xfe, 'b', 'i', 'n'};
static const uint8_t magic_encrypted[BINLOG_MAGIC_SIZE] = {0xfd, 'b', 'i', 'n'};

const char *binlog_group_kind_text(enum binlog_group_kind kind)
{
    static const char *const texts[] = {"dml", "ddl", "xa", "empty", "other"};
    assert(kind < BINLOG_GROUP_KIND_COUNT);
    return texts[kind];
}

void binlog_walk_init(struct binlog_walk *w)
{
    memset(w, 0, sizeof *w);
}

static enum binlog_step bad(struct binlog_walk *w, int err, const char *what)
{
    w->err = errmsg_set(&w->errmsg, err, "%s at offset %llu", what, (unsigned long long)w->at);
    w->group_ready = false;
    return BINLOG_STEP_BAD;
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* --- groups ----------------------------------------------------------------------------------- */

static void group_begin(struct binlog_walk *w)
{
    memset(&w->group, 0, sizeof w->group);
    w->group.kind = BINLOG_GROUP_EMPTY;
    w->group.start = w->event.start;
    w->group.server_id = w->event.server_id;
    w->group.timestamp_s = w->event.timestamp_s;
    w->in_group = true;
    w->group_begun = false;
    w->group_standalone = false;
}

/* OTHER is for good; XA and DDL are stronger than rows. */
static void group_kind(struct binlog_walk *w, enum binlog_group_kind kind)
{
    if (kind == BINLOG_GROUP_OTHER || w->group.kind == BINLOG_GROUP_EMPTY ||
        (w->group.kind == BINLOG_GROUP_DML && kind != BINLOG_GROUP_EMPTY))
        w->group.kind = kind;
}

static void group_detail(struct binlog_walk *w, const char *text, size_t n)
{
    if (w->group.detail[0] == '\0')
        binlog_detail(w->group.detail, sizeof w->group.detail, text, n);
}

static void group_end(struct binlog_walk *w)
{
    w->group.end = w->event.start + w->event.size;
    w->group_ready = true;
    w->in_group = false;
}

static int on_gtid(struct binlog_walk *w)
{
    uint8_t flags = 0;
    int err;
    if (w->in_group)
        return ERR_FORMAT;
    group_begin(w);
    err = binlog_decode_gtid(&w->event, &w->group.gtid, &flags);
    if (err != 0)
        return err;
    w->group.has_gtid = w->event.type != BINLOG_ANONYMOUS_GTID;
    if (w->event.type == BINLOG_MARIADB_GTID) {
        w->group_begun = (flags & BINLOG_MARIADB_STANDALONE) == 0;
        w->group_standalone = !w->group_begun;
        w->group.transactional = (flags & BINLOG_MARIADB_TRANSACTIONAL) != 0;
        if ((flags & (BINLOG_MARIADB_PREPARED_XA | BINLOG_MARIADB_COMPLETED_XA)) != 0)
            group_kind(w, BINLOG_GROUP_XA);
        else if ((flags & BINLOG_MARIADB_DDL) != 0)
            group_kind(w, BINLOG_GROUP_DDL);
    }
    return 0;
}

static bool text_is(const struct binlog_query *q, const char *word)
{
    return q->whole && q->size == strlen(word) && memcmp(q->text, word, q->size) == 0;
}

static bool text_starts(const struct binlog_query *q, const char *word)
{
    size_t n = strlen(word);
    return q->size >= n && memcmp(q->text, word, n) == 0;
}

static bool text_ends(const struct binlog_query *q, const char *word)
{
    size_t n = strlen(word);
    return q->whole && q->size >= n && memcmp(q->text + q->size - n, word, n) == 0;
}

/* A statement that is a whole group. */
static void on_lone_query(struct binlog_walk *w, const struct binlog_query *q)
{
    bool mysql = w->format.flavour == GTID_MYSQL;
    if (text_starts(q, "XA "))
        group_kind(w, BINLOG_GROUP_XA);
    else
        group_kind(w, BINLOG_GROUP_DDL);
    w->group.atomic_ddl = mysql && q->ddl_xid && w->format.version >= 80000;
    group_end(w);
}

/* A statement inside BEGIN .. COMMIT. */
static void on_inner_query(struct binlog_walk *w, const struct binlog_query *q)
{
    if (text_is(q, "COMMIT") || text_is(q, "ROLLBACK")) {
        /* Not an XID: at least one engine of the group knows no two-phase commit. */
        w->group.transactional = false;
        group_end(w);
    } else if (text_starts(q, "XA ")) {
        group_kind(w, BINLOG_GROUP_XA);
    } else if (text_starts(q, "SAVEPOINT ") || text_starts(q, "ROLLBACK TO ") ||
               text_starts(q, "RELEASE SAVEPOINT ")) {
        group_kind(w, BINLOG_GROUP_DML);
    } else if (w->format.flavour == GTID_MYSQL && w->format.version >= 80021 &&
               text_starts(q, "CREATE TABLE ") && text_ends(q, " START TRANSACTION")) {
        /* CREATE TABLE ... SELECT: the table and its rows are one transaction (8.0.21). */
        w->group.atomic_ddl = true;
        group_kind(w, BINLOG_GROUP_DML);
        group_detail(w, q->text, q->size);
    } else {
        w->group.has_statement = true;
        group_kind(w, BINLOG_GROUP_DML);
        group_detail(w, q->text, q->size);
    }
}

static int on_query(struct binlog_walk *w)
{
    struct binlog_query q;
    int err = binlog_decode_query(&w->event, w->format.flavour == GTID_MYSQL, &q);
    if (err != 0)
        return err;
    if (!w->in_group)
        group_begin(w);
    if (w->group_begun) {
        on_inner_query(w, &q);
    } else if (!w->group_standalone && (text_is(&q, "BEGIN") || text_starts(&q, "XA START "))) {
        w->group_begun = true;
        if (!text_is(&q, "BEGIN"))
            group_kind(w, BINLOG_GROUP_XA);
    } else {
        group_detail(w, q.text, q.size);
        on_lone_query(w, &q);
    }
    return 0;
}

static int on_table_map(struct binlog_walk *w)
{
    char name[BINLOG_DETAIL_MAX];
    int err = binlog_decode_table_map(&w->event, name, sizeof name);
    if (err != 0)
        return err;
    if (w->group.kind == BINLOG_GROUP_DML && strcmp(name, w->group.detail) != 0)
        w->group.multi_table = true;
    group_kind(w, BINLOG_GROUP_DML);
    group_detail(w, name, strlen(name));
    return 0;
}

/* Events that carry or end data. */
static int on_data(struct binlog_walk *w)
{
    bool mysql = w->format.flavour == GTID_MYSQL;
    if (!w->in_group)
        group_begin(w);
    switch (w->event.type) {
    case BINLOG_TABLE_MAP:
        return on_table_map(w);
    case BINLOG_XID:
        if (mysql)
            w->group.transactional = true;
        group_end(w);
        return 0;
    case BINLOG_XA_PREPARE:
        group_kind(w, BINLOG_GROUP_XA);
        group_end(w);
        return 0;
    case BINLOG_TRANSACTION_PAYLOAD:
        group_kind(w, BINLOG_GROUP_DML);
        w->group.transactional = true;
        group_end(w);
        return 0;
    case BINLOG_BEGIN_LOAD_QUERY:
    case BINLOG_EXECUTE_LOAD_QUERY:
        w->group.has_statement = true;
        group_kind(w, BINLOG_GROUP_DML);
        return 0;
    case BINLOG_MARIADB_QUERY_COMPRESSED:
        if (w->group_standalone) {
            group_kind(w, BINLOG_GROUP_DDL);
            group_end(w);
        } else {
            w->group.has_statement = true;
            group_kind(w, BINLOG_GROUP_DML);
        }
        return 0;
    case BINLOG_INCIDENT:
        group_kind(w, BINLOG_GROUP_OTHER);
        group_end(w);
        return 0;
    default: /* rows */
        group_kind(w, BINLOG_GROUP_DML);
        return 0;
    }
}

static bool is_rows(uint8_t type)
{
    return (type >= BINLOG_ROWS_V1_FIRST && type <= BINLOG_ROWS_V1_LAST) ||
           (type >= BINLOG_ROWS_FIRST && type <= BINLOG_ROWS_LAST) ||
           type == BINLOG_PARTIAL_UPDATE_ROWS ||
           (type >= BINLOG_MARIADB_ROWS_COMPRESSED_FIRST &&
            type <= BINLOG_MARIADB_ROWS_COMPRESSED_LAST);
}

static bool is_data(uint8_t type)
{
    static const uint8_t types[] = {BINLOG_TABLE_MAP,        BINLOG_XID,
                                    BINLOG_XA_PREPARE,       BINLOG_TRANSACTION_PAYLOAD,
                                    BINLOG_BEGIN_LOAD_QUERY, BINLOG_EXECUTE_LOAD_QUERY,
                                    BINLOG_INCIDENT,         BINLOG_MARIADB_QUERY_COMPRESSED};
    return is_rows(type) || memchr(types, type, sizeof types) != NULL;
}

static bool is_ignorable(const struct binlog_event *e)
{
    static const uint8_t types[] = {BINLOG_INTVAR,
                                    BINLOG_RAND,
                                    BINLOG_USER_VAR,
                                    BINLOG_ROWS_QUERY,
                                    BINLOG_HEARTBEAT,
                                    BINLOG_IGNORABLE,
                                    BINLOG_HEARTBEAT_V2,
                                    BINLOG_TRANSACTION_CONTEXT,
                                    BINLOG_MARIADB_ANNOTATE_ROWS,
                                    BINLOG_MARIADB_CHECKPOINT};
    return (e->flags & BINLOG_FLAG_IGNORABLE) != 0 || memchr(types, e->type, sizeof types) != NULL;
}

static int on_previous(struct binlog_walk *w)
{
    int err = binlog_decode_previous(&w->event, &w->previous);
    if (err != 0)
        return err;
    w->has_previous = true;
    w->previous_end = w->event.start + w->event.size;
    return 0;
}

static int on_event(struct binlog_walk *w)
{
    uint8_t type = w->event.type;
    if (is_data(type))
        return on_data(w);
    switch (type) {
    case BINLOG_GTID:
    case BINLOG_ANONYMOUS_GTID:
    case BINLOG_GTID_TAGGED:
    case BINLOG_MARIADB_GTID:
        return on_gtid(w);
    case BINLOG_QUERY:
        return on_query(w);
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_MARIADB_GTID_LIST:
        return w->in_group ? ERR_FORMAT : on_previous(w);
    case BINLOG_STOP:
        w->stopped = true;
        return w->in_group ? ERR_FORMAT : 0;
    case BINLOG_ROTATE:
        w->rotated = true;
        return w->in_group ? ERR_FORMAT : 0;
    case BINLOG_FORMAT_DESCRIPTION:
        return ERR_FORMAT; /* the second one: not a binlog file as a server writes it */
    case BINLOG_MARIADB_START_ENCRYPTION:
        return ERR_UNSUPPORTED;
    default:
        break;
    }
    if (is_ignorable(&w->event))
        return 0;
    if (!w->in_group) {
        group_begin(w);
        group_kind(w, BINLOG_GROUP_OTHER);
        group_end(w);
    }
    group_kind(w, BINLOG_GROUP_OTHER);
    return 0;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static enum binlog_step on_magic(struct binlog_walk *w)
{
    if (memcmp(w->header, magic_encrypted, BINLOG_MAGIC_SIZE) == 0)
        return bad(w, ERR_UNSUPPORTED, "encrypted binlog");
    if (memcmp(w->header, magic_plain, BINLOG_MAGIC_SIZE) != 0)
        return bad(w, ERR_FORMAT, "no binlog magic");
    w->at = w->boundary = BINLOG_MAGIC_SIZE;
    w->have = 0;
    return BINLOG_STEP_MORE;
}

static uint32_t trailer_size(const struct binlog_walk *w)
{
    return w->has_format && w->format.checksum ? BINLOG_CHECKSUM_SIZE : 0;
}

static enum binlog_step on_header(struct binlog_walk *w)
{
    static const uint8_t zeros[BINLOG_HEADER_SIZE] = {0};
    struct binlog_event *e = &w->event;
    const uint8_t *h = w->header;
    if (memcmp(h, zeros, sizeof zeros) == 0) {
        w->blank = true;
        return BINLOG_STEP_MORE;
    }
    memset(e, 0, sizeof *e);
    e->timestamp_s = u32_at(h);
    e->type = h[4];
    e->server_id = u32_at(h + 5);
    e->size = u32_at(h + 9);
    e->flags = (uint16_t)(h[17] | h[18] << 8);
    e->start = w->at;
    if (e->size < BINLOG_HEADER_SIZE + trailer_size(w))
        return bad(w, ERR_FORMAT, "event shorter than its header");
    if (!w->has_format && (e->type != BINLOG_FORMAT_DESCRIPTION || e->size > BINLOG_KEEP_MAX))
        return bad(w, ERR_FORMAT, "no format description");
    if (w->has_format)
        w->crc = crc32_update(0, h, BINLOG_HEADER_SIZE);
    return BINLOG_STEP_MORE;
}

/* The event's checksum is that of a file which is not in use: the flag is flipped in place later.
 */
static enum binlog_step on_format(struct binlog_walk *w)
{
    size_t n = w->event.size - BINLOG_HEADER_SIZE;
    bool in_use = (w->event.flags & BINLOG_FLAG_IN_USE) != 0;
    uint32_t crc;
    int err;
    if (n < BINLOG_CHECKSUM_SIZE + 1)
        return bad(w, ERR_FORMAT, "format description too short");
    n -= BINLOG_CHECKSUM_SIZE;
    err = binlog_decode_format(w->keep, n, &w->format);
    if (err != 0)
        return bad(w, err, "format description");
    /* Servers write this one's checksum with binlog_checksum = NONE as well. */
    w->header[17] = (uint8_t)(w->header[17] & ~BINLOG_FLAG_IN_USE);
    crc = crc32_update(0, w->header, BINLOG_HEADER_SIZE);
    if (crc32_update(crc, w->keep, n) != u32_at(w->keep + n))
        return bad(w, ERR_FORMAT, "checksum mismatch");
    w->event.body_size = w->event.body_kept = n;
    w->format.in_use = in_use;
    w->format.relay_log = (w->event.flags & BINLOG_FLAG_RELAY_LOG) != 0;
    w->format.end = w->event.start + w->event.size;
    w->has_format = true;
    return BINLOG_STEP_EVENT;
}

static enum binlog_step on_complete(struct binlog_walk *w)
{
    int err;
    w->event.body = w->keep;
    if (!w->has_format) {
        if (on_format(w) == BINLOG_STEP_BAD)
            return BINLOG_STEP_BAD;
    } else {
        if (trailer_size(w) > 0 && w->crc != u32_at(w->trailer))
            return bad(w, ERR_FORMAT, "checksum mismatch");
        w->event.body_size = w->event.size - BINLOG_HEADER_SIZE - trailer_size(w);
        w->event.body_kept =
            w->event.body_size < BINLOG_KEEP_MAX ? w->event.body_size : BINLOG_KEEP_MAX;
        err = on_event(w);
        if (err != 0)
            return bad(w, err,
                       err == ERR_UNSUPPORTED ? "encrypted binlog"
                       : err == ERR_FULL      ? "more GTIDs than can be held"
                                              : "event that cannot be");
    }
    w->at += w->event.size;
    w->have = 0;
    if (!w->in_group)
        w->boundary = w->at;
    return BINLOG_STEP_EVENT;
}

/* Takes the next n bytes of the body, which lie within the event. */
static void take_body(struct binlog_walk *w, const uint8_t *data, uint32_t n)
{
    uint32_t at = w->have - BINLOG_HEADER_SIZE;
    uint32_t body = w->event.size - BINLOG_HEADER_SIZE - trailer_size(w);
    uint32_t in_body = at >= body ? 0 : (body - at < n ? body - at : n);
    if (at < BINLOG_KEEP_MAX && in_body > 0)
        memcpy(w->keep + at, data, in_body < BINLOG_KEEP_MAX - at ? in_body : BINLOG_KEEP_MAX - at);
    if (w->has_format)
        w->crc = crc32_update(w->crc, data, in_body);
    if (n > in_body)
        memcpy(w->trailer + (at + in_body - body), data + in_body, n - in_body);
    w->have += n;
}

static enum binlog_step feed_blank(struct binlog_walk *w, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != 0)
            return bad(w, ERR_FORMAT, "data after zeros");
    return BINLOG_STEP_MORE;
}

enum binlog_step binlog_walk_feed(struct binlog_walk *w, const uint8_t *data, size_t size,
                                  size_t *ret_used)
{
    size_t used = 0;
    enum binlog_step step = BINLOG_STEP_MORE;
    w->group_ready = false;
    if (w->err != 0)
        step = BINLOG_STEP_BAD;
    while (step == BINLOG_STEP_MORE && used < size) {
        size_t n = size - used;
        size_t head = w->at == 0 ? BINLOG_MAGIC_SIZE : BINLOG_HEADER_SIZE;
        if (w->blank) {
            step = feed_blank(w, data + used, n);
            used = size;
        } else if (w->have < head) {
            n = n < head - w->have ? n : head - w->have;
            memcpy(w->header + w->have, data + used, n);
            w->have += (uint32_t)n;
            used += n;
            if (w->have == head)
                step = w->at == 0 ? on_magic(w) : on_header(w);
        } else {
            n = n < w->event.size - w->have ? n : w->event.size - w->have;
            take_body(w, data + used, (uint32_t)n);
            used += n;
        }
        if (step == BINLOG_STEP_MORE && !w->blank && w->at > 0 && w->have >= BINLOG_HEADER_SIZE &&
            w->have == w->event.size)
            step = on_complete(w);
    }
    *ret_used = used;
    return step;
}

enum binlog_end binlog_walk_finish(const struct binlog_walk *w)
{
    return w->have > 0 || w->in_group ? BINLOG_END_TORN : BINLOG_END_WHOLE;
}
